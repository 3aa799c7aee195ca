//! `.wslconfig` with and without WSL's safe mode, byte for byte.
//!
//! The lines are put at the top of the file, because the first occurrence of a key counts and sections may repeat (WSL
//! src/shared/configfile/configfile.cpp:187-198). So neither `safeMode=false` nor a malformed section of the user's is in
//! the way. WSL takes the file as UTF-16LE if it begins with that BOM, else as UTF-8 (WslCoreConfig.cpp:136).

const NOTE: &str = "# kind-wsl rescue: WSL starts in safe mode as long as these lines are here";
const HEADER: &str = "[wsl2]";
const SETTING: &str = "safeMode=true";
const ENDS: [&str; 2] = ["\r\n", "\n"];

/// How text is written in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Encoding {
    /// The length of its byte order mark.
    mark: usize,
    /// UTF-16LE; otherwise something in which ASCII is one byte a letter.
    is_wide: bool,
}

impl Encoding {
    fn of(bytes: &[u8]) -> Encoding {
        if bytes.starts_with(&[0xff, 0xfe]) {
            Encoding { mark: 2, is_wide: true }
        } else {
            Encoding { mark: if bytes.starts_with(&[0xef, 0xbb, 0xbf]) { 3 } else { 0 }, is_wide: false }
        }
    }

    fn encode(self, text: &str) -> Vec<u8> {
        if self.is_wide { text.encode_utf16().flat_map(u16::to_le_bytes).collect() } else { text.as_bytes().to_vec() }
    }

    /// Where a text begins.
    fn find(self, bytes: &[u8], text: &str) -> Option<usize> {
        let wanted = self.encode(text);
        let step = if self.is_wide { 2 } else { 1 };
        (self.mark..bytes.len()).step_by(step).find(|at| bytes[*at..].starts_with(&wanted))
    }

    /// The first line that is not blank, without its end.
    fn first_line(self, bytes: &[u8]) -> String {
        let text = if self.is_wide {
            let units = bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
            String::from_utf16_lossy(&units.collect::<Vec<_>>())
        } else {
            String::from_utf8_lossy(bytes).into_owned()
        };
        text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default().to_string()
    }
}

fn block(end: &str) -> String {
    [NOTE, HEADER, SETTING].iter().map(|line| format!("{line}{end}")).collect()
}

/// The file with safe mode on.
#[must_use]
pub fn with_safe_mode(original: Option<&[u8]>) -> Vec<u8> {
    let original = original.unwrap_or_default();
    let encoding = Encoding::of(original);
    let has_crlf = original.is_empty() || encoding.find(original, "\r\n").is_some();
    let (mark, rest) = original.split_at(encoding.mark);
    [mark, &encoding.encode(&block(if has_crlf { "\r\n" } else { "\n" })), rest].concat()
}

/// The file without safe mode: as it was before, or if the user edited it since, without our lines. `None`: no file.
#[must_use]
pub fn without_safe_mode(now: Option<&[u8]>, original: Option<&[u8]>) -> Option<Vec<u8>> {
    let bytes = now?;
    if bytes == with_safe_mode(original) {
        return original.map(<[u8]>::to_vec);
    }
    let rest = without_lines(bytes, original.unwrap_or_default());
    if original.is_none() && rest.len() == Encoding::of(&rest).mark { None } else { Some(rest) }
}

fn without_lines(bytes: &[u8], original: &[u8]) -> Vec<u8> {
    let encoding = Encoding::of(bytes);
    for end in ENDS {
        let block = block(end);
        if let Some(at) = encoding.find(bytes, &block) {
            let rest = &bytes[at + encoding.encode(&block).len()..];
            let next = encoding.first_line(rest);
            let begin = Encoding::of(original);
            // Keys that were added below our header keep it.
            let is_as_before =
                next.is_empty() || next.starts_with('[') || next == begin.first_line(&original[begin.mark..]);
            let header = if is_as_before { Vec::new() } else { encoding.encode(&format!("{HEADER}{end}")) };
            return [&bytes[..at], &header, rest].concat();
        }
    }
    // Something was written between our lines, or one of them was changed.
    let cut = |bytes: &[u8], line: &str| {
        let found = ENDS.iter().map(|end| format!("{line}{end}")).find_map(|line| {
            let at = encoding.find(bytes, &line)?;
            Some([&bytes[..at], &bytes[at + encoding.encode(&line).len()..]].concat())
        });
        found
    };
    match cut(bytes, NOTE) {
        Some(rest) => cut(&rest, SETTING).unwrap_or(rest),
        None => bytes.to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wide(text: &str) -> Vec<u8> {
        [vec![0xff, 0xfe], text.encode_utf16().flat_map(u16::to_le_bytes).collect()].concat()
    }

    /// Files of every kind.
    fn files() -> Vec<Option<Vec<u8>>> {
        let texts = ["", "\n", "[wsl2]\r\nmemory=4GB\r\n", "[wsl2]\nsafeMode=false\n# größer ✓", "memory=1GB\n[ x ]\n"];
        let mut files = vec![None, Some(vec![0xff]), Some(vec![0xff, 0xfe, 0x41]), Some(b"\xfe\xff\0[".to_vec())];
        for text in texts {
            files.push(Some(text.as_bytes().to_vec()));
            files.push(Some([b"\xef\xbb\xbf", text.as_bytes()].concat()));
            files.push(Some(wide(text)));
        }
        files
    }

    #[test]
    fn safe_mode_is_left_without_a_trace() {
        for file in files() {
            let on = with_safe_mode(file.as_deref());
            assert_eq!(without_safe_mode(Some(&on), file.as_deref()), file, "{file:?}");
            assert_eq!(without_safe_mode(file.as_deref(), file.as_deref()), file, "not entered: {file:?}");
            assert_eq!(without_safe_mode(None, file.as_deref()), None, "deleted: {file:?}");
        }
    }

    #[test]
    fn the_lines_stand_first_in_the_encoding_and_with_the_line_ends_of_the_file() {
        let lines = format!("{NOTE}\r\n[wsl2]\r\nsafeMode=true\r\n");
        assert_eq!(with_safe_mode(None), lines.as_bytes());
        assert_eq!(with_safe_mode(Some(&wide("[wsl2]\r\n"))), wide(&format!("{lines}[wsl2]\r\n")));
        let unix = with_safe_mode(Some(b"\xef\xbb\xbf[general]\n"));
        assert_eq!(unix, format!("\u{feff}{}[general]\n", lines.replace("\r\n", "\n")).as_bytes());
    }

    #[test]
    fn an_edit_of_the_user_stays_and_only_our_lines_go() {
        let original = "[general]\nx=1\n";
        let lines = format!("{NOTE}\n[wsl2]\nsafeMode=true\n");
        let cases = [
            // the present file, the expected file
            (format!("{lines}[general]\nx=2\n"), "[general]\nx=2\n"),
            (format!("{lines}memory=4GB\n[general]\nx=1\n"), "[wsl2]\nmemory=4GB\n[general]\nx=1\n"),
            (format!("# mine\n{lines}[general]\nx=1\n"), "# mine\n[general]\nx=1\n"),
            (lines.replace("true\n", "false\n"), "[wsl2]\nsafeMode=false\n"),
            (lines.replace("safeMode", "memory=1GB\nsafeMode"), "[wsl2]\nmemory=1GB\n"),
            ("[general]\nx=3\n".to_string(), "[general]\nx=3\n"),
        ];
        for (now, expected) in cases {
            let left = without_safe_mode(Some(now.as_bytes()), Some(original.as_bytes())).unwrap();
            assert_eq!(String::from_utf8(left).unwrap(), expected, "{now:?}");
            let left = without_safe_mode(Some(&wide(&now)), Some(&wide(original))).unwrap();
            assert_eq!(left, wide(expected), "UTF-16: {now:?}");
        }
    }
}
