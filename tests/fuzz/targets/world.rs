//! A machine of which one file, or the answer of one program, is whatever the input says; the rest is a WSL with systemd
//! and podman.

use std::collections::HashMap;
use std::sync::LazyLock;

use camino::{Utf8Path, Utf8PathBuf};
use kind_wsl::host::{Account, Cmd, FileKind, HostError, Output, Owner, Stat, System};

/// Files, and answers of programs by what their command line has in it.
pub(crate) struct Machine<'i> {
    files: &'static HashMap<&'static str, &'static [u8]>,
    /// The path of a file, or `$` and a piece of a command line.
    pub(crate) place: &'static str,
    pub(crate) bytes: &'i [u8],
}

/// What is there where the input says nothing else.
const FILES: [(&str, &str); 29] = [
    ("/etc/passwd", "root:x:0:0:root:/root:/bin/bash\ndev:x:1000:1000:,,,:/home/dev:/bin/bash\n"),
    ("/etc/group", "docker:x:110:dev\n"),
    ("/etc/subuid", "dev:100000:65536\n"),
    ("/etc/subgid", "dev:100000:65536\n"),
    (
        "/etc/os-release",
        "PRETTY_NAME=\"Ubuntu 24.04 LTS\"\nID=ubuntu\nID_LIKE=debian\nVERSION_ID=\"24.04\"\n",
    ),
    ("/etc/wsl.conf", "[boot]\nsystemd=true\n"),
    ("/etc/containers/containers.conf", "[engine]\nevents_logger = \"file\"\n"),
    ("/home/dev/.config/containers/containers.conf", "[engine]\ncgroup_manager = \"cgroupfs\"\n"),
    ("/home/dev/.config/containers/storage.conf", "[storage]\ndriver = \"overlay\"\n"),
    ("/mnt/c/Users/dev/.wslconfig", "[wsl2]\r\nkernelCommandLine = cgroup_no_v1=all\r\n"),
    ("/proc/mounts", "cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n"),
    ("/proc/cmdline", "cgroup_no_v1=all\n"),
    ("/proc/modules", "ip_tables 28672 0 - Live 0x0\n"),
    ("/proc/1/comm", "systemd\n"),
    ("/proc/1/cgroup", "0::/init.scope\n"),
    ("/proc/self/cgroup", "0::/user.slice/user-1000.slice/session-1.scope\n"),
    ("/proc/self/limits", "Max open files            1024                 1048576              files     \n"),
    ("/proc/self/mountinfo", "22 1 8:16 / / rw,relatime shared:1 - ext4 /dev/sdb rw\n"),
    ("/proc/1/stat", "1 (systemd) S 0 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 77 1 2\n"),
    ("/proc/1/environ", "WSL2_USER_PROFILE=C:\\Users\\dev\0"),
    ("/proc/sys/kernel/osrelease", "6.6.87.2-microsoft-standard-WSL2\n"),
    ("/proc/sys/kernel/random/boot_id", "0f0d5f8e-0000\n"),
    ("/proc/sys/fs/inotify/max_user_watches", "8192\n"),
    ("/sys/fs/cgroup/cgroup.controllers", "cpuset cpu io memory pids\n"),
    ("/sys/fs/cgroup/cgroup.subtree_control", "cpuset cpu io memory pids\n"),
    ("/sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service/cgroup.controllers", "cpu memory pids\n"),
    (
        "/lib/modules/6.6.87.2-microsoft-standard-WSL2/modules.builtin",
        "kernel/net/ipv4/netfilter/iptable_nat.ko\n",
    ),
    (
        "/lib/modules/6.6.87.2-microsoft-standard-WSL2/modules.dep",
        "kernel/net/ipv6/ip6_tables.ko.xz: kernel/x.ko\n",
    ),
    ("/etc/fstab", "cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n"),
];

const PRESENT: [&str; 14] = [
    "/run/WSL",
    "/run/systemd/system",
    "/home/dev",
    "/usr/bin/apt-get",
    "/usr/bin/podman",
    "/usr/bin/docker",
    "/usr/bin/dockerd",
    "/usr/bin/nerdctl",
    "/usr/bin/containerd",
    "/usr/bin/newuidmap",
    "/usr/bin/crun",
    "/sbin/init",
    "/run/docker.sock",
    "/mnt/c/Users/dev",
];

const ANSWERS: [(&str, &str); 10] = [
    ("uname -m", "x86_64\n"),
    ("wslinfo --version", "2.6.1.0\n"),
    ("crun --version", "crun version 1.21\ncommit: x\n"),
    ("dockerd --version", "Docker version 20.10.24+dfsg1, build 5d6db84\n"),
    ("nerdctl --version", "nerdctl version 1.7.7\n"),
    ("containerd --version", "containerd github.com/containerd/containerd 1.6.20~ds1 1.6.20~ds1-1+b1\n"),
    (
        "dpkg-query",
        "installed podman 4.9.3+ds1-1\ninstalled uidmap 4.13\ninstalled systemd 255.4-1\ninstalled libc6 2.39\n",
    ),
    ("podman --version", "podman version 4.9.3\n"),
    (
        "podman info",
        r#"{"host":{"cgroupVersion":"v2","cgroupManager":"cgroupfs","cgroupControllers":["cpu","memory","pids"],"eventLogger":"file","logDriver":"k8s-file","security":{"rootless":true},"ociRuntime":{"path":"/usr/bin/crun","version":"crun version 1.21"}},"store":{"graphDriverName":"overlay"}}"#,
    ),
    (
        "docker info",
        r#"{"CgroupVersion":"2","CgroupDriver":"systemd","MemoryLimit":true,"PidsLimit":true,"CPUShares":true,"SecurityOptions":["name=rootless"],"Driver":"overlay2"}"#,
    ),
];

static BASE: LazyLock<HashMap<&str, &[u8]>> =
    LazyLock::new(|| FILES.iter().map(|(path, text)| (*path, text.as_bytes())).collect());
static BARE: LazyLock<HashMap<&str, &[u8]>> = LazyLock::new(HashMap::new);

pub(crate) fn dev() -> Account {
    Account {
        name: "dev".into(),
        uid: 1000,
        gid: 1000,
        home: "/home/dev".into(),
        shell: "/bin/bash".into(),
        config_home: None,
    }
}

impl<'i> Machine<'i> {
    /// The usual one, with one thing that the input says.
    pub(crate) fn usual(place: &'static str, bytes: &'i [u8]) -> Self {
        Self { files: &BASE, place, bytes }
    }

    /// One on which nothing else is.
    pub(crate) fn bare(place: &'static str, bytes: &'i [u8]) -> Self {
        Self { files: &BARE, place, bytes }
    }
}

impl System for Machine<'_> {
    fn stat(&self, path: &Utf8Path) -> Result<Option<Stat>, HostError> {
        let stat = |kind, mode| Some(Stat { kind, mode, uid: 1000, gid: 1000, len: 100 });
        let path = path.as_str();
        if self.files.is_empty() {
            return Ok(if path == self.place { stat(FileKind::File, 0o644) } else { None });
        }
        if path == "/home/dev"
            || path == "/mnt/c/Users/dev"
            || path.starts_with("/run/") && !path.ends_with("sock")
        {
            return Ok(stat(FileKind::Dir, 0o755));
        }
        let is_there = PRESENT.contains(&path) || self.files.contains_key(path) || path == self.place;
        Ok(if is_there { stat(FileKind::File, 0o755) } else { None })
    }

    fn read(&self, path: &Utf8Path) -> Result<Option<Vec<u8>>, HostError> {
        if path == self.place {
            return Ok(Some(self.bytes.to_vec()));
        }
        Ok(self.files.get(path.as_str()).map(|bytes| bytes.to_vec()))
    }

    fn list(&self, dir: &Utf8Path) -> Result<Vec<String>, HostError> {
        let said = || String::from_utf8_lossy(self.bytes).lines().map(|l| l.replace('/', "")).collect();
        Ok(match self.place.strip_suffix("/*") {
            Some(place) if dir == place => said(),
            _ => Vec::new(),
        })
    }

    fn resolve(&self, path: &Utf8Path) -> Result<Utf8PathBuf, HostError> {
        let to = if path == "/sbin/init" && !self.files.is_empty() {
            "/lib/systemd/systemd".into()
        } else {
            path.to_owned()
        };
        Ok(to)
    }

    fn run_readonly(&self, cmd: &Cmd) -> Result<Output, HostError> {
        // Nothing that is looked for has to be quoted, and to quote takes longer than to look.
        let line =
            std::iter::once(&cmd.program).chain(&cmd.args).fold(String::with_capacity(100), |line, word| {
                if line.is_empty() { line + word } else { line + " " + word }
            });
        let said = |text: &str| Ok(Output { code: 0, stdout: text.to_owned(), stderr: String::new() });
        let Some(piece) = self.place.strip_prefix('$') else {
            let known = ANSWERS.iter().find(|(piece, _)| !self.files.is_empty() && line.contains(piece));
            return known.map_or_else(|| Err(HostError::NotRecorded(line.clone())), |(_, text)| said(text));
        };
        if !line.contains(piece) {
            let known = ANSWERS.iter().find(|(piece, _)| !self.files.is_empty() && line.contains(piece));
            return known.map_or_else(|| Err(HostError::NotRecorded(line.clone())), |(_, text)| said(text));
        }
        // A first byte outside of text stands for the exit code.
        let (code, text) = match self.bytes.split_first() {
            Some((&code @ 1..=8, text)) => (i32::from(code) - 1, text),
            _ => (0, self.bytes),
        };
        let stdout = String::from_utf8_lossy(text).into_owned();
        Ok(Output { code, stderr: if code == 0 { String::new() } else { stdout.clone() }, stdout })
    }

    fn env(&self, name: &str) -> Option<String> {
        if self.place.strip_prefix('%') == Some(name) {
            return Some(String::from_utf8_lossy(self.bytes).into_owned());
        }
        let usual = match name {
            "WSL_INTEROP" => "/run/WSL/1_interop",
            "WSL_DISTRO_NAME" => "Ubuntu",
            "PATH" => "/usr/bin:/mnt/c/Users/dev/AppData/Local/Microsoft/WindowsApps",
            _ => return None,
        };
        Some(usual.to_owned())
    }

    fn resolve_owner(&self, owner: Owner) -> (u32, u32) {
        match owner {
            Owner::Root => (0, 0),
            Owner::User { uid, gid } => (uid, gid),
        }
    }
}
