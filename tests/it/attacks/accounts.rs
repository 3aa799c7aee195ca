//! Subordinate IDs: a range with another account's ID in it gives that account's files away.

use std::fs;

use kind_wsl::host::digest;

use crate::support::Layout;
use crate::support::cli::Case;

const PEOPLE: &str = "root:x:0:0:root:/root:/bin/bash\ndev:x:1000:1000::/home/dev:/bin/bash\n";

/// A machine on which no user has a range.
fn machine() -> Case {
    Case::new(Layout::Modern).file("/etc/subgid", "").file("/etc/subuid", "")
}

/// Sets up the ranges, undoes it, and returns what was added to the two files.
#[track_caller]
fn added(case: &Case) -> [String; 2] {
    let files = ["/etc/subuid", "/etc/subgid"];
    let before = files.map(|file| case.machine.text(file));
    let seen = case.run("setup --yes --only subids");
    assert_eq!(seen.code, 0, "{seen:?}");
    let after = files.map(|file| case.machine.text(file));
    let new = [0, 1].map(|n| after[n].strip_prefix(&before[n]).expect("other lines stay").to_owned());
    assert_eq!(case.run("undo --yes").code, 0);
    assert_eq!(files.map(|file| case.machine.text(file)), before);
    new
}

#[track_caller]
fn adds(case: &Case, range: &str) {
    assert_eq!(added(case), [range, range].map(|range| format!("{range}\n")));
}

#[track_caller]
fn is_refused(case: &Case, why: &str) {
    let before = ["/etc/subuid", "/etc/subgid"].map(|file| fs::read(case.machine.path(file)).ok());
    let seen = case.run("setup --yes --only subids");
    assert_ne!(seen.code, 0, "{seen:?}");
    assert!(format!("{}{}", seen.stdout, seen.stderr).contains(why), "{seen:?}");
    assert_eq!(["/etc/subuid", "/etc/subgid"].map(|file| fs::read(case.machine.path(file)).ok()), before);
}

#[test]
fn a_new_range_contains_no_id_of_an_account_or_group() {
    adds(&machine(), "dev:100000:65536");
    let account = |ids: &str| format!("{PEOPLE}frank:x:{ids}::/home/frank:/bin/sh\n");
    adds(&machine().file("/etc/passwd", account("131100:50")), "dev:131101:65536");
    adds(&machine().file("/etc/passwd", account("50:165535")), "dev:165536:65536");
    adds(&machine().file("/etc/passwd", account("165536:165536")), "dev:100000:65536");
    adds(&machine().file("/etc/group", "root:x:0:\nteam:x:100000:dev\n"), "dev:100001:65536");
}

#[test]
fn a_new_range_contains_no_id_that_a_name_service_lists() {
    let listed = |database: &str, line: &str| {
        machine()
            .file(&format!("/fake/getent-{database}"), line)
            .file("/etc/nsswitch.conf", "passwd: files ldap\n")
    };
    let case = listed("passwd", "frank:*:120000:130000:Frank:/home/frank:/bin/sh\n");
    adds(&case, "dev:130001:65536");
    let case = machine().file("/fake/getent-group", "team:*:140000:frank,dev\n");
    adds(&case, "dev:140001:65536");
}

#[test]
fn accounts_that_cannot_be_listed_are_not_an_empty_list() {
    let case = machine().file("/etc/nsswitch.conf", "passwd: files [!UNAVAIL=return] winbind\n");
    is_refused(&case, "`getent passwd` failed");
}

#[test]
fn ids_that_sssd_gives_to_accounts_of_a_domain_stay_free() {
    let case = machine()
        .file("/etc/nsswitch.conf", "passwd: sss files systemd\ngroup: sss files\n")
        .file("/fake/getent-passwd", PEOPLE)
        .file("/fake/getent-group", "root:x:0:\n")
        .file("/etc/subuid", "other:100000:65536\n");
    is_refused(&case, "No 65536 IDs in a row are free");
}

#[test]
fn a_new_range_overlaps_no_other_range() {
    adds(&machine().file("/etc/subuid", "other:100000:65536\n"), "dev:165536:65536");
    adds(&machine().file("/etc/subgid", "other:150000:1\n"), "dev:150001:65536");
    // What shadow reads as a range counts, however it is written.
    adds(&machine().file("/etc/subuid", "other:0x186a0:0x10000\n"), "dev:165536:65536");
    adds(&machine().file("/etc/subuid", "other:100000:65536:note\n"), "dev:165536:65536");
    is_refused(&machine().file("/etc/subuid", "other:100000:4294867295\n"), "No 65536 IDs");
    is_refused(&machine().file("/etc/subuid", "other:100000:99999999999\n"), "No 65536 IDs");
}

#[test]
fn the_bounds_of_login_defs_hold() {
    let defs = |text: &str| machine().file("/etc/login.defs", text);
    adds(&defs("SUB_UID_MIN 500000\n  SUB_GID_MIN\t\"600000\"\n"), "dev:600000:65536");
    adds(&defs("SUB_UID_COUNT 1000\nSUB_GID_COUNT 1000\n"), "dev:100000:65536");
    adds(&defs("SUB_UID_COUNT 100000\nSUB_GID_COUNT 200000\n"), "dev:100000:200000");
    // Other bounds for groups than for users.
    let case = defs("SUB_UID_MIN 200000\nSUB_UID_MAX 299999\nSUB_GID_MIN 300000\nSUB_GID_MAX 399999\n");
    assert_eq!(added(&case), ["dev:200000:65536\n", "dev:300000:65536\n"]);
    is_refused(&defs("SUB_UID_MAX 165534\n"), "No 65536 IDs");
    is_refused(&defs("SUB_UID_MIN 4294950000\nSUB_UID_MAX 4294967295\n"), "No 65536 IDs");
    // IDs of 16 bits are those of accounts, systemd's dynamic users and `nobody`.
    adds(&defs("SUB_UID_MIN 1000\nSUB_GID_MIN 1000\n"), "dev:65536:65536");
}

#[test]
fn a_range_is_added_beside_a_short_one_of_the_user() {
    let short = "dev:100000:1000\nother:101000:10\n";
    let case = machine().file("/etc/subuid", short).file("/etc/subgid", short);
    adds(&case, "dev:101010:65536");
    // All ranges together count, also those by number, and an ID counts once.
    let many = "dev:100000:40000\n1000:200000:25536\n";
    let case = machine().file("/etc/subuid", many).file("/etc/subgid", many);
    assert_eq!(added(&case), ["", ""]);
    let twice = "dev:100000:40000\n1000:100000:40000\n";
    let case = machine().file("/etc/subuid", twice).file("/etc/subgid", twice);
    adds(&case, "dev:140000:65536");
}

#[test]
fn the_range_in_one_file_is_added_to_the_other_if_it_is_free_there() {
    let case = machine().file("/etc/subuid", "dev:300000:70000\n");
    assert_eq!(added(&case), ["", "dev:300000:70000\n"]);
    let case = case.file("/etc/group", "team:x:300001:\n");
    assert_eq!(added(&case), ["", "dev:100000:65536\n"]);
}

#[test]
fn undo_keeps_ranges_that_were_added_later() {
    let case = machine();
    assert_eq!(case.run("setup --yes --only subids").code, 0);
    case.machine
        .write("/etc/subuid", "dev:900000:10\nother:300000:65536\ndev:100000:65536\ndev:400000:65536\n");
    assert_eq!(case.run("undo --yes").code, 0);
    let left = "dev:900000:10\nother:300000:65536\ndev:400000:65536\n";
    assert_eq!(case.machine.text("/etc/subuid"), left);
    assert_eq!(case.machine.text("/etc/subgid"), "");
}

#[test]
fn undo_restores_a_range_that_an_older_program_replaced() {
    let case = machine();
    case.machine.write("/etc/subuid", "dev:100000:1000\n");
    case.machine.write("/etc/subgid", "dev:100000:65536\n");
    assert_eq!(case.run("setup --yes --only subids").code, 0);
    // The older program replaced the first range with its own; a user has added a line since.
    let journal = case.machine.text(crate::support::cli::JOURNAL);
    assert!(journal.contains("\"start\":165536"), "{journal}");
    let older = older(&journal);
    case.machine.write(crate::support::cli::JOURNAL, older);
    case.machine.write("/etc/subuid", "dev:165536:65536\nother:300000:65536\n");
    let seen = case.run("undo --yes");
    assert_eq!(seen.code, 0, "{seen:?}");
    assert_eq!(case.machine.text("/etc/subuid"), "other:300000:65536\ndev:100000:1000\n");
}

/// The journal with the value that an older program saw before: the first range of the user.
fn older(journal: &str) -> String {
    let lines = journal.lines().map(|line| {
        let mut record: serde_json::Value = serde_json::from_str(line).unwrap();
        if record["before"]["is"] == "entry" {
            record["before"]["value"] = "100000:1000".into();
        }
        record.as_object_mut().unwrap().remove("sum");
        let record = record.to_string();
        let open = record.strip_suffix('}').unwrap();
        format!("{open},\"sum\":\"{}\"}}\n", &digest(open.as_bytes())[..16])
    });
    lines.collect()
}

#[test]
fn ranges_that_a_name_service_has_are_not_written_to_files() {
    let case = machine().file("/etc/nsswitch.conf", "subid: sss\n");
    is_refused(&case, "They come from `sss`");
    let case = case
        .file("/fake/getsubids-dev", "0: dev 2147483648 65536\n")
        .file("/fake/getsubids--g-dev", "0: dev 2147483648 65536\n");
    assert_eq!(added(&case), ["", ""]);
    adds(&machine().file("/etc/nsswitch.conf", "subid: files\n# subid: sss\n"), "dev:100000:65536");
}
