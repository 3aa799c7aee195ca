//! The types of podman's keys: a value of another type makes a file unreadable.
//!
//! Each key was set to a value of a wrong type in turn, and `podman --version` 5.4.2 reported the required type.
//! podman ignores unknown keys, and keys that are not in these lists are accepted. Not detected, although podman
//! refuses them: single values (a number out of range, a bad network address, an unknown time zone) and wrong types
//! in `engine.service_destinations` and `engine.platform_to_oci_runtime`.

use crate::edit::toml::{Flaw, Kind, Reader, Value};

/// For each table: the type, and the keys of that type; `*` stands for every key.
pub(super) type Types = &'static [(&'static str, Kind, &'static str)];

pub(super) const CONTAINERS: Types = &[
    ("", Kind::Table, "containers engine network machine secrets configmaps farms podmansh"),
    (
        "containers",
        Kind::Str,
        "apparmor_profile base_hosts_file cgroupns cgroups host_containers_internal_ip init_path interface_name ipcns log_driver \
         log_tag netns pidns seccomp_profile shm_size tz umask userns utsns",
    ),
    (
        "containers",
        Kind::Bool,
        "container_name_as_hostname env_host http_proxy init keyring label label_users no_hosts prepare_volume_on_create \
         read_only",
    ),
    ("containers", Kind::Int, "log_size_max oom_score_adj pids_limit userns_size"),
    (
        "containers",
        Kind::List,
        "annotations cgroup_conf default_capabilities default_sysctls default_ulimits devices dns_options dns_searches \
         dns_servers env mounts volumes",
    ),
    (
        "engine",
        Kind::Str,
        "active_service cgroup_manager compression_format database_backend detach_keys events_logfile_path events_logger \
         image_build_format image_copy_tmp_dir image_default_format image_default_transport image_volume_mode infra_command \
         infra_image init_path kube_generate_type lock_type namespace network_cmd_path pod_exit_policy pull_policy \
         remote_identity remote_uri retry_delay runtime ssh_config static_dir tmp_dir volume_path",
    ),
    (
        "engine",
        Kind::Bool,
        "cgroup_check chown_copied_files compat_api_enforce_docker_hub compose_warning_logs enable_port_reservation \
         events_container_create_inspect_data healthcheck_events multi_image_archive no_pivot_root remote",
    ),
    (
        "engine",
        Kind::Int,
        "compression_level exit_command_delay image_parallel_copies num_locks podmansh_timeout retry service_timeout \
         stop_timeout volume_plugin_timeout",
    ),
    (
        "engine",
        Kind::List,
        "add_compression cdi_spec_dirs compose_providers conmon_env_vars conmon_path env helper_binaries_dir hooks_dir \
         network_cmd_options runtime_path runtime_supports_json runtime_supports_kvm runtime_supports_nocgroup",
    ),
    ("engine.runtimes", Kind::List, "*"),
    (
        "network",
        Kind::Str,
        "default_network default_rootless_network_cmd default_subnet firewall_driver network_backend network_config_dir",
    ),
    ("network", Kind::Int, "dns_bind_port"),
    ("network", Kind::Tables, "default_subnet_pools"),
    ("network", Kind::List, "cni_plugin_dirs netavark_plugin_dirs pasta_options"),
    ("machine", Kind::Int, "cpus disk_size memory"),
    ("machine", Kind::Str, "image provider user"),
    ("machine", Kind::List, "volumes"),
    ("secrets", Kind::Str, "driver"),
    ("secrets.opts", Kind::Str, "*"),
    ("configmaps", Kind::Str, "driver"),
    ("engine.volume_plugins", Kind::Str, "*"),
];

pub(super) const STORAGE: Types = &[
    ("", Kind::Table, "storage"),
    ("storage", Kind::Str, "driver runroot graphroot rootless_storage_path"),
    ("storage", Kind::List, "driver_priority"),
    ("storage", Kind::Table, "options"),
    ("storage.options", Kind::List, "additionalimagestores additionallayerstores"),
    ("storage.options", Kind::Str, "size mount_program mountopt ignore_chown_errors skip_mount_home"),
    ("storage.options", Kind::Table, "overlay vfs btrfs zfs"),
    ("storage.options.overlay", Kind::Str, "size mount_program mountopt ignore_chown_errors skip_mount_home"),
];

pub(super) const REGISTRIES: Types = &[
    ("", Kind::List, "unqualified-search-registries credential-helpers"),
    ("", Kind::Str, "short-name-mode"),
    ("", Kind::Tables, "registry"),
    ("", Kind::Table, "aliases"),
];

/// Paths that podman does not expand.
const ABSOLUTE: [&str; 3] = ["static_dir", "tmp_dir", "volume_path"];

/// The first value of a wrong type. Go matches names in any case.
pub(super) fn wrong(bytes: &[u8], types: Types) -> Option<Flaw> {
    let read = Reader::of(bytes).ok()?;
    read.kinds().into_iter().find_map(|(path, kind)| {
        let (key, table) = path.split_last()?;
        let table = table.join(".");
        let is_it = |name: &str| name == "*" || name.eq_ignore_ascii_case(key);
        let (_, needed, _) = types.iter().find(|(of, _, keys)| {
            of.eq_ignore_ascii_case(&table) && keys.split_ascii_whitespace().any(is_it)
        })?;
        let why = match read.get(&path) {
            Ok(Some(Value::StrList(list))) if list.is_empty() && *needed == Kind::Tables => return None,
            _ if kind != *needed => format!("is {kind}, but {needed} is required"),
            // common `pkg/config` (`EngineConfig.Validate`).
            Ok(Some(Value::Str(value))) if ABSOLUTE.contains(key) && !value.starts_with('/') => {
                format!("is `{value}`, but an absolute path is required")
            }
            _ => return None,
        };
        let line = read.line_of(&path).ok().flatten().unwrap_or(1);
        Some(Flaw { line, why: format!("`{}` {why}", path.join(".")), before: None })
    })
}

#[cfg(test)]
mod tests {
    use super::{CONTAINERS, REGISTRIES, STORAGE, Types, wrong};

    fn found(text: &str, types: Types) -> Option<(usize, String)> {
        wrong(text.as_bytes(), types).map(|flaw| (flaw.line, flaw.why))
    }

    #[test]
    fn a_value_of_a_wrong_type_is_named_with_its_line() {
        for (text, types, line, why) in [
            (
                "[containers]\npids_limit = \"many\"\n",
                CONTAINERS,
                2,
                "`containers.pids_limit` is a string, but a whole number is required",
            ),
            (
                "[containers]\nlog_driver = 3\n",
                CONTAINERS,
                2,
                "`containers.log_driver` is a whole number, but a string is required",
            ),
            (
                "[containers]\ninit = \"true\"\n",
                CONTAINERS,
                2,
                "`containers.init` is a string, but true or false is required",
            ),
            (
                "[containers]\n\nenv = \"A=b\"\n",
                CONTAINERS,
                3,
                "`containers.env` is a string, but a list of strings is required",
            ),
            (
                "[containers]\nenv = [1]\n",
                CONTAINERS,
                2,
                "`containers.env` is a list of other values, but a list of strings is required",
            ),
            (
                "[engine.runtimes]\nmine = \"/opt/crun\"\n",
                CONTAINERS,
                2,
                "`engine.runtimes.mine` is a string, but a list of strings is required",
            ),
            (
                "[engine]\nvolume_path = \"$HOME/volumes\"\n",
                CONTAINERS,
                2,
                "`engine.volume_path` is `$HOME/volumes`, but an absolute path is required",
            ),
            (
                "[network]\ndefault_subnet_pools = 3\n",
                CONTAINERS,
                2,
                "`network.default_subnet_pools` is a whole number, but a list of tables is required",
            ),
            ("# mine\nengine = 3\n", CONTAINERS, 2, "`engine` is a whole number, but a table is required"),
            (
                "[Engine]\nRuntime = 3\n",
                CONTAINERS,
                2,
                "`Engine.Runtime` is a whole number, but a string is required",
            ),
            (
                "engine.runtimes.crun = \"/usr/bin/crun\"\n",
                CONTAINERS,
                1,
                "`engine.runtimes.crun` is a string, but a list of strings is required",
            ),
            (
                "[storage]\ndriver = 3\n",
                STORAGE,
                2,
                "`storage.driver` is a whole number, but a string is required",
            ),
            (
                "[storage.options]\nsize = 3\n",
                STORAGE,
                2,
                "`storage.options.size` is a whole number, but a string is required",
            ),
            (
                "unqualified-search-registries = \"docker.io\"\n",
                REGISTRIES,
                1,
                "`unqualified-search-registries` is a string, but a list of strings is required",
            ),
            (
                "[registry]\nlocation = \"x\"\n",
                REGISTRIES,
                1,
                "`registry` is a table, but a list of tables is required",
            ),
        ] {
            assert_eq!(found(text, types), Some((line, why.to_owned())), "{text}");
        }
    }

    #[test]
    fn values_that_podman_takes_have_the_right_type() {
        for (text, types) in [
            ("[containers]\nenv = [\"A=b\", {append = true}]\npids_limit = -1\n[new]\nx = 1\n", CONTAINERS),
            ("engine = { runtimes = { crun = [\"/usr/bin/crun\"] }, remote = false }\n", CONTAINERS),
            ("[network]\ndefault_subnet_pools = []\n", CONTAINERS),
            ("[network]\ndefault_subnet_pools = [{ base = \"10.89.0.0/16\", size = 24 }]\n", CONTAINERS),
            ("[engine]\nvolume_path = \"/srv/volumes\"\n", CONTAINERS),
            ("[storage]\ndriver = \"\"\nfoo = 1\n", STORAGE),
            ("[registries.search]\nregistries = ['docker.io']\n", REGISTRIES),
            ("registry = [{ location = \"x\" }]\n[[foo]]\n", REGISTRIES),
        ] {
            assert_eq!(found(text, types), None, "{text}");
        }
    }
}
