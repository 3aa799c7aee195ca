//! The double of wsl.exe: a relay. What wsl.exe would do is done by the service (service.py), which it reaches on 127.0.0.1 at the
//! port in `wsl.exe.port` beside itself.
//! request:    u32 count, then count * (u32 length, bytes): "arg=…" each argument in order, "utf8=1" when WSL_UTF8 is exactly "1",
//!             "tty=ROWSxCOLS" when standard input and output are consoles, "env=NAME=VALUE" each variable that WSLENV lets into Linux
//! in frames:  u8 kind, u32 length, data. 0 standard input (empty: end of file)
//! out frames: 1 standard output, 2 standard error, 3 exit code (i32). Numbers are little-endian.
//! The connection breaking is a client whose virtual machine dies: exit 1 without a message (WSL src/windows/common/interop.cpp:576-617).
use std::ffi::c_void;
use std::fs::File;
use std::io::{self, Read, Write};
use std::mem::ManuallyDrop;
use std::net::TcpStream;
use std::os::windows::io::FromRawHandle;
use std::process::exit;
use std::{env, fs, thread};

type Handle = *mut c_void;

#[repr(C)]
#[derive(Default)]
struct Screen {
    size: [i16; 2],
    cursor: [i16; 2],
    colours: u16,
    window: [i16; 4],
    largest: [i16; 2],
}

#[link(name = "kernel32")]
extern "system" {
    fn GetStdHandle(which: u32) -> Handle;
    fn GetConsoleMode(console: Handle, mode: *mut u32) -> i32;
    fn SetConsoleMode(console: Handle, mode: u32) -> i32;
    fn GetConsoleCP() -> u32;
    fn GetConsoleOutputCP() -> u32;
    fn SetConsoleCP(page: u32) -> i32;
    fn SetConsoleOutputCP(page: u32) -> i32;
    fn GetConsoleScreenBufferInfo(console: Handle, screen: *mut Screen) -> i32;
}

const INPUT: u32 = -10i32 as u32;
const OUTPUT: u32 = -11i32 as u32;
const ERROR: u32 = -12i32 as u32;

fn main() {
    exit(relay().unwrap_or(1))
}

fn relay() -> io::Result<i32> {
    let port = fs::read_to_string(env::current_exe()?.with_file_name("wsl.exe.port"))?;
    let mut link = TcpStream::connect((
        "127.0.0.1",
        port.trim().parse::<u16>().map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))?,
    ))?;
    link.set_nodelay(true)?;
    let console = console();
    link.write_all(&request(console.as_ref().map(|c| c.size)))?;
    let mut writer = link.try_clone()?;
    thread::spawn(move || feed(&mut writer));
    let mut outputs = [standard(OUTPUT), standard(ERROR)];
    let code = loop {
        let mut head = [0; 5];
        if link.read_exact(&mut head).is_err() {
            break 1;
        }
        let mut data = vec![0; u32::from_le_bytes([head[1], head[2], head[3], head[4]]) as usize];
        if link.read_exact(&mut data).is_err() {
            break 1;
        }
        match (head[0], data.as_slice()) {
            (3, &[a, b, c, d]) => break i32::from_le_bytes([a, b, c, d]),
            (kind @ 1..=2, bytes) => {
                // a closed pipe does not end the command, as with the real wsl.exe
                let _ = outputs[usize::from(kind) - 1].as_mut().map(|to| to.write_all(bytes));
            }
            _ => break 1,
        }
    };
    if let Some(console) = console {
        console.restore();
    }
    Ok(code)
}

fn request(size: Option<(i16, i16)>) -> Vec<u8> {
    let mut parts: Vec<String> =
        env::args_os().skip(1).map(|a| format!("arg={}", a.to_string_lossy())).collect();
    if env::var_os("WSL_UTF8").map_or(false, |v| v == "1") {
        parts.push("utf8=1".into());
    }
    if let Some((rows, columns)) = size {
        parts.push(format!("tty={}x{}", rows, columns));
    }
    for entry in env::var("WSLENV").unwrap_or_default().split(':').filter(|e| !e.is_empty()) {
        let (name, flags) = entry.split_once('/').unwrap_or((entry, ""));
        // an entry with an unknown flag is ignored; one with w goes from Linux to Windows only; an unset variable is sent empty
        if flags.chars().all(|f| "plu".contains(f)) {
            parts.push(format!("env={}={}", name, env::var(name).unwrap_or_default()));
        }
    }
    let mut bytes = (parts.len() as u32).to_le_bytes().to_vec();
    for part in parts {
        bytes.extend((part.len() as u32).to_le_bytes());
        bytes.extend(part.as_bytes());
    }
    bytes
}

/// Standard input goes to the service until it ends.
fn feed(link: &mut TcpStream) {
    let mut input = standard(INPUT);
    let mut buffer = vec![0; 32768];
    loop {
        let count = input.as_mut().map_or(0, |from| from.read(&mut buffer).unwrap_or(0));
        let mut frame = vec![0];
        frame.extend((count as u32).to_le_bytes());
        frame.extend(&buffer[..count]);
        if link.write_all(&frame).is_err() || count == 0 {
            break;
        }
    }
}

/// A standard handle as a file that is not closed; none in a process that was given none.
fn standard(which: u32) -> Option<ManuallyDrop<File>> {
    // SAFETY: no arguments but a number; the handle is the process's own and is never closed.
    unsafe {
        let handle = GetStdHandle(which);
        (!handle.is_null() && handle as isize != -1).then(|| ManuallyDrop::new(File::from_raw_handle(handle)))
    }
}

struct Console {
    size: (i16, i16),
    modes: (u32, u32),
    pages: (u32, u32),
}

/// The console, when standard input and output are one: from then on in the modes that wsl.exe sets for a Linux terminal.
fn console() -> Option<Console> {
    const RAW_INPUT: u32 = 0x200; // VIRTUAL_TERMINAL_INPUT; no line input, no echo, no Ctrl-C of its own
    const TERMINAL_OUTPUT: u32 = 0x4 | 0x8; // VIRTUAL_TERMINAL_PROCESSING, no automatic carriage return
    const UTF8: u32 = 65001;
    let (mut input, mut output, mut screen) = (0, 0, Screen::default());
    // SAFETY: every pointer is to a local of the right type; with a handle that is not a console the call fails.
    unsafe {
        if GetConsoleMode(GetStdHandle(INPUT), &mut input) == 0
            || GetConsoleMode(GetStdHandle(OUTPUT), &mut output) == 0
        {
            return None;
        }
        GetConsoleScreenBufferInfo(GetStdHandle(OUTPUT), &mut screen);
        SetConsoleMode(GetStdHandle(INPUT), RAW_INPUT);
        SetConsoleMode(GetStdHandle(OUTPUT), output | TERMINAL_OUTPUT);
        let pages = (GetConsoleCP(), GetConsoleOutputCP());
        SetConsoleCP(UTF8);
        SetConsoleOutputCP(UTF8);
        let [left, top, right, bottom] = screen.window;
        Some(Console { size: (bottom - top + 1, right - left + 1), modes: (input, output), pages })
    }
}

impl Console {
    fn restore(&self) {
        // SAFETY: numbers only.
        unsafe {
            SetConsoleMode(GetStdHandle(INPUT), self.modes.0);
            SetConsoleMode(GetStdHandle(OUTPUT), self.modes.1);
            SetConsoleCP(self.pages.0);
            SetConsoleOutputCP(self.pages.1);
        }
    }
}
