//! Detects TOML that `toml_edit` reads but podman does not.
//!
//! podman parses with Go's BurntSushi/toml. Measured with `podman --version` of Debian and Ubuntu: 3.0.1, 3.4.4 and
//! 4.3.1 refuse a byte order mark, 4.9.3 and later read it. All up to 5.7.0 refuse the syntax of TOML 1.1, 5.8.6
//! (BurntSushi/toml 1.6) reads it. Versions in between were not measured and count as refusing.

use std::ops::Range;

use super::excess::string_end;
use super::parse;
use crate::compat::COMPAT;
use crate::edit::{EditError, lines};

/// A place at which the reader stops.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Flaw {
    /// Counted from 1.
    pub(crate) line: usize,
    pub(crate) why: String,
    /// Only podman before this version refuses it; `None` if all of them do.
    pub(crate) before: Option<[u64; 2]>,
}

/// All faults for some podman version.
pub(crate) fn flaws(bytes: &[u8]) -> Vec<Flaw> {
    let always = |line, why: &str| vec![Flaw { line, why: why.to_owned(), before: None }];
    if let Some(at) = bytes.iter().position(|byte| *byte == 0) {
        let line = bytes[..at].split(|byte| *byte == b'\n').count();
        return always(line, "the text is UTF-16, not UTF-8, or has NUL bytes");
    }
    let text = match lines::utf8(bytes) {
        Ok(text) => text,
        Err(EditError::NotUtf8 { line }) => return always(line, "the text is not UTF-8"),
        Err(error) => return always(1, &error.to_string()),
    };
    let body = text.strip_prefix('\u{feff}');
    let mark = Flaw {
        line: 1,
        why: "the file begins with a byte order mark".to_owned(),
        before: Some(COMPAT.podman.byte_order_mark.since_pair()),
    };
    let mut flaws: Vec<_> = body.map(|_| mark).into_iter().collect();
    let body = body.unwrap_or(text);
    match parse(body) {
        Err(EditError::Toml { line, column, message }) => {
            flaws.push(Flaw { line, why: format!("column {column}: {message}"), before: None });
        }
        Err(error) => flaws.extend(always(1, &error.to_string())),
        Ok(_) => flaws.extend(newer(body).map(|(at, what)| Flaw {
            line: lines::number(body, at),
            why: format!("{what} (TOML 1.1)"),
            before: Some(COMPAT.podman.toml_1_1.since_pair()),
        })),
    }
    flaws
}

/// The first place in a valid text that only TOML 1.1 allows. Times without seconds are not included: no key of
/// podman is a time.
fn newer(text: &str) -> Option<(usize, &'static str)> {
    let bytes = text.as_bytes();
    // The open arrays and inline tables. A table header opens an array that its own line closes.
    let mut open = Vec::new();
    let (mut at, mut is_comma) = (0, false);
    while let Some(&byte) = bytes.get(at) {
        let mut next = at + 1;
        match byte {
            b'#' => next = text[at..].find('\n').map_or(text.len(), |end| at + end),
            b'"' | b'\'' => {
                let end = string_end(bytes, at);
                if byte == b'"'
                    && let Some(escape) = newer_escape(bytes, at..end)
                {
                    return Some((escape, "the escape \\e or \\x in a string"));
                }
                (next, is_comma) = (end, false);
            }
            b'[' | b'{' => {
                open.push(byte);
                is_comma = false;
            }
            b'}' if is_comma => return Some((at, "a comma before the end of an inline table")),
            b']' | b'}' => {
                open.pop();
                is_comma = false;
            }
            b'\n' if open.last() == Some(&b'{') => return Some((at, "a newline in an inline table")),
            b',' => is_comma = true,
            b' ' | b'\t' | b'\r' | b'\n' => {}
            _ => is_comma = false,
        }
        at = next;
    }
    None
}

fn newer_escape(bytes: &[u8], string: Range<usize>) -> Option<usize> {
    let mut at = string.start;
    while at + 1 < string.end {
        if bytes[at] == b'\\' {
            if b"ex".contains(&bytes[at + 1]) {
                return Some(at);
            }
            at += 1;
        }
        at += 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::flaws;

    const MARK: [u64; 2] = [4, 9];
    const TOML_1_1: [u64; 2] = [5, 8];

    fn before(text: &str) -> Vec<Option<[u64; 2]>> {
        flaws(text.as_bytes()).into_iter().map(|flaw| flaw.before).collect()
    }

    #[test]
    fn syntax_that_every_podman_reads_is_accepted() {
        for text in [
            "",
            "[engine]\nruntimes = { crun = [\n  \"/usr/bin/crun\", # ours\n], runc = [] }\n",
            "# {\n[a.\"}\"]\nb = \"\\n\\\\e { , }\"\nc = '\\e'\n",
            "[[registry]]\r\nprefix = '''\n{,\n}'''\r\n",
        ] {
            assert_eq!(before(text), [], "{text}");
        }
    }

    #[test]
    fn syntax_of_toml_1_1_is_refused_by_podman_before_5_8() {
        for text in [
            "a = {\n  b = 1 }\n",
            "a = { b = [1],\n c = 2 }\n",
            "a = { b = 1, }\n",
            "a = { b = [], c = {}, }\n",
            "a = \"\\e\"\n",
            "a = \"\"\"\n\\x41\"\"\"\n",
        ] {
            assert_eq!(before(text), [Some(TOML_1_1)], "{text}");
        }
    }

    #[test]
    fn a_byte_order_mark_is_refused_by_podman_before_4_9() {
        assert_eq!(before("\u{feff}[engine]\n"), [Some(MARK)]);
        assert_eq!(before("\u{feff}[engine\n"), [Some(MARK), None]);
    }

    #[test]
    fn syntax_that_no_podman_reads_is_named_with_its_line() {
        let utf16: Vec<u8> = "[a]\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let texts: [(&[u8], usize); 8] = [
            (&utf16, 1),
            (b"[a]\n# gr\xfc\xdfe\n", 2),
            (b"/etc/static/containers/containers.conf", 1),
            (b"[a]\n# \x07\n", 2),
            (b"[a]\nb = 1\nb = 2\n", 3),
            (b"[a]\n\n[a]\n", 3),
            (b"[a]\nb = True\n", 2),
            (b"[a]\r", 1),
        ];
        for (bytes, line) in texts {
            let found: Vec<_> = flaws(bytes).iter().map(|flaw| (flaw.line, flaw.before)).collect();
            assert_eq!(found, [(line, None)], "{}", String::from_utf8_lossy(bytes));
        }
    }
}
