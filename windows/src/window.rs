//! The log of a restart, and the console window in which the setup resumes.

use crate::{exit, messages, sys, text};
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::windows::fs::OpenOptionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Instant;

/// The log: seconds since the start, then the event.
#[derive(Debug, Clone)]
pub struct Log {
    file: Arc<Mutex<File>>,
    begin: Instant,
}

impl Log {
    /// Opens the log. Other processes can read but not write or delete it while this process lives. Fails if another copy
    /// has it open.
    pub fn open(path: &Path) -> io::Result<Log> {
        const SHARE_READ: u32 = 1;
        let file = OpenOptions::new().create(true).append(true).share_mode(SHARE_READ).open(path)?;
        Ok(Log { file: Arc::new(Mutex::new(file)), begin: Instant::now() })
    }

    pub fn line(&self, text: &str) {
        if let Ok(mut file) = self.file.lock() {
            let line = format!("{:9.3} {}\n", self.begin.elapsed().as_secs_f64(), text::one_line(text));
            let _ = file.write_all(line.as_bytes());
        }
    }
}

/// The console window in which the setup resumes, or the log if no window can be opened.
#[derive(Debug)]
pub struct Window {
    console: Option<sys::Console>,
    log: Log,
}

impl Window {
    /// Opens the window. From then on only the setup handles Ctrl-C in it.
    pub fn open(log: &Log) -> Window {
        let console = sys::Console::open("kind-wsl");
        if let Err(e) = &console {
            log.line(&format!("no console window can be opened ({e}); the output comes here"));
        }
        sys::set_ctrl_c_ignored(true);
        Window { console: console.ok(), log: log.clone() }
    }

    /// Shows a text; in the log without its empty lines.
    pub fn say(&mut self, text: &str) {
        match &mut self.console {
            Some(console) => {
                let _ = console.output.write_all(text.replace('\n', "\r\n").as_bytes());
            }
            None => text.lines().filter(|l| !l.is_empty()).for_each(|l| self.log.line(l)),
        }
    }

    /// Gives a program the window as its standard input and output.
    pub fn attach(&self, command: &mut Command) -> io::Result<()> {
        match &self.console {
            Some(console) => {
                let again = |file: &File| file.try_clone().map(Stdio::from);
                command.stdin(again(&console.input)?).stdout(again(&console.output)?).stderr(again(&console.output)?);
            }
            None => {
                command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
            }
        }
        Ok(())
    }

    /// Waits for the end without a timeout. Without a window the output goes to the log.
    pub fn watch(&self, mut child: Child) -> io::Result<i32> {
        let err = child.stderr.take().map(|from| {
            let log = self.log.clone();
            thread::spawn(move || copy_lines(from, &log))
        });
        if let Some(from) = child.stdout.take() {
            copy_lines(from, &self.log);
        }
        let status = child.wait()?;
        if let Some(thread) = err {
            let _ = thread.join();
        }
        Ok(status.code().unwrap_or(exit::WSL_FAILED))
    }

    /// Keeps the window open until the user presses Enter.
    pub fn wait_for_enter(&mut self) {
        if self.console.is_some() {
            self.say(&format!("\n{}\n", messages::PRESS_ENTER));
        }
        if let Some(console) = &self.console {
            console.wait_for_enter();
        }
    }
}

fn copy_lines(from: impl Read, log: &Log) {
    let mut reader = BufReader::new(from);
    let mut line = Vec::new();
    while matches!(reader.read_until(b'\n', &mut line), Ok(1..)) {
        log.line(&text::decode(&line));
        line.clear();
    }
}
