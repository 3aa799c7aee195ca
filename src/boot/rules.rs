//! The rules about wsl.conf and .wslconfig.

use super::{Effect, Files, Init, Policy, Reason, Rule, fstab, reason};
use crate::compat::COMPAT;
use crate::edit::cmdline;
use crate::facts::Wsl;
use crate::facts::wsl::{CGROUP_WORDS, WSL_CONF};
use crate::version::Version;

/// The hierarchy at `/sys/fs/cgroup` when PID 1 starts.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Hierarchy {
    V2,
    /// cgroup v1, or a hybrid of both; the cause, and the fix.
    V1 {
        what: String,
        line: Option<usize>,
        way_out: String,
    },
}

const UPDATE: &str = "in Windows: `wsl --update`, then run the same command again";

pub(super) fn judge(files: &Files<'_>) -> Vec<Reason> {
    let mut found: Vec<Reason> = [kernel(files), kernel_modules(files), no_v1(files), isolation(files)]
        .into_iter()
        .flatten()
        .collect();
    // Safe mode disables systemd, fstab and the boot command (WSL src/linux/init/WslDistributionConfig.cpp:101).
    if files.config.flag("wsl2", "safeMode") == Some(true) {
        found.push(safe_mode(files));
        return found;
    }
    found.extend(
        [systemd(files), unread(files), init(files), command(files), user(files)].into_iter().flatten(),
    );
    found.extend(fstab::judge(files));
    found
}

pub(super) fn mounts_v2(files: &Files<'_>) -> bool {
    files.hierarchy() == Hierarchy::V2
}

impl Files<'_> {
    fn version(&self) -> Option<&Version> {
        match &self.future.wsl {
            Wsl::Two { version, .. } => version.as_ref(),
            _ => None,
        }
    }

    fn isolates(&self) -> bool {
        self.config.flag("wsl2", "isolateDistroCgroup").unwrap_or(true)
    }

    fn chooses_v1(&self) -> bool {
        self.conf.get("automount", "cgroups").is_some_and(|version| version.eq_ignore_ascii_case("v1"))
    }

    /// Whether PID 1 will be systemd.
    pub(super) fn starts_systemd(&self) -> bool {
        self.conf.flag("boot", "systemd") == Some(true) && self.future.init == Init::Systemd
    }

    fn systemd_needs_v2(&self) -> bool {
        let is_new = COMPAT.systemd.v2_only.is_known_of(self.future.systemd.as_ref());
        self.starts_systemd() && is_new
    }

    fn wslconfig(&self) -> String {
        self.future.wslconfig_path.as_ref().map_or_else(|| ".wslconfig".to_owned(), ToString::to_string)
    }

    /// `kernelCommandLine` of .wslconfig, if WSL passes it to the kernel.
    fn parameters(&self) -> Option<&str> {
        // Without the profile, the content of .wslconfig is unknown; the running kernel was started with it.
        if self.future.wslconfig_path.is_none() {
            return Some(&self.future.cmdline);
        }
        let value = self.config.get("wsl2", "kernelCommandLine")?;
        // WSL's own parameters take some 400 bytes of the same buffer.
        (!self.future.denied.contains(&Policy::KernelCommandLine) && cmdline::fits(value, 400))
            .then_some(value)
    }

    fn has_no_v1(&self) -> bool {
        self.parameters().is_some_and(|value| cmdline::has(value, CGROUP_WORDS[0]))
    }

    /// Whether this WSL mounts cgroup v1 by itself. The present mounts are more reliable than its version.
    fn is_classic(&self) -> bool {
        let mounts = &self.future.mounts;
        let by_words = cmdline::has(&self.future.cmdline, CGROUP_WORDS[0]);
        let by_fstab = fstab::cgroup2(&self.fstab_now).is_some();
        match self.version() {
            Some(version) if !Wsl::mounts_v1(version) => false,
            // It mounts v2 without kind-wsl's settings.
            _ if mounts.is_pure_v2() && !by_words && !by_fstab => false,
            Some(_) => true,
            None => mounts.has_v1() || by_words && by_fstab,
        }
    }

    fn hierarchy(&self) -> Hierarchy {
        if let Some(entry) = fstab::hides_v2(self) {
            let what =
                format!("line {} of /etc/fstab mounts `{}` over cgroup v2", entry.line, entry.fields[2]);
            let way_out = format!("remove line {} of /etc/fstab", entry.line);
            return Hierarchy::V1 { what, line: Some(entry.line), way_out };
        }
        if self.is_classic() {
            return self.classic();
        }
        let by_choice =
            self.chooses_v1() && !self.has_no_v1() && !self.future.wsl.is_before(&COMPAT.wsl.v1_by_choice);
        let is_shared = !self.isolates() || self.future.wsl.is_before(&COMPAT.wsl.isolates_cgroups);
        if by_choice && is_shared {
            let line = self.conf.line_of("automount", "cgroups");
            let line_number = line.unwrap_or_default();
            return Hierarchy::V1 {
                what: format!("cgroups=v1 in line {line_number} of {WSL_CONF} mounts cgroup v1"),
                line,
                way_out: format!("include stage `cgroup`, or remove line {line_number} of {WSL_CONF}"),
            };
        }
        Hierarchy::V2
    }

    /// A WSL that mounts v1 has only v2 with the kernel parameter *and* the line in fstab: without the line, v2 stays
    /// below a tmpfs.
    fn classic(&self) -> Hierarchy {
        let name = self.future.wsl.name();
        let mounts_v2 = self.mounts_fstab && fstab::cgroup2(&self.fstab).is_some();
        if self.has_no_v1() && mounts_v2 {
            return Hierarchy::V2;
        }
        let denied = self.future.denied.contains(&Policy::KernelCommandLine);
        let what = if denied {
            format!(
                "{name} mounts cgroup v1, and a policy of Windows disables kernelCommandLine in .wslconfig"
            )
        } else if self.has_no_v1() {
            format!(
                "{name} mounts a tmpfs at /sys/fs/cgroup, and no line of /etc/fstab mounts cgroup v2 over it"
            )
        } else {
            format!("{name} mounts cgroup v1")
        };
        let way_out = if denied {
            UPDATE.to_owned()
        } else {
            format!("{UPDATE}; or include the stages `cgroup` and `cgroup-mount`")
        };
        Hierarchy::V1 { what, line: None, way_out }
    }
}

/// systemd 258 and later mounts no v1 hierarchy and does not start on one (systemd NEWS; WSL#13484).
fn systemd(files: &Files<'_>) -> Option<Reason> {
    let Hierarchy::V1 { what, line, way_out } = files.hierarchy() else { return None };
    if !files.systemd_needs_v2() {
        return None;
    }
    let version = files.future.systemd.as_ref().map(Version::major).unwrap_or_default();
    let what = format!(
        "systemd {version} cannot run on cgroup v1, so this distribution would no longer start: {what}"
    );
    let found = reason(Rule::SystemdNeedsV2, Effect::NoStart, what, way_out);
    Some(match line {
        Some(_) if fstab::hides_v2(files).is_some() => found.at(super::FSTAB, line),
        Some(_) => found.at(WSL_CONF, line),
        None => found.at(WSL_CONF, files.conf.line_of("boot", "systemd")),
    })
}

/// While they isolate its cgroup, later versions mount v2 for a distribution that requests v1.
fn isolation(files: &Files<'_>) -> Option<Reason> {
    let fails = files.future.wsl.has(&COMPAT.wsl.v1_fails_isolated) && files.isolates();
    if !fails || !files.chooses_v1() || files.has_no_v1() {
        return None;
    }
    let line = files.conf.line_of("automount", "cgroups");
    let number = line.unwrap_or_default();
    let what = format!(
        "{} does not start a distribution with cgroups=v1 (line {number} of {WSL_CONF}) while it isolates cgroups",
        files.future.wsl.name()
    );
    let way_out = format!("include stage `cgroup`, or remove line {number} of {WSL_CONF}");
    Some(reason(Rule::V1WithIsolation, Effect::NoStart, what, way_out).at(WSL_CONF, line))
}

fn no_v1(files: &Files<'_>) -> Option<Reason> {
    let is_old = files.future.wsl.is_before(&COMPAT.wsl.kernel_params_for_v2);
    let is_set = files.config.get("wsl2", "kernelCommandLine").is_some() && files.has_no_v1();
    (is_old && is_set).then(|| {
        let line = files.config.line_of("wsl2", "kernelCommandLine");
        let what = format!(
            "{} does not start with {} on its kernel command line (line {} of {})",
            files.future.wsl.name(),
            CGROUP_WORDS[0],
            line.unwrap_or_default(),
            files.wslconfig()
        );
        reason(Rule::NoV1OnOldWsl, Effect::NoStart, what, UPDATE).at(files.wslconfig(), line)
    })
}

/// WSL does not fall back to its own kernel (`WSL_E_CUSTOM_KERNEL_NOT_FOUND`).
fn kernel(files: &Files<'_>) -> Option<Reason> {
    files.config.get("wsl2", "kernel").filter(|path| !path.is_empty())?;
    if files.future.kernel_exists != Some(false) || files.future.denied.contains(&Policy::Kernel) {
        return None;
    }
    let (line, file) = (files.config.line_of("wsl2", "kernel"), files.wslconfig());
    let what = format!("the file of `kernel` in line {} of {file} does not exist", line.unwrap_or_default());
    let way_out = "correct the path, or remove the line: WSL then starts its own kernel";
    Some(reason(Rule::CustomKernel, Effect::NoStart, what, way_out).at(file, line))
}

/// WSL refuses modules without their kernel (WSL src/windows/service/exe/WslCoreVm.cpp:254).
fn kernel_modules(files: &Files<'_>) -> Option<Reason> {
    let set = |key| files.config.get("wsl2", key).filter(|value| !value.is_empty());
    if set("kernelModules").is_none() || set("kernel").is_some() {
        return None;
    }
    let (line, file) = (files.config.line_of("wsl2", "kernelModules"), files.wslconfig());
    let what = format!(
        "`kernelModules` in line {} of {file} requires `kernel`, which is not set",
        line.unwrap_or_default()
    );
    Some(
        reason(Rule::KernelModules, Effect::NoStart, what, "set `kernel` too, or remove the line")
            .at(file, line),
    )
}

fn safe_mode(files: &Files<'_>) -> Reason {
    let (line, file) = (files.config.line_of("wsl2", "safeMode"), files.wslconfig());
    let what = format!("`safeMode=true` in line {} of {file} disables systemd", line.unwrap_or_default());
    reason(Rule::SafeMode, Effect::NoSystemd, what, "remove the line, then run `wsl --shutdown` in Windows")
        .at(file, line)
}

/// `systemd=true` below a line at which this WSL stops reading.
fn unread(files: &Files<'_>) -> Option<Reason> {
    if files.conf.complete() || files.conf.get("boot", "systemd").is_some() {
        return None;
    }
    let mut repaired = files.conf.clone();
    repaired.repair();
    if repaired.flag("boot", "systemd") != Some(true) {
        return None;
    }
    let line = files.conf.problems().last().map(|problem| problem.line);
    let what = format!(
        "WSL stops reading {WSL_CONF} at line {}, above `systemd=true`, so systemd does not start",
        line.unwrap_or(1)
    );
    let way_out = "correct that line, or let `--repair-wsl-conf yes` do it";
    Some(reason(Rule::UnreadLine, Effect::NoSystemd, what, way_out).at(WSL_CONF, line))
}

/// WSL ignores `systemd=true` if `/sbin/init` is not executable, and otherwise starts it, whatever it is (WSL
/// src/linux/init/WslDistributionConfig.cpp:90).
fn init(files: &Files<'_>) -> Option<Reason> {
    if files.conf.flag("boot", "systemd") != Some(true) {
        return None;
    }
    let what = match &files.future.init {
        Init::Systemd => return None,
        Init::Missing => "/sbin/init does not exist, so WSL ignores `systemd=true`".to_owned(),
        Init::Other(path) => format!("/sbin/init is {path}, not systemd"),
    };
    let line = files.conf.line_of("boot", "systemd");
    Some(
        reason(Rule::Init, Effect::NoSystemd, what, "install systemd, with its link /sbin/init")
            .at(WSL_CONF, line),
    )
}

/// WSL runs it as root before systemd and does not wait for it (WSL src/linux/init/config.cpp:993).
fn command(files: &Files<'_>) -> Option<Reason> {
    let command = files.conf.get("boot", "command")?;
    let words: Vec<&str> = command.split(|c: char| c.is_whitespace() || ";&|'\"()".contains(c)).collect();
    let has =
        |wanted: &[&str]| words.iter().any(|word| wanted.contains(&word.rsplit('/').next().unwrap_or(word)));
    let line = files.conf.line_of("boot", "command");
    let place = format!("`command` in line {} of {WSL_CONF}", line.unwrap_or_default());
    let found = |effect, what: String, way_out: &str| {
        Some(reason(Rule::BootCommand, effect, what, way_out).at(WSL_CONF, line))
    };
    let ends = has(&["poweroff", "halt", "reboot", "shutdown"])
        || has(&["wsl.exe"]) && has(&["--shutdown", "--terminate", "-t"]);
    if ends {
        let what = format!("{place} stops the distribution at each start");
        return found(Effect::NoStart, what, "remove the line");
    }
    let mounts_v1 = has(&["cgroupfs-mount", "cgroups-mount"])
        || has(&["mount"])
            && has(&["cgroup", "tmpfs"])
            && command.contains("/sys/fs/cgroup")
            && !command.contains("name=");
    if mounts_v1 && files.systemd_needs_v2() {
        let what = format!("{place} mounts cgroup v1, on which this systemd does not start");
        return found(Effect::NoStart, what, "remove the line: WSL mounts the cgroups itself");
    }
    if files.starts_systemd() && has(&["systemctl", "service", "loginctl"]) {
        let what = format!("{place} runs before systemd, so it cannot start services");
        return found(
            Effect::Degraded,
            what,
            "enable the service instead, with `sudo systemctl enable NAME`",
        );
    }
    None
}

fn user(files: &Files<'_>) -> Option<Reason> {
    let name = files.conf.get("user", "default").filter(|name| !name.is_empty())?;
    // Accounts of a directory service are not in /etc/passwd; an empty list was not read.
    if files.future.users.is_empty() || files.future.users.contains(name) {
        return None;
    }
    let line = files.conf.line_of("user", "default");
    let what = format!(
        "the user of `default` in line {} of {WSL_CONF} is not in /etc/passwd",
        line.unwrap_or_default()
    );
    let way_out = "correct the name; WSL otherwise opens shells as another user";
    Some(reason(Rule::User, Effect::Degraded, what, way_out).at(WSL_CONF, line))
}
