//! Two runs, and two distributions.

use std::fs;
use std::os::unix::fs::{PermissionsExt, lchown};

use camino::{Utf8Path, Utf8PathBuf};

use super::{Ground, dev, host_at, is_root};
use crate::host::{Expected, HostError, LiveSystem, Owner, System, digest};

#[test]
fn the_lock_is_a_file_that_only_its_owner_may_open() {
    let ground = Ground::new();
    let host = host_at(&ground.top);
    let (dir, path) = (Utf8Path::new("/"), ground.top.join("lock"));
    let lock = host.lock(dir).unwrap().unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(host.lock(dir).unwrap().is_none());
    drop(lock);
    // A file that other users could have open is made private.
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
    drop(host.lock(dir).unwrap().unwrap());
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    // A lock on the directory is not a lock on the file.
    let opened = fs::File::open(&ground.top).unwrap();
    opened.lock().unwrap();
    assert!(host.lock(dir).unwrap().is_some());
}

#[test]
fn an_erased_directory_stays_if_another_run_has_locked_it() {
    let ground = Ground::new();
    fs::create_dir(ground.top.join("own")).unwrap();
    let (host, dir) = (host_at(&ground.top), Utf8Path::new("/own"));
    let first = host.lock(dir).unwrap().unwrap();
    // Another program removed the file, and another run has created and locked a new one.
    fs::remove_file(ground.top.join("own/lock")).unwrap();
    let second = host.lock(dir).unwrap().unwrap();
    host.remove_locked(first, dir).unwrap();
    assert!(host.lock(dir).unwrap().is_none(), "the second lock is lost");
    host.remove_locked(second, dir).unwrap();
    assert!(!ground.top.join("own").exists());
    assert!(host.lock(dir).unwrap_err().is_absent());
}

/// A directory on the Windows side, and a distribution with access to it.
fn distribution(ground: &Ground) -> (LiveSystem, Utf8PathBuf) {
    if is_root() {
        lchown(ground.top.join("profile"), Some(1000), Some(1000)).unwrap();
    }
    let host = host_at(&ground.top);
    host.mark_windows_owned(&dev(Utf8Path::new("/profile")), Utf8Path::new("/profile"));
    (host, Utf8PathBuf::from("/profile/.wslconfig"))
}

/// Adds a line to the file, as an edit does: reads, replaces the expected content, and retries if it changed.
fn add(host: &LiveSystem, path: &Utf8Path, line: &str) {
    loop {
        let bytes = host.read(path).unwrap().unwrap_or_default();
        let sha256 = digest(&bytes);
        let written = host.replace_if(
            Expected::File(&sha256),
            path,
            0o644,
            host.resolve_owner(Owner::Root),
            Owner::Root,
            |sink| {
                let write = sink.write_all(&bytes).and_then(|()| sink.write_all(line.as_bytes()));
                write.map_err(crate::host::fs::failed("write", path))
            },
        );
        match written {
            Ok(()) => return,
            Err(e) if e.is_conflict() => {}
            Err(e) => panic!("{e:?}"),
        }
    }
}

#[test]
fn two_distributions_that_write_the_same_file_lose_nothing() {
    let ground = Ground::new();
    ground.put("profile/.wslconfig", "");
    std::thread::scope(|scope| {
        for name in ["one", "two"] {
            let ground = &ground;
            scope.spawn(move || {
                let (host, path) = distribution(ground);
                (0..100).for_each(|number| add(&host, &path, &format!("{name} {number}\n")));
            });
        }
    });
    let text = fs::read_to_string(ground.top.join("profile/.wslconfig")).unwrap();
    for name in ["one", "two"] {
        let own: Vec<_> = text.lines().filter(|line| line.starts_with(name)).collect();
        assert_eq!(own, (0..100).map(|number| format!("{name} {number}")).collect::<Vec<_>>());
    }
    assert_eq!(fs::read_dir(ground.top.join("profile")).unwrap().count(), 1, "a lock is left");
}

#[test]
fn the_lock_of_a_distribution_that_was_killed_is_swept_away() {
    let ground = Ground::new();
    ground.put("profile/.wslconfig", "before\n");
    // The process has ended: its number is above the largest one that the kernel assigns.
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    let namespace = fs::read_link("/proc/self/ns/pid").unwrap();
    let gone = format!("{} {} 4194305 77\n", boot.trim(), namespace.display());
    for dead in ["another-boot pid:[1] 1 1\n", gone.as_str()] {
        let lock = ground.put("profile/.kind-wsl.lock", dead);
        let (host, path) = distribution(&ground);
        add(&host, &path, "after\n");
        assert!(!lock.exists(), "{dead}");
        ground.put("profile/.kind-wsl.lock", dead);
        host.sweep_shared(&path, Owner::Root).unwrap();
        assert!(!lock.exists(), "{dead}");
    }
    let (host, path) = distribution(&ground);
    let seen = digest(&host.read(&path).unwrap().unwrap());
    let failed = host.replace_if(Expected::File(&seen), &path, 0o644, (0, 0), Owner::Root, |_| {
        Err::<(), _>(HostError::NotRecorded("an error of the caller".to_owned()))
    });
    assert!(failed.is_err());
    assert_eq!(fs::read_dir(ground.top.join("profile")).unwrap().count(), 1, "a lock is left");
}
