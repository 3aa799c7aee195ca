//! What fuzzing found, each by the smallest input that showed it. The inputs are in the corpus as well.

use camino::Utf8Path;
use kind_wsl::edit::wslconf::{Dialect, Document};
use kind_wsl::edit::{EditError, cmdline, table, toml};
use kind_wsl::facts::Facts;
use kind_wsl::fetch::catalogue::Catalogue;
use kind_wsl::fetch::check_mirror;
use kind_wsl::fetch::signature::{Signature, judge};
use kind_wsl::journal::{self, JournalError, Record};
use kind_wsl::plan::{Plan, StageSelection, Verdict};
use kind_wsl::stage::Answers;
use kind_wsl::windows::Interop;

use super::targets::{Machine, dev};

#[test]
fn a_value_whose_quote_never_closes_is_the_one_that_counts_and_is_replaced() {
    assert_eq!(cmdline::merge("quiet a=\"x y", &["a=1"]), "quiet a=1");
    assert_eq!(cmdline::merge("quiet b=\"x y", &["a=1"]), "quiet a=1 b=\"x y");
}

#[test]
fn the_kernel_ends_its_part_at_two_dashes_in_quotes_as_well() {
    assert_eq!(cmdline::merge("\"--\" a=2", &["a=1"]), "a=1 \"--\" a=2");
    assert!(!cmdline::has("\"--\" a=2", "a=2"));
}

#[test]
fn a_vertical_tab_parts_words_for_the_kernel() {
    assert!(cmdline::has("quiet\x0bro", "ro"));
}

#[test]
fn a_word_before_an_open_quote_is_taken_out_with_its_own_blank() {
    let merged = cmdline::merge("a=1\n\"b c", &["ro"]);
    assert_eq!(merged, "a=1 ro\n\"b c");
}

#[test]
fn a_name_keeps_all_its_quotes_but_the_first_as_the_kernel_has_it() {
    assert_eq!(cmdline::merge("\"\"a=b\"\"", &["a=1"]), "\"\"a=b\"\" a=1");
    assert_eq!(cmdline::merge("=a=b", &["a=1"]), "=a=b a=1");
}

#[test]
fn a_file_that_was_made_utf_16_twice_is_repaired_at_once() {
    let wide = |bytes: &[u8]| -> Vec<u8> { bytes.iter().flat_map(|byte| [*byte, 0]).collect() };
    let twice = [b"\xff\xfe".to_vec(), wide(&wide(b"[boot]\nsystemd=true\n"))].concat();
    let mut document = Document::parse(&twice, Dialect::WslConf);
    assert_eq!(document.repair().len(), 2);
    assert_eq!(document.to_bytes(), b"[boot]\nsystemd=true\n");
    assert_eq!(document.repair(), []);
}

#[test]
fn a_key_behind_a_continuation_that_ends_the_file_in_a_cr_is_not_part_of_it() {
    let mut document = Document::parse(b"[boot]\ncommand=a\\\r", Dialect::WslConfig);
    assert_eq!(document.set("boot", "systemd", "true"), Ok(()));
    assert_eq!(document.to_bytes(), b"[boot]\ncommand=a\\\r\r\nsystemd=true");
    assert_eq!((document.get("boot", "command"), document.get("boot", "systemd")), (Some("a"), Some("true")));
}

#[test]
fn a_key_put_into_a_table_in_braces_leaves_the_comment_at_the_end_of_the_line() {
    let value = toml::Value::parse("2", "engine.m").unwrap();
    let set = |text| toml::set(text, &["engine", "m"], &value).unwrap();
    assert_eq!(set("engine = { n = 0 # none\n}\n"), "engine = { n = 0, m = 2 # none\n}\n");
}

#[test]
fn a_value_is_taken_out_of_braces_with_the_comma_that_is_its_own() {
    let unset = |text| toml::unset(text, &["engine", "m"], true).unwrap();
    assert_eq!(unset("engine = { m = 1,  }\n"), "engine = {  }\n");
    assert_eq!(unset("engine = { m = 1 # a, b\n, n = 2 }\n"), "engine = { n = 2 }\n");
    assert_eq!(unset("engine = { n = 2, m = 1, }\n"), "engine = { n = 2, }\n");
}

#[test]
fn a_cr_at_the_end_of_a_file_is_part_of_the_last_column() {
    assert_eq!(table::subid_ranges("dev:1:2\r\nkind:3:4\r"), [("dev".to_owned(), 1, 2)]);
    assert_eq!(table::fstab_entry("a /b ext4\r", "/b").unwrap().fields[2], "ext4\r");
}

#[test]
fn an_entry_behind_a_cr_at_the_end_does_not_make_an_entry_of_that_line() {
    let file = "dev:1:2\r";
    let after = table::subid_add(file, "dev", 7, 1).unwrap();
    assert!(table::subid_has(&after, "dev", 7, 1));
    assert_eq!(table::subid_ranges(&after), [("dev".to_owned(), 7, 1)]);
    assert_eq!(table::subid_remove(&after, "dev", 7, 1), file);
}

#[test]
fn a_signature_of_an_unknown_key_is_not_good_though_gpgv_names_no_key() {
    let said =
        b"[GNUPG:] GOODSIG 1 x\n[GNUPG:] NO_PUBKEY\n[GNUPG:] VALIDSIG A 2026-09-25 1 0 4 0 1 10 00 B C\n";
    let path = Utf8Path::new("/x");
    let verdict = judge(&Machine::bare("$gpgv", said), path, "C", path, path).unwrap();
    assert_eq!(verdict, Signature::UnknownKey { id: "without an ID".to_owned() });
}

#[test]
fn a_quote_of_a_damaged_journal_cannot_move_the_cursor() {
    let open = "{\"record\":\"a\\n\\u001b[2Jb\"";
    let sum = kind_wsl::host::digest(open.as_bytes());
    let line = format!("{open},\"sum\":\"{}\"}}\n", &sum[..16]);
    let error = journal::read(&Machine::bare(journal::PATH, line.as_bytes())).unwrap_err().to_string();
    assert!(error.contains("unknown variant `a  [2Jb`") && !error.contains(char::is_control), "{error}");
}

#[test]
fn toml_with_two_byte_order_marks_is_refused() {
    let text = "\u{feff}\u{feff}[engine]\n";
    let refused = toml::set(text, &["engine", "a"], &toml::Value::Int(1));
    assert!(matches!(refused, Err(EditError::Toml { line: 1, column: 1, .. })), "{refused:?}");
}

#[test]
fn a_password_is_not_shown_where_the_user_is_taken_for_a_scheme() {
    let error = check_mirror("me:secret@mirror.test/x").unwrap_err();
    assert_eq!(error.to_string(), "`mirror.test/…` cannot be downloaded from: only https is accepted");
}

#[test]
fn a_message_is_not_a_distribution_and_utf_16_is_read() {
    let running =
        |said: &[u8]| Interop::new(&Machine::usual("$wsl.exe", said), &dev()).unwrap().running().unwrap();
    assert!(running("Es gibt keine ausgeführten Distributionen.\r\n".as_bytes()).is_empty());
    let wide: Vec<u8> =
        "\u{feff}Ubuntu-24.04\r\nDebian\r\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(running(&wide), ["Ubuntu-24.04", "Debian"]);
}

#[test]
fn a_kernel_without_inotify_limits_blocks_the_stage() {
    let system = Machine::usual("/proc/sys/fs/inotify/max_user_watches", b"no number");
    let facts = Facts::probe(&system, dev());
    let plan = Plan::make(&system, &facts, &Answers::default(), &StageSelection::default()).unwrap();
    let limits = plan.stages.iter().find(|stage| stage.id == "limits").unwrap();
    assert_eq!(
        (limits.verdict, limits.why.as_str()),
        (Verdict::NotApplicable, "this kernel has none of these settings")
    );
}

#[test]
fn a_version_that_leads_out_of_its_directory_is_not_a_release() {
    let text = include_str!("corpus/catalogue/good").replace("version = \"1.28\"", "version = \"1.28/../x\"");
    let error = Catalogue::parse("crun", &text).unwrap_err().to_string();
    assert_eq!(error, "catalogue `crun`: 1.28/../x is not a version that can be part of a file name");
}

#[test]
fn a_version_cannot_select_the_build_without_systemd() {
    let text = include_str!("corpus/catalogue/good");
    let error = |from: &str, to: &str| {
        assert!(text.contains(from));
        Catalogue::parse("crun", &text.replace(from, to)).unwrap_err().to_string()
    };
    assert_eq!(
        error("\"1.28\"", "\"1.28-disable-systemd\""),
        "catalogue `crun`: crun-1.28-disable-systemd-linux-amd64 is not the name of a build that can be offered"
    );
    for name in ["..", "", "a b", "a\\u0000"] {
        let error = error("file = \"crun-{version}-linux-{arch}\"", &format!("file = \"{name}\""));
        assert!(error.ends_with("is not the name of a build that can be offered"), "{error:?}");
    }
}

#[test]
fn a_version_with_a_v_in_front_is_its_own_near_match() {
    let text = include_str!("corpus/catalogue/good").replace("\"1.28\"", "\"v1\"");
    let catalogue = Catalogue::parse("crun", &text).unwrap();
    assert_eq!([catalogue.near_match("v1"), catalogue.near_match("1")], [Some("v1"); 2]);
}

#[test]
fn a_bit_that_flips_in_the_journal_is_noticed() {
    let written = Record::Undone { id: 12 }.line().replace("12", "16");
    let read = journal::read(&Machine::bare(journal::PATH, written.as_bytes()));
    assert!(matches!(read, Err(JournalError::Damaged { line: 1, .. })), "{read:?}");
}

#[test]
fn a_distribution_whose_id_is_empty_has_none() {
    let system = Machine::usual("/etc/os-release", b"ID=\nPRETTY_NAME=\"\"\n");
    let seen = Facts::probe(&system, dev()).distro;
    assert_eq!((seen.id.as_str(), seen.name.as_str()), ("linux", "an unknown distribution"));
}
