//! A setting that one command reads and another writes.

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

use super::{Aim, Change, ChangeError, Context, Primitive, State, Target, Tick};
use crate::host::{Cmd, HostError, Owner, World};

/// A command is not a state, so it brings one along: what `read` prints.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// What it is about, in words.
    pub what: String,
    /// Prints the setting.
    pub read: Cmd,
    /// What it shall print.
    pub want: String,
    /// Writes the setting; `{}` in an argument stands for the value.
    pub write: Cmd,
    /// Takes it back, where that is another command than the one that writes it: a set-up tool has an `uninstall`.
    /// It has to end well wherever the other one was interrupted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub back: Option<Cmd>,
    /// A file that the command makes: the directories above it are made for it, with its owner, and are removed with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<(Utf8PathBuf, Owner)>,
}

impl Run {
    /// A setting whose old value the same command writes back.
    #[must_use]
    pub fn setting(what: &str, read: Cmd, want: String, write: Cmd) -> Self {
        Self { what: what.to_owned(), read, want, write, back: None, file: None }
    }
}

impl From<Run> for Change {
    fn from(run: Run) -> Self {
        Self::Run(Box::new(run))
    }
}

impl Primitive for Run {
    fn target(&self) -> Target {
        Target { verb: "set".to_owned(), object: self.what.clone(), detail: self.want.clone() }
    }

    fn observe(&self, world: &dyn World) -> Result<State, ChangeError> {
        match world.query(&self.read) {
            Ok(said) => Ok(State::Text { value: (said.code == 0).then(|| said.stdout.trim().to_owned()) }),
            // No answer is not "there is none": what was there before could not be put back.
            Err(e @ HostError::Slow { .. }) => Err(e.into()),
            Err(_) => Ok(State::Text { value: None }),
        }
    }

    fn aim(&self, _world: &dyn World) -> Result<Aim, ChangeError> {
        Ok(Aim { state: State::Text { value: Some(self.want.clone()) }, bytes: None })
    }

    fn set(&self, context: &mut Context<'_>, to: &State, _left: Option<&State>) -> Result<(), ChangeError> {
        let State::Text { value } = to else { return Err(ChangeError::Mismatch(self.target().to_string())) };
        if let Some(back) = self.back.as_ref().filter(|_| value.as_ref() != Some(&self.want)) {
            context.host.run(back, &mut |line| (context.tick)(Tick::Line(line.to_owned())))?;
            return Ok(());
        }
        // A setting that could not be read before was not there: there is nothing to put back.
        let Some(value) = value else { return Ok(()) };
        let mut cmd = self.write.clone();
        for arg in &mut cmd.args {
            *arg = arg.replace("{}", value);
        }
        context.host.run(&cmd, &mut |line| (context.tick)(Tick::Line(line.to_owned())))?;
        Ok(())
    }

    fn makes(&self) -> Option<(&Utf8Path, Owner)> {
        self.file.as_ref().map(|(path, owner)| (path.as_path(), *owner))
    }
}

#[cfg(test)]
mod tests {
    use super::Run;

    #[test]
    fn what_an_older_program_wrote_is_read() {
        let old = r#"{"what":"fs.inotify.max_user_watches","read":{"program":"sysctl","args":["-n","x"],"seconds":30},"want":"1","write":{"program":"sysctl","args":["-w","x={}"],"seconds":30}}"#;
        let run: Run = serde_json::from_str(old).unwrap();
        assert!(run.back.is_none() && run.file.is_none() && !run.read.reports);
        assert_eq!(serde_json::to_string(&run).unwrap(), old);
    }
}
