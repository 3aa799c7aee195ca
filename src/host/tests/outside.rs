//! Files of the command line.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, lchown, symlink};

use camino::{Utf8Path, Utf8PathBuf};

use super::{Ground, host_at, is_root};

#[test]
fn a_linked_directory_of_a_user_does_not_choose_where_root_writes() {
    if !is_root() {
        println!("root alone can be led astray: nothing was tried");
        return;
    }
    let ground = Ground::new();
    let (home, roots) = (ground.top.join("home"), ground.top.join("roots"));
    for dir in [&home, &home.join("own"), &roots] {
        fs::create_dir(dir).unwrap();
    }
    symlink(&roots, home.join("reports")).unwrap();
    symlink("reports", home.join("chain")).unwrap();
    symlink(&roots, ground.top.join("of-roots")).unwrap();
    for user_paths in ["", "own", "reports", "chain"] {
        lchown(home.join(user_paths), Some(1000), Some(1000)).unwrap();
    }
    let host = host_at("/".into());
    for dir in ["reports", "chain", "own/../reports"] {
        let path = home.join(dir);
        let said = host.write_host_path(&path.join("x.json"), b"x", 0o600).unwrap_err().to_string();
        assert!(said.contains("another user, who has no write permission there"), "{said}");
        assert!(host.download_dir_at_host_path(&path.join("made")).is_err(), "{path}");
        let staged = host.download_dir_at_host_path(&path).and_then(|download_dir| download_dir.part("file"));
        assert!(staged.is_err(), "{path}");
    }
    assert_eq!(fs::read_dir(&roots).unwrap().count(), 0, "something was written");
    // A directory of the user works, and files created there belong to the user; root's links are followed.
    for (dir, owner) in [(home.join("own"), 1000), (ground.top.join("of-roots"), 0)] {
        let path = dir.join("x.json");
        host.write_host_path(&path, b"x", 0o600).unwrap();
        let meta = fs::metadata(&path).unwrap();
        assert_eq!((meta.uid(), meta.permissions().mode() & 0o777), (owner, 0o600));
        let download_dir = host.download_dir_at_host_path(&dir.join("a/b")).unwrap();
        download_dir.part("file").unwrap().finish().unwrap();
        assert_eq!(fs::metadata(dir.join("a/b/file")).unwrap().uid(), owner);
    }
}

#[test]
fn files_named_by_the_caller_are_bounded_and_of_a_known_type() {
    let ground = Ground::new();
    let host = host_at("/".into());
    let refused = |path: &Utf8Path| host.read_user_arg(path, 1 << 20).unwrap_err().to_string();
    for device in ["/dev/zero", "/dev/urandom", "/dev/full"] {
        assert_eq!(refused(Utf8Path::new(device)), "it is a device, socket or pipe");
    }
    assert_eq!(host.read_user_arg(Utf8Path::new("/dev/null"), 1 << 20).unwrap(), "");
    let large = ground.put("large", &"x".repeat((1 << 20) + 1));
    assert_eq!(refused(&large), "it has more than 1 MiB");
    // A pipe of the shell works as long as it ends.
    let (from, to) = nix::unistd::pipe().unwrap();
    let path = Utf8PathBuf::from(format!("/dev/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&from)));
    let writer = std::thread::spawn(move || std::fs::File::from(to).write_all(b"idle = \"yes\"\n").unwrap());
    assert_eq!(host.read_user_arg(&path, 1 << 20).unwrap(), "idle = \"yes\"\n");
    writer.join().unwrap();
    // A pipe that does not end is read only up to the limit.
    let (from, to) = nix::unistd::pipe().unwrap();
    let path = Utf8PathBuf::from(format!("/dev/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&from)));
    let writer = std::thread::spawn(move || {
        let mut to = std::fs::File::from(to);
        while to.write_all(&[b'x'; 4096]).is_ok() {}
    });
    assert_eq!(refused(&path), "it has more than 1 MiB");
    drop(from);
    writer.join().unwrap();
}

#[test]
fn an_offline_file_is_read_with_the_rights_of_the_owner_of_the_directory() {
    if !is_root() {
        println!("root alone can be led astray: nothing was tried");
        return;
    }
    let ground = Ground::new();
    let secret = ground.put("secret", "secret");
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
    ground.put("usb/file", "offline");
    symlink(&secret, ground.top.join("usb/link")).unwrap();
    for user_paths in ["usb", "usb/file", "usb/link"] {
        lchown(ground.top.join(user_paths), Some(1000), Some(1000)).unwrap();
    }
    let host = host_at("/".into());
    let mut text = String::new();
    host.open_host_path(&ground.top.join("usb/file")).unwrap().read_to_string(&mut text).unwrap();
    assert_eq!(text, "offline");
    assert!(host.open_host_path(&ground.top.join("usb/link")).is_err());
    assert!(host.open_host_path(&secret).is_ok());
}
