//! The laws of `edit`: what was put is what is read, no other byte moves, twice is once, and out again is as before.
//!
//! They are held to every recorded case file, to hand-made files with what people's files do not show, and to files
//! that proptest makes up. Set `KIND_WSL_CORPUS` to a folder of real files to hold those to them as well.

use crate::wsl_config_verdicts as verdicts;

use std::path::{Path, PathBuf};

use kind_wsl::edit::wslconf::{
    self, Dialect, Document, Grammar, ProblemKind, Repair, RepairKind, Why, parse_bool,
};
use kind_wsl::edit::{EditError, Form, cmdline, table, toml};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::RngSeed;

const CONF: Dialect = Dialect::WslConf;
const CONFIG: Dialect = Dialect::WslConfig;

/// The same cases each time, so that whoever changes something else is not stopped by what this finds again; with
/// `PROPTEST_CASES` set, that many new ones.
pub(crate) fn config() -> ProptestConfig {
    let explore = std::env::var_os("PROPTEST_CASES").is_some();
    let (cases, rng_seed) = match ProptestConfig::default() {
        given if explore => (given.cases, RngSeed::Random),
        _ => (512, RngSeed::Fixed(512)),
    };
    ProptestConfig { cases, rng_seed, failure_persistence: None, ..ProptestConfig::default() }
}

/// The real files below `KIND_WSL_CORPUS`/folder.
fn corpus(folder: &str) -> Vec<PathBuf> {
    let Some(root) = std::env::var_os("KIND_WSL_CORPUS") else { return Vec::new() };
    let files = std::fs::read_dir(Path::new(&root).join(folder)).expect("the corpus");
    files.map(|file| file.expect("a file").path()).collect()
}

// ---------------------------------------------------------------- WSL's files

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

fn put_wsl(
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

fn set(text: &str, dialect: Dialect, section: &str, key: &str, value: &str) -> String {
    let bytes = put_wsl(text.as_bytes(), dialect, section, key, Some(value)).expect("it can be set");
    String::from_utf8(bytes).expect("it stays text")
}

#[test]
fn the_first_occurrence_is_edited_in_place_with_its_spacing_and_comment() {
    let text = "[Boot]\r\n  Systemd =  yes  # why not\r\n[boot]\r\nsystemd=true\r\n";
    let document = Document::parse(text.as_bytes(), CONF);
    assert_eq!(
        (document.get("boot", "systemd"), document.line_of("BOOT", "SYSTEMD")),
        (Some("yes"), Some(2))
    );
    assert_eq!(parse_bool("yes"), None);
    assert_eq!(
        document.problems()[0].kind,
        ProblemKind::Duplicate { key: "boot.systemd".to_owned(), first_line: 2 }
    );
    assert_eq!(set(text, CONF, "boot", "systemd", "true"), text.replace("yes", "true"));
}

#[test]
fn a_line_end_that_the_line_above_needs_is_left() {
    let text = "[boot]\r\nkernelCommandLine = x \\\r\nsystemd=false";
    let bytes = put_wsl(text.as_bytes(), CONF, "boot", "systemd", None).expect("it can be taken out");
    assert_eq!(String::from_utf8_lossy(&bytes), "[boot]\r\nkernelCommandLine = x \\\r\n");
}

#[test]
fn an_empty_value_with_a_comment_keeps_the_comment_apart() {
    assert_eq!(
        set("[boot]\nsystemd = # later\n", CONF, "boot", "systemd", "true"),
        "[boot]\nsystemd = true # later\n"
    );
    assert_eq!(set("[boot]\nsystemd=\n", CONF, "boot", "systemd", "true"), "[boot]\nsystemd=true\n");
}

#[test]
fn a_new_key_follows_its_commented_default() {
    let text = "# mine\n[boot] # b\ncommand=x\n# systemd=true\n\n# net\n[network]\nhostname=h\n";
    let expected =
        "# mine\n[boot] # b\ncommand=x\n# systemd=true\nsystemd=true\n\n# net\n[network]\nhostname=h\n";
    assert_eq!(set(text, CONF, "boot", "systemd", "true"), expected);
}

#[test]
fn a_new_section_goes_to_the_end_in_the_files_own_manner() {
    assert_eq!(set("", CONF, "boot", "systemd", "true"), "[boot]\nsystemd=true\n");
    assert_eq!(set("", CONFIG, "wsl2", "swap", "0"), "[wsl2]\r\nswap=0\r\n");
    assert_eq!(
        set("[a]\r\nb=c\r\n", CONF, "boot", "systemd", "true"),
        "[a]\r\nb=c\r\n\r\n[boot]\r\nsystemd=true\r\n"
    );
    assert_eq!(set("[a]\nb=c", CONFIG, "wsl2", "swap", "0"), "[a]\nb=c\n\n[wsl2]\nswap=0");
}

#[test]
fn a_header_on_the_last_line_without_newline_gets_its_key_below() {
    // corpus/wslconfig/023 ends like this.
    let text = "[network]\ngenerateHosts=true\n\n[wsl2]";
    assert_eq!(set(text, CONFIG, "wsl2", "swap", "0"), format!("{text}\nswap=0"));
}

#[test]
fn a_key_never_lands_in_the_continuation_of_another() {
    let text = "[wsl2]\nkernelCommandLine=a \\\n";
    let new = set(text, CONFIG, "wsl2", "swap", "0");
    assert_eq!(new, "[wsl2]\nkernelCommandLine=a \\\n\nswap=0");
    let text = "[wsl2]\r\nkernelCommandLine=a \\\r\n  b \\\r\n  c\r\nswap=1\r\n";
    let document = Document::parse(text.as_bytes(), CONFIG);
    assert_eq!(document.get("wsl2", "kernelCommandLine"), Some("a   b   c"));
    assert_eq!(document.line_of("wsl2", "swap"), Some(5));
    assert_eq!(
        set(text, CONFIG, "wsl2", "kernelCommandLine", "d"),
        "[wsl2]\r\nkernelCommandLine=d\r\nswap=1\r\n"
    );
}

#[test]
fn in_wsl_conf_a_backslash_before_crlf_ends_the_value() {
    let text = "[boot]\r\ncommand=a\\\r\nsystemd=true\r\n";
    let document = Document::parse(text.as_bytes(), CONF);
    assert_eq!((document.get("boot", "command"), document.get("boot", "systemd")), (Some("a"), Some("true")));
    assert_eq!(set(text, CONF, "boot", "command", "b"), text.replace("a\\\r", "b\r"));
}

#[test]
fn values_are_quoted_and_escaped_only_where_they_need_it() {
    let written = |value| set("[s]\nk=\n", CONF, "s", "k", value);
    assert_eq!(written("a=b c;d 'e'"), "[s]\nk=a=b c;d 'e'\n");
    assert_eq!(written("a # b"), "[s]\nk=\"a # b\"\n");
    assert_eq!(written(" a"), "[s]\nk=\" a\"\n");
    assert_eq!(written("C:\\wsl\\\"k\""), "[s]\nk=C:\\\\wsl\\\\\\\"k\\\"\n");
}

#[test]
fn arguments_that_wsl_exe_cannot_pass_are_refused() {
    let put = |dialect, section, key, value| put_wsl(b"[boot]\n", dialect, section, key, Some(value));
    assert!(matches!(put(CONF, "boot", "command", "a\rb"), Err(EditError::BadValue { .. })));
    assert!(matches!(put(CONFIG, "wsl2", "kernel", "C:\\é"), Err(EditError::BadValue { .. })));
    assert!(matches!(put(CONF, "wsl-2", "kernel", "x"), Err(EditError::BadKey { .. })));
    assert!(matches!(put(CONF, "boot", "foo_bar", "x"), Err(EditError::BadKey { .. })));
    assert!(put(CONF, "user", "default", "José").is_ok());
}

#[test]
fn wsl_conf_is_not_edited_below_the_line_where_wsl_stops() {
    let text = "[boot]\ncommand=x\n; systemd on\nsystemd=true\n";
    let mut document = Document::parse(text.as_bytes(), CONF);
    assert_eq!((document.complete(), document.get("boot", "systemd")), (false, None));
    let error = document.set("boot", "systemd", "true").expect_err("WSL would not read it");
    assert_eq!(
        error.to_string(),
        "line 3: WSL stops reading here (a line must begin with a letter, `[` or `#`), so `boot.systemd` would have no \
         effect below it; repair this line first"
    );
    document.set("boot", "command", "y").expect("above the line WSL reads");
    let repairs = document.repair();
    assert_eq!((repairs.len(), repairs[0].line, repairs[0].kind), (1, 3, RepairKind::Semicolon));
    assert_eq!(document.to_bytes(), b"[boot]\ncommand=y\n# systemd on\nsystemd=true\n");
    // The Windows side skips such a line.
    assert_eq!(Document::parse(text.as_bytes(), CONFIG).get("boot", "systemd"), Some("true"));
}

#[test]
fn a_pasted_shell_script_is_commented_out_line_by_line() {
    // corpus/wsl.conf/034
    let text = "sudo tee /etc/wsl.conf >/dev/null <<'EOF'\n[network]\ngenerateResolvConf = false\nEOF\n";
    let mut document = Document::parse(text.as_bytes(), CONF);
    assert_eq!(document.repair().iter().map(|repair| repair.line).collect::<Vec<_>>(), [1, 4]);
    assert_eq!(document.get("network", "generateresolvconf"), Some("false"));
    assert!(String::from_utf8_lossy(&document.to_bytes()).ends_with("false\n# EOF\n"));
}

#[test]
fn a_byte_order_mark_stays_in_wslconfig_and_goes_from_wsl_conf() {
    let text = "\u{feff}[boot]\r\nsystemd=true\r\n";
    assert_eq!(set(text, CONFIG, "boot", "systemd", "false"), text.replace("true", "false"));
    let mut document = Document::parse(text.as_bytes(), CONF);
    assert_eq!(document.problems()[0].kind, ProblemKind::InvalidLine { why: Why::ByteOrderMark });
    assert_eq!(document.repair()[0].kind, RepairKind::DroppedMark);
    assert_eq!(document.to_bytes(), &text.as_bytes()[3..]);
}

#[test]
fn utf16_stays_in_wslconfig_and_becomes_utf8_in_wsl_conf() {
    let utf16 = |text: &str| -> Vec<u8> {
        [b"\xff\xfe".to_vec(), text.encode_utf16().flat_map(u16::to_le_bytes).collect()].concat()
    };
    let input = utf16("[wsl2]\r\nswap = 1 # ü\r\n");
    let put = |key, value| put_wsl(&input, CONFIG, "wsl2", key, Some(value)).expect("it can be set");
    assert_eq!(put("swap", "0"), utf16("[wsl2]\r\nswap = 0 # ü\r\n"));
    assert_eq!(put("memory", "8GB"), utf16("[wsl2]\r\nswap = 1 # ü\r\nmemory = 8GB\r\n"));
    let mut document = Document::parse(&input, CONF);
    assert!(!document.complete());
    assert_eq!(document.repair()[0].kind, RepairKind::Reencoded);
    assert_eq!(document.to_bytes(), "[wsl2]\r\nswap = 1 # ü\r\n".as_bytes());
}

#[test]
fn keys_go_under_a_valid_header_and_never_under_a_broken_one() {
    let text = "[wsl2]\nswap=0\n[wsl2\nmemory=1GB\n";
    assert_eq!(
        set(text, CONFIG, "wsl2", "processors", "2"),
        "[wsl2]\nswap=0\nprocessors=2\n[wsl2\nmemory=1GB\n"
    );
    let text = "[general]\na=1\n[wsl-2]\n";
    let document = Document::parse(text.as_bytes(), CONFIG);
    assert!(!document.has_section("wsl2"));
    assert_eq!(set(text, CONFIG, "wsl2", "swap", "0"), format!("{text}\n[wsl2]\nswap=0\n"));
}

#[test]
fn the_guides_dead_section_is_taken_out_of_wsl_conf_whole() {
    let text = "[boot]\nsystemd=true\n\n[wsl2]\nkernelCommandLine=cgroup_no_v1=all\n\n# the network\n[network]\nhostname=h\n";
    let mut document = Document::parse(text.as_bytes(), CONF);
    assert_eq!(document.remove_section("wsl2"), Ok(true));
    assert_eq!(document.to_bytes(), b"[boot]\nsystemd=true\n\n# the network\n[network]\nhostname=h\n");
    assert_eq!(document.remove_section("wsl2"), Ok(false));
    let mut document = Document::parse(b"[boot]\nsystemd=true\n\n[wsl2]\nkernelCommandLine=x", CONF);
    assert_eq!(document.remove_section("WSL2"), Ok(true));
    assert_eq!(document.to_bytes(), b"[boot]\nsystemd=true");
}

#[test]
fn only_a_section_that_set_added_and_that_is_still_empty_is_removed() {
    let removed = |before: &str, now: &str| {
        let before = Document::parse(before.as_bytes(), CONF);
        let mut document = Document::parse(now.as_bytes(), CONF);
        let removed = document.remove_added_section("boot", &before).unwrap();
        (removed, String::from_utf8(document.to_bytes()).unwrap())
    };
    assert_eq!(removed("[user]\n", "[user]\n\n[boot]\n\n"), (true, "[user]\n".to_owned()));
    assert_eq!(removed("[user]\n\n", "[user]\n\n[boot]\n"), (true, "[user]\n\n".to_owned()));
    assert_eq!(removed("[user]\n", "[boot]\n\n[user]\n"), (true, "[user]\n".to_owned()));
    for text in
        ["[boot]\n# theirs\n", "[boot]\ncommand=x\n", "[boot]\n[user]\n[boot]\ncommand=x\n", "[user]\n"]
    {
        assert_eq!(removed("", text), (false, text.to_owned()));
    }
}

#[test]
fn a_broken_header_is_commented_out_with_its_keys_so_that_no_other_section_gets_them() {
    let repaired = |text: &str| {
        let mut document = Document::parse(text.as_bytes(), CONF);
        document.repair();
        String::from_utf8(document.to_bytes()).unwrap()
    };
    for (text, wanted) in [
        (
            "[interop]\nappendWindowsPath=false\n\n[ automount ]\nenabled=false\n",
            "[interop]\nappendWindowsPath=false\n\n# [ automount ]\n# enabled=false\n",
        ),
        (
            "[interop]\r\n[auto-mount] ; x\r\nenabled=false\r\n; y\r\nroot=/w\r\n[user]\r\ndefault=a\r\n",
            "[interop]\r\n# [auto-mount] ; x\r\n# enabled=false\r\n# y\r\n# root=/w\r\n[user]\r\ndefault=a\r\n",
        ),
        (
            "[interop]\n[network\nhostname=a \\\n b\n[]\nenabled=0",
            "[interop]\n# [network\n# hostname=a \\\n#  b\n# []\n# enabled=0",
        ),
    ] {
        assert_eq!(repaired(text), wanted);
    }
}

#[test]
fn comments_right_above_a_header_stay_when_the_section_above_is_removed() {
    let removed = |text: &str| {
        let mut document = Document::parse(text.as_bytes(), CONF);
        assert_eq!(document.remove_section("wsl2"), Ok(true));
        String::from_utf8(document.to_bytes()).unwrap()
    };
    let dead = "[wsl2]\nkernelCommandLine=cgroup_no_v1=all\n";
    assert_eq!(removed(&format!("{dead}# network settings\n[network]\n")), "# network settings\n[network]\n");
    assert_eq!(removed(&format!("{dead}# a\n# b\n[network]\n")), "# a\n# b\n[network]\n");
    assert_eq!(removed(&format!("{dead}# dead\n\n# b\n[network]\n")), "# b\n[network]\n");
}

#[test]
fn utf16_without_a_mark_is_refused_in_wslconfig() {
    let units = |unit: fn(u16) -> [u8; 2]| -> Vec<u8> {
        "[wsl2]\r\nmemory=4GB\r\n".encode_utf16().flat_map(unit).collect()
    };
    for input in [units(u16::to_le_bytes), units(u16::to_be_bytes)] {
        let found = put_wsl(&input, CONFIG, "wsl2", "swap", Some("0"));
        assert!(matches!(found, Err(EditError::Unreadable { line: 1, .. })), "{found:?}");
    }
}

#[test]
fn a_note_behind_a_value_becomes_a_comment() {
    assert_eq!(
        set("[boot]\nsystemd=true ; yes\n", CONF, "boot", "systemd", "true"),
        "[boot]\nsystemd=true # yes\n"
    );
    assert_eq!(
        set("[boot]\r\n systemd = false\t;keep # x\r\n", CONF, "boot", "systemd", "true"),
        "[boot]\r\n systemd = true # keep # x\r\n"
    );
    assert_eq!(
        set("[boot]\nsystemd=\"a ; b\"\n", CONF, "boot", "systemd", "true"),
        "[boot]\nsystemd=\"true\"\n"
    );
}

#[test]
fn only_the_part_of_a_value_that_changes_is_written_and_its_quotes_and_lines_stay() {
    let key = "kernelCommandLine";
    for (before, value, after) in [
        ("\"a=\\\"b c\\\" d\"", "a=\"b c\" d e=1", "\"a=\\\"b c\\\" d e=1\""),
        ("a \\\r\n  b", "a   b c", "a \\\r\n  b c"),
        ("\"a\" b", "a b #c", "\"a b #c\""),
    ] {
        let text = |value: &str| format!("[wsl2]\r\n{key} = {value}\r\nswap=0\r\n");
        assert_eq!(set(&text(before), CONFIG, "wsl2", key, value), text(after), "{before}");
    }
}

#[test]
fn a_new_key_is_written_as_its_neighbors_are() {
    let systemd = |text: &str| set(text, CONF, "boot", "systemd", "true");
    assert_eq!(systemd("[boot]\n  command = x\n"), "[boot]\n  command = x\n  systemd = true\n");
    assert_eq!(
        systemd("[boot]\n\n[user]\n\tdefault = x\n"),
        "[boot]\n\tsystemd = true\n\n[user]\n\tdefault = x\n"
    );
    assert_eq!(systemd("[user]\ndefault=x\n"), "[user]\ndefault=x\n\n[boot]\nsystemd=true\n");
    let aligned = "[boot]\ncommand       = x\nprotectBinfmt = true\n";
    assert_eq!(systemd(aligned), format!("{aligned}systemd       = true\n"));
}

#[test]
fn a_new_section_needs_no_second_blank_line_and_stays_above_a_modeline() {
    let systemd = |text: &str| set(text, CONF, "boot", "systemd", "true");
    assert_eq!(systemd("[user]\ndefault=x\n\n"), "[user]\ndefault=x\n\n[boot]\nsystemd=true\n");
    assert_eq!(
        systemd("[user]\ndefault=x\n\n# vim: ft=dosini\n"),
        "[user]\ndefault=x\n\n[boot]\nsystemd=true\n\n# vim: ft=dosini\n"
    );
    assert_eq!(
        systemd("[user]\ndefault=x\n# vim: ft=dosini"),
        "[user]\ndefault=x\n\n[boot]\nsystemd=true\n\n# vim: ft=dosini"
    );
}

#[test]
fn an_edit_is_right_for_the_versions_of_wsl_that_skip_a_bad_line_too() {
    // From 2.9.13 on the first line is dropped for its escaped CR, so the second one counts there.
    let text = "[boot]\r\nsystemd=true\\\r\nsystemd=false\r\n";
    let bytes = put_wsl(text.as_bytes(), CONF, "boot", "systemd", Some("true")).expect("it can be set");
    for grammar in [Grammar::Stop, Grammar::Skip] {
        let document = Document::parse_as(&bytes, CONF, grammar);
        assert_eq!(document.get("boot", "systemd"), Some("true"), "{grammar:?}");
    }
    let skipping = Document::parse_as(b"; note\n[boot]\nsystemd=true\n", CONF, Grammar::Skip);
    assert_eq!((skipping.get("boot", "systemd"), skipping.complete()), (Some("true"), true));
}

#[test]
fn a_section_that_wsl_does_not_read_to_its_end_is_not_removed() {
    let mut document = Document::parse(b"[wsl2]\nkernelCommandLine=x\n; y\n[boot]\n", CONF);
    assert!(matches!(document.remove_section("wsl2"), Err(EditError::Unreadable { line: 3, .. })));
}

#[test]
fn unset_takes_every_line_that_sets_the_key() {
    let text = "[boot]\nsystemd=yes\ncommand=x\n[Boot]\nSystemd=true # again";
    let mut document = Document::parse(text.as_bytes(), CONF);
    assert_eq!(document.unset("boot", "systemd"), Ok(true));
    assert_eq!(document.to_bytes(), b"[boot]\ncommand=x\n[Boot]");
    assert_eq!(document.unset("boot", "systemd"), Ok(false));
}

// ---------------------------------------------------------------- TOML

/// corpus/containers.conf 002, 008 (cut), 011 and hand-made ones.
const TOMLS: &[&str] = &[
    "",
    "# nothing active\n",
    "[engine]\ncgroup_manager=\"cgroupfs\"\nevents_logger=\"file\"\nruntime=\"crun\"\n",
    "[engine]\n  # TODO\n  #runtime = \"runsc\"\n\n  [engine.runtimes]\n    runsc = [\n      \"/usr/bin/runsc\", # x\n    ]\n",
    "[engine]\nruntime = \"runsc\"\n\n[engine.runtimes]\nrunsc = [\"/usr/local/bin/runsc\"]",
    "cgroup_manager = \"systemd\"\r\n\r\n[containers] # c\r\n  pids_limit = 0 # none\r\n\r\n",
    "engine.cgroup_manager = \"x\" # c\nengine.other = 1\n\n[network]\npools = [\n  {\"base\" = \"11.0.0.0/24\", \"size\" = 24},\n]\n",
    "engine = { a = 1, runtimes.runc = [\"r\"], b.c = 2 }\n[containers]\n",
    "engine = {}\ncontainers = { pids_limit = 1 }",
    "[engine.runtimes]\ncrun = [\"a\", \"b\"]\n[[aot]]\nx = 1\n",
    "top = 1\n[engine]\ntext = \"\"\"\n[containers]\n\"\"\"\n\n\n",
];

fn toml_settings() -> Vec<(&'static [&'static str], toml::Value)> {
    let list = |items: &[&str]| toml::Value::StrList(items.iter().map(|&item| item.to_owned()).collect());
    vec![
        (&["engine", "cgroup_manager"], toml::Value::Str("systemd".to_owned())),
        (&["engine", "runtimes", "crun"], list(&["/usr/bin/crun", "a\"b\\c"])),
        (&["engine", "runtimes", "we.ird"], list(&[])),
        (&["containers", "pids_limit"], toml::Value::Int(0)),
        (&["engine", "b", "c"], toml::Value::Bool(true)),
        (&["top"], toml::Value::Str("é\n".to_owned())),
        (&["new", "one", "two"], toml::Value::Int(-3)),
    ]
}

/// Every value with its path, without the one asked for.
fn toml_values_but(text: &str, path: &[&str]) -> Vec<(String, String)> {
    fn walk(item: &toml_edit::Item, path: &str, found: &mut Vec<(String, String)>) {
        if let Some(table) = item.as_table_like() {
            for (key, item) in table.iter() {
                walk(item, &format!("{path}/{key}"), found);
            }
        } else {
            found.push((path.to_owned(), item.to_string().trim().to_owned()));
        }
    }
    let document: toml_edit::DocumentMut = text.parse().expect("it is TOML");
    let mut found = Vec::new();
    walk(document.as_item(), "", &mut found);
    let name = format!("/{}", path.join("/"));
    found.retain(|(other, _)| *other != name);
    found.sort();
    found
}

fn toml_laws(text: &str, path: &[&str], value: &toml::Value) {
    let before = toml::get(text, path);
    let after = match toml::set(text, path, value) {
        Ok(after) => after,
        Err(error) => {
            assert!(matches!(error, EditError::WrongType { .. }), "{error}: {path:?} in {text:?}");
            return;
        }
    };
    assert_eq!(toml::get(&after, path), Ok(Some(value.clone())), "{path:?} in {after:?}");
    assert_eq!(toml_values_but(&after, path), toml_values_but(text, path), "{path:?} in {text:?}");
    assert_eq!(toml::set(&after, path, value).as_ref(), Ok(&after), "twice is once: {text:?}");
    let outs =
        [false, true].map(|drop_empty| toml::unset(&after, path, drop_empty).expect("it can be taken out"));
    for out in &outs {
        assert_eq!(toml::get(out, path), Ok(None));
        assert_eq!(toml_values_but(out, path), toml_values_but(text, path), "{path:?} in {text:?}");
    }
    if before == Ok(None) {
        assert!(outs.iter().any(|out| out == text), "out again is as before: {path:?} in {text:?}: {outs:?}");
    }
    let bytes = toml::put(text.as_bytes(), path, Some(value)).expect("as above");
    assert_eq!(bytes, after.as_bytes());
    assert_eq!(toml::read(&bytes, path), Ok(Some(value.to_string())));
}

#[test]
fn the_laws_hold_for_toml_files() {
    let files =
        corpus("containers.conf").into_iter().map(|file| std::fs::read_to_string(file).expect("text"));
    for text in TOMLS.iter().map(|&text| text.to_owned()).chain(files) {
        for (path, value) in toml_settings() {
            toml_laws(&text, path, &value);
            toml_laws(&text.replace("\r\n", "\n").replace('\n', "\r\n"), path, &value);
            toml_laws(text.trim_end(), path, &value);
            toml_laws(&format!("\u{feff}{text}"), path, &value);
        }
    }
}

#[test]
fn a_toml_value_is_replaced_with_its_comment_kept() {
    let text = "engine.cgroup_manager = \"x\" # c\r\nengine.other = 1\r\n";
    let new = toml::set(text, &["engine", "cgroup_manager"], &toml::Value::Str("systemd".to_owned()));
    assert_eq!(new.as_deref(), Ok("engine.cgroup_manager = \"systemd\" # c\r\nengine.other = 1\r\n"));
    assert_eq!(
        toml::unset(text, &["engine", "other"], true).as_deref(),
        Ok("engine.cgroup_manager = \"x\" # c\r\n")
    );
}

#[test]
fn a_new_toml_key_takes_the_indent_of_its_neighbour_or_a_table_of_its_own() {
    let crun = toml::Value::StrList(vec!["/usr/bin/crun".to_owned()]);
    let path = ["engine", "runtimes", "crun"];
    let new = toml::set(TOMLS[3], &path, &crun).expect("it can be set");
    assert_eq!(new, format!("{}    crun = [\"/usr/bin/crun\"]\n", TOMLS[3]));
    let new = toml::set(TOMLS[2], &path, &crun).expect("it can be set");
    assert_eq!(new, format!("{}\n[engine.runtimes]\ncrun=[\"/usr/bin/crun\"]\n", TOMLS[2]));
    let new = toml::set("engine = { a = 1 }\n", &path, &crun).expect("it can be set");
    assert_eq!(new, "engine = { a = 1, runtimes.crun = [\"/usr/bin/crun\"] }\n");
}

#[test]
fn a_new_toml_key_goes_below_its_commented_default_and_is_written_as_its_neighbors_are() {
    let driver =
        |text: &str| toml::set(text, &["containers", "log_driver"], &toml::Value::Str("k8s-file".to_owned()));
    let text = "[containers]\n# How logs are kept.\n#\n#log_driver = \"\"\n\n# Lines.\n#\n#log_size_max = -1\n\n[engine]\n#log_driver = 1\n";
    assert_eq!(
        driver(text).unwrap(),
        text.replace("#log_driver = \"\"\n", "#log_driver = \"\"\nlog_driver = \"k8s-file\"\n")
    );
    assert_eq!(
        driver("[containers]\n\tpids_limit=1\n").unwrap(),
        "[containers]\n\tpids_limit=1\n\tlog_driver=\"k8s-file\"\n"
    );
    assert_eq!(
        driver("[engine]\nruntime=\"crun\"\n").unwrap(),
        "[engine]\nruntime=\"crun\"\n\n[containers]\nlog_driver=\"k8s-file\"\n"
    );
    let crun = toml::Value::StrList(vec!["/x".to_owned()]);
    let text = "[engine.runtimes]\n#crun = [\n#  \"/usr/bin/crun\",\n#]\n\n#runc = []\n";
    assert_eq!(
        toml::set(text, &["engine", "runtimes", "crun"], &crun).unwrap(),
        text.replace("#]\n", "#]\ncrun = [\"/x\"]\n")
    );
}

#[test]
fn an_item_goes_to_the_front_of_a_list_and_out_again_with_the_owners_comments_kept() {
    let path = ["engine", "runtimes", "crun"];
    let list = |items: &[&str]| toml::Value::StrList(items.iter().map(|item| (*item).to_owned()).collect());
    for (text, front) in [
        (
            "[engine.runtimes]\ncrun = [\n  \"/opt/crun\",   # our own build\n  \"/usr/bin/crun\",\n]\n",
            "  \"/home/dev/.local/bin/crun\",\n",
        ),
        (
            "[engine.runtimes]\ncrun = [\"/opt/crun\", \"/usr/bin/crun\"] # ours\n",
            "\"/home/dev/.local/bin/crun\", ",
        ),
    ] {
        let theirs = ["/opt/crun", "/usr/bin/crun"];
        let new =
            toml::set(text, &path, &list(&[&["/home/dev/.local/bin/crun"], theirs.as_slice()].concat()))
                .unwrap();
        assert!(new.contains(&format!("{front}\"/opt/crun\"").replace("\n\"", "\n  \"")), "{new}");
        assert_eq!(new.matches("# our").count(), text.matches("# our").count());
        assert_eq!(toml::set(&new, &path, &list(&theirs)).unwrap(), text);
    }
}

#[test]
fn an_empty_table_is_removed_only_on_request_and_never_with_a_comment_in_it() {
    let unset =
        |text: &str, drop_empty| toml::unset(text, &["a", "b"], drop_empty).expect("it can be taken out");
    assert_eq!(unset("x = 1\n\n[a]\nb = 2\n", false), "x = 1\n\n[a]\n");
    assert_eq!(unset("x = 1\n\n[a]\nb = 2\n", true), "x = 1\n");
    assert_eq!(unset("[a]\n# mine\nb = 2\n", true), "[a]\n# mine\n");
    assert_eq!(unset("[a] # mine\nb = 2\n", true), "[a] # mine\n");
}

#[test]
fn invalid_toml_and_wrong_types_are_reported_with_their_line() {
    let value = toml::Value::Int(1);
    let error = toml::set("a = 1\nb = = 2\n", &["c"], &value).expect_err("it is broken");
    assert!(matches!(error, EditError::Toml { line: 2, column: 5, .. }), "{error}");
    let error = toml::set("x = 1\nengine = 3\n", &["engine", "runtime"], &value).expect_err("no table");
    assert_eq!(error.to_string(), "line 2: `engine` is of type integer, but a table is needed here");
    let error = toml::set("[engine]\n", &["engine"], &value).expect_err("a table");
    assert_eq!(error.to_string(), "line 1: `engine` is of type table, but a plain value is needed here");
}

#[test]
fn keys_above_all_tables_are_found() {
    let keys = toml::Reader::of(TOMLS[5].as_bytes()).expect("it is TOML").keys_outside_tables();
    assert_eq!(keys, ["cgroup_manager"]);
    assert_eq!(toml::Reader::of(TOMLS[6].as_bytes()).expect("it is TOML").keys_outside_tables(), [""; 0]);
}

// ---------------------------------------------------------------- tables

/// corpus/fstab 001 (cut), 002, 011 (cut), 014 and hand-made ones.
const FSTABS: &[&str] = &[
    "",
    "# / was on /dev/sda1\nUUID=f0df3c48 /               ext4    errors=remount-ro 0       1\n#/swapfile none swap sw 0 0\n",
    "/dev/wd0a\t\t/\t\tufs rw 1 1\n/dev/wd0b\t\tnone\t\tswap sw -1 -1\n/dev/x\tnone swap sw 0 0\n",
    "# <file system> <mount point>\n/dev/mmcblk0p1    /boot vfat defaults 0 0",
    "# /etc/fstab - file system table\r\n# auto / byteos ro,boot\r\n",
    "//nas/a\\040b /mnt/a\\040b/ cifs ro 0 0\n\n\n",
];

fn fstab_laws(text: &str, mount_point: &str, line: &str) {
    let before = table::fstab_entry(text, mount_point);
    let after = table::put_fstab(text.as_bytes(), mount_point, Some(line)).expect("it can be set");
    assert!(table::get_fstab(&after, mount_point).expect("text").is_some());
    assert_eq!(table::put_fstab(&after, mount_point, Some(line)).as_ref(), Ok(&after), "twice is once");
    let out = table::put_fstab(&after, mount_point, None).expect("it can be taken out");
    assert_eq!(table::get_fstab(&out, mount_point), Ok(None));
    if before.is_none() {
        assert_eq!(table::get_fstab(&after, mount_point), Ok(Some(line.to_owned())));
        assert_eq!(String::from_utf8_lossy(&out), text, "out again is as before");
        assert_eq!(String::from_utf8_lossy(&after).matches('\n').count(), text.matches('\n').count() + 1);
    }
}

#[test]
fn the_laws_hold_for_fstab() {
    let files = corpus("fstab").into_iter().map(|file| std::fs::read_to_string(file).expect("text"));
    for text in FSTABS.iter().map(|&text| text.to_owned()).chain(files) {
        fstab_laws(&text, "/sys/fs/cgroup", "cgroup2 /sys/fs/cgroup cgroup2 rw,nosuid 0 0");
        fstab_laws(&text, "/mnt/a b", "//nas/c /mnt/a\\040b cifs rw 0 0");
        fstab_laws(&text, "/", "UUID=f0df3c48 / ext4 defaults 0 1");
        fstab_laws(text.trim_end(), "/boot/", "/dev/mmcblk0p1 /boot vfat defaults 0 0");
    }
}

#[test]
fn an_fstab_line_is_never_written_twice_whatever_else_is_mounted_there() {
    let line = "cgroup2 /sys/fs/cgroup cgroup2 rw,nosuid 0 0";
    for text in [
        format!("none /sys/fs/cgroup tmpfs ro 0 0\n{line}\n"),
        format!("{}\nnone /sys/fs/cgroup/ tmpfs ro 0 0\n", line.replace(' ', "\t")),
        format!("a /b c\nnone /sys/fs/cgroup tmpfs\nnone /sys/fs/cgroup tmpfs\n# x\n{line}"),
    ] {
        assert_eq!(table::fstab_set(&text, line), Ok(text.clone()));
        assert_eq!(table::has_fstab(text.as_bytes(), line), Ok(true));
    }
}

#[test]
fn an_fstab_line_with_the_same_columns_stays_as_it_is_written() {
    assert_eq!(table::fstab_set(FSTABS[2], "/dev/wd0a / ufs rw 1 1").as_deref(), Ok(FSTABS[2]));
    let swap = table::fstab_set(FSTABS[2], "/dev/x none swap sw,pri=1 0 0").expect("it can be set");
    assert_eq!(swap, FSTABS[2].replace("/dev/x\tnone swap sw 0 0", "/dev/x none swap sw,pri=1 0 0"));
    let entry = table::fstab_entry(FSTABS[5], "/mnt/a b").expect("an entry");
    assert_eq!((entry.line, entry.fields[0].as_str(), entry.fields[3].as_str()), (1, "//nas/a b", "ro"));
    assert!(table::fstab_set("", "# none").is_err());
    assert!(table::fstab_set("", "a /b").is_err());
}

#[test]
fn subordinate_ids_never_overlap_those_of_another_owner() {
    let text = "alice:100000:65536\nbob:165536:65536";
    let error = table::subid_add(text, "carol", 165_000, 1000).expect_err("they are taken");
    assert_eq!(error.to_string(), "line 1: the IDs 165000 to 165999 for `carol` overlap those of `alice`");
    let free = table::subid_free_start(&taken(text), 65536, 100_000, u32::MAX).expect("there is room");
    assert_eq!(free, 231_072);
    let new = table::subid_add(text, "carol", free, 65536).expect("they are free");
    assert_eq!(new, format!("{text}\ncarol:231072:65536"));
    assert_eq!(table::subid_remove(&new, "carol", free, 65536), text);
}

#[test]
fn a_range_of_subordinate_ids_stays_within_its_bounds() {
    let free = |taken: &[_], count, min, max| table::subid_free_start(taken, count, min, max);
    assert_eq!(free(&[], 65536, u32::MAX - 10, u32::MAX), None);
    assert_eq!(free(&[], 10, 100, 109), Some(100));
    assert_eq!(free(&[], 10, 100, 108), None);
    assert_eq!(free(&taken("x:105:1"), 10, 100, 115), Some(106));
    assert_eq!(free(&taken("x:105:1"), 10, 100, 114), None);
    // 2^32 - 1 is no ID.
    assert_eq!(free(&[], 1, u32::MAX, u32::MAX), None);
}

#[test]
fn a_range_is_added_beside_the_ranges_of_its_owner() {
    let text = "alice:100000:1000\nbob:165536:65536\n";
    let added = table::subid_add(text, "alice", 300_000, 65536).expect("they are free");
    assert_eq!(added, format!("{text}alice:300000:65536\n"));
    let grown = format!("{added}alice:400000:10\n");
    assert_eq!(table::subid_remove(&grown, "alice", 300_000, 65536), format!("{text}alice:400000:10\n"));
}

#[test]
fn a_range_that_only_shadow_understands_is_taken() {
    for line in ["bob:0x186a0:65536", "bob:0303240:65536", "bob:100000:99999999999", "bob:100000:65536:note"]
    {
        let error = table::subid_add(line, "alice", 100_500, 65536).expect_err(line);
        assert!(matches!(error, EditError::Overlap { .. }), "{line}: {error}");
    }
}

/// The IDs of every range of a file.
fn taken(text: &str) -> Vec<std::ops::Range<u64>> {
    table::subid_ranges(text)
        .into_iter()
        .map(|(_, start, count)| start..start.saturating_add(count))
        .collect()
}

// ---------------------------------------------------------------- what is shown

#[test]
fn a_redacted_file_has_the_same_lines_and_meaning() {
    let text = "; x\r\n[boot]  # note\r\n systemd = true # why\r\ncommand=a \\\r\n b\r\n[Automount]\r\nroot=/\r\n\r\noptions=\"p\"";
    let shown = "<3 bytes>\r\n[boot] # <6 bytes>\r\n systemd = true # <5 bytes>\r\n# <15 bytes>\n# <1 bytes>\r\n[Automount]\r\nroot=/\r\n\r\n# <11 bytes>";
    assert_eq!(Form::WslConf.shown(text.as_bytes(), "dev"), shown);
    let [before, after] = [text, shown].map(|t| Document::parse(t.as_bytes(), CONF));
    assert_eq!(before.problems()[0].to_string(), after.problems()[0].to_string());
    let [before, after] = [text, shown].map(|t| Document::parse(t.as_bytes(), CONFIG));
    for key in [("boot", "systemd"), ("automount", "root")] {
        assert_eq!(before.get(key.0, key.1), after.get(key.0, key.1));
        assert_eq!(before.line_of(key.0, key.1), after.line_of(key.0, key.1));
    }
    let text = "x = 1\n[engine] # a\n  runtime='/x' # b\nenv = [\n'a=b',\n]\n[engine.runtimes]\ncrun = [ # c\n'/x' ]\n['q']\nr = 1\n";
    let shown = "# <5 bytes>\n[engine]\n  runtime='/x' # <3 bytes>\n# <7 bytes>\n# <6 bytes>\n# <1 bytes>\n[engine.runtimes]\ncrun = [\"/x\"]\n# <6 bytes>\n# <5 bytes>\n# <5 bytes>\n";
    assert_eq!(Form::Toml.shown(text.as_bytes(), "dev"), shown);
    assert_eq!(Form::Toml.shown(b"a = 1\nb =\nc = 2\n", "dev"), "# <5 bytes>\n<3 bytes>\n# <5 bytes>\n");
    let line = "cgroup2 /sys/fs/cgroup cgroup2 rw,nosuid,nodev,noexec,relatime,nsdelegate 0 0";
    assert_eq!(
        Form::Fstab.shown(format!("a /b c\n{line}\n").as_bytes(), "dev"),
        format!("# <6 bytes>\n{line}\n")
    );
    assert_eq!(
        Form::Subid.shown(b"dev:1:2\njo:3:4\n1000:5:6\nx\n", "dev"),
        "dev:1:2\nother:3:4\n1000:5:6\n# <1 bytes>\n"
    );
}

// ---------------------------------------------------------------- command lines

#[test]
fn a_command_line_token_takes_the_place_of_the_value_that_counts() {
    let merged =
        cmdline::merge("quiet  console=a  cgroup-no-v1=memory", &["cgroup_no_v1=all", "quiet", "ro"]);
    assert_eq!(merged, "quiet  console=a  cgroup_no_v1=all ro");
    assert_eq!(cmdline::merge("a=1 a=2 b", &["a=1"]), "a=1 a=1 b");
    assert_eq!(cmdline::merge("quiet -- sh -c", &["ro"]), "quiet ro -- sh -c");
    assert_eq!(cmdline::merge("a \"b c", &["ro"]), "a ro \"b c");
    assert_eq!(cmdline::tokens("a dyndbg=\"file x +p\" b"), ["a", "dyndbg=\"file x +p\"", "b"]);
    assert!(!cmdline::has("a \"b c\"", "b"));
    assert!(cmdline::fits("a", cmdline::LIMIT - 2) && !cmdline::fits("a", cmdline::LIMIT - 1));
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn the_laws_hold_for_command_lines(
        text in "( ?([a-c](=[a-c]{0,2})?|\"[a ]{0,3}\"|--|\") ?){0,6}",
        token in "[a-d](=[a-c]{0,2})?",
    ) {
        let merged = cmdline::merge(&text, &[&token]);
        prop_assert!(cmdline::has(&merged, &token), "{merged:?}");
        prop_assert_eq!(cmdline::merge(&merged, &[&token]), merged.as_str());
    }

    #[test]
    fn the_laws_hold_for_subordinate_ids(
        lines in prop::collection::vec(("[ab1#]{0,2}", any::<u32>(), 0..100_000_u32), 0..5),
        crlf in any::<bool>(), ends in any::<bool>(), count in 1..200_000_u32,
    ) {
        let eol = if crlf { "\r\n" } else { "\n" };
        let lines: Vec<String> =
            lines.iter().map(|(owner, start, count)| format!("{owner}:{start}:{count}{eol}")).collect();
        let mut text = lines.concat();
        if !ends {
            text.truncate(text.trim_end().len());
        }
        let taken = taken(&text);
        if let Some(start) = table::subid_free_start(&taken, count, 100_000, u32::MAX) {
            let end = u64::from(start) + u64::from(count);
            prop_assert!(!taken.iter().any(|other| u64::from(start) < other.end && other.start < end));
            let add = |text: &str| table::subid_add(text, "kind", start, count).expect("free");
            let after = add(&text);
            prop_assert!(table::subid_has(&after, "kind", start, count));
            prop_assert!(!table::subid_has(&text, "kind", start, count));
            prop_assert_eq!(&add(&after), &after);
            prop_assert_eq!(table::subid_remove(&after, "kind", start, count), text);
        }
    }

    #[test]
    fn the_laws_hold_for_made_up_toml(
        text in select(TOMLS), tail in select(TOMLS), setting in select(toml_settings()), value in "[ -~é\n\t]{0,8}",
    ) {
        let joined = format!("{text}\n{tail}");
        let text = if joined.parse::<toml_edit::DocumentMut>().is_ok() { joined } else { text.to_owned() };
        toml_laws(&text, setting.0, &setting.1);
        toml_laws(&text, setting.0, &toml::Value::Str(value));
    }
}
