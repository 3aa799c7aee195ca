//! A Windows side that lies: what the helper says of itself, and what lies where it leaves its result.

use std::fs;
use std::os::unix::fs::symlink;

use camino::Utf8Path;
use kind_wsl::host::{Account, FaultInjector};
use kind_wsl::windows::{Helper, clear, describe, read_result};
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use crate::attacks::seen::exactly;
use crate::support::Layout;
use crate::support::cli::{Case, agreed};

const PLACE: &str = "/mnt/c/Users/dev/AppData/Local/kind-wsl";

/// A session of wsl.exe, with a helper that says this of its folder.
fn case(look: &str) -> Case {
    Case::new(Layout::Classic)
        .dir("/mnt/c/Users/dev/AppData/Local")
        .env("WSL_INTEROP", "/run/WSL/7_interop")
        .program("/mnt/c/Windows/System32/wsl.exe")
        .program("/mnt/c/Windows/System32/cmd.exe")
        .file("/fake/windows/wsl.exe --list", "0\nDebian\n\u{1b}[2J\n")
        .program("/opt/kind-wsl-helper.exe")
        .env("KIND_WSL_HELPER", "[ROOT]/opt/kind-wsl-helper.exe")
        .file("/fake/windows/kind-wsl-helper.exe look", format!("0\n{look}"))
        .file("/fake/windows/kind-wsl-helper.exe restart", "1\n\u{1b}[2Jrefused\u{7}\n")
}

#[test]
fn a_directory_of_another_program_is_neither_written_nor_cleared() {
    for folder in [
        "C:\\Users\\dev\\Desktop",
        "C:\\",
        "C:\\Users\\dev\\..\\..\\x\\kind-wsl",
        "kind-wsl",
        "",
        "\u{1b}[2J",
    ] {
        let case = case(&format!("profile=C:\\Users\\dev\nfolder={folder}\nable=yes\nrunning=Debian\n"))
            .file("/mnt/c/Users/dev/Desktop/thesis.log", "years of work\n")
            .file("/mnt/c/game.exe", "a game\n");
        let kept = ["/mnt/c/Users/dev/Desktop/thesis.log", "/mnt/c/game.exe"].map(|p| case.machine.path(p));
        let was: Vec<_> = kept.iter().map(|p| exactly(p)).collect();
        let seen = case.run(&format!("setup {} --restart-all", agreed()));
        assert_eq!(seen.code, 3, "{folder}: {seen:?}");
        assert!(!seen.stdout.contains('\u{1b}') && !seen.stdout.contains('\u{7}'), "{seen:?}");
        let seen = case.run("undo --yes --packages");
        assert_eq!(seen.code, 0, "{folder}: {seen:?}");
        assert_eq!(kept.iter().map(|p| exactly(p)).collect::<Vec<_>>(), was, "{folder}");
    }
}

#[test]
fn a_foreign_path_in_the_journal_is_not_changed() {
    let case = Case::new(Layout::Classic).file("/mnt/c/Users/dev/Desktop/thesis.log", "years of work\n");
    let host = case.machine.host(FaultInjector::default());
    let root = Account { uid: 0, gid: 0, ..case.machine.user() };
    for place in ["/mnt/c/Users/dev/Desktop", "/", "/mnt/c/x/../Users/dev/Desktop", "relative/kind-wsl"] {
        assert!(!Helper::is_own_dir(Utf8Path::new(place)), "{place}");
        clear(&host, Utf8Path::new(place), &root).unwrap();
    }
    assert!(Helper::is_own_dir(Utf8Path::new(PLACE)));
    assert!(case.machine.path("/mnt/c/Users/dev/Desktop/thesis.log").exists());
}

/// What can lie in the place of a result, besides a result.
#[test]
fn a_result_that_the_helper_did_not_write_is_none() {
    let case = Case::new(Layout::Classic).dir(PLACE);
    case.machine.write("/root/secret", "id=abc\nstate=ended\ndetail=secret of root\n");
    let host = case.machine.host(FaultInjector::default());
    let result = case.machine.path(PLACE).join("abc.result");
    let places = [PLACE.into()];
    let read = || read_result(&host, &places, "abc");
    let good = "id=abc\nstate=ended\nstop=stopped\n";
    fs::write(&result, good).unwrap();
    assert!(read().is_some_and(|o| o.is_final()));

    for strange in ["", "id=other\nstate=ended\n", "\0\0\0\u{1b}", "state=ended\n", &"x".repeat(10_000)] {
        fs::write(&result, strange).unwrap();
        assert_eq!(read(), None, "{strange:?}");
    }
    fs::remove_file(&result).unwrap();
    symlink("/root/secret", &result).unwrap();
    assert_eq!(read(), None);
    fs::remove_file(&result).unwrap();
    mkfifo(result.as_std_path(), Mode::from_bits_truncate(0o666)).unwrap();
    assert_eq!(read(), None);
    fs::remove_file(&result).unwrap();
    fs::create_dir(&result).unwrap();
    assert_eq!(read(), None);
    fs::remove_dir(&result).unwrap();
    // A tebibyte, which must not be read.
    fs::File::create(&result).unwrap().set_len(1 << 40).unwrap();
    assert_eq!(read(), None);

    let hostile = format!("{good}detail=\u{1b}[2J{}\n", "long ".repeat(1000));
    fs::write(&result, hostile).unwrap();
    let name = describe(&read().unwrap());
    assert!(!name.contains('\u{1b}') && name.len() < 400, "{name}");
}
