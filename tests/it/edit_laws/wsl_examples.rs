//! WSL's two files: single edits and repairs, with the expected text.

use super::wsl::{CONF, CONFIG, put_wsl};

use kind_wsl::edit::wslconf::{Dialect, Document, Grammar, ProblemKind, RepairKind, Why, parse_bool};
use kind_wsl::edit::{EditError, Form};

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
fn values_are_quoted_and_escaped_only_if_needed() {
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
