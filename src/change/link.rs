//! A symbolic link.

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

use super::{ChangeError, Context, Desired, Primitive, State, Target, expect_file, seen};
use crate::host::{FileKind, Owner, System};

/// Links `path` to `to`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    pub path: Utf8PathBuf,
    /// The target, as stored.
    pub to: String,
    pub owner: Owner,
}

impl Primitive for Link {
    fn target(&self) -> Target {
        Target { verb: "link".to_owned(), object: self.path.to_string(), detail: format!("to {}", self.to) }
    }

    fn current(&self, system: &dyn System) -> Result<State, ChangeError> {
        match system.stat(&self.path)? {
            None => Ok(State::Absent),
            Some(stat) => match stat.kind {
                FileKind::Link(to) => Ok(State::Link { to }),
                // A program with that name that another program installed is never replaced.
                FileKind::File => {
                    Err(ChangeError::NotAFile { path: self.path.clone(), found: "a regular file".to_owned() })
                }
                _ => Err(expect_file(&self.path, &stat)
                    .err()
                    .unwrap_or_else(|| ChangeError::Mismatch(self.path.to_string()))),
            },
        }
    }

    fn desired(&self, _world: &dyn System) -> Result<Desired, ChangeError> {
        Ok(Desired { state: State::Link { to: self.to.clone() }, bytes: None })
    }

    fn set(
        &self,
        context: &mut Context<'_>,
        to: &State,
        _applied: Option<&State>,
    ) -> Result<(), ChangeError> {
        match to {
            State::Link { to } => Ok(context.host.link(seen(context.seen), &self.path, to, self.owner)?),
            State::Absent => Ok(context.host.remove_if(seen(context.seen), &self.path, self.owner)?),
            _ => Err(ChangeError::Mismatch(self.target().to_string())),
        }
    }

    fn created_path(&self) -> Option<(&Utf8Path, Owner)> {
        Some((&self.path, self.owner))
    }
}
