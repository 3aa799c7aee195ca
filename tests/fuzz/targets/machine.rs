//! Facts, doctor and reports: a machine on which one file or one answer is anything. The first byte says which.

use std::sync::LazyLock;

use kind_wsl::checks::{Check, CheckContext, Status, doctor as every_check};
use kind_wsl::doctor::run_checks;
use kind_wsl::facts::{Cgroup, Engines, Facts, Kernel, Subids, Systemd, Windows, Wsl, WslConf};
use kind_wsl::host::{BootInstance, Recording, Replay, System, accounts, by_name};
use kind_wsl::plan::{Plan, StageSelection};
use kind_wsl::provider::Provider;
use kind_wsl::stage::Answers;
use kind_wsl::{edit, facts};

use super::system::{Machine, dev};
use super::{Shape, Target, choice, order};

pub(crate) const FACTS: Target = Target { name: "facts", words: WORDS, run: facts, ordinary: 400 };
pub(crate) const DOCTOR: Target = Target { name: "doctor", words: WORDS, run: doctor, ordinary: 250 };
pub(crate) const REPORT: Target = Target {
    name: "report",
    words: &[
        r#""stats":{}"#,
        r#""files":{}"#,
        r#""hashes":{}"#,
        r#""lists":{}"#,
        r#""links":{}"#,
        r#""commands":{}"#,
        r#""env":{}"#,
        r#""caller":null"#,
        r#""caller":[1,2]"#,
        "\"/etc/wsl.conf\":",
        "{\"text\":\"",
        "{\"raw\":[1,2]}",
        "null",
        "\"/proc/mounts\":",
        "\"uname -m\":",
        r#"{"code":0,"stdout":"x","stderr":""}"#,
        "[",
        "]",
        "{",
        "}",
        ",",
        ":",
        "\"",
        "\\u0000",
        "\\n",
        "-1",
        "1e9",
        "\"/run/WSL\":",
        r#"{"kind":"dir","mode":493,"uid":0,"gid":0,"len":0}"#,
    ],
    run: report,
    ordinary: 250,
};

const WORDS: &[&str] = &[
    "cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n",
    "cgroup /sys/fs/cgroup/cpu cgroup rw,cpu 0 0\n",
    "tmpfs",
    "/sys/fs/cgroup",
    "rw,memory",
    "0::/",
    "/init.scope",
    "/wsl-user/distro-2",
    "cpu",
    "memory",
    "pids",
    "ID=",
    "VERSION_ID=\"",
    "PRETTY_NAME=",
    "ID_LIKE=debian",
    "\"",
    "'",
    "installed podman 3.4.4",
    "installed ",
    "crun version ",
    "Docker version 20.10",
    "dev",
    ":",
    "dev:100000:65536",
    "4294967295",
    "99999999999999999999",
    "-1",
    "kernel/net/x.ko.xz:",
    ".ko",
    "Candidate: ",
    "podman:\n",
    "(none)",
    "[boot]",
    "systemd=true",
    "[engine]",
    "runtime = \"crun\"",
    "[engine.runtimes]",
    "crun = [\"/x\"]",
    "\n",
    "\r\n",
    "\0",
    " ",
    "\t",
    "/",
    "=",
    "\\",
    "C:\\Users\\dev",
    "é",
    "\u{feff}",
    "{\"host\":{",
    "\"cgroupVersion\":\"v2\"",
    "\"cgroupControllers\":[]",
    "\"CgroupDriver\":\"none\"",
    "null",
    "{",
    "}",
    "[",
    "]",
    "S 0 1 1 0 -1 1 2 3 4 5 6 7 8 20 0 1 0 77 1 2",
    "shared:1",
    "unlimited",
    "Max open files",
    "1",
    "0",
];

/// What may be anything. `$` is the answer of a program, `%` a variable, `/*` at the end the names in a directory.
const PLACES: [&str; 44] = [
    "/etc/passwd",
    "/etc/group",
    "/etc/subuid",
    "/etc/subgid",
    "/etc/os-release",
    "/etc/wsl.conf",
    "/etc/fstab",
    "/etc/containers/containers.conf",
    "/home/dev/.config/containers/containers.conf",
    "/home/dev/.config/containers/storage.conf",
    "/etc/containers/containers.conf.d/*",
    "/mnt/c/Users/*",
    "/mnt/c/Users/dev/.wslconfig",
    "/proc/mounts",
    "/proc/cmdline",
    "/proc/modules",
    "/proc/1/comm",
    "/proc/1/cgroup",
    "/proc/self/cgroup",
    "/proc/1/stat",
    "/proc/1/environ",
    "/proc/self/limits",
    "/proc/self/mountinfo",
    "/proc/sys/kernel/osrelease",
    "/proc/sys/kernel/random/boot_id",
    "/proc/sys/fs/inotify/max_user_watches",
    "/sys/fs/cgroup/cgroup.controllers",
    "/sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service/cgroup.controllers",
    "/lib/modules/6.6.87.2-microsoft-standard-WSL2/modules.builtin",
    "/lib/modules/6.6.87.2-microsoft-standard-WSL2/modules.dep",
    "$uname -m",
    "$wslinfo --version",
    "$crun --version",
    "$dockerd --version",
    "$nerdctl --version",
    "$containerd --version",
    "$dpkg-query",
    "$apt-cache policy",
    "$systemctl",
    "$getent",
    "%PATH",
    "%WSL_DISTRO_NAME",
    "%CONTAINERS_CONF",
    "%KIND_WSL_WINDOWS_PROFILE",
];

/// More of them, at which only doctor looks.
const ASKED: [&str; 8] = [
    "$podman info",
    "$docker info",
    "$nerdctl info",
    "$podman --version",
    "$getcap",
    "$systemctl is-active",
    "$systemctl show",
    "$",
];

static ALL: LazyLock<Vec<&str>> = LazyLock::new(|| [&ASKED[..], &PLACES[..]].concat());
static CHECKS: LazyLock<Vec<&'static Check>> = LazyLock::new(|| every_check().collect());

fn place<'p>(input: &'p [u8], places: &[&'static str]) -> (&'static str, &'p [u8]) {
    let (&first, rest) = input.split_first().unwrap_or((&0, &[]));
    // Letters and digits first, so that a corpus can be read.
    (places[usize::from(first.wrapping_sub(b'0')) % places.len()], rest)
}

fn facts(input: &[u8]) -> Shape {
    let (place, bytes) = place(input, &PLACES);
    let system = Machine::usual(place, bytes);
    let seen = facts_of(&system);
    let by = choice(input);
    let shape = about(&seen, &system, by).and(place);
    if by.is_multiple_of(32) {
        let json = serde_json::to_string(&seen).expect("facts can be written");
        let whole = Facts::probe(&system, dev());
        assert_eq!(
            serde_json::to_string(&whole).ok().as_ref(),
            Some(&json),
            "{place} has no part in the rest"
        );
        let again: Facts = serde_json::from_str(&json).expect("and read");
        assert_eq!(serde_json::to_string(&again).ok(), Some(json), "and are the same then");
    }
    if by.is_multiple_of(64) {
        plan(&system, &seen, by);
    }
    shape
}

static USUAL: LazyLock<Facts> = LazyLock::new(|| Facts::probe(&Machine::usual("", b""), dev()));

/// The facts of a machine. What its place has no part in is as on the usual one and not looked at again; [`facts`] asks now and
/// then whether that is so.
fn facts_of(system: &Machine<'_>) -> Facts {
    let (mut seen, user) = (USUAL.clone(), dev());
    match system.place {
        "/etc/passwd"
        | "/etc/fstab"
        | "/proc/self/limits"
        | "/proc/self/mountinfo"
        | "$getent"
        | "$podman info"
        | "$docker info"
        | "$nerdctl info"
        | "$podman --version"
        | "$getcap" => {}
        "$dockerd --version" | "$nerdctl --version" | "$containerd --version" => {
            seen.engines = Engines::probe(system, &user);
        }
        "/etc/subuid" | "/etc/subgid" => seen.subids = Subids::probe(system, &user),
        "/proc/1/comm" => seen.systemd = Systemd::probe(system, &seen.packages),
        "/proc/1/stat" | "/proc/sys/kernel/random/boot_id" => {
            seen.boot_instance = BootInstance::probe(system);
        }
        "/proc/mounts" => {
            seen.cgroup = Cgroup::probe(system, user.uid);
            seen.windows = Windows::probe(system, &seen.wsl, &seen.user.clone());
        }
        "/proc/1/cgroup" | "/proc/self/cgroup" => seen.cgroup = Cgroup::probe(system, user.uid),
        "$crun --version" => seen.tools = Facts::probe(system, user).tools,
        "$wslinfo --version" | "%WSL_DISTRO_NAME" => {
            seen.wsl = Wsl::probe(system, &user);
            seen.wsl_conf = WslConf::probe(system, &seen.wsl);
        }
        "/etc/wsl.conf" | "/proc/1/environ" | "%PATH" | "%KIND_WSL_WINDOWS_PROFILE" => {
            seen.wsl_conf = WslConf::probe(system, &seen.wsl);
            seen.windows = Windows::probe(system, &seen.wsl, &seen.user.clone());
        }
        place if place.starts_with("/mnt/c") => {
            seen.windows = Windows::probe(system, &seen.wsl, &seen.user.clone());
        }
        place if place.contains("/containers/") || place == "%CONTAINERS_CONF" => {
            Facts { containers: seen.containers, tools: seen.tools, .. } = Facts::probe(system, user);
        }
        place if place.starts_with("/sys/fs/cgroup") => seen.cgroup = Cgroup::probe(system, user.uid),
        place
            if ["/proc/cmdline", "/proc/modules", "$uname -m"].contains(&place)
                || place.starts_with("/lib/modules")
                || place.starts_with("/proc/sys/fs") =>
        {
            seen.kernel = Kernel::probe(system);
            seen.arch = seen.kernel.machine.parse().ok();
        }
        _ => return Facts::probe(system, user),
    }
    seen
}

/// What holds on every machine.
fn about(seen: &Facts, system: &dyn System, by: usize) -> Shape {
    let mounts = &seen.cgroup.mounts;
    assert!(!mounts.is_pure_v2() || !mounts.has_v1());
    assert!(!mounts.to_string().is_empty());
    assert!(!mounts.is_pure_v2() || mounts.root.as_deref() == Some("cgroup2"));
    let withheld = seen.cgroup.withheld();
    assert!(withheld.iter().all(|w| kind_wsl::cgroup::WANTED.contains(&w.as_str())));
    let files = ["/etc/subuid", "/etc/subgid"];
    for (file, new) in files.into_iter().zip([seen.subids.new_uids, seen.subids.new_gids]) {
        let ranges = edit::table::subid_ranges(&system.text(file).unwrap_or_default());
        let ids = kind_wsl::host::accounts(system).into_iter().map(|a| (a.name, u64::from(a.uid), 1));
        for (_, start, count) in ranges.into_iter().chain(ids).filter(|_| new.is_some()) {
            let (first, many) =
                new.map(|(first, many)| (u64::from(first), u64::from(many))).unwrap_or_default();
            assert!(first + many < 1 << 32 && many >= u64::from(facts::subids::SUBIDS));
            let is_taken = count > 0 && start < first + many && first < start.saturating_add(count);
            assert!(!is_taken, "a new range is free");
        }
    }
    assert!(facts::wsl::drives_root(system).ends_with('/'));
    assert_eq!(seen.wsl_conf.repaired.is_none(), seen.wsl_conf.complete);
    assert!(seen.wsl_conf.repaired.as_ref().is_none_or(|repaired| repaired.complete));
    assert_eq!(seen.wsl_conf.complete, seen.wsl_conf.complete || seen.wsl_conf.problems.is_empty());
    assert!(!seen.wsl.name().is_empty() && !seen.distro.id.is_empty());
    let accounts = accounts(system);
    if let Some(account) = accounts.get(by % accounts.len().max(1)) {
        assert!(
            account.name.is_empty() || by_name(system, &account.name).is_some(),
            "who is listed is found"
        );
    }
    for file in &seen.containers.files {
        assert!(file.keys.values().all(|setting| setting.line > 0 && !setting.value.is_empty()));
    }
    Shape::of(mounts.to_string().len().min(30))
        .few(withheld.len())
        .few(seen.packages.installed.len())
        .few(seen.packages.candidates.len())
        .few(seen.containers.files.len())
        .and(seen.wsl.is_two())
        .and(seen.arch.is_some())
        .and(seen.distro.version.is_some())
        .and(seen.subids.uids > 0)
        .and(seen.windows.profile.is_some())
        .and(seen.boot_instance.pid1_start > 0)
        .and(seen.cgroup.is_isolated())
        .and(seen.wsl_conf.systemd.map(|(on, _)| on))
        .and(seen.tools.crun.as_ref().map(|crun| crun.version.is_some()))
}

/// The plan is made on any facts, and says why.
fn plan(system: &dyn System, seen: &Facts, by: usize) {
    let provider = Provider::ALL[by / 64 % Provider::ALL.len()];
    let mut answers = Answers::default();
    answers.set("provider", provider.name());
    let selection = StageSelection { guide: (by / 256).is_multiple_of(2), ..StageSelection::default() };
    match Plan::make(system, seen, &answers, &selection) {
        Ok(plan) => assert!(plan.stages.iter().all(|stage| !stage.why.is_empty())),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

fn doctor(input: &[u8]) -> Shape {
    let (first, rest) = input.split_first().unwrap_or((&0, &[]));
    let provider = Provider::ALL[usize::from(*first) % Provider::ALL.len()];
    let (place, bytes) = place(rest, &ALL);
    let system = Machine::usual(place, bytes);
    let facts = facts_of(&system);
    let mut answers = Answers::default();
    answers.set("provider", provider.name());
    let context = CheckContext::new(&system, &facts, &answers);
    let mut shape = Shape::of(provider.name()).and(place);
    for seen in run_checks(&context, CHECKS.iter().copied()) {
        assert!(!seen.details.is_empty() && !seen.details.starts_with("this check crashed"), "{seen:?}");
        let is_failure = matches!(seen.status, Status::Warning | Status::Error);
        assert_eq!(is_failure, !seen.effect.is_empty() && !seen.fix.text().is_empty(), "{seen:?}");
        shape = shape.and(std::mem::discriminant(&seen.status));
    }
    shape
}

/// First line: nothing, or the user's name; the rest is what a report recorded.
fn report(input: &[u8]) -> Shape {
    let (_, json) = order(input);
    let Ok(recording) = serde_json::from_slice::<Recording>(json) else { return Shape::of("no recording") };
    let again = serde_json::to_string(&recording).expect("it can be written");
    assert_eq!(
        serde_json::from_str::<Recording>(&again).ok().as_ref(),
        Some(&recording),
        "it is read as it was"
    );
    let replay = Replay::new(recording);
    let seen = Facts::probe(&replay, dev());
    let by = choice(input);
    let shape =
        about(&seen, &replay, by).few(replay.recording().files.len()).few(replay.recording().commands.len());
    if by.is_multiple_of(8) {
        plan(&replay, &seen, by);
    }
    shape
}
