//! `kind-wsl status`: the answer first, then the next command, then everything.

use serde_json::Value;

use crate::support::Layout;
use crate::support::cli::{Case, agreed};

/// The state, its sentence and the next command as programs read them, after a look at what people read.
fn state(case: &Case) -> (String, Option<String>) {
    let json: Value = serde_json::from_str(&case.run("status --json").expect(0, "").stdout).unwrap();
    let text = |key: &str| json[key].as_str().map(ToOwned::to_owned);
    let summary = text("summary").unwrap();
    let brief = case.run("status -q").expect(0, "").stdout;
    assert_eq!(brief, format!("{summary}\n"));
    let normal = case.run("status").expect(0, "").stdout;
    let (first, next) = normal.split_once('\n').unwrap();
    assert_eq!(first, summary);
    assert!(next.lines().all(|line| line.starts_with("  ")) && next.lines().count() <= 3, "{normal}");
    if let Some(command) = text("advice") {
        assert!(next.lines().any(|line| line.ends_with(&format!("  {command}"))), "{normal}");
    }
    let full = case.run("status -v").expect(0, "").stdout;
    assert!(full.starts_with(&summary) && full.contains("\nsubids         "), "{full}");
    (text("state").unwrap(), text("advice"))
}

#[test]
fn every_state_has_a_stable_name_and_its_next_command() {
    let seen =
        |state: &str, advice: &str| (state.to_owned(), (!advice.is_empty()).then(|| advice.to_owned()));
    let case = Case::new(Layout::Isolated);
    assert_eq!(state(&case), seen("not-set-up", "kind-wsl setup"));
    case.signal_at("kill-after", "=600 install --no-remove --no-install-recommends podman");
    assert_eq!(case.run(&format!("setup {}", agreed())).code, 137);
    assert_eq!(state(&case), seen("interrupted", "kind-wsl setup"));
    case.run(&format!("setup {}", agreed())).expect(3, "");
    assert_eq!(state(&case), seen("waiting-for-restart", "kind-wsl setup"));
    case.machine.boot(2);
    assert_eq!(state(&case), seen("restarted", "kind-wsl setup"));
    case.run("setup").expect(0, "");
    assert_eq!(state(&case), seen("set-up", ""));
    let full = case.run("status -v").expect(0, "").stdout;
    assert!(
        full.contains("\nApplied changes\n") && full.contains("\n  subids         edit /etc/subuid"),
        "{full}"
    );
    let subuid = case.machine.text("/etc/subuid");
    case.machine.write("/etc/subuid", "");
    assert_eq!(state(&case), seen("drifted", "kind-wsl plan"));
    case.machine.write("/etc/subuid", subuid);
    case.run("undo --yes").expect(0, "");
    assert_eq!(state(&case), seen("packages-left", "kind-wsl undo --packages"));
}
