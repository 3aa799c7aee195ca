//! Detects files that only root can have put at their paths.

#![allow(clippy::disallowed_methods, reason = "part of the one place that touches files")]

use std::fs;
use std::os::unix::fs::MetadataExt;

use camino::{Utf8Component, Utf8Path, Utf8PathBuf};

/// The maximum number of links, as in the kernel (`path_resolution(7)`).
const MAX_LINKS: usize = 40;

/// Whether only root decides on the file at an absolute path: it and every directory and link on the way belong to
/// root, and no other user can write to them. sudo has the same rule for its own files.
#[must_use]
pub fn is_roots_own(path: &Utf8Path) -> bool {
    if !path.is_absolute() {
        return false;
    }
    let mut todo: Vec<String> = names(path);
    let mut done = Utf8PathBuf::from("/");
    let mut links = 0;
    if !is_safe(&done) {
        return false;
    }
    while let Some(name) = todo.pop() {
        if name == ".." {
            done.pop();
            continue;
        }
        let next = done.join(&name);
        if !is_safe(&next) {
            return false;
        }
        match fs::read_link(&next) {
            Ok(to) => {
                links += 1;
                let Ok(to) = Utf8PathBuf::from_path_buf(to) else { return false };
                if links > MAX_LINKS {
                    return false;
                }
                if to.is_absolute() {
                    done = Utf8PathBuf::from("/");
                }
                todo.extend(names(&to));
            }
            Err(_) => done = next,
        }
    }
    true
}

/// The rule for one file, directory or link. The mode of a link is meaningless.
fn is_safe(path: &Utf8Path) -> bool {
    fs::symlink_metadata(path)
        .is_ok_and(|meta| meta.uid() == 0 && (meta.is_symlink() || meta.mode() & 0o022 == 0))
}

/// The components of a path, last first.
fn names(path: &Utf8Path) -> Vec<String> {
    let names = path.components().rev();
    let names = names.filter(|c| !matches!(c, Utf8Component::RootDir | Utf8Component::CurDir));
    names.map(|c| c.as_str().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use camino::{Utf8Path, Utf8PathBuf};

    use super::is_roots_own;

    #[test]
    fn a_system_file_is_roots_own_and_one_below_a_shared_directory_is_not() {
        assert!(is_roots_own(Utf8Path::new("/etc/passwd")));
        let dir = tempfile::tempdir_in("/tmp").unwrap();
        let dir = Utf8PathBuf::from_path_buf(dir.path().to_owned()).unwrap();
        let file = dir.join("file");
        std::fs::write(&file, "").unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
        // All users can write to /tmp.
        assert!(!is_roots_own(&file));
        // A link there can be changed, whatever it leads to.
        let link = dir.join("link");
        symlink("/etc/passwd", &link).unwrap();
        assert!(!is_roots_own(&link));
        assert!(!is_roots_own(Utf8Path::new("etc/passwd")));
        assert!(!is_roots_own(Utf8Path::new("/etc/not/there")));
    }
}
