//! `inspect --watch`.

use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::cluster::Machine;

#[test]
fn watching_needs_a_terminal() {
    let seen = Machine::with_cluster().inspect(&["--watch"]);
    assert_eq!(
        (seen.code, seen.stderr.as_str()),
        (
            2,
            "error: `--watch` needs a terminal\nhint: omit `--watch` to print once; use `--json` in programs\n"
        )
    );
}

#[test]
fn watching_takes_keys_and_restores_the_terminal() {
    let machine = Machine::with_cluster();
    let line = format!(
        "stty rows 40 cols 130; '{}' --root '{}' --user dev inspect --watch; echo ended $?; stty -a",
        env!("CARGO_BIN_EXE_kind-wsl"),
        machine.root
    );
    // `script` makes the terminal, and types what comes on its standard input.
    let mut child = Command::new("script")
        .args(["-qfec", &line, "/dev/null"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("script runs");
    let (mut keys, mut screen) =
        (child.stdin.take().expect("its input"), child.stdout.take().expect("its output"));
    let mut seen = String::new();
    let mut until = |wanted: &str| {
        let begun = Instant::now();
        let mut bytes = [0; 4096];
        while !seen.contains(wanted) {
            assert!(begun.elapsed() < Duration::from_mins(1), "{wanted} did not come: {seen}");
            let count = screen.read(&mut bytes).expect("the screen");
            assert!(count > 0, "{wanted} did not come: {seen}");
            seen.push_str(&String::from_utf8_lossy(&bytes[..count]));
        }
        std::mem::take(&mut seen)
    };
    let first = until("r names");
    assert!(
        first.contains("\x1b[?1049h") && first.contains("default/web") && first.contains("s sort: name"),
        "{first}"
    );
    keys.write_all(b"c").expect("a key");
    until("kubelet.service");
    // Down to app.slice, and fold it.
    keys.write_all(b"j ").expect("a key");
    let folded = until("10 cgroups more with 7 processes");
    assert!(folded.contains("\x1b[7m"), "the cursor shows: {folded}");
    keys.write_all(b"s").expect("a key");
    until("s sort: memory");
    keys.write_all(b"q").expect("a key");
    let end = until("echoe");
    assert!(end.contains("\x1b[?1049l") && end.contains("\x1b[?25h") && end.contains("ended 0"), "{end}");
    assert!(end.contains("icanon") && !end.contains("-icanon") && !end.contains("-isig"), "{end}");
    child.wait().expect("it ended");
}
