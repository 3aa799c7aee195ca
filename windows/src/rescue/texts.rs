//! The messages of a rescue.

use crate::text::Version;

/// `kind-wsl.exe rescue --help`
pub const HELP: &str = "\
Rescues a WSL distribution that no longer starts.

It starts the distribution in WSL's safe mode, undoes what kind-wsl changed in
it, and starts it again. .wslconfig is changed for that and restored. All other
distributions stop meanwhile. If a rescue is interrupted, run it again.

Usage: kind-wsl.exe rescue -d NAME [OPTIONS]

  -d, --distribution NAME  the distribution to rescue
      --last               undo only what the last setup changed
      --drift HOW          files that were changed since: stop, keep or restore
                           [default: stop]
      --program PATH       the Linux program, if it is not where setup ran it
  -y, --yes                do not ask, even if other distributions stop
  -h, --help               show this help

Exit codes: 0 the distribution starts; 1 not confirmed; 15 it does not start, or
WSL is too old for safe mode; 11, 12, 13 WSL, the distribution or the directory
for the files is missing.
";

pub(super) const DECLINED: &str = "kind-wsl: nothing was changed. To proceed without a question, add --yes.";
pub(super) const STAYS: &str = "kind-wsl: the rescue is not finished. To finish it, run it again.";
pub(super) const RESTORED: &str = "kind-wsl: safe mode is off; .wslconfig is as it was before.";
pub(super) const RESTORED_BESIDE_EDIT: &str =
    "kind-wsl: safe mode is off; your edit of .wslconfig stays, the lines of kind-wsl\nare removed from it.";

pub(super) fn checking(name: &str) -> String {
    format!("kind-wsl: checking whether {name} starts (up to 2 minutes) …")
}

pub(super) fn starts_anyway(name: &str) -> String {
    format!(
        "kind-wsl: {name} starts, so there is nothing to rescue.\nTo undo what kind-wsl changed in it: kind-wsl.exe undo -d {name}"
    )
}

pub(super) fn does_not_start(name: &str, why: &str) -> String {
    format!("kind-wsl: {name} does not start ({why}).")
}

pub(super) fn plan(name: &str) -> String {
    format!(
        "\nThis starts {name} in WSL's safe mode, undoes what kind-wsl changed in it, and\n\
         starts it again. .wslconfig is changed for that and restored afterwards."
    )
}

pub(super) fn stops(others: &[String]) -> String {
    format!("This also stops {}.", others.join(", "))
}

pub(super) fn resumes(name: &str) -> String {
    format!("kind-wsl: the interrupted rescue of {name} resumes.")
}

pub(super) fn other_first(name: &str) -> String {
    format!("kind-wsl: the rescue of {name} is not finished. Finish it first: kind-wsl.exe rescue -d {name}")
}

pub(super) fn name_one(installed: &[String]) -> String {
    let list = if installed.is_empty() { "none".into() } else { installed.join(", ") };
    format!("kind-wsl: name the distribution to rescue: -d NAME. Installed: {list}.")
}

pub(super) fn too_old(found: Option<Version>) -> String {
    let found = found.map_or("this WSL has no version".into(), |(a, b, c)| format!("found {a}.{b}.{c}"));
    format!(
        "kind-wsl: safe mode needs WSL 0.66.2 or later ({found}).\n\
         Update WSL, then run the same command again: wsl.exe --update"
    )
}

pub(super) fn starting_in_safe_mode(name: &str) -> String {
    format!("kind-wsl: WSL stops; {name} starts in safe mode …")
}

pub(super) fn starting(name: &str) -> String {
    format!("kind-wsl: WSL stops; {name} starts …")
}

pub(super) fn no_program(name: &str) -> String {
    format!(
        "kind-wsl is not in {name}. If it is at another path than setup ran it, name it with --program; otherwise put \
         the file kind-wsl of this release beside kind-wsl.exe"
    )
}

pub(super) fn not_even_in_safe_mode(name: &str, why: &str) -> String {
    format!("{name} does not start in safe mode either: {why}")
}

pub(super) fn still_in_safe_mode(name: &str, why: &str) -> String {
    format!(
        "kind-wsl: WSL does not stop, so it may still be in safe mode: {why}.\n\
         Restart Windows, then finish the rescue: kind-wsl.exe rescue -d {name}"
    )
}

pub(super) fn rescued(name: &str, is_complete: bool, detail: Option<&str>) -> String {
    if is_complete {
        return format!(
            "\n{name} starts. What kind-wsl changed in it is undone.\nTo set it up again: kind-wsl.exe setup -d {name}"
        );
    }
    let why = detail.map(|why| format!(" ({why})")).unwrap_or_default();
    format!("\n{name} starts, but not everything was undone{why}.\nTo undo the rest: kind-wsl.exe undo -d {name}")
}

pub(super) fn not_rescued(name: &str, why: &str, detail: Option<&str>, has_drift: bool) -> String {
    let mut text = format!("\n{name} does not start ({why}).\n");
    match detail {
        Some(detail) => {
            text += &format!("The changes of kind-wsl were not undone: {detail}.\n");
            if detail.starts_with("undo ended") && !has_drift {
                text += &format!(
                    "If undo stopped at a file that was changed since, decide about it:\n  kind-wsl.exe rescue -d {name} --drift restore\n"
                );
            }
        }
        None => text += "What kind-wsl changed in it is undone, so the cause is another one.\n",
    }
    text + &format!(
        "What you can do next:\n  wsl.exe -d {name}\n      shows WSL's own message\n  wsl.exe --update\n      \
         fixes faults of WSL itself\n  wsl.exe --export {name} {name}.tar\n      saves the files of {name}"
    )
}

pub(super) fn files(why: &str) -> String {
    format!("kind-wsl: {why}.\nMake room or free the file, then run the same command again.")
}
