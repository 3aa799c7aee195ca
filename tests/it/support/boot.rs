//! The files of a fake machine, as a start of the distribution leaves them.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use super::{CRUN, Layout, Machine, fake};

impl Machine {
    pub(super) fn furnish(&self) {
        self.write(
            "/etc/os-release",
            "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nID=debian\nVERSION_ID=\"12\"\n",
        );
        self.write("/etc/passwd", "root:x:0:0:root:/root:/bin/bash\ndev:x:1000:1000::/home/dev:/bin/bash\n");
        self.write("/etc/fstab", "# nothing here");
        self.write("/etc/subuid", "");
        self.write("/etc/subgid", "other:100000:65536\n");
        fs::create_dir_all(self.path("/home/dev")).unwrap();
        for dir in ["/etc/systemd/system", "/var/lib/dpkg/updates", "/sbin", "/run", "/lib/systemd"] {
            fs::create_dir_all(self.path(dir)).unwrap();
        }
        self.write("/lib/systemd/systemd", "");
        let (wsl, kernel) = self.layout.versions();
        self.write("/proc/sys/kernel/osrelease", format!("{kernel}\n"));
        self.write("/proc/modules", "overlay 1 0 - Live 0x0\n");
        self.write(
            &format!("/lib/modules/{kernel}/modules.dep"),
            "kernel/ip_tables.ko:\nkernel/iptable_nat.ko:\nkernel/ip6_tables.ko:\nkernel/ip6table_nat.ko:\n",
        );
        self.write("/proc/sys/fs/inotify/max_user_watches", "8192\n");
        self.write("/proc/sys/fs/inotify/max_user_instances", "128\n");
        self.write("/proc/sys/net/ipv4/ip_unprivileged_port_start", "1024\n");
        self.write("/proc/sys/kernel/dmesg_restrict", "1\n");
        self.write("/fake/packages", "libc6 2.36\nsystemd 252.39-1\n");
        self.write(
            "/fake/archive",
            "podman 4.3.1+ds1-8\ncrun 1.8.1-1\nuidmap 4.13\nslirp4netns 1.2\nfuse-overlayfs 1.10\ndbus-user-session 1.14\n\
             iptables 1.8.9\nnetavark 1.4.0\naardvark-dns 1.4.0\npasst 0.0\nsystemd-sysv 252.39-1\n\
             docker.io 20.10.24+dfsg1-1+deb12u1\nrootlesskit 1.1.0-1\ncontainerd 1.6.20~ds1-1+deb12u3\n",
        );
        self.write("/offline/crun-1.30.1-linux-amd64", &*CRUN);
        if self.layout != Layout::Plain {
            fs::create_dir_all(self.path("/run/WSL")).unwrap();
            self.write("/etc/wsl.conf", "# by the distribution\n[automount]\nenabled=true\n");
            fs::create_dir_all(self.path("/mnt/c/Users/dev")).unwrap();
            self.write("/mnt/c/Users/dev/.wslconfig", "[wsl2]\r\nmemory=4GB\r\n");
        }
        self.write("/fake/wsl-version", format!("{wsl}\n"));
        for program in fake::PROGRAMS {
            self.write(&format!("/usr/bin/{program}"), "");
            fs::set_permissions(self.path(&format!("/usr/bin/{program}")), fs::Permissions::from_mode(0o755))
                .unwrap();
        }
        fs::remove_file(self.path("/usr/bin/crun")).unwrap();
        if !matches!(self.layout, Layout::Classic | Layout::Modern) {
            symlink("/lib/systemd/systemd", self.path("/sbin/init")).unwrap();
            if self.layout != Layout::Plain {
                self.write("/etc/wsl.conf", "[boot]\nsystemd=true\n");
            }
        }
        self.boot(1);
    }

    /// Boots the machine: what WSL, the kernel and systemd then show follows from what the files say.
    pub fn boot(&self, number: u32) {
        let wslconfig = fs::read_to_string(self.path("/mnt/c/Users/dev/.wslconfig")).unwrap_or_default();
        let no_v1 = wslconfig.contains("cgroup_no_v1=all");
        self.write("/proc/sys/kernel/random/boot_id", format!("boot-{number}\n"));
        self.write("/proc/cmdline", if no_v1 { "console=hvc0 cgroup_no_v1=all" } else { "console=hvc0" });
        self.start_distro(number);
    }

    /// Starts the distribution alone, as after `wsl --terminate`: the kernel, its boot ID and its command line stay.
    pub fn start_distro(&self, number: u32) {
        let conf = fs::read_to_string(self.path("/etc/wsl.conf")).unwrap_or_default();
        let fstab = self.text("/etc/fstab");
        let has_init = self.path("/sbin/init").is_symlink();
        let systemd = self.layout == Layout::Plain || (has_init && conf.contains("systemd=true"));
        let no_v1 = self.text("/proc/cmdline").contains("cgroup_no_v1=all");
        let v2 = self.layout != Layout::Classic || (no_v1 && fstab.contains("cgroup2 /sys/fs/cgroup "));
        self.write("/proc/1/stat", format!("1 (init) S 0 {} {number} 0 0", "0 ".repeat(17)));
        self.write("/proc/1/comm", if systemd { "systemd\n" } else { "init\n" });
        let mounts = match (v2, no_v1) {
            (true, _) => "cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n",
            (false, true) => {
                "tmpfs /sys/fs/cgroup tmpfs rw 0 0\ncgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n"
            }
            (false, false) => {
                "tmpfs /sys/fs/cgroup tmpfs rw 0 0\ncgroup /sys/fs/cgroup/cpu cgroup rw,cpu 0 0\n"
            }
        };
        self.write("/proc/mounts", mounts);
        if self.path("/fake/private-root").exists() {
            let unit = "/etc/systemd/system/multi-user.target.wants/kind-wsl-shared-root.service";
            let tag = if systemd && self.path(unit).is_symlink() { " shared:1" } else { "" };
            self.write(
                "/proc/self/mountinfo",
                format!("22 1 8:32 / / rw,relatime{tag} - ext4 /dev/sdc rw\n"),
            );
        }
        let _ = fs::remove_dir_all(self.path("/sys"));
        let (base, own) = match self.layout {
            layout if layout.is_isolated() => {
                ("/wsl-user/distro-2/systemd", "/wsl-user/distro-2/non-systemd")
            }
            layout if layout.is_namespaced() => ("", "/non-systemd"),
            _ => ("", "/init.scope"),
        };
        self.write("/proc/self/cgroup", format!("0::{own}\n"));
        let init = match (systemd, self.layout.is_namespaced()) {
            (true, _) => "/init.scope",
            (false, true) => "/non-systemd",
            (false, false) => "",
        };
        self.write("/proc/1/cgroup", format!("0::{base}{init}\n"));
        let _ = fs::remove_dir_all(self.path("/run/systemd"));
        if systemd {
            fs::create_dir_all(self.path("/run/systemd/system")).unwrap();
        }
        if v2 {
            self.cgroups(base, systemd);
        }
    }

    fn cgroups(&self, base: &str, systemd: bool) {
        let all = "cpuset cpu io memory hugetlb pids";
        let unit = "etc/systemd/system/multi-user.target.wants/kind-wsl-controllers.service";
        let poor = self.layout == Layout::Isolated && !self.root.join(unit).is_symlink();
        let level = |path: &str, offered: &str, enabled: &str| {
            self.write(&format!("/sys/fs/cgroup{path}/cgroup.controllers"), offered);
            self.write(&format!("/sys/fs/cgroup{path}/cgroup.subtree_control"), enabled);
        };
        let poor = poor || self.layout == Layout::NamespacedPoor;
        let passed = if poor { "cpu memory" } else { all };
        let at_root = if self.layout.is_namespaced() { passed } else { all };
        level("", at_root, at_root);
        if self.layout.is_namespaced() {
            // A real root has none of these.
            for (file, text) in [
                ("cgroup.type", "domain\n"),
                ("cgroup.events", "populated 1\nfrozen 0\n"),
                ("memory.current", "41943040\n"),
                ("memory.high", "max\n"),
                ("memory.max", "max\n"),
                ("cpu.max", "max 100000\n"),
            ] {
                self.write(&format!("/sys/fs/cgroup/{file}"), text);
            }
            level("/init.scope", passed, "");
            level("/non-systemd", passed, "");
        }
        if !base.is_empty() {
            level("/wsl-user", all, all);
            level("/wsl-user/distro-2", all, passed);
            level(base, passed, passed);
        }
        if systemd {
            let mut given: Vec<&str> = if fake::systemd::delegates(self.root.as_std_path()) {
                vec!["cpuset", "cpu", "io", "memory", "pids"]
            } else {
                vec!["cpu", "memory", "pids"]
            };
            given.retain(|c| passed.split(' ').any(|p| p == *c));
            for uid in [1000, 1001] {
                let manager = format!("{base}/user.slice/user-{uid}.slice/user@{uid}.service");
                level(&manager, &given.join(" "), "memory pids");
            }
        }
    }
}
