//! What decides where root reads and writes: links of a tree, links of a user, files without an end.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, lchown, symlink};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use camino::Utf8Path;

use crate::attacks::seen::{everything, exactly};
use crate::support::Layout;
use crate::support::cli::{BIN, Case, is_root};

/// A directory and all that is below it.
fn whole(dir: &Utf8Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::from([(dir.to_string(), exactly(dir))]);
    for entry in dir.read_dir_utf8().unwrap() {
        let path = entry.unwrap().path().to_owned();
        found.insert(path.to_string(), exactly(&path));
        if path.symlink_metadata().unwrap().is_dir() {
            found.extend(whole(&path));
        }
    }
    found
}

#[test]
fn no_link_of_a_tree_leads_to_the_host() {
    for (linked, is_relative) in [
        ("/var/lib/kind-wsl", false),
        ("/var/lib/kind-wsl", true),
        ("/var/lib", false),
        ("/etc/sysctl.d", false),
        ("/etc/sysctl.d", true),
        ("/home/dev/.config", false),
        ("/home/dev/.local/bin", true),
    ] {
        let outside = tempfile::tempdir().unwrap();
        let host = Utf8Path::from_path(outside.path()).unwrap();
        for dir in ["downloads", "kind-wsl/downloads", "saved", "bin", "containers"] {
            fs::create_dir_all(host.join(dir)).unwrap();
            fs::write(host.join(dir).join("precious"), "of the host").unwrap();
        }
        let case = Case::new(Layout::Modern);
        // The same directory exists in the tree, and there the work is done.
        let path = case.machine.path(linked);
        let inside = case.machine.path(host.as_str());
        fs::create_dir_all(inside.parent().unwrap()).unwrap();
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        match fs::rename(&path, &inside) {
            Ok(()) => {}
            Err(_) => fs::create_dir_all(&inside).unwrap(),
        }
        let to = if is_relative { format!("../../../../../../../../../..{host}") } else { host.to_string() };
        symlink(&to, &path).unwrap();
        if is_root() && linked.starts_with("/home") {
            for theirs in [&path, &inside, path.parent().unwrap()] {
                lchown(theirs, Some(1000), Some(1000)).unwrap();
            }
        }
        let before = whole(host);
        let seen = case.run(&everything());
        assert!(matches!(seen.code, 0 | 1 | 3), "{linked}: {seen:?}");
        assert_eq!(whole(host), before, "{linked}: {seen:?}");
        for command in ["status", "report", "undo --yes --packages"] {
            let seen = case.run(command);
            assert!(!seen.stdout.contains("of the host"), "{linked}: {seen:?}");
            assert_eq!(whole(host), before, "{linked}, {command}: {seen:?}");
        }
    }
}

/// A home with a directory that is a link to one of root's, and what root may not be made to write.
fn led_astray() -> Case {
    let case = Case::new(Layout::Modern).dir("/home/dev/own").dir("/srv/roots");
    let roots = case.machine.path("/srv/roots");
    symlink(&roots, case.machine.path("/home/dev/reports")).unwrap();
    lchown(case.machine.path("/home/dev/reports"), Some(1000), Some(1000)).unwrap();
    lchown(case.machine.path("/home/dev"), Some(1000), Some(1000)).unwrap();
    case
}

#[test]
fn a_linked_directory_does_not_choose_where_root_writes_a_report() {
    if !is_root() {
        println!("root alone can be led astray: nothing was tried");
        return;
    }
    let called = led_astray().env("SUDO_UID", "1000").env("SUDO_GID", "1000").env("SUDO_USER", "dev");
    for (case, why) in [
        (
            led_astray(),
            "it leads through a directory or link of another user, who has no write permission there",
        ),
        (called, "under sudo files are written as `dev`, who has no write permission there"),
    ] {
        for command in [
            "report -o [ROOT]/home/dev/reports/x",
            "export --format sh -o [ROOT]/home/dev/reports/x",
            "crun fetch --to [ROOT]/home/dev/reports/x",
        ] {
            let seen = case.run(command);
            assert!(matches!(seen.code, 1 | 2), "{command}: {seen:?}");
            assert!(seen.stderr.contains(why), "{command}: {seen:?}");
        }
        let roots = case.machine.path("/srv/roots");
        assert_eq!(fs::read_dir(roots).unwrap().count(), 0);
        let seen = case.run("report -o [ROOT]/home/dev/own/x.json");
        assert_eq!(seen.code, 0, "{seen:?}");
        let meta = fs::metadata(case.machine.path("/home/dev/own/x.json")).unwrap();
        assert_eq!((meta.uid(), meta.permissions().mode() & 0o777), (1000, 0o600));
    }
}

#[test]
fn a_windows_profile_is_read_as_the_user_from_the_first_read_on() {
    if !is_root() {
        println!("root alone can be led astray: nothing was tried");
        return;
    }
    for profile in ["/mnt/c/Users/dev", "/srv/profile"] {
        let case = Case::new(Layout::Classic)
            .file("/srv/secret", "[wsl2]\nkernelCommandLine = 7d1f-top-secret\n")
            .dir(profile)
            .link(&format!("{profile}/.wslconfig"), "/srv/secret")
            .env("KIND_WSL_WINDOWS_PROFILE", profile);
        let secret = case.machine.path("/srv/secret");
        fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
        let was = exactly(&secret);
        for command in ["plan", "plan --json", "report", "doctor", "status", "crun list", &everything()] {
            let seen = case.run(command);
            assert!(!format!("{seen:?}").contains("7d1f"), "{profile}, {command}: {seen:?}");
        }
        assert_eq!(exactly(&secret), was);
    }
}

#[test]
fn a_file_without_an_end_is_refused_at_once() {
    let case = Case::new(Layout::Modern);
    for (args, why) in [
        ("plan --answers /dev/zero", "it is a device, socket or pipe"),
        ("setup --yes --answers /dev/zero", "it is a device, socket or pipe"),
        ("plan --facts /dev/zero", "it is a device, socket or pipe"),
        ("plan --facts [ROOT]/large", "it has more than 64 MiB"),
        ("plan --answers [ROOT]/large", "it has more than 1 MiB"),
    ] {
        fs::File::create(case.machine.path("/large")).unwrap().set_len(1 << 40).unwrap();
        let begin = Instant::now();
        let seen = case.run(args);
        assert_eq!(seen.code, 2, "{args}: {seen:?}");
        assert!(seen.stderr.contains(why), "{args}: {seen:?}");
        assert!(begin.elapsed() < Duration::from_secs(20), "{args}: {:?}", begin.elapsed());
    }
    let root = case.machine.root.as_str();
    let shell = |answers: &str| {
        let script = format!("\"$1\" --root \"$2\" --user dev plan --answers <({answers})");
        let mut command = Command::new("bash");
        command.args(["-c", &script, "bash", BIN, root]).stdin(Stdio::null());
        command.output().unwrap()
    };
    let endless = shell("yes");
    assert_eq!(endless.status.code(), Some(2), "{endless:?}");
    let answered = shell("echo 'idle = \"yes\"'");
    assert_eq!(answered.status.code(), Some(0), "{answered:?}");
}

#[test]
fn a_configuration_file_that_is_too_large_or_too_deep_is_refused_at_once() {
    let many = |count: u32, rest: &str| {
        let line = |text: String, n: u32| text + "k" + &n.to_string() + rest + "\n";
        (0..count).fold(String::new(), line)
    };
    let dots = "a.".repeat(20_000);
    for text in [
        many(600_000, " = 1"),
        many(300_000, " = 1"),
        many(90_000, ".b.c.d.e.f.g = {x={y={z={}}}}"),
        format!("{dots}b = 1\n"),
        format!("[{dots}b]\nc = 1\n"),
        format!("x = {{ {dots}b = 1 }}\n"),
        format!("a = {}{}\n", "[".repeat(100_000), "]".repeat(100_000)),
    ] {
        let case =
            Case::new(Layout::Modern).file("/home/dev/.config/containers/containers.conf", &text).podman_3();
        let begin = Instant::now();
        for command in ["plan --only podman", "doctor"] {
            let seen = case.run(command);
            assert!(matches!(seen.code, 0 | 1 | 4), "{command}: {seen:?}");
        }
        let seen = case.run("setup --yes --only podman");
        assert_eq!(seen.code, 1, "{}", seen.stderr);
        assert!(seen.stderr.contains("containers.conf"), "{}", seen.stderr);
        assert!(begin.elapsed() < Duration::from_mins(1), "{:?}", begin.elapsed());
    }
}
