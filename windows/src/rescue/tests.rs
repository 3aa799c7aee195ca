use super::*;
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

const CONFIG: &[u8] = b"[wsl2]\r\nmemory=4GB\r\n";
const FINE: &str = "the file is as it was";

/// Windows, WSL and the distribution, as far as a rescue sees them.
struct Fake {
    files: HashMap<&'static str, Vec<u8>>,
    read_only: bool,
    /// The virtual machine, with what it read from .wslconfig: whether it is in safe mode.
    vm: Option<bool>,
    /// Whether the changes are undone that keep the distribution from starting.
    undone: bool,
    /// Whether a part is not undone that safe mode does not have.
    left: bool,
    starts_in_safe_mode: bool,
    undo_fails: bool,
    others: &'static str,
    version: &'static str,
    agrees: bool,
    /// How many effects there are until it is killed.
    fuse: usize,
    effects: usize,
    said: String,
    ran: Vec<String>,
}

impl Fake {
    fn new(config: Option<&[u8]>) -> Fake {
        let files = config.iter().map(|bytes| ("config", bytes.to_vec())).collect();
        Fake {
            files,
            read_only: false,
            vm: None,
            undone: false,
            left: true,
            starts_in_safe_mode: true,
            undo_fails: false,
            others: "",
            version: "WSL-Version: 3.0.1.0\n",
            agrees: true,
            fuse: usize::MAX,
            effects: 0,
            said: String::new(),
            ran: Vec::new(),
        }
    }

    fn effect(&mut self) {
        assert!(self.effects < self.fuse, "killed");
        self.effects += 1;
    }

    fn config(&self) -> Option<&[u8]> {
        self.files.get("config").map(|bytes| &bytes[..])
    }

    fn boot(&mut self) -> bool {
        let setting: Vec<u8> = "safeMode=true".bytes().collect();
        let config: Vec<u8> = self.config().unwrap_or_default().iter().copied().filter(|b| *b != 0).collect();
        let is_safe = *self.vm.get_or_insert(config.windows(setting.len()).any(|part| part == setting));
        if is_safe { self.starts_in_safe_mode } else { self.undone }
    }

    fn rescue(&mut self, order: &Rescue) -> i32 {
        rescue(self, order, Timeouts::NORMAL)
    }

    /// Runs it until it is killed before effect `at`; `None` if it was.
    fn rescue_until(&mut self, at: usize, order: &Rescue) -> Option<i32> {
        self.fuse = at;
        let ended = catch_unwind(AssertUnwindSafe(|| self.rescue(order))).ok();
        self.fuse = usize::MAX;
        ended
    }
}

impl Wsl for Fake {
    fn call(&mut self, args: &[&str], _: Duration) -> Answer {
        self.effect();
        let ended = |code, out: &str| Answer::Ended { code, out: out.into(), err: String::new() };
        match args {
            ["--list", "--quiet"] => ended(0, "Debian\nUbuntu\n"),
            ["--list", "--running", "--quiet"] => ended(0, if self.vm.is_some() { self.others } else { "" }),
            ["--version"] => ended(if self.version.is_empty() { -1 } else { 0 }, self.version),
            ["--shutdown"] => {
                self.vm = None;
                ended(0, "")
            }
            ["-d", "Debian", "-u", "root", "--exec", ..] if !self.boot() => ended(-1, "E_UNEXPECTED"),
            [.., FIND] => ended(0, "/usr/local/bin/kind-wsl\n"),
            [.., "status", "--last"] => ended(0, "since=7\n"),
            [.., "exit 0"] => ended(0, ""),
            other => panic!("{other:?}"),
        }
    }
    fn now(&self) -> Duration {
        Duration::ZERO
    }
    fn pause(&mut self, _: Duration) {}
    fn note(&mut self, _: &str) {}
}

fn name(file: File) -> &'static str {
    match file {
        File::Config => "config",
        File::Saved => "saved",
        File::State => "state",
    }
}

impl Machine for Fake {
    fn read(&mut self, file: File) -> Result<Option<Vec<u8>>, String> {
        Ok(self.files.get(name(file)).cloned())
    }
    fn write(&mut self, file: File, bytes: Option<&[u8]>) -> Result<(), String> {
        self.effect();
        if file == File::Config {
            self.read_only = false;
        }
        match bytes {
            Some(bytes) => self.files.insert(name(file), bytes.to_vec()),
            None => self.files.remove(name(file)),
        };
        Ok(())
    }
    fn is_read_only(&mut self) -> bool {
        self.read_only
    }
    fn set_read_only(&mut self) {
        self.read_only = true;
    }
    fn run(&mut self, _: &str, _: &str, args: &[&str]) -> Result<i32, String> {
        self.effect();
        self.ran.push(args.join(" "));
        if !self.boot() {
            return Ok(-1);
        }
        let is_safe = self.vm == Some(true);
        assert_eq!(args.contains(&"--safe-mode"), is_safe, "{args:?}");
        if self.undo_fails {
            return Ok(4);
        }
        self.undone = true;
        self.left &= is_safe;
        Ok(if self.left { 3 } else { 0 })
    }
    fn install(&mut self, _: &str) -> bool {
        false
    }
    fn confirm(&mut self) -> bool {
        self.agrees
    }
    fn say(&mut self, text: &str) {
        self.said += &format!("{text}\n");
    }
    fn complain(&mut self, text: &str) {
        self.say(text);
    }
}

fn order() -> Rescue {
    Rescue { distribution: Some("debian".into()), ..Rescue::default() }
}

/// Nothing is left of the rescue but what it is for.
#[track_caller]
fn finished(fake: &Fake, config: Option<&[u8]>, when: &str) {
    assert_eq!(fake.config(), config, "{FINE}: {when}");
    assert!(!fake.files.contains_key("state") && !fake.files.contains_key("saved"), "{when}");
    assert_eq!((fake.undone, fake.left, fake.vm), (true, false, Some(false)), "{when}: {}", fake.said);
}

#[test]
fn a_distribution_is_rescued_and_wslconfig_is_as_it_was() {
    for config in [Some(CONFIG), None, Some(&b"\xff\xfe["[..])] {
        let mut fake = Fake::new(config);
        assert_eq!(fake.rescue(&order()), 0, "{}", fake.said);
        finished(&fake, config, "rescued");
        assert_eq!(fake.ran, ["undo --yes --safe-mode", "undo --yes"]);
        assert!(fake.said.contains("Debian starts. What kind-wsl changed in it is undone."), "{}", fake.said);
        assert!(fake.said.lines().all(|line| line.chars().count() <= 80), "{}", fake.said);
    }
}

#[test]
fn a_rescue_that_is_killed_anywhere_is_finished_by_the_next_one() {
    for config in [Some(CONFIG), None] {
        for last in [false, true] {
            let order = Rescue { last, ..order() };
            let mut fake = Fake::new(config);
            assert_eq!(fake.rescue(&order), 0);
            let effects = fake.effects;
            for at in 0..effects {
                let mut fake = Fake::new(config);
                assert_eq!(fake.rescue_until(at, &order), None, "effect {at}");
                assert_eq!(fake.rescue(&order), 0, "effect {at}: {}", fake.said);
                finished(&fake, config, &format!("effect {at}"));
                let pinned = fake.ran.iter().all(|args| args.contains("--since=7") == last);
                assert!(pinned, "effect {at}: {:?}", fake.ran);
            }
        }
    }
}

#[test]
fn an_interrupted_rescue_keeps_what_the_user_wrote_since() {
    let edited: &[u8] = b"[wsl2]\r\nmemory=8GB\r\n";
    let mut fake = Fake::new(Some(CONFIG));
    fake.rescue(&order());
    for at in 0..fake.effects {
        let mut fake = Fake::new(Some(CONFIG));
        fake.rescue_until(at, &order());
        let now = fake.config().unwrap().to_vec();
        let text = String::from_utf8(now).unwrap().replace("4GB", "8GB");
        fake.files.insert("config", text.into_bytes());
        fake.rescue(&order());
        assert_eq!(fake.config(), Some(edited), "effect {at}");
    }
}

#[test]
fn a_read_only_wslconfig_is_read_only_again() {
    let mut fake = Fake::new(Some(CONFIG));
    fake.read_only = true;
    assert_eq!(fake.rescue(&order()), 0);
    assert!(fake.read_only);
    finished(&fake, Some(CONFIG), "read-only");
}

#[test]
fn wslconfig_is_restored_if_the_distribution_does_not_start_in_safe_mode_either() {
    let mut fake = Fake::new(Some(CONFIG));
    fake.starts_in_safe_mode = false;
    assert_eq!(fake.rescue(&order()), exit::NOT_RESCUED);
    assert_eq!((fake.config(), fake.files.len()), (Some(CONFIG), 1));
    assert!(fake.said.contains("Debian does not start in safe mode either"), "{}", fake.said);
    assert!(fake.said.contains("wsl.exe --export Debian Debian.tar"), "{}", fake.said);
}

#[test]
fn an_undo_that_fails_leaves_safe_mode_and_names_the_way_out() {
    let mut fake = Fake::new(Some(CONFIG));
    fake.undo_fails = true;
    assert_eq!(fake.rescue(&order()), exit::NOT_RESCUED);
    assert_eq!((fake.config(), fake.files.len()), (Some(CONFIG), 1));
    assert!(fake.said.contains("kind-wsl.exe rescue -d Debian --drift restore"), "{}", fake.said);
}

#[test]
fn nothing_changes_before_the_user_agrees() {
    let mut fake = Fake::new(Some(CONFIG));
    (fake.agrees, fake.others) = (false, "Ubuntu\n");
    assert_eq!(fake.rescue(&order()), exit::DECLINED);
    assert_eq!((fake.files.len(), fake.ran.len()), (1, 0));
    assert!(fake.said.contains("This also stops Ubuntu."), "{}", fake.said);
    // Of a rescue that was interrupted the rest is asked for too, if others run.
    fake.agrees = true;
    assert_eq!(fake.rescue_until(14, &order()), None);
    fake.agrees = false;
    fake.boot();
    assert_eq!(fake.rescue(&order()), exit::DECLINED);
    assert_eq!(fake.rescue(&Rescue { yes: true, ..order() }), 0);
    finished(&fake, Some(CONFIG), "with --yes");
}

#[test]
fn a_distribution_that_needs_no_rescue_is_not_changed() {
    let mut starts = Fake::new(Some(CONFIG));
    starts.undone = true;
    assert_eq!(starts.rescue(&order()), 0);
    assert!(starts.said.contains("so there is nothing to rescue"), "{}", starts.said);
    for version in ["WSL-Version: 0.60.0.0\n", ""] {
        let mut old = Fake::new(Some(CONFIG));
        old.version = version;
        assert_eq!(old.rescue(&order()), exit::NOT_RESCUED);
        assert!(old.said.contains("wsl.exe --update"), "{}", old.said);
    }
    let mut unknown = Fake::new(None);
    let other = Rescue { distribution: Some("Debain".into()), ..Rescue::default() };
    assert_eq!(unknown.rescue(&other), exit::NO_DISTRIBUTION);
    assert_eq!(unknown.rescue(&Rescue::default()), exit::USAGE);
    assert!(unknown.said.contains("-d NAME. Installed: Debian, Ubuntu."), "{}", unknown.said);
    for fake in [starts, unknown] {
        assert!(fake.ran.is_empty() && !fake.files.contains_key("state"));
    }
}

#[test]
fn another_distribution_waits_for_the_unfinished_rescue() {
    let mut fake = Fake::new(Some(CONFIG));
    fake.rescue_until(12, &order());
    let other = Rescue { distribution: Some("Ubuntu".into()), ..Rescue::default() };
    assert_eq!(fake.rescue(&other), exit::USAGE);
    assert!(fake.said.contains("kind-wsl.exe rescue -d Debian"), "{}", fake.said);
    // Without a name it is the one that was interrupted.
    assert_eq!(fake.rescue(&Rescue::default()), 0);
    finished(&fake, Some(CONFIG), "without a name");
}

#[test]
fn the_help_fits_80_columns() {
    assert!(HELP.lines().all(|line| line.chars().count() <= 80));
}
