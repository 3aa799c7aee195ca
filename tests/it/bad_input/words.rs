//! A command line that is wrong.

use std::process::Command;

use crate::support::Layout;
use crate::support::cli::Case;

#[test]
fn an_unknown_stage_in_only_is_answered_with_the_near_match() {
    Case::new(Layout::Modern).refuses(
        "setup --yes --only systmd",
        2,
        "
        error: unknown stage `systmd`
        hint: did you mean `systemd`? The stages are: systemd, cgroup, cgroup-mount, shared-root, controllers, user-slice, delegation, modules, limits, idle, packages, subids, podman, cni, crun, tools, autostart, restart, docker, nerdctl, verify
        ",
    );
}

#[test]
fn an_unknown_stage_in_skip_is_answered_with_the_near_match() {
    Case::new(Layout::Modern).refuses(
        "plan --skip limits,cgroup-mnt",
        2,
        "
        error: unknown stage `cgroup-mnt`
        hint: did you mean `cgroup-mount`? The stages are: systemd, cgroup, cgroup-mount, shared-root, controllers, user-slice, delegation, modules, limits, idle, packages, subids, podman, cni, crun, tools, autostart, restart, docker, nerdctl, verify
        ",
    );
}

#[test]
fn an_unknown_stage_to_explain_is_answered_with_the_near_match() {
    Case::new(Layout::Modern).refuses(
        "explain delegaton",
        2,
        "
        error: unknown stage `delegaton`
        hint: did you mean `delegation`? The stages are: systemd, cgroup, cgroup-mount, shared-root, controllers, user-slice, delegation, modules, limits, idle, packages, subids, podman, cni, crun, tools, autostart, restart, docker, nerdctl, verify
        ",
    );
}

#[test]
fn an_unknown_stage_to_undo_without_a_near_match_lists_all_stages() {
    Case::new(Layout::Modern).refuses(
        "undo --yes everything",
        2,
        "
        error: unknown stage `everything`
        hint: the stages are: systemd, cgroup, cgroup-mount, shared-root, controllers, user-slice, delegation, modules, limits, idle, packages, subids, podman, cni, crun, tools, autostart, restart, docker, nerdctl, verify
        ",
    );
}

#[test]
fn an_unknown_provider_is_answered_with_the_near_match() {
    Case::new(Layout::Modern).refuses(
        "setup --yes --provider podmann",
        2,
        "
        error: invalid value `podmann` for `--provider`
        hint: did you mean `podman`? It takes: podman, docker, nerdctl
        ",
    );
}

#[test]
fn an_unknown_flag_is_answered_by_clap_with_the_near_match() {
    Case::new(Layout::Modern).refuses(
        "setup --yes --ony systemd",
        2,
        "
        error: unexpected argument '--ony' found

          tip: a similar argument exists: '--only'

        Usage: kind-wsl setup --yes --only <STAGE>

        For more information, try '--help'.
        ",
    );
}

#[test]
fn an_unknown_command_is_answered_by_clap_with_the_near_match() {
    Case::new(Layout::Modern).refuses(
        "setpu",
        2,
        "
        error: unrecognized subcommand 'setpu'

          tip: some similar subcommands exist: 'status', 'setup'

        Usage: kind-wsl [OPTIONS] <COMMAND>

        For more information, try '--help'.
        ",
    );
}

#[test]
fn an_unknown_crun_version_is_answered_with_the_near_match() {
    let case = Case::new(Layout::Modern);
    let asks = "setup --yes --crun-version 1.31.9 --offline [ROOT]/offline";
    if Command::new("gpgv").arg("--version").output().is_err() {
        return drop(case.refuses(
            asks,
            1,
            "
            error: stage `crun` cannot be set up: crun 1.31.9 for x86_64 is not in the catalogue, so its checksum is unknown
            hint: did you mean `1.30.1`? `kind-wsl crun list` shows the versions; or add `--crun-sha256 HASH`; or install `gpgv` to check its signature
            ",
        ));
    }
    case.refuses(
        asks,
        1,
        "
        error: `crun-1.31.9-linux-amd64` is not in `[ROOT]/offline`
        hint: did you mean `1.30.1`? Otherwise: put it there under this name (on GitHub, and below a mirror, it is `containers/crun/releases/download/1.31.9/crun-1.31.9-linux-amd64`), or omit `--offline`
        ",
    );
}

#[test]
fn a_crun_below_the_floor_of_this_machine_is_refused() {
    Case::new(Layout::Modern).refuses(
        "setup --yes --crun-version 1.8",
        1,
        "
        error: stage `crun` cannot be set up: crun 1.8 is too old for this host, which needs 1.9.1 or later
        hint: `kind-wsl crun list` shows the supported versions
        ",
    );
}

#[test]
fn a_crun_version_that_is_none_is_a_usage_error() {
    Case::new(Layout::Modern).refuses(
        "setup --yes --crun-version newest",
        2,
        "
        error: invalid value `newest` for `--crun-version`
        hint: it takes: a version, recommended, latest, keep
        ",
    );
}

#[test]
fn keeping_a_crun_that_is_too_old_is_refused() {
    Case::new(Layout::Modern).refuses(
        "setup --yes --crun-version keep",
        1,
        "
        error: stage `crun` cannot be set up: crun 1.8.1 is kept as requested, but this host needs 1.9.1 or later
        hint: answer with `--crun-version recommended`
        ",
    );
}

#[test]
fn a_sha256_of_the_wrong_length_is_a_usage_error() {
    Case::new(Layout::Modern).refuses(
        "setup --yes --crun-version 1.99 --crun-sha256 abc123",
        2,
        "
        error: invalid value `abc123` for `--crun-sha256`
        hint: it takes: 64 hexadecimal digits
        ",
    );
}

#[test]
fn a_crun_of_ones_own_without_its_sha256_is_refused() {
    Case::new(Layout::Modern).refuses(
        "setup --yes --crun-binary /tmp/crun",
        1,
        "
        error: stage `crun` cannot be set up: the checksum of the given crun binary is missing
        hint: add `--crun-sha256 HASH`
        ",
    );
}

#[test]
fn a_missing_root_is_a_usage_error() {
    Case::new(Layout::Modern).refuses(
        "plan --root [ROOT]/nowhere",
        2,
        "
        error: cannot use `[ROOT]/nowhere` as the root: No such file or directory
        hint: `--root` takes a directory
        ",
    );
}

#[test]
fn a_missing_report_is_a_usage_error() {
    Case::new(Layout::Modern).refuses(
        "plan --facts [ROOT]/nowhere.json",
        2,
        "
        error: cannot read `[ROOT]/nowhere.json`: No such file or directory
        hint: `--facts` takes a file that `kind-wsl report` wrote
        ",
    );
}

#[test]
fn a_file_that_is_not_a_report_is_a_usage_error() {
    Case::new(Layout::Modern).file("/notes.txt", "dear diary\n").refuses(
        "plan --facts [ROOT]/notes.txt",
        2,
        "
        error: `[ROOT]/notes.txt` is not a report: expected value at line 1 column 1
        hint: `--facts` takes a file that `kind-wsl report` wrote
        ",
    );
}

#[test]
fn json_that_is_not_a_report_is_a_usage_error() {
    Case::new(Layout::Modern).file("/r.json", "{\"schema\":1}").refuses(
        "plan --facts [ROOT]/r.json",
        2,
        "
        error: `[ROOT]/r.json` is not a report: missing field `user`
        hint: `--facts` takes a file that `kind-wsl report` wrote
        ",
    );
}

#[test]
fn a_report_of_another_schema_is_a_usage_error() {
    Case::new(Layout::Modern).file("/r.json", "{\"schema\":7}").refuses(
        "plan --facts [ROOT]/r.json",
        2,
        "
        error: `[ROOT]/r.json` has schema 7; this program reads schema 1
        hint: `--facts` takes a file that `kind-wsl report` wrote
        ",
    );
}

#[test]
fn a_mirror_and_an_offline_directory_at_once_are_refused_by_clap() {
    Case::new(Layout::Modern).refuses(
        "plan --mirror https://m --offline /d",
        2,
        "
        error: the argument '--mirror <URL>' cannot be used with '--offline <DIR>'

        Usage: kind-wsl plan --mirror <URL>

        For more information, try '--help'.
        ",
    );
}

#[test]
fn kind_is_refused_in_another_tree_than_the_running_system() {
    Case::new(Layout::Isolated).typed_by_somebody().refuses(
        "kind create cluster",
        2,
        "
        error: cannot run kind in `[ROOT]`: kind runs only on the running system
        hint: kind-wsl kind create cluster
        ",
    );
}

#[test]
fn a_provider_that_the_distribution_does_not_have_is_refused_before_anything_is_changed() {
    Case::new(Layout::Modern).refuses(
        "setup --yes --provider nerdctl",
        1,
        "
        error: stage `packages` cannot be set up: Debian GNU/Linux 12 (bookworm) offers no nerdctl, and kind needs 1.7 or later
        hint: unpack a release of nerdctl-full into /usr/local (https://github.com/containerd/nerdctl/releases; it contains containerd, the setup tool and the CNI plugins), then run the same command again. Or use `--provider podman`
        ",
    );
}

#[test]
fn docker_beside_a_rootless_containerd_is_refused_with_the_way_out() {
    let case = Case::new(Layout::Modern).file("/run/user/1000/containerd-rootless/child_pid", "1\n");
    case.refuses(
        "setup --yes --provider docker",
        1,
        "
        error: stage `docker` cannot be set up: a rootless containerd has /run/user/1000/containerd-rootless, and Docker's setup tool does not run beside it (moby#52171)
        hint: `containerd-rootless-setuptool.sh uninstall` removes it; or use it: `--provider nerdctl`
        ",
    );
}

#[test]
fn docker_below_an_isolated_cgroup_is_refused_with_the_setting_that_helps() {
    Case::new(Layout::Isolated).refuses(
        "setup --yes --provider docker",
        1,
        "
        error: stage `docker` cannot be set up: this WSL keeps the distribution below /wsl-user, and Docker (moby#53531) looks for the user's cgroup in /sys/fs/cgroup/user.slice
        hint: in Windows: run `wsl --update`, or add `isolateDistroCgroup=false` below [wsl2] in .wslconfig, then run `wsl --shutdown`; or use `--provider podman`
        ",
    );
}
