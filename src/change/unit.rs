//! A systemd unit, enabled.

use serde::{Deserialize, Serialize};

use super::{Aim, ChangeError, Context, Due, Primitive, State, Target};
use crate::host::{Cmd, World};

/// Enables a unit of the system. It is not started: everything we enable takes part in the next boot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unit {
    /// Its full name.
    pub name: String,
    /// What has to be started again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restart: Option<Due>,
}

impl Primitive for Unit {
    fn target(&self) -> Target {
        Target { verb: "enable".to_owned(), object: self.name.clone(), detail: String::new() }
    }

    // `is-enabled` and `enable` read and write the links themselves where systemd does not run
    // (systemd src/systemctl/systemctl-util.c, install_client_side), so this works before the restart.
    fn observe(&self, world: &dyn World) -> Result<State, ChangeError> {
        let said = world.query(&Cmd::new("systemctl", ["is-enabled", &self.name]));
        Ok(State::Unit { enabled: said.is_ok_and(|o| o.stdout.trim() == "enabled") })
    }

    fn aim(&self, _world: &dyn World) -> Result<Aim, ChangeError> {
        Ok(Aim { state: State::Unit { enabled: true }, bytes: None })
    }

    fn set(&self, context: &mut Context<'_>, to: &State, _left: Option<&State>) -> Result<(), ChangeError> {
        let State::Unit { enabled } = to else {
            return Err(ChangeError::Mismatch(self.target().to_string()));
        };
        let verb = if *enabled { "enable" } else { "disable" };
        context.host.run(&Cmd::new("systemctl", ["--quiet", verb, &self.name]), &mut |_| {})?;
        Ok(())
    }
}
