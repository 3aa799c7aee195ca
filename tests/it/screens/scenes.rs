//! What is typed on which machine.
//!
//! Behind what the prompt shows stands what a fake machine needs: its root, its user, and where downloads lie.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use crate::screens::terminal::{FAINT, Row, run};
use crate::support::Layout;
use crate::support::cli::{BIN, Case, agreed};
use crate::support::cluster::{self, MANAGER, node};

const PLACE: &str = "/mnt/c/Users/dev/AppData/Local/kind-wsl";
const SYSTEM: &str = "/mnt/c/Windows/System32";
/// Where a release's program lies once it is installed.
const INSTALLED: &str = "/usr/local/bin/kind-wsl";

/// The screen after a command on such a machine, which ends so.
#[track_caller]
fn screen(case: &Case, command: Command, code: i32) -> Vec<Row> {
    let (rows, ended) = run(command, None, &[(case.machine.root.as_str(), ""), (BIN, INSTALLED)]);
    let text: Vec<_> = rows.iter().map(|row| row.text.as_str()).collect();
    assert_eq!(ended, Some(code), "{}", text.join("\n"));
    rows
}

/// The prompt, and what came.
fn typed(line: &str, rows: Vec<Row>) -> Vec<Row> {
    [Row::prompt(line), rows].concat()
}

/// A row of ours, about what a picture leaves out.
fn remark(text: &str) -> Row {
    Row::new(FAINT, text)
}

/// The first row in which these words stand.
#[track_caller]
fn at(rows: &[Row], words: &str) -> usize {
    let all = || rows.iter().map(|row| row.text.as_str()).collect::<Vec<_>>().join("\n");
    rows.iter()
        .position(|row| row.text.contains(words))
        .unwrap_or_else(|| panic!("no `{words}` in\n{}", all()))
}

/// What a machine had before anybody set it up, and what only a running one shows.
fn furnished(layout: Layout) -> Case {
    let case = Case::new(layout)
        .file("/proc/self/mountinfo", "1 0 8:32 / / rw,relatime shared:1 - ext4 /dev/sdc rw\n")
        .file(
            "/proc/self/limits",
            "Max open files            10240                1048576              files     \n",
        )
        .file("/proc/sys/fs/binfmt_misc/WSLInterop", "enabled\ninterpreter /init\n")
        .file("/proc/net/if_inet6", "")
        .file("/etc/resolv.conf", "nameserver 10.255.255.254\n")
        .file("/dev/fuse", "")
        .env("WSL_INTEROP", "/run/WSL/7_interop");
    // What the machine's own programs do not play.
    for (program, flag, answer) in
        [("podman", "--version", "podman version 4.3.1"), ("wslinfo", "--networking-mode", "nat")]
    {
        let path = case.machine.path(&format!("/usr/bin/{program}"));
        let played = fs::read_to_string(&path).unwrap();
        let player = played.trim().trim_start_matches("#!");
        let script = format!(
            "#!/bin/sh\n[ \"$1\" != {flag} ] || {{ echo {answer}; exit; }}\nexec '{player}' \"$0\" \"$@\"\n"
        );
        fs::write(path, script).unwrap();
    }
    case
}

/// WSL 3 with nothing set up, and without systemd.
fn new() -> Case {
    let case = furnished(Layout::Namespaced).file("/etc/wsl.conf", "[automount]\nenabled=true\n");
    case.machine.boot(1);
    case
}

/// Ubuntu 24.04 as WSL 3 installs it.
fn ubuntu() -> Case {
    let packages = "libc6 2.39-0ubuntu8.6\nsystemd 255.4-1ubuntu8.11\nsystemd-sysv 255.4-1ubuntu8.11\n";
    let archive = "podman 4.9.3+ds1-1ubuntu0.2\ncrun 1.14.1-1\nnetavark 1.4.0-4\naardvark-dns 1.4.0-5\nuidmap 1:4.13\nslirp4netns 1.2.1\npasst 0.0\nfuse-overlayfs 1.13\ndbus-user-session 1.14\niptables 1.8.10\n";
    let case = furnished(Layout::Namespaced)
        .file(
            "/etc/os-release",
            "PRETTY_NAME=\"Ubuntu 24.04.3 LTS\"\nID=ubuntu\nID_LIKE=debian\nVERSION_ID=\"24.04\"\n",
        )
        .file("/fake/packages", packages)
        .file("/fake/archive", archive)
        .file("/etc/wsl.conf", "[boot]\nsystemd=true\n")
        .file("/etc/subuid", "dev:100000:65536\n")
        .file("/etc/subgid", "dev:100000:65536\n")
        .link("/sbin/init", "/lib/systemd/systemd")
        .env("WSL_DISTRO_NAME", "Ubuntu");
    case.machine.boot(1);
    case
}

pub(crate) fn plan_of_ubuntu() -> Vec<Row> {
    let case = ubuntu();
    typed("kind-wsl plan", screen(&case, case.command("plan"), 0))
}

pub(crate) fn plan() -> Vec<Row> {
    let case = new();
    typed("kind-wsl plan", screen(&case, case.command("plan"), 0))
}

/// The helper restarts the distribution, and the setup resumes in a new window.
pub(crate) fn setup() -> Vec<Row> {
    let log = "C:\\Users\\dev\\AppData\\Local\\kind-wsl\\1f0c.log";
    let case = new()
        .dir("/mnt/c/Users/dev/AppData/Local")
        .program(&format!("{SYSTEM}/wsl.exe"))
        .program(&format!("{SYSTEM}/cmd.exe"))
        .file("/fake/windows/wsl.exe --list", "0\nDebian\n")
        .program("/opt/kind-wsl-helper.exe")
        .env("KIND_WSL_HELPER", "[ROOT]/opt/kind-wsl-helper.exe")
        .file("/fake/windows/kind-wsl-helper.exe look", "0\nprofile=C:\\Users\\dev\nfolder=C:\\Users\\dev\\AppData\\Local\\kind-wsl\nable=yes\nrunning=Debian\n")
        .file("/fake/windows/kind-wsl-helper.exe restart", format!("0\nstarted=7\nlog={log}\n"));
    let paths = [(case.machine.root.as_str(), ""), (BIN, INSTALLED)];
    let command = case.command(&format!("setup {}", agreed()));
    // WSL stops as soon as the helper has its word, and the program is ended with it.
    let place = case.machine.path(PLACE);
    let told = || {
        let mut files = place.read_dir_utf8().into_iter().flatten().flatten();
        files.any(|file| file.path().extension() == Some("ready"))
    };
    let (mut rows, ended) = run(command, Some(&told), &paths);
    assert_eq!(ended, None, "it was not ended by a signal");
    // Below it stands how long it waits.
    rows.truncate(at(&rows, "Log: "));
    let rows = rows.split_off(at(&rows, "Ctrl-C is safe"));
    let waiting = case.run("status --waiting").expect(0, "").stdout;
    let id = waiting.strip_prefix("id=").unwrap().lines().next().unwrap();
    case.machine.boot(2);
    let result = format!("version=1\nid={id}\nscope=distro\nstate=resuming\nstop=stopped\nstopped_ms=3210\n");
    case.machine.write(&format!("{PLACE}/{id}.result"), result);
    case.machine.write(&format!("{PLACE}/{id}.log"), "0.0 x\n");
    let resumed = screen(&case, case.command(&format!("setup --resume {id}")), 0);
    let shown = [
        vec![remark("… the plan, as `kind-wsl plan` shows it")],
        rows,
        vec![remark(""), remark("… WSL restarts; in a new window:")],
        resumed,
    ];
    typed("kind-wsl setup --yes", shown.concat())
}

/// A machine that was set up, and whose user then replaced containers.conf; without a session.
pub(crate) fn doctor() -> Vec<Row> {
    let case =
        set_up().file("/home/dev/.config/containers/containers.conf", "[containers]\npids_limit = 2048\n");
    typed("kind-wsl doctor", screen(&case, case.command("doctor"), 4))
}

/// A machine whose setup is complete, and what its packages really bring.
pub(crate) fn set_up() -> Case {
    let case = furnished(Layout::Namespaced)
        .file("/usr/lib/podman/netavark", "")
        .file("/usr/bin/slirp4netns", "")
        .file("/usr/sbin/iptables", "#!/bin/sh\necho 'iptables v1.8.9 (nf_tables)'\n")
        .file("/usr/bin/kind", "#!/bin/sh\necho 'kind v0.27.0 go1.23.6 linux/amd64'\n");
    case.run(&format!("setup {}", agreed())).expect(3, "");
    case.machine.boot(2);
    let mounts = case.machine.text("/proc/mounts");
    let case = case.file("/proc/mounts", format!("/dev/sdc / ext4 rw,relatime 0 0\n{mounts}")).file(
        "/proc/modules",
        "overlay 1 0\nip_tables 1 0\niptable_nat 1 0\nip6_tables 1 0\nip6table_nat 1 0\n",
    );
    for (program, mode) in
        [("usr/bin/newuidmap", 0o4755), ("usr/sbin/iptables", 0o755), ("usr/bin/kind", 0o755)]
    {
        fs::set_permissions(case.machine.path(program), fs::Permissions::from_mode(mode)).unwrap();
    }
    case.run("setup").expect(0, "");
    case
}

/// What kind prints, said to a machine on which its cause is there.
pub(crate) fn explain() -> Vec<Row> {
    let case = furnished(Layout::Namespaced);
    let message = "ERROR: failed to create cluster: running kind with rootless provider requires setting systemd property \"Delegate=yes\"";
    let mut command = case.command("explain");
    command.arg(message);
    let rows = screen(&case, command, 0);
    typed(&format!("kind-wsl explain '{message}'"), rows)
}

/// Everything that the setup did, undone.
pub(crate) fn undo() -> Vec<Row> {
    let case = set_up();
    let before = case.machine.path("/var/lib/kind-wsl/journal.jsonl").exists();
    let rows = screen(&case, case.command("undo --yes --packages"), 0);
    assert!(before && !case.machine.has_journal(), "nothing is left of it");
    typed("kind-wsl undo --yes --packages", rows)
}

/// The guide's cluster with a pod of nginx.
pub(crate) fn inspect() -> Vec<Row> {
    let machine = cluster::Machine::with_cluster();
    let kubelet = format!("{}/kubelet.slice", node());
    let pods = format!("{kubelet}/kubelet-kubepods.slice");
    let pod = format!("{pods}/kubelet-kubepods-pod6f1c_22.slice");
    // Memory in KiB, CPU in milliseconds, tasks.
    let used = [
        (MANAGER.to_owned(), 412_000, 131_400, 211),
        (format!("{MANAGER}/app.slice"), 408_000, 130_100, 208),
        (node(), 401_000, 125_300, 205),
        (format!("{}/init.scope", node()), 9_100, 11_900, 1),
        (format!("{}/system.slice", node()), 96_000, 43_200, 61),
        (format!("{}/system.slice/containerd.service", node()), 88_400, 41_700, 58),
        (kubelet.clone(), 290_000, 70_100, 143),
        (format!("{kubelet}/kubelet.service"), 61_300, 38_500, 17),
        (pods.clone(), 223_000, 31_200, 126),
        (pod.clone(), 7_900, 600, 3),
        (format!("{pod}/cri-containerd-bbbb.scope"), 6_200, 500, 2),
    ];
    for (path, memory, cpu, tasks) in used {
        machine.file(&format!("{path}/memory.current"), &format!("{}\n", memory * 1024));
        machine.file(&format!("{path}/cpu.stat"), &format!("usage_usec {}\n", cpu * 1000));
        machine.file(&format!("{path}/pids.current"), &format!("{tasks}\n"));
    }
    let mut command = Command::new(BIN);
    command.args(["--root", machine.root.as_str(), "--user", "dev", "inspect"]).env_clear();
    let (rows, code) = run(command, None, &[(machine.root.as_str(), "")]);
    assert_eq!(code, Some(0));
    typed("kind-wsl inspect", rows)
}

/// The same machine as in `doctor`, with what was missing there.
pub(crate) fn healthy() -> Vec<Row> {
    let case = set_up()
        .file("/etc/containers/policy.json", "{\"default\": [{\"type\": \"insecureAcceptAnything\"}]}\n")
        .file("/run/user/1000/bus", "")
        .file("/run/user/1000/systemd/private", "");
    if nix::unistd::geteuid().is_root() {
        std::os::unix::fs::chown(case.machine.path("/run/user/1000"), Some(1000), Some(1000)).unwrap();
    }
    fs::set_permissions(case.machine.path("/run/user/1000"), fs::Permissions::from_mode(0o700)).unwrap();
    typed("kind-wsl doctor", screen(&case, case.command("doctor"), 0))
}

/// `status` from before the setup to after the undo. The times are those of the picture.
pub(crate) fn status() -> Vec<Row> {
    let case = new();
    let mut rows = Vec::new();
    let mut status = |case: &Case, state: &str| {
        if !rows.is_empty() {
            rows.push(remark(""));
        }
        rows.push(remark(&format!("# {state}")));
        rows.extend(typed("kind-wsl status", screen(case, case.command("status"), 0)));
    };
    status(&case, "before the setup");
    case.signal_at("kill-after", "=600 install --no-remove --no-install-recommends podman");
    assert_eq!(case.run(&format!("setup {}", agreed())).code, 137);
    status(&case, "after a setup that did not finish");
    case.run(&format!("setup {}", agreed())).expect(3, "");
    status(&case, "before the restart");
    case.machine.boot(2);
    status(&case, "after the restart");
    case.run("setup").expect(0, "");
    status(&case, "after the setup");
    let subuid = case.machine.text("/etc/subuid");
    case.machine.write("/etc/subuid", "");
    status(&case, "after a file was changed");
    case.machine.write("/etc/subuid", subuid);
    case.run("undo --yes").expect(0, "");
    status(&case, "after the undo");
    rows.into_iter().map(Row::without_time).collect()
}

/// A stage that has something to do.
pub(crate) fn explain_stage() -> Vec<Row> {
    let case = ubuntu();
    typed("kind-wsl explain limits", screen(&case, case.command("explain limits"), 0))
}

pub(crate) fn explain_topics() -> Vec<Row> {
    let case = ubuntu();
    typed("kind-wsl explain", screen(&case, case.command("explain"), 0))
}
