//! Functions of the Windows API that std does not have, declared by hand because this crate has no dependencies.

pub mod run_key;

use std::ffi::{OsStr, OsString, c_void};
use std::fs::{File, OpenOptions};
use std::io::{self, Error, Read};
use std::os::windows::ffi::{OsStrExt, OsStringExt};
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle, RawHandle};
use std::path::{Path, PathBuf};
use std::ptr::{null, null_mut};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

type Handle = *mut c_void;

#[repr(C)]
struct Guid(u32, u16, u16, [u8; 8]);

#[repr(C)]
struct StartupInfo {
    size: u32,
    names: [*mut u16; 3],
    numbers: [u32; 7],
    flags: u32,
    show: u16,
    reserved: u16,
    reserved_pointer: *mut u8,
    standard: [Handle; 3],
}

#[repr(C)]
struct ProcessInformation {
    process: Handle,
    thread: Handle,
    process_id: u32,
    thread_id: u32,
}

/// JOBOBJECT_EXTENDED_LIMIT_INFORMATION; only the flags are read.
#[repr(C)]
struct JobLimits {
    times: [i64; 2],
    flags: u32,
    working_sets: [usize; 2],
    processes: u32,
    affinity: usize,
    classes: [u32; 2],
    counters: [u64; 6],
    memory: [usize; 4],
}

#[link(name = "kernel32")]
extern "system" {
    fn GetCurrentProcess() -> Handle;
    fn CloseHandle(handle: Handle) -> i32;
    fn GetSystemDirectoryW(buffer: *mut u16, size: u32) -> u32;
    fn IsProcessInJob(process: Handle, job: Handle, result: *mut i32) -> i32;
    fn QueryInformationJobObject(job: Handle, class: i32, info: *mut JobLimits, size: u32, written: *mut u32) -> i32;
    fn GetStdHandle(which: u32) -> Handle;
    fn SetHandleInformation(handle: Handle, mask: u32, flags: u32) -> i32;
    fn CreateProcessW(
        application: *const u16,
        command_line: *mut u16,
        process_security: *const c_void,
        thread_security: *const c_void,
        inherit: i32,
        flags: u32,
        environment: *const c_void,
        directory: *const u16,
        startup: *const StartupInfo,
        information: *mut ProcessInformation,
    ) -> i32;
    fn WaitForSingleObject(handle: Handle, milliseconds: u32) -> u32;
    fn AllocConsole() -> i32;
    fn FreeConsole() -> i32;
    fn GetConsoleMode(console: Handle, mode: *mut u32) -> i32;
    fn SetConsoleMode(console: Handle, mode: u32) -> i32;
    fn FlushConsoleInputBuffer(console: Handle) -> i32;
    fn SetConsoleCP(page: u32) -> i32;
    fn SetConsoleOutputCP(page: u32) -> i32;
    fn SetConsoleTitleW(title: *const u16) -> i32;
    fn SetConsoleCtrlHandler(handler: Option<extern "system" fn(u32) -> i32>, add: i32) -> i32;
}

#[link(name = "advapi32")]
extern "system" {
    fn OpenProcessToken(process: Handle, access: u32, token: *mut Handle) -> i32;
}

#[link(name = "userenv")]
extern "system" {
    fn GetUserProfileDirectoryW(token: Handle, buffer: *mut u16, size: *mut u32) -> i32;
}

#[link(name = "shell32")]
extern "system" {
    fn SHGetKnownFolderPath(id: *const Guid, flags: u32, token: Handle, path: *mut *mut u16) -> i32;
}

#[link(name = "ole32")]
extern "system" {
    fn CoTaskMemFree(memory: *mut c_void);
}

fn wide(text: &OsStr) -> Vec<u16> {
    text.encode_wide().chain([0]).collect()
}

fn checked(result: i32) -> io::Result<()> {
    if result == 0 { Err(Error::last_os_error()) } else { Ok(()) }
}

/// The profile directory of this account, from the token, as WSL finds .wslconfig
/// (WSL src/windows/common/helpers.cpp:439-451), not from %USERPROFILE%.
pub fn profile() -> io::Result<PathBuf> {
    const TOKEN_QUERY: u32 = 8;
    let mut token = null_mut();
    let mut buffer = vec![0u16; 32768];
    let mut size = buffer.len() as u32;
    // SAFETY: `token` is written before it is used and closed once; `buffer` has `size` elements.
    let found = unsafe {
        checked(OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY, &mut token))?;
        let found = checked(GetUserProfileDirectoryW(token, buffer.as_mut_ptr(), &mut size));
        CloseHandle(token);
        found
    };
    found.map(|()| path_of(&buffer))
}

fn path_of(buffer: &[u16]) -> PathBuf {
    let length = buffer.iter().position(|u| *u == 0).unwrap_or(buffer.len());
    OsString::from_wide(&buffer[..length]).into()
}

/// The folder for local application data: …\AppData\Local.
pub fn local_app_data() -> io::Result<PathBuf> {
    const LOCAL_APP_DATA: Guid = Guid(0xF1B3_2785, 0x6FBA, 0x4FCF, [0x9D, 0x55, 0x7B, 0x8E, 0x7F, 0x15, 0x70, 0x91]);
    let mut path: *mut u16 = null_mut();
    // SAFETY: the call writes either nothing or a string that ends with NUL, which is read up to the NUL and freed once.
    unsafe {
        let result = SHGetKnownFolderPath(&LOCAL_APP_DATA, 0, null_mut(), &mut path);
        let found = if result < 0 || path.is_null() {
            Err(Error::new(io::ErrorKind::NotFound, format!("SHGetKnownFolderPath: 0x{result:08x}")))
        } else {
            let length = (0..).take_while(|i| *path.add(*i) != 0).count();
            Ok(OsString::from_wide(std::slice::from_raw_parts(path, length)).into())
        };
        CoTaskMemFree(path.cast());
        found
    }
}

/// System32\wsl.exe by its full path, never from PATH or the current directory.
pub fn wsl_exe() -> io::Result<PathBuf> {
    let mut buffer = vec![0u16; 1024];
    // SAFETY: the given length is the length of `buffer`.
    let length = unsafe { GetSystemDirectoryW(buffer.as_mut_ptr(), buffer.len() as u32) } as usize;
    if length == 0 || length >= buffer.len() {
        return Err(Error::last_os_error());
    }
    Ok(path_of(&buffer).join("wsl.exe"))
}

/// The limits of the innermost job that this process is in; `None`: in no job.
pub fn job_limits() -> Option<u32> {
    const EXTENDED_LIMITS: i32 = 9;
    let mut inside = 0;
    // SAFETY: all zeros is a valid value of this structure of numbers.
    let mut limits: JobLimits = unsafe { std::mem::zeroed() };
    // SAFETY: both pointers are to locals, and the size is that of the structure. A null job is the job of the caller.
    let known = unsafe {
        IsProcessInJob(GetCurrentProcess(), null_mut(), &mut inside) != 0
            && inside != 0
            && QueryInformationJobObject(
                null_mut(),
                EXTENDED_LIMITS,
                &mut limits,
                std::mem::size_of::<JobLimits>() as u32,
                null_mut(),
            ) != 0
    };
    known.then(|| limits.flags)
}

/// From now on no child inherits the standard handles by default. Otherwise a wslhost.exe that outlives its wsl.exe
/// keeps the pipe open, and the Linux caller waits for its end (WSL src/linux/init/binfmt.cpp:234-395).
pub fn keep_standard_handles() {
    const INHERIT: u32 = 1;
    for which in [-10i32, -11, -12] {
        // SAFETY: numbers only; with an invalid handle the call fails, which is harmless.
        unsafe { SetHandleInformation(GetStdHandle(which as u32), INHERIT, 0) };
    }
}

/// Starts a program that inherits no handles, console or process group, and with `breakaway` no job.
pub fn start_detached(program: &Path, command_line: &str, directory: &Path, breakaway: bool) -> io::Result<Detached> {
    const DETACHED_PROCESS: u32 = 0x8;
    const NEW_PROCESS_GROUP: u32 = 0x200;
    const BREAKAWAY_FROM_JOB: u32 = 0x0100_0000;
    const USE_STANDARD_HANDLES: u32 = 0x100;
    let flags = DETACHED_PROCESS | NEW_PROCESS_GROUP | if breakaway { BREAKAWAY_FROM_JOB } else { 0 };
    let (program, directory) = (wide(program.as_os_str()), wide(directory.as_os_str()));
    let mut line = wide(OsStr::new(command_line));
    // SAFETY: all zeros is a valid value of both structures: numbers and null pointers.
    let (mut startup, mut started): (StartupInfo, ProcessInformation) =
        unsafe { (std::mem::zeroed(), std::mem::zeroed()) };
    startup.size = std::mem::size_of::<StartupInfo>() as u32;
    startup.flags = USE_STANDARD_HANDLES; // null: a value of this process must not be taken for a handle of the child
    // SAFETY: every string ends with NUL and lives through the call; the command line is a buffer of this function that the call may write to.
    unsafe {
        let result = CreateProcessW(
            program.as_ptr(),
            line.as_mut_ptr(),
            null(),
            null(),
            0,
            flags,
            null(),
            directory.as_ptr(),
            &startup,
            &mut started,
        );
        checked(result)?;
        CloseHandle(started.thread);
        // SAFETY: the handle is open and owned by this function.
        Ok(Detached { id: started.process_id, process: OwnedHandle::from_raw_handle(started.process.cast()) })
    }
}

/// A process of [`start_detached`]. Dropping this does not end it.
#[derive(Debug)]
pub struct Detached {
    pub id: u32,
    process: OwnedHandle,
}

/// Waits for the end of a child or a [`Detached`] up to a timeout; returns whether it ended.
pub fn wait(process: &impl AsRawHandle, timeout: Duration) -> bool {
    let milliseconds = u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX - 1);
    // SAFETY: the handle is open as long as `process` lives.
    unsafe { WaitForSingleObject(process.as_raw_handle().cast(), milliseconds) == 0 }
}

impl AsRawHandle for Detached {
    fn as_raw_handle(&self) -> RawHandle {
        self.process.as_raw_handle()
    }
}

/// A console window of this process.
#[derive(Debug)]
pub struct Console {
    /// Its keyboard input.
    pub input: File,
    pub output: File,
}

impl Console {
    /// Opens the window. Fails without a desktop.
    pub fn open(title: &str) -> io::Result<Console> {
        const UTF8: u32 = 65001;
        let title = wide(OsStr::new(title));
        // SAFETY: no arguments.
        unsafe { checked(AllocConsole())? };
        let console = (|| {
            let open = |name: &str| OpenOptions::new().read(true).write(true).open(name);
            let console = Console { input: open("CONIN$")?, output: open("CONOUT$")? };
            let mut mode = 0;
            // SAFETY: both handles are open, `title` ends with NUL.
            unsafe {
                checked(GetConsoleMode(console.output.as_raw_handle().cast(), &mut mode))?;
                SetConsoleCP(UTF8);
                SetConsoleOutputCP(UTF8);
                SetConsoleTitleW(title.as_ptr());
            }
            Ok(console)
        })();
        if console.is_err() {
            // SAFETY: no arguments.
            unsafe { FreeConsole() };
        }
        console
    }

    /// Waits for Enter; earlier input is discarded.
    pub fn wait_for_enter(&self) {
        const LINES: u32 = 0x1 | 0x2 | 0x4; // PROCESSED_INPUT, LINE_INPUT, ECHO_INPUT
        let handle = self.input.as_raw_handle().cast();
        // SAFETY: the handle is open as long as `self` lives.
        unsafe {
            SetConsoleMode(handle, LINES);
            FlushConsoleInputBuffer(handle);
        }
        let _ = (&self.input).read(&mut [0; 256]);
    }
}

static IGNORE_CTRL_C: AtomicBool = AtomicBool::new(false);

extern "system" fn on_control(event: u32) -> i32 {
    const C_OR_BREAK: u32 = 1;
    i32::from(event <= C_OR_BREAK && IGNORE_CTRL_C.load(Ordering::SeqCst))
}

/// Ctrl-C and Ctrl-Break: while `ignored`, only the started program handles them. Unlike the disposition that
/// CREATE_NEW_PROCESS_GROUP sets, children do not inherit this.
pub fn set_ctrl_c_ignored(ignored: bool) {
    IGNORE_CTRL_C.store(ignored, Ordering::SeqCst);
    // SAFETY: the handler is a function of this program that only reads an atomic; adding it twice is harmless.
    unsafe {
        SetConsoleCtrlHandler(None, 0);
        SetConsoleCtrlHandler(Some(on_control), 0);
        SetConsoleCtrlHandler(Some(on_control), 1);
    }
}
