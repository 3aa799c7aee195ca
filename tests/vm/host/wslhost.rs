//! The Windows half of interop, as a Windows program: what wsl.exe (or its wslhost.exe) does for a program that Linux started.
//! wslhost.exe PORT [job]: connects to the test on 127.0.0.1 and reads one request as guest/interop.rs writes it; then frames.
//! in: 0 standard input (empty: its end), 9 the Linux side went away. out: 1, 2 standard output and error, 3 exit code (i32)
//! Without a window, on pipes; the answer waits until no process holds the output pipes. When the Linux side goes away, a console
//! program is ended with 1, one of the GUI subsystem lives on (WSL src/windows/common/interop.cpp:191-257, 409-483). With `job`: in a job
//! that allows no breakaway and ends its processes when this one ends, which is when the test closes the connection (WslCoreInstance.cpp:430-440).
use std::ffi::c_void;
use std::fs;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::windows::io::AsRawHandle;
use std::os::windows::process::CommandExt;
use std::process::{Command, Stdio, exit};
use std::sync::{Arc, Mutex};
use std::{env, thread};

type Handle = *mut c_void;

#[link(name = "kernel32")]
extern "system" {
    fn CreateJobObjectW(security: Handle, name: *const u16) -> Handle;
    fn SetInformationJobObject(job: Handle, class: u32, data: *const c_void, size: u32) -> i32;
    fn AssignProcessToJobObject(job: Handle, process: Handle) -> i32;
    fn GetCurrentProcess() -> Handle;
    fn TerminateProcess(process: Handle, code: u32) -> i32;
}

const CREATE_NO_WINDOW: u32 = 0x0800_0000;

fn main() {
    let args: Vec<String> = env::args().collect();
    let stream = TcpStream::connect(("127.0.0.1", args[1].parse().expect("a port"))).expect("the test");
    stream.set_nodelay(true).expect("a socket");
    if args.get(2).map_or(false, |a| a == "job") {
        enter_job();
    }
    let out = Arc::new(Mutex::new(stream.try_clone().expect("a socket")));
    if let Err(e) = serve(stream, &out) {
        let _ = frame(&out, 2, format!("wslhost: {}\n", e).as_bytes());
        let _ = frame(&out, 3, &126i32.to_le_bytes());
    }
}

/// The job's only handle is this process's: it closes when the process ends.
fn enter_job() {
    let mut limits = [0u32; 36]; // JOBOBJECT_EXTENDED_LIMIT_INFORMATION, 144 bytes; LimitFlags is at 16
    limits[4] = 0x2000; // KILL_ON_JOB_CLOSE
    // SAFETY: the buffer is of the size given; the handles are this process's own.
    let done = unsafe {
        let job = CreateJobObjectW(std::ptr::null_mut(), std::ptr::null());
        SetInformationJobObject(job, 9, limits.as_ptr().cast(), 144) != 0
            && AssignProcessToJobObject(job, GetCurrentProcess()) != 0
    };
    assert!(done, "no job");
}

fn serve(mut stream: TcpStream, out: &Arc<Mutex<TcpStream>>) -> io::Result<()> {
    let (mut program, mut directory, mut args, mut variables) =
        (String::new(), String::new(), Vec::new(), Vec::new());
    for _ in 0..number(&mut stream)? {
        let text = String::from_utf8_lossy(&block(&mut stream)?).into_owned();
        let (key, value) = text.split_once('=').unwrap_or((&text, ""));
        match key {
            "exe" => program = value.into(),
            "cwd" => directory = value.into(),
            "a" => args.push(value.to_string()),
            "e" => variables.extend(value.split_once('=').map(|(k, v)| (k.to_string(), v.to_string()))),
            _ => {}
        }
    }
    let mut command = Command::new(&program);
    // a directory of the distribution is a network path on Windows; here there is none
    command
        .args(&args)
        .current_dir(if directory.starts_with("C:") { &directory } else { "C:\\" })
        .creation_flags(CREATE_NO_WINDOW);
    for (name, value) in variables {
        if value.is_empty() {
            command.env_remove(name)
        } else {
            command.env(name, value)
        };
    }
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let (mut input, process, window) =
        (child.stdin.take(), child.as_raw_handle() as usize, is_gui(&program)?);
    let listener = thread::spawn(move || {
        loop {
            let mut kind = [0];
            let data = stream.read_exact(&mut kind).and_then(|()| block(&mut stream));
            match (kind[0], data) {
                (0, Ok(data)) if data.is_empty() => input = None,
                (0, Ok(data)) => {
                    if input.as_mut().map_or(true, |i| i.write_all(&data).is_err()) {
                        input = None;
                    }
                }
                (9, Ok(_)) => {
                    input = None;
                    if !window {
                        // SAFETY: the child's handle stays open as long as this process lives.
                        unsafe { TerminateProcess(process as Handle, 1) };
                    }
                }
                _ => exit(0), // the test closed the connection: for a job, its end
            }
        }
    });
    let readers = [
        copy(child.stdout.take().expect("piped"), 1, out),
        copy(child.stderr.take().expect("piped"), 2, out),
    ];
    let code = child.wait()?.code().unwrap_or(1);
    for reader in readers {
        let _ = reader.join();
    }
    frame(out, 3, &code.to_le_bytes())?;
    let _ = listener.join();
    Ok(())
}

fn copy(
    mut from: impl Read + Send + 'static,
    kind: u8,
    out: &Arc<Mutex<TcpStream>>,
) -> thread::JoinHandle<()> {
    let out = out.clone();
    thread::spawn(move || {
        let mut buffer = vec![0; 32768];
        while let Ok(count) = from.read(&mut buffer) {
            if count == 0 || frame(&out, kind, &buffer[..count]).is_err() {
                break;
            }
        }
    })
}

/// The subsystem in the program's header: 2 is Windows, 3 is the console.
fn is_gui(program: &str) -> io::Result<bool> {
    let bytes = fs::read(program)?;
    let at = |offset: usize| {
        bytes.get(offset..offset + 4).map_or(0, |b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]))
    };
    Ok(at(at(0x3c) as usize + 24 + 68) & 0xffff == 2)
}

fn number(stream: &mut TcpStream) -> io::Result<u32> {
    let mut bytes = [0; 4];
    stream.read_exact(&mut bytes)?;
    Ok(u32::from_le_bytes(bytes))
}

fn block(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; number(stream)? as usize];
    stream.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn frame(out: &Mutex<TcpStream>, kind: u8, data: &[u8]) -> io::Result<()> {
    let mut bytes = vec![kind];
    bytes.extend((data.len() as u32).to_le_bytes());
    bytes.extend(data);
    out.lock().expect("output").write_all(&bytes)
}
