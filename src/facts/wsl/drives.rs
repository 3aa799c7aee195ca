//! The mount points of Windows drives.

use camino::Utf8PathBuf;

use super::conf::bytes;
use crate::edit::table::decode;
use crate::edit::wslconf::{Dialect, Document, Grammar};
use crate::host::System;

/// The directory in which Windows drives are mounted, with a trailing slash, according to the mount table. If the table
/// has no drive, `[automount] root` of wsl.conf, which may have been set only since the start.
#[must_use]
pub fn drives_root(system: &dyn System) -> String {
    let root_of = |mount: Utf8PathBuf| {
        let (root, letter) = mount.as_str().rsplit_once('/')?;
        let is_letter = letter.len() == 1 && letter.bytes().all(|byte| byte.is_ascii_alphabetic());
        is_letter.then(|| format!("{root}/"))
    };
    if let Some(root) = drive_mounts(system).into_iter().find_map(root_of) {
        return root;
    }
    let bytes = bytes(system);
    let root = |grammar| {
        let doc = Document::parse_as(&bytes, Dialect::WslConf, grammar);
        let root = doc.get("automount", "root").filter(|root| !root.is_empty()).unwrap_or("/mnt");
        format!("{}/", root.trim_end_matches('/'))
    };
    let roots = [root(Grammar::Skip), root(Grammar::Stop), "/mnt/".to_owned()];
    // The directory of a drive remains if the drive is mounted elsewhere; its content does not.
    let has_drive = |root: &&String| system.exists(&format!("{root}c/Users"));
    let has_dir = |root: &&String| system.exists(&format!("{root}c"));
    roots.iter().find(has_drive).or_else(|| roots.iter().find(has_dir)).unwrap_or(&roots[1]).clone()
}

/// The mount points of Windows directories.
#[must_use]
pub fn drive_mounts(system: &dyn System) -> Vec<Utf8PathBuf> {
    let table = system.text("/proc/mounts").unwrap_or_default();
    table.lines().filter_map(drive_mount).collect()
}

/// `C:\134 /mnt/c 9p …,aname=drvfs;path=C:\;…` (WSL `src/linux/init/drvfs.cpp`).
fn drive_mount(line: &str) -> Option<Utf8PathBuf> {
    let mut columns = line.split_ascii_whitespace();
    let (source, dir, kind) = (columns.next()?, columns.next()?, columns.next()?);
    let is_of_windows =
        source.starts_with("drvfs") || source.get(1..2) == Some(":") || source.starts_with("\\134");
    let is_drive = matches!(kind, "9p" | "virtiofs" | "drvfs") && is_of_windows;
    is_drive.then(|| decode(dir).into())
}

/// `C:\Users\dev` as the distribution mounts it; a Linux path stays as it is.
pub(crate) fn windows_path(path: &str, mount_root: &str) -> Option<Utf8PathBuf> {
    if path.starts_with('/') {
        return Some(path.into());
    }
    let (drive, rest) = path.split_once(":\\")?;
    Some(format!("{mount_root}{}/{}", drive.to_lowercase(), rest.replace('\\', "/")).into())
}

#[cfg(test)]
mod tests {
    use super::{drive_mount, windows_path};

    #[test]
    fn the_mount_table_shows_where_drives_are_mounted() {
        let options = "rw,noatime,aname=drvfs;path=C:\\;uid=1000;gid=1000,mmap,trans=fd,rfd=5,wfd=5 0 0";
        for (line, dir) in [
            (format!("C:\\134 /mnt/c 9p {options}"), Some("/mnt/c")),
            (format!("drvfs /win/d 9p {options}"), Some("/win/d")),
            (format!("D:\\134 /d virtiofs {options}"), Some("/d")),
            ("drivers /usr/lib/wsl/drivers 9p ro,aname=drivers;fmask=222 0 0".to_owned(), None),
            ("/dev/sdb /mnt/c ext4 rw 0 0".to_owned(), None),
            (format!("\\134\\134server\\134share /mnt/my\\040share 9p {options}"), Some("/mnt/my share")),
        ] {
            assert_eq!(drive_mount(&line), dir.map(Into::into), "{line}");
        }
    }

    #[test]
    fn a_windows_path_is_found_below_the_mount_root() {
        assert_eq!(windows_path("C:\\Users\\dev", "/mnt/").unwrap(), "/mnt/c/Users/dev");
        assert_eq!(windows_path("D:\\p q", "/").unwrap(), "/d/p q");
    }
}
