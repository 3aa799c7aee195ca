//! What a program prints, as it comes. One thread reads both of its outputs: nothing is lost that it said before it ended,
//! however busy the machine is, and nobody waits for what lives on and holds a pipe open.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::process::Child;
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// The most that is kept of an output: a program of the user's must not fill the memory of root.
const MOST: usize = 64 << 20;
const CHUNK: usize = 16 << 10;

/// Both outputs of a program.
pub(super) struct Pipes {
    pub(super) out: Pipe,
    pub(super) err: Pipe,
}

/// The end of a pipe that we read, and what came.
pub(super) struct Pipe {
    end: Option<File>,
    bytes: Vec<u8>,
    /// Where the first line begins that was not handed on, and up to where its end was looked for.
    begin: usize,
    searched: usize,
}

impl Pipes {
    /// Of a program that was started with pipes.
    pub(super) fn of(child: &mut Child) -> io::Result<Self> {
        let out = Pipe::new(child.stdout.take().map(OwnedFd::from))?;
        Ok(Self { out, err: Pipe::new(child.stderr.take().map(OwnedFd::from))? })
    }

    /// Waits until something comes on either, at most for so long, and takes it.
    pub(super) fn wait(&mut self, patience: Duration) -> io::Result<()> {
        let ends = [&self.out, &self.err].into_iter().filter_map(|pipe| pipe.end.as_ref());
        let mut fds: Vec<PollFd<'_>> = ends.map(|end| PollFd::new(end.as_fd(), PollFlags::POLLIN)).collect();
        match poll(&mut fds, PollTimeout::try_from(patience).unwrap_or(PollTimeout::MAX)) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(e) => return Err(e.into()),
        }
        self.out.take();
        self.err.take();
        Ok(())
    }
}

impl Pipe {
    fn new(end: Option<OwnedFd>) -> io::Result<Self> {
        if let Some(end) = &end {
            fcntl(end, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        }
        Ok(Self { end: end.map(File::from), bytes: Vec::new(), begin: 0, searched: 0 })
    }

    /// Whether more may come.
    pub(super) fn is_open(&self) -> bool {
        self.end.is_some()
    }

    /// Takes some of what is in the pipe now; `false` where that was nothing.
    fn take(&mut self) -> bool {
        let Some(end) = &mut self.end else { return false };
        let start = self.bytes.len();
        self.bytes.resize((start + CHUNK).min(MOST), 0);
        let read = end.read(&mut self.bytes[start..]);
        self.bytes.truncate(start + read.as_ref().map_or(0, |count| *count));
        match read {
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => false,
            // Its end closes the pipe, also where it is the end of what we keep: who goes on writing is told by the kernel.
            Ok(0) | Err(_) => {
                self.end = None;
                false
            }
            Ok(_) => true,
        }
    }

    /// Hands on the lines that came, and what is after the last line's end once nothing comes any more.
    pub(super) fn lines(&mut self, out: &mut dyn FnMut(&str)) {
        let mut hand = |line: &[u8]| out(String::from_utf8_lossy(line).trim_end_matches(['\r', '\n']));
        while let Some(at) = self.bytes[self.searched..].iter().position(|byte| *byte == b'\n') {
            let end = self.searched + at + 1;
            hand(&self.bytes[self.begin..end]);
            (self.begin, self.searched) = (end, end);
        }
        self.searched = self.bytes.len();
        if !self.is_open() && self.begin < self.searched {
            hand(&self.bytes[self.begin..]);
            self.begin = self.searched;
        }
    }

    /// All that was said until now. Of a program that has ended that is everything it said, whoever holds the pipe.
    pub(super) fn said(mut self) -> String {
        while self.take() {}
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}
