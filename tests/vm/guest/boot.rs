//! mini_init: what WSL's virtual machine runs first. Loads modules, mounts the distribution's disk, and starts the
//! distribution's own init in new process, mount and host name namespaces, as WSL does.
use crate::sys::{self, *};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, exit};
use std::sync::Mutex;
use std::{env, fs, thread, time::Duration};

const ROOT: &str = "/newroot";
/// Where the host asks for the distribution's end and start: one word a connection, answered by one line.
const CONTROL: u16 = 2223;

#[derive(Default)]
struct Distro {
    /// The process that waits for the distribution's first one; 0: the distribution is stopped.
    waiter: i32,
    /// The distribution's PID 1, as the machine's own process namespace names it.
    first: i32,
    /// Its end was asked for: the machine continues without it.
    asked: bool,
}

static DISTRO: Mutex<Distro> = Mutex::new(Distro { waiter: 0, first: 0, asked: false });

pub fn mini_init() {
    raise_limits();
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
    if let Err(e) =
        mount_on("modules", &modules, "9p", RDONLY, "trans=virtio,version=9p2000.L,msize=262144,cache=loose")
    {
        log(&format!("mini_init: {modules}: {e}"));
    }
    for words in [
        "link set lo up",
        "link set eth0 up",
        "addr add 10.0.2.15/24 dev eth0",
        "route add default via 10.0.2.2",
    ] {
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

    let _ = mount_on("binfmt_misc", "/proc/sys/fs/binfmt_misc", "binfmt_misc", RELATIME, "");
    if let Err(e) = fs::write("/proc/sys/fs/binfmt_misc/register", ":WSLInterop:M::MZ::/init:FP") {
        log(&format!("mini_init: binfmt_misc: {e}"));
    }
    start_distro();
    thread::spawn(control);
    loop {
        let ended = sys::wait_any();
        let mut distro = DISTRO.lock().expect("distro");
        if ended == Some(distro.waiter) {
            distro.waiter = 0;
            if !distro.asked {
                break;
            }
        }
        drop(distro);
        if ended.is_none() {
            thread::sleep(Duration::from_millis(20)); // stopped, until the host starts it again
        }
    }
    log("mini_init: the distribution ended");
    unsafe {
        sync();
        reboot(POWER_OFF);
    }
}

/// Each start has new namespaces. A process can make only one for its children's processes, so each start has its own.
fn start_distro() {
    let mut distro = DISTRO.lock().expect("distro");
    let (mut first, mut tell) = std::io::pipe().expect("pipe");
    let waiter = unsafe { fork() };
    if waiter == 0 {
        unsafe { unshare(NEWPID) };
        let pid = unsafe { fork() };
        if pid == 0 {
            drop((first, tell));
            unsafe { unshare(NEWNS | NEWUTS) };
            let _ = mount_on("proc", "/proc", "proc", NOSUID | NODEV | NOEXEC, "");
            unsafe { setsid() };
            let e = Command::new("/init")
                .env_clear()
                .env("WSL2_USER_PROFILE", r"C:\Users\dev")
                .env("WSL_ROOT_INIT", "1")
                .exec();
            log(&format!("mini_init: /init: {e}"));
            exit(1);
        }
        let _ = tell.write_all(&pid.to_le_bytes());
        drop((first, tell));
        while sys::wait_any().is_some() {}
        exit(0);
    }
    drop(tell);
    let mut pid = [0; 4];
    first.read_exact(&mut pid).expect("the distribution's first process");
    *distro = Distro { waiter, first: i32::from_le_bytes(pid), asked: false };
}

fn control() {
    let listener = TcpListener::bind(("0.0.0.0", CONTROL)).expect("the control port");
    for stream in listener.incoming().flatten() {
        if let Err(e) = obey(stream) {
            log(&format!("mini_init: control: {e}"));
        }
    }
}

/// `terminate`: ends the distribution and all its processes, as its init would after its time limit; the machine lives on. `start`: a new one.
/// `halt`: as terminate, and the disk is left in order, for the host to end the machine.
fn obey(mut stream: TcpStream) -> std::io::Result<()> {
    let mut word = String::new();
    BufReader::new(stream.try_clone()?).read_line(&mut word)?;
    let runs = || DISTRO.lock().expect("distro").waiter != 0;
    match word.trim() {
        "terminate" | "halt" if runs() => {
            let mut distro = DISTRO.lock().expect("distro");
            distro.asked = true;
            unsafe { kill(distro.first, SIGKILL) };
            drop(distro);
            for _ in 0..1500 {
                if !runs() {
                    break;
                }
                thread::sleep(Duration::from_millis(20));
            }
        }
        "start" if !runs() => start_distro(),
        _ => {}
    }
    if !runs() {
        clear_cgroups();
    }
    unsafe { sync() };
    if word.trim() == "halt" {
        mount_on("", "/", "", REMOUNT | RDONLY, "")?;
    }
    writeln!(stream, "{}", if runs() { "running" } else { "stopped" })
}

/// systemd is killed here, where WSL has it power off first, and then it takes its cgroups away itself. Left behind, the user manager's would refuse
/// the next one: `Failed at step CGROUP … Device or resource busy`. In a mount namespace of its own, so that no distribution inherits the mount.
fn clear_cgroups() {
    let cleaner = unsafe { fork() };
    if cleaner == 0 {
        unsafe { unshare(NEWNS) };
        let at = "/mnt/wsl"; // there already, and of no other use here
        if mount_on("cgroup2", at, "cgroup2", NOSUID | NODEV | NOEXEC, "").is_ok() {
            prune(Path::new(at));
        }
        exit(0);
    }
    // the loop of this process's main thread reaps it
    while fs::metadata(format!("/proc/{cleaner}")).is_ok() {
        thread::sleep(Duration::from_millis(5));
    }
}

fn prune(at: &Path) {
    for entry in
        fs::read_dir(at).into_iter().flatten().flatten().filter(|e| e.file_type().is_ok_and(|t| t.is_dir()))
    {
        prune(&entry.path());
        let _ = fs::remove_dir(entry.path());
    }
}

/// A line for the host to read on the serial console.
pub fn log(line: &str) {
    let _ = fs::write("/dev/kmsg", format!("<4>{line}\n"));
}
