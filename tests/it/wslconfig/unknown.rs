//! A WSL that does not report its version: only what the older and the newer grammar of wsl.conf read alike counts.

use std::collections::BTreeSet;

use kind_wsl::edit::wslconf::{Dialect, Document, Grammar};
use proptest::prelude::*;

use crate::edit_laws::{config, wsl_file};
use crate::support::cli::{Case, agreed};
use crate::support::{Layout, Machine};
use crate::wsl_config_verdicts as verdicts;

const BOTH: [Grammar; 2] = [Grammar::Stop, Grammar::Skip];

fn read(bytes: &[u8], grammar: Grammar) -> Document {
    Document::parse_as(bytes, Dialect::WslConf, grammar)
}

fn values(bytes: &[u8], grammar: Grammar) -> BTreeSet<(String, Vec<u8>)> {
    read(bytes, grammar).values().map(|(name, value)| (name, value.to_vec())).collect()
}

fn laws(bytes: &[u8]) {
    let about = String::from_utf8_lossy(bytes);
    let [older, newer] = BOTH.map(|grammar| values(bytes, grammar));
    let counts = values(bytes, Grammar::Unknown);
    assert_eq!(counts, older.intersection(&newer).cloned().collect(), "{about:?}");
    let mut document = read(bytes, Grammar::Unknown);
    if document.complete() {
        assert_eq!(older, newer, "{about:?}");
    }
    if let Ok(set) = document.clone().put("boot", "systemd", Some("true")) {
        for grammar in BOTH {
            assert_eq!(read(&set, grammar).get("boot", "systemd"), Some("true"), "{grammar:?}: {about:?}");
        }
    }
    document.repair();
    assert!(document.complete(), "{about:?}");
    let repaired = document.to_bytes();
    for grammar in BOTH {
        assert_eq!(values(&repaired, grammar), values(&repaired, Grammar::Unknown), "{grammar:?}: {about:?}");
    }
}

#[test]
fn only_what_both_grammars_read_alike_counts_in_every_recorded_case() {
    for case in verdicts::cases() {
        laws(&case.input);
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn only_what_both_grammars_read_alike_counts_in_made_up_files((bytes, _) in wsl_file()) {
        laws(&bytes);
    }
}

/// A machine whose WSL does not report its version, with this wsl.conf.
fn machine(conf: &str) -> Case {
    let case = Case::new(Layout::Modern).file("/etc/wsl.conf", conf);
    std::fs::remove_file(case.machine.path("/fake/wsl-version")).unwrap();
    case
}

#[test]
fn a_line_that_the_grammars_read_differently_is_a_question() {
    for (conf, line) in
        [("[boot]\r\nsystemd=true\\\r\n[user]\r\ndefault=dev\r\n", 2), ("; note\n[boot]\nsystemd=true\n", 1)]
    {
        let case = machine(conf);
        let refused = case.run("setup --yes --repair-wsl-conf no --only systemd");
        let wanted = format!("WSL does not read /etc/wsl.conf to its end: line {line}:");
        assert!(refused.code == 1 && refused.stderr.contains(&wanted), "{}", refused.stderr);
        case.run(&format!("setup {} --only systemd", agreed())).expect(0, "");
        let text = case.machine.text("/etc/wsl.conf");
        for grammar in BOTH {
            let document = read(text.as_bytes(), grammar);
            assert_eq!(document.get("boot", "systemd"), Some("true"), "{grammar:?}: {text:?}");
            assert_eq!(
                document.get("user", "default"),
                conf.contains("default").then_some("dev"),
                "{text:?}"
            );
        }
    }
}

#[test]
fn a_setting_below_a_line_that_both_grammars_read_to_its_end_counts() {
    // The first line has another value in each grammar, the second has one.
    let facts = |conf: &str| {
        let case = machine(conf);
        Machine::facts(&case.machine)
    };
    let conf = facts("[automount]\r\noptions=metadata\\\r\n[boot]\r\nsystemd=true\r\n").wsl_conf;
    assert_eq!((conf.systemd, conf.complete), (Some((true, 4)), false));
    assert_eq!(facts("[boot]\nsystemd=true\n; note\n").wsl_conf.systemd, Some((true, 2)));
    assert_eq!(facts("; note\n[boot]\nsystemd=true\n").wsl_conf.systemd, None);
}
