//! mini_init: what WSL's virtual machine runs first. Loads modules, mounts the distribution's disk, and starts the
//! distribution's own init in new process, mount and host name namespaces, as WSL does.
use crate::sys::{self, *};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::{env, fs, thread, time::Duration};

const ROOT: &str = "/newroot";

pub fn mini_init() {
    let _ = mount_on("proc", "/proc", "proc", 0, "");
    let _ = mount_on("sysfs", "/sys", "sysfs", 0, "");
    let _ = mount_on("devtmpfs", "/dev", "devtmpfs", 0, "");
    for module in fs::read_to_string("/modules.list").unwrap_or_default().lines() {
        let _ = load_module(module);
    }
    for _ in 0..100 {
        if mount_on("/dev/vda", ROOT, "ext4", NOATIME, "discard").is_ok() {
            break;
        }
        thread::sleep(Duration::from_millis(50));
    }
    let modules = format!("{ROOT}/lib/modules");
    if let Err(e) = mount_on("modules", &modules, "9p", RDONLY, "trans=virtio,version=9p2000.L,msize=262144,cache=loose") {
        log(&format!("mini_init: {modules}: {e}"));
    }
    for words in ["link set lo up", "link set eth0 up", "addr add 10.0.2.15/24 dev eth0", "route add default via 10.0.2.2"] {
        let _ = Command::new("/bin/busybox").arg("ip").args(words.split(' ')).status();
    }
    let _ = fs::copy("/init", format!("{ROOT}/init"));
    for dir in ["proc", "sys", "dev", "run", "mnt/wsl"] {
        let _ = fs::create_dir_all(format!("{ROOT}/{dir}"));
        if matches!(dir, "proc" | "sys" | "dev") {
            let _ = mount_on(&format!("/{dir}"), &format!("{ROOT}/{dir}"), "", MOVE, "");
        }
    }
    // The kernel's own calls of modprobe follow this process into the new root: they share its view of the file system.
    env::set_current_dir(ROOT).expect("the distribution's disk");
    mount_on(".", "/", "", MOVE, "").expect("move the root");
    std::os::unix::fs::chroot(".").expect("chroot");
    env::set_current_dir("/").expect("/");

    unsafe { unshare(NEWPID) };
    if unsafe { fork() } == 0 {
        unsafe { unshare(NEWNS | NEWUTS) };
        let _ = mount_on("proc", "/proc", "proc", NOSUID | NODEV | NOEXEC, "");
        unsafe { setsid() };
        let e = Command::new("/init").env_clear().env("WSL2_USER_PROFILE", r"C:\Users\dev").env("WSL_ROOT_INIT", "1").exec();
        log(&format!("mini_init: /init: {e}"));
    } else {
        while sys::wait_any().is_some() {}
        log("mini_init: the distribution ended");
    }
    unsafe {
        sync();
        reboot(POWER_OFF);
    }
}

/// A line for the host to read on the serial console.
pub fn log(line: &str) {
    let _ = fs::write("/dev/kmsg", format!("<4>{line}\n"));
}
