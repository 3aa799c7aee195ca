//! What a setup says when it ends.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::support::Layout;
use crate::support::cli::{Case, Seen, agreed};

#[test]
fn the_end_of_a_setup_counts_the_changes_of_all_its_runs() {
    let case = Case::new(Layout::Modern);
    let first = case.run(&format!("setup {} --no-restart", agreed())).expect(3, "");
    let made = first
        .stdout
        .lines()
        .filter(|l| l.starts_with("  done: ") && !l.contains("until the set-up ends"))
        .count();
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
    // verify, which follows the restart, may be foreseen.
    assert!(first == wanted(count) || first == wanted(count + 1), "{first:?}");
    assert_eq!(counted(&second), ["1/1"]);
}

/// The end of a setup whose user has this login shell, which prints this PATH.
fn end_with_shell(shell: &str, path: &str) -> Seen {
    let passwd = format!("root:x:0:0:root:/root:/bin/bash\ndev:x:1000:1000::/home/dev:/bin/{shell}\n");
    let case = Case::new(Layout::Modern).file("/etc/passwd", passwd).file(
        &format!("/bin/{shell}"),
        format!("#!/bin/sh\necho hello\n[ \"$1 $2 $3\" = '-l -i -c' ] && echo 'PATH={path}'\n"),
    );
    fs::set_permissions(case.machine.path(&format!("/bin/{shell}")), fs::Permissions::from_mode(0o755))
        .unwrap();
    let flags = agreed().replace("--kind-wrapper no", "--kind-wrapper yes");
    case.run(&format!("setup {flags} --no-restart")).expect(3, "");
    case.machine.boot(2);
    case.run("setup").expect(0, "")
}

#[test]
fn the_summary_has_the_line_that_adds_the_directory_to_the_path() {
    for (shell, line) in [
        ("bash", "echo 'export PATH=\"$HOME/.local/bin:$PATH\"' >> ~/.profile"),
        ("zsh", "echo 'export PATH=\"$HOME/.local/bin:$PATH\"' >> ~/.zprofile"),
        ("fish", "fish_add_path ~/.local/bin"),
    ] {
        let seen = end_with_shell(shell, "/usr/bin:/bin");
        assert!(seen.stdout.contains("~/.local/bin is not in your PATH"), "{shell}: {seen:?}");
        assert!(seen.stdout.contains(line), "{shell}: {seen:?}");
    }
}

#[test]
fn the_end_asks_for_a_new_terminal_if_only_a_new_login_finds_the_programs() {
    let seen = end_with_shell("bash", "/home/dev/.local/bin:/usr/bin");
    assert!(seen.stdout.contains("open a new terminal so that ~/.local/bin is in your PATH."), "{seen:?}");
    assert!(!seen.stdout.contains("is not in your PATH"), "{seen:?}");
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
