//! A setting that is read and written by commands.

use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

use super::{ChangeError, Context, Desired, Primitive, Progress, State, Target, user_owner};
use crate::host::{Account, Cmd, HostError, Owner, System};

/// The settings that a command reads and writes.
///
/// A closed set: the commands of an undo, which runs as root, are built from these fields, and a journal with any
/// other command line is refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "SettingCommands", into = "SettingCommands")]
pub enum SystemSetting {
    /// A kernel setting, until the next boot.
    Sysctl {
        /// Its name, one of those that kind-wsl sets.
        name: String,
        value: u64,
    },
    /// The mount `/` and the mounts below it, shared until the next boot.
    SharedRoot,
    /// A system unit that is neither running nor started at boot.
    Disabled { unit: String },
    /// The services of the user start at boot and outlive the last session.
    Linger { user: String },
    /// A unit of the user that a setup tool creates.
    Installed {
        unit: String,
        user: Account,
        /// The setup tool, one of the two known ones.
        tool: Utf8PathBuf,
        /// The directory in which the tool expects its programs.
        dir: Utf8PathBuf,
        /// The file of the unit.
        file: Utf8PathBuf,
    },
    /// A unit of the user that is running.
    Started { unit: String, user: Account },
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
/// The directory of a user's units (systemd.unit(5)).
const USER_UNITS: &str = ".config/systemd/user";
/// The directories with the other programs of a setup tool.
const PATH: &str = ":/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// A setup tool starts a daemon and waits for it. That took two minutes on an emulated machine.
const TOOL: Duration = Duration::from_mins(10);

/// The command lines of a setting, as stored in the journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettingCommands {
    /// The name that the plan shows.
    #[serde(rename = "what")]
    pub name: String,
    #[serde(rename = "read")]
    pub get: Cmd,
    /// The output of `get` once the setting is in effect.
    #[serde(rename = "want")]
    pub value: String,
    /// `{}` in an argument stands for the value.
    #[serde(rename = "write")]
    pub set: Cmd,
    /// Reverts it, if a separate command does: a setup tool has an `uninstall`, which must succeed after an
    /// interruption at any point.
    #[serde(rename = "back", default, skip_serializing_if = "Option::is_none")]
    pub unset: Option<Cmd>,
    /// A file that the command creates. The directories above it are created with its owner, and removed with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<(Utf8PathBuf, Owner)>,
}

impl SystemSetting {
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

    /// Returns the commands that read, set and revert it.
    #[must_use]
    pub fn commands(&self) -> SettingCommands {
        let commands = |name: String, get, value: &str, set, unset| SettingCommands {
            name,
            get,
            value: value.to_owned(),
            set,
            unset,
            file: None,
        };
        let of_user = |user: &Account, args: &[&str]| {
            Cmd::new("systemctl", std::iter::once("--user").chain(args.iter().copied())).as_user(user)
        };
        match self {
            Self::Sysctl { name, value } => {
                let set = Cmd::new("sysctl", ["-q".to_owned(), "-w".to_owned(), format!("{name}={{}}")]);
                commands(name.clone(), Cmd::new("sysctl", ["-n", name]), &value.to_string(), set, None)
            }
            Self::SharedRoot => {
                let get = Cmd::new("findmnt", ["-f", "-n", "-o", "PROPAGATION", "/"]);
                let set = Cmd::new("mount", ["--make-rshared", "/"]);
                // WSL shares /mnt/wsl among the distributions: mounts below `/` that were shared before must stay so.
                let unset = Cmd::new("mount", ["--make-private", "/"]);
                commands("propagation of /".to_owned(), get, "shared", set, Some(unset))
            }
            Self::Disabled { unit } => {
                // `show` exits with 0 whatever the state; `is-enabled` does not.
                let get = Cmd::new("systemctl", ["show", "--value", "-p", "UnitFileState", unit]);
                let set = Cmd::new("systemctl", ["--quiet", "disable", "--now", unit]);
                // Not started: its package is removed next, or it starts at the next boot.
                let unset = Cmd::new("systemctl", ["--quiet", "enable", unit]);
                let set = set.timeout(Duration::from_mins(2));
                // The name of the first release: journals have it.
                commands(format!("the system's own {unit}"), get, "disabled", set, Some(unset))
            }
            Self::Linger { user } => {
                let get = Cmd::new("loginctl", ["show-user", "--value", "-p", "Linger"]).operand(user);
                let linger = |verb| Cmd::new("loginctl", [verb]).operand(user);
                let (set, unset) = (linger("enable-linger"), linger("disable-linger"));
                commands(format!("linger of {user}"), get, "yes", set, Some(unset))
            }
            Self::Installed { unit, user, tool, dir, file } => {
                let by_tool = |verb| {
                    let cmd = Cmd::new(tool.as_str(), [verb]).as_user(user);
                    cmd.with_env("PATH", &format!("{dir}{PATH}")).timeout(TOOL)
                };
                // A missing unit, one that a killed tool left, and one in use have three different values.
                let get = of_user(user, &["show", "--value", "-p", "UnitFileState", unit]);
                let title = format!("{unit} of {}", user.name);
                let file = Some((file.clone(), user_owner(user)));
                let (set, unset) = (by_tool("install"), by_tool("uninstall"));
                SettingCommands { file, ..commands(title, get, "enabled", set, Some(unset)) }
            }
            Self::Started { unit, user } => {
                let get = of_user(user, &["show", "--value", "-p", "ActiveState", unit]);
                let set = of_user(user, &["start", unit]).timeout(TOOL);
                let title = format!("state of {unit} of {}", user.name);
                commands(title, get, "active", set, Some(of_user(user, &["stop", unit])))
            }
        }
    }

    /// Returns whether a separate command reverts it, which must succeed after an interruption at any point.
    #[must_use]
    pub fn has_unset_command(&self) -> bool {
        !matches!(self, Self::Sysctl { .. })
    }

    /// Returns whether it is a setting of the machine, and not of one user.
    #[must_use]
    pub fn is_machine_wide(&self) -> bool {
        match self {
            Self::Sysctl { .. } | Self::SharedRoot | Self::Disabled { .. } => true,
            Self::Linger { .. } | Self::Installed { .. } | Self::Started { .. } => false,
        }
    }

    /// Returns the setting with these commands, without comparing all of them.
    fn guess(commands: &SettingCommands) -> Option<Self> {
        let last = |cmd: &Cmd| cmd.args.last().cloned();
        let unit = last(&commands.get).filter(|name| is_unit(name));
        Some(match commands.set.program.as_str() {
            "sysctl" => {
                let name = last(&commands.get).filter(|name| SYSCTLS.contains(&name.as_str()))?;
                Self::Sysctl { name, value: commands.value.parse().ok()? }
            }
            "mount" => Self::SharedRoot,
            "loginctl" => Self::Linger { user: last(&commands.set).filter(|name| !name.starts_with('-'))? },
            "systemctl" => match &commands.set.user {
                None => Self::Disabled { unit: unit? },
                Some(user) => Self::Started { unit: unit?, user: user.clone() },
            },
            tool => {
                let tool = Utf8PathBuf::from(tool);
                let is_tool =
                    tool.is_absolute() && tool.file_name().is_some_and(|name| TOOLS.contains(&name));
                let dir = Utf8Path::new(commands.set.env.get("PATH")?.strip_suffix(PATH)?);
                let user = commands.set.user.as_ref().filter(|_| is_tool)?;
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

impl From<SystemSetting> for SettingCommands {
    fn from(setting: SystemSetting) -> Self {
        setting.commands()
    }
}

impl TryFrom<SettingCommands> for SystemSetting {
    type Error = String;

    fn try_from(commands: SettingCommands) -> Result<Self, String> {
        // The timeouts are those of this version, whatever the journal has.
        let timeless = |mut commands: SettingCommands| {
            for cmd in [Some(&mut commands.get), Some(&mut commands.set), commands.unset.as_mut()]
                .into_iter()
                .flatten()
            {
                cmd.seconds = 0;
            }
            commands
        };
        let is_root = |setting: &Self| setting.user().is_some_and(|user| user.uid == 0);
        let shown = commands.set.to_string();
        let found = Self::guess(&commands).filter(|setting| !is_root(setting));
        let found = found.filter(|setting| timeless(setting.commands()) == timeless(commands));
        found.ok_or_else(|| format!("`{shown}` is not a command of kind-wsl"))
    }
}

impl Primitive for SystemSetting {
    fn target(&self) -> Target {
        let SettingCommands { name, value, .. } = self.commands();
        let name = if let Self::Disabled { unit } = self { format!("rootful {unit}") } else { name };
        Target { verb: "set".to_owned(), object: name, detail: value }
    }

    fn current(&self, system: &dyn System) -> Result<State, ChangeError> {
        match system.run_readonly(&self.commands().get) {
            Ok(output) => Ok(State::CommandOutput {
                value: (output.code == 0).then(|| output.stdout.trim().to_owned()),
            }),
            // No answer does not mean that the value is not set: the previous value could not be restored.
            Err(e) if e.is_unanswered() => Err(e.into()),
            Err(_) => Ok(State::CommandOutput { value: None }),
        }
    }

    fn desired(&self, _world: &dyn System) -> Result<Desired, ChangeError> {
        Ok(Desired { state: State::CommandOutput { value: Some(self.commands().value) }, bytes: None })
    }

    fn set(
        &self,
        context: &mut Context<'_>,
        to: &State,
        _applied: Option<&State>,
    ) -> Result<(), ChangeError> {
        let mismatch = || ChangeError::Mismatch(self.target().to_string());
        let State::CommandOutput { value } = to else { return Err(mismatch()) };
        let commands = self.commands();
        let mut run = |cmd: &Cmd| {
            let output =
                context.host.run(cmd, &mut |line| (context.progress)(Progress::Line(line.to_owned())));
            output.map(drop)
        };
        if let Some(unset) = commands.unset.as_ref().filter(|_| value.as_ref() != Some(&commands.value)) {
            return Ok(run(unset)?);
        }
        // A setting that could not be read did not exist: nothing has to be restored.
        let Some(value) = value else { return Ok(()) };
        if matches!(self, Self::Sysctl { .. }) && value.parse::<u64>().is_err() {
            return Err(mismatch());
        }
        let mut cmd = commands.set;
        for arg in &mut cmd.args {
            *arg = arg.replace("{}", value);
        }
        match run(&cmd) {
            // Docker's tool waits 3 s for the daemon that it starts (moby contrib/dockerd-rootless-setuptool.sh). On a slow
            // machine a second run finds it.
            Err(HostError::Failed { .. }) if matches!(self, Self::Installed { .. }) => run(&cmd)?,
            done => done?,
        }
        Ok(())
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
    use super::{SYSCTLS, SettingCommands, SystemSetting};
    use crate::host::Account;

    fn dev(uid: u32) -> Account {
        let home = "/home/dev".into();
        Account {
            name: "dev".to_owned(),
            uid,
            gid: 1000,
            home,
            shell: "/bin/sh".to_owned(),
            config_home: None,
        }
    }

    fn all() -> Vec<SystemSetting> {
        let (unit, user) = ("docker.service".to_owned(), dev(1000));
        let tool = "/usr/bin/dockerd-rootless-setuptool.sh";
        vec![
            SystemSetting::Sysctl { name: SYSCTLS[0].to_owned(), value: 524_288 },
            SystemSetting::SharedRoot,
            SystemSetting::Disabled { unit: "docker.socket".to_owned() },
            SystemSetting::Linger { user: "dev".to_owned() },
            SystemSetting::installed(&unit, &user, tool.into(), "/usr/bin".into()),
            SystemSetting::Started { unit, user },
        ]
    }

    #[test]
    fn every_setting_is_read_back_from_the_journal() {
        for run in all() {
            let text = serde_json::to_string(&run).unwrap();
            assert_eq!(serde_json::from_str::<SystemSetting>(&text).unwrap(), run, "{text}");
        }
    }

    #[test]
    fn a_setting_is_read_that_the_first_release_wrote() {
        let old = r#"{"what":"fs.inotify.max_user_watches","read":{"program":"sysctl","args":["-n","fs.inotify.max_user_watches"],"seconds":30},"want":"524288","write":{"program":"sysctl","args":["-q","-w","fs.inotify.max_user_watches={}"],"seconds":30}}"#;
        let run: SystemSetting = serde_json::from_str(old).unwrap();
        assert_eq!(run, all()[0]);
        assert_eq!(serde_json::to_string(&run).unwrap(), old);
    }

    #[test]
    fn no_other_command_is_read_from_a_journal() {
        let spoilt: [fn(&mut SettingCommands); 9] = [
            |l| l.set.program = "sh".to_owned(),
            |l| l.get.program = "sh".to_owned(),
            |l| l.set.args.push("x".to_owned()),
            |l| l.set.env.extend([("LD_PRELOAD".to_owned(), "/tmp/x.so".to_owned())]),
            |l| l.get.env.extend([("PATH".to_owned(), "/tmp".to_owned())]),
            |l| l.unset = Some(crate::host::Cmd::parse("sh -c x")),
            |l| l.value.push('x'),
            |l| l.get.args = vec!["-n".to_owned(), "kernel.core_pattern".to_owned()],
            |l| l.file = Some(("/etc/shadow".into(), crate::host::Owner::Root)),
        ];
        for run in all() {
            for (index, spoil) in spoilt.iter().enumerate() {
                let mut lines = run.commands();
                spoil(&mut lines);
                assert!(SystemSetting::try_from(lines).is_err(), "{index}: {run:?}");
            }
        }
        let forged = [
            SystemSetting::Sysctl { name: "kernel.core_pattern".to_owned(), value: 1 },
            SystemSetting::Disabled { unit: "--root=/tmp/x.service".to_owned() },
            SystemSetting::Linger { user: "--help".to_owned() },
            SystemSetting::Started { unit: "docker.service".to_owned(), user: dev(0) },
            SystemSetting::installed(
                "docker.service",
                &dev(1000),
                "/tmp/setuptool.sh".into(),
                "/usr/bin".into(),
            ),
        ];
        for run in forged {
            assert!(SystemSetting::try_from(run.commands()).is_err(), "{run:?}");
        }
    }
}
