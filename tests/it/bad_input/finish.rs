//! What a setup says when it ends.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::support::Layout;
use crate::support::cli::{Case, Seen, agreed};

#[test]
fn the_end_of_a_setup_counts_the_changes_of_all_its_runs() {
    let case = Case::new(Layout::Modern);
    let first = case.run(&format!("setup {} --no-restart --json", agreed())).expect(3, "");
    let is_lasting =
        |l: &&str| l.contains("\"event\":\"changed\"") && !l.contains("/etc/profile.d/kind-wsl.sh");
    let made = first.stdout.lines().filter(is_lasting).count();
    case.machine.boot(2);
    case.run("setup").expect(0, "").says(&format!("Done: {made} changes applied, 10 checks passed."));
    assert!(made > 10, "{}", first.stdout);
}

#[test]
fn only_stages_that_do_work_are_counted() {
    let case = Case::new(Layout::Modern);
    let first = case.run(&format!("setup {} --no-restart", agreed())).expect(3, "").stdout;
    case.machine.boot(2);
    let second = case.run("setup").expect(0, "").stdout;
    let counted = |text: &str| -> Vec<String> {
        let place = |l: &str| Some(l.strip_prefix('[')?.split_once(']')?.0.to_owned());
        text.lines().filter_map(place).collect()
    };
    let first = counted(&first);
    let count = first.len();
    let wanted = |count| (1..=first.len()).map(|n| format!("{n}/{count}")).collect::<Vec<_>>();
    // The restart and verify follow.
    assert_eq!(first, wanted(count + 2));
    assert_eq!(counted(&second), ["1/1"]);
}

/// A machine whose user has this login shell, which prints this PATH; it is set up.
fn with_shell(shell: &str, path: &str, files: &[&str]) -> (Case, Seen) {
    let passwd = format!("root:x:0:0:root:/root:/bin/bash\ndev:x:1000:1000::/home/dev:/bin/{shell}\n");
    let case = Case::new(Layout::Modern).file("/etc/passwd", passwd).file(
        &format!("/bin/{shell}"),
        format!("#!/bin/sh\necho hello\n[ \"$1 $2 $3\" = '-l -i -c' ] && echo 'PATH={path}'\n"),
    );
    let case = files.iter().fold(case, |case, name| case.file(&format!("/home/dev/{name}"), "# mine\n"));
    fs::set_permissions(case.machine.path(&format!("/bin/{shell}")), fs::Permissions::from_mode(0o755))
        .unwrap();
    let flags = agreed().replace("--kind-wrapper no", "--kind-wrapper yes");
    case.run(&format!("setup {flags} --no-restart")).expect(3, "");
    case.machine.boot(2);
    let seen = case.run("setup").expect(0, "");
    (case, seen)
}

/// The check `local-bin` of doctor: verdict, evidence and fix.
fn local_bin(case: &Case) -> [String; 3] {
    let document: serde_json::Value =
        serde_json::from_str(&case.run("doctor --json --only local-bin").stdout).unwrap();
    ["verdict", "evidence", "fix"].map(|name| document["checks"][0][name].as_str().unwrap().to_owned())
}

#[test]
fn a_directory_that_the_login_shell_does_not_search_is_named_with_the_line_for_that_shell() {
    let add = |file: &str| format!("echo 'export PATH=\"$HOME/.local/bin:$PATH\"' >> ~/{file}");
    for (shell, files, line) in [
        ("bash", &[][..], add(".profile")),
        ("bash", &[".bash_login", ".profile"], add(".bash_login")),
        ("bash", &[".bash_profile", ".bash_login"], add(".bash_profile")),
        ("zsh", &[".bash_profile"], add(".zprofile")),
        ("fish", &[], "set -U fish_user_paths ~/.local/bin $fish_user_paths".to_owned()),
        ("nu", &[], "Add it in a start file of your shell".to_owned()),
    ] {
        let (case, seen) = with_shell(shell, "/usr/bin:/bin", files);
        let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let printed = words(&seen.stdout);
        assert!(printed.contains("~/.local/bin is not in your PATH"), "{shell}: {seen:?}");
        assert!(printed.contains(&line), "{shell}: {seen:?}");
        let [verdict, details, fix] = local_bin(&case);
        assert_eq!(
            (verdict.as_str(), details.as_str()),
            ("doubtful", "~/.local/bin is not in PATH of the login shell")
        );
        assert!(shell == "nu" || fix == format!("run `{line}`, then open a new terminal"), "{shell}: {fix}");
    }
}

#[test]
fn the_line_for_bash_adds_the_directory_to_a_login_shell() {
    for files in [&[][..], &[".bash_login", ".profile"], &[".bash_profile"]] {
        let (case, seen) = with_shell("bash", "/usr/bin:/bin", files);
        let line = seen.stdout.lines().find_map(|l| l.strip_prefix("  echo ")).unwrap();
        let home = case.machine.path("/home/dev");
        let bash = |args: &[&str]| {
            let output = std::process::Command::new("bash").args(args).env("HOME", &home).output().unwrap();
            String::from_utf8(output.stdout).unwrap()
        };
        bash(&["-c", &format!("echo {line}")]);
        let path = bash(&["-l", "-i", "-c", "printf '\nPATH=%s\n' \"$PATH\""]);
        let bin = home.join(".local/bin");
        assert!(path.contains(&format!("PATH={bin}:")), "{files:?}: {path}");
    }
}

#[test]
fn the_end_asks_for_a_new_terminal_if_only_a_new_login_finds_the_programs() {
    let (case, seen) = with_shell("bash", "/home/dev/.local/bin:/usr/bin", &[]);
    assert!(seen.stdout.contains("Open a new terminal so that ~/.local/bin is in your PATH."), "{seen:?}");
    assert!(!seen.stdout.contains("is not in your PATH"), "{seen:?}");
    let [verdict, _, fix] = local_bin(&case);
    assert_eq!((verdict.as_str(), fix.as_str()), ("doubtful", "open a new terminal"));
    let case = case.env("PATH", "/usr/bin:/home/dev/.local/bin/");
    assert_eq!(local_bin(&case)[0], "ok");
    // As another user, PATH is not the one of the terminal that is asked about.
    let case = case.env("PATH", "/usr/bin").env("USER", "root");
    assert_eq!(local_bin(&case)[0], "ok");
}

#[test]
fn a_directory_that_nothing_is_in_is_not_missed() {
    let case = Case::new(Layout::Modern);
    assert_eq!(local_bin(&case)[0], "not-here");
}

#[test]
fn the_summary_states_that_wsl_stops_unless_idle_was_set() {
    for (idle, says) in [("no", true), ("yes", false)] {
        let case = Case::new(Layout::Modern);
        case.run(&format!("setup {} --idle {idle} --no-restart", agreed())).expect(3, "");
        case.machine.boot(2);
        let seen = case.run("setup").expect(0, "");
        let says_so = seen.stdout.contains("WSL stops this distribution 15 s after the last terminal closes");
        assert_eq!(says_so, says, "{idle}: {seen:?}");
    }
}

#[test]
fn the_end_names_the_command_that_creates_a_cluster() {
    for (wrapper, command) in [
        ("yes", "Create a cluster  kind create cluster"),
        ("no", "Create a cluster  kind-wsl kind create cluster"),
    ] {
        let case = Case::new(Layout::Modern).program("/usr/bin/kind");
        let flags = agreed().replace("--kind-wrapper no", &format!("--kind-wrapper {wrapper}"));
        case.run(&format!("setup {flags} --no-restart")).expect(3, "");
        case.machine.boot(2);
        case.run("setup").expect(0, "").says(command);
        case.run("setup")
            .expect(0, "")
            .says("Nothing to do: this machine is set up for `dev`.")
            .says(command);
    }
}
