//! A machine made of files, with the files of the kernel and the output of podman for one cluster.

#![allow(dead_code, reason = "shared by several test programs, each of which uses a part")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use camino::{Utf8Path, Utf8PathBuf};
use serde_json::Value;

pub(crate) const ID: &str = "a4cfc6bc8a38ee23e42839393eedba68a92f7f8b3a23e70328a29e58c0c59d38";
pub(crate) const POD: &str = "4796ab87414f85c7accdb5c7c858e37121f8dcfd0cd483fb74233d25a8f06817";
pub(crate) const MANAGER: &str = "/sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service";
pub(crate) const ALL: &str = "cpuset cpu io memory pids";

/// A machine made of files.
pub(crate) struct Machine {
    _dir: tempfile::TempDir,
    pub(crate) root: Utf8PathBuf,
}

/// What a run printed, with the machine's root as `[ROOT]`, and how it ended.
pub(crate) struct Seen {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Machine {
    /// cgroup v2, a user `dev`, his service manager, and a podman without containers.
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let root = Utf8Path::from_path(dir.path()).expect("UTF-8").to_owned();
        let machine = Self { _dir: dir, root };
        machine.file("/etc/passwd", "root:x:0:0::/root:/bin/sh\ndev:x:1000:1000::/home/dev:/bin/bash\n");
        machine.file("/home/dev/.keep", "");
        machine.file("/proc/mounts", "cgroup2 /sys/fs/cgroup cgroup2 rw,nsdelegate 0 0\n");
        machine.file("/proc/1/cgroup", "0::/init.scope\n");
        machine.file("/proc/1/comm", "systemd\n");
        machine.file("/proc/self/uid_map", "0 0 4294967295\n");
        machine.cgroup(MANAGER, "domain", ALL, &[]);
        machine.cgroup(&format!("{MANAGER}/init.scope"), "domain", "", &[900]);
        machine.cgroup(&format!("{MANAGER}/app.slice"), "domain", ALL, &[]);
        machine.cgroup(&format!("{MANAGER}/app.slice/dbus.service"), "domain", "", &[901]);
        machine.file(&format!("{MANAGER}/cgroup.controllers"), ALL);
        machine.process(900, 900, "systemd", 1000, &["/lib/systemd/systemd", "--user"], "0 0 4294967295");
        machine.process(
            901,
            901,
            "dbus-daemon",
            1000,
            &["/usr/bin/dbus-daemon", "--session"],
            "0 0 4294967295",
        );
        machine.program("podman", "echo '[]'");
        machine
    }

    /// The same with a cluster, one pod and two processes of nginx.
    pub(crate) fn with_cluster() -> Self {
        let machine = Self::new();
        let node = node();
        let tree: [(&str, &str, &[u32]); 9] = [
            ("", ALL, &[]),
            ("/init.scope", "", &[70678]),
            ("/system.slice", "cpu memory pids", &[]),
            ("/system.slice/containerd.service", "", &[70837, 74284]),
            ("/kubelet.slice", "cpu memory pids", &[]),
            ("/kubelet.slice/kubelet.service", "", &[72203]),
            ("/kubelet.slice/kubelet-kubepods.slice", "cpu memory pids", &[]),
            (
                "/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod6f1c_22.slice",
                "cpu memory pids",
                &[],
            ),
            (
                "/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod6f1c_22.slice/cri-containerd-bbbb.scope",
                "",
                &[80001, 80002],
            ),
        ];
        for (path, enabled, pids) in tree {
            machine.cgroup(&format!("{node}{path}"), "domain", enabled, pids);
        }
        let map = "0 1000 1\n1 100000 65536";
        machine.process(70678, 1, "systemd", 1000, &["/sbin/init"], map);
        machine.process(70837, 88, "containerd", 1000, &["/usr/local/bin/containerd"], map);
        let shim = [
            "/usr/local/bin/containerd-shim-runc-v2",
            "-namespace",
            "k8s.io",
            "-id",
            POD,
            "-address",
            "/run/containerd/containerd.sock",
        ];
        machine.process(74284, 300, "containerd-shim", 1000, &shim, map);
        machine.process(
            72203,
            120,
            "kubelet",
            1000,
            &["/usr/bin/kubelet", "--config=/var/lib/kubelet/config.yaml"],
            map,
        );
        machine.process(80001, 1, "nginx", 1000, &["nginx: master process nginx -g daemon off;"], map);
        machine.process(80002, 29, "nginx", 100_100, &["nginx: worker process"], map);
        machine.file("/proc/70678/limits", "Limit                     Soft Limit           Hard Limit           Units     \nMax open files            1024                 1048576              files     \n");
        machine.file("/proc/70678/root/dev/fuse", "");
        machine.file("/proc/70678/root/lib/modules/x", "");
        machine.podman("running");
        machine
    }

    /// podman and crictl, as they answer; the node in this state.
    pub(crate) fn podman(&self, state: &str) {
        let labels = r#"{"io.x-k8s.kind.cluster":"kind","io.x-k8s.kind.role":"control-plane"}"#;
        let ps = format!(
            r#"[{{"Id":"{ID}","Names":["kind-control-plane"],"State":"{state}","Labels":{labels}}}]"#
        );
        let pods = format!(
            r#"{{"items":[{{"id":"{POD}","metadata":{{"name":"web","namespace":"default","uid":"6f1c-22"}}}}]}}
            {{"containers":[{{"id":"bbbb","metadata":{{"name":"nginx"}},"labels":{{"io.kubernetes.pod.name":"web","io.kubernetes.pod.namespace":"default"}}}}]}}"#
        );
        self.program(
            "podman",
            &format!("case \"$1\" in ps) cat <<'E'\n{ps}\nE\n;; exec) cat <<'E'\n{pods}\nE\n;; esac"),
        );
    }

    pub(crate) fn file(&self, path: &str, text: &str) {
        let path = self.root.join(path.trim_start_matches('/'));
        fs::create_dir_all(path.parent().expect("a parent")).expect("its directory");
        fs::write(path, text).expect("a file");
    }

    pub(crate) fn program(&self, name: &str, script: &str) {
        let path = format!("/usr/bin/{name}");
        self.file(&path, &format!("#!/bin/sh\n{script}\n"));
        let path = self.root.join(&path[1..]);
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("its mode");
    }

    pub(crate) fn cgroup(&self, path: &str, kind: &str, enabled: &str, pids: &[u32]) {
        let pids = pids.iter().fold(String::new(), |all, pid| all + &pid.to_string() + "\n");
        let files = [
            ("cgroup.type", kind),
            ("cgroup.subtree_control", enabled),
            ("cgroup.events", "populated 1\nfrozen 0\n"),
            ("cgroup.procs", &pids),
            ("memory.current", "8388608\n"),
            ("memory.max", "max\n"),
            ("memory.events", "low 0\noom_kill 0\n"),
            ("pids.current", "2\n"),
            ("pids.max", "18000\n"),
            ("cpu.stat", "usage_usec 1500000\nuser_usec 1\n"),
            ("cpu.max", "max 100000\n"),
        ];
        for (name, text) in files {
            self.file(&format!("{path}/{name}"), text);
        }
    }

    pub(crate) fn process(&self, pid: u32, inside: u32, name: &str, uid: u32, command: &[&str], map: &str) {
        let ns = if pid == inside { pid.to_string() } else { format!("{pid}\t{inside}") };
        let status = format!("Name:\t{name}\nUid:\t{uid}\t{uid}\t{uid}\t{uid}\nNSpid:\t{ns}\n");
        self.file(&format!("/proc/{pid}/status"), &status);
        self.file(
            &format!("/proc/{pid}/cmdline"),
            &command.iter().fold(String::new(), |all, word| all + word + "\0"),
        );
        self.file(&format!("/proc/{pid}/uid_map"), &format!("{map}\n"));
    }

    pub(crate) fn inspect(&self, args: &[&str]) -> Seen {
        self.run(&[&["inspect"], args].concat())
    }

    /// Runs kind-wsl as `dev` would type it.
    pub(crate) fn run(&self, args: &[&str]) -> Seen {
        self.run_with("", args)
    }

    /// The same with this provider in the environment.
    pub(crate) fn run_with(&self, provider: &str, args: &[&str]) -> Seen {
        let output = Command::new(env!("CARGO_BIN_EXE_kind-wsl"))
            .args(["--root", self.root.as_str(), "--user", "dev"])
            .args(args)
            .env("KIND_EXPERIMENTAL_PROVIDER", provider)
            .env("LANG", "C.UTF-8")
            .output()
            .expect("it runs");
        let text =
            |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8").replace(self.root.as_str(), "[ROOT]");
        Seen {
            code: output.status.code().unwrap_or(-1),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }

    pub(crate) fn json(&self, args: &[&str]) -> Value {
        let args: Vec<&str> = ["--json"].iter().chain(args).copied().collect();
        serde_json::from_str(&self.inspect(&args).stdout).expect("JSON")
    }
}

/// The node's own cgroup.
pub(crate) fn node() -> String {
    format!("{MANAGER}/app.slice/{ID}")
}
