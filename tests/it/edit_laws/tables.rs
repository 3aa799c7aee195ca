//! fstab, subordinate IDs and kernel command lines.

use super::{config, corpus};

use kind_wsl::edit::{EditError, cmdline, table};
use proptest::prelude::*;

/// corpus/fstab 001 (cut), 002, 011 (cut), 014 and hand-made ones.
const FSTABS: &[&str] = &[
    "",
    "# / was on /dev/sda1\nUUID=f0df3c48 /               ext4    errors=remount-ro 0       1\n#/swapfile none swap sw 0 0\n",
    "/dev/wd0a\t\t/\t\tufs rw 1 1\n/dev/wd0b\t\tnone\t\tswap sw -1 -1\n/dev/x\tnone swap sw 0 0\n",
    "# <file system> <mount point>\n/dev/mmcblk0p1    /boot vfat defaults 0 0",
    "# /etc/fstab - file system table\r\n# auto / byteos ro,boot\r\n",
    "//nas/a\\040b /mnt/a\\040b/ cifs ro 0 0\n\n\n",
];

fn fstab_laws(text: &str, mount_point: &str, line: &str) {
    let before = table::fstab_entry(text, mount_point);
    let after = table::put_fstab(text.as_bytes(), mount_point, Some(line)).expect("it can be set");
    assert!(table::get_fstab(&after, mount_point).expect("text").is_some());
    assert_eq!(table::put_fstab(&after, mount_point, Some(line)).as_ref(), Ok(&after), "twice is once");
    let out = table::put_fstab(&after, mount_point, None).expect("it can be taken out");
    assert_eq!(table::get_fstab(&out, mount_point), Ok(None));
    if before.is_none() {
        assert_eq!(table::get_fstab(&after, mount_point), Ok(Some(line.to_owned())));
        assert_eq!(String::from_utf8_lossy(&out), text, "out again is as before");
        assert_eq!(String::from_utf8_lossy(&after).matches('\n').count(), text.matches('\n').count() + 1);
    }
}

#[test]
fn the_laws_hold_for_fstab() {
    let files = corpus("fstab").into_iter().map(|file| std::fs::read_to_string(file).expect("text"));
    for text in FSTABS.iter().map(|&text| text.to_owned()).chain(files) {
        fstab_laws(&text, "/sys/fs/cgroup", "cgroup2 /sys/fs/cgroup cgroup2 rw,nosuid 0 0");
        fstab_laws(&text, "/mnt/a b", "//nas/c /mnt/a\\040b cifs rw 0 0");
        fstab_laws(&text, "/", "UUID=f0df3c48 / ext4 defaults 0 1");
        fstab_laws(text.trim_end(), "/boot/", "/dev/mmcblk0p1 /boot vfat defaults 0 0");
    }
}

#[test]
fn an_fstab_line_is_never_written_twice_whatever_else_is_mounted_there() {
    let line = "cgroup2 /sys/fs/cgroup cgroup2 rw,nosuid 0 0";
    for text in [
        format!("none /sys/fs/cgroup tmpfs ro 0 0\n{line}\n"),
        format!("{}\nnone /sys/fs/cgroup/ tmpfs ro 0 0\n", line.replace(' ', "\t")),
        format!("a /b c\nnone /sys/fs/cgroup tmpfs\nnone /sys/fs/cgroup tmpfs\n# x\n{line}"),
    ] {
        assert_eq!(table::fstab_set(&text, line), Ok(text.clone()));
        assert_eq!(table::has_fstab(text.as_bytes(), line), Ok(true));
    }
}

#[test]
fn an_fstab_line_with_the_same_columns_stays_as_it_is_written() {
    assert_eq!(table::fstab_set(FSTABS[2], "/dev/wd0a / ufs rw 1 1").as_deref(), Ok(FSTABS[2]));
    let swap = table::fstab_set(FSTABS[2], "/dev/x none swap sw,pri=1 0 0").expect("it can be set");
    assert_eq!(swap, FSTABS[2].replace("/dev/x\tnone swap sw 0 0", "/dev/x none swap sw,pri=1 0 0"));
    let entry = table::fstab_entry(FSTABS[5], "/mnt/a b").expect("an entry");
    assert_eq!((entry.line, entry.fields[0].as_str(), entry.fields[3].as_str()), (1, "//nas/a b", "ro"));
    assert!(table::fstab_set("", "# none").is_err());
    assert!(table::fstab_set("", "a /b").is_err());
}

#[test]
fn subordinate_ids_never_overlap_those_of_another_owner() {
    let text = "alice:100000:65536\nbob:165536:65536";
    let error = table::subid_add(text, "carol", 165_000, 1000).expect_err("they are taken");
    assert_eq!(error.to_string(), "line 1: the IDs 165000 to 165999 for `carol` overlap those of `alice`");
    let free = table::subid_free_start(&taken(text), 65536, 100_000, u32::MAX).expect("there is room");
    assert_eq!(free, 231_072);
    let new = table::subid_add(text, "carol", free, 65536).expect("they are free");
    assert_eq!(new, format!("{text}\ncarol:231072:65536"));
    assert_eq!(table::subid_remove(&new, "carol", free, 65536), text);
}

#[test]
fn a_range_of_subordinate_ids_stays_within_its_bounds() {
    let free = |taken: &[_], count, min, max| table::subid_free_start(taken, count, min, max);
    assert_eq!(free(&[], 65536, u32::MAX - 10, u32::MAX), None);
    assert_eq!(free(&[], 10, 100, 109), Some(100));
    assert_eq!(free(&[], 10, 100, 108), None);
    assert_eq!(free(&taken("x:105:1"), 10, 100, 115), Some(106));
    assert_eq!(free(&taken("x:105:1"), 10, 100, 114), None);
    // 2^32 - 1 is no ID.
    assert_eq!(free(&[], 1, u32::MAX, u32::MAX), None);
}

#[test]
fn a_range_is_added_beside_the_ranges_of_its_owner() {
    let text = "alice:100000:1000\nbob:165536:65536\n";
    let added = table::subid_add(text, "alice", 300_000, 65536).expect("they are free");
    assert_eq!(added, format!("{text}alice:300000:65536\n"));
    let grown = format!("{added}alice:400000:10\n");
    assert_eq!(table::subid_remove(&grown, "alice", 300_000, 65536), format!("{text}alice:400000:10\n"));
}

#[test]
fn a_range_that_only_shadow_understands_is_taken() {
    for line in ["bob:0x186a0:65536", "bob:0303240:65536", "bob:100000:99999999999", "bob:100000:65536:note"]
    {
        let error = table::subid_add(line, "alice", 100_500, 65536).expect_err(line);
        assert!(matches!(error, EditError::Overlap { .. }), "{line}: {error}");
    }
}

/// The IDs of every range of a file.
fn taken(text: &str) -> Vec<std::ops::Range<u64>> {
    table::subid_ranges(text)
        .into_iter()
        .map(|(_, start, count)| start..start.saturating_add(count))
        .collect()
}

#[test]
fn a_command_line_token_takes_the_place_of_the_value_that_counts() {
    let merged =
        cmdline::merge("quiet  console=a  cgroup-no-v1=memory", &["cgroup_no_v1=all", "quiet", "ro"]);
    assert_eq!(merged, "quiet  console=a  cgroup_no_v1=all ro");
    assert_eq!(cmdline::merge("a=1 a=2 b", &["a=1"]), "a=1 a=1 b");
    assert_eq!(cmdline::merge("quiet -- sh -c", &["ro"]), "quiet ro -- sh -c");
    assert_eq!(cmdline::merge("a \"b c", &["ro"]), "a ro \"b c");
    assert_eq!(cmdline::tokens("a dyndbg=\"file x +p\" b"), ["a", "dyndbg=\"file x +p\"", "b"]);
    assert!(!cmdline::has("a \"b c\"", "b"));
    assert!(cmdline::fits("a", cmdline::LIMIT - 2) && !cmdline::fits("a", cmdline::LIMIT - 1));
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn the_laws_hold_for_command_lines(
        text in "( ?([a-c](=[a-c]{0,2})?|\"[a ]{0,3}\"|--|\") ?){0,6}",
        token in "[a-d](=[a-c]{0,2})?",
    ) {
        let merged = cmdline::merge(&text, &[&token]);
        prop_assert!(cmdline::has(&merged, &token), "{merged:?}");
        prop_assert_eq!(cmdline::merge(&merged, &[&token]), merged.as_str());
    }

    #[test]
    fn the_laws_hold_for_subordinate_ids(
        lines in prop::collection::vec(("[ab1#]{0,2}", any::<u32>(), 0..100_000_u32), 0..5),
        crlf in any::<bool>(), ends in any::<bool>(), count in 1..200_000_u32,
    ) {
        let eol = if crlf { "\r\n" } else { "\n" };
        let lines: Vec<String> =
            lines.iter().map(|(owner, start, count)| format!("{owner}:{start}:{count}{eol}")).collect();
        let mut text = lines.concat();
        if !ends {
            text.truncate(text.trim_end().len());
        }
        let taken = taken(&text);
        if let Some(start) = table::subid_free_start(&taken, count, 100_000, u32::MAX) {
            let end = u64::from(start) + u64::from(count);
            prop_assert!(!taken.iter().any(|other| u64::from(start) < other.end && other.start < end));
            let add = |text: &str| table::subid_add(text, "kind", start, count).expect("free");
            let after = add(&text);
            prop_assert!(table::subid_has(&after, "kind", start, count));
            prop_assert!(!table::subid_has(&text, "kind", start, count));
            prop_assert_eq!(&add(&after), &after);
            prop_assert_eq!(table::subid_remove(&after, "kind", start, count), text);
        }
    }
}
