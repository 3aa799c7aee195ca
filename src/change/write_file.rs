//! A whole file that kind-wsl writes.

use std::io::{Read, Write};
use std::sync::atomic::Ordering;

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

use super::{
    ChangeError, Context, Desired, FileState, Primitive, Progress, State, Target, expect_file, restore, seen,
    write_all,
};
use crate::fetch::signature::{self, SignatureStatus};
use crate::fetch::{self, Artifact, FetchError, Origin, Transfer};
use crate::host::{Owner, System, digest};

/// A mark in the first lines of every text file that any version of kind-wsl wrote.
const MARK: &str = "Written by kind-wsl";
/// The number of those lines: the mark of a script is in its second line.
const MARK_LINES: usize = 3;

/// Whether any version of this program wrote the text.
#[must_use]
pub(crate) fn has_mark(bytes: &[u8]) -> bool {
    String::from_utf8_lossy(bytes).lines().take(MARK_LINES).any(|line| line.contains(MARK))
}

/// Writes a file with exactly these bytes, mode and owner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WriteFile {
    /// A link at this path is an error: its target belongs to another program.
    pub path: Utf8PathBuf,
    #[serde(rename = "body")]
    pub source: FileSource,
    /// Permission bits.
    pub mode: u32,
    pub owner: Owner,
}

/// The source of the bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileSource {
    #[serde(rename = "text")]
    Inline(String),
    /// A download, identified by its hash.
    Download(Artifact),
    /// A file of the user, identified by its hash.
    #[serde(rename = "local")]
    LocalFile {
        path: Utf8PathBuf,
        /// The checksum that the user gave.
        artifact: Artifact,
    },
}

enum Opened<'p> {
    Text(&'p str),
    File { artifact: &'p Artifact, from: Origin, file: Box<dyn Read> },
}

impl WriteFile {
    /// A configuration file of root, mode 0644.
    #[must_use]
    pub fn config(path: &str, text: String) -> Self {
        Self { path: path.into(), source: FileSource::Inline(text), mode: 0o644, owner: Owner::Root }
    }

    /// A downloaded program of the user, mode 0755.
    #[must_use]
    pub fn program(path: Utf8PathBuf, artifact: Artifact, owner: Owner) -> Self {
        Self { path, source: FileSource::Download(artifact), mode: 0o755, owner }
    }

    fn sha256(&self) -> String {
        match &self.source {
            FileSource::Inline(text) => digest(text.as_bytes()),
            FileSource::Download(artifact) | FileSource::LocalFile { artifact, .. } => {
                artifact.sha256.clone()
            }
        }
    }

    /// The download or the local file.
    fn artifact(&self) -> Option<&Artifact> {
        match &self.source {
            FileSource::Inline(_) => None,
            FileSource::Download(artifact) | FileSource::LocalFile { artifact, .. } => Some(artifact),
        }
    }

    /// Only a text that some kind-wsl wrote is replaced: whole files are not merged.
    fn refuse_foreign(&self, system: &dyn System) -> Result<(), ChangeError> {
        let FileSource::Inline(text) = &self.source else { return Ok(()) };
        let State::File(now) = self.current(system)? else { return Ok(()) };
        if now.sha256 == digest(text.as_bytes()) {
            return Ok(());
        }
        let bytes = system.read(&self.path)?.unwrap_or_default();
        if has_mark(&bytes) { Ok(()) } else { Err(ChangeError::Foreign { path: self.path.clone() }) }
    }

    /// Opens the source.
    fn open(&self, context: &mut Context<'_>) -> Result<Opened<'_>, ChangeError> {
        let (artifact, from, file) = match &self.source {
            FileSource::Inline(text) => return Ok(Opened::Text(text)),
            FileSource::LocalFile { path, artifact } => {
                (artifact, Origin::File(path.clone()), context.host.open(path)?)
            }
            FileSource::Download(artifact) => {
                let opened = if let Some(dir) = &context.fetcher.source().offline {
                    fetch::open_offline(context.host, artifact, dir)
                } else {
                    let path = fetched(context, artifact)?;
                    // Opened with the process's own identity: the cache is root's, and in a home directory root
                    // writes as the user.
                    match context.host.open(&path) {
                        Ok(file) => Ok((Origin::Cache(path), file)),
                        Err(e) => {
                            Err(FetchError::Unreadable { from: Origin::Cache(path), why: e.into_source() })
                        }
                    }
                };
                let (from, file) = opened.map_err(failed(artifact))?;
                (artifact, from, file)
            }
        };
        Ok(Opened::File { artifact, from, file })
    }

    fn fill(&self, context: &mut Context<'_>) -> Result<(), ChangeError> {
        let mut input = self.open(context)?;
        let over = seen(context.seen);
        let Context { host, fetcher, progress, .. } = context;
        let mut transferred = |transfer| {
            if let Transfer::Bytes { done, total } = transfer {
                progress(Progress::Bytes(done, total));
            }
        };
        let mut copy = |sink: &mut dyn Write| match &mut input {
            Opened::Text(text) => write_all(sink, text.as_bytes(), &self.path),
            // Hashed while it is written; a download is thus hashed a second time.
            Opened::File { artifact, from, file } => {
                fetch::check(artifact, file, from.clone(), sink, &mut transferred).map_err(failed(artifact))
            }
        };
        // A program that is not in the catalogue must report its version before it gets its name; these very bytes
        // are written.
        let proven = match self.artifact().filter(|artifact| artifact.identity.is_some()) {
            Some(artifact) => {
                let mut bytes = Vec::new();
                let checked = copy(&mut bytes)
                    .and_then(|()| fetch::check_program(artifact, &bytes).map_err(failed(artifact)));
                checked.map(|()| Some(bytes))
            }
            None => Ok(None),
        };
        let written = proven.and_then(|proven| {
            host.replace_if(over, &self.path, self.mode, host.resolve_owner(self.owner), self.owner, |sink| {
                match &proven {
                    Some(bytes) => write_all(sink, bytes, &self.path),
                    None => copy(sink),
                }
            })
        });
        // It is written, or it is not the requested file: then it is downloaded again.
        let is_over = match &written {
            Ok(()) => true,
            Err(ChangeError::Fetch { source, .. }) => source.is_wrong_file(),
            Err(_) => false,
        };
        if let Some(artifact) = self.artifact().filter(|_| is_over) {
            fetcher.evict(artifact);
        }
        written
    }
}

/// Makes sure that a download is complete and has the right checksum. If its publisher signs files, its signature is
/// checked too.
fn fetched(context: &mut Context<'_>, artifact: &Artifact) -> Result<Utf8PathBuf, ChangeError> {
    let Context { host, fetcher, stop, progress, .. } = context;
    let mut going = |transfer| {
        progress(match transfer {
            Transfer::Started { total, kept } => Progress::Bytes(kept, total),
            Transfer::Bytes { done, total } => Progress::Bytes(done, total),
            Transfer::Waiting(length) => {
                let seconds = length.as_secs();
                Progress::Waiting(format!("the download of {} resumes in {seconds} s", artifact.name))
            }
            Transfer::Done => return true,
        });
        !stop.load(Ordering::Relaxed)
    };
    let staged = fetcher.fetch(artifact, &mut going).map_err(|e| match e {
        FetchError::Stopped { name } => ChangeError::Stopped(name),
        e => failed(artifact)(e),
    })?;
    if !artifact.has_signature || !host.is_live() {
        return Ok(staged);
    }
    let name = &artifact.name;
    match signature::verify(artifact, fetcher.source(), &signature::CRUN, &staged) {
        Ok(SignatureStatus::Good { fingerprint }) => {
            progress(Progress::Note(format!("{name} is signed by {fingerprint}")));
        }
        Ok(SignatureStatus::Missing) => {
            progress(Progress::Note(format!("{name} has no signature; its checksum is correct")));
        }
        Ok(SignatureStatus::NoGpgv) => {}
        Err(e @ FetchError::BadSignature { .. }) => {
            fetcher.evict(artifact);
            return Err(failed(artifact)(e));
        }
        Err(e) => {
            progress(Progress::Note(format!(
                "the signature of {name} was not checked: {e}; its checksum is correct"
            )));
        }
    }
    Ok(staged)
}

fn failed(artifact: &Artifact) -> impl FnOnce(FetchError) -> ChangeError + use<> {
    let name = artifact.name.clone();
    move |e| ChangeError::Fetch { name, source: Box::new(e) }
}

impl Primitive for WriteFile {
    fn target(&self) -> Target {
        let (verb, detail) = match &self.source {
            FileSource::Inline(_) => ("write", String::new()),
            FileSource::Download(a) => {
                ("download", format!("{}, sha256 {}…", a.name, a.sha256.get(..12).unwrap_or_default()))
            }
            FileSource::LocalFile { path, artifact } => ("copy", format!("{} from {path}", artifact.name)),
        };
        Target { verb: verb.to_owned(), object: self.path.to_string(), detail }
    }

    fn current(&self, system: &dyn System) -> Result<State, ChangeError> {
        let dir = self.path.parent().unwrap_or(Utf8Path::new("/"));
        let path = system.resolve(dir)?.join(self.path.file_name().unwrap_or_default());
        let Some(stat) = system.stat(&path)? else { return Ok(State::Absent) };
        expect_file(&self.path, &stat)?;
        // By its hash, not by its bytes: it can be a program of 50 MB. And by the given path: in a home directory,
        // links are followed as the user.
        let Some(sha256) = system.sha256(&self.path)? else { return Ok(State::Absent) };
        Ok(State::File(FileState {
            path: self.path.clone(),
            sha256,
            mode: stat.mode,
            uid: stat.uid,
            gid: stat.gid,
        }))
    }

    fn desired(&self, system: &dyn System) -> Result<Desired, ChangeError> {
        self.refuse_foreign(system)?;
        let (uid, gid) = system.resolve_owner(self.owner);
        let state = FileState { path: self.path.clone(), sha256: self.sha256(), mode: self.mode, uid, gid };
        let bytes = match &self.source {
            FileSource::Inline(text) => Some((self.path.clone(), text.clone().into_bytes())),
            _ => None,
        };
        Ok(Desired { state: State::File(state), bytes })
    }

    fn set(
        &self,
        context: &mut Context<'_>,
        to: &State,
        _applied: Option<&State>,
    ) -> Result<(), ChangeError> {
        match to {
            State::File(file) if file.sha256 == self.sha256() => self.fill(context),
            State::File(file) => restore(context, &self.path, Some(file), self.owner),
            State::Absent => restore(context, &self.path, None, self.owner),
            _ => Err(ChangeError::Mismatch(self.target().to_string())),
        }
    }

    fn created_path(&self) -> Option<(&Utf8Path, Owner)> {
        Some((&self.path, self.owner))
    }
}
