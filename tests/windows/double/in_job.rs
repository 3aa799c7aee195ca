//! Runs a program in a job of its own: in_job.exe LIMITS PROGRAM ARGS…, LIMITS as a number ("0x2000": ends its processes when it closes).
//! "none" for no job. Says the program's exit code as Windows has it, 32 bits with sign, as last line on standard error.
use std::ffi::c_void;
use std::process::{Command, exit};
use std::ptr::null_mut;
use std::{env, io, mem};

type Handle = *mut c_void;

/// JOBOBJECT_EXTENDED_LIMIT_INFORMATION
#[repr(C)]
struct Limits {
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
    fn CreateJobObjectW(security: *const c_void, name: *const u16) -> Handle;
    fn SetInformationJobObject(job: Handle, class: i32, info: *const Limits, size: u32) -> i32;
    fn AssignProcessToJobObject(job: Handle, process: Handle) -> i32;
    fn GetCurrentProcess() -> Handle;
}

fn main() {
    let args: Vec<String> = env::args().skip(1).collect();
    if args[0] != "none" {
        let flags = u32::from_str_radix(args[0].trim_start_matches("0x"), 16).expect("a number");
        // SAFETY: all zeros is a value of this structure of numbers; the job's handle stays open until this process ends.
        let done = unsafe {
            let limits = Limits { flags, ..mem::zeroed() };
            let job = CreateJobObjectW(null_mut(), null_mut());
            SetInformationJobObject(job, 9, &limits, mem::size_of::<Limits>() as u32) != 0
                && AssignProcessToJobObject(job, GetCurrentProcess()) != 0
        };
        assert!(done, "no job: {}", io::Error::last_os_error());
    }
    let code = Command::new(&args[1])
        .args(&args[2..])
        .status()
        .expect("the program starts")
        .code()
        .expect("an exit code");
    eprintln!("exit={}", code);
    exit(code)
}
