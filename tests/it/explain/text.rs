//! Text that is not a symptom, similar messages, and unusual text.

use std::time::{Duration, Instant};

use kind_wsl::explain::{diagnose, table};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use crate::explain::forms::{ORDINARY, cases, rows, rows_of};

#[test]
fn ordinary_output_matches_no_symptom() {
    assert!(ORDINARY.lines().count() > 100);
    for line in ORDINARY.lines() {
        assert_eq!(rows(line), Vec::<u32>::new(), "{line}");
    }
    assert_eq!(rows(ORDINARY), Vec::<u32>::new());
    assert_eq!(rows(""), Vec::<u32>::new());
}

#[test]
fn our_own_documents_name_no_symptom_by_accident() {
    for text in [
        include_str!("../../../README.md"),
        include_str!("../../../docs/dev/testing.md"),
        include_str!("../../../docs/how-to/downloads.md"),
    ] {
        assert_eq!(rows(text), Vec::<u32>::new());
    }
}

/// The rows of several messages in one text.
fn together(texts: &[&str]) -> Vec<u32> {
    rows(&texts.join("\n"))
}

#[test]
fn the_last_line_of_kind_does_not_hide_the_cause() {
    let failed = "ERROR: failed to create cluster: could not find a log line that matches \"Reached target .*Multi-User System.*|detected cgroup v1\"";
    let shared = "WARN[0000] \"/\" is not a shared mount, this could cause issues or missing mounts with rootless containers";
    let causes = [
        ("Error: OCI runtime error: crun: chmod `run/shm`: Operation not supported", 27),
        ("Failed to allocate directory watch: Too many open files", 50),
        ("ERROR: UserNS: cpu controller needs to be delegated", 1),
    ];
    for (cause, row) in causes {
        assert_eq!(together(&[shared, cause, failed])[0], row);
        assert_eq!(together(&[failed, cause, shared])[0], row);
    }
    assert_eq!(together(&[shared, failed])[0], 49);
}

#[test]
fn a_cause_comes_before_its_effects() {
    let refused = "systemd[1]: user@1000.service: Failed to attach to cgroup /user.slice/user-1000.slice/user@1000.service: Device or resource busy";
    let session = "wsl: Failed to start the systemd user session for 'dev'. See journalctl for more details.";
    let podman =
        "WARN[0000] The cgroupv2 manager is set to systemd but there is no systemd user session available";
    let crun = "Error: crun: sd-bus call: Interactive authentication required.: Permission denied: OCI permission denied";
    assert_eq!(together(&[crun, podman, session, refused])[..4], [61, 20, 15, 16]);
    assert_eq!(together(&[crun, podman, session])[..3], [20, 15, 16]);
    let off = "System has not been booted with systemd as init system (PID 1). Can't operate.";
    assert_eq!(together(&["Failed to connect to bus: No such file or directory", podman, off])[0], 14);
}

#[test]
fn similar_messages_are_distinguished() {
    let pairs = [
        ("Failed to connect to bus: Host is down", 14),
        ("Failed to connect to bus: No such file or directory", 18),
        ("Failed to connect to bus: Permission denied", 21),
        ("Failed to connect to bus: No medium found", 15),
        ("Failed to connect to user scope bus via local transport: Permission denied", 21),
        ("running kind with rootless provider requires cgroup v2", 2),
        ("running kind with rootless provider requires setting systemd property \"Delegate=yes\"", 1),
        ("mount `cgroup2` to `sys/fs/cgroup`: Permission denied", 10),
        ("mount `/sys/fs/cgroup/systemd` to `/sys/fs/cgroup/systemd`: No such file or directory", 11),
        ("Failed to mount cgroup at /sys/fs/cgroup/systemd: No such file or directory", 5),
        ("Couldn't load match `comment':No such file or directory", 41),
        ("Couldn't load match `recent':No such file or directory", 43),
        ("modprobe: FATAL: Module ip_tables not found in directory /lib/modules/6.6", 42),
        ("modprobe: ERROR: could not insert 'ip_tables': Operation not permitted", 63),
        ("plugin bridge does not support config version \"1.0.0\"", 39),
        ("failed to find plugin \"bridge\" in path [/usr/libexec/cni]", 40),
        ("cannot clone: Invalid argument\nError: cannot re-exec process", 36),
        ("cannot clone: Permission denied\nError: cannot re-exec process", 37),
        ("exec: \"newuidmap\": executable file not found in $PATH", 35),
        ("exec: \"pasta\": executable file not found in $PATH", 48),
        ("netavark: iptables: No such file or directory (os error 2)", 62),
        ("netavark: failed to set ip address to podman1: Permission denied (os error 13)", 64),
        ("RunRoot is pointing to a path (/run/user/1000/containers) which is not writable.", 23),
        ("RunRoot is pointing to a path (/mnt/wslg/runtime-dir/containers) which is not writable.", 22),
        (
            "crun: cannot resolve `null` under rootfs: No such file or directory: OCI runtime attempted to invoke a command that was not found",
            30,
        ),
        (
            "crun: open `/sys/fs/cgroup/devices/x`: No such file or directory: OCI runtime attempted to invoke a command that was not found",
            29,
        ),
    ];
    for (text, row) in pairs {
        assert_eq!(rows(text).first(), Some(&row), "{text}");
    }
}

#[test]
fn a_message_cut_short_before_its_meaning_is_not_guessed() {
    for text in [
        "running kind with rootless provider requires",
        "crun: open `/sys/fs/cgroup/memory/x`: No such file or directory",
        "ERROR: failed to create cluster",
    ] {
        assert_eq!(rows(text), Vec::<u32>::new(), "{text}");
    }
}

#[test]
fn the_recognized_line_is_reported() {
    let text = "one\ntwo\n  \x1b[31mcrun: unknown version specified\x1b[0m: OCI runtime error\nfour";
    let found = &diagnose(text)[0];
    assert_eq!(found.line(text), "crun: unknown version specified: OCI runtime error");
    assert_eq!(found.line_number(text), 3);
}

#[test]
fn every_pattern_finds_itself() {
    for symptom in &table().unwrap().symptoms {
        for pattern in symptom.patterns.iter().chain(&symptom.outer).chain(&symptom.boilerplate) {
            let text = pattern.replace(" && ", "\n").replace('…', "/x/y 17");
            assert!(rows(&text).contains(&symptom.id.0.into()), "{}: {pattern}", symptom.id);
        }
    }
}

#[test]
fn eight_mebibytes_are_explained_without_delay() {
    // The slowest text that we know: every line begins like a message and continues differently.
    let line = "controller `x` is not available under /sys/fs/cgroup/x cgroup.controller\n";
    for line in [
        line,
        &format!("{line}\n"),
        "ordinary words in a line of some length, as logs have them\n",
        "MZ: not foun",
    ] {
        let text = line.repeat((8 << 20) / line.len());
        let begun = Instant::now();
        let _ = diagnose(&text);
        // Some hundred times what it takes when it is optimized: this is about growing with the square.
        assert!(begun.elapsed() < Duration::from_secs(30), "{:?} for `{line}`", begun.elapsed());
    }
}

proptest! {
    // The same cases each time: what changes elsewhere is not judged by chance.
    #![proptest_config(ProptestConfig {
        cases: 300, rng_seed: RngSeed::Fixed(300), failure_persistence: None, ..ProptestConfig::default()
    })]

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..4000)) {
        rows_of(&bytes);
    }

    #[test]
    fn no_text_that_terminals_and_loggers_would_write_makes_it_panic(
        words in prop::collection::vec(prop::sample::select(vec![
            "\x1b", "[", "]", "31m", "\\", "n", "\"", "#033", "^[", "\n", "\r", "…", "E1122 1", "[ 1.", "time=\"", "🖼", "\0", "crun: unknown ", "version specified",
        ]), 0..60)
    ) {
        let text = words.concat();
        for found in diagnose(&text) {
            prop_assert!(text.is_char_boundary(found.at));
            prop_assert!(found.line_number(&text) <= found.line(&text).len() + text.lines().count() + 1);
        }
    }

    #[test]
    fn text_around_a_message_does_not_hide_it(
        before in "(\\PC|\n|\x1b|\\\\){0,200}", after in "(\\PC|\n|\x1b|\\\\){0,200}", index in any::<prop::sample::Index>()
    ) {
        let cases = cases();
        let case = index.get(&cases);
        let text = format!("{before}\n{}\n{after}", case.text);
        prop_assert!(rows(&text).contains(&case.row), "{text:?}");
    }
}
