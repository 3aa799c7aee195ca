//! Answers, versions, and what a pasted error means.

use std::cmp::Ordering;
use std::sync::LazyLock;

use kind_wsl::explain::diagnose;
use kind_wsl::explain::input::Input;
use kind_wsl::facts::Facts;
use kind_wsl::stage::answers_in;
use kind_wsl::stages::{self, questions};
use kind_wsl::suggest::did_you_mean;
use kind_wsl::version::Version;

use super::system::{Machine, dev};
use super::{Shape, Target, choice};

pub(crate) const ANSWERS: Target = Target {
    name: "answers",
    words: &[
        "provider",
        "restart_all",
        "idle",
        "dmesg",
        "privileged_ports",
        "crun",
        " = ",
        "=",
        "\"yes\"",
        "\"no\"",
        "true",
        "1",
        "[a]",
        "\"podman\"",
        "\"docker\"",
        "\"latest\"",
        "\"1.28\"",
        "'",
        "\"",
        "\"\"\"",
        "#",
        "\n",
        "\r\n",
        "-1",
        "1e400",
        "{}",
        "[]",
        "é",
        "\\u0000",
        ".",
    ],
    run: answers,
    ordinary: 1500,
};
pub(crate) const VERSION: Target = Target {
    name: "version",
    words: &[
        "1",
        "9",
        ".",
        "0",
        "00",
        "-rc1",
        "+ds1-8",
        "~",
        "v",
        ":",
        "1:",
        " ",
        "\n",
        "18446744073709551615",
        "18446744073709551616",
        "é",
        "\u{660}",
        "-microsoft-standard-WSL2",
        "systemd",
        "cgroup",
    ],
    run: version,
    ordinary: 5000,
};
pub(crate) const EXPLAIN: Target = Target {
    name: "explain",
    words: &[
        "ERROR: failed to create cluster: ",
        "running kind with rootless provider requires setting systemd property \"Delegate=yes\"",
        "Error: OCI runtime error: crun: ",
        "cgroup.controllers: no such file or directory",
        "Interactive authentication required",
        "\x1b[31;1m",
        "\x1b[0m",
        "#033[31m",
        "^[[1m",
        "\\x1b[0m",
        "\x1b]8;;",
        "\x07",
        "\\n",
        "\\\\n",
        "\r\n",
        "\n",
        "\r",
        "time=\"",
        "Nov 22 10:00:00 ",
        "ERRO[0000] ",
        "2026-11-22",
        "[   12.345678] ",
        " ✗ ",
        " • ",
        "“",
        "é",
        "\0",
        "[1m",
        "[",
        "(",
        "W1122 ",
    ],
    run: explain,
    ordinary: 800,
};

static FACTS: LazyLock<Facts> = LazyLock::new(|| Facts::probe(&Machine::usual("", b""), dev()));

fn answers(input: &[u8]) -> Shape {
    let text = String::from_utf8_lossy(input);
    let said = match answers_in(&text) {
        Ok(said) => said,
        Err(none) => {
            assert!(none.line > 0 && none.line <= text.matches('\n').count() + 1 && !none.why.is_empty());
            return Shape::of("no toml").few(none.line);
        }
    };
    let mut shape = Shape::of("read").few(said.len());
    for (key, said) in &said {
        let Some(question) = questions().find(|q| q.id == key) else {
            assert!(
                did_you_mean(key, questions().map(|q| q.id))
                    .is_none_or(|near| questions().any(|q| q.id == near))
            );
            continue;
        };
        shape = shape.and(question.id);
        match question.accept(said, &FACTS) {
            Ok(answer) => {
                assert_eq!(
                    question.accept(&answer, &FACTS).as_ref(),
                    Ok(&answer),
                    "an answer is its own answer"
                );
                shape = shape.and(answer.len().min(4));
            }
            Err(error) => {
                assert!(error.to_string().contains(said.as_str()) && !error.hint().is_empty(), "{error}");
                shape = shape.and(error.near.is_some());
            }
        }
    }
    shape
}

/// Three lines: three versions.
fn version(input: &[u8]) -> Shape {
    let text = String::from_utf8_lossy(input);
    let by = choice(input);
    let mut versions = Vec::new();
    for line in text.split('\n').take(3) {
        let Ok(version) = line.parse::<Version>() else {
            let error = line.parse::<Version>().expect_err("as before").to_string();
            assert!(error.contains(line.trim()), "{error}");
            if by.is_multiple_of(16) {
                let name: String = line.chars().take(20).collect();
                assert!(
                    stages::by_id(&name).is_err_and(|error| !error.hint().is_empty()) || !name.is_empty()
                );
            }
            continue;
        };
        assert_eq!(version.as_str(), line.trim(), "it is shown as it was written");
        assert_eq!(
            version.release().parse::<Version>().as_ref(),
            Ok(&version),
            "its numbers alone are the same version"
        );
        assert!(version.release().bytes().all(|b| b.is_ascii_digit() || b == b'.'));
        if by % 4 == 1 {
            let json = serde_json::to_string(&version).expect("a text");
            let again = serde_json::from_str::<Version>(&json).map(|v| v.to_string());
            assert_eq!(again.ok(), Some(version.to_string()));
        }
        assert_eq!((version.major(), version.minor()), (version.number(0), version.number(1)));
        versions.push(version);
    }
    let shape = Shape::of(versions.len());
    if let [a, b, rest @ ..] = &versions[..] {
        let c = rest.first().unwrap_or(a);
        assert_eq!(a.cmp(b), b.cmp(a).reverse());
        assert_eq!(a == b, a.cmp(b) == Ordering::Equal);
        assert_eq!(a == b, Shape::of(a).hash() == Shape::of(b).hash(), "equal ones have one hash");
        assert!(!(a <= b && b <= c) || a <= c, "what is before what is before is before");
        if by % 4 == 2 {
            let mut lines = text.split('\n');
            let mut word = || lines.next().unwrap_or_default().chars().take(20).collect::<String>();
            let (word, other) = (word(), word());
            assert_eq!(
                did_you_mean(&word, [word.as_str(), other.as_str()]).as_deref().map(str::to_lowercase),
                Some(word.to_lowercase())
            );
        }
        return shape.and(a.cmp(b)).and(b.cmp(c)).and(a.number(2) > 0).and(a.as_str() == a.release());
    }
    shape
}

fn explain(input: &[u8]) -> Shape {
    let read = Input::read(&mut &*input).expect("bytes can be read");
    assert!(read.skipped == 0 && !read.text.contains('\0') || input.contains(&0));
    let text = read.text;
    let found = diagnose(&text);
    let rows = |found: &[kind_wsl::explain::Match]| {
        let mut rows: Vec<u16> = found.iter().map(|m| m.symptom.id.0).collect();
        rows.sort_unstable();
        rows
    };
    let all = rows(&found);
    assert!(all.windows(2).all(|pair| pair[0] != pair[1]), "no symptom twice");
    for one in &found {
        assert!(text.is_char_boundary(one.at), "it is found where a letter begins");
        let line = one.line(&text);
        assert!(
            !line.contains('\n') && !line.chars().any(char::is_control),
            "it is fit for a screen: {line:?}"
        );
        assert!(one.line_number(&text) >= 1 && one.line_number(&text) <= text.matches('\n').count() + 1);
    }
    let by = choice(input);
    // More text never takes away what was found.
    if !all.is_empty() || by.is_multiple_of(8) {
        let more = format!("nothing is known of this\n\n{text}\n\nnor of this");
        let more = rows(&diagnose(&more));
        assert!(all.iter().all(|row| more.contains(row)), "{all:?} became {more:?}");
    }
    if (!all.is_empty() || by % 8 == 1) && !text.contains(['\r', '\x1b', '\\', '^', '#', '[']) {
        assert_eq!(rows(&diagnose(&text.replace('\n', "\r\n"))), all, "line ends make no difference");
    }
    Shape::of(all).few(found.len())
}
