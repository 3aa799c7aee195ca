//! A directory of the user is swapped for a link as fast as possible while root works in it.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, lchown, symlink};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};
use kind_wsl::host::{Account, Expected, HostError, LiveSystem, Owner, Process, System};
use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};

use crate::attacks::seen::{everything, exactly};
use crate::support::cli::{Case, is_root};
use crate::support::{Layout, step};

/// Rounds of a whole setup and its undo: all of them in CI, otherwise every fifth.
const SET_UPS: usize = 25;
const SECRET: &str = "# 55aa-secret\n[engine]\n";

/// Exchanges two names until it is dropped; then both are as they were.
struct Swapper {
    stop: Arc<AtomicBool>,
    swaps: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl Swapper {
    /// The names are as they were for so long between two exchanges.
    fn of(one: &Utf8Path, other: &Utf8Path, rest: Duration) -> Self {
        let (stop, swaps) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (ended, count) = (Arc::clone(&stop), Arc::clone(&swaps));
        let (one, other) = (one.to_owned(), other.to_owned());
        let thread = std::thread::spawn(move || {
            while !ended.load(Ordering::Relaxed) || count.load(Ordering::Relaxed) % 2 == 1 {
                let (one, other) = (one.as_std_path(), other.as_std_path());
                renameat2(AT_FDCWD, one, AT_FDCWD, other, RenameFlags::RENAME_EXCHANGE).unwrap();
                if count.fetch_add(1, Ordering::Relaxed) % 2 == 1 {
                    let begin = Instant::now();
                    while begin.elapsed() < rest {
                        std::thread::yield_now();
                    }
                }
            }
        });
        Self { stop, swaps, thread: Some(thread) }
    }

    fn swaps(&self) -> u64 {
        self.swaps.load(Ordering::Relaxed)
    }
}

impl Drop for Swapper {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let ended = self.thread.take().unwrap().join();
        assert!(ended.is_ok() || std::thread::panicking());
    }
}

/// A directory that is a home, one of root's that a link leads to, and what must stay in that.
struct Ground {
    _dir: tempfile::TempDir,
    home: Utf8PathBuf,
    roots: Utf8PathBuf,
    was: Vec<String>,
}

impl Ground {
    /// Root's directory has this mode: 0770 is for root's group, which root's processes are in.
    fn new(mode: u32) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let top = Utf8PathBuf::from_path_buf(dir.path().canonicalize().unwrap()).unwrap();
        fs::set_permissions(&top, fs::Permissions::from_mode(0o755)).unwrap();
        let (home, roots) = (top.join("home"), top.join("roots"));
        for made in [&home, &home.join("conf"), &roots] {
            fs::create_dir(made).unwrap();
        }
        for (name, mode) in [("file", 0o600), ("gone", 0o660), (".file.kind-wsl", 0o600)] {
            fs::write(roots.join(name), SECRET).unwrap();
            fs::set_permissions(roots.join(name), fs::Permissions::from_mode(mode)).unwrap();
        }
        fs::create_dir(roots.join("empty")).unwrap();
        fs::set_permissions(&roots, fs::Permissions::from_mode(mode)).unwrap();
        symlink(&roots, home.join("link")).unwrap();
        for theirs in [&home, &home.join("conf"), &home.join("link")] {
            lchown(theirs, Some(1000), Some(1000)).unwrap();
        }
        let mut ground = Self { _dir: dir, home, roots, was: Vec::new() };
        ground.was = ground.is();
        ground
    }

    fn is(&self) -> Vec<String> {
        let mut names: Vec<_> =
            self.roots.read_dir_utf8().unwrap().map(|e| e.unwrap().path().to_owned()).collect();
        names.push(self.roots.clone());
        names.sort();
        names.iter().map(|path| format!("{path} {}", exactly(path))).collect()
    }
}

fn account(home: &Utf8Path) -> Account {
    let (name, shell) = ("dev".to_owned(), "/bin/sh".to_owned());
    Account { name, uid: 1000, gid: 1000, home: home.to_owned(), shell, config_home: None }
}

/// Rounds of each operation of the host.
fn rounds_of_each() -> u64 {
    if step(5, 1) == 1 { 3000 } else { 600 }
}

/// Everything that the host does to a file, at a path whose directory is swapped for a link to root's.
fn rounds(mode: u32) -> (u64, u64) {
    let ground = Ground::new(mode);
    let root = Utf8Path::new("/");
    let host = LiveSystem::new(root, Box::new(Process::new(root)), []);
    host.mark_user_owned(&account(&ground.home), &ground.home);
    let owner = Owner::User { uid: 1000, gid: 1000 };
    let conf = ground.home.join("conf");
    let (file, gone) = (conf.join("file"), conf.join("gone"));
    let swapper = Swapper::of(&conf, &ground.home.join("link"), Duration::ZERO);
    let mut done = 0;
    for round in 0..rounds_of_each() {
        let written = host.write(&file, 0o644, (1000, 1000), owner, |sink| {
            let _ = sink.write_all(b"of the user\n");
            Ok::<(), HostError>(())
        });
        let others = [
            host.remove(&gone, owner).is_ok(),
            host.link(Expected::Anything, &conf.join("a-link"), "/nowhere", owner).is_ok(),
            host.make_dir(&conf.join("made"), owner).is_ok(),
            host.remove_dir(&conf.join("empty"), owner).is_ok(),
        ];
        done += u64::from(written.is_ok()) + others.into_iter().map(u64::from).sum::<u64>();
        let read = host.read(&file).ok().flatten().unwrap_or_default();
        assert!(!String::from_utf8_lossy(&read).contains("55aa"), "root read its own file for the user");
        assert_ne!(host.sha256(&file).ok().flatten(), Some(kind_wsl::host::digest(SECRET.as_bytes())));
        if round % 100 == 0 {
            assert_eq!(ground.is(), ground.was, "round {round}");
        }
    }
    let swaps = swapper.swaps();
    drop(swapper);
    assert_eq!(ground.is(), ground.was);
    (done, swaps)
}

#[test]
fn a_directory_that_is_swapped_for_a_link_while_root_works_in_it_leads_nowhere() {
    if !is_root() {
        println!("root alone can be led astray: nothing was tried");
        return;
    }
    // Where a login or sudo gives root its group, that group opens what is 0770.
    nix::unistd::setgroups(&[nix::unistd::Gid::from_raw(0)]).unwrap();
    for mode in [0o755, 0o770, 0o777 & !0o002] {
        let (done, swaps) = rounds(mode);
        println!("{mode:o}: {} rounds of 7 operations, {done} effects, {swaps} swaps", rounds_of_each());
        assert!(done > 100 && swaps > rounds_of_each(), "there was no race: {done} effects, {swaps} swaps");
    }
}

#[test]
fn a_whole_setup_among_swapped_directories_touches_no_file_of_root() {
    if !is_root() {
        println!("root alone can be led astray: nothing was tried");
        return;
    }
    let (mut ended, mut swaps) = ([0; 6], 0);
    for round in (0..SET_UPS).step_by(step(5, 1)) {
        // From nearly always the link to hardly ever: a setup that is refused immediately is not a race.
        let rest = Duration::from_micros(u64::try_from(round).unwrap() * 200);
        let case = Case::new(Layout::Classic).started_by(&["timeout", "--signal=KILL", "120"]);
        let path = |p: &str| case.machine.path(p);
        let mut victims = Vec::new();
        let mut swappers = Vec::new();
        for (number, (dir, names)) in [
            ("/home/dev/.config/containers", ["containers.conf", "storage.conf"]),
            ("/home/dev/.local/bin", ["crun", "kind"]),
        ]
        .into_iter()
        .enumerate()
        {
            let roots = format!("/srv/roots-{number}");
            for name in names {
                case.machine.write(&format!("{roots}/{name}"), SECRET);
                let victim = path(&format!("{roots}/{name}"));
                fs::set_permissions(&victim, fs::Permissions::from_mode(0o600)).unwrap();
                victims.push(victim);
            }
            victims.push(path(&roots));
            fs::create_dir_all(path(dir)).unwrap();
            let link = path(dir).with_file_name("elsewhere");
            symlink(&roots, &link).unwrap();
            for above in path(dir).ancestors().take_while(|a| a.starts_with(path("/home/dev"))) {
                chown(above, Some(1000), Some(1000)).unwrap();
            }
            lchown(&link, Some(1000), Some(1000)).unwrap();
            swappers.push(Swapper::of(&path(dir), &link, rest));
        }
        let was: Vec<_> = victims.iter().map(|v| exactly(v)).collect();
        for command in [everything().as_str(), "undo --yes --packages --drift restore"] {
            let seen = case.run(command);
            assert!((0..=4).contains(&seen.code), "round {round}, {command}: {seen:?}");
            assert!(!format!("{seen:?}").contains("55aa"), "round {round}: {seen:?}");
            ended[usize::try_from(seen.code).unwrap()] += 1;
        }
        swaps += swappers.iter().map(Swapper::swaps).sum::<u64>();
        drop(swappers);
        // What was in the middle when the directory went away is undone once it stays.
        let seen = case.run("undo --yes --packages --drift restore");
        assert_eq!(seen.code, 0, "round {round}: {seen:?}");
        assert_eq!(victims.iter().map(|v| exactly(v)).collect::<Vec<_>>(), was, "round {round}");
        for dir in ["/home/dev/.config/containers", "/home/dev/.local/bin"] {
            for entry in path(dir).read_dir_utf8().unwrap() {
                let text = fs::read_to_string(entry.unwrap().path()).unwrap();
                assert!(!text.contains("55aa"), "round {round}: root's bytes are the user's");
            }
        }
    }
    println!("setups and undos: {swaps} swaps; exit codes 0 to 5: {ended:?}");
    assert!(swaps > 1000);
}
