//! The machines of the sweep: what people have, by the facts that decide what a setup does there.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, lchown, symlink};

use camino::Utf8Path;
use kind_wsl::engine::{EngineError, RunOutcome};
use kind_wsl::host::LiveSystem;
use kind_wsl::journal::RunOptions;
use kind_wsl::plan::StageSelection;

use crate::crash_sweep::{Layout, Machine, Tree, answers, changes};

/// One machine, and how it is set up.
#[derive(Clone, Copy)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) layout: Layout,
    /// What it has beside what its layout gives.
    pub(crate) furnish: fn(&Machine),
    pub(crate) guide: bool,
    pub(crate) provider: &'static str,
    /// How many checks hold in the end.
    pub(crate) checks: usize,
    /// Whether every effect is looked at in every run of the tests.
    pub(crate) whole: bool,
}

const PODMAN: Row = Row {
    name: "",
    layout: Layout::Modern,
    furnish: |_| {},
    guide: false,
    provider: "podman",
    checks: 10,
    whole: false,
};

pub(crate) const CLASSIC: Row =
    Row { name: "WSL 2.2.4, Debian 12 without systemd", layout: Layout::Classic, whole: true, ..PODMAN };
pub(crate) const ISOLATED_POOR: Row = Row {
    name: "WSL 2.9.11, isolated, only cpu and memory passed on",
    layout: Layout::Isolated,
    whole: true,
    ..PODMAN
};
pub(crate) const GUIDE: Row = Row { name: "WSL 2.7.14 with --guide", guide: true, whole: true, ..PODMAN };
pub(crate) const DOCKER: Row =
    Row { name: "WSL 2.7.14 with docker", provider: "docker", checks: 5, whole: true, ..PODMAN };
pub(crate) const PLAIN_DOCKER: Row = Row { name: "plain host with docker", layout: Layout::Plain, ..DOCKER };
pub(crate) const MODERN: Row =
    Row { name: "WSL 2.6.1", furnish: |machine| machine.write("/fake/wsl-version", "2.6.1.0\n"), ..PODMAN };
pub(crate) const ISOLATED: Row =
    Row { name: "WSL 2.9.11, isolated, everything passed on", layout: Layout::Generous, ..PODMAN };
pub(crate) const NAMESPACED: Row = Row {
    name: "WSL 3.0.1, a cgroup namespace, systemd off below a line that it skips",
    layout: Layout::Namespaced,
    furnish: |machine| {
        machine.write("/etc/wsl.conf", "; by hand\n[boot]\nsystemd=false\n");
        machine.boot(1);
    },
    whole: true,
    ..PODMAN
};
pub(crate) const NAMESPACED_DOCKER: Row =
    Row { name: "WSL 3.0.1 with docker", layout: Layout::Namespaced, ..DOCKER };
pub(crate) const DEBIAN_11: Row = Row {
    name: "Debian 11",
    furnish: |machine| {
        let archive = "podman 3.0.1+dfsg1-3+deb11u5\ncontainernetworking-plugins 0.9.0-1+b6\ncrun 0.17+dfsg-1+deb11u2\n";
        release(machine, "debian", "11", "2.31-13+deb11u13", "247.3-7+deb11u7", archive);
    },
    ..PODMAN
};
pub(crate) const DEBIAN_12: Row = Row {
    name: "Debian 12 with systemd",
    furnish: |machine| {
        let archive =
            "podman 4.3.1+ds1-8+deb12u1\ncrun 1.8.1-1+deb12u1\nnetavark 1.4.0-3\naardvark-dns 1.4.0-3\n";
        release(machine, "debian", "12", "2.36-9+deb12u13", "252.39-1~deb12u1", archive);
    },
    ..PODMAN
};
pub(crate) const DEBIAN_13: Row = Row {
    name: "Debian 13",
    furnish: |machine| {
        let archive = "podman 5.4.2+ds1-2+b2\ncrun 1.21-1\nnetavark 1.14.0-2\naardvark-dns 1.14.0-3\nnftables 1.1.3-1\n";
        release(machine, "debian", "13", "2.41-12", "257.9-1~deb13u1", archive);
    },
    ..PODMAN
};
pub(crate) const UBUNTU_22_04: Row = Row {
    name: "Ubuntu 22.04",
    furnish: |machine| {
        let archive = "podman 3.4.4+ds1-1ubuntu1.22.04.2\ncontainernetworking-plugins 0.9.1+ds1-1\ncrun 0.17+dfsg-1.1\n";
        release(machine, "ubuntu", "22.04", "2.35-0ubuntu3.11", "249.11-0ubuntu3.17", archive);
        if let Some(deb) = cni_package() {
            machine.write("/fake/deb", "containernetworking-plugins 1.1.1+ds1-3+b5\n");
            symlink(&deb, machine.path("/offline").join(Utf8Path::new(&deb).file_name().unwrap())).unwrap();
        }
    },
    ..PODMAN
};
pub(crate) const UBUNTU_24_04: Row = Row {
    name: "Ubuntu 24.04",
    furnish: |machine| {
        let archive = "podman 4.9.3+ds1-1ubuntu0.2\ncrun 1.14.1-1\nnetavark 1.4.0-4\naardvark-dns 1.4.0-5\n";
        release(machine, "ubuntu", "24.04", "2.39-0ubuntu8.6", "255.4-1ubuntu8.11", archive);
    },
    ..PODMAN
};
pub(crate) const PLAIN: Row = Row { name: "plain Debian 12, no WSL", layout: Layout::Plain, ..PODMAN };
pub(crate) const DONE_ALREADY: Row = Row {
    name: "everything done already, by nobody we know",
    furnish: |machine| {
        crate::crash_sweep::finish(&CLASSIC, machine);
        fs::remove_dir_all(machine.path("/var/lib/kind-wsl")).unwrap();
    },
    layout: Layout::Classic,
    ..PODMAN
};
pub(crate) const BY_HAND: Row = Row {
    name: "half done by hand after the guide",
    layout: Layout::Classic,
    guide: true,
    furnish: by_hand,
    ..PODMAN
};

pub(crate) const OWN_KIND: Row = Row {
    name: "a kind of the user's own, and an administrator's own drop-ins",
    furnish: |machine| {
        machine.write("/home/dev/go/bin/kind", b"\x7fELF\0their kind");
        fs::set_permissions(machine.path("/home/dev/go/bin/kind"), fs::Permissions::from_mode(0o750))
            .unwrap();
        fs::create_dir_all(machine.path("/home/dev/.local/bin")).unwrap();
        symlink("../../go/bin/kind", machine.path("/home/dev/.local/bin/kind")).unwrap();
        if nix::unistd::geteuid().is_root() {
            give(&machine.path("/home/dev"));
        }
        let theirs = "[Service]\nMemoryMax=2G\nTasksMax=9000\n";
        machine.write("/etc/systemd/system/user@.service.d/delegate.conf", theirs);
        machine.write("/etc/systemd/system/user-.slice.d/override.conf", "[Slice]\nTasksMax=8000\n");
    },
    guide: true,
    ..PODMAN
};
pub(crate) const PRIVATE_ROOT: Row = Row {
    name: "`/` is private, as on WSL",
    layout: Layout::Generous,
    furnish: |machine| {
        machine.write("/fake/private-root", "");
        machine.boot(1);
    },
    ..PODMAN
};

/// The package of the stage `cni`, which a test cannot make: its hash is in the catalogue. `apt-get download
/// containernetworking-plugins` has it on Debian 12; without it the stage is left out.
fn cni_package() -> Option<String> {
    std::env::var("KIND_WSL_CNI_DEB").ok()
}

/// A release that runs systemd already, with what its archive offers.
fn release(machine: &Machine, id: &str, version: &str, libc: &str, systemd: &str, archive: &str) {
    let text = format!("PRETTY_NAME=\"{id} {version}\"\nID={id}\nID_LIKE=debian\nVERSION_ID=\"{version}\"\n");
    machine.write("/etc/os-release", text);
    machine.write("/fake/packages", format!("libc6 {libc}\nsystemd {systemd}\nsystemd-sysv {systemd}\n"));
    let common =
        "uidmap 4.8\nslirp4netns 1.0\npasst 0.0\nfuse-overlayfs 1.4\ndbus-user-session 1.12\niptables 1.8\n";
    machine.write("/fake/archive", archive.to_owned() + common);
    machine.write("/etc/wsl.conf", "[boot]\nsystemd=true\n");
    machine.write("/etc/subuid", "dev:100000:65536\n");
    machine.write("/etc/subgid", "dev:100000:65536\n");
    symlink("/lib/systemd/systemd", machine.path("/sbin/init")).unwrap();
    machine.boot(1);
}

/// Half of the manual steps, with their faults: a block of wsl.conf that WSL never reads, keys outside
/// any table, units that are not enabled, and an old crun at our path.
fn by_hand(machine: &Machine) {
    let conf = machine.text("/etc/wsl.conf");
    let block = "[wsl2]\nkernelCommandLine = cgroup_no_v1=all systemd.unified_cgroup_hierarchy=1\n";
    machine.write("/etc/wsl.conf", format!("{conf}[boot]\nsystemd=true\n{block}"));
    let line = "cgroup2 /sys/fs/cgroup cgroup2 rw,nosuid,nodev,noexec,relatime,nsdelegate 0 0\n";
    machine.write("/etc/fstab", format!("{}\n{line}", machine.text("/etc/fstab")));
    let bare = "log_driver = \"k8s-file\"\nevents_logger = \"file\"\ncgroup_manager = \"cgroupfs\"\n";
    machine.write("/etc/containers/containers.conf", bare);
    let mine = "[engine.runtimes]\ncrun = [\n  \"/home/dev/.local/bin/crun\",\n  \"/usr/bin/crun\"\n]\n";
    machine.write("/home/dev/.config/containers/containers.conf", mine);
    machine.write("/home/dev/.local/bin/crun", "an older crun");
    let slice = "[Unit]\nBefore=systemd-logind.service\n[Slice]\nSlice=user.slice\n[Install]\nWantedBy=multi-user.target\n";
    machine.write("/etc/systemd/system/user-0.slice", slice);
    let delegate = "[Service]\nDelegate=cpu cpuset io memory pids\n";
    machine.write("/etc/systemd/system/user@.service.d/delegate.conf", delegate);
    let archive = machine.text("/fake/archive");
    let podman = archive.lines().find(|l| l.starts_with("podman ")).unwrap();
    machine.write(
        "/fake/packages",
        format!("conmon 2.1\nlibc6 2.36\n{podman}\nsystemd 252.39-1\nsystemd-sysv 252.39-1\n"),
    );
    symlink("/lib/systemd/systemd", machine.path("/sbin/init")).unwrap();
    if nix::unistd::geteuid().is_root() {
        give(&machine.path("/home/dev"));
    }
    machine.boot(1);
}

fn give(path: &Utf8Path) {
    chown(path, Some(1000), Some(1000)).unwrap();
    for entry in path.read_dir_utf8().unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            give(entry.path());
        } else {
            lchown(entry.path(), Some(1000), Some(1000)).unwrap();
        }
    }
}

impl Row {
    pub(crate) fn machine(&self) -> Machine {
        let machine = Machine::new(self.layout);
        (self.furnish)(&machine);
        machine
    }

    pub(crate) fn setup(&self, machine: &Machine, host: &LiveSystem) -> Result<RunOutcome, EngineError> {
        let mut answers = answers();
        answers.set("provider", self.provider);
        // Below an isolated cgroup and on a plain host the stages of WSL have nothing to do; all others are walked.
        let skip = match self.name {
            "Ubuntu 22.04" if cni_package().is_none() => vec!["cni".to_owned()],
            _ => Vec::new(),
        };
        let selection = StageSelection { guide: self.guide, skip, ..StageSelection::default() };
        let chosen = RunOptions { selection, ..RunOptions::default() };
        machine.engine(host, |engine| engine.setup(&answers, &chosen))
    }

    /// What stays after an undo, without what the provider's own tool leaves behind (docs/how-to/providers.md).
    pub(crate) fn left(&self, before: &Tree, after: &Tree) -> Vec<String> {
        let mut left = changes(before, after);
        if self.provider == "docker" {
            left.retain(|line| !line.starts_with("home/dev/.docker"));
        }
        left
    }
}
