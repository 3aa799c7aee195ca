//! A machine with versions of programs that are assumed: what an update changes, before it is made.
//!
//! [`Assumed`] answers like the machine after the update, so that facts, plan and checks follow by themselves. Facts that only
//! the updated machine can show, such as the state of its units, are unanswered ([`System::take_unanswered`]).

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use camino::{Utf8Path, Utf8PathBuf};

use crate::boot::{self, FutureState, Init, Policy};
use crate::cgroup::{self, ROOT};
use crate::compat::{COMPAT, newest_carried};
use crate::edit::cmdline;
use crate::edit::wslconf::{Dialect, Document};
use crate::facts::{Facts, Wsl};
use crate::host::{Cmd, FileKind, HostError, Output, Owner, Stat, System};
use crate::suggest::did_you_mean;
use crate::version::Version;

/// The programs whose version can be assumed.
const PROGRAMS: [&str; 6] = ["wsl", "podman", "systemd", "kernel", "crun", "kind"];

/// Controllers that the kernels of WSL have.
const CONTROLLERS: &str = "cpuset cpu io memory hugetlb pids rdma misc";

/// A program with the version that is assumed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assumption {
    pub program: &'static str,
    pub version: Version,
}

impl FromStr for Assumption {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = PROGRAMS.join(", ");
        let Some((name, version)) = text.split_once('=') else {
            return Err(format!("expected PROGRAM=VERSION, such as wsl=3.0.1; the programs are {known}"));
        };
        let Some(program) = PROGRAMS.into_iter().find(|program| *program == name.trim()) else {
            let near = did_you_mean(name, PROGRAMS);
            let near = near.map_or_else(String::new, |near| format!("did you mean `{near}`? "));
            return Err(format!("unknown program `{name}`: {near}The programs are {known}"));
        };
        let wrong = |_| format!("`{version}` is not a version of {program}: it does not begin with a number");
        let version = version.parse::<Version>().map_err(wrong)?;
        Ok(Self { program, version })
    }
}

impl fmt::Display for Assumption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.program, self.version)
    }
}

/// The machine after an update.
pub struct Assumed<'s> {
    base: &'s dyn System,
    versions: BTreeMap<&'static str, Version>,
    /// Files that are different then.
    files: BTreeMap<Utf8PathBuf, String>,
    /// Where the modules of the kernel that runs are, and of the assumed one.
    modules: Option<(String, String)>,
    /// Whether the cgroups are those of another WSL than the one that runs.
    is_new_wsl: bool,
    unanswered: Cell<bool>,
}

impl fmt::Debug for Assumed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Assumed").field("versions", &self.versions).finish_non_exhaustive()
    }
}

impl<'s> Assumed<'s> {
    /// The machine of which `facts` are known, with these versions. The last of several for a program counts.
    #[must_use]
    pub fn new(base: &'s dyn System, facts: &Facts, assumptions: &[Assumption]) -> Self {
        let versions: BTreeMap<_, _> = assumptions.iter().map(|a| (a.program, a.version.clone())).collect();
        let is_new_wsl = versions.contains_key("wsl");
        let (files, unanswered) = (BTreeMap::new(), Cell::new(false));
        let mut assumed = Self { base, versions, files, modules: None, is_new_wsl, unanswered };
        assumed.update_kernel(facts);
        assumed.update_wsl(facts);
        assumed
    }

    /// The versions that are assumed, with those that follow from them.
    #[must_use]
    pub fn versions(&self) -> &BTreeMap<&'static str, Version> {
        &self.versions
    }

    /// Whether the update restarts the virtual machine or the host.
    #[must_use]
    pub fn restarts(&self) -> bool {
        ["wsl", "kernel"].iter().any(|program| self.versions.contains_key(program))
    }

    fn set(&mut self, path: impl Into<Utf8PathBuf>, text: impl Into<String>) {
        self.files.insert(path.into(), text.into());
    }

    /// A WSL includes its kernel, unless .wslconfig sets another one.
    fn update_kernel(&mut self, facts: &Facts) {
        let is_custom =
            facts.windows.wsl2.contains_key("kernel") && !facts.windows.denied.contains(&Policy::Kernel);
        let running = facts.kernel.release.parse::<Version>().ok();
        let installed = self
            .versions
            .get("wsl")
            .filter(|_| !is_custom)
            .and_then(|wsl| newest_carried("wsl", wsl, "kernel"));
        if let Some(kernel) =
            installed.filter(|kernel| running.as_ref().is_none_or(|running| *kernel > running))
        {
            self.versions.entry("kernel").or_insert_with(|| kernel.clone());
        }
        let Some(kernel) = self.versions.get("kernel") else { return };
        let running = &facts.kernel.release;
        let flavor = running.split_once('-').map_or_else(String::new, |(_, flavor)| format!("-{flavor}"));
        let release =
            if kernel.as_str().contains('-') { kernel.to_string() } else { format!("{kernel}{flavor}") };
        self.modules = Some((format!("/lib/modules/{running}"), format!("/lib/modules/{release}")));
        self.set("/proc/sys/kernel/osrelease", format!("{release}\n"));
    }

    fn update_wsl(&mut self, facts: &Facts) {
        let Some(version) = self.versions.get("wsl").cloned() else { return };
        // Observations are more reliable than facts about a version.
        if matches!(&facts.wsl, Wsl::Two { version: Some(running), .. } if *running == version) {
            self.is_new_wsl = false;
            return;
        }
        let name = facts.wsl.distro().to_owned();
        let wsl = Wsl::Two { version: Some(version), distro: Some(name) };
        let mut future = FutureState::present(self.base, facts);
        let conf = Document::parse_as(&future.wsl_conf, Dialect::WslConf, wsl.grammar());
        let config = Document::parse(&future.wslconfig, Dialect::WslConfig);
        // The mounts of the present WSL do not apply to the assumed one.
        future.mounts = cgroup::Mounts::default();
        future.wsl = wsl.clone();
        if let Some(systemd) = self.versions.get("systemd") {
            future.systemd = Some(systemd.clone());
        }
        let parameters = config.get("wsl2", "kernelCommandLine");
        if let Some(parameters) = parameters.filter(|_| !future.denied.contains(&Policy::KernelCommandLine)) {
            let line = cmdline::merge(&facts.kernel.cmdline, &cmdline::tokens(parameters));
            self.set("/proc/cmdline", format!("{line}\n"));
        }
        let systemd = conf.flag("boot", "systemd") == Some(true) && future.init == Init::Systemd;
        self.set("/run/WSL", "");
        self.set("/proc/1/comm", if systemd { "systemd\n" } else { "init\n" });
        if systemd {
            self.set("/run/systemd/system", "");
        }
        let mounts = self.base.text("/proc/mounts").unwrap_or_default();
        let is_other =
            |line: &&str| line.split_ascii_whitespace().nth(1).is_none_or(|point| !point.starts_with(ROOT));
        let mut mounts: String = mounts.lines().filter(is_other).flat_map(|line| [line, "\n"]).collect();
        if !boot::mounts_v2(&future) {
            mounts.push_str("tmpfs /sys/fs/cgroup tmpfs rw 0 0\n");
            for name in cgroup::WANTED {
                mounts.extend(["cgroup ", ROOT, "/", name, " cgroup rw,", name, " 0 0\n"]);
            }
            self.set("/proc/mounts", mounts);
            return;
        }
        mounts.push_str("cgroup2 /sys/fs/cgroup cgroup2 rw,nosuid,nodev,noexec,relatime,nsdelegate 0 0\n");
        self.set("/proc/mounts", mounts);
        let isolates = config.flag("wsl2", "isolateDistroCgroup").unwrap_or(true);
        let isolates = isolates && !wsl.is_before(&COMPAT.wsl.isolates_cgroups);
        self.update_cgroups(facts, systemd, isolates, isolates && wsl.has(&COMPAT.wsl.cgroup_namespace));
    }

    /// The cgroups of the three layouts with v2 alone: the root of the kernel's hierarchy, a cgroup of the distribution,
    /// and that cgroup as the root of a namespace.
    fn update_cgroups(&mut self, facts: &Facts, systemd: bool, isolates: bool, has_namespace: bool) {
        let base = if isolates && !has_namespace { "/wsl-user/distro-2/systemd" } else { "" };
        let session = match (isolates, has_namespace) {
            (_, true) => "/non-systemd",
            (true, _) => "/wsl-user/distro-2/non-systemd",
            _ if systemd => "/init.scope",
            _ => "/",
        };
        let first = if systemd { format!("{base}/init.scope") } else { session.to_owned() };
        self.set("/proc/self/cgroup", format!("0::{session}\n"));
        self.set("/proc/1/cgroup", format!("0::{first}\n"));
        let mut path = ROOT.to_owned();
        for name in std::iter::once("").chain(base.split('/').filter(|name| !name.is_empty())) {
            if !name.is_empty() {
                path = format!("{path}/{name}");
            }
            self.set(format!("{path}/cgroup.controllers"), CONTROLLERS);
            self.set(format!("{path}/cgroup.subtree_control"), CONTROLLERS);
        }
        if has_namespace {
            self.set(format!("{ROOT}/cgroup.type"), "domain\n");
            self.set(format!("{ROOT}/memory.current"), "0\n");
        }
        if systemd {
            let uid = facts.user.uid;
            let manager = format!("{ROOT}{base}/user.slice/user-{uid}.slice/user@{uid}.service");
            // The delegation is in the files of the distribution, so it stays as it is.
            let given = facts.cgroup.manager.as_ref().map(|manager| manager.controllers.join(" "));
            let given = given.unwrap_or_else(|| "cpu memory pids".to_owned());
            self.set(format!("{manager}/cgroup.controllers"), given.clone());
            self.set(format!("{manager}/cgroup.subtree_control"), given);
        }
    }

    /// Whether a path on the base is meaningless for the assumed machine.
    fn is_replaced(&self, path: &Utf8Path) -> bool {
        // The cgroups are those of the assumed layout alone.
        self.files.contains_key(path) || self.is_new_wsl && path.starts_with(ROOT) && path != ROOT
    }

    /// The path on the base of a module of the assumed kernel.
    fn moved(&self, path: &Utf8Path) -> Utf8PathBuf {
        let moved = self.modules.as_ref().and_then(|(running, assumed)| {
            Some(Utf8PathBuf::from(format!("{running}{}", path.as_str().strip_prefix(assumed)?)))
        });
        moved.unwrap_or_else(|| path.to_owned())
    }

    /// The output of a command on the updated machine; `None` if it is the same.
    fn emulated(&self, cmd: &Cmd, stdout: &str) -> Option<String> {
        let program = Utf8Path::new(&cmd.program).file_name().unwrap_or_default();
        let first = cmd.args.first().map_or("", String::as_str);
        let version = |name: &str| self.versions.get(name);
        match (program, first) {
            ("podman", "--version") => Some(format!("podman version {}\n", version("podman")?)),
            ("crun", "--version") => Some(format!("crun version {}\n", version("crun")?)),
            ("systemctl", "--version") => Some(format!("systemd {0} ({0})\n", version("systemd")?)),
            ("kind", "version" | "--version") => {
                let version = version("kind")?;
                Some(
                    stdout
                        .split_ascii_whitespace()
                        .map(|word| {
                            let is_version =
                                word.trim_start_matches('v').starts_with(|c: char| c.is_ascii_digit());
                            if is_version { format!("v{version}") } else { word.to_owned() }
                        })
                        .collect::<Vec<_>>()
                        .join(" "),
                )
            }
            ("dpkg-query" | "rpm" | "pacman", _) => Some(self.with_packages(stdout)),
            ("apt-cache", "policy") => Some(self.with_candidates(stdout)),
            _ => None,
        }
    }

    /// The list of packages: `installed NAME VERSION`, or `NAME VERSION`.
    fn with_packages(&self, list: &str) -> String {
        let line = |line: &str| {
            let words: Vec<&str> = line.split(' ').collect();
            match words[..] {
                [.., name, _] if self.versions.contains_key(name) => {
                    let head = &words[..words.len() - 1];
                    format!("{} {}\n", head.join(" "), self.versions[name])
                }
                _ => format!("{line}\n"),
            }
        };
        list.lines().map(line).collect()
    }

    fn with_candidates(&self, text: &str) -> String {
        let mut name = "";
        let line = |line| {
            if let Some(heading) = str::strip_suffix(line, ":").filter(|heading| !heading.starts_with(' ')) {
                name = heading;
            }
            match self.versions.get(name) {
                Some(version) if line.trim_start().starts_with("Candidate: ") => {
                    format!("  Candidate: {version}\n")
                }
                _ => format!("{line}\n"),
            }
        };
        text.lines().map(line).collect()
    }
}

/// Programs that report on the system as it runs.
const ABOUT_RUNNING: [&str; 7] =
    ["systemctl", "loginctl", "busctl", "systemd-run", "podman", "docker", "nerdctl"];

impl System for Assumed<'_> {
    fn stat(&self, path: &Utf8Path) -> Result<Option<Stat>, HostError> {
        let file = |text: &String| Stat {
            kind: FileKind::File,
            mode: 0o444,
            uid: 0,
            gid: 0,
            len: text.len() as u64,
        };
        if self.is_replaced(path) {
            return Ok(self.files.get(path).map(file));
        }
        self.base.stat(&self.moved(path))
    }

    fn read(&self, path: &Utf8Path) -> Result<Option<Vec<u8>>, HostError> {
        if self.is_replaced(path) {
            return Ok(self.files.get(path).map(|text| text.clone().into_bytes()));
        }
        self.base.read(&self.moved(path))
    }

    fn list(&self, dir: &Utf8Path) -> Result<Vec<String>, HostError> {
        self.base.list(&self.moved(dir))
    }

    fn resolve(&self, path: &Utf8Path) -> Result<Utf8PathBuf, HostError> {
        if self.files.contains_key(path) { Ok(path.to_owned()) } else { self.base.resolve(&self.moved(path)) }
    }

    fn run_readonly(&self, cmd: &Cmd) -> Result<Output, HostError> {
        let program = Utf8Path::new(&cmd.program).file_name().unwrap_or_default();
        if let Some(version) =
            self.versions.get("wsl").filter(|_| program == "wslinfo" && cmd.args == ["--version"])
        {
            return Ok(Output { code: 0, stdout: format!("{version}\n"), stderr: String::new() });
        }
        let is_version = cmd.args.first().is_some_and(|arg| arg == "--version");
        if ABOUT_RUNNING.contains(&program) && !is_version && !self.versions.is_empty() {
            self.unanswered.set(true);
        }
        let output = self.base.run_readonly(cmd)?;
        Ok(match self.emulated(cmd, &output.stdout) {
            Some(stdout) if output.code == 0 => Output { stdout, ..output },
            _ => output,
        })
    }

    fn note_unanswered(&self, cmd: &Cmd, error: HostError) {
        self.base.note_unanswered(cmd, error);
    }

    fn env(&self, name: &str) -> Option<String> {
        self.base.env(name)
    }

    fn resolve_owner(&self, owner: Owner) -> (u32, u32) {
        self.base.resolve_owner(owner)
    }

    fn take_unanswered(&self) -> bool {
        let base = self.base.take_unanswered();
        self.unanswered.take() || base
    }
}

#[cfg(test)]
mod tests {
    use super::Assumption;

    #[test]
    fn an_unknown_program_or_version_is_an_error_with_the_near_match() {
        let error = |text: &str| text.parse::<Assumption>().unwrap_err();
        assert!(error("podmn=6.1").contains("did you mean `podman`?"), "{}", error("podmn=6.1"));
        assert!(error("wsl").contains("expected PROGRAM=VERSION"));
        assert!(error("wsl=new").contains("`new` is not a version of wsl"));
        assert_eq!("systemd=259".parse::<Assumption>().unwrap().to_string(), "systemd 259");
    }
}
