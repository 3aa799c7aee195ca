//! Shows what stands in another process's console window: screen.exe PID. UTF-8, without blanks at the ends of lines and at the end.
use std::ffi::c_void;
use std::fs::File;
use std::io::{self, Write};
use std::os::windows::io::{AsRawHandle, FromRawHandle};
use std::ptr::{null, null_mut};
use std::{env, process::exit};

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
    fn FreeConsole() -> i32;
    fn AttachConsole(process: u32) -> i32;
    fn CreateFileW(
        name: *const u16,
        access: u32,
        share: u32,
        security: *const c_void,
        how: u32,
        flags: u32,
        template: Handle,
    ) -> Handle;
    fn GetConsoleScreenBufferInfo(console: Handle, screen: *mut Screen) -> i32;
    fn ReadConsoleOutputCharacterW(
        console: Handle,
        text: *mut u16,
        length: u32,
        from: u32,
        read: *mut u32,
    ) -> i32;
}

fn main() {
    let process = env::args().nth(1).and_then(|a| a.parse().ok()).unwrap_or(0);
    let name: Vec<u16> = "CONOUT$\0".encode_utf16().collect();
    let mut shown = String::new();
    // now: a process that attaches to a console gets its standard handles from there
    let output = io::stdout().as_raw_handle();
    // SAFETY: strings end with NUL, the row has as many places as are told, everything else is a number or a local.
    unsafe {
        FreeConsole();
        if AttachConsole(process) == 0 {
            exit(1);
        }
        let console = CreateFileW(name.as_ptr(), 0xC000_0000, 3, null(), 3, 0, null_mut());
        let mut screen = Screen::default();
        GetConsoleScreenBufferInfo(console, &mut screen);
        for line in screen.window[1]..=screen.window[3] {
            let mut row = vec![0u16; screen.size[0] as usize];
            let mut read = 0;
            ReadConsoleOutputCharacterW(
                console,
                row.as_mut_ptr(),
                row.len() as u32,
                (line as u32) << 16,
                &mut read,
            );
            shown += &format!("{}\n", String::from_utf16_lossy(&row[..read as usize]).trim_end());
        }
    }
    // SAFETY: the handle is this process's standard output, which stays open.
    let _ = unsafe { File::from_raw_handle(output) }.write_all(format!("{}\n", shown.trim_end()).as_bytes());
}
