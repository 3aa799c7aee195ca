//! `/etc/fstab`.

use kind_wsl::edit::table;

use super::{NOTE, set_up, undone};
use crate::support::Layout;
use crate::support::cli::Case;

const FSTAB: &str = "/etc/fstab";
const POINT: &str = "/sys/fs/cgroup";
const LINE: &str = "cgroup2 /sys/fs/cgroup cgroup2 rw,nosuid,nodev,noexec,relatime,nsdelegate 0 0";

/// The file with our line, which the table of the owner shows nowhere else.
#[track_caller]
fn added(text: &str) -> String {
    let new = table::add_fstab(text.as_bytes(), POINT, LINE).unwrap();
    assert_eq!(table::has_fstab(&new, LINE), Ok(true));
    assert_eq!(table::add_fstab(&new, POINT, LINE).as_ref(), Ok(&new), "twice is once");
    String::from_utf8(new).unwrap()
}

#[test]
fn a_line_has_the_columns_of_its_neighbors() {
    let options = "rw,nosuid,nodev,noexec,relatime,nsdelegate";
    for (table, line) in [
        (
            "UUID=f0df3c48 /               ext4    errors=remount-ro 0       1\n\
             /dev/fd0      /media/floppy0  auto    rw,user,noauto    0       0\n",
            format!("cgroup2       /sys/fs/cgroup  cgroup2 {options} 0       0"),
        ),
        (
            "/dev/sda1\t/\t\text4\tdefaults\t0\t1\n/dev/sda2\t/home\t\text4\tdefaults\t0\t2\n",
            format!("cgroup2\t\t/sys/fs/cgroup\tcgroup2\t{options}\t0\t0"),
        ),
        (
            "a\t/a\text4\tro\t0\t0\nlonger-than-a-tab\t/b\txfs\tro\t0\t0\n",
            format!("cgroup2\t/sys/fs/cgroup\tcgroup2\t{options}\t0\t0"),
        ),
        ("a /a ext4 ro 0 0\nbb /bb xfs ro 0 0\n", LINE.to_owned()),
        ("# only a comment\n", LINE.to_owned()),
        (
            "LABEL=root\t/\t ext4\tdiscard,errors=remount-ro\t0 1\n",
            format!("cgroup2\t\t/sys/fs/cgroup\tcgroup2\t{options}\t0 0"),
        ),
    ] {
        assert_eq!(added(table), format!("{table}{NOTE}\n{line}\n"));
    }
}

#[test]
fn a_line_is_a_group_of_its_own() {
    let disks = "# disks\na / ext4 ro 0 0\n";
    let shares = "# shares\n//nas/a /a cifs ro 0 0\n";
    for (before, after) in [
        (format!("{disks}\n{shares}"), format!("{disks}\n{shares}\n{NOTE}\n{LINE}\n")),
        (format!("{disks}\n{shares}\n"), format!("{disks}\n{shares}\n{NOTE}\n{LINE}\n")),
        (format!("{disks}\n{shares}").trim_end().to_owned(), format!("{disks}\n{shares}\n{NOTE}\n{LINE}")),
        (
            format!("{disks}\n{shares}").replace('\n', "\r\n"),
            format!("{disks}\n{shares}\n{NOTE}\n{LINE}\n").replace('\n', "\r\n"),
        ),
        (format!("{disks}\n# vim: ts=8\n"), format!("{disks}\n{NOTE}\n{LINE}\n\n# vim: ts=8\n")),
        (format!("{disks}# vim: ts=8"), format!("{disks}{NOTE}\n{LINE}\n# vim: ts=8")),
        (String::new(), format!("{LINE}\n")),
    ] {
        assert_eq!(added(&before), after);
    }
}

#[test]
fn a_line_that_takes_the_place_of_another_has_its_columns_and_no_comment() {
    let table =
        "/dev/sda1       /               ext4  ro  0  1\nnone            /sys/fs/cgroup  tmpfs ro  0  0\n";
    let line = "cgroup2         /sys/fs/cgroup  cgroup2 rw,nosuid,nodev,noexec,relatime,nsdelegate 0  0";
    assert_eq!(added(table), format!("/dev/sda1       /               ext4  ro  0  1\n{line}\n"));
    let ours = format!("none /sys/fs/cgroup tmpfs ro 0 0\n{LINE}\n");
    assert_eq!(added(&ours), ours);
    let case = set_up(Case::new(Layout::Classic).file(FSTAB, table), "--only cgroup-mount");
    assert!(case.machine.text(FSTAB).contains(line));
    let more = format!("{}# mine\n", case.machine.text(FSTAB));
    let case = case.file(FSTAB, more);
    assert_eq!(String::from_utf8(undone(&case, FSTAB)).unwrap(), format!("{table}# mine\n"));
}

#[test]
fn an_undo_takes_the_line_and_its_comment_and_keeps_what_others_wrote_meanwhile() {
    let disks = "# disks\n/dev/sda1\t/\t\text4\tro\t0\t1\n";
    let theirs = "/dev/sdb1\t/srv\t\text4\tro\t0\t2\n";
    for before in [
        format!("{disks}\n# more\n{theirs}"),
        format!("{disks}\n"),
        disks.to_owned(),
        disks.trim_end().to_owned(),
    ] {
        let case = set_up(Case::new(Layout::Classic).file(FSTAB, &before), "--only cgroup-mount");
        let left = case.machine.text(FSTAB);
        assert!(left.contains(&format!("{NOTE}\ncgroup2\t\t/sys/fs/cgroup\tcgroup2\t")), "{left}");
        assert_eq!(String::from_utf8(undone(&case, FSTAB)).unwrap(), before);
        for edited in [
            |left: &str| left.replace("# disks", "# our disks"),
            |left: &str| {
                if left.ends_with('\n') {
                    format!("{left}/dev/sdc1\t/opt\t\text4\tro\t0\t2\n")
                } else {
                    left.to_owned()
                }
            },
            |left: &str| format!("# first\n{left}"),
        ] {
            let case = set_up(Case::new(Layout::Classic).file(FSTAB, &before), "--only cgroup-mount");
            let case = case.file(FSTAB, edited(&left));
            assert_eq!(
                String::from_utf8(undone(&case, FSTAB)).unwrap(),
                edited(&before),
                "{}",
                edited(&left)
            );
        }
        for gone in
            [format!("{NOTE}\n"), left.lines().find(|l| l.starts_with("cgroup2")).unwrap().to_owned() + "\n"]
        {
            let case = set_up(Case::new(Layout::Classic).file(FSTAB, &before), "--only cgroup-mount");
            let case = case.file(FSTAB, format!("# first\n{}", (left.clone() + "\n").replace(&gone, "")));
            let seen = case.run("undo --yes --drift restore");
            assert_eq!(seen.code, 0, "{}", seen.stderr);
            let rest = case.machine.text(FSTAB);
            assert_eq!(rest.trim_end(), format!("# first\n{}", before.trim_end()), "{gone}");
        }
    }
}

#[test]
fn any_encoding_of_the_other_lines_is_accepted_and_kept() {
    let table =
        b"# Gro\xdfe Platte\n/dev/sda1 /gr\xf6\xdfe ext4 ro 0 0\n\xf4\x8f\xbe\x80 \xff\xfe\n".to_vec();
    let new = table::add_fstab(&table, POINT, LINE).unwrap();
    assert_eq!(new, [table.as_slice(), format!("{NOTE}\n{LINE}\n").as_bytes()].concat());
    assert_eq!(table::replace_fstab(&new, LINE, None), table);
    let subids = b"j\xfcrgen:100000:65536\n".to_vec();
    let case = Case::new(Layout::Classic)
        .file(FSTAB, &table)
        .file("/etc/subuid", &subids)
        .file("/etc/subgid", &subids);
    let case = set_up(case, "");
    assert!(std::fs::read(case.machine.path(FSTAB)).unwrap().starts_with(&table));
    let left = std::fs::read(case.machine.path("/etc/subuid")).unwrap();
    assert!(left.starts_with(&subids) && left.ends_with(b"dev:165536:65536\n"), "{}", left.escape_ascii());
    let more = [left.as_slice(), b"\xe9va:300000:65536\n"].concat();
    let case = case.file("/etc/subuid", more);
    assert_eq!(undone(&case, FSTAB), table);
    let rest = std::fs::read(case.machine.path("/etc/subuid")).unwrap();
    assert_eq!(rest, [subids.as_slice(), b"\xe9va:300000:65536\n"].concat());
}
