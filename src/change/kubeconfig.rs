//! A kubeconfig of the user on the Windows side, with a cluster merged into it.

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

use super::{
    ChangeError, Context, Desired, FileState, Primitive, State, Target, regular, restore, seen, write_all,
};
use crate::host::{HostError, Owner, System, digest};

/// Replaces a kubeconfig by what kubectl merged. A file that links lead to is refused: another program put it there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kubeconfig {
    pub path: Utf8PathBuf,
    /// The name of the context.
    pub context: String,
    pub owner: Owner,
    /// Not in the journal, which everyone can read: a kubeconfig has a private key. An undo does not need it.
    #[serde(skip)]
    pub merged: Option<Merged>,
}

/// The result of kubectl's merge.
#[derive(Clone, PartialEq, Eq)]
pub struct Merged {
    /// The hash of the file from which it was made; `None` if there was none.
    pub base: Option<String>,
    pub bytes: Vec<u8>,
}

impl std::fmt::Debug for Merged {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Merged").field("base", &self.base).finish_non_exhaustive()
    }
}

impl Kubeconfig {
    /// The file and its bytes; `None` if it does not exist.
    ///
    /// # Errors
    /// If it cannot be read, or is a link or no file.
    pub fn read(&self, system: &dyn System) -> Result<Option<(FileState, Vec<u8>)>, ChangeError> {
        let dir = self.path.parent().unwrap_or(Utf8Path::new("/"));
        let path = system.resolve(dir)?.join(self.path.file_name().unwrap_or_default());
        let Some((file, bytes)) = regular(system, &path)? else { return Ok(None) };
        Ok(Some((FileState { path: self.path.clone(), ..file }, bytes)))
    }
}

impl Primitive for Kubeconfig {
    fn target(&self) -> Target {
        Target {
            verb: "merge into".to_owned(),
            object: self.path.to_string(),
            detail: format!("context {}", self.context),
        }
    }

    fn current(&self, system: &dyn System) -> Result<State, ChangeError> {
        Ok(self.read(system)?.map_or(State::Absent, |(file, _)| State::File(file)))
    }

    fn desired(&self, system: &dyn System) -> Result<Desired, ChangeError> {
        let merged = self.merged.as_ref().ok_or_else(|| ChangeError::Mismatch(self.target().to_string()))?;
        let now = self.read(system)?.map(|(file, _)| file);
        if now.as_ref().map(|file| &file.sha256) != merged.base.as_ref() {
            return Err(HostError::ConcurrentModification(self.path.clone()).into());
        }
        // Windows has no modes; what WSL shows of a file there is kept.
        let (mode, (uid, gid)) =
            now.map_or((0o600, system.resolve_owner(self.owner)), |file| (file.mode, (file.uid, file.gid)));
        let sha256 = digest(&merged.bytes);
        Ok(Desired {
            state: State::File(FileState { path: self.path.clone(), sha256, mode, uid, gid }),
            bytes: None,
        })
    }

    fn set(&self, context: &mut Context<'_>, to: &State, applied: Option<&State>) -> Result<(), ChangeError> {
        match (to, &self.merged) {
            (State::File(to), Some(merged)) if applied.is_none() => {
                let (over, ids) = (seen(context.seen), (to.uid, to.gid));
                context.host.replace_if(over, &self.path, to.mode, ids, self.owner, |sink| {
                    write_all(sink, &merged.bytes, &self.path)
                })
            }
            (State::File(to), _) => restore(context, &self.path, Some(to), self.owner),
            (State::Absent, _) => restore(context, &self.path, None, self.owner),
            _ => Err(ChangeError::Mismatch(self.target().to_string())),
        }
    }

    /// By the bytes: modes and owners on a Windows drive are those of its mount options (drvfs).
    fn satisfies(&self, now: &State, wanted: &State) -> bool {
        match (now, wanted) {
            (State::File(now), State::File(wanted)) => now.sha256 == wanted.sha256,
            _ => now == wanted,
        }
    }

    fn created_path(&self) -> Option<(&Utf8Path, Owner)> {
        Some((&self.path, self.owner))
    }
}
