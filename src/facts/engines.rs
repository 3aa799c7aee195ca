//! Docker and nerdctl: installed programs, running daemons, and their reports to kind.

use camino::Utf8PathBuf;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::host::{Account, Cmd, System};
use crate::version::Version;

/// The directories of programs that a package or an administrator installed for all users.
const BINS: [&str; 4] = ["/usr/local/bin", "/usr/bin", "/usr/local/sbin", "/usr/sbin"];
/// The directory of Docker's scripts in Debian and Ubuntu (package docker.io), which is not in PATH.
pub const CONTRIB: &str = "/usr/share/docker.io/contrib";
/// The units of rootful daemons, and the units that enable them (`WantedBy=` of moby's and containerd's unit files).
const ROOTFUL: [(&str, &str); 3] = [
    ("docker.socket", "sockets.target"),
    ("docker.service", "multi-user.target"),
    ("containerd.service", "multi-user.target"),
];

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Engines {
    /// The version of dockerd. A `docker` without it is Docker Desktop's, which has no daemon here.
    pub docker: Option<Version>,
    pub nerdctl: Option<Version>,
    pub containerd: Option<Version>,
    /// Docker's setup tool for rootless Docker.
    pub docker_tool: Option<Utf8PathBuf>,
    pub nerdctl_tool: Option<Utf8PathBuf>,
    /// The program that creates the user namespace of either daemon.
    #[serde(default)]
    pub rootlesskit: Option<Utf8PathBuf>,
    /// Whether rootless Docker has a directory below the runtime directory.
    pub rootless_docker: bool,
    /// Whether rootless containerd has one.
    pub rootless_containerd: bool,
    /// The rootful daemons that start at boot.
    pub rootful: Vec<String>,
    /// Whether the user can use rootful Docker, through its socket and the group `docker`.
    pub may_use_rootful: bool,
}

impl Engines {
    /// Finds the programs and queries their versions.
    #[must_use]
    pub fn probe(system: &dyn System, user: &Account) -> Self {
        let find = |name: &str, more: &[&str]| {
            let places = BINS.iter().chain(more).map(|dir| format!("{dir}/{name}"));
            places.into_iter().find(|path| system.exists(path))
        };
        let version = |name: &str, word: usize| {
            let stdout = system.stdout_if_ok(&Cmd::new(&find(name, &[])?, ["--version"]).as_user(user))?;
            version(&stdout, word)
        };
        let run = user.runtime_dir();
        let is_enabled = |(unit, by): &&(&str, &str)| {
            // A dangling link enables nothing, but `exists` would miss a link to a path outside a fake root.
            let link = format!("/etc/systemd/system/{by}.wants/{unit}");
            matches!(system.stat(link.as_str().into()), Ok(Some(_)))
        };
        let socket = ["/run/docker.sock", "/var/run/docker.sock"].iter().any(|s| system.exists(s));
        Self {
            docker: version("dockerd", 2),
            nerdctl: version("nerdctl", 2),
            containerd: version("containerd", 2),
            docker_tool: find("dockerd-rootless-setuptool.sh", &[CONTRIB]).map(Into::into),
            nerdctl_tool: find("containerd-rootless-setuptool.sh", &[]).map(Into::into),
            rootlesskit: find("rootlesskit", &[]).map(Into::into),
            rootless_docker: system.exists(&format!("{run}/dockerd-rootless")),
            rootless_containerd: system.exists(&format!("{run}/containerd-rootless")),
            rootful: ROOTFUL.iter().filter(is_enabled).map(|(unit, _)| (*unit).to_owned()).collect(),
            may_use_rootful: socket
                && in_group(&system.text("/etc/group").unwrap_or_default(), "docker", &user.name),
        }
    }
}

/// `Docker version 20.10.24+dfsg1, build 5d6db84`, `nerdctl version 1.7.7`, `containerd
/// github.com/containerd/containerd 1.6.20~ds1 1.6.20~ds1-1+b1` (with a `v` in upstream builds).
fn version(stdout: &str, word: usize) -> Option<Version> {
    let word = stdout.split_ascii_whitespace().nth(word)?;
    word.trim_start_matches('v').trim_end_matches(',').parse().ok()
}

/// group(5).
fn in_group(table: &str, group: &str, user: &str) -> bool {
    let line = table.lines().find_map(|l| l.strip_prefix(group)?.strip_prefix(':'));
    line.and_then(|l| l.rsplit(':').next()).is_some_and(|members| members.split(',').any(|m| m == user))
}

/// The fields of `docker info` and `nerdctl info` that kind reads (kind
/// `pkg/cluster/internal/providers/{docker,nerdctl}/provider.go`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Info {
    /// Whether it uses cgroup v2.
    pub is_v2: bool,
    /// Whether it is rootless.
    pub is_rootless: bool,
    /// The controllers whose limits it does not support.
    pub missing: Vec<&'static str>,
    /// The program that creates its cgroups; `none` means that no limit is enforced, whatever else it reports
    /// (moby#42151).
    pub cgroup_driver: String,
    pub storage: String,
}

impl Info {
    /// Applies kind's own rules.
    #[must_use]
    pub fn of(info: &Value) -> Self {
        let text = |key: &str| info.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let cgroup_driver = text("CgroupDriver");
        let has = |key: &str| cgroup_driver != "none" && info.get(key).and_then(Value::as_bool) == Some(true);
        let limits = [("cpu", "CPUShares"), ("memory", "MemoryLimit"), ("pids", "PidsLimit")];
        let options = info.get("SecurityOptions").and_then(Value::as_array);
        Self {
            is_v2: text("CgroupVersion") == "2",
            is_rootless: options.into_iter().flatten().any(|o| o.as_str() == Some("name=rootless")),
            missing: limits.into_iter().filter(|(_, key)| !has(key)).map(|(name, _)| name).collect(),
            storage: text("Driver"),
            cgroup_driver,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Info, in_group, version};

    #[test]
    fn the_version_of_each_program_is_parsed() {
        let stdout = [
            ("Docker version 20.10.24+dfsg1, build 5d6db84", "20.10.24"),
            ("nerdctl version 1.7.7", "1.7.7"),
            ("containerd github.com/containerd/containerd 1.6.20~ds1 1.6.20~ds1-1+deb12u3", "1.6.20"),
            (
                "containerd github.com/containerd/containerd/v2 v2.1.3 c787fb98911740dd3ff2d0e45ce88cdf01410486",
                "2.1.3",
            ),
        ];
        for (stdout, wanted) in stdout {
            assert_eq!(version(stdout, 2).map(|v| v.release().clone()), Some(wanted.to_owned()), "{stdout}");
        }
    }

    #[test]
    fn kind_has_no_controllers_if_docker_has_no_cgroup_driver() {
        let info = json!({ "CgroupVersion": "2", "CgroupDriver": "none", "MemoryLimit": true, "PidsLimit": true, "CPUShares": true,
            "SecurityOptions": ["name=seccomp,profile=default", "name=rootless", "name=cgroupns"], "Driver": "overlay2" });
        let seen = Info::of(&info);
        assert!(seen.is_v2 && seen.is_rootless);
        assert_eq!(seen.missing, ["cpu", "memory", "pids"]);
    }

    #[test]
    fn a_member_of_a_group_is_known_by_the_whole_name() {
        let table = "dockers:x:1:dev\ndocker:x:110:develop,dev\n";
        assert!(in_group(table, "docker", "dev") && !in_group(table, "docker", "devel"));
    }
}
