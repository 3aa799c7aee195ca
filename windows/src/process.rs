//! wsl.exe as a process.

use crate::restart::{Answer, Wsl};
use crate::{sys, text};
use std::io::Read;
use std::os::windows::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

const CREATE_NO_WINDOW: u32 = 0x0800_0000;
/// Upper bound of the captured output, in bytes; the rest is discarded.
const MAX_BYTES: usize = 1 << 20;

/// The wsl.exe of this Windows and a log of its calls.
pub struct WslExe<'a> {
    path: PathBuf,
    begin: Instant,
    log: &'a dyn Fn(&str),
}

impl std::fmt::Debug for WslExe<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WslExe").field("path", &self.path).finish_non_exhaustive()
    }
}

impl<'a> WslExe<'a> {
    /// wsl.exe by its full path. Each call and its end is written to `log`.
    pub fn new(path: PathBuf, log: &'a dyn Fn(&str)) -> WslExe<'a> {
        WslExe { path, begin: Instant::now(), log }
    }

    /// A command with the environment that every call has.
    #[must_use]
    pub fn command(&self, args: &[&str]) -> Command {
        command(&self.path, args)
    }

    /// Runs it with that standard input and a timeout.
    pub fn call_with(&mut self, args: &[&str], input: Stdio, timeout: Duration) -> Answer {
        let begin = Instant::now();
        let mut command = self.command(args);
        command.stdin(input).stdout(Stdio::piped()).stderr(Stdio::piped()).creation_flags(CREATE_NO_WINDOW);
        let answer = match command.spawn() {
            Ok(child) => finish(child, timeout),
            Err(e) => Answer::NotStarted(e.to_string()),
        };
        (self.log)(&format!(
            "wsl.exe {}: {} after {:.1} s",
            args.join(" "),
            answer.describe(),
            begin.elapsed().as_secs_f32()
        ));
        answer
    }
}

fn command(path: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(path);
    command.args(args).env("WSL_UTF8", "1");
    command
}

impl Wsl for WslExe<'_> {
    fn call(&mut self, args: &[&str], timeout: Duration) -> Answer {
        self.call_with(args, Stdio::null(), timeout)
    }

    fn now(&self) -> Duration {
        self.begin.elapsed()
    }

    fn pause(&mut self, time: Duration) {
        thread::sleep(time);
    }

    fn note(&mut self, line: &str) {
        (self.log)(line);
    }
}

/// Reads both outputs while it waits. Does not wait for another process that inherited the pipes.
fn finish(mut child: Child, timeout: Duration) -> Answer {
    const AFTERWARDS: Duration = Duration::from_secs(2);
    let out = child.stdout.take().map(collect);
    let err = child.stderr.take().map(collect);
    let ended = sys::wait(&child, timeout);
    if !ended {
        let _ = child.kill();
    }
    let code = child.wait().ok().and_then(|status| status.code());
    let limit = Instant::now() + AFTERWARDS;
    let text = |reader: Option<Reader>| {
        let Reader { bytes, thread } = match reader {
            Some(reader) => reader,
            None => return String::new(),
        };
        while !thread.is_finished() && Instant::now() < limit {
            thread::sleep(Duration::from_millis(5));
        }
        bytes.lock().map(|b| text::decode(&b)).unwrap_or_default()
    };
    let (out, err) = (text(out), text(err));
    match (ended, code) {
        (true, Some(code)) => Answer::Ended { code, out, err },
        _ => Answer::Hung,
    }
}

struct Reader {
    bytes: Arc<Mutex<Vec<u8>>>,
    thread: thread::JoinHandle<()>,
}

fn collect(mut from: impl Read + Send + 'static) -> Reader {
    let bytes = Arc::new(Mutex::new(Vec::new()));
    let kept = bytes.clone();
    let thread = thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            if let Ok(mut all) = kept.lock() {
                let room = MAX_BYTES.saturating_sub(all.len()).min(count);
                all.extend(&buffer[..room]);
            }
        }
    });
    Reader { bytes, thread }
}
