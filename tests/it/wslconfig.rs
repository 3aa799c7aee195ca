//! `.wslconfig` through a whole setup and back: every form in which Windows programs leave it, our line where WSL
//! reads it, and not one byte else.

mod appended;
mod drives;
mod ignored;
mod repair;
mod unknown;

use std::fs;

use kind_wsl::edit::wslconf::{Dialect, Document};
use kind_wsl::engine::{DriftPolicy, PendingRestart, RunOutcome};
use kind_wsl::host::FaultInjector;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};

use crate::support::cli::Case;
use crate::support::{Layout, Machine, answers};

const PATH: &str = "/mnt/c/Users/dev/.wslconfig";
const WORDS: &str = "cgroup_no_v1=all systemd.unified_cgroup_hierarchy=1";

/// Sets a machine up whose `.wslconfig` is `before` (`None`: there is none), and answers what it is then; undoes it
/// and sees that it is as before.
#[track_caller]
fn set_up(before: Option<&[u8]>) -> Vec<u8> {
    let machine = Machine::new(Layout::Classic);
    match before {
        Some(bytes) => machine.write(PATH, bytes),
        None => fs::remove_file(machine.path(PATH)).unwrap(),
    }
    let host = machine.host(FaultInjector::default());
    let mut answers = answers();
    answers.set("idle", "no".to_owned());
    let ended = machine.setup(&host, &answers, false).unwrap();
    assert!(matches!(ended, RunOutcome::Restart(PendingRestart { again: false, .. })), "{ended:?}");
    let after = fs::read(machine.path(PATH)).unwrap();
    let read = Document::parse(&after, Dialect::WslConfig);
    let words = read.get("wsl2", "kernelCommandLine").unwrap_or_default();
    assert!(WORDS.split(' ').all(|word| words.split(' ').any(|w| w == word)), "WSL would read {words:?}");
    machine.undo(&host, DriftPolicy::Stop).unwrap();
    assert_eq!(fs::read(machine.path(PATH)).ok().as_deref(), before, "undo");
    after
}

fn utf16(text: &str) -> Vec<u8> {
    std::iter::once(0xfeff).chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect()
}

/// The line that is added.
fn line(end: &str) -> String {
    format!("kernelCommandLine={WORDS}{end}")
}

/// The same among lines of others.
fn noted(end: &str) -> String {
    format!("# kind-wsl: set for rootless kind; undo with \"kind-wsl undo\"{end}{}", line(end))
}

#[test]
fn a_setup_of_two_keys_opens_it_at_most_four_times() {
    let case = Case::new(Layout::Modern);
    let watch = Inotify::init(InitFlags::IN_NONBLOCK).unwrap();
    watch.add_watch(case.machine.path("/mnt/c/Users/dev").as_std_path(), AddWatchFlags::IN_OPEN).unwrap();
    case.run("setup --yes --only idle --idle yes").expect(0, "");
    let mut opened = 0;
    while let Ok(events) = watch.read_events() {
        opened += events.iter().filter(|e| e.name.as_deref().is_some_and(|n| n == ".wslconfig")).count();
    }
    assert!((1..=4).contains(&opened), "it was opened {opened} times");
    let text = case.machine.text(PATH);
    assert!(text.contains("vmIdleTimeout=-1") && text.contains("instanceIdleTimeout=-1"), "{text}");
}

#[test]
fn a_missing_wslconfig_is_created_with_section_and_key() {
    let made = String::from_utf8(set_up(None)).unwrap();
    assert_eq!(made.replace("\r\n", "\n"), format!("[wsl2]\n{}", line("\n")));
}

#[test]
fn an_empty_one_gets_section_and_key() {
    let made = String::from_utf8(set_up(Some(b""))).unwrap();
    assert_eq!(made.replace("\r\n", "\n"), format!("[wsl2]\n{}", line("\n")));
}

#[test]
fn a_byte_order_mark_and_carriage_returns_stay_as_they_are() {
    let before = "\u{feff}[wsl2]\r\nmemory=4GB\r\n; left alone\r\n";
    let after = String::from_utf8(set_up(Some(before.as_bytes()))).unwrap();
    assert_eq!(after.replace(&noted("\r\n"), ""), before);
}

#[test]
fn utf_16_stays_utf_16() {
    let before = "[wsl2]\r\nmemory=4GB\r\n[experimental]\r\nsparseVhd=true\r\n";
    let after = set_up(Some(&utf16(before)));
    assert_eq!(after, utf16(&before.replace("4GB\r\n", &format!("4GB\r\n{}", noted("\r\n")))));
}

#[test]
fn words_are_merged_into_the_first_of_several_values_and_the_others_stay() {
    let before = "[WSL2]\nKernelCommandLine = quiet # mine\nkernelCommandLine = never.read\n";
    let after = String::from_utf8(set_up(Some(before.as_bytes()))).unwrap();
    assert_eq!(after, before.replace("quiet # mine", &format!("quiet {WORDS} # mine")));
}

#[test]
fn a_section_behind_a_broken_header_is_found_and_what_is_broken_stays() {
    // WSL skips the bad line alone and leaves the section before it in force (configfile.cpp:478).
    let before = "[wsl2]\nmemory=4GB\n[ exp eri ]\nsparseVhd=true\n";
    let after = String::from_utf8(set_up(Some(before.as_bytes()))).unwrap();
    assert_eq!(after.replace(&noted("\n"), ""), before);
}

#[test]
fn a_last_line_without_an_end_is_not_joined_with_a_new_one() {
    let after = String::from_utf8(set_up(Some(b"[wsl2]\nmemory=4GB"))).unwrap();
    assert!(after.starts_with("[wsl2]\nmemory=4GB\n"), "{after:?}");
}

#[test]
fn a_command_line_that_the_kernel_would_cut_off_is_refused_with_its_length() {
    let machine = Machine::new(Layout::Classic);
    let words: Vec<String> = (0..89).map(|n| format!("mod{n}.param=value{n}")).collect();
    let text = format!("[wsl2]\r\nkernelCommandLine={}\r\n", words.join(" "));
    machine.write(PATH, &text);
    let error = machine.setup(&machine.host(FaultInjector::default()), &answers(), false).unwrap_err();
    let text_of = |error: &dyn std::error::Error| {
        std::iter::successors(Some(error), |e| e.source())
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(": ")
    };
    let said = text_of(&error);
    assert!(said.contains("the kernel reads 2047 bytes") && said.contains("would have 1"), "{said}");
    assert_eq!(machine.text(PATH), text);
}

#[test]
fn undo_keeps_a_shadowed_line_that_takes_effect_afterwards() {
    let machine = Machine::new(Layout::Modern);
    let conf = "/etc/wsl.conf";
    machine.write(conf, "[BOOT]\nSystemD = FALSE\n[Boot]\nsystemd=true\n");
    machine.finish(|host| machine.setup(host, &answers(), false));
    assert_eq!(machine.text(conf), "[BOOT]\nSystemD = true\n[Boot]\nsystemd=true\n");
    machine.write(conf, "[BOOT]\n[Boot]\nsystemd=true\n");
    machine.undo(&machine.host(FaultInjector::default()), DriftPolicy::Stop).unwrap();
    assert_eq!(machine.text(conf), "[BOOT]\n[Boot]\nsystemd=true\n");
}

#[test]
fn undo_removes_only_its_own_line_if_others_have_set_the_key_since() {
    let machine = Machine::new(Layout::Modern);
    let conf = "/etc/wsl.conf";
    machine.write(conf, "[user]\ndefault=dev\n");
    machine.finish(|host| machine.setup(host, &answers(), false));
    let theirs = "\n[boot]\nsystemd = true # mine\n";
    machine.write(conf, machine.text(conf) + theirs);
    machine.undo(&machine.host(FaultInjector::default()), DriftPolicy::Stop).unwrap();
    assert!(machine.text(conf).ends_with("systemd = true # mine\n"), "{}", machine.text(conf));
    assert_eq!(machine.text(conf).matches("systemd").count(), 1);
}
