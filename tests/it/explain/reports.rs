//! Messages of public reports: the 28 that the project was judged by, others of the same kinds, other wordings of all
//! of them, and ordinary logs, which are none of them.

use kind_wsl::explain::{EntryKind, Id, MatchStrength, diagnose, table};
use serde::Deserialize;

use crate::explain::forms::wrapped;

/// A message of a public report, and what has to be found in its fix.
#[derive(Deserialize)]
struct Report {
    id: String,
    source: String,
    fix: String,
    text: String,
}

/// Another message of the same kinds, and the headlines that are right.
#[derive(Deserialize)]
struct Variant {
    ids: Vec<String>,
    source: String,
    text: String,
}

const ORDINARY: &str = include_str!("../../data/ordinary-logs.txt");

fn read<T: for<'de> Deserialize<'de>>(lines: &str) -> Vec<T> {
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn reports() -> Vec<Report> {
    read(include_str!("../../data/reports.jsonl"))
}

fn variants() -> Vec<Variant> {
    read(include_str!("../../data/variants.jsonl"))
}

/// The IDs that a text shows, best first.
fn ids(text: &str) -> Vec<String> {
    diagnose(text).iter().map(|found| found.symptom.id.to_string()).collect()
}

#[test]
fn every_report_has_the_right_headline_and_fix() {
    let reports = reports();
    assert_eq!(reports.len(), 28);
    let mut wrong = Vec::new();
    for Report { id, source, fix, text } in &reports {
        let found = diagnose(text);
        let best = found.first().map(|m| m.symptom);
        let has_fix = best.is_some_and(|symptom| {
            let stages: Vec<_> = symptom.stages.iter().map(|stage| stage.id).collect();
            let all =
                [symptom.fix.as_str(), symptom.run.as_deref().unwrap_or(""), &stages.join(",")].join(" ");
            all.to_lowercase().contains(&fix.to_lowercase())
        });
        if best.is_none_or(|symptom| symptom.id.to_string() != *id) || !has_fix {
            wrong.push(format!("{source}: {:?} for {id} with `{fix}`", ids(text)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn other_messages_of_the_same_kinds_have_a_right_headline() {
    let variants = variants();
    assert!(variants.len() > 150);
    let is_wrong = |v: &&Variant| ids(&v.text).first().is_none_or(|id| !v.ids.contains(id));
    let wrong: Vec<_> = variants
        .iter()
        .filter(is_wrong)
        .map(|v| format!("{}: {:?}, not {:?}: {}", v.source, ids(&v.text), v.ids, v.text))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Ten other wordings of a message.
fn wordings(text: &str) -> Vec<(&'static str, String)> {
    let lines = |map: &dyn Fn(usize, &str) -> String| {
        text.lines().enumerate().map(|(n, line)| map(n, line)).collect::<Vec<_>>().join("\n")
    };
    let digits = |c: char| if c.is_ascii_digit() { char::from(b'0' + (c as u8 - b'0' + 3) % 10) } else { c };
    let hexadecimal = |word: &str| {
        let is_id = word.len() >= 12 && word.chars().all(|c| c.is_ascii_hexdigit());
        if is_id { word.chars().map(digits).collect() } else { word.to_owned() }
    };
    let html = text.replace('&', "&amp;").replace('"', "&quot;").replace('\'', "&#39;").replace('>', "&gt;");
    let is_wsl = text.contains("Wsl/") || text.contains("wsl:") || text.contains("wsl.conf");
    let translated = lines(&|_, line| {
        // The code and the names stay, whatever the language.
        let words = [
            ("Error code:", "Fehlercode:"),
            ("Unknown key", "Unbekannter Schlüssel"),
            ("failed.", "fehlgeschlagen."),
        ];
        words.iter().fold(line.to_owned(), |line, (from, to)| line.replace(from, to))
    });
    let cut = |line: &str, share: usize| {
        let count = line.chars().count();
        let keep = if count > 60 { count * share / 100 } else { count };
        line.chars().take(keep).collect::<String>()
    };
    let middle = lines(&|_, line| {
        let skip = if line.len() > 140 { line.len() / 10 } else { 0 };
        line.chars().skip(skip).collect::<String>()
    });
    vec![
        ("other quotes", text.replace(['"', '`'], "”").replace('\'', "’")),
        ("HTML", html),
        ("quoted in a mail", lines(&|_, line| format!("> {line}"))),
        ("numbered", lines(&|n, line| format!("{:>4}\t{line}", n + 17))),
        ("with times", lines(&|_, line| format!("2026-11-27T21:04:05.123Z {line}"))),
        (
            "in a second column",
            wrapped(text, 60, "\n")
                .lines()
                .enumerate()
                .map(|(n, line)| format!("{line:<62}run.py:{}", n + 99))
                .collect::<Vec<_>>()
                .join("\n"),
        ),
        (
            "other IDs",
            text.split_inclusive(|c: char| !c.is_ascii_alphanumeric())
                .map(|word| {
                    let end = word.trim_end_matches(|c: char| !c.is_ascii_alphanumeric()).len();
                    hexadecimal(&word[..end]) + &word[end..]
                })
                .collect(),
        ),
        ("cut at the end", lines(&|_, line| cut(line, 92))),
        ("cut at the beginning", middle),
        ("in another language or in capitals", if is_wsl { translated } else { text.to_uppercase() }),
    ]
}

#[test]
fn at_least_95_of_100_other_wordings_have_the_right_headline() {
    let reports = reports().into_iter().map(|r| (vec![r.id], r.text));
    let variants = variants().into_iter().map(|v| (v.ids, v.text));
    let (mut right, mut wrong) = (0, Vec::new());
    let mut of_reports = (0, 0);
    for (number, (accepted, text)) in reports.chain(variants).enumerate() {
        for (name, form) in wordings(&text) {
            let found = ids(&form);
            let is_right = found.first().is_some_and(|id| accepted.contains(id));
            right += usize::from(is_right);
            if number < 28 {
                of_reports = (of_reports.0 + usize::from(is_right), of_reports.1 + 1);
            }
            if !is_right {
                wrong.push(format!("{name}: {found:?}, not {accepted:?}: {}", form.replace('\n', " | ")));
            }
        }
    }
    let all = right + wrong.len();
    println!("{right} of {all} wordings are right, {} of {} of the 28 reports", of_reports.0, of_reports.1);
    assert!(right * 100 >= all * 95, "{right} of {all}:\n{}", wrong.join("\n"));
    assert!(of_reports.0 * 100 >= of_reports.1 * 95, "{of_reports:?}:\n{}", wrong.join("\n"));
}

#[test]
fn two_thousand_lines_of_ordinary_logs_match_nothing() {
    assert!(ORDINARY.lines().count() >= 2000);
    assert_eq!(ids(ORDINARY), Vec::<String>::new());
    for line in ORDINARY.lines() {
        assert_eq!(ids(line), Vec::<String>::new(), "{line}");
    }
}

#[test]
fn fixed_text_never_outweighs_a_line_that_states_a_result() {
    let log = "[kubelet-check] The kubelet is healthy after 19s\n[api-check] The API server is not healthy after 20m0s\n\nUnfortunately, an error has occurred:\n\tcontext deadline exceeded\n\nThis error is likely caused by:\n\t- The kubelet is not running\n\t- The kubelet is unhealthy due to a misconfiguration of the node in some way (required cgroups disabled)\n";
    let found = diagnose(log);
    assert_eq!((found[0].symptom.id, found[0].fit), (Id(89), MatchStrength::Exact));
    assert!(found[0].symptom.check.contains("crictl logs"), "{}", found[0].symptom.check);
    let kubelet = found.iter().find(|m| m.symptom.id == Id(13)).unwrap();
    assert_eq!(kubelet.fit, MatchStrength::Boilerplate);
}

#[test]
fn harmless_rootless_messages_come_last() {
    let harmless =
        "disabling OOM events: open /dev/kmsg: operation not permitted\nFailed to ApplyOOMScoreAdj";
    let found = diagnose(harmless);
    assert!(
        found.iter().all(|m| m.symptom.kind == EntryKind::Harmless) && found.len() == 2,
        "{:?}",
        ids(harmless)
    );
    let with = format!("{harmless}\nfailed to create fsnotify watcher: too many open files");
    assert_eq!(ids(&with)[0], "KW050");
}

#[test]
fn a_bare_refusal_or_service_path_is_not_an_exact_symptom() {
    for text in [
        "The connection to the server 127.0.0.1:41895 was refused - did you specify the right host or port?",
        "dial tcp 127.0.0.1:58995: connectex: No connection could be made because the target machine actively refused it.",
        "Error code: Wsl/Service/CreateInstance/CreateVm/ConfigureNetworking/HNS/0x80041002",
        "Error code: Wsl/Service/E_UNEXPECTED",
    ] {
        let found = diagnose(text);
        assert!(
            !found.is_empty() && found.iter().all(|m| m.fit != MatchStrength::Exact),
            "{text}: {:?}",
            ids(text)
        );
    }
}

#[test]
fn no_text_removes_what_belongs_to_the_user() {
    for symptom in &table().unwrap().symptoms {
        let texts =
            [&symptom.cause, &symptom.check, &symptom.fix, symptom.run.as_ref().unwrap_or(&symptom.fix)];
        for words in [
            "delete cluster",
            "system reset",
            "system prune",
            "rm -rf",
            "--unregister",
            "machine rm",
            "machine reset",
        ] {
            assert!(texts.iter().all(|text| !text.contains(words)), "{}: {words}", symptom.id);
        }
    }
}

#[test]
fn ids_never_change() {
    let mut found: Vec<u16> = table().unwrap().symptoms.iter().map(|s| s.id.0).collect();
    found.sort_unstable();
    // Add new IDs here. One that was released stays, and keeps its meaning.
    let released: Vec<u16> = (1..=114).chain(200..=252).chain(300..=302).collect();
    assert_eq!(found, released);
}

/// What the system says of anything: these mean something only with their context.
const GENERIC: [&str; 4] = [
    "permission denied",
    "operation not permitted",
    "Resource temporarily unavailable",
    "could not resolve host",
];

#[test]
fn every_message_that_doctor_quotes_is_known() {
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/src/checks");
    let mut quoted = 0;
    for entry in std::fs::read_dir(source).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        // The escaped quotes in a string of the source are those that a user sees.
        for message in text.split("\\\"").skip(1).step_by(2).filter(|m| m.len() >= 12 && m.contains(' ')) {
            let message =
                message.replace("{name}", "pasta").replace("{provider}", "podman").replace('…', "x");
            // It ends where it has quotes of its own.
            let message = message.replace(
                "requires setting systemd property ",
                "requires setting systemd property Delegate=yes",
            );
            if !GENERIC.contains(&message.as_str()) {
                quoted += 1;
                assert!(!ids(&message).is_empty(), "doctor quotes `{message}`");
            }
        }
    }
    assert!(quoted > 10, "{quoted}");
}
