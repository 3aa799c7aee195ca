//! A setting that one command reads and another writes.

use serde::{Deserialize, Serialize};

use super::{Aim, ChangeError, Context, Primitive, State, Target};
use crate::host::{Cmd, World};

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
}

impl Primitive for Run {
    fn target(&self) -> Target {
        Target { verb: "set".to_owned(), object: self.what.clone(), detail: self.want.clone() }
    }

    fn observe(&self, world: &dyn World) -> Result<State, ChangeError> {
        Ok(State::Text { value: world.answer(&self.read) })
    }

    fn aim(&self, _world: &dyn World) -> Result<Aim, ChangeError> {
        Ok(Aim { state: State::Text { value: Some(self.want.clone()) }, bytes: None })
    }

    fn set(&self, context: &mut Context<'_>, to: &State, _left: Option<&State>) -> Result<(), ChangeError> {
        let State::Text { value } = to else { return Err(ChangeError::Mismatch(self.target().to_string())) };
        // A setting that could not be read before was not there: there is nothing to put back.
        let Some(value) = value else { return Ok(()) };
        let mut cmd = self.write.clone();
        for arg in &mut cmd.args {
            *arg = arg.replace("{}", value);
        }
        context.host.run(&cmd, &mut |_| {})?;
        Ok(())
    }
}
