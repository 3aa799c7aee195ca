//! New inputs from old ones, by what goes wrong with text files: words of the format in odd places, lines moved, doubled
//! and taken from another file, line ends, encodings, cut ends, flipped bits, NULs, numbers that no integer holds.

/// Random numbers that are the same each time (`SplitMix64`, public domain).
#[derive(Clone, Debug)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `end`; zero where there is none.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end.max(1)).unwrap_or(1);
        usize::try_from(self.next() % end).unwrap_or(0)
    }
}

const NUMBERS: [&[u8]; 8] = [
    b"0",
    b"-1",
    b"255",
    b"65536",
    b"4294967295",
    b"4294967296",
    b"18446744073709551615",
    b"18446744073709551616",
];

/// Changes an input, with pieces of another one.
pub(crate) fn mutate(random: &mut Random, input: &mut Vec<u8>, words: &[&str], other: &[u8], most: usize) {
    for _ in 0..=random.below(4) {
        once(random, input, words, other);
    }
    input.truncate(most);
}

fn once(random: &mut Random, input: &mut Vec<u8>, words: &[&str], other: &[u8]) {
    let at = random.below(input.len() + 1);
    let word = words.get(random.below(words.len())).copied().unwrap_or_default().as_bytes();
    match random.below(18) {
        0..=3 => drop(input.splice(at..at, word.iter().copied())),
        4 => {
            let end = input.len().min(at + word.len());
            drop(input.splice(at..end, word.iter().copied()));
        }
        5 | 6 => {
            let end = input.len().min(at + 1 + random.below(8));
            input.drain(at..end);
        }
        7 => input.truncate(at),
        8 => {
            if let Some(byte) = input.get_mut(at) {
                *byte ^= 1 << random.below(8);
            }
        }
        9 => {
            let byte = u8::try_from(random.below(256)).unwrap_or(0);
            input.insert(at, byte);
        }
        10 => {
            let from = random.below(other.len() + 1);
            input.truncate(at);
            input.extend_from_slice(&other[from..]);
        }
        11 => {
            let line = line(random, other);
            let to = line_start(input, at);
            drop(input.splice(to..to, line));
        }
        12 => {
            let line = line(random, input);
            let to = line_start(input, at);
            drop(input.splice(to..to, line));
        }
        13 => {
            let start = line_start(input, at);
            let end =
                input[start..].iter().position(|b| *b == b'\n').map_or(input.len(), |end| start + end + 1);
            input.drain(start..end);
        }
        14 => number(random, input, at),
        15 => line_ends(random, input),
        16 => wide(random, input),
        _ => {
            let copy = input[at..input.len().min(at + 1 + random.below(16))].to_vec();
            drop(input.splice(at..at, copy));
        }
    }
}

fn line_start(input: &[u8], at: usize) -> usize {
    input[..at].iter().rposition(|b| *b == b'\n').map_or(0, |end| end + 1)
}

fn line(random: &mut Random, input: &[u8]) -> Vec<u8> {
    let lines: Vec<&[u8]> = input.split_inclusive(|b| *b == b'\n').collect();
    lines.get(random.below(lines.len())).map(|line| line.to_vec()).unwrap_or_default()
}

/// Puts another number in the place of the next one.
fn number(random: &mut Random, input: &mut Vec<u8>, at: usize) {
    let Some(start) = input[at..].iter().position(u8::is_ascii_digit).map(|start| at + start) else { return };
    let end = input[start..].iter().position(|b| !b.is_ascii_digit()).map_or(input.len(), |end| start + end);
    drop(input.splice(start..end, NUMBERS[random.below(NUMBERS.len())].iter().copied()));
}

/// Other line ends, but for the first line, which says what to do.
fn line_ends(random: &mut Random, input: &mut Vec<u8>) {
    let Some(first) = input.iter().position(|b| *b == b'\n') else { return };
    let rest = input.split_off(first + 1);
    let text: Vec<u8> = rest.into_iter().filter(|b| *b != b'\r').collect();
    let eol: &[u8] = [b"\n".as_slice(), b"\r\n", b"\r"][random.below(3)];
    for byte in text {
        if byte == b'\n' { input.extend_from_slice(eol) } else { input.push(byte) }
    }
}

/// UTF-16, little or big, with or without its mark, but for the first line.
fn wide(random: &mut Random, input: &mut Vec<u8>) {
    let Some(first) = input.iter().position(|b| *b == b'\n') else { return };
    let rest = input.split_off(first + 1);
    let text = String::from_utf8_lossy(&rest);
    let mark = if random.below(4) == 0 { "" } else { "\u{feff}" };
    let big = random.below(4) == 0;
    for unit in mark.encode_utf16().chain(text.encode_utf16()) {
        input.extend(if big { unit.to_be_bytes() } else { unit.to_le_bytes() });
    }
}
