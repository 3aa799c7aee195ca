//! A full-screen display that is redrawn, with keys.

use std::io::{IsTerminal, Write};
use std::os::fd::AsFd;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::termios::{self, LocalFlags, SetArg, SpecialCharacterIndices, Termios};

use super::safe;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    Char(char),
    Enter,
    Up,
    Down,
    Left,
    Right,
    PageUp,
    PageDown,
    /// Ctrl-C, or the end of the input.
    End,
}

/// The terminal in raw mode, until this is dropped.
pub struct Live {
    before: Termios,
    /// Input bytes that are not parsed yet.
    typed: Vec<u8>,
}

impl std::fmt::Debug for Live {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Live")
    }
}

/// Switches to the alternate screen, without a cursor and without line wrapping.
const BEGIN: &str = "\x1b[?1049h\x1b[?25l\x1b[?7l";
const END: &str = "\x1b[?7h\x1b[?25h\x1b[?1049l";

impl Live {
    /// Takes over the terminal; `None` if standard input or output is not a terminal.
    pub fn begin() -> std::io::Result<Option<Self>> {
        let input = std::io::stdin();
        if !input.is_terminal() || !std::io::stdout().is_terminal() {
            return Ok(None);
        }
        let before = termios::tcgetattr(input.as_fd())?;
        let mut raw = before.clone();
        // Keys arrive one at a time, without echo. Ctrl-C arrives as a key, so that the terminal can be restored.
        raw.local_flags &= !(LocalFlags::ICANON | LocalFlags::ECHO | LocalFlags::ISIG);
        raw.control_chars[SpecialCharacterIndices::VMIN as usize] = 0;
        raw.control_chars[SpecialCharacterIndices::VTIME as usize] = 0;
        termios::tcsetattr(input.as_fd(), SetArg::TCSANOW, &raw)?;
        super::busy::hide();
        write(BEGIN);
        Ok(Some(Self { before, typed: Vec::new() }))
    }

    #[must_use]
    pub fn size(&self) -> (usize, usize) {
        let (rows, columns) = dialoguer::console::Term::stdout().size();
        (rows.into(), columns.into())
    }

    /// Draws the whole screen in one write so that it does not flicker. The `chosen` line is highlighted.
    pub fn draw(&self, lines: &[String], chosen: Option<usize>) {
        let plain = anstream::stdout().current_choice() == anstream::ColorChoice::Never;
        let mut text = String::from("\x1b[H");
        for (number, line) in lines.iter().enumerate() {
            if number > 0 {
                text.push_str("\r\n");
            }
            let line = safe::shown(line);
            let line = if plain { anstream::adapter::strip_str(&line).to_string() } else { line };
            if chosen == Some(number) {
                // A reset also ends the highlighting.
                let lit = line.replace("\x1b[0m", "\x1b[0;7m");
                text.extend(["\x1b[7m", &lit, "\x1b[27m"]);
            } else {
                text.push_str(&line);
            }
            text.push_str("\x1b[K");
        }
        text.push_str("\x1b[J");
        write(&text);
    }

    /// Waits for a key; `None` after the timeout.
    pub fn key(&mut self, within: Duration) -> Option<Key> {
        if self.typed.is_empty() {
            let input = std::io::stdin();
            let mut fds = [PollFd::new(input.as_fd(), PollFlags::POLLIN)];
            let within = PollTimeout::try_from(within).unwrap_or(PollTimeout::MAX);
            // A change of the window size also ends the wait; the caller then redraws.
            if !poll(&mut fds, within).is_ok_and(|ready| ready > 0) {
                return None;
            }
            let mut bytes = [0; 64];
            match nix::unistd::read(input.as_fd(), &mut bytes) {
                Ok(0) | Err(_) => return Some(Key::End),
                Ok(count) => self.typed.extend(&bytes[..count]),
            }
        }
        take(&mut self.typed)
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        write(END);
        let _ = termios::tcsetattr(std::io::stdin().as_fd(), SetArg::TCSANOW, &self.before);
    }
}

/// Writes without anstream, which would remove cursor movements together with colors.
fn write(text: &str) {
    let mut stream = std::io::stdout().lock();
    let _ = stream.write_all(text.as_bytes()).and_then(|()| stream.flush());
}

/// Removes the first key from the input. An unknown escape sequence is dropped as a whole.
fn take(typed: &mut Vec<u8>) -> Option<Key> {
    const SEQUENCES: [(&[u8], Key); 10] = [
        (b"\x1b[A", Key::Up),
        (b"\x1bOA", Key::Up),
        (b"\x1b[B", Key::Down),
        (b"\x1bOB", Key::Down),
        (b"\x1b[C", Key::Right),
        (b"\x1bOC", Key::Right),
        (b"\x1b[D", Key::Left),
        (b"\x1bOD", Key::Left),
        (b"\x1b[5~", Key::PageUp),
        (b"\x1b[6~", Key::PageDown),
    ];
    if let Some((bytes, key)) = SEQUENCES.iter().find(|(bytes, _)| typed.starts_with(bytes)) {
        typed.drain(..bytes.len());
        return Some(*key);
    }
    let first = *typed.first()?;
    if first == 0x1b && typed.len() > 1 {
        typed.clear();
        return None;
    }
    typed.remove(0);
    Some(match first {
        0x03 | 0x04 => Key::End,
        b'\r' | b'\n' => Key::Enter,
        0x1b => Key::Char('q'),
        other => Key::Char(char::from(other)),
    })
}

#[cfg(test)]
mod tests {
    use super::{Key, take};

    #[test]
    fn keys_that_arrive_together_are_read_one_by_one() {
        let mut typed = b"j\x1b[B\r\x1b[99~".to_vec();
        let keys: Vec<_> = (0..4).map(|_| take(&mut typed)).collect();
        assert_eq!(keys, [Some(Key::Char('j')), Some(Key::Down), Some(Key::Enter), None]);
        assert!(typed.is_empty());
        assert_eq!(
            (take(&mut b"\x1b".to_vec()), take(&mut b"\x03".to_vec())),
            (Some(Key::Char('q')), Some(Key::End))
        );
    }
}
