//! WSL's two files: the laws on recorded, real and generated files.

use super::{config, corpus};
use crate::wsl_config_verdicts as verdicts;

use kind_wsl::edit::EditError;
use kind_wsl::edit::wslconf::{self, Dialect, Document, Grammar, Repair, RepairKind};
use proptest::prelude::*;
use proptest::sample::select;

pub(super) const CONF: Dialect = Dialect::WslConf;
pub(super) const CONFIG: Dialect = Dialect::WslConfig;

const SETTINGS: [(&str, &str, &str); 7] = [
    ("boot", "systemd", "true"),
    ("wsl2", "kernelCommandLine", "cgroup_no_v1=all systemd.unified_cgroup_hierarchy=1"),
    ("WSL2", "KERNELCOMMANDLINE", r#" dyndbg="file a.c +p" # C:\temp "#),
    ("automount", "options", ""),
    ("network", "hostname", "a\tb\nc\x08\t"),
    ("general", "instanceIdleTimeout", "-1"),
    ("unheard", "of", "'x' ; y"),
];

type Values = Vec<(String, Vec<u8>)>;

/// Holds one edit of one file to the laws.
fn wsl_laws(input: &[u8], dialect: Dialect, section: &str, key: &str, value: &str) {
    let before = Document::parse(input, dialect);
    assert_eq!(before.to_bytes(), input, "reading changes nothing");
    // What follows takes these last bytes in: a lone CR becomes half of a CRLF, a `\` begins a continuation.
    let until_ctrl_z = input.split(|&byte| byte == b'\x1a').next().unwrap_or(input);
    let is_open = [input, until_ctrl_z].iter().any(|text| ends_with(text, '\r') || ends_with(text, '\\'));
    let name = format!("{section}.{key}");
    let mut after = before.clone();
    let about = || format!("{dialect:?} {section}.{key}={value:?} in {:?}", String::from_utf8_lossy(input));
    if let Err(error) = after.set(section, key, value) {
        assert_eq!(after.to_bytes(), input, "a refused edit changes nothing: {}", about());
        let is_expected = match error {
            EditError::Unreadable { line, .. } => !before.complete() && line > 0,
            EditError::SideEffect { .. } => is_open,
            EditError::BadValue { .. } => value.contains(['\0', '\r', '\x1a']) || !value.is_ascii(),
            _ => false,
        };
        assert!(is_expected, "{error}: {}", about());
        return;
    }
    let bytes = after.to_bytes();
    assert_eq!(after.get(section, key), Some(value), "{}", about());
    assert_eq!(Document::parse(&bytes, dialect).get(section, key), Some(value), "{}", about());
    let is_meant = |other: &str| other.eq_ignore_ascii_case(&name);
    assert_eq!(wslconf::moved(input, &bytes, dialect, is_meant), None, "no other key moves: {}", about());
    assert!(after.problems().len() <= before.problems().len(), "no new warning: {}", about());

    let mut twice = after.clone();
    twice.set(section, key, value).expect("what was set can be set");
    assert_eq!(twice.to_bytes(), bytes, "twice is once: {}", about());

    let mut out = after;
    let unset = out.unset(section, key);
    if is_open && matches!(unset, Err(EditError::SideEffect { .. })) {
        return;
    }
    assert_eq!(unset, Ok(true), "{}", about());
    assert_eq!(out.get(section, key), None, "{}", about());
    assert_eq!(wslconf::moved(input, &out.to_bytes(), dialect, is_meant), None, "{}", about());
    if before.get(section, key).is_none() && !is_open {
        if !before.has_section(section) {
            assert_eq!(out.remove_added_section(section, &before), Ok(true), "{}", about());
        }
        let out = out.to_bytes();
        assert_eq!(
            String::from_utf8_lossy(&out),
            String::from_utf8_lossy(input),
            "out again is as before: {}",
            about()
        );
    }
}

/// Whether the text, be it UTF-8 or UTF-16, ends with this character.
fn ends_with(input: &[u8], char: char) -> bool {
    input.strip_suffix(b"\0").unwrap_or(input).ends_with(char.to_string().as_bytes())
}

/// Holds the repair of one file to its laws.
fn repair_laws(input: &[u8], dialect: Dialect) {
    let before = Document::parse(input, dialect);
    let mut after = before.clone();
    let repairs = after.repair();
    assert!(after.complete(), "{:?}", String::from_utf8_lossy(input));
    assert_eq!(repairs.is_empty(), after.to_bytes() == input);
    assert_eq!(after.repair(), [], "repaired is repaired");
    let repaired = after.to_bytes();
    let after: Values = after.values().map(|(name, value)| (name, value.to_vec())).collect();
    for (name, value) in before.values() {
        assert!(after.contains(&(name, value.to_vec())), "what was read is read still");
    }
    // A version that skips bad lines gets no value that it did not have: keys below a broken header change no section.
    let skipping = |bytes: &[u8]| -> Values {
        let document = Document::parse_as(bytes, dialect, Grammar::Skip);
        document.values().map(|(name, value)| (name, value.to_vec())).collect()
    };
    // A skipped line reaches over lone carriage returns, of which a repair makes line ends.
    let lone_cr = input.iter().enumerate().any(|(at, b)| *b == b'\r' && input.get(at + 1) != Some(&b'\n'));
    let is_whole_file = |r: &Repair| matches!(r.kind, RepairKind::Reencoded | RepairKind::DroppedMark);
    if !lone_cr && !repairs.iter().any(is_whole_file) {
        let had = skipping(input);
        for value in skipping(&repaired) {
            assert!(had.contains(&value), "{value:?} in {:?}", String::from_utf8_lossy(input));
        }
    }
    for repair in repairs {
        assert_ne!(repair.before, repair.after);
    }
}

fn all_wsl_laws(input: &[u8], dialect: Dialect) {
    for (section, key, value) in SETTINGS {
        wsl_laws(input, dialect, section, key, value);
    }
    repair_laws(input, dialect);
}

pub(super) fn put_wsl(
    bytes: &[u8],
    dialect: Dialect,
    section: &str,
    key: &str,
    value: Option<&str>,
) -> Result<Vec<u8>, EditError> {
    Document::parse(bytes, dialect).put(section, key, value)
}

#[test]
fn the_laws_hold_for_every_recorded_case() {
    for case in verdicts::cases() {
        all_wsl_laws(&case.input, case.dialect);
    }
}

#[test]
fn the_laws_hold_for_real_wsl_files() {
    for (folder, dialect) in [("wsl.conf", CONF), ("wslconfig", CONFIG)] {
        for file in corpus(folder) {
            all_wsl_laws(&std::fs::read(file).expect("a file"), dialect);
        }
    }
}

#[rustfmt::skip]
const LINES: &[&str] = &[
    "", " ", "\t", "# comment", "#", "; semicolon", "[boot]", "[Boot] # c", " [wsl2]\t", "[WSL2]",
    "[automount]", "[ boot ]", "[boo-x]", "[boot", "[]", "[boot]x", "[network]#c", "systemd=true",
    "systemd = yes", "Systemd=false#x", "systemd=", "systemd=  # note", "kernelCommandLine=a=b c=d",
    "  KernelCommandLine\t= \"a # b\" c  # keep", "kernelCommandLine = x \\", "kernelCommandLine=\"open",
    "options=metadata", "options=\"\"", "options=C:\\temp", "options=C:\\x", "hostname=a \\\"b\\\" \\\\",
    "instanceIdleTimeout=-1", "foo-bar=1", "key", "= x", "1a=2", "default=café", "über=1", "nul=a\0b",
    "[g\0h]", "of='x' ; y", "\u{feff}[boot]", "end\x1a=1", "v=\x0bx",
];

pub(crate) fn wsl_file() -> impl Strategy<Value = (Vec<u8>, Dialect)> {
    let eol = prop_oneof![8 => Just("\n"), 4 => Just("\r\n"), 1 => Just("\r")];
    let line = (select(LINES), eol);
    let lines = prop::collection::vec(line, 0..12);
    let one_eol = prop_oneof![Just(None), Just(Some("\n")), Just(Some("\r\n"))];
    (lines, one_eol, any::<bool>(), any::<bool>(), 0..8).prop_map(
        |(lines, one_eol, is_config, ends, wrap)| {
            let mut text: String =
                lines.iter().flat_map(|(line, eol)| [*line, one_eol.unwrap_or(eol)]).collect();
            if !ends {
                text.truncate(text.trim_end_matches(['\n', '\r']).len());
            }
            let bytes = match wrap {
                0 => {
                    [b"\xff\xfe".to_vec(), text.encode_utf16().flat_map(u16::to_le_bytes).collect()].concat()
                }
                1 => [b"\xef\xbb\xbf", text.as_bytes()].concat(),
                2 => [text.as_bytes(), b" \xff"].concat(),
                _ => text.into_bytes(),
            };
            (bytes, if is_config { CONFIG } else { CONF })
        },
    )
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn the_laws_hold_for_made_up_wsl_files((bytes, dialect) in wsl_file(), setting in select(&SETTINGS[..])) {
        wsl_laws(&bytes, dialect, setting.0, setting.1, setting.2);
        repair_laws(&bytes, dialect);
    }

    #[test]
    fn any_value_is_read_back_or_refused((bytes, dialect) in wsl_file(), value in "[ -~\t\n\\\\\"#é\r]{0,10}") {
        wsl_laws(&bytes, dialect, "boot", "command", &value);
    }

    #[test]
    fn any_bytes_can_be_read(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        for dialect in [CONF, CONFIG] {
            wsl_laws(&bytes, dialect, "boot", "systemd", "true");
            repair_laws(&bytes, dialect);
        }
    }
}
