//! Paths, identities, limits and locks, under hostile conditions.

#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "tests make their files, and say what they skip"
)]

mod lock;
mod outside;

use std::fs;
use std::os::unix::fs::{PermissionsExt, lchown, symlink};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use camino::{Utf8Path, Utf8PathBuf};

use super::walk::Root;
use super::{Account, Expected, HostError, LiveSystem, Owner, Process, System};

/// A directory for one test.
struct Ground {
    _dir: tempfile::TempDir,
    top: Utf8PathBuf,
}

impl Ground {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let top = Utf8PathBuf::from_path_buf(dir.path().canonicalize().unwrap()).unwrap();
        fs::set_permissions(&top, fs::Permissions::from_mode(0o755)).unwrap();
        Self { _dir: dir, top }
    }

    fn put(&self, path: &str, text: &str) -> Utf8PathBuf {
        let path = self.top.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    fn link(&self, path: &str, to: &str) {
        let path = self.top.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        symlink(to, path).unwrap();
    }
}

fn host_at(root: &Utf8Path) -> LiveSystem {
    LiveSystem::new(root, Box::new(Process::new(root)), [])
}

/// The same directory, on a kernel with openat2 and on one without.
fn both(root: &Utf8Path) -> [LiveSystem; 2] {
    let mut old = host_at(root);
    old.top = Arc::new(Root::at(root).without_openat2());
    [host_at(root), old]
}

fn write(host: &LiveSystem, path: &str, text: &str) -> Result<(), HostError> {
    let path = Utf8Path::new(path);
    host.write(path, 0o644, host.resolve_owner(Owner::Root), Owner::Root, |sink| {
        sink.write_all(text.as_bytes()).map_err(super::fs::failed("write", path))
    })
}

fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// A user whose links must not redirect root.
fn dev(home: &Utf8Path) -> Account {
    Account {
        name: "dev".to_owned(),
        uid: 1000,
        gid: 1000,
        home: home.to_owned(),
        shell: String::new(),
        config_home: None,
    }
}

/// A process that stays in a directory until it is dropped.
struct Sitter(Child);

impl Sitter {
    fn new(dir: &Utf8Path) -> Self {
        let mut child = Command::new("cat").current_dir(dir).stdin(Stdio::piped()).spawn().unwrap();
        // Once it has started, its directory is that of the program, not of this process.
        while fs::read_link(format!("/proc/{}/cwd", child.id())).unwrap() != dir.as_std_path() {
            assert!(child.try_wait().unwrap().is_none());
        }
        Self(child)
    }
}

impl Drop for Sitter {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

#[test]
fn every_link_of_a_tree_is_resolved_inside_it() {
    let ground = Ground::new();
    let victim = ground.put("host/victim/file", "of the host");
    let dir = victim.parent().unwrap();
    // The same path exists in the tree.
    ground.put(&format!("tree{dir}/file"), "of the tree");
    ground.link("tree/absolute", dir.as_str());
    ground.link("tree/relative", "../../../../../../../../host/victim");
    ground.link("tree/a/up", "../../host/victim");
    ground.link("tree/chain", "/absolute");
    ground.link("tree/file", victim.as_str());
    ground.put("tree/host/victim/file", "of the tree");
    for host in both(&ground.top.join("tree")) {
        for dir in ["/absolute", "/relative", "/a/up", "/chain", "/../host/victim", "/a/../absolute"] {
            let path = format!("{dir}/file");
            assert_eq!(host.text(&path).as_deref(), Some("of the tree"), "{path}");
            assert_eq!(host.list(Utf8Path::new(dir)).unwrap(), ["file"], "{dir}");
            write(&host, &format!("{dir}/new"), "new").unwrap();
            host.make_dir(&Utf8Path::new(dir).join("dir"), Owner::Root).unwrap();
            host.append(&Utf8Path::new(dir).join("log"), "line\n").unwrap();
            host.link(Expected::Nothing, &Utf8Path::new(dir).join("link"), "to", Owner::Root).unwrap();
            for name in ["new", "log", "link"] {
                host.remove(&Utf8Path::new(dir).join(name), Owner::Root).unwrap();
            }
            host.remove_dir(&Utf8Path::new(dir).join("dir"), Owner::Root).unwrap();
            let download_dir = host.download_dir(&Utf8Path::new(dir).join("downloads"));
            download_dir.make().unwrap();
            drop(download_dir.part("part").unwrap());
            download_dir.clear().unwrap();
        }
        assert_eq!(host.text("/file").as_deref(), Some("of the tree"));
    }
    assert_eq!(fs::read_to_string(&victim).unwrap(), "of the host");
    assert_eq!(fs::read_dir(dir).unwrap().count(), 1, "something was made on the host");
}

#[test]
fn a_staging_directory_that_is_a_link_is_not_cleared_through_it() {
    let ground = Ground::new();
    let precious = ground.put("tree/precious/file", "data");
    ground.link("tree/var/downloads", "/precious");
    let host = host_at(&ground.top.join("tree"));
    let download_dir = host.download_dir(Utf8Path::new("/var/downloads"));
    assert!(download_dir.make().is_err() && download_dir.clear().is_err());
    assert_eq!(fs::read_to_string(precious).unwrap(), "data");
}

#[test]
fn links_resolve_as_in_a_chroot() {
    let ground = Ground::new();
    ground.put("usr/lib/file", "");
    ground.link("lib", "usr/lib");
    ground.link("a/loop", "loop");
    ground.link("dangling", "/not/../there/yet");
    for host in both(&ground.top) {
        let to = |path: &str| host.resolve(Utf8Path::new(path)).unwrap();
        assert_eq!(to("/lib/file"), "/usr/lib/file");
        assert_eq!(to("/lib/../file"), "/usr/file");
        assert_eq!(to("/dangling/x"), "/there/yet/x");
        assert_eq!(to("/usr/./lib//none/x"), "/usr/lib/none/x");
        assert_eq!(to("/usr/lib/file/below"), "/usr/lib/file/below");
        assert_eq!(to("/"), "/");
        assert!(matches!(host.resolve(Utf8Path::new("/a/loop")), Err(HostError::Loop(_))));
        assert_eq!(host.stat(Utf8Path::new("/usr/lib/file/below")).unwrap(), None);
        assert!(host.exists("/lib") && !host.exists("/dangling"));
    }
}

#[test]
fn a_text_of_more_than_4_mib_is_refused_and_a_program_is_not() {
    let ground = Ground::new();
    let file = fs::File::create(ground.top.join("large")).unwrap();
    file.set_len((4 << 20) + 1).unwrap();
    let host = host_at(&ground.top);
    let path = Utf8Path::new("/large");
    let error = host.read(path).unwrap_err();
    let source = std::error::Error::source(&error).unwrap();
    assert_eq!(format!("{error}: {source}"), "cannot read `/large`: it has more than 4 MiB");
    assert_eq!(host.read_large(path).unwrap().unwrap().len(), (4 << 20) + 1);
    assert!(host.sha256(path).unwrap().is_some());
    file.set_len(4 << 20).unwrap();
    assert!(host.read(path).is_ok());
}

#[test]
fn a_file_that_blocks_is_refused() {
    let ground = Ground::new();
    let pipe = ground.top.join("pipe");
    nix::unistd::mkfifo(pipe.as_std_path(), nix::sys::stat::Mode::from_bits_truncate(0o600)).unwrap();
    ground.link("link", "pipe");
    for host in both(&ground.top) {
        for path in ["/pipe", "/link"].map(Utf8Path::new) {
            assert!(host.read(path).is_err() && host.sha256(path).is_err() && host.open(path).is_err());
            assert!(host.append(path, "x").is_err() && host.truncate(path, 0).is_err());
            assert_eq!(host.list(path).unwrap(), [""; 0]);
            // A pipe at the path of a directory.
            assert!(write(&host, &format!("{path}/file"), "").is_err());
        }
    }
}

#[test]
fn acting_as_a_user_drops_every_capability_and_raises_them_again() {
    if !is_root() {
        println!("root alone has capabilities: nothing was tried");
        return;
    }
    let ground = Ground::new();
    fs::create_dir(ground.top.join("home")).unwrap();
    lchown(ground.top.join("home"), Some(1000), Some(1000)).unwrap();
    let host = host_at("/".into());
    host.mark_user_owned(&dev(&ground.top.join("home")), &ground.top.join("home"));
    let effective = || {
        let status = fs::read_to_string("/proc/thread-self/status").unwrap();
        status.lines().find_map(|l| l.strip_prefix("CapEff:")).unwrap().trim().to_owned()
    };
    let before = effective();
    assert_ne!(before, "0000000000000000");
    let owner = Owner::User { uid: 1000, gid: 1000 };
    let path = ground.top.join("home/file");
    host.write(&path, 0o600, (1000, 1000), owner, |_| {
        assert_eq!(effective(), "0000000000000000");
        Ok::<(), HostError>(())
    })
    .unwrap();
    assert_eq!(effective(), before);
    // Actions that require root work again.
    assert!(host.read(Utf8Path::new("/etc/shadow")).unwrap().is_some());
}

#[test]
fn a_magic_link_leads_root_nowhere_that_the_user_may_not_go() {
    if !is_root() {
        println!("root alone can be led astray: nothing was tried");
        return;
    }
    let ground = Ground::new();
    let secret = ground.put("roots/private/containers.conf", "secret");
    let (roots, private) = (ground.top.join("roots"), secret.parent().unwrap().to_owned());
    fs::set_permissions(&roots, fs::Permissions::from_mode(0o700)).unwrap();
    fs::set_permissions(&private, fs::Permissions::from_mode(0o777)).unwrap();
    let sitter = Sitter::new(&private);
    let home = ground.top.join("home");
    fs::create_dir(&home).unwrap();
    for what in ["cwd", "root"] {
        symlink(format!("/proc/{}/{what}", sitter.0.id()), home.join(what)).unwrap();
        lchown(home.join(what), Some(1000), Some(1000)).unwrap();
    }
    lchown(&home, Some(1000), Some(1000)).unwrap();
    let owner = Owner::User { uid: 1000, gid: 1000 };
    for (registered, mut host) in [true, false].into_iter().flat_map(|r| both("/".into()).map(|h| (r, h))) {
        if registered {
            host.mark_user_owned(&dev(&home), &home);
        }
        let host = &mut host;
        for dir in [home.join("cwd"), home.join(format!("root{private}"))] {
            let path = dir.join("containers.conf");
            assert!(host.read(&path).is_err(), "{path}");
            assert!(host.stat(&path).is_err() && host.sha256(&path).is_err() && host.list(&dir).is_err());
            let written = host.write(&path, 0o600, (1000, 1000), owner, |_| Ok::<(), HostError>(()));
            assert!(written.is_err() && host.remove(&path, owner).is_err());
            assert!(host.make_dir(&dir.join("made"), owner).is_err());
        }
    }
    assert_eq!(fs::read_to_string(secret).unwrap(), "secret");
    assert_eq!(fs::read_dir(private).unwrap().count(), 1);
}

#[test]
fn a_link_is_followed_with_the_rights_of_its_owner() {
    if !is_root() {
        println!("root alone can be led astray: nothing was tried");
        return;
    }
    let ground = Ground::new();
    let secret = ground.put("secret", "secret");
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
    ground.link("theirs", secret.as_str());
    lchown(ground.top.join("theirs"), Some(1000), Some(1000)).unwrap();
    ground.link("roots", secret.as_str());
    for host in both("/".into()) {
        assert!(host.read(&ground.top.join("theirs")).is_err());
        // The target still belongs to the user, by whatever path it is read afterwards.
        let real = host.resolve(&ground.top.join("theirs")).unwrap();
        assert!(host.read(&real).is_err());
    }
    for host in both("/".into()) {
        assert_eq!(host.read(&ground.top.join("roots")).unwrap().unwrap(), b"secret");
    }
}

#[test]
fn a_file_that_changed_is_read_again() {
    let ground = Ground::new();
    let file = ground.put("file", "one");
    let host = host_at(&ground.top);
    let read = || host.read_file(Utf8Path::new("/file")).unwrap().map(|(_, bytes)| bytes);
    assert_eq!(read().unwrap(), b"one");
    // Of the same size, in the same file.
    fs::write(&file, "two").unwrap();
    let later = std::time::SystemTime::now() + std::time::Duration::from_secs(1);
    fs::File::options().write(true).open(&file).unwrap().set_modified(later).unwrap();
    assert_eq!(read().unwrap(), b"two");
    fs::remove_file(&file).unwrap();
    assert_eq!(read(), None);
}

#[test]
fn a_change_that_the_times_do_not_show_is_found_before_the_file_is_replaced() {
    let ground = Ground::new();
    ground.put("file", "two");
    let (host, path) = (host_at(&ground.top), Utf8Path::new("/file"));
    host.remember(path, b"one");
    let read = || host.read_file(path).unwrap().map(|(_, bytes)| bytes).unwrap();
    assert_eq!(read(), b"one");
    let (sha256, ids) = (super::digest(b"one"), host.resolve_owner(Owner::Root));
    let replaced: Result<(), HostError> =
        host.replace_if(Expected::File(&sha256), path, 0o644, ids, Owner::Root, |_| Ok(()));
    assert!(replaced.unwrap_err().is_conflict());
    assert_eq!(read(), b"two");
}

#[test]
fn the_error_of_a_long_command_shows_its_first_words_and_the_hint_all() {
    let command = format!("apt-cache policy{}", " package".repeat(30));
    let error = HostError::TimedOut { command: command.clone(), seconds: 30 };
    let shown = error.to_string();
    assert!(
        shown.starts_with("`apt-cache policy package") && shown.ends_with(" …` did not end within 30 s"),
        "{shown}"
    );
    assert!(shown.len() < 90, "{shown}");
    assert!(format!("{:?}", error.hint()).contains(&command));
    let short = HostError::TimedOut { command: "wslinfo --version".to_owned(), seconds: 30 };
    assert_eq!(short.to_string(), "`wslinfo --version` did not end within 30 s");
}
