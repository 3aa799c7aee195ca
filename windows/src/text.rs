//! Parses the output of wsl.exe. Text that could be localized is never parsed.

/// Decodes the output of wsl.exe. `WSL_UTF8=1` asks for UTF-8 (WslClient.cpp:1847-1856). An older wsl.exe writes UTF-16LE,
/// whose line ends always have NUL bytes; UTF-8 text has none.
#[must_use]
pub fn decode(bytes: &[u8]) -> String {
    let wide = bytes.contains(&0);
    let text = if wide {
        let units: Vec<u16> = bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
        String::from_utf16_lossy(&units)
    } else {
        String::from_utf8_lossy(bytes).into_owned()
    };
    text.trim_start_matches('\u{feff}').replace("\r\n", "\n")
}

/// The names of a `--quiet` list. Lines that are not valid names are skipped.
#[must_use]
pub fn names(list: &str) -> Vec<String> {
    list.lines().map(str::trim).filter(|n| crate::names::is_distribution(n)).map(String::from).collect()
}

/// The text as one line of bounded length without control characters, for a log or a result file.
#[must_use]
pub fn one_line(text: &str) -> String {
    const MAX_BYTES: usize = 500;
    let words: Vec<&str> =
        text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|w| !w.is_empty()).collect();
    let line = words.join(" ");
    match line.char_indices().nth(MAX_BYTES) {
        Some((at, _)) => format!("{}…", &line[..at]),
        None => line,
    }
}

/// The value of a key in lines of `key=value`.
#[must_use]
pub fn value_of<'t>(text: &'t str, key: &str) -> Option<&'t str> {
    text.lines().find_map(|line| line.trim_end().strip_prefix(key)?.strip_prefix('='))
}

/// All values of a key in lines of `key=value`.
pub fn values_of<'t>(text: &'t str, key: &'static str) -> impl Iterator<Item = &'t str> {
    text.lines().filter_map(move |line| line.trim_end().strip_prefix(key)?.strip_prefix('='))
}

pub type Version = (u32, u32, u32);

/// The version in what `kind-wsl --version` prints: `kind-wsl 0.1.0`.
#[must_use]
pub fn version_of(output: &str) -> Option<Version> {
    version(output.lines().next()?.strip_prefix("kind-wsl ")?)
}

/// The first version in a text of any language, as `wsl.exe --version` prints it: `WSL-Version: 2.6.1.0`.
#[must_use]
pub fn first_version(text: &str) -> Option<Version> {
    text.split(|c: char| !c.is_ascii_digit() && c != '.').find_map(version)
}

/// `0.1.0`, ignoring the text after the third number.
#[must_use]
pub fn version(text: &str) -> Option<Version> {
    let mut numbers = text.trim().splitn(3, '.').map(|part| {
        let digits = part.find(|c: char| !c.is_ascii_digit()).unwrap_or(part.len());
        part[..digits].parse::<u32>().ok()
    });
    Some((numbers.next()??, numbers.next()??, numbers.next()??))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wide(text: &str) -> Vec<u8> {
        text.encode_utf16().flat_map(u16::to_le_bytes).collect()
    }

    #[test]
    fn decodes_both_encodings() {
        assert_eq!(decode("Größe\r\n".as_bytes()), "Größe\n");
        assert_eq!(decode(&wide("Wird ausgeführt\r\n")), "Wird ausgeführt\n");
        assert_eq!(decode(&wide("\u{feff}没有正在运行的分发\r\n")), "没有正在运行的分发\n");
        assert_eq!(decode(b"\xef\xbb\xbfDebian\r\n"), "Debian\n");
        assert_eq!(decode(b"\xff\xfex\xc3"), "\u{fffd}\u{fffd}x\u{fffd}");
        assert_eq!(decode(&wide("a\r\n")[..5]), "a\r");
        assert_eq!(decode(b""), "");
    }

    #[test]
    fn the_names_of_a_list_are_parsed() {
        assert_eq!(names("Ubuntu-24.04\r\nDebian\r\n\r\n"), ["Ubuntu-24.04", "Debian"]);
        assert_eq!(names(&decode(&wide("Ubuntu-24.04\r\nDebian\r\n"))), ["Ubuntu-24.04", "Debian"]);
        assert!(names("").is_empty());
        assert!(names("Es gibt keine ausgeführten Distributionen.\r\n").is_empty());
    }

    #[test]
    fn control_characters_are_removed_from_one_line() {
        assert_eq!(
            one_line("  Schwerer Fehler. \r\n\r\nFehlercode: Wsl/E \u{1b}[0m\n"),
            "Schwerer Fehler. Fehlercode: Wsl/E [0m"
        );
        assert_eq!(one_line(&"ü".repeat(600)).chars().count(), 501);
    }

    #[test]
    fn versions_are_parsed_and_ordered() {
        assert_eq!(version_of("kind-wsl 0.1.0\n"), Some((0, 1, 0)));
        assert_eq!(version_of("kind-wsl 1.20.3-rc1 (abc)\nmore"), Some((1, 20, 3)));
        for bad in ["", "kind 0.1.0", "kind-wsl", "kind-wsl 0.1", "kind-wsl x.1.0", "kind-wsl 0.1.99999999999"] {
            assert_eq!(version_of(bad), None, "{bad:?}");
        }
        assert_eq!(first_version("WSL-Version: 2.6.1.0\nKernelversion: 6.6.87.2-1\n"), Some((2, 6, 1)));
        assert_eq!(first_version("Version 1."), None);
        assert!(version("0.10.0") > version("0.9.9"));
        assert!(version(crate::VERSION).is_some());
    }
}
