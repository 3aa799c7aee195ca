//! A systemd unit, enabled.

use serde::{Deserialize, Serialize};

use super::{ChangeError, Context, Desired, Primitive, State, Target};
use crate::host::{Cmd, HostError, System};

/// Enables a unit of the system. It is not started: every such unit starts with the next boot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unit {
    pub name: String,
}

impl Unit {
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned() }
    }
}

impl Primitive for Unit {
    fn target(&self) -> Target {
        Target { verb: "enable".to_owned(), object: self.name.clone(), detail: String::new() }
    }

    // `is-enabled` and `enable` read and write the links themselves if systemd is not running
    // (systemd src/systemctl/systemctl-util.c, install_client_side), so this works before the restart.
    fn current(&self, system: &dyn System) -> Result<State, ChangeError> {
        let cmd = Cmd::new("systemctl", ["is-enabled", &self.name]);
        let output = match system.run_readonly(&cmd) {
            Ok(output) => output,
            // Without systemctl, no unit can be enabled.
            Err(HostError::Start { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
                return Ok(State::Unit { enabled: false });
            }
            // A command that was not recorded in a report counts as one without output.
            Err(HostError::NotRecorded(_)) => return Ok(State::Unit { enabled: false }),
            Err(e) => return Err(e.into()),
        };
        // Without a state in the output, either the unit does not exist, which systemctl up to 253 reports like this,
        // or the query failed. If that counted as "disabled", an undo would leave the unit enabled.
        let has_state = output.code == 0 || !output.stdout.trim().is_empty();
        if !has_state && !output.stderr.contains("No such file or directory") {
            let detail = output.stderr.trim().to_owned();
            return Err(HostError::Failed { command: Box::new(cmd), code: output.code, detail }.into());
        }
        Ok(State::Unit { enabled: output.stdout.trim() == "enabled" })
    }

    fn desired(&self, _world: &dyn System) -> Result<Desired, ChangeError> {
        Ok(Desired { state: State::Unit { enabled: true }, bytes: None })
    }

    fn set(
        &self,
        context: &mut Context<'_>,
        to: &State,
        _applied: Option<&State>,
    ) -> Result<(), ChangeError> {
        let State::Unit { enabled } = to else {
            return Err(ChangeError::Mismatch(self.target().to_string()));
        };
        let verb = if *enabled { "enable" } else { "disable" };
        context.host.run(&Cmd::new("systemctl", ["--quiet", verb, &self.name]), &mut |_| {})?;
        Ok(())
    }
}
