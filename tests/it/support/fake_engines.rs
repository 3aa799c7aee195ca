//! What podman, docker and nerdctl report about themselves, their containers and their nodes.

use std::fs;
use std::path::Path;

use super::debian::packages;
use super::systemd::{delegates, of_user};
use super::{Answer, is_there, podman};

/// What each says to `--version`.
pub(super) fn engine_version(root: &Path, program: &str) -> Answer {
    let installed = packages(root, "packages");
    let version = |package: &str| {
        let text = installed.get(package).map_or("0", String::as_str);
        text.split_once('-').map_or(text, |(upstream, _)| upstream).to_owned()
    };
    Answer::said(match program {
        "nerdctl" => format!("nerdctl version {}\n", version("nerdctl")),
        "containerd" => {
            format!("containerd github.com/containerd/containerd {0} {0}\n", version("containerd"))
        }
        _ => format!("Docker version {}, build 5d6db84\n", version("docker.io")),
    })
}

/// The container that a check starts: it fails with what a test puts into `/fake/container-fails`.
pub(super) fn container(root: &Path) -> Answer {
    if let Ok(text) = fs::read_to_string(root.join("fake/container-fails")) {
        return Answer::failed(126, text);
    }
    let code = fs::read_to_string(root.join("fake/container-exit")).unwrap_or_default();
    Answer { code: code.trim().parse().unwrap_or_default(), ..Answer::default() }
}

/// A program in a node. `/fake/readyz-fails` is the complaint of kubectl, and `/fake/pods` what it lists; `/fake/node-address` is
/// the address of the node, whose kubelet has 10.89.0.2; `/fake/certificate-end` is when its certificate expired.
pub(super) fn exec(root: &Path, args: &[&str]) -> Answer {
    let file = |name: &str| fs::read_to_string(root.join("fake").join(name));
    if args.contains(&"openssl") {
        return match file("certificate-end") {
            Ok(end) => {
                let text = format!("notAfter={}\nCertificate will expire\n", end.trim());
                Answer { code: 1, stdout: text, ..Answer::default() }
            }
            Err(_) => Answer::said("notAfter=Nov 28 07:00:00 2999 GMT\nCertificate will not expire\n"),
        };
    }
    if args.last().is_some_and(|script| script.contains("kubeadm-flags.env")) {
        let address = file("node-address").unwrap_or_else(|_| "10.89.0.2".to_owned());
        return Answer::said(format!(
            "10.89.0.2\n1: lo    inet 127.0.0.1/8 scope host lo\n2: eth0    inet {}/24 brd 10.89.0.255 scope global eth0\n",
            address.trim()
        ));
    }
    match file("readyz-fails") {
        Ok(text) => Answer::failed(1, text),
        Err(_) if args.contains(&"pods") => {
            Answer::said(file("pods").unwrap_or_else(|_| r#"{"items":[]}"#.to_owned()))
        }
        Err(_) => Answer::said("ok"),
    }
}

/// docker and nerdctl as they would be with the user's daemon that is there.
pub(super) fn engine_info(root: &Path, program: &str) -> Answer {
    let unit = if program == "docker" { "docker.service" } else { "containerd.service" };
    let state = of_user(root, &["--user", "show", "-p", "ActiveState", unit]).stdout;
    if !is_there(root, program) || state.trim() != "active" {
        let text = "Cannot connect to the Docker daemon at unix:///run/user/1000/docker.sock. Is the docker daemon running?";
        return Answer::said(format!(r#"{{"ID":"","SecurityOptions":null,"ServerErrors":["{text}"]}}"#));
    }
    let cpu = delegates(root);
    Answer::said(format!(
        r#"{{"Driver":"overlay2","CgroupDriver":"systemd","CgroupVersion":"2","MemoryLimit":true,"PidsLimit":true,"CPUShares":{cpu},
        "SecurityOptions":["name=seccomp,profile=default","name=rootless","name=cgroupns"]}}"#
    ))
}

/// The home of the user as whom a program runs.
pub(super) fn home() -> String {
    let of_process = || std::env::var("HOME").ok().filter(|home| home.starts_with("/home/"));
    super::HOME.with_borrow(Clone::clone).or_else(of_process).unwrap_or_else(|| "/home/dev".to_owned())
}

/// podman as it would be with the configuration that is there; it fails with what a test puts into `/fake/info-fails`.
pub(super) fn podman_info(root: &Path) -> Answer {
    if let Ok(text) = fs::read_to_string(root.join("fake/info-fails")) {
        return Answer::failed(125, text);
    }
    let read = |path: &str| fs::read_to_string(root.join(path)).unwrap_or_default();
    let controllers =
        if delegates(root) { r#"["cpuset","cpu","io","memory","pids"]"# } else { r#"["memory","pids"]"# };
    let podman = packages(root, "packages").get("podman").cloned().unwrap_or_default();
    let crun = packages(root, "packages").get("crun").cloned().unwrap_or_else(|| "1.8.1".to_owned());
    let version_said = fs::read_to_string(root.join("fake/podman-version")).ok();
    let said = version_said.as_deref().and_then(|said| said.trim().strip_prefix("podman version "));
    let running = said.unwrap_or(if podman.is_empty() { "4.3.1" } else { &podman });
    let is_set =
        |key: &str, value: &str| podman::setting(root, running, key).is_some_and(|now| now.contains(value));
    let home = home();
    let own = format!("{home}/.local/bin/crun");
    let (path, version) = if is_set("engine.runtimes.crun", &own) {
        (own.as_str(), "1.30.1")
    } else {
        ("/usr/bin/crun", crun.split('-').next().unwrap_or_default())
    };
    let home = home.trim_start_matches('/');
    let storage = read(&format!("{home}/.config/containers/storage.conf"));
    Answer::said(format!(
        r#"{{"host":{{"cgroupVersion":"v2","cgroupControllers":{controllers},"databaseBackend":"{}","eventLogger":"{}","logDriver":"{}","cgroupManager":"{}",
        "ociRuntime":{{"name":"crun","path":"{path}","version":"crun version {version}\ncommit: 0\n"}}}},"store":{{"graphDriverName":"{}"}}}}"#,
        read("fake/database"),
        if is_set("engine.events_logger", "\"file\"") { "file" } else { "journald" },
        if is_set("containers.log_driver", "\"k8s-file\"") { "k8s-file" } else { "journald" },
        if is_set("engine.cgroup_manager", "\"cgroupfs\"") { "cgroupfs" } else { "systemd" },
        // An existing storage keeps its driver; podman 4.9 and later take overlay by themselves.
        if root.join(home).join(".local/share/containers/storage/vfs-images").exists() {
            "vfs"
        } else if storage.contains("overlay")
            || ["4.9.", "5.", "6."].iter().any(|version| podman.starts_with(version))
        {
            "overlay"
        } else {
            "vfs"
        },
    ))
}

/// The containers that are nodes: `fake/nodes` has their names and states.
pub(super) fn nodes(root: &Path, as_json: bool) -> Answer {
    let lines = fs::read_to_string(root.join("fake/nodes")).unwrap_or_default();
    if !as_json {
        return Answer::said(lines);
    }
    let labels = r#"{"io.x-k8s.kind.cluster":"kind","io.x-k8s.kind.role":"control-plane"}"#;
    let node = |line: &str| {
        let (name, state) = line.split_once(' ').unwrap_or((line, "running"));
        format!(r#"{{"Id":"{}","Names":["{name}"],"State":"{state}","Labels":{labels}}}"#, "ab".repeat(32))
    };
    Answer::said(format!("[{}]\n", lines.lines().map(node).collect::<Vec<_>>().join(",")))
}
