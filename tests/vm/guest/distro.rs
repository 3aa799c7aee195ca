//! WSL's init of one distribution. The order is WSL's: cgroups, fstab, drives, host name, hosts, resolv.conf, boot command, systemd.
use crate::boot::log;
use crate::conf::{self, Conf, Dialect};
use crate::sys::{self, *};
use crate::{channel, interop};
use std::io::{Read, Write};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio, exit};
use std::{fs, path::Path};

const CGROUP: &str = "/sys/fs/cgroup";
const DISTRO: &str = "/sys/fs/cgroup/wsl-user/distro-2";

/// What the host chose for this boot, by `vm.NAME=VALUE` on the kernel command line.
pub fn choice(name: &str) -> String {
    let line = fs::read_to_string("/proc/cmdline").unwrap_or_default();
    let key = format!("vm.{name}=");
    line.split_whitespace().find_map(|word| word.strip_prefix(&key)).unwrap_or_default().to_string()
}

pub fn isolated() -> bool {
    choice("layout").starts_with("isolated")
}

/// Where the commands of wsl.exe run on WSL with per-distribution isolation.
pub fn session_cgroup() -> Option<String> {
    let places = [format!("{DISTRO}/non-systemd/cgroup.procs"), format!("{DISTRO}/cgroup.procs")];
    places.into_iter().find(|procs| isolated() && Path::new(procs).exists())
}

pub fn read_conf() -> Conf {
    conf::read(&fs::read("/etc/wsl.conf").unwrap_or_default(), Dialect::WslConf)
}

pub fn systemd_wanted(conf: &Conf) -> bool {
    let init = fs::metadata("/sbin/init").is_ok_and(|m| m.permissions().mode() & 0o111 != 0);
    conf.bool("boot.systemd", false) && init
}

pub fn init() {
    let conf = read_conf();
    for warning in &conf.warnings {
        log(&format!("wsl: {warning}"));
    }
    if !conf.complete {
        log("wsl: /etc/wsl.conf: the rest of the file is not read");
    }
    let (mut ready, mut tell) = std::io::pipe().expect("pipe");
    // The child is WSL's init, PID 2, which stays; PID 1 becomes systemd when the mounts are made.
    if unsafe { fork() } == 0 {
        drop(ready);
        set_up(&conf);
        let _ = tell.write_all(b"!");
        drop(tell);
        if let Some(command) = conf.get("boot.command") {
            let _ = Command::new("/bin/sh")
                .args(["-c", command])
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn();
        }
        channel::serve(systemd_wanted(&conf));
    }
    drop(tell);
    let _ = ready.read(&mut [0]);
    if systemd_wanted(&conf) {
        if isolated() {
            let _ = fs::write(format!("{DISTRO}/systemd/cgroup.procs"), "0");
        }
        let generators = "/run/systemd/system-generators";
        let _ = fs::create_dir_all(generators);
        let _ = symlink("/init", format!("{generators}/wsl-generator"));
        let error = Command::new("/sbin/init")
            .env_clear()
            .envs([
                ("container", "wsl"),
                ("container_host_id", "windows"),
                ("container_host_version_id", "10.0.26100"),
            ])
            .exec();
        log(&format!("wsl: /sbin/init: {error}"));
    }
    loop {
        while sys::wait_any().is_some() {}
        std::thread::sleep(std::time::Duration::from_secs(1));
    }
}

fn set_up(conf: &Conf) {
    let quiet = NOSUID | NODEV | NOATIME;
    let _ = mount_on("devpts", "/dev/pts", "devpts", NOSUID | NOEXEC | NOATIME, "gid=5,mode=620");
    let _ = mount_on("none", "/run", "tmpfs", NOSUID | NODEV, "mode=755");
    let _ = mount_on("none", "/run/lock", "tmpfs", quiet | NOEXEC, "");
    let _ = mount_on("none", "/run/shm", "tmpfs", quiet, "");
    let _ = mount_on("none", "/dev/shm", "tmpfs", quiet, "");
    let _ = mount_on("none", "/run/user", "tmpfs", quiet | NOEXEC, "mode=755");
    let _ = mount_on("none", "/mnt/wsl", "tmpfs", quiet, "mode=777");
    let _ = mount_on("binfmt_misc", "/proc/sys/fs/binfmt_misc", "binfmt_misc", RELATIME, "");
    interop::open(conf);
    for link in ["/bin/wslinfo", "/bin/wslpath"] {
        if fs::read_link(link).is_err() {
            let _ = symlink("/init", link);
        }
    }
    cgroups(conf);
    if conf.bool("automount.mountfstab", true) {
        mount_fstab();
    }
    if conf.bool("automount.enabled", true) {
        let at = format!("{}/c", conf.get("automount.root").unwrap_or("/mnt").trim_end_matches('/'));
        let options = r"trans=virtio,version=9p2000.L,msize=262144,access=client,aname=drvfs;path=C:\;uid=1000;gid=1000;symlinkroot=/mnt/";
        // the drive's one connection is free only when the mount of a distribution that has just ended is gone
        let mut done = mount_on(r"C:\", &at, "9p", NOATIME, options);
        for _ in 0..100 {
            if done.is_ok() {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
            done = mount_on(r"C:\", &at, "9p", NOATIME, options);
        }
        if let Err(e) = done {
            log(&format!("wsl: {at}: {e}"));
        }
    }
    let name = conf.get("network.hostname").unwrap_or("DESKTOP-TEST");
    set_hostname(name);
    let _ = fs::write("/etc/hostname", format!("{name}\n"));
    if conf.bool("network.generatehosts", true) {
        let _ = fs::write(
            "/etc/hosts",
            format!("127.0.0.1\tlocalhost\n127.0.1.1\t{name}.\t{name}\n::1     ip6-localhost ip6-loopback\n"),
        );
    }
    if conf.bool("network.generateresolvconf", true) {
        let _ = fs::write("/mnt/wsl/resolv.conf", "nameserver 10.0.2.3\n");
        if fs::read_link("/etc/resolv.conf").map_or(true, |to| to != Path::new("/mnt/wsl/resolv.conf")) {
            let _ = fs::remove_file("/etc/resolv.conf");
            let _ = symlink("/mnt/wsl/resolv.conf", "/etc/resolv.conf");
        }
    }
}

fn mount_fstab() {
    let done = Command::new("/bin/mount").arg("-a").stdin(Stdio::null()).output();
    match done {
        Ok(out) if out.status.success() => {}
        Ok(out) => {
            for line in String::from_utf8_lossy(&out.stderr).lines() {
                log(&format!("mount -a: {line}"));
            }
            log("wsl: Processing /etc/fstab with mount -a failed.");
        }
        Err(e) => log(&format!("wsl: /bin/mount: {e}")),
    }
}

/// The four layouts. `[automount] cgroups=v1` is a key only of WSL 2.6.2 and later; earlier ones print that they do not know it.
fn cgroups(conf: &Conf) {
    let layout = choice("layout");
    let line = fs::read_to_string("/proc/cmdline").unwrap_or_default();
    let without = line.split_whitespace().find_map(|w| w.strip_prefix("cgroup_no_v1=")).unwrap_or_default();
    let knows_key = version() >= vec![2, 6, 2];
    let mut v1 = layout == "classic";
    if knows_key && conf.get("automount.cgroups").is_some_and(|v| v.eq_ignore_ascii_case("v1")) {
        v1 = without != "all";
        log(if v1 { "wsl: mounting cgroup v1" } else { "wsl: Falling back to cgroupv2" });
    } else if !knows_key && conf.get("automount.cgroups").is_some() {
        log("wsl: Unknown key 'automount.cgroups' in /etc/wsl.conf");
    }
    let flags = NOSUID | NODEV | NOEXEC | RELATIME;
    if !v1 {
        let _ = mount_on("cgroup2", CGROUP, "cgroup2", flags, "nsdelegate");
        if layout.starts_with("isolated") {
            isolate(layout == "isolated-poor", systemd_wanted(conf));
        }
        return;
    }
    let _ = mount_on("tmpfs", CGROUP, "tmpfs", NOSUID | NODEV | NOEXEC, "mode=755");
    let _ = mount_on("cgroup2", &format!("{CGROUP}/unified"), "cgroup2", flags, "nsdelegate");
    for row in fs::read_to_string("/proc/cgroups").unwrap_or_default().lines().filter(|l| !l.starts_with('#'))
    {
        let fields: Vec<_> = row.split_whitespace().collect();
        let Some(&[name, _, _, "1"]) = fields.get(..4).map(|f| <&[&str; 4]>::try_from(f).expect("four"))
        else {
            continue;
        };
        if without.split(',').any(|n| n == "all" || n == name) {
            continue;
        }
        let at = format!("{CGROUP}/{name}");
        if mount_on("cgroup", &at, "cgroup", flags, name).is_err() {
            let _ = fs::remove_dir(at);
        }
    }
}

/// WSL > 2.9.4: /wsl-user/distro-N/{systemd,non-systemd}, without a cgroup namespace; without systemd, distro-N alone.
fn isolate(poor: bool, systemd: bool) {
    enable(CGROUP, false);
    let _ = fs::create_dir_all(format!("{CGROUP}/wsl-user/non-distro"));
    enable(&format!("{CGROUP}/wsl-user"), false);
    let _ = fs::create_dir_all(DISTRO);
    if systemd {
        for part in ["systemd", "non-systemd"] {
            let _ = fs::create_dir_all(format!("{DISTRO}/{part}"));
        }
        enable(DISTRO, poor);
    }
}

fn enable(at: &str, poor: bool) {
    let all = fs::read_to_string(format!("{at}/cgroup.controllers")).unwrap_or_default();
    for name in all.split_whitespace().filter(|n| !poor || matches!(*n, "cpu" | "memory")) {
        let _ = fs::write(format!("{at}/cgroup.subtree_control"), format!("+{name}"));
    }
}

fn version() -> Vec<u32> {
    choice("wsl").split('.').map(|n| n.parse().unwrap_or(0)).take(3).collect()
}

pub fn wslinfo(args: &[String]) {
    let known = args.iter().find(|a| *a != "-n").map(String::as_str);
    let answer = match known {
        Some("--version" | "--wsl-version") => choice("wsl"),
        Some("--networking-mode") => "nat".to_string(),
        Some("--vm-id") => "{3f1b2c4d-5e6f-4a7b-8c9d-0e1f2a3b4c5d}".to_string(),
        _ => {
            eprintln!("Invalid command line argument: {}", known.unwrap_or_default());
            exit(1)
        }
    };
    if args.iter().any(|a| a == "-n") { print!("{answer}") } else { println!("{answer}") }
}

/// The units that WSL masks at each start of systemd.
pub fn generator(args: &[String]) {
    let Some(to) = args.first() else { return };
    for unit in [
        "systemd-networkd-wait-online.service",
        "NetworkManager-wait-online.service",
        "console-getty.service",
    ] {
        let _ = symlink("/dev/null", format!("{to}/{unit}"));
    }
}
