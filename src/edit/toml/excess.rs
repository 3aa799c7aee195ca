//! Detects texts for which the parser needs minutes and gigabytes: keys of thousands of parts, each of which is a
//! nested table, and hundreds of thousands of tables and values.

/// The maximum number of parts of a dotted key. The edited formats have four.
const MAX_PARTS: usize = 64;
/// The maximum number of tables, values and parts of keys in a text. The longest of these files as shipped has 200.
const MAX_VALUES: usize = 20_000;

/// The place at which a text exceeds a limit, and the limit.
pub(crate) fn excess(text: &str) -> Option<(usize, String)> {
    let bytes = text.as_bytes();
    let (mut at, mut dots, mut all) = (0, 0, 0);
    // Whether a part of a key ends here, with or without trailing blanks.
    let (mut is_part, mut is_blank) = (false, false);
    while let Some(byte) = bytes.get(at) {
        let mut next = at + 1;
        match byte {
            b'#' => next = text[at..].find('\n').map_or(text.len(), |end| at + end),
            b' ' | b'\t' => is_blank = true,
            b'.' if is_part => {
                dots += 1;
                (is_part, is_blank) = (false, false);
            }
            b'"' | b'\'' => {
                next = string_end(bytes, at);
                dots = if is_part { 0 } else { dots };
                (is_part, is_blank) = (true, false);
            }
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' => {
                dots = if is_part && is_blank { 0 } else { dots };
                (is_part, is_blank) = (true, false);
            }
            _ => (dots, is_part, is_blank) = (0, false, false),
        }
        all += usize::from(b".={[,".contains(byte));
        if dots >= MAX_PARTS {
            return Some((at, format!("a key of more than {MAX_PARTS} parts")));
        }
        if all > MAX_VALUES {
            return Some((at, format!("more than {MAX_VALUES} tables and values")));
        }
        at = next;
    }
    None
}

/// The position after the string that begins here; a basic string ends with its line.
pub(super) fn string_end(bytes: &[u8], start: usize) -> usize {
    let quote = bytes[start];
    let closing = [quote; 3];
    let (width, mut at) = if bytes[start..].starts_with(&closing) { (3, start + 3) } else { (1, start + 1) };
    while at < bytes.len() {
        match bytes[at] {
            b'\\' if quote == b'"' => at += 1,
            b'\n' if width == 1 => return at,
            byte if byte == quote && bytes[at..].starts_with(&closing[..width]) => return at + width,
            _ => {}
        }
        at += 1;
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::{MAX_PARTS, MAX_VALUES, excess};

    #[test]
    fn a_key_of_too_many_parts_is_found_however_it_is_spelled() {
        for part in ["a.", "\"a b\" . ", "'x'.", "a\t.\t"] {
            let key = part.repeat(MAX_PARTS + 1);
            for text in [format!("{key}b = 1"), format!("[t]\nx = {{ {key}b = 1 }}"), format!("[{key}b]\n")] {
                assert!(excess(&text).is_some_and(|(_, what)| what.contains("parts")), "{text}");
            }
            assert_eq!(excess(&format!("{}b = 1", part.repeat(MAX_PARTS - 1))), None);
        }
    }

    #[test]
    fn a_text_of_too_many_tables_or_values_is_found_and_a_long_comment_is_not() {
        for one in ["a = 1\n", "[a]\n", "a.b.c = {x = {}}\n", "\"\",", "[[a]]\n"] {
            let found = excess(&one.repeat(MAX_VALUES + 1));
            assert!(found.is_some_and(|(_, what)| what.contains("values")), "{one}");
        }
        assert_eq!(excess(&"# a = [1, 2]\n".repeat(2 * MAX_VALUES)), None);
        assert_eq!(excess(&format!("a = '''{}'''", "b = 1\n".repeat(2 * MAX_VALUES))), None);
    }

    #[test]
    fn dots_in_strings_comments_and_values_are_not_parts() {
        let dots = "a.".repeat(1000);
        let numbers = "\"1.2.3.4\", ".repeat(1000);
        for text in [
            format!("# {dots}\n"),
            format!("a = \"{dots}\""),
            format!("a = '{dots}'"),
            format!("a = \"\"\"\n{dots}\n \\\"\\\"\\\" {dots}\"\"\""),
            format!("a = '''\n{dots}\n'''"),
            format!("a = [{numbers}]"),
            "a.b = 1.5\n".repeat(1000),
        ] {
            assert_eq!(excess(&text), None, "{text}");
        }
    }
}
