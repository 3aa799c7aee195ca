//! Whether a distribution starts: the table of `boot::will_it_start`, then the same through the real program.

mod program;

use std::collections::{BTreeMap, BTreeSet};

use kind_wsl::boot::{FutureState, Init, Now, Policy, will_it_start};
use kind_wsl::cgroup::Mounts;
use kind_wsl::facts::Wsl;

/// What is mounted at `/sys/fs/cgroup` now.
#[derive(Clone, Copy)]
enum Mounted {
    V1,
    V2,
}
use Mounted::{V1, V2};

/// What else is particular to a machine.
#[derive(Clone, Copy)]
enum With {
    /// A policy of Windows turns the setting off.
    Denied(Policy),
    /// `/sbin/init` is this, or missing.
    Init(Option<&'static str>),
    /// systemd is PID 1 now.
    SystemdRuns,
    /// The files as they are now, if they differ from the future ones: wsl.conf and fstab.
    Now(&'static str, &'static str),
    /// fstab was the same at this start.
    SameFstab,
    /// Something is mounted here.
    At(&'static str),
    NoDevice(&'static str),
    NoType(&'static str),
    /// Whether the file of `kernel=` exists.
    Kernel(bool),
    /// The kernel runs with these parameters.
    Cmdline(&'static str),
    /// The Windows profile is not known.
    NoProfile,
}
use With::{At, Cmdline, Denied, Kernel, NoDevice, NoProfile, NoType, SameFstab, SystemdRuns};

const OFF: &str = "";
const ON: &str = "[boot]\nsystemd=true\n";
const ON_V1: &str = "[boot]\nsystemd=true\n[automount]\ncgroups=v1\n";
const BAD_V1: &str = "[boot]\nsystemd=true\n; note\n[automount]\ncgroups=v1\n";
const BAD_ON: &str = "; note\n[boot]\nsystemd=true\n";
const NO_FSTAB: &str = "[automount]\nmountFsTab=false\n[boot]\nsystemd=true\n";
const GHOST: &str = "[user]\ndefault=ghost\n";
const DEV: &str = "[user]\ndefault=dev\n";
const NONE: &str = "";
const WORDS: &str = "[wsl2]\nkernelCommandLine=cgroup_no_v1=all\n";
const SHARED: &str = "[wsl2]\nisolateDistroCgroup=false\n";
const SAFE: &str = "[wsl2]\nsafeMode=true\n";
const KERNEL: &str = "[wsl2]\nkernel=C:\\\\k\\\\bzImage\n";
const MODULES: &str = "[wsl2]\nkernelModules=C:\\\\k\\\\m.vhdx\n";
const LINE: &str = "cgroup2 /sys/fs/cgroup cgroup2 rw,nosuid,nodev,noexec,relatime,nsdelegate 0 0\n";
const NFS: &str = "nas:/srv /srv nfs defaults 0 0\n";
const CIFS: &str = "//nas/share /srv cifs guest 0 0\n";
const DISK: &str = "/dev/sdz1 /data ext4 defaults 0 2\n";
const ZFS: &str = "tank /tank zfs defaults 0 0\n";
const POLICY: With = Denied(Policy::KernelCommandLine);

const NO_V2: &str = "no-start systemd-needs-v2 /etc/wsl.conf:2";

/// WSL (`?` for unknown), systemd, what is mounted now, wsl.conf, .wslconfig and fstab as they will be, the rest, and the
/// verdict: `starts`, or effect, rule, file and line of each reason.
type Row = (
    &'static str,
    &'static str,
    Mounted,
    &'static str,
    &'static str,
    &'static str,
    &'static [With],
    &'static str,
);

#[rustfmt::skip]
const TABLE: &[Row] = &[
    // systemd and the hierarchy: a WSL that mounts v1.
    ("2.4.13", "252", V1, ON,    NONE,  "",   &[], "starts"),
    ("2.4.13", "257", V1, ON,    NONE,  "",   &[], "starts"),
    ("2.4.13", "258", V1, ON,    NONE,  "",   &[], NO_V2),
    ("2.4.13", "259", V1, ON,    NONE,  "",   &[], NO_V2),
    ("2.4.13", "259", V1, OFF,   NONE,  "",   &[], "starts"),
    ("2.4.13", "?",   V1, ON,    NONE,  "",   &[], "starts"),
    ("2.4.13", "259", V1, ON,    WORDS, "",   &[], NO_V2),
    ("2.4.13", "259", V1, ON,    NONE,  LINE, &[], NO_V2),
    ("2.4.13", "259", V1, ON,    WORDS, LINE, &[], "starts"),
    ("2.4.13", "259", V1, NO_FSTAB, WORDS, LINE, &[], "no-start systemd-needs-v2 /etc/wsl.conf:4"),
    ("2.4.13", "259", V1, ON,    WORDS, LINE, &[POLICY], NO_V2),
    ("2.4.13", "257", V1, ON,    WORDS, LINE, &[POLICY], "starts"),
    ("2.4.13", "259", V1, ON,    "[wsl2]\nkernelCommandLine=quiet\n", LINE, &[], NO_V2),
    ("2.4.13", "259", V1, ON,    "[wsl2]\nkernelCommandLine=cgroup_no_v1=memory\n", LINE, &[], NO_V2),
    ("2.4.13", "259", V1, ON,    "[wsl2]\n; note\nkernelCommandLine=cgroup_no_v1=all\n", LINE, &[], "starts"),
    ("2.4.13", "259", V1, ON,    "[experimental]\nkernelCommandLine=cgroup_no_v1=all\n", LINE, &[], NO_V2),
    ("2.4.13", "259", V1, ON,    NONE,  LINE, &[NoProfile], NO_V2),
    ("2.4.13", "259", V2, ON,    NONE,  LINE, &[NoProfile, Cmdline("cgroup_no_v1=all"), With::Now(ON, LINE)], "starts"),
    ("2.4.13", "259", V2, ON,    WORDS, "",   &[Cmdline("cgroup_no_v1=all"), With::Now(ON, LINE)], NO_V2),
    ("2.4.13", "259", V2, ON,    NONE,  LINE, &[Cmdline("cgroup_no_v1=all"), With::Now(ON, LINE)], NO_V2),
    ("2.5.4",  "259", V2, ON,    NONE,  "",   &[], "starts"),
    ("2.5.4",  "259", V1, ON,    NONE,  "",   &[], NO_V2),
    ("?",      "259", V1, ON,    NONE,  "",   &[], NO_V2),
    ("?",      "259", V2, ON,    NONE,  "",   &[], "starts"),
    ("?",      "259", V1, ON,    WORDS, LINE, &[], "starts"),
    // A WSL that mounts v2, and v1 only by choice.
    ("2.5.8",  "259", V2, ON,    NONE,  "",   &[], "starts"),
    ("2.6.1",  "259", V2, ON_V1, NONE,  "",   &[], "starts"),
    ("2.6.2",  "259", V2, ON_V1, NONE,  "",   &[], "no-start systemd-needs-v2 /etc/wsl.conf:4"),
    ("2.6.2",  "257", V2, ON_V1, NONE,  "",   &[], "starts"),
    ("2.7.14", "259", V2, ON_V1, WORDS, "",   &[], "starts"),
    ("2.7.14", "259", V2, ON_V1, WORDS, "",   &[POLICY], "no-start systemd-needs-v2 /etc/wsl.conf:4"),
    ("2.7.14", "259", V2, ON,    NONE,  "",   &[POLICY], "starts"),
    ("2.7.14", "259", V2, ON,    NONE,  "tmpfs /sys/fs/cgroup tmpfs rw 0 0\n", &[], "no-start systemd-needs-v2 /etc/fstab:1"),
    ("2.7.14", "259", V2, NO_FSTAB, NONE, "tmpfs /sys/fs/cgroup tmpfs rw 0 0\n", &[], "starts"),
    ("2.9.7",  "257", V2, ON_V1, NONE,  "",   &[], "no-start v1-with-isolation /etc/wsl.conf:4"),
    ("2.9.8",  "257", V2, ON_V1, NONE,  "",   &[], "no-start v1-with-isolation /etc/wsl.conf:4"),
    ("2.9.12", "252", V2, ON_V1, NONE,  "",   &[], "no-start v1-with-isolation /etc/wsl.conf:4"),
    ("2.9.12", "252", V2, ON_V1, WORDS, "",   &[], "starts"),
    ("2.9.12", "252", V2, ON_V1, SHARED, "",  &[], "starts"),
    ("2.9.12", "259", V2, ON_V1, SHARED, "",  &[], "no-start systemd-needs-v2 /etc/wsl.conf:4"),
    ("2.9.13", "259", V2, ON_V1, NONE,  "",   &[], "starts"),
    ("2.9.13", "259", V2, ON_V1, SHARED, "",  &[], "no-start systemd-needs-v2 /etc/wsl.conf:4"),
    ("3.0.1",  "262", V2, ON,    NONE,  "",   &[], "starts"),
    ("3.0.1",  "262", V2, ON_V1, NONE,  "",   &[], "starts"),
    // The two grammars of wsl.conf.
    ("2.7.14", "259", V2, BAD_V1, NONE, "",   &[], "starts"),
    ("2.9.12", "252", V2, BAD_V1, NONE, "",   &[], "starts"),
    ("2.9.13", "259", V2, BAD_V1, SHARED, "", &[], "no-start systemd-needs-v2 /etc/wsl.conf:5"),
    ("2.9.12", "252", V2, BAD_ON, NONE, "",   &[], "no-systemd unread-line /etc/wsl.conf:1"),
    ("2.9.13", "252", V2, BAD_ON, NONE, "",   &[], "starts"),
    ("?",      "252", V2, BAD_ON, NONE, "",   &[], "no-systemd unread-line /etc/wsl.conf:1"),
    ("2.4.13", "259", V1, BAD_ON, NONE, "",   &[], "no-systemd unread-line /etc/wsl.conf:1"),
    // /sbin/init, safe mode, the kernel.
    ("2.7.14", "252", V2, ON,    NONE,  "",   &[With::Init(None)], "no-systemd init /etc/wsl.conf:2"),
    ("2.7.14", "252", V2, ON,    NONE,  "",   &[With::Init(Some("/bin/busybox"))], "no-systemd init /etc/wsl.conf:2"),
    ("2.7.14", "252", V2, OFF,   NONE,  "",   &[With::Init(None)], "starts"),
    ("2.4.13", "259", V1, ON,    NONE,  "",   &[With::Init(None)], "no-systemd init /etc/wsl.conf:2"),
    ("2.7.14", "259", V2, ON,    SAFE,  "",   &[], "no-systemd safe-mode .wslconfig:2"),
    ("2.4.13", "259", V1, ON,    SAFE,  NFS,  &[], "no-systemd safe-mode .wslconfig:2"),
    ("2.7.14", "252", V2, ON,    KERNEL, "",  &[Kernel(true)], "starts"),
    ("2.7.14", "252", V2, ON,    KERNEL, "",  &[Kernel(false)], "no-start custom-kernel .wslconfig:2"),
    ("2.7.14", "252", V2, ON,    KERNEL, "",  &[], "starts"),
    ("2.7.14", "252", V2, ON,    KERNEL, "",  &[Kernel(false), Denied(Policy::Kernel)], "starts"),
    ("2.7.14", "252", V2, ON,    MODULES, "", &[], "no-start kernel-modules .wslconfig:2"),
    ("1.0.0",  "252", V1, ON,    WORDS, "",   &[], "no-start no-v1-on-old-wsl .wslconfig:2"),
    ("1.0.1",  "252", V1, ON,    WORDS, "",   &[], "starts"),
    // [boot] command and [user] default.
    ("2.7.14", "252", V2, "[boot]\ncommand=mkdir -p /run/x\n", NONE, "", &[], "starts"),
    ("2.7.14", "252", V2, "[boot]\ncommand=\"sleep 5; /mnt/c/Windows/System32/wsl.exe --shutdown\"\n", NONE, "", &[], "no-start boot-command /etc/wsl.conf:2"),
    ("2.7.14", "252", V2, "[boot]\ncommand=poweroff\n", NONE, "", &[], "no-start boot-command /etc/wsl.conf:2"),
    ("2.7.14", "252", V2, "[boot]\nsystemd=true\ncommand=service cron start\n", NONE, "", &[], "degraded boot-command /etc/wsl.conf:3"),
    ("2.7.14", "252", V2, "[boot]\ncommand=service cron start\n", NONE, "", &[], "starts"),
    ("2.7.14", "259", V2, "[boot]\nsystemd=true\ncommand=cgroupfs-mount\n", NONE, "", &[], "no-start boot-command /etc/wsl.conf:3"),
    ("2.7.14", "252", V2, "[boot]\nsystemd=true\ncommand=cgroupfs-mount\n", NONE, "", &[], "starts"),
    ("2.7.14", "252", V2, GHOST, NONE,  "",   &[], "degraded user /etc/wsl.conf:2"),
    ("2.7.14", "252", V2, DEV,   NONE,  "",   &[], "starts"),
    // fstab: WSL's `mount -a`, then systemd.
    ("2.7.14", "252", V2, ON,    NONE,  NFS,  &[], "no-start fstab-network /etc/fstab:1"),
    ("2.7.14", "252", V2, ON,    NONE,  NFS,  &[SameFstab], "degraded fstab-network /etc/fstab:1"),
    ("2.7.14", "252", V2, ON,    NONE,  NFS,  &[At("/srv")], "starts"),
    ("2.7.14", "252", V2, ON,    NONE,  NFS,  &[With::Now(NO_FSTAB, NFS)], "no-start fstab-network /etc/fstab:1"),
    ("2.7.14", "252", V2, NO_FSTAB, NONE, NFS, &[], "degraded fstab-network /etc/fstab:1"),
    ("2.7.14", "252", V2, ON,    NONE,  "nas:/srv /srv nfs nofail 0 0\n", &[], "no-start fstab-network /etc/fstab:1"),
    ("2.7.14", "252", V2, ON,    NONE,  "nas:/srv /srv nfs noauto,x-systemd.automount 0 0\n", &[], "starts"),
    ("2.7.14", "252", V2, ON,    NONE,  CIFS, &[], "degraded fstab-network /etc/fstab:1"),
    ("2.7.14", "252", V2, ON,    NONE,  "//nas/share /srv cifs guest,nofail 0 0\n", &[], "starts"),
    ("2.7.14", "252", V2, ON,    NONE,  DISK, &[], "starts"),
    ("2.7.14", "252", V2, ON,    NONE,  DISK, &[NoDevice("/dev/sdz1")], "no-systemd fstab-device /etc/fstab:1"),
    ("2.7.14", "252", V2, OFF,   NONE,  DISK, &[NoDevice("/dev/sdz1")], "degraded fstab-device /etc/fstab:1"),
    ("2.7.14", "252", V2, ON,    NONE,  DISK, &[NoDevice("/dev/sdz1"), SystemdRuns, SameFstab], "degraded fstab-device /etc/fstab:1"),
    ("2.7.14", "252", V2, ON,    NONE,  DISK, &[NoDevice("/dev/sdz1"), SystemdRuns], "no-systemd fstab-device /etc/fstab:1"),
    ("2.7.14", "252", V2, ON,    NONE,  "/dev/sdz1 /data ext4 nofail 0 2\n", &[NoDevice("/dev/sdz1")], "starts"),
    ("2.7.14", "252", V2, ON,    NONE,  "LABEL=cloudimg-rootfs / ext4 discard 0 1\n", &[NoDevice("LABEL=cloudimg-rootfs")], "starts"),
    ("2.7.14", "252", V2, ON,    NONE,  "/dev/sdz2 none swap sw 0 0\n", &[NoDevice("/dev/sdz2")], "starts"),
    ("2.7.14", "252", V2, ON,    NONE,  ZFS,  &[NoType("zfs")], "no-systemd fstab-type /etc/fstab:1"),
    ("2.7.14", "252", V2, ON,    NONE,  ZFS,  &[], "starts"),
    ("2.7.14", "252", V2, ON,    NONE,  "cgroup /sys/fs/cgroup cgroup2 rw 0 0\n", &[], "degraded fstab-cgroup /etc/fstab:1"),
    ("2.7.14", "252", V2, ON,    NONE,  LINE, &[], "starts"),
    // Several reasons, the worst first.
    ("2.4.13", "259", V1, "[boot]\nsystemd=true\n[user]\ndefault=ghost\n", NONE, DISK, &[NoDevice("/dev/sdz1")],
     "no-start systemd-needs-v2 /etc/wsl.conf:2, no-systemd fstab-device /etc/fstab:1, degraded user /etc/wsl.conf:4"),
];

fn state(row: &Row) -> FutureState {
    let &(wsl, systemd, mounted, conf, config, fstab, with, _) = row;
    let version = |text: &str| (text != "?").then(|| text.parse().unwrap());
    let mut state = FutureState {
        wsl: Wsl::Two { version: version(wsl), distro: None },
        systemd: version(systemd),
        init: Init::Systemd,
        systemd_runs: false,
        wsl_conf: conf.into(),
        wslconfig: config.into(),
        wslconfig_path: Some(".wslconfig".into()),
        fstab: fstab.into(),
        now: Now::default(),
        cmdline: String::new(),
        mounts: match mounted {
            V1 => Mounts { root: Some("tmpfs".into()), v1: vec!["memory".into()], unified: true },
            V2 => Mounts { root: Some("cgroup2".into()), ..Mounts::default() },
        },
        mounted: BTreeSet::new(),
        denied: BTreeSet::new(),
        users: BTreeSet::from(["root".into(), "dev".into()]),
        unknown_types: BTreeSet::new(),
        devices: BTreeMap::new(),
        kernel_exists: None,
    };
    for with in with {
        match *with {
            Denied(policy) => drop(state.denied.insert(policy)),
            With::Init(path) => state.init = path.map_or(Init::Missing, |path| Init::Other(path.into())),
            SystemdRuns => state.systemd_runs = true,
            With::Now(conf, fstab) => state.now = Now { wsl_conf: conf.into(), fstab: fstab.into() },
            SameFstab => state.now.fstab = fstab.into(),
            At(point) => drop(state.mounted.insert(point.into())),
            NoDevice(device) => drop(state.devices.insert(device.into(), false)),
            NoType(name) => drop(state.unknown_types.insert(name.into())),
            Kernel(exists) => state.kernel_exists = Some(exists),
            Cmdline(line) => state.cmdline = line.into(),
            NoProfile => state.wslconfig_path = None,
        }
    }
    state
}

/// The verdict as the table has it.
fn verdict(state: &FutureState) -> String {
    let Err(reasons) = will_it_start(state) else { return "starts".to_owned() };
    let word = |value: serde_json::Value| value.as_str().unwrap().to_owned();
    let shown: Vec<String> = reasons
        .iter()
        .map(|reason| {
            let value = serde_json::to_value(reason).unwrap();
            let file = reason.file.as_ref().unwrap();
            let line = reason.line.unwrap();
            format!("{} {} {file}:{line}", word(value["effect"].clone()), word(value["rule"].clone()))
        })
        .collect();
    shown.join(", ")
}

#[test]
fn each_combination_starts_or_has_its_reasons() {
    assert!(TABLE.len() >= 60, "{}", TABLE.len());
    let wrong: Vec<String> = TABLE
        .iter()
        .enumerate()
        .map(|(nth, row)| (nth, row, verdict(&state(row))))
        .filter(|(_, row, found)| found != row.7)
        .map(|(nth, row, found)| {
            format!("row {}: WSL {}, systemd {}: wanted `{}`, found `{found}`", nth + 1, row.0, row.1, row.7)
        })
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_reason_names_what_was_found_and_a_way_out() {
    for row in TABLE {
        for reason in will_it_start(&state(row)).err().into_iter().flatten() {
            assert!(!reason.what.is_empty() && !reason.way_out.is_empty(), "{reason:?}");
            let shown = format!("{} {}", reason.what, reason.way_out);
            let line = reason.line.unwrap();
            let is_named = shown.contains(&format!("line {line}")) || shown.contains("systemd");
            assert!(is_named, "{reason:?}");
        }
    }
}

#[test]
fn a_machine_that_is_not_wsl_2_is_never_blocked() {
    for wsl in [Wsl::No, Wsl::One { distro: None }] {
        let future = FutureState { wsl, ..state(&TABLE[3]) };
        assert_eq!(will_it_start(&future), Ok(()));
    }
}
