//! WSL, and its interfaces to Windows.

use camino::Utf8Path;
use kind_wsl_windows::logon::Verdict;
use kind_wsl_windows::names::same;

use super::docker_desktop::{DEFAULT, DISTRIBUTION};
use super::{Check, CheckContext, Outcome, Scope, all, check};
use crate::boot::{Effect, FutureState, will_it_start};
use crate::compat::COMPAT;
use crate::edit::wslconf::{Dialect, Document};
use crate::facts::Wsl;
use crate::facts::wsl::WSL_CONF;
use crate::fix::{Fix, command, windows};
use crate::host::Cmd;
use crate::windows::{Interop, logon_entries};

pub(super) static CHECKS: &[&Check] = &[
    &DISTRIBUTION,
    &WSL,
    &VERSION,
    &RESTART,
    &INTEROP,
    &DEFAULT,
    &NETWORKING,
    &LOGON,
    &KERNEL_PARAMETERS,
    &CLOCK,
    &CONFIG,
    &STARTS,
];

pub(super) static WSL: Check = check("wsl", "this is WSL 2, or another Linux", |c| {
    let facts = c.facts;
    match &facts.wsl {
        Wsl::No if facts.kernel.release.is_empty() => Outcome::unknown("the kernel's release cannot be read"),
        Wsl::No => Outcome::ok(format!("not WSL; {}, Linux {}", facts.distro.name, facts.kernel.release)),
        Wsl::One { .. } => Outcome::error(
            "WSL 1",
            "containers are not possible: WSL 1 has no Linux kernel",
            to_wsl_2(&facts.wsl),
        ),
        Wsl::Two { .. } => Outcome::ok(format!("{}, Linux {}", facts.wsl.name(), facts.kernel.release)),
    }
});

/// The fix that converts WSL 1 to WSL 2.
pub(super) fn to_wsl_2(wsl: &Wsl) -> Fix {
    let name = match wsl {
        Wsl::One { distro: Some(name) } => name,
        _ => "DISTRIBUTION",
    };
    windows(format!("wsl.exe --set-version {name} 2"))
}

pub(crate) static VERSION: Check = check("wsl-version", "this WSL can start without cgroup v1", |c| {
    if let Wsl::Two { version: None, .. } = c.facts.wsl {
        return Outcome::unknown("this WSL does not report its version");
    }
    let effect = "its virtual machine does not start with cgroup_no_v1=all";
    let details = format!("this is {}", c.facts.wsl.name());
    Outcome::prefer(
        !c.facts.wsl.is_before(&COMPAT.wsl.kernel_params_for_v2),
        details,
        effect,
        windows("wsl.exe --update"),
    )
})
.scope(&[Scope::Wsl]);

pub(crate) static RESTART: Check = check("restart", "no change is pending a restart", |c| {
    let waiting = c.facts.restart_reasons();
    if waiting.is_empty() {
        return Outcome::ok("no change of kind-wsl is pending a restart");
    }
    let details = format!("changed since the last start: {}", waiting.join(", "));
    Outcome::error(details, "the changes have not taken effect", command("kind-wsl setup"))
});

pub(crate) static INTEROP: Check = check("interop", "Windows programs can be started", |c| {
    let dir = "/proc/sys/fs/binfmt_misc";
    // The first line is `enabled` or `disabled`.
    let is_enabled = |name: &&str| {
        c.system.text(&format!("{dir}/{name}")).is_some_and(|text| text.lines().next() == Some("enabled"))
    };
    let details = match ["WSLInterop", "WSLInterop-late"].into_iter().find(is_enabled) {
        // The entry alone proves little: interop can be disabled for this distribution. That is detected when it is
        // used.
        Some(name) => {
            let how = if c.facts.windows.interop { "was" } else { "was not" };
            return Outcome::ok(format!("{dir}/{name} is enabled; this session {how} opened by wsl.exe"));
        }
        None if c.system.exists(&format!("{dir}/WSLInterop")) => format!("{dir}/WSLInterop is disabled"),
        None => format!("{dir} has no WSLInterop"),
    };
    let effect = "setup cannot restart WSL itself; kind needs no Windows program";
    Outcome::warning(details, effect, windows("wsl.exe --shutdown")).then(
        "open a new shell (if systemd-binfmt removes it again, run `wsl --update`: WSL 2.8.9 and later keep it)",
    )
})
.scope(&[Scope::Wsl]);

static NETWORKING: Check =
    all("networking", "Windows reaches published ports", const { &[&NETWORK, &MIRRORED] })
        .scope(&[Scope::Wsl]);

static NETWORK: Check = check("wsl-network", "this distribution has a network", |c| {
    with_mode(c, |mode| {
        let effect = "this machine has no network, so no image can be pulled";
        Outcome::require(mode != "none", format!("the networking mode is {mode}"), effect, NAT)
    })
})
.scope(&[Scope::Wsl]);

pub(crate) static MIRRORED: Check = check("mirrored", "the network is not mirrored", |c| {
    with_mode(c, |mode| {
        let effect = "Windows may not reach ports that podman publishes (WSL#11468)";
        let fix = format!("if kubectl in Windows cannot connect: {NAT}");
        Outcome::prefer(mode != "mirrored", format!("the networking mode is {mode}"), effect, fix)
    })
})
.scope(&[Scope::Wsl]);

const NAT: &str =
    "set `networkingMode=nat` below [wsl2] in .wslconfig, then run `wsl.exe --shutdown` in Windows";

/// Checks the networking mode: `nat`, `mirrored`, `virtioproxy`, `bridged` or `none`.
fn with_mode(c: &CheckContext<'_>, judge: impl FnOnce(&str) -> Outcome) -> Outcome {
    // WSL before 2.0.4 has no wslinfo. The mode is that of .wslconfig when WSL started.
    let running = c.system.stdout_if_ok(&Cmd::parse("wslinfo --networking-mode").as_user(&c.facts.user));
    let requested = || Some(c.facts.windows.wsl2.get("networkingmode")?.to_ascii_lowercase());
    match running.or_else(requested) {
        Some(mode) => judge(&mode),
        None => Outcome::unknown(
            "the networking mode is unknown: wslinfo did not report it, and .wslconfig does not set it",
        ),
    }
}

pub(crate) static KERNEL_PARAMETERS: Check =
    check("kernel-options", ".wslconfig keeps cgroup v1 for other distributions", |c| {
        let windows = &c.facts.windows;
        if let Some(words) = windows.kernel_command_line.as_ref().filter(|w| w.contains("cgroup_no_v1")) {
            let file = windows.wslconfig().map_or_else(|| ".wslconfig".to_owned(), |path| path.to_string());
            return Outcome::limited(format!("kernelCommandLine in {file} is {words}"));
        }
        if c.facts.kernel.cmdline.contains("cgroup_no_v1=") {
            let details = "the kernel was started with cgroup_no_v1, although .wslconfig does not set it";
            return Outcome::limited(details);
        }
        Outcome::ok("the kernel was started without cgroup_no_v1")
    })
    .scope(&[Scope::Wsl]);

/// The tolerance between the system clock and the hardware clock, in seconds.
const DRIFT: u64 = 60;

static CLOCK: Check = check("clock", "the system clock is correct", |c| {
    let hardware =
        c.system.text("/sys/class/rtc/rtc0/since_epoch").and_then(|t| t.trim().parse::<u64>().ok());
    let system = c.system.stdout_if_ok(&Cmd::parse("date +%s")).and_then(|t| t.parse::<u64>().ok());
    let (Some(hardware), Some(system)) = (hardware, system) else {
        return Outcome::unknown("no hardware clock was found to compare with");
    };
    let off = hardware.abs_diff(system);
    let effect = "\"x509: certificate has expired or is not yet valid\"";
    let details = format!("{off} s from the hardware clock");
    Outcome::require(off <= DRIFT, details, effect, command("sudo hwclock -s"))
});

pub(crate) static CONFIG: Check =
    check("wsl-config", "WSL reads every setting in wsl.conf and .wslconfig", |c| {
        let conf = Some((Utf8Path::new(WSL_CONF).to_owned(), Dialect::WslConf));
        let config = c.facts.windows.wslconfig().map(|path| (path, Dialect::WslConfig));
        let (mut found, mut belong_elsewhere) = (Vec::new(), true);
        for (path, dialect) in conf.into_iter().chain(config) {
            let bytes = match c.system.resolve(&path).and_then(|real| c.system.read(&real)) {
                Ok(bytes) => bytes.unwrap_or_default(),
                Err(e) => return Outcome::unknown(e.to_string()),
            };
            let document = Document::parse_as(&bytes, dialect, c.facts.wsl.grammar());
            let ignored = document.ignored();
            belong_elsewhere &= ignored.iter().all(|ignored| ignored.belongs_elsewhere);
            found.extend(ignored.iter().map(|ignored| format!("{path} {ignored}")));
        }
        if found.is_empty() {
            return Outcome::ok("no setting is ignored");
        }
        let effect = "WSL ignores these settings and keeps its defaults or earlier values";
        let fix = if belong_elsewhere {
            "move these lines to the file that they belong in, then run `wsl.exe --shutdown` in Windows"
        } else {
            "correct or move these lines; WSL reads them at its next start"
        };
        Outcome::warning(found.join("; "), effect, fix)
    })
    .scope(&[Scope::Wsl]);

static LOGON: Check = check("logon", "the logon entry starts this distribution", |c| {
    let Some(program) = &c.facts.windows.logon else {
        return Outcome::skipped("kind-wsl made no logon entry");
    };
    let effect = "this distribution does not start when you sign in to Windows";
    let again = command("kind-wsl cluster logon on");
    if !c.system.exists(program.as_str()) {
        return Outcome::warning(format!("the program of the entry, {program}, does not exist"), effect, again);
    }
    let asked =
        Interop::new(c.system, &c.facts.user).and_then(|interop| logon_entries(&interop, program));
    let Ok(entries) = asked else {
        return Outcome::unknown("the logon entries cannot be read: Windows programs cannot be started from here");
    };
    let name = c.facts.wsl.distro();
    match entries.iter().find(|(other, _)| same(other, name)).map(|(_, verdict)| *verdict) {
        None => return Outcome::warning("the entry was removed", effect, again),
        Some(Verdict::Works) => {}
        Some(Verdict::Disabled) => {
            let fix = "enable `kind-wsl-helper` in Task Manager, Startup apps";
            return Outcome::warning("the entry is disabled in Task Manager", effect, fix);
        }
        Some(Verdict::Foreign) => {
            let fix = format!("remove `kind-wsl {name}` in regedit, then run `kind-wsl cluster logon on`");
            return Outcome::warning("another program changed the entry", effect, fix);
        }
        Some(Verdict::NoProgram | Verdict::NoDistribution) => {
            return Outcome::warning("the entry names a program or distribution that does not exist", effect, again);
        }
    }
    let is_stale =
        |verdict: Verdict| matches!(verdict, Verdict::NoProgram | Verdict::NoDistribution);
    match entries.iter().find(|(_, verdict)| is_stale(*verdict)) {
        Some((other, _)) => Outcome::warning(
            format!("{name} starts at logon; the entry of {other} names a program or distribution that does not exist"),
            "Windows starts a program for nothing at each logon",
            windows(format!("%LOCALAPPDATA%\\kind-wsl\\kind-wsl-helper.exe logon remove --distro {other}")),
        ),
        None => Outcome::ok(format!("{name} starts when you sign in to Windows")),
    }
})
.scope(&[Scope::Wsl]);

pub(crate) static STARTS: Check =
    check("starts", "this distribution can start with its present files", |c| {
        let Err(reasons) = will_it_start(&FutureState::present(c.system, c.facts)) else {
            return Outcome::ok("wsl.conf, .wslconfig and fstab do not prevent its start");
        };
        let details: Vec<_> = reasons.iter().map(|reason| reason.what.as_str()).collect();
        let worst = reasons.iter().map(|reason| reason.effect).min();
        let effect = match worst {
            Some(Effect::NoStart) => {
                "after the next `wsl --shutdown`, this distribution does not start anymore"
            }
            Some(Effect::NoSystemd) => {
                "after the next start, no cluster runs: systemd is not running, or stops in emergency mode"
            }
            _ => "it starts late or incompletely",
        };
        let mut ways: Vec<_> = reasons.iter().map(|reason| reason.way_out.clone()).collect();
        ways.dedup();
        let found = Outcome::error(details.join("; "), effect, ways.join("; "));
        if worst == Some(Effect::Degraded) { found.warned() } else { found }
    })
    .scope(&[Scope::Wsl]);
