//! What a caller leaves to us besides variables for root: dispositions of signals, a language, a terminal that closes,
//! words that look like options.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::process::Child;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::Layout;
use crate::support::cli::{BIN, Case, agreed};

fn pid(child: &Child) -> Pid {
    Pid::from_raw(i32::try_from(child.id()).unwrap())
}

/// Waits for what another process does.
#[track_caller]
fn until(what: &str, holds: impl Fn() -> bool) {
    let begin = Instant::now();
    while !holds() {
        assert!(begin.elapsed() < Duration::from_mins(1), "{what}: not after a minute");
        std::thread::yield_now();
    }
}

/// The process ID of a command that `kind-wsl` runs now.
fn running(child: &Child, words: &str) -> Option<i32> {
    let id = child.id();
    let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap_or_default();
    children.split_ascii_whitespace().find_map(|pid| {
        let line = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default().replace('\0', " ");
        line.contains(words).then(|| pid.parse().unwrap())
    })
}

fn script(case: &Case, name: &str, text: &str) {
    let path = case.machine.path(&format!("/usr/bin/{name}"));
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn a_caller_that_ignores_sigchld_or_blocks_signals_changes_nothing() {
    let plan = |words: &[&str]| Case::new(Layout::Isolated).started_by(words).run("plan");
    let plain = plan(&[]);
    for words in [["env", "--ignore-signal=CHLD"], ["env", "--block-signal"]] {
        let seen = plan(&words);
        assert_eq!((seen.code, &seen.stdout), (plain.code, &plain.stdout), "{words:?}: {}", seen.stderr);
        let case = Case::new(Layout::Isolated).started_by(&words);
        let seen = case.run("setup --yes --only limits,subids");
        assert_eq!(seen.code, 0, "{words:?}: {seen:?}");
    }
    let case = Case::new(Layout::Isolated).started_by(&["env", "--block-signal"]);
    case.signal_at("term-at", "apt-get -y");
    assert_eq!(case.run(&format!("setup {}", agreed())).code, 130, "a blocked SIGTERM is lost");
}

#[test]
fn the_language_of_the_caller_changes_no_fact() {
    for command in ["plan", "plan --json", "doctor"] {
        let run = |language: Option<&str>| {
            let case = Case::new(Layout::Isolated).typed_by_somebody();
            let case = if let Some(language) = language { case.env("LANGUAGE", language) } else { case };
            case.env("LANG", "de_DE.UTF-8").env("LC_MESSAGES", "ja_JP.UTF-8").run(command)
        };
        let plain = run(None);
        assert!(!plain.stdout.is_empty(), "{plain:?}");
        for language in ["de", "ja", "de:en"] {
            let seen = run(Some(language));
            assert_eq!(
                (seen.code, seen.stdout),
                (plain.code, plain.stdout.clone()),
                "{command} in {language}"
            );
        }
    }
}

#[test]
fn a_user_name_that_looks_like_an_option_reaches_no_program() {
    let case = Case::new(Layout::Isolated);
    script(&case, "getent", "#!/bin/sh\necho 'eve:x:1001:1001::/home/dev:/bin/sh'\n");
    for name in ["--service=files", "-s", "", "a:b", "a\nb"] {
        // One word, whatever is in it.
        let mut command = std::process::Command::new(BIN);
        command.args(["--root", case.machine.root.as_str(), "plan"]).arg(format!("--user={name}"));
        let output = command.stdin(std::process::Stdio::null()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{name:?}: {said}");
        assert!(said.contains("error:"), "{name:?}: {said}");
    }
}

#[test]
fn a_closed_terminal_ends_the_run_between_two_changes() {
    let case = Case::new(Layout::Isolated).started_by(&["env", "--default-signal=HUP"]);
    case.signal_at("hup-at", "apt-get -y");
    let seen = case.run(&format!("setup {}", agreed()));
    assert_eq!(seen.code, 130, "{seen:?}");
    assert!(seen.stdout.contains("done    installed podman"), "{seen:?}");
    assert_eq!(seen.stderr, "Finishing this step, then stopping.\n");
    // What nohup started is not to be stopped by the terminal.
    let case = Case::new(Layout::Isolated).started_by(&["env", "--ignore-signal=HUP"]);
    case.signal_at("hup-at", "apt-get -y");
    assert_eq!(case.run("setup --yes --only packages").expect(0, "").code, 0);
}

#[test]
fn the_first_ctrl_c_finishes_the_step_and_the_second_aborts_it() {
    let case = Case::new(Layout::Isolated).started_by(&["env", "--default-signal=INT"]);
    case.signal_at("hang-at", "apt-get -y");
    let mut child = case.start("setup --yes --only packages");
    let mut said = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    // The hook takes its file away when apt-get hangs. One that ends before would leave it to the next run.
    until("apt-get hangs", || !case.machine.path("/fake/hang-at").exists());
    let apt = Pid::from_raw(running(&child, "apt-get -y").unwrap());
    kill(pid(&child), Signal::SIGINT).unwrap();
    let first = "Finishing this step, then stopping. Press Ctrl-C again to abort it.";
    assert_eq!(said.next().as_deref(), Some(first));
    assert!(kill(apt, None).is_ok(), "the first Ctrl-C ended apt-get");
    kill(pid(&child), Signal::SIGINT).unwrap();
    assert_eq!(said.next().as_deref(), Some("Aborting this step."));
    let seen = case.end(child);
    assert_eq!(seen.code, 130, "{seen:?}");
    assert!(seen.stdout.contains("Aborted in the middle of a step."), "{seen:?}");
    assert!(kill(apt, None).is_err(), "apt-get goes on");
    case.run("setup --yes --only packages").expect(0, "");
}

#[test]
fn each_of_three_ctrl_c_shows_something_and_the_third_kills_a_command_that_ignores_the_second() {
    let case = Case::new(Layout::Isolated).started_by(&["env", "--default-signal=INT"]);
    let apt = "#!/bin/sh\ncase \" $* \" in *' -s '*) exit 0;; esac\ntrap '' TERM INT\necho > \"$KIND_WSL_ROOT/fake/begun\"\nwhile :; do sleep 1; done\n";
    script(&case, "apt-get", apt);
    let mut child = case.start("setup --yes --only packages");
    let mut said = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    until("apt-get runs", || case.machine.path("/fake/begun").exists());
    for wanted in ["Finishing this step", "Aborting this step.", "Aborting this step."] {
        kill(pid(&child), Signal::SIGINT).unwrap();
        let line = said.next().unwrap_or_default();
        assert!(line.starts_with(wanted), "{line}");
    }
    assert_eq!(case.end(child).code, 130);
}

/// With a pipe it would die of SIGPIPE at its next word.
#[test]
fn a_command_that_changes_the_machine_ends_its_work_although_we_are_killed() {
    let case = Case::new(Layout::Isolated);
    let apt = "#!/bin/sh\ncase \" $* \" in *' -s '*) exit 0;; esac\ncd \"$KIND_WSL_ROOT/fake\"\necho > begun\n\
               while [ ! -e go ]; do sleep 0.01; done\necho unpacking || exit\necho unpacking >&2 || exit\necho > ended\n";
    script(&case, "apt-get", apt);
    let mut child = case.start("setup --yes --only packages");
    until("apt-get runs", || case.machine.path("/fake/begun").exists());
    child.kill().unwrap();
    child.wait().unwrap();
    case.machine.write("/fake/go", "");
    until("apt-get ends", || case.machine.path("/fake/ended").exists());
}
