//! Reads a log of any encoding, up to a size limit.

use std::collections::VecDeque;
use std::io::{self, Read};

/// The bytes kept of the beginning, and also of the end.
const KEPT: usize = 8 << 20;
/// The bytes after which reading stops.
const MAX_BYTES: u64 = 1 << 30;
/// Separates beginning and end; the empty lines end a message.
const GAP: &str = "\n\n";

/// A text, and whether all of it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    pub text: String,
    /// The number of bytes skipped in the middle.
    pub skipped: u64,
}

impl Input {
    /// Reads a log. Only the first and the last 8 MiB of a long log are kept: that is where errors are.
    pub fn read(mut source: &mut dyn Read) -> io::Result<Self> {
        let mut head = Vec::new();
        Read::take(&mut source, KEPT as u64).read_to_end(&mut head)?;
        if head.len() < KEPT {
            return Ok(Self { text: decoded(&head), skipped: 0 });
        }
        let mut tail: VecDeque<u8> = VecDeque::new();
        let mut chunk = vec![0; 1 << 16];
        let (mut read, mut skipped) = (head.len() as u64, 0_u64);
        while read < MAX_BYTES {
            let count = match source.read(&mut chunk) {
                Ok(0) => break,
                Ok(count) => count,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) => return Err(e),
            };
            read += count as u64;
            tail.extend(&chunk[..count]);
            let surplus = tail.len().saturating_sub(KEPT);
            // Two bytes are one letter in UTF-16.
            let surplus = surplus + surplus % 2 * usize::from(surplus < tail.len());
            tail.drain(..surplus);
            skipped += surplus as u64;
        }
        if skipped == 0 {
            head.extend(tail);
            return Ok(Self { text: decoded(&head), skipped });
        }
        let tail: Vec<u8> = tail.into();
        // The tail has no mark of its own encoding.
        let tail = if head.starts_with(MARK) { utf16(&tail) } else { decoded(&tail) };
        Ok(Self { text: decoded(&head) + GAP + &tail, skipped })
    }
}

/// The mark of UTF-16, little-endian, as `PowerShell` writes it.
const MARK: &[u8] = b"\xff\xfe";

/// Decodes UTF-16 with or without a byte order mark, otherwise UTF-8 (lossy).
fn decoded(bytes: &[u8]) -> String {
    if let Some(rest) = bytes.strip_prefix(MARK) {
        return utf16(rest);
    }
    // wsl.exe writes UTF-16 without a byte order mark, and its output is mixed with the output of Linux programs in
    // UTF-8. Zero bytes at odd offsets identify UTF-16, even if only part of the text has them.
    let sample = &bytes[..bytes.len().min(4096)];
    let zeros = sample.iter().skip(1).step_by(2).filter(|b| **b == 0).count();
    if zeros * 5 > sample.len() * 2 && zeros > 0 {
        return utf16(bytes);
    }
    let text = String::from_utf8_lossy(bytes);
    if text.contains('\0') { text.replace('\0', "") } else { text.into_owned() }
}

fn utf16(bytes: &[u8]) -> String {
    let units = bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
    char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
}

#[cfg(test)]
mod tests {
    use super::{Input, KEPT};

    fn read(bytes: &[u8]) -> Input {
        Input::read(&mut &*bytes).unwrap()
    }

    #[test]
    fn a_short_text_is_read_whole() {
        assert_eq!(read(b"a\xff\0b"), Input { text: "a\u{fffd}b".into(), skipped: 0 });
    }

    #[test]
    fn utf_16_is_read_with_and_without_its_mark() {
        let bytes: Vec<u8> = "fehl é!\r\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(read(&bytes).text, "fehl é!\r\n");
        assert_eq!(read(&[b"\xff\xfe".as_slice(), &bytes].concat()).text, "fehl é!\r\n");
    }

    #[test]
    fn the_beginning_and_the_end_of_a_long_text_are_kept() {
        let mut bytes = vec![b'x'; 3 * KEPT];
        bytes[..5].copy_from_slice(b"first");
        bytes.extend(b"last");
        let input = read(&bytes);
        assert!(input.text.starts_with("first") && input.text.ends_with("last"));
        assert_eq!(input.skipped, (KEPT + 4) as u64);
    }
}
