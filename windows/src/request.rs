//! The request for a restart, from the Linux side to the helper.

use crate::quote::command_line;

/// The scope of a restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// The distribution: `wsl.exe --terminate NAME`.
    Distro,
    /// The virtual machine with every distribution in it: `wsl.exe --shutdown`.
    Vm,
}

impl Scope {
    /// Parses `distro` or `vm`.
    #[must_use]
    pub fn parse(name: &str) -> Option<Scope> {
        [Scope::Distro, Scope::Vm].into_iter().find(|scope| scope.name() == name)
    }

    /// The spelling in files and command lines.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Scope::Distro => "distro",
            Scope::Vm => "vm",
        }
    }

    /// The arguments of wsl.exe that stop it.
    #[must_use]
    pub fn stop(self, distribution: &str) -> Vec<&str> {
        match self {
            Scope::Distro => vec!["--terminate", distribution],
            Scope::Vm => vec!["--shutdown"],
        }
    }

    /// The command line that stops it.
    #[must_use]
    pub fn stop_command(self, distribution: &str) -> String {
        command_line(["wsl.exe"].iter().copied().chain(self.stop(distribution)))
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestartRequest {
    /// The restart's ID in the journal; names the files.
    pub id: String,
    /// The distribution in which the setup resumes.
    pub distribution: String,
    pub scope: Scope,
    /// The user whose session is opened before the setup resumes.
    pub user: String,
    pub program: String,
    /// Upper bound of each step in seconds (tests).
    pub patience: Option<u32>,
}

impl RestartRequest {
    /// The arguments of wsl.exe that open the user's session: the first command of a user does (src/linux/init/init.cpp:688-707).
    #[must_use]
    pub fn session(&self) -> Vec<&str> {
        vec!["-d", &self.distribution, "-u", &self.user, "--exec", "/bin/true"]
    }

    /// The arguments of wsl.exe that resume the setup. `--exec`: no shell reads them (LxssCreateProcess.cpp:43-46);
    /// `-u root` asks for no password.
    #[must_use]
    pub fn resume(&self) -> Vec<&str> {
        let head = ["-d", &self.distribution, "-u", "root", "--cd", "~", "--exec", &self.program];
        [&head[..], &["setup", "--resume", &self.id]].concat()
    }

    /// The two command lines for a person to type instead.
    #[must_use]
    pub fn manual_commands(&self) -> [String; 2] {
        let resume = ["wsl.exe", "-d", &self.distribution, "--cd", "~", "--exec", &self.program, "setup"];
        [self.scope.stop_command(&self.distribution), command_line(resume.iter().copied())]
    }

    /// The command line of `kind-wsl.exe` at that path which rescues the distribution if it no longer starts.
    #[must_use]
    pub fn rescue(&self, program: &str) -> String {
        command_line([program, "rescue", "-d", &self.distribution].iter().copied())
    }

    /// The arguments after the helper's command, as [`crate::cli::helper`] parses them.
    #[must_use]
    pub fn arguments(&self) -> Vec<String> {
        let patience = self.patience.map(|p| p.to_string());
        let mut words = vec!["--id", &self.id, "--distro", &self.distribution, "--scope", self.scope.name()];
        words.extend(["--user", &self.user, "--program", &self.program]);
        if let Some(seconds) = &patience {
            words.extend(["--patience", seconds]);
        }
        words.into_iter().map(String::from).collect()
    }
}
