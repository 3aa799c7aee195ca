//! The script's small editors beside our own: where the script writes, it writes what we write, to the byte; what it
//! can not read, it leaves. Where both write, another run of it finds nothing to do.

use camino::Utf8PathBuf;
use kind_wsl::change::{Change, Edit, Entry};
use kind_wsl::edit::toml::Value;
use kind_wsl::edit::wslconf::Grammar;
use kind_wsl::export::Format;
use kind_wsl::host::{FaultInjector, Owner};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use crate::export::script::{of, run};
use crate::support::{Layout, Machine};

/// Runs one edit both ways on this text; whether the script could do it.
fn agree(machine: &Machine, path: &str, edit: &Edit, text: Option<&str>) -> Result<bool, TestCaseError> {
    match text {
        Some(text) => machine.write(path, text),
        None => _ = std::fs::remove_file(machine.path(path)),
    }
    let change = Change::Entry(Entry {
        path: Utf8PathBuf::from(path),
        edit: edit.clone(),
        owner: Owner::Root,
        follow: None,
        restart: None,
    });
    let host = machine.host(FaultInjector::default());
    let ours = change.desired(&host).ok().and_then(|aim| aim.bytes).map(|(_, bytes)| bytes);
    let script = Format::Sh.write(&of(vec![change])).text;
    let env = [("KIND_WSL_USER", "dev")];
    let (code, said, err) = run(machine, &script, &[], &env);
    let now = std::fs::read(machine.path(path)).ok();
    if code != 0 {
        prop_assert!(
            code == 1 && err.contains("is not edited without reading it as a whole"),
            "{code}: {err}"
        );
        prop_assert_eq!(now.as_deref(), text.map(str::as_bytes), "it was refused and changed");
        return Ok(false);
    }
    let shown = |bytes: &Option<Vec<u8>>| bytes.as_deref().map(|b| String::from_utf8_lossy(b).into_owned());
    // Nothing to write into a file that is not there leaves it so.
    let ours = ours.filter(|bytes| !(bytes.is_empty() && text.is_none()));
    prop_assert_eq!(shown(&now), shown(&ours), "{:?} in {:?}; the script said {}", edit, text, said);
    let (code, said, _) = run(machine, &script, &[], &env);
    prop_assert_eq!((code, said.as_str()), (0, "Nothing to do.\n"), "{:?} in {:?}, again", edit, text);
    Ok(true)
}

/// A text of lines from a pool, with either line end, with or without the last one.
fn text_of(pool: &'static [&'static str]) -> impl Strategy<Value = Option<String>> {
    let lines = prop::collection::vec(prop::sample::select(pool), 0..7);
    (lines, prop::bool::weighted(0.2), prop::bool::weighted(0.8), prop::bool::weighted(0.95)).prop_map(
        |(lines, crlf, ended, there)| {
            let eol = if crlf { "\r\n" } else { "\n" };
            let mut text = lines.join(eol);
            if ended && !lines.is_empty() {
                text.push_str(eol);
            }
            there.then_some(text)
        },
    )
}

/// Has both editors agree on many texts, and sees that the script did not simply refuse.
fn agree_on(path: &'static str, edits: Vec<Edit>, pool: &'static [&'static str], at_least: u32) {
    let machine = Machine::new(Layout::Modern);
    let done = std::cell::Cell::new(0);
    let config = ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() };
    let cases = (text_of(pool), prop::sample::select(edits));
    TestRunner::new(config)
        .run(&cases, |(text, edit)| {
            if agree(&machine, path, &edit, text.as_deref())? {
                done.set(done.get() + 1);
            }
            Ok(())
        })
        .unwrap_or_else(|e| panic!("{e}"));
    assert!(done.get() >= at_least, "the script did {} of 60", done.get());
}

const WSL: [&str; 17] = [
    "",
    "  ",
    "# note",
    "[boot]",
    "[Boot] # again",
    "[wsl2]",
    "[general]",
    "systemd=true",
    "systemd = false # why",
    "  SystemD=",
    "key=value",
    "key = other words",
    "kernelCommandLine = quiet cgroup-no-v1=none x",
    "kernelCommandLine=",
    "vmIdleTimeout=#",
    "a=\"q\"",
    "; no comment",
];

const TOML: [&str; 20] = [
    "",
    "# note",
    "[engine]",
    "[containers]",
    "[ engine . runtimes ] # x",
    "[storage.options]",
    "cgroup_manager = \"systemd\" # why",
    "  cgroup_manager='cgroupfs'",
    "pids_limit = 0",
    "pids_limit=+65536",
    "crun = [\"/a b\", '/b']",
    "crun = [ \"/usr/bin/crun\" , ]",
    "crun=[\"/home/x/crun\",\"/usr/bin/crun\"]",
    "\tindented = true",
    "runtimes.crun = [\"/z\"]",
    "float = 1.5",
    "broken",
    "text = \"a \\\" b\"",
    "runtimes = {}",
    "list = []",
];

const FSTAB: [&str; 8] = [
    "",
    "# note",
    "LABEL=x / ext4 defaults 0 1",
    "cgroup2  /sys/fs/cgroup\tcgroup2 rw,nosuid,nodev,noexec,relatime,nsdelegate 0 0",
    "cgroup2 /sys/fs/cgroup/ cgroup2 ro 0 0",
    "none none swap sw",
    "a\\040b /c ext4 x 0 0",
    "  # /sys/fs/cgroup x",
];

const SUBIDS: [&str; 6] =
    ["", "other:100000:65536", "dev:200000:10", "broken line", "x:y:z", "other:165536:1000"];

#[test]
fn wsl_conf() {
    let key = |section: &str, key: &str, value: Option<&str>| Edit::WslConf {
        section: section.to_owned(),
        key: key.to_owned(),
        value: value.map(ToOwned::to_owned),
        grammar: Grammar::Stop,
    };
    let edits = vec![
        key("boot", "systemd", Some("true")),
        key("boot", "systemd", None),
        key("general", "key", None),
        Edit::Repair,
    ];
    agree_on("/etc/wsl.conf", edits, &WSL, 20);
}

#[test]
fn wslconfig() {
    let key = |section: &str, key: &str| Edit::Wslconfig {
        section: section.to_owned(),
        key: key.to_owned(),
        value: Some("-1".to_owned()),
    };
    let words = Edit::KernelParams {
        words: ["cgroup_no_v1=all", "quiet", "systemd.unified_cgroup_hierarchy=1"]
            .map(ToOwned::to_owned)
            .to_vec(),
    };
    let edits = vec![key("wsl2", "vmIdleTimeout"), key("general", "instanceIdleTimeout"), words];
    agree_on("/mnt/c/Users/dev/.wslconfig", edits, &WSL, 20);
}

#[test]
fn containers_conf() {
    let key = |path: &[&str], value| Edit::Toml { path: path.iter().map(|&p| p.to_owned()).collect(), value };
    let edits = vec![
        key(&["engine", "cgroup_manager"], Value::Str("cgroupfs".to_owned())),
        key(&["containers", "pids_limit"], Value::Int(65536)),
        key(
            &["engine", "runtimes", "crun"],
            Value::StrList(vec!["/home/x/crun".to_owned(), "/usr/bin/crun".to_owned()]),
        ),
    ];
    agree_on("/etc/containers/containers.conf", edits, &TOML, 12);
}

#[test]
fn fstab_and_sub_ids() {
    let line = "cgroup2 /sys/fs/cgroup cgroup2 rw,nosuid,nodev,noexec,relatime,nsdelegate 0 0";
    let fstab = Edit::Fstab { mount_point: "/sys/fs/cgroup".to_owned(), line: line.to_owned() };
    agree_on("/etc/fstab", vec![fstab], &FSTAB, 30);
    // The ids that the plan names are free there; a range of the user's that is whole is judged before, by the stage.
    let subid = Edit::Subid { user: "dev".to_owned(), start: 500_000, count: 65536 };
    agree_on("/etc/subuid", vec![subid], &SUBIDS, 40);
}

#[test]
fn sub_ids_that_somebody_else_has_are_passed_over() {
    let machine = Machine::new(Layout::Modern);
    machine.write("/etc/subuid", "other:100000:65536\n");
    machine.write("/etc/subgid", "other:165536:65536\n");
    let entry = |path: &str| {
        let edit = Edit::Subid { user: "dev".to_owned(), start: 100_000, count: 65536 };
        Change::Entry(Entry { path: path.into(), edit, owner: Owner::Root, follow: None, restart: None })
    };
    let script = Format::Sh.write(&of(vec![entry("/etc/subuid"), entry("/etc/subgid")])).text;
    let (code, said, err) = run(&machine, &script, &[], &[("KIND_WSL_USER", "dev")]);
    assert_eq!(
        (code, said.as_str()),
        (0, "changed: /etc/subuid\nchanged: /etc/subgid\n2 changes.\n"),
        "{err}"
    );
    assert_eq!(machine.text("/etc/subuid"), "other:100000:65536\ndev:231072:65536\n");
    assert_eq!(machine.text("/etc/subgid"), "other:165536:65536\ndev:231072:65536\n");
}

#[test]
fn the_script_adds_a_range_without_the_id_of_an_account_beside_a_short_one() {
    let machine = Machine::new(Layout::Modern);
    machine
        .write("/etc/passwd", "dev:x:1000:1000::/home/dev:/bin/sh\nfrank:x:110000:50::/home/frank:/bin/sh\n");
    machine.write("/etc/group", "team:x:120000:dev\n");
    machine.write("/etc/subuid", "dev:100000:10\n");
    machine.write("/etc/subgid", "");
    let edit = Edit::Subid { user: "dev".to_owned(), start: 100_010, count: 65536 };
    let path = Utf8PathBuf::from("/etc/subuid");
    let entry = Entry { path, edit, owner: Owner::Root, follow: None, restart: None };
    let script = Format::Sh.write(&of(vec![Change::Entry(entry)])).text;
    let (code, _, err) = run(&machine, &script, &[], &[("KIND_WSL_USER", "dev")]);
    assert_eq!((code, err.as_str()), (0, ""));
    assert_eq!(machine.text("/etc/subuid"), "dev:100000:10\ndev:120001:65536\n");
}
