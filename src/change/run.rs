//! A setting that one command reads and another writes.

use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

use super::{Change, ChangeError, Context, Desired, Primitive, State, Target, Tick, user_owner};
use crate::host::{Account, Cmd, Owner, System};

/// The settings that a command reads and writes.
///
/// A closed set: what an undo runs as root is made from these fields, and a journal that holds any other command line
/// is refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Lines", into = "Lines")]
pub enum Run {
    /// A kernel setting, until the next boot.
    Sysctl {
        /// Its name, one of those that kind-wsl sets.
        name: String,
        value: u64,
    },
    /// The mount `/` and those below it, shared until the next boot.
    SharedRoot,
    /// A system unit that is neither running nor started at boot.
    Disabled { unit: String },
    /// The user's services start at boot and outlive the last session.
    Linger { user: String },
    /// A unit of the user that a setup tool creates.
    Installed {
        unit: String,
        /// Whose unit it is.
        user: Account,
        /// The setup tool, one of the two known ones.
        tool: Utf8PathBuf,
        /// The directory in which the tool looks for its programs.
        dir: Utf8PathBuf,
        /// The file of the unit.
        file: Utf8PathBuf,
    },
    /// A unit of the user that is running.
    Started {
        unit: String,
        /// Whose unit it is.
        user: Account,
    },
}

/// The kernel settings that kind-wsl sets.
const SYSCTLS: [&str; 6] = [
    "fs.inotify.max_user_watches",
    "fs.inotify.max_user_instances",
    "kernel.dmesg_restrict",
    "kernel.keys.maxbytes",
    "kernel.keys.maxkeys",
    "net.ipv4.ip_unprivileged_port_start",
];

/// The setup tools of rootless Docker and of nerdctl's rootless containerd.
const TOOLS: [&str; 2] = ["dockerd-rootless-setuptool.sh", "containerd-rootless-setuptool.sh"];
/// Where the user's own units go (systemd.unit(5)).
const USER_UNITS: &str = ".config/systemd/user";
/// Where the rest of a setup tool's programs are.
const PATH: &str = ":/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// A setup tool starts a daemon and waits for it, which took two minutes on an emulated machine.
const TOOL: Duration = Duration::from_mins(10);

/// The command lines of a setting, as the journal holds them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lines {
    /// What it is about, in words.
    pub what: String,
    pub read: Cmd,
    /// What `read` prints once it is set.
    pub want: String,
    /// Writes the setting; `{}` in an argument stands for the value.
    pub write: Cmd,
    /// Reverts it, if that is another command than `write`: a setup tool has an `uninstall`, which has to succeed
    /// wherever the tool was interrupted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub back: Option<Cmd>,
    /// A file that the command creates: the directories above it are created for it, with its owner, and are removed
    /// with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<(Utf8PathBuf, Owner)>,
}

impl Run {
    /// A unit of the user that the setup tool creates, with the tool's programs in `dir`.
    #[must_use]
    pub fn installed(unit: &str, user: &Account, tool: &Utf8Path, dir: &Utf8Path) -> Self {
        let file = user.home.join(USER_UNITS).join(unit);
        Self::Installed {
            unit: unit.to_owned(),
            user: user.clone(),
            tool: tool.to_owned(),
            dir: dir.to_owned(),
            file,
        }
    }

    /// Returns the commands by which it is read, set and reverted.
    #[must_use]
    pub fn lines(&self) -> Lines {
        let line = |what: String, read, want: &str, write, back| Lines {
            what,
            read,
            want: want.to_owned(),
            write,
            back,
            file: None,
        };
        let of_user = |user: &Account, args: &[&str]| {
            Cmd::new("systemctl", std::iter::once("--user").chain(args.iter().copied())).as_user(user)
        };
        match self {
            Self::Sysctl { name, value } => {
                let write = Cmd::new("sysctl", ["-q".to_owned(), "-w".to_owned(), format!("{name}={{}}")]);
                line(name.clone(), Cmd::new("sysctl", ["-n", name]), &value.to_string(), write, None)
            }
            Self::SharedRoot => {
                let read = Cmd::new("findmnt", ["-f", "-n", "-o", "PROPAGATION", "/"]);
                let write = Cmd::new("mount", ["--make-rshared", "/"]);
                // WSL shares /mnt/wsl among the distributions: what was shared below `/` before has to stay so.
                let back = Cmd::new("mount", ["--make-private", "/"]);
                line("propagation of /".to_owned(), read, "shared", write, Some(back))
            }
            Self::Disabled { unit } => {
                // `show` ends well whatever it finds; `is-enabled` does not.
                let read = Cmd::new("systemctl", ["show", "--value", "-p", "UnitFileState", unit]);
                let write = Cmd::new("systemctl", ["--quiet", "disable", "--now", unit]);
                // Not started: its package is removed next, or it comes with the next boot.
                let back = Cmd::new("systemctl", ["--quiet", "enable", unit]);
                let write = write.timeout(Duration::from_mins(2));
                line(format!("the system's own {unit}"), read, "disabled", write, Some(back))
            }
            Self::Linger { user } => {
                let read = Cmd::new("loginctl", ["show-user", "--value", "-p", "Linger"]).operand(user);
                let set = |verb| Cmd::new("loginctl", [verb]).operand(user);
                let (write, back) = (set("enable-linger"), set("disable-linger"));
                line(format!("linger of {user}"), read, "yes", write, Some(back))
            }
            Self::Installed { unit, user, tool, dir, file } => {
                let by_tool = |verb| {
                    let cmd = Cmd::new(tool.as_str(), [verb]).as_user(user);
                    cmd.with_env("PATH", &format!("{dir}{PATH}")).timeout(TOOL)
                };
                // No unit, one that a killed tool left and one that is in use are three different answers.
                let read = of_user(user, &["show", "--value", "-p", "UnitFileState", unit]);
                let what = format!("{unit} of {}", user.name);
                let file = Some((file.clone(), user_owner(user)));
                let (write, back) = (by_tool("install"), by_tool("uninstall"));
                Lines { file, ..line(what, read, "enabled", write, Some(back)) }
            }
            Self::Started { unit, user } => {
                let read = of_user(user, &["show", "--value", "-p", "ActiveState", unit]);
                let write = of_user(user, &["start", unit]).timeout(TOOL);
                let what = format!("state of {unit} of {}", user.name);
                line(what, read, "active", write, Some(of_user(user, &["stop", unit])))
            }
        }
    }

    /// Returns whether reverting it is another command than setting it, which has to succeed wherever it was
    /// interrupted.
    #[must_use]
    pub fn has_way_back(&self) -> bool {
        !matches!(self, Self::Sysctl { .. })
    }

    /// Returns the setting whose commands these would be, without a look at all of them.
    fn guess(lines: &Lines) -> Option<Self> {
        let last = |cmd: &Cmd| cmd.args.last().cloned();
        let unit = last(&lines.read).filter(|name| is_unit(name));
        Some(match lines.write.program.as_str() {
            "sysctl" => {
                let name = last(&lines.read).filter(|name| SYSCTLS.contains(&name.as_str()))?;
                Self::Sysctl { name, value: lines.want.parse().ok()? }
            }
            "mount" => Self::SharedRoot,
            "loginctl" => Self::Linger { user: last(&lines.write).filter(|name| !name.starts_with('-'))? },
            "systemctl" => match &lines.write.user {
                None => Self::Disabled { unit: unit? },
                Some(user) => Self::Started { unit: unit?, user: user.clone() },
            },
            tool => {
                let tool = Utf8PathBuf::from(tool);
                let is_tool =
                    tool.is_absolute() && tool.file_name().is_some_and(|name| TOOLS.contains(&name));
                let dir = Utf8Path::new(lines.write.env.get("PATH")?.strip_suffix(PATH)?);
                let user = lines.write.user.as_ref().filter(|_| is_tool)?;
                Self::installed(&unit?, user, &tool, dir)
            }
        })
    }

    fn user(&self) -> Option<&Account> {
        match self {
            Self::Installed { user, .. } | Self::Started { user, .. } => Some(user),
            _ => None,
        }
    }
}

/// Returns whether this can only be the name of a unit (systemd.unit(5)), never an option of systemctl.
pub(super) fn is_unit(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || ":-_.\\@".contains(c);
    name.contains('.') && !name.starts_with(['-', '.']) && name.chars().all(plain)
}

impl From<Run> for Lines {
    fn from(run: Run) -> Self {
        run.lines()
    }
}

impl TryFrom<Lines> for Run {
    type Error = String;

    fn try_from(lines: Lines) -> Result<Self, String> {
        // How long a command may take is this program's to say.
        let timeless = |mut lines: Lines| {
            for cmd in
                [Some(&mut lines.read), Some(&mut lines.write), lines.back.as_mut()].into_iter().flatten()
            {
                cmd.seconds = 0;
            }
            lines
        };
        let is_root = |run: &Self| run.user().is_some_and(|user| user.uid == 0);
        let shown = lines.write.to_string();
        let found = Self::guess(&lines).filter(|run| !is_root(run));
        let found = found.filter(|run| timeless(run.lines()) == timeless(lines));
        found.ok_or_else(|| format!("`{shown}` is not a command of kind-wsl"))
    }
}

impl From<Run> for Change {
    fn from(run: Run) -> Self {
        Self::Run(Box::new(run))
    }
}

impl Primitive for Run {
    fn target(&self) -> Target {
        let Lines { what, want, .. } = self.lines();
        Target { verb: "set".to_owned(), object: what, detail: want }
    }

    fn current(&self, system: &dyn System) -> Result<State, ChangeError> {
        match system.run_readonly(&self.lines().read) {
            Ok(said) => Ok(State::Text { value: (said.code == 0).then(|| said.stdout.trim().to_owned()) }),
            // No answer is not "there is none": what was there before could not be put back.
            Err(e) if e.is_unanswered() => Err(e.into()),
            Err(_) => Ok(State::Text { value: None }),
        }
    }

    fn desired(&self, _world: &dyn System) -> Result<Desired, ChangeError> {
        Ok(Desired { state: State::Text { value: Some(self.lines().want) }, bytes: None })
    }

    fn set(
        &self,
        context: &mut Context<'_>,
        to: &State,
        _applied: Option<&State>,
    ) -> Result<(), ChangeError> {
        let mismatch = || ChangeError::Mismatch(self.target().to_string());
        let State::Text { value } = to else { return Err(mismatch()) };
        let lines = self.lines();
        let mut run = |cmd: &Cmd| {
            context.host.run(cmd, &mut |line| (context.tick)(Tick::Line(line.to_owned())))?;
            Ok(())
        };
        if let Some(back) = lines.back.as_ref().filter(|_| value.as_ref() != Some(&lines.want)) {
            return run(back);
        }
        // A setting that could not be read before did not exist: there is nothing to restore.
        let Some(value) = value else { return Ok(()) };
        if matches!(self, Self::Sysctl { .. }) && value.parse::<u64>().is_err() {
            return Err(mismatch());
        }
        let mut cmd = lines.write;
        for arg in &mut cmd.args {
            *arg = arg.replace("{}", value);
        }
        run(&cmd)
    }

    fn created_path(&self) -> Option<(&Utf8Path, Owner)> {
        match self {
            Self::Installed { file, user, .. } => Some((file, user_owner(user))),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Lines, Run, SYSCTLS};
    use crate::host::Account;

    fn dev(uid: u32) -> Account {
        let home = "/home/dev".into();
        Account { name: "dev".to_owned(), uid, gid: 1000, home, shell: "/bin/sh".to_owned() }
    }

    fn all() -> Vec<Run> {
        let (unit, user) = ("docker.service".to_owned(), dev(1000));
        let tool = "/usr/bin/dockerd-rootless-setuptool.sh";
        vec![
            Run::Sysctl { name: SYSCTLS[0].to_owned(), value: 524_288 },
            Run::SharedRoot,
            Run::Disabled { unit: "docker.socket".to_owned() },
            Run::Linger { user: "dev".to_owned() },
            Run::installed(&unit, &user, tool.into(), "/usr/bin".into()),
            Run::Started { unit, user },
        ]
    }

    #[test]
    fn every_setting_is_read_back_from_the_journal() {
        for run in all() {
            let text = serde_json::to_string(&run).unwrap();
            assert_eq!(serde_json::from_str::<Run>(&text).unwrap(), run, "{text}");
        }
    }

    #[test]
    fn a_setting_is_read_that_the_first_release_wrote() {
        let old = r#"{"what":"fs.inotify.max_user_watches","read":{"program":"sysctl","args":["-n","fs.inotify.max_user_watches"],"seconds":30},"want":"524288","write":{"program":"sysctl","args":["-q","-w","fs.inotify.max_user_watches={}"],"seconds":30}}"#;
        let run: Run = serde_json::from_str(old).unwrap();
        assert_eq!(run, all()[0]);
        assert_eq!(serde_json::to_string(&run).unwrap(), old);
    }

    #[test]
    fn no_other_command_is_read_from_a_journal() {
        let spoilt: [fn(&mut Lines); 9] = [
            |l| l.write.program = "sh".to_owned(),
            |l| l.read.program = "sh".to_owned(),
            |l| l.write.args.push("x".to_owned()),
            |l| l.write.env.extend([("LD_PRELOAD".to_owned(), "/tmp/x.so".to_owned())]),
            |l| l.read.env.extend([("PATH".to_owned(), "/tmp".to_owned())]),
            |l| l.back = Some(crate::host::Cmd::parse("sh -c x")),
            |l| l.want.push('x'),
            |l| l.read.args = vec!["-n".to_owned(), "kernel.core_pattern".to_owned()],
            |l| l.file = Some(("/etc/shadow".into(), crate::host::Owner::Root)),
        ];
        for run in all() {
            for (index, spoil) in spoilt.iter().enumerate() {
                let mut lines = run.lines();
                spoil(&mut lines);
                assert!(Run::try_from(lines).is_err(), "{index}: {run:?}");
            }
        }
        let forged = [
            Run::Sysctl { name: "kernel.core_pattern".to_owned(), value: 1 },
            Run::Disabled { unit: "--root=/tmp/x.service".to_owned() },
            Run::Linger { user: "--help".to_owned() },
            Run::Started { unit: "docker.service".to_owned(), user: dev(0) },
            Run::installed("docker.service", &dev(1000), "/tmp/setuptool.sh".into(), "/usr/bin".into()),
        ];
        for run in forged {
            assert!(Run::try_from(run.lines()).is_err(), "{run:?}");
        }
    }
}
