//! The few system calls that std does not have. Names come from the static libc; nothing here looks anything up in NSS.
use std::ffi::{CString, c_char, c_int, c_long, c_ulong, c_void};
use std::fs;
use std::io::{Error, Result};

extern "C" {
    fn mount(
        source: *const c_char,
        target: *const c_char,
        kind: *const c_char,
        flags: c_ulong,
        data: *const c_void,
    ) -> c_int;
    fn syscall(number: c_long, ...) -> c_long;
    fn ioctl(fd: c_int, request: c_ulong, ...) -> c_int;
    fn sethostname(name: *const c_char, len: usize) -> c_int;
    fn openpty(
        master: *mut c_int,
        slave: *mut c_int,
        name: *mut c_char,
        termios: *const c_void,
        size: *const Size,
    ) -> c_int;
    fn setgroups(count: usize, groups: *const u32) -> c_int;
    fn setgid(gid: u32) -> c_int;
    fn setuid(uid: u32) -> c_int;
    fn setns(fd: c_int, kind: c_int) -> c_int;
    fn umount2(target: *const c_char, flags: c_int) -> c_int;
    fn setrlimit(resource: c_int, limit: *const [u64; 2]) -> c_int;
    fn waitpid(pid: c_int, status: *mut c_int, options: c_int) -> c_int;
    pub fn fork() -> c_int;
    pub fn unshare(flags: c_int) -> c_int;
    pub fn setsid() -> c_int;
    pub fn sync();
    pub fn reboot(command: c_int) -> c_int;
    pub fn kill(pid: c_int, signal: c_int) -> c_int;
}

pub const RDONLY: u64 = 1;
pub const NOSUID: u64 = 2;
pub const NODEV: u64 = 4;
pub const NOEXEC: u64 = 8;
pub const REMOUNT: u64 = 32;
pub const NOATIME: u64 = 1024;
pub const MOVE: u64 = 8192;
pub const RELATIME: u64 = 1 << 21;
pub const NEWNS: c_int = 0x2_0000;
pub const NEWUTS: c_int = 0x400_0000;
pub const NEWCGROUP: c_int = 0x200_0000;
pub const NEWPID: c_int = 0x2000_0000;
pub const POWER_OFF: c_int = 0x4321_fedc;
pub const SIGHUP: c_int = 1;
pub const SIGKILL: c_int = 9;
pub const SIGTERM: c_int = 15;

#[repr(C)]
pub struct Size {
    pub rows: u16,
    pub cols: u16,
    pub x: u16,
    pub y: u16,
}

fn c(text: &str) -> CString {
    CString::new(text).expect("no NUL")
}

fn check(code: c_long) -> Result<c_long> {
    if code < 0 { Err(Error::last_os_error()) } else { Ok(code) }
}

/// Mounts, making the mount point.
pub fn mount_on(source: &str, target: &str, kind: &str, flags: u64, data: &str) -> Result<()> {
    if flags & (MOVE | REMOUNT) == 0 {
        let _ = fs::create_dir_all(target);
    }
    let (source, target, kind, data) = (c(source), c(target), c(kind), c(data));
    check(
        unsafe { mount(source.as_ptr(), target.as_ptr(), kind.as_ptr(), flags, data.as_ptr().cast()) }.into(),
    )
    .map(drop)
}

pub fn unmount(target: &str) -> Result<()> {
    check(unsafe { umount2(c(target).as_ptr(), 0) }.into()).map(drop)
}

/// Starts a new namespace of this kind.
pub fn leave_namespace(kind: c_int) -> Result<()> {
    check(unsafe { unshare(kind) }.into()).map(drop)
}

pub fn enter_namespace(path: &str, kind: c_int) -> Result<()> {
    use std::os::fd::AsRawFd;
    let file = fs::File::open(path)?;
    check(unsafe { setns(file.as_raw_fd(), kind) }.into()).map(drop)
}

pub fn load_module(path: &str) -> Result<()> {
    use std::os::fd::AsRawFd;
    let file = fs::File::open(path)?;
    const FINIT_MODULE: c_long = 313;
    check(unsafe { syscall(FINIT_MODULE, file.as_raw_fd(), c"".as_ptr(), 0) }).map(drop)
}

pub fn set_hostname(name: &str) {
    unsafe { sethostname(name.as_ptr().cast(), name.len()) };
}

/// The open files and the locked memory that WSL gives every process of the machine (WSL `src/linux/init/main.cpp`, `Initialize`).
pub fn raise_limits() {
    const MEMLOCK: c_int = 8;
    const NOFILE: c_int = 7;
    unsafe {
        setrlimit(NOFILE, &[10 * 1024, 1024 * 1024]);
        setrlimit(MEMLOCK, &[0x400_0000, 0x400_0000]);
    }
}

/// Waits for any child; its pid, or None when there is none.
pub fn wait_any() -> Option<i32> {
    let pid = unsafe { waitpid(-1, std::ptr::null_mut(), 0) };
    (pid > 0).then_some(pid)
}

/// A new pseudo-terminal: (master, slave).
pub fn pty(rows: u16, cols: u16) -> Result<(c_int, c_int)> {
    let (mut master, mut slave) = (0, 0);
    let size = Size { rows, cols, x: 0, y: 0 };
    check(unsafe { openpty(&mut master, &mut slave, std::ptr::null_mut(), std::ptr::null(), &size) }.into())?;
    const FIOCLEX: c_ulong = 0x5451;
    unsafe { ioctl(master, FIOCLEX) };
    Ok((master, slave))
}

pub fn resize(master: c_int, rows: u16, cols: u16) {
    const TIOCSWINSZ: c_ulong = 0x5414;
    unsafe { ioctl(master, TIOCSWINSZ, &Size { rows, cols, x: 0, y: 0 }) };
}

/// Takes standard input as this session's controlling terminal.
pub fn take_terminal() {
    const TIOCSCTTY: c_ulong = 0x540e;
    unsafe { ioctl(0, TIOCSCTTY, 0) };
}

/// Becomes the user. Called between fork and exec.
pub fn become_user(uid: u32, gid: u32, groups: &[u32]) -> Result<()> {
    check(unsafe { setgroups(groups.len(), groups.as_ptr()) }.into())?;
    check(unsafe { setgid(gid) }.into())?;
    check(unsafe { setuid(uid) }.into()).map(drop)
}
