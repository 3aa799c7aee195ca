//! Becoming root: sudo refuses, asks for a password without a terminal, or is not installed.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::support::Layout;
use crate::support::cli::{Case, agreed, is_root};

/// `kind-wsl` typed by `dev` on a machine that is its whole world: only on the running system does it become root.
fn typed_by_dev(sudo: Option<&str>) -> Option<Case> {
    if !is_root() {
        println!("skipped: chroot needs root");
        return None;
    }
    let case = Case::new(Layout::Isolated);
    if let Some(script) = sudo {
        let path = case.machine.path("/usr/bin/sudo");
        fs::write(&path, script).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    Some(case)
}

/// The machine's root becomes the root, with this machine's programs and libraries at places of their own.
const CHROOT: &str = "
    for d in lib64 lib/x86_64-linux-gnu lib/aarch64-linux-gnu bin; do
      if [ -d /$d ]; then mkdir -p [ROOT]/$d; mount --bind /$d [ROOT]/$d; fi
    done
    mkdir -p [ROOT]$2; mount --bind $2 [ROOT]$2
    program=$1; shift; shift
    exec chroot --userspec=1000:1000 [ROOT] /bin/env KIND_WSL_ROOT=/ PATH=/usr/bin $program \"$@\"";

fn run(case: Case, args: &str) -> (crate::support::cli::Seen, Case) {
    let program = std::path::PathBuf::from(env!("CARGO_BIN_EXE_kind-wsl"));
    let dir = program.parent().unwrap().to_str().unwrap().to_owned();
    let root = case.machine.root.clone();
    let script = CHROOT.replace("[ROOT]", root.as_str());
    let mut command = std::process::Command::new("unshare");
    command.args(["-m", "--", "sh", "-ec", &script, "sh", program.to_str().unwrap(), &dir]);
    command.args(args.split_ascii_whitespace()).env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    command.env("WSL_DISTRO_NAME", "Debian").stdin(std::process::Stdio::null());
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let seen = case.end(command.spawn().unwrap());
    (seen, case)
}

/// Nothing of the setup is there, no journal among it.
fn is_untouched(case: &Case, before: &super::Tree) {
    super::same(before, &case.machine.snapshot(), "refused");
    assert!(!case.machine.has_journal());
}

#[test]
fn a_sudo_that_refuses_ends_the_run_and_nothing_is_changed() {
    // sudo's own words and exit code (sudo 1.9 plugins/sudoers/auth/sudo_auth.c, logging.c).
    for (script, code, said) in [
        (
            "#!/bin/sh\necho 'sudo: 3 incorrect password attempts' >&2\nexit 1\n",
            1,
            "sudo: 3 incorrect password attempts\n",
        ),
        (
            "#!/bin/sh\necho 'dev is not in the sudoers file.' >&2\nexit 1\n",
            1,
            "dev is not in the sudoers file.\n",
        ),
        (
            "#!/bin/sh\necho 'sudo: a terminal is required to read the password; either use the -S option to read from standard input or configure an askpass helper' >&2\necho 'sudo: a password is required' >&2\nexit 1\n",
            1,
            "sudo: a terminal is required to read the password; either use the -S option to read from standard input or configure an askpass helper\nsudo: a password is required\n",
        ),
    ] {
        let Some(case) = typed_by_dev(Some(script)) else { return };
        let before = case.machine.snapshot();
        let (seen, case) = run(case, "setup --yes --only limits");
        assert_eq!((seen.code, seen.stderr.as_str()), (code, said), "{}", seen.stdout);
        is_untouched(&case, &before);
    }
}

#[test]
fn without_sudo_the_command_for_root_is_printed_and_nothing_is_changed() {
    let Some(case) = typed_by_dev(None) else { return };
    let before = case.machine.snapshot();
    let (seen, case) = run(case, "setup --yes --only limits");
    assert_eq!(seen.code, 1, "{}\n{}", seen.stdout, seen.stderr);
    let mut lines = seen.stderr.lines();
    assert_eq!(lines.next(), Some("error: cannot become root: sudo is not installed"));
    let hint = "hint: run this as root: `kind-wsl setup --yes --only limits --user=dev`";
    assert_eq!(lines.next(), Some(hint), "{}", seen.stderr);
    is_untouched(&case, &before);
}

#[test]
fn without_sudo_undo_names_the_part_that_needs_no_root() {
    let Some(case) = typed_by_dev(None) else { return };
    case.run(&format!("setup --only modules {}", agreed())).expect(0, "");
    let (seen, _) = run(case, "undo --yes");
    let wanted = "error: cannot become root: sudo is not installed\n\
                  hint: run this as root: `kind-wsl undo --yes --user=dev`, or revert only what is in your home: `kind-wsl undo --home`\n";
    assert_eq!((seen.code, seen.stderr.as_str()), (1, wanted), "{}", seen.stdout);
}
