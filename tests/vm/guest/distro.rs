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
/// `wsl: …` of WSL >= 2.9.13 (issue 13328's thread and PR 41512).
const NO_V1: &str = "wsl: Cgroup v1 is incompatible with per-distribution cgroup isolation";

/// What the host chose for this boot, by `vm.NAME=VALUE` on the kernel command line.
pub fn choice(name: &str) -> String {
    let line = fs::read_to_string("/proc/cmdline").unwrap_or_default();
    let key = format!("vm.{name}=");
    line.split_whitespace().find_map(|word| word.strip_prefix(&key)).unwrap_or_default().to_string()
}

/// Whether WSL isolates the cgroups of distributions, and how; `isolateDistroCgroup=false` in .wslconfig turns it off.
#[derive(Clone, Copy, PartialEq)]
enum Isolation {
    None,
    /// Pre-releases 2.9.8 to 2.9.12: no cgroup namespace.
    Paths,
    /// From 2.9.13 on: a cgroup namespace per distribution (PR 41512).
    Namespace,
}

fn isolation() -> Isolation {
    match choice("layout").split('-').next() {
        _ if choice("isolate") == "false" => Isolation::None,
        Some("isolated") => Isolation::Paths,
        Some("namespaced") => Isolation::Namespace,
        _ => Isolation::None,
    }
}

/// Moves this process to where the commands of wsl.exe run. Called between fork and exec.
pub fn join_session_cgroup() -> std::io::Result<()> {
    let places = match isolation() {
        Isolation::None => return Ok(()),
        Isolation::Paths => vec![format!("{DISTRO}/non-systemd"), DISTRO.to_string()],
        Isolation::Namespace => vec![format!("{CGROUP}/non-systemd")],
    };
    if let Some(at) = places.into_iter().find(|at| Path::new(at).exists()) {
        fs::write(format!("{at}/cgroup.procs"), "0")?;
    }
    if isolation() == Isolation::Namespace {
        sys::enter_namespace("/proc/1/ns/cgroup", NEWCGROUP)?;
    }
    Ok(())
}

/// systemd moves a login to its session's scope, and cannot do so from outside its namespace.
pub fn join_login_cgroup() -> std::io::Result<()> {
    if isolation() == Isolation::Namespace { join_session_cgroup() } else { Ok(()) }
}

/// Safe mode (`wsl2.safeMode`) turns systemd, fstab, drives, interop and the boot command off, whatever wsl.conf says
/// (WSL `src/linux/init/config.cpp:101-132`).
pub fn read_conf() -> Conf {
    let dialect = if version() >= vec![2, 9, 13] { Dialect::WslConfSkip } else { Dialect::WslConf };
    let mut conf = conf::read(&fs::read("/etc/wsl.conf").unwrap_or_default(), dialect);
    if choice("safe") == "true" {
        let off = ["boot.systemd", "automount.mountfstab", "automount.enabled", "interop.enabled"];
        conf.values.retain(|(key, _)| !off.contains(&key.as_str()) && key != "boot.command");
        conf.values.extend(off.map(|key| (key.to_string(), "false".to_string())));
    }
    conf
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
    let (mut grouped, go) = std::io::pipe().expect("pipe");
    // The child is WSL's init, PID 2, which stays; PID 1 becomes systemd when the mounts are made. The child is made
    // before PID 1 enters a cgroup namespace, so that it stays outside.
    if unsafe { fork() } == 0 {
        drop((ready, go));
        let _ = grouped.read(&mut [0]);
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
    drop((tell, grouped));
    cgroups(&conf);
    drop(go);
    let _ = ready.read(&mut [0]);
    if systemd_wanted(&conf) {
        if isolation() == Isolation::Paths {
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

/// The five layouts. `[automount] cgroups=v1` is a key only of WSL 2.6.2 and later; earlier ones print that they do not know it.
fn cgroups(conf: &Conf) {
    let layout = choice("layout");
    let line = fs::read_to_string("/proc/cmdline").unwrap_or_default();
    let without = line.split_whitespace().find_map(|w| w.strip_prefix("cgroup_no_v1=")).unwrap_or_default();
    let knows_key = version() >= vec![2, 6, 2];
    let mut v1 = layout == "classic";
    if knows_key && conf.get("automount.cgroups").is_some_and(|v| v.eq_ignore_ascii_case("v1")) {
        match isolation() {
            // the distribution does not start: E_UNEXPECTED in Windows
            Isolation::Paths => exit(1),
            Isolation::Namespace => log(NO_V1),
            Isolation::None => {
                v1 = without != "all";
                log(if v1 { "wsl: mounting cgroup v1" } else { "wsl: Falling back to cgroupv2" });
            }
        }
    } else if !knows_key && conf.get("automount.cgroups").is_some() {
        log("wsl: Unknown key 'automount.cgroups' in /etc/wsl.conf");
    }
    let flags = NOSUID | NODEV | NOEXEC | RELATIME;
    if !v1 {
        let _ = mount_on("cgroup2", CGROUP, "cgroup2", flags, "nsdelegate");
        let poor = layout.ends_with("-poor");
        match isolation() {
            Isolation::None => {}
            Isolation::Paths => isolate(poor, systemd_wanted(conf)),
            Isolation::Namespace => enter_own_namespace(poor, systemd_wanted(conf), flags),
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

/// WSL 2.9.8 to 2.9.12: /wsl-user/distro-N/{systemd,non-systemd}, without a cgroup namespace; without systemd, distro-N alone.
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

/// WSL from 2.9.13 on: PID 1 is in /wsl-user/distro-N, the root of a cgroup namespace, whose controllers systemd itself
/// enables. Without systemd PID 1 is in non-systemd too, so that they can be enabled at all (PR 41512).
fn enter_own_namespace(poor: bool, systemd: bool, flags: u64) {
    enable(CGROUP, false);
    for part in ["non-distro", "distro-2/non-systemd"] {
        let _ = fs::create_dir_all(format!("{CGROUP}/wsl-user/{part}"));
    }
    enable(&format!("{CGROUP}/wsl-user"), poor);
    let done = fs::write(format!("{DISTRO}/cgroup.procs"), "0")
        .and_then(|()| sys::unmount(CGROUP))
        .and_then(|()| sys::leave_namespace(NEWCGROUP))
        .and_then(|()| mount_on("cgroup2", CGROUP, "cgroup2", flags, ""));
    if let Err(e) = done {
        log(&format!("wsl: cgroup namespace: {e}"));
    }
    if !systemd {
        let _ = fs::write(format!("{CGROUP}/non-systemd/cgroup.procs"), "0");
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
