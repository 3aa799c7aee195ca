//! The port of WSL's parser against the recorded verdicts of WSL's parser itself.
//!
//! `tests/data/wsl-config-verdicts.jsonl` holds what the parser of WSL 2.9.4 took from each of these files. Those of the
//! dialect `wsl.conf-skip` (WSL 2.9.13 and later) are marked `derived`: no such parser was run. They follow from the rule
//! of microsoft/WSL pull requests 41606 and 41591, applied by `tests/vm/guest/conf.rs`, which agrees with every recorded
//! verdict. Set `KIND_WSL_VERDICTS` to the path of a further file of that form to check it as well.

use std::fmt::Write as _;
use std::path::Path;

use kind_wsl::edit::wslconf::{Dialect, Document, Grammar};
use serde_json::Value;

/// One file and what WSL took from it.
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) dialect: Dialect,
    pub(crate) grammar: Grammar,
    pub(crate) input: Vec<u8>,
    pub(crate) values: Vec<(String, String)>,
    pub(crate) complete: bool,
    pub(crate) warnings: usize,
}

/// The cases of the repository.
pub(crate) fn cases() -> Vec<Case> {
    read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/wsl-config-verdicts.jsonl"))
}

fn read(path: &Path) -> Vec<Case> {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.lines().filter(|line| !line.is_empty()).map(|line| case(line).expect("a case")).collect()
}

fn case(line: &str) -> Option<Case> {
    let case: Value = serde_json::from_str(line).ok()?;
    let pair = |pair: &Value| Some((pair[0].as_str()?.to_owned(), pair[1].as_str()?.to_owned()));
    let (dialect, grammar) = match case["dialect"].as_str()? {
        "wsl.conf" => (Dialect::WslConf, Grammar::Stop),
        "wsl.conf-skip" => (Dialect::WslConf, Grammar::Skip),
        "wslconfig" => (Dialect::WslConfig, Grammar::Stop),
        _ => return None,
    };
    Some(Case {
        name: case["name"].as_str()?.to_owned(),
        dialect,
        grammar,
        input: base64(case["input_base64"].as_str()?),
        values: case["values"].as_array()?.iter().map(pair).collect::<Option<_>>()?,
        complete: case["complete"].as_bool()?,
        warnings: usize::try_from(case["warnings"].as_u64()?).ok()?,
    })
}

fn base64(text: &str) -> Vec<u8> {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits: Vec<usize> =
        text.bytes().filter_map(|char| DIGITS.iter().position(|&digit| digit == char)).collect();
    let group = |group: &[usize]| {
        let bits = group.iter().fold(0, |bits, digit| bits << 6 | digit) << (6 * (4 - group.len()));
        [bits >> 16, bits >> 8, bits].map(|bits| u8::try_from(bits & 0xff).expect("a byte"))
            [..group.len() - 1]
            .to_vec()
    };
    digits.chunks(4).flat_map(group).collect()
}

/// A value as the record spells it.
fn escaped(value: &[u8]) -> String {
    value.iter().fold(String::new(), |mut text, &byte| {
        let _ = match byte {
            b'\\' => write!(text, r"\\"),
            b'\n' => write!(text, r"\n"),
            b'\t' => write!(text, r"\t"),
            0x08 => write!(text, r"\b"),
            b' '..=b'~' => write!(text, "{}", char::from(byte)),
            _ => write!(text, r"\x{byte:02x}"),
        };
        text
    })
}

/// What differs between WSL's verdict and ours.
fn mismatch(case: &Case) -> Option<String> {
    let document = Document::parse_as(&case.input, case.dialect, case.grammar);
    let values: Vec<(String, String)> =
        document.values().map(|(name, value)| (name, escaped(value))).collect();
    let mut report = String::new();
    if values != case.values {
        let _ = write!(report, "\n  values: WSL {:?}\n          we  {values:?}", case.values);
    }
    // The newer grammar reads UTF-16 to its end, but takes nothing from it.
    let is_utf16 = case.grammar == Grammar::Skip && case.values.is_empty();
    if document.complete() != case.complete && !is_utf16 {
        let _ = write!(report, "\n  complete: WSL {}, we {}", case.complete, document.complete());
    }
    if document.problems().len() != case.warnings {
        let _ = write!(report, "\n  warnings: WSL {}, we {:#?}", case.warnings, document.problems());
    }
    (!report.is_empty()).then(|| format!("{} {:?} {:?}{report}", case.name, case.dialect, case.grammar))
}

#[test]
fn every_recorded_verdict_of_wsl_is_reproduced() {
    let mut cases = cases();
    let recorded = cases.iter().filter(|case| case.grammar == Grammar::Stop).count();
    let derived = cases.len() - recorded;
    if let Some(path) = std::env::var_os("KIND_WSL_VERDICTS") {
        cases.extend(read(path.as_ref()));
    }
    let mismatches: Vec<String> = cases.iter().filter_map(mismatch).collect();
    let agreed = cases.len() - mismatches.len();
    let summary = format!("{agreed} of {} verdicts agree ({recorded} in the repository)", cases.len());
    assert!(mismatches.is_empty(), "{summary}\n{}", mismatches.join("\n"));
    assert!(recorded >= 404 && derived >= 191, "only {recorded} cases and {derived} derived ones were read");
    println!("{summary}");
}
