//! Two runs at once.

use std::fs;
use std::io::{BufRead, BufReader};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{calm, recovers};
use crate::support::Layout;
use crate::support::cli::Case;

#[test]
fn a_second_run_names_the_running_process_and_continues_when_it_has_ended() {
    let calm = calm(Layout::Isolated);
    let case = Case::new(Layout::Isolated);
    case.signal_at("hang-at", "apt-get -y");
    let mut first = case.start(&format!("setup --verbose {}", crate::support::cli::agreed()));
    let mut lines = BufReader::new(first.stdout.take().unwrap()).lines().map(Result::unwrap);
    // The hook takes its file away when apt hangs.
    while case.machine.path("/fake/hang-at").exists() {
        assert!(first.try_wait().unwrap().is_none(), "the first run ended");
        std::thread::yield_now();
    }
    let id = first.id();
    let said = format!(
        "error: another kind-wsl is at work for `dev`: process {id} (`kind-wsl`) holds the lock in `/var/lib/kind-wsl`\n\
         hint: wait until it has ended; `ps -fp {id}` shows it\n"
    );
    for command in ["setup --yes", "undo --yes"] {
        case.run(command).without_start().expect(1, &said);
    }
    // A look needs no lock.
    case.run("status").expect(0, "").says("  Resume   kind-wsl setup\n");
    let child = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap_or_default();
    kill(Pid::from_raw(id.try_into().unwrap()), Signal::SIGKILL).unwrap();
    for child in child.split_ascii_whitespace() {
        kill(Pid::from_raw(child.parse().unwrap()), Signal::SIGKILL).unwrap();
    }
    first.wait().unwrap();
    assert!(lines.next().is_some());
    recovers(&case, &calm);
}
