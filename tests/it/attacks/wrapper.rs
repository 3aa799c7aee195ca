//! `kind-wsl kind` as the user types it: what kind is given, in which session, and who may run it.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{PermissionsExt, chown};

use crate::attacks::environment::jail;
use crate::attacks::jail::{Ended, Jail};

/// A machine with a kind that shows its arguments and session, and user 1000's runtime directory with a bus.
fn with_kind() -> Option<Jail> {
    let jail = jail()?;
    let script = "#!/bin/sh\nprintf '<%s>' \"$@\"\necho; echo \"run $XDG_RUNTIME_DIR\"; echo \"bus $DBUS_SESSION_BUS_ADDRESS\"\n";
    jail.case.machine.write("/usr/local/bin/kind", script);
    fs::set_permissions(jail.path("/usr/local/bin/kind"), fs::Permissions::from_mode(0o755)).unwrap();
    for (uid, dir) in [(1000, "/run/user/1000"), (1001, "/run/user/1001"), (1000, "/mnt/wslg/runtime-dir")] {
        jail.case.machine.write(&format!("{dir}/bus"), "");
        chown(jail.path(dir), Some(uid), Some(uid)).unwrap();
    }
    Some(jail)
}

const RIGHT: &str = "run /run/user/1000\nbus unix:path=/run/user/1000/bus\n";

fn in_session(jail: &Jail, run: &str, bus: &str) -> Ended {
    let env: Vec<_> = [("XDG_RUNTIME_DIR", run), ("DBUS_SESSION_BUS_ADDRESS", bus)]
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .collect();
    jail.run(1000, &env, &["kind", "version"])
}

#[test]
fn kind_gets_its_arguments_byte_for_byte() {
    let Some(jail) = with_kind() else { return };
    for line in [
        &["-v", "1", "version"][..],
        &["-q", "get", "clusters"],
        &["--help"],
        &["-h"],
        &["--version"],
        &["--", "--root", "/x"],
        &["--color", "--user", "-vvq", "--root=/nowhere", ""],
    ] {
        let args = [&["kind"], line].concat();
        let wanted = format!("<{}>", line.join("><"));
        assert_eq!(jail.run(1000, &[], &args).said, format!("{wanted}\n{RIGHT}"), "{line:?}");
    }
    let latin1 = OsString::from_vec(vec![b'n', 0xe9]);
    let seen = jail.run(1000, &[], &["kind".into(), latin1]).said;
    assert_eq!(seen, format!("<n\u{fffd}>\n{RIGHT}"));
    // Options of our own stand before the word.
    let seen = jail.run(1000, &[], &["-v", "--user", "dev", "kind", "-v", "1"]).said;
    assert_eq!(seen, format!("<-v><1>\n{RIGHT}running `/usr/local/bin/kind -v 1`\n"));
}

#[test]
fn a_session_of_another_user_or_of_wslg_is_corrected_with_one_line() {
    let Some(jail) = with_kind() else { return };
    let good_bus = "unix:path=/run/user/1000/bus";
    for (run, bus) in [
        ("", ""),
        ("/run/user/1000", good_bus),
        ("/run/user/1000/", "unix:path=/run/user/1000/bus,guid=0123"),
        ("/run/user/1000", "unix:path=/run/user/1000/bus;unix:abstract=/tmp/x"),
    ] {
        let ended = in_session(&jail, run, bus);
        assert!(ended.said.starts_with("<version>\nrun /run/user/1000"), "{ended:?}");
        assert!(!ended.said.contains("warning"), "{ended:?}");
    }
    for (run, bus, faults) in [
        (
            "/run/user/1001",
            good_bus,
            "XDG_RUNTIME_DIR=/run/user/1001 belongs to another user; using /run/user/1000",
        ),
        ("/nowhere", good_bus, "XDG_RUNTIME_DIR=/nowhere does not exist; using /run/user/1000"),
        ("/etc/passwd", "", "XDG_RUNTIME_DIR=/etc/passwd is not a directory; using /run/user/1000"),
        (
            "/mnt/wslg/runtime-dir",
            "",
            "XDG_RUNTIME_DIR=/mnt/wslg/runtime-dir is not the directory of the systemd user manager; using /run/user/1000",
        ),
        (
            "",
            "unix:abstract=/tmp/dbus-x",
            "DBUS_SESSION_BUS_ADDRESS=unix:abstract=/tmp/dbus-x is not the user's session bus; using unix:path=/run/user/1000/bus",
        ),
        (
            "/run/user/1001",
            "unix:path=/run/user/1001/bus",
            "XDG_RUNTIME_DIR=/run/user/1001 belongs to another user and DBUS_SESSION_BUS_ADDRESS=unix:path=/run/user/1001/bus \
             is not the user's session bus; using /run/user/1000 and unix:path=/run/user/1000/bus",
        ),
    ] {
        let ended = in_session(&jail, run, bus);
        assert_eq!(ended.said, format!("<version>\n{RIGHT}warning: {faults}\n"), "{run} {bus}");
        assert_eq!(ended.code, Some(0));
    }
}

#[test]
fn without_a_runtime_directory_of_its_own_the_user_gets_none() {
    let Some(jail) = with_kind() else { return };
    chown(jail.path("/run/user/1000"), Some(0), Some(0)).unwrap();
    assert_eq!(in_session(&jail, "", "").said, "<version>\nrun \nbus \n");
}

#[test]
fn root_is_refused_with_the_command_of_the_user_whose_cluster_it_is() {
    let Some(jail) = with_kind() else { return };
    for (env, args, hint) in [
        (&[][..], &["kind", "get", "clusters"][..], "su - dev --command 'kind-wsl kind get clusters'"),
        (&[], &["--user", "dev", "kind", "version"], "su - dev --command 'kind-wsl kind version'"),
        (&[], &["--user", "root", "kind", "version"], "su - dev --command 'kind-wsl kind version'"),
        (&[("SUDO_USER", "dev")], &["kind", "-v", "1"], "kind-wsl kind -v 1"),
    ] {
        let ended = jail.run(0, env, args);
        assert_eq!(ended.code, Some(2), "{ended:?}");
        assert!(ended.said.ends_with(&format!("\nhint: {hint}\n")), "{ended:?}");
        assert!(!ended.said.contains("`root`"), "{ended:?}");
    }
}
