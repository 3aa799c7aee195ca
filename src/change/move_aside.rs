//! A file of the user that is renamed to make room for one that kind-wsl writes.

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

use super::{ChangeError, Context, Desired, Primitive, State, Target, expect_file};
use crate::host::{FileKind, Owner, System};

/// Renames the file or link at `path` to `to`, in the same directory. Its bytes, mode, owner and extended attributes
/// stay, and a relative link keeps its target. Unlike a copy to another file system, a rename cannot fail halfway.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MoveAside {
    pub path: Utf8PathBuf,
    /// The name while another file is at `path`.
    pub to: Utf8PathBuf,
    pub owner: Owner,
}

impl MoveAside {
    fn has(system: &dyn System, path: &Utf8Path) -> Result<bool, ChangeError> {
        let dir = path.parent().unwrap_or(Utf8Path::new("/"));
        let real = system.resolve(dir)?.join(path.file_name().unwrap_or_default());
        match system.stat(&real)? {
            None => Ok(false),
            Some(stat) if matches!(stat.kind, FileKind::File | FileKind::Link(_)) => Ok(true),
            Some(stat) => expect_file(path, &stat).map(|()| true),
        }
    }
}

impl Primitive for MoveAside {
    fn target(&self) -> Target {
        let name = self.to.file_name().unwrap_or_default();
        Target {
            verb: "keep".to_owned(),
            object: self.path.to_string(),
            detail: format!("renamed to {name}; undo renames it back"),
        }
    }

    fn current(&self, system: &dyn System) -> Result<State, ChangeError> {
        let (here, aside) = (Self::has(system, &self.path)?, Self::has(system, &self.to)?);
        let at = if aside { Some(&self.to) } else { Some(&self.path).filter(|_| here) };
        Ok(State::Place { at: at.cloned(), is_taken: here && aside })
    }

    fn desired(&self, system: &dyn System) -> Result<Desired, ChangeError> {
        let at = match self.current(system)? {
            State::Place { at: Some(_), .. } => Some(self.to.clone()),
            // No file has to be kept.
            _ => None,
        };
        Ok(Desired { state: State::Place { at, is_taken: false }, bytes: None })
    }

    fn set(
        &self,
        context: &mut Context<'_>,
        to: &State,
        _applied: Option<&State>,
    ) -> Result<(), ChangeError> {
        match to {
            State::Place { at: Some(at), .. } if *at == self.to => {
                Ok(context.host.rename(&self.path, &self.to, self.owner)?)
            }
            // The user has removed it: nothing has to be renamed, and the undo continues.
            State::Place { .. } if !Self::has(context.host, &self.to)? => Ok(()),
            State::Place { .. } => Ok(context.host.rename(&self.to, &self.path, self.owner)?),
            _ => Err(ChangeError::Mismatch(self.target().to_string())),
        }
    }

    /// Only its place matters, not its content: the user may have updated it.
    fn satisfies(&self, now: &State, wanted: &State) -> bool {
        match (now, wanted) {
            (State::Place { at: now, .. }, State::Place { at: wanted, .. }) => now == wanted,
            _ => false,
        }
    }

    /// A file that another program has put in its place is not overwritten.
    fn can_revert_partially(&self, now: &State, _applied: &State) -> bool {
        !matches!(now, State::Place { is_taken: true, .. })
    }

    fn created_path(&self) -> Option<(&Utf8Path, Owner)> {
        None
    }
}
