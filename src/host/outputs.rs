//! Reads the standard output and standard error of a program on one thread. Waits for the program, not for EOF:
//! processes that it left running may hold the pipes open.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::process::{Child, Stdio};
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::memfd::{MFdFlags, memfd_create};

/// The size limit of an output: a program of the user must not fill root's memory.
const MAX_BYTES: usize = 64 << 20;
const CHUNK: usize = 16 << 10;
/// The interval for reading a file that a program prints to, and for checking the program if its end cannot be
/// polled.
const TICK: Duration = Duration::from_millis(50);

/// Both outputs of a program.
pub(super) struct Outputs {
    pub(super) out: Printed,
    pub(super) err: Printed,
}

/// The source of an output.
enum OutputSource {
    Pipe(File),
    /// A file in memory, read up to this offset: the program can continue to print to it after kind-wsl has ended.
    File(File, u64),
}

/// An output, and the bytes read so far.
pub(super) struct Printed {
    source: Option<OutputSource>,
    bytes: Vec<u8>,
    /// Start of the first line that was not reported, and how far its end was searched for.
    begin: usize,
    searched: usize,
}

impl Outputs {
    /// The outputs of a program that was started with pipes.
    pub(super) fn pipes(child: &mut Child) -> io::Result<Self> {
        let out = Printed::pipe(child.stdout.take().map(OwnedFd::from))?;
        Ok(Self { out, err: Printed::pipe(child.stderr.take().map(OwnedFd::from))? })
    }

    /// Outputs for a program that is about to be started.
    pub(super) fn files() -> io::Result<(Self, [Stdio; 2])> {
        let ((out, stdout), (err, stderr)) = (Printed::file()?, Printed::file()?);
        Ok((Self { out, err }, [stdout, stderr]))
    }

    /// Waits until one of them has data, or until `exit` is readable, for at most `patience`; reads the data.
    pub(super) fn wait(&mut self, patience: Duration, exit: Option<BorrowedFd<'_>>) -> io::Result<()> {
        let pipes = [&self.out, &self.err].into_iter().filter_map(Printed::pollable);
        let mut fds: Vec<PollFd<'_>> =
            pipes.chain(exit).map(|fd| PollFd::new(fd, PollFlags::POLLIN)).collect();
        let has_file =
            [&self.out, &self.err].iter().any(|p| matches!(p.source, Some(OutputSource::File(..))));
        let patience = if has_file || exit.is_none() { patience.min(TICK) } else { patience };
        match poll(&mut fds, PollTimeout::try_from(patience).unwrap_or(PollTimeout::MAX)) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(e) => return Err(e.into()),
        }
        self.out.take();
        self.err.take();
        Ok(())
    }
}

impl Printed {
    fn new(source: Option<OutputSource>) -> Self {
        Self { source, bytes: Vec::new(), begin: 0, searched: 0 }
    }

    fn pipe(end: Option<OwnedFd>) -> io::Result<Self> {
        if let Some(end) = &end {
            fcntl(end, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        }
        Ok(Self::new(end.map(|end| OutputSource::Pipe(end.into()))))
    }

    fn file() -> io::Result<(Self, Stdio)> {
        let file = File::from(memfd_create("output", MFdFlags::MFD_CLOEXEC)?);
        // Otherwise a script that opens /dev/stdout for writing would begin at its start.
        fcntl(&file, FcntlArg::F_SETFL(OFlag::O_APPEND))?;
        let end = Stdio::from(file.try_clone()?);
        Ok((Self::new(Some(OutputSource::File(file, 0))), end))
    }

    fn pollable(&self) -> Option<BorrowedFd<'_>> {
        match &self.source {
            Some(OutputSource::Pipe(end)) => Some(end.as_fd()),
            _ => None,
        }
    }

    /// Reads some of the available data; `false` if none was available.
    fn take(&mut self) -> bool {
        let Some(source) = &mut self.source else { return false };
        let start = self.bytes.len();
        self.bytes.resize((start + CHUNK).min(MAX_BYTES), 0);
        let room = &mut self.bytes[start..];
        let (read, is_pipe) = match source {
            OutputSource::Pipe(end) => (end.read(room), true),
            OutputSource::File(file, offset) => {
                // The program truncated it by opening it again.
                if file.metadata().is_ok_and(|meta| meta.len() < *offset) {
                    *offset = 0;
                }
                let read = file.read_at(room, *offset);
                *offset += read.as_ref().map_or(0, |count| *count as u64);
                (read, false)
            }
        };
        self.bytes.truncate(start + read.as_ref().map_or(0, |count| *count));
        match read {
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => false,
            Ok(0) if !is_pipe => false,
            // The program closed it, or it exceeds the limit: the kernel then stops a program that continues to
            // print.
            Ok(0) | Err(_) => {
                self.source = None;
                false
            }
            Ok(_) => true,
        }
    }

    /// Reports the complete lines.
    pub(super) fn lines(&mut self, out: &mut dyn FnMut(&str)) {
        while let Some(at) = self.bytes[self.searched..].iter().position(|byte| *byte == b'\n') {
            let end = self.searched + at + 1;
            hand_on(&self.bytes[self.begin..end], out);
            (self.begin, self.searched) = (end, end);
        }
        self.searched = self.bytes.len();
    }

    /// Reads the rest of the output of a program that exited, and reports its lines, including one without an end.
    pub(super) fn finish(&mut self, out: &mut dyn FnMut(&str)) {
        while self.take() {}
        self.lines(out);
        if self.begin < self.searched {
            hand_on(&self.bytes[self.begin..], out);
            self.begin = self.searched;
        }
    }

    /// Everything that was read. For a program that exited, its whole output.
    pub(super) fn text(mut self) -> String {
        while self.take() {}
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}

fn hand_on(line: &[u8], out: &mut dyn FnMut(&str)) {
    out(String::from_utf8_lossy(line).trim_end_matches(['\r', '\n']));
}
