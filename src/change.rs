//! The primitives that an installer is made of: each a *lens* on the machine, with a state to observe and to set.
//!
//! check = observe · plan = observe against the goal · apply = `set(goal)` · verify = observe again ·
//! undo = `set(before)`. None of these is written twice, and only the engine calls `set`. A change is plain data,
//! so that a journal of primitives can be undone by a newer program whose stages have other names.

mod entry;
mod link;
mod package;
mod put;
mod restart;
mod run;
mod unit;

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

use crate::edit::EditError;
use crate::fetch::{FetchError, Source};
use crate::host::{Account, Cmd, Host, HostError, Kind, Owner, Stat, World, digest};

pub use entry::{Edit, Entry};
pub use link::Link;
pub use package::{Manager, Package, PackageFile};
pub use put::{Body, Put};
pub use restart::{Expect, Restart};
pub use run::Run;
pub use unit::Unit;

/// One thing that the installer makes true.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Change {
    /// A whole file that is ours.
    Put(Put),
    /// One entry in a file that others own.
    Entry(Entry),
    /// A symbolic link.
    Link(Link),
    /// Packages of the distribution.
    Package(Package),
    /// A systemd unit, enabled.
    Unit(Unit),
    /// A setting that commands read and write.
    Run(Run),
    /// The machine, started again.
    Restart(Restart),
}

/// What a change is about: the line in the plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// The verb and the noun: "edit /etc/wsl.conf", "install packages".
    pub verb: String,
    /// The object.
    pub object: String,
    /// What of it: a key and its value, a list of names.
    pub detail: String,
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.verb, self.object)?;
        if !self.detail.is_empty() {
            write!(f, ": {}", self.detail)?;
        }
        Ok(())
    }
}

/// What a change found, or aims at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum State {
    /// Nothing is there.
    Absent,
    /// A regular file.
    File(FileState),
    /// An entry and the file that holds it.
    Entry {
        /// The file; `None` where there is none.
        file: Option<FileState>,
        /// The entry's value as its editor shows it; `None` where it is not set.
        value: Option<String>,
    },
    /// A symbolic link.
    Link {
        /// Where it leads, as stored.
        to: String,
    },
    /// Packages.
    Packages {
        /// The wanted ones that are installed, with their versions.
        has: BTreeMap<String, String>,
        /// The names of all that are installed: what an undo may take out is the difference.
        all: Vec<String>,
    },
    /// A unit.
    Unit {
        /// Whether systemd starts it at boot.
        enabled: bool,
    },
    /// What a command says.
    Text {
        /// Its trimmed standard output; `None` where it failed.
        value: Option<String>,
    },
    /// A restart: whether it took place and helped.
    Restarted {
        /// Every expectation that does not hold yet, in words.
        unmet: Vec<String>,
    },
}

/// A regular file, as far as we put it back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileState {
    /// Where it really is, once links are followed.
    pub path: Utf8PathBuf,
    /// SHA-256 of its bytes; also the name under which they are saved.
    pub sha256: String,
    /// Permission bits.
    pub mode: u32,
    /// Numeric owner.
    pub uid: u32,
    /// Numeric group.
    pub gid: u32,
}

/// What has to follow a change for it to take effect without a restart; in both directions, once a batch.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Follow {
    /// systemd reads its unit files again.
    DaemonReload,
    /// The modules of `/etc/modules-load.d` are loaded.
    LoadModules,
}

impl Follow {
    /// In words.
    #[must_use]
    pub fn words(&self) -> &'static str {
        match self {
            Self::DaemonReload => "systemctl daemon-reload",
            Self::LoadModules => "load the modules now",
        }
    }

    /// The command, where it makes sense on this machine: without a running systemd there is nothing to tell.
    #[must_use]
    pub fn command(&self, world: &dyn World) -> Option<Cmd> {
        let booted = world.exists("/run/systemd/system");
        match self {
            Self::DaemonReload => booted.then(|| Cmd::line("systemctl daemon-reload")),
            // Fails as a whole where one module fails, after loading the others (systemd-modules-load.service(8)).
            Self::LoadModules => booted.then(|| Cmd::line("systemctl restart systemd-modules-load.service")),
        }
    }
}

/// How much has to be started again for a change to count, least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// This distribution (`wsl --terminate`): wsl.conf, fstab, delegation to the user manager.
    Distro,
    /// The virtual machine of all distributions (`wsl --shutdown`): `.wslconfig`, the kernel.
    Vm,
    /// A machine that is not WSL.
    Machine,
}

/// A restart that a change waits for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Due {
    /// How much has to be started again.
    pub scope: Scope,
    /// By what one sees that it helped, where there is such a sign.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Expect>,
}

impl Due {
    /// Counts after the next start of the distribution.
    #[must_use]
    pub fn distro(until: Option<Expect>) -> Option<Self> {
        Some(Self { scope: Scope::Distro, until })
    }

    /// Counts after the next start of the virtual machine.
    #[must_use]
    pub fn vm(until: Option<Expect>) -> Option<Self> {
        Some(Self { scope: Scope::Vm, until })
    }
}

/// The goal of a change: a state, and where it is a file the exact bytes, known before anything is written.
#[derive(Clone, Debug)]
pub struct Aim {
    /// The state to reach.
    pub state: State,
    /// The resolved path and the bytes, where the change makes a file whose bytes are at hand.
    pub bytes: Option<(Utf8PathBuf, Vec<u8>)>,
}

/// A sign of life while a change is made.
#[derive(Clone, Debug, PartialEq)]
pub enum Tick {
    /// A line that a command printed.
    Line(String),
    /// Bytes of a download: so far, and in all where that is known.
    Bytes(u64, Option<u64>),
    /// Percent done, and of what.
    Percent(f32, String),
    /// We wait for somebody, named here.
    Wait(String),
}

/// What `set` works with.
pub struct Context<'c> {
    /// The machine.
    pub host: &'c Host,
    /// Where downloads come from.
    pub source: &'c Source,
    /// Where signs of life go.
    pub tick: &'c mut dyn FnMut(Tick),
}

impl std::fmt::Debug for Context<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context").field("host", &self.host).finish_non_exhaustive()
    }
}

/// The four short functions of a primitive.
pub(crate) trait Primitive {
    fn target(&self) -> Target;
    fn observe(&self, world: &dyn World) -> Result<State, ChangeError>;
    fn aim(&self, world: &dyn World) -> Result<Aim, ChangeError>;
    /// `left` is the state in which we left the machine, when this is an undo: what is still exactly so goes back
    /// to the exact bytes; otherwise only our part is taken out.
    fn set(&self, context: &mut Context<'_>, to: &State, left: Option<&State>) -> Result<(), ChangeError>;
    /// Whether what is there counts as what is wanted.
    fn holds(&self, now: &State, wanted: &State) -> bool {
        now == wanted
    }
    /// The file it makes, for the directories above, and who owns it.
    fn makes(&self) -> Option<(&Utf8Path, Owner)> {
        None
    }
}

/// What went wrong while a change was looked at or made.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// The machine refused.
    #[error(transparent)]
    Host(#[from] HostError),
    /// A text that can not be edited safely.
    #[error("cannot edit `{path}`")]
    Edit {
        /// The file.
        path: Utf8PathBuf,
        /// Where in it and why.
        source: EditError,
    },
    /// A download that did not come, or came wrong.
    #[error("cannot fetch {name}")]
    Fetch {
        /// What it was.
        name: String,
        /// Why.
        source: Box<FetchError>,
    },
    /// Something else stands where a file shall be.
    #[error("`{path}` is {found}, not a regular file")]
    NotAFile {
        /// The path.
        path: Utf8PathBuf,
        /// "a directory", "a symbolic link to …".
        found: String,
    },
    /// Bytes that were saved before a change are gone or changed.
    #[error("the saved copy of `{path}` (sha256 {sha256}) is missing or damaged")]
    Lost {
        /// The file that it was a copy of.
        path: Utf8PathBuf,
        /// Its hash.
        sha256: String,
    },
    /// Taking packages out would take others along.
    #[error("removing {ours} would also remove {others}, which kind-wsl did not install")]
    Entangled {
        /// What we brought.
        ours: String,
        /// What depends on it.
        others: String,
    },
    /// A state that this change can not be in: a journal written by something else.
    #[error("the journal holds a state that does not fit {0}")]
    Mismatch(String),
}

impl ChangeError {
    /// What a person can do about it, where we know.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Host(e) => return e.hint(),
            Self::Fetch { source, .. } => return source.hint(),
            Self::Edit { source, path } => return source.hint().map(|h| h.replace("{path}", path.as_str())),
            Self::NotAFile { path, .. } => {
                format!("move it away (`mv {path} {path}.old`), then run the same command again")
            }
            Self::Lost { .. } => "keep the file as it is with `kind-wsl undo --drift keep`".to_owned(),
            Self::Entangled { .. } => "leave the packages: `kind-wsl undo` without `--packages`".to_owned(),
            Self::Mismatch(_) => return None,
        })
    }

    /// Whether the crash sweep ended the program.
    #[must_use]
    pub fn is_crash(&self) -> bool {
        match self {
            Self::Host(e) => e.is_crash(),
            _ => false,
        }
    }
}

impl Change {
    fn primitive(&self) -> &dyn Primitive {
        match self {
            Self::Put(c) => c,
            Self::Entry(c) => c,
            Self::Link(c) => c,
            Self::Package(c) => c,
            Self::Unit(c) => c,
            Self::Run(c) => c,
            Self::Restart(c) => c,
        }
    }

    /// What it is about.
    #[must_use]
    pub fn target(&self) -> Target {
        self.primitive().target()
    }

    /// What is there now.
    ///
    /// # Errors
    /// When it can not be seen.
    pub fn observe(&self, world: &dyn World) -> Result<State, ChangeError> {
        self.primitive().observe(world)
    }

    /// What shall be there.
    ///
    /// # Errors
    /// When the goal can not be reached from what is there, for example because a file does not parse.
    pub fn aim(&self, world: &dyn World) -> Result<Aim, ChangeError> {
        self.primitive().aim(world)
    }

    /// Whether `now` counts as `wanted`.
    #[must_use]
    pub fn holds(&self, now: &State, wanted: &State) -> bool {
        self.primitive().holds(now, wanted)
    }

    /// Makes it so.
    ///
    /// # Errors
    /// What the machine refuses.
    pub fn set(
        &self,
        context: &mut Context<'_>,
        to: &State,
        left: Option<&State>,
    ) -> Result<(), ChangeError> {
        self.primitive().set(context, to, left)
    }

    /// The file that it makes, if any, and its owner.
    #[must_use]
    pub fn makes(&self) -> Option<(&Utf8Path, Owner)> {
        self.primitive().makes()
    }

    /// What has to follow it.
    #[must_use]
    pub fn follow(&self) -> Option<&Follow> {
        match self {
            Self::Put(c) => c.follow.as_ref(),
            Self::Entry(c) => c.follow.as_ref(),
            _ => None,
        }
    }

    /// What has to be started again for it to count.
    #[must_use]
    pub fn restart(&self) -> Option<&Due> {
        match self {
            Self::Put(c) => c.restart.as_ref(),
            Self::Entry(c) => c.restart.as_ref(),
            Self::Unit(c) => c.restart.as_ref(),
            _ => None,
        }
    }

    /// Whether it acts on what earlier changes wrote, so that their follow-ups have to run before it.
    #[must_use]
    pub fn is_command(&self) -> bool {
        matches!(self, Self::Package(_) | Self::Unit(_) | Self::Run(_) | Self::Restart(_))
    }

    /// The changed thing must be as it is on the disk, not only look so: part of a file restored exactly.
    #[must_use]
    pub fn file_of(state: &State) -> Option<&FileState> {
        match state {
            State::File(file) | State::Entry { file: Some(file), .. } => Some(file),
            _ => None,
        }
    }
}

/// The regular file at a resolved path, its state and bytes; `None` where nothing is.
pub(crate) fn regular(
    world: &dyn World,
    path: &Utf8Path,
) -> Result<Option<(FileState, Vec<u8>)>, ChangeError> {
    let Some(stat) = world.stat(path)? else { return Ok(None) };
    expect_file(path, &stat)?;
    let Some(bytes) = world.read(path)? else { return Ok(None) };
    let sha256 = digest(&bytes);
    Ok(Some((
        FileState { path: path.to_owned(), sha256, mode: stat.mode, uid: stat.uid, gid: stat.gid },
        bytes,
    )))
}

pub(crate) fn expect_file(path: &Utf8Path, stat: &Stat) -> Result<(), ChangeError> {
    let found = match &stat.kind {
        Kind::File => return Ok(()),
        Kind::Dir => "a directory".to_owned(),
        Kind::Link(to) => format!("a symbolic link to `{to}`"),
        Kind::Other => "a device, socket or pipe".to_owned(),
    };
    Err(ChangeError::NotAFile { path: path.to_owned(), found })
}

/// Writes saved bytes back, or takes the file away, as `act`.
pub(crate) fn restore(
    context: &mut Context<'_>,
    path: &Utf8Path,
    to: Option<&FileState>,
    act: Owner,
) -> Result<(), ChangeError> {
    let Some(to) = to else { return Ok(context.host.remove(path, act)?) };
    let bytes = saved(context.host, to)?;
    context.host.write(&to.path, to.mode, (to.uid, to.gid), act, |sink| write_all(sink, &bytes, &to.path))
}

pub(crate) fn write_all(
    sink: &mut dyn std::io::Write,
    bytes: &[u8],
    path: &Utf8Path,
) -> Result<(), ChangeError> {
    sink.write_all(bytes)
        .map_err(|source| HostError::File { action: "write", path: path.to_owned(), source }.into())
}

/// Where the engine keeps the bytes of files that it changes.
pub const SAVED: &str = "/var/lib/kind-wsl/saved";

fn saved(host: &Host, file: &FileState) -> Result<Vec<u8>, ChangeError> {
    let bytes = host.read(&Utf8Path::new(SAVED).join(&file.sha256))?;
    bytes
        .filter(|b| digest(b) == file.sha256)
        .ok_or_else(|| ChangeError::Lost { path: file.path.clone(), sha256: file.sha256.clone() })
}

/// The owner of what a user's own command line makes.
#[must_use]
pub fn user_owner(user: &Account) -> Owner {
    Owner::User { uid: user.uid, gid: user.gid }
}
