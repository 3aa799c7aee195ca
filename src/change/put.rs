//! A whole file that is ours.

use std::io::Write;
use std::sync::atomic::Ordering;

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

use super::{
    ChangeError, Context, Desired, FileState, Primitive, RestartRequirement, State, Target, Tick, Trigger,
    expect_file, restore, seen, write_all,
};
use crate::fetch::signature::{self, Look};
use crate::fetch::{self, Artifact, FetchError, Progress, Sign};
use crate::host::{HostError, Owner, System, digest};

/// What every text of ours has among its first lines, in every version of this program.
const MARK: &str = "Written by kind-wsl";
/// How many of them: the mark of a script is behind its first line.
const MARK_LINES: usize = 3;

/// Puts a file in place, with exactly these bytes, mode and owner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Put {
    /// Where. A link here is an error: it would be somebody else's file that we replace.
    pub path: Utf8PathBuf,
    /// What.
    pub body: Body,
    /// Permission bits.
    pub mode: u32,
    /// Whose.
    pub owner: Owner,
    /// What follows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub follow: Option<Trigger>,
    /// What has to be started again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restart: Option<RestartRequirement>,
    /// Whether it is there for the run alone, which takes it back when it comes to its end.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub passing: bool,
}

/// Where the bytes come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Body {
    /// They are here.
    Text(String),
    /// They are downloaded, and are known by their hash.
    Download(Artifact),
    /// They are in a file of the user's, and are known by their hash.
    Local {
        /// The file.
        path: Utf8PathBuf,
        /// What the user says its bytes are.
        artifact: Artifact,
    },
}

impl Put {
    /// A configuration file of root's, mode 0644.
    #[must_use]
    pub fn config(path: &str, text: String) -> Self {
        Self {
            path: path.into(),
            body: Body::Text(text),
            mode: 0o644,
            owner: Owner::Root,
            follow: None,
            restart: None,
            passing: false,
        }
    }

    /// The same, for the time of the run.
    #[must_use]
    pub fn passing(self) -> Self {
        Self { passing: true, ..self }
    }

    /// A downloaded program of the user's, mode 0755.
    #[must_use]
    pub fn program(path: Utf8PathBuf, artifact: Artifact, owner: Owner) -> Self {
        let body = Body::Download(artifact);
        Self { path, body, mode: 0o755, owner, follow: None, restart: None, passing: false }
    }

    fn sha256(&self) -> String {
        match &self.body {
            Body::Text(text) => digest(text.as_bytes()),
            Body::Download(artifact) | Body::Local { artifact, .. } => artifact.sha256.clone(),
        }
    }

    /// What comes from elsewhere.
    fn artifact(&self) -> Option<&Artifact> {
        match &self.body {
            Body::Text(_) => None,
            Body::Download(artifact) | Body::Local { artifact, .. } => Some(artifact),
        }
    }

    /// A text of ours takes the place of one that some kind-wsl wrote, and of no other: there is no merging of whole files.
    fn refuse_foreign(&self, system: &dyn System) -> Result<(), ChangeError> {
        let Body::Text(text) = &self.body else { return Ok(()) };
        let State::File(now) = self.current(system)? else { return Ok(()) };
        if now.sha256 == digest(text.as_bytes()) {
            return Ok(());
        }
        let bytes = system.read(&self.path)?.unwrap_or_default();
        let has_mark = String::from_utf8_lossy(&bytes).lines().take(MARK_LINES).any(|l| l.contains(MARK));
        if has_mark { Ok(()) } else { Err(ChangeError::Foreign { path: self.path.clone() }) }
    }

    fn fill(&self, context: &mut Context<'_>) -> Result<(), ChangeError> {
        // Opened as ourselves: what is staged is root's, and in a home directory root writes as the user.
        let mut staged = match &self.body {
            Body::Download(artifact) if context.fetcher.source().offline.is_none() => {
                let path = fetched(context, artifact)?;
                let unreadable = |why| FetchError::Unreadable { from: path.to_string(), why };
                let opened = context.host.open(&path).map_err(HostError::into_source);
                let opened = opened.map_err(unreadable).map_err(failed(artifact))?;
                Some((path, opened))
            }
            _ => None,
        };
        let over = seen(context.seen);
        let Context { host, fetcher, tick, .. } = context;
        let mut total = None;
        let mut progress = |p| match p {
            Progress::Started { total: t, .. } => total = t,
            Progress::Bytes(n) => tick(Tick::Bytes(n, total)),
            Progress::Waiting(_) | Progress::Done => {}
        };
        let mut copy = |sink: &mut dyn Write| -> Result<(), ChangeError> {
            match (&self.body, &mut staged) {
                (Body::Text(text), _) => write_all(sink, text.as_bytes(), &self.path),
                (Body::Download(artifact), Some((path, file))) => {
                    // Hashed once more on its way: what is put in place is what was asked for, whatever lay there.
                    fetch::check(artifact, file, path.as_str(), sink, &mut |_| {}).map_err(failed(artifact))
                }
                (Body::Download(artifact), None) => {
                    let mut open = |path: &Utf8Path| host.open_host_path(path);
                    fetch::obtain(artifact, fetcher.source(), &mut open, sink, &mut progress)
                        .map_err(failed(artifact))
                }
                (Body::Local { path, artifact }, _) => {
                    let mut file = host.open(path)?;
                    fetch::check(artifact, &mut file, path.as_str(), sink, &mut progress)
                        .map_err(failed(artifact))
                }
            }
        };
        // A program that is not in the catalogue proves its version before it gets its name; these very bytes are written.
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
        // It is in place, or it is not what was asked for: then it is fetched again.
        let is_over = match &written {
            Ok(()) => true,
            Err(ChangeError::Fetch { source, .. }) => source.is_wrong_file(),
            Err(_) => false,
        };
        if let Some(artifact) = self.artifact().filter(|_| is_over) {
            fetcher.forget(artifact);
        }
        written
    }
}

/// Has a file from elsewhere whole and right; where its publisher signs what it publishes, the signature is looked at
/// as well.
fn fetched(context: &mut Context<'_>, artifact: &Artifact) -> Result<Utf8PathBuf, ChangeError> {
    let Context { host, fetcher, stop, tick, .. } = context;
    let mut going = |sign| {
        tick(match sign {
            Sign::Bytes(done, total) => Tick::Bytes(done, total),
            Sign::Waiting(length) => {
                Tick::Wait(format!("the download of {} goes on in {} s", artifact.name, length.as_secs()))
            }
        });
        !stop.load(Ordering::Relaxed)
    };
    let staged = fetcher.fetch(artifact, &mut going).map_err(|e| match e {
        FetchError::Stopped { name } => ChangeError::Stopped(name),
        e => failed(artifact)(e),
    })?;
    if !artifact.signed || !host.is_live() {
        return Ok(staged);
    }
    let name = &artifact.name;
    match signature::look(artifact, fetcher.source(), &signature::CRUN, &staged) {
        Ok(Look::Good { fingerprint }) => tick(Tick::Note(format!("{name} is signed by {fingerprint}"))),
        Ok(Look::Missing) => {
            tick(Tick::Note(format!("{name} comes without a signature; its checksum is right")));
        }
        Ok(Look::NoGpgv) => {}
        Err(e @ FetchError::BadSignature { .. }) => {
            fetcher.forget(artifact);
            return Err(failed(artifact)(e));
        }
        Err(e) => {
            tick(Tick::Note(format!(
                "the signature of {name} was not looked at: {e}; its checksum is right"
            )));
        }
    }
    Ok(staged)
}

fn failed(artifact: &Artifact) -> impl FnOnce(FetchError) -> ChangeError + use<> {
    let name = artifact.name.clone();
    move |e| ChangeError::Fetch { name, source: Box::new(e) }
}

impl Primitive for Put {
    fn target(&self) -> Target {
        let (verb, detail) = match &self.body {
            Body::Text(_) if self.passing => ("write", "until the set-up ends".to_owned()),
            Body::Text(_) => ("write", String::new()),
            Body::Download(a) => {
                ("download", format!("{}, sha256 {}…", a.name, a.sha256.get(..12).unwrap_or_default()))
            }
            Body::Local { path, artifact } => ("copy", format!("{} from {path}", artifact.name)),
        };
        Target { verb: verb.to_owned(), object: self.path.to_string(), detail }
    }

    fn current(&self, system: &dyn System) -> Result<State, ChangeError> {
        let dir = self.path.parent().unwrap_or(Utf8Path::new("/"));
        let path = system.resolve(dir)?.join(self.path.file_name().unwrap_or_default());
        let Some(stat) = system.stat(&path)? else { return Ok(State::Absent) };
        expect_file(&self.path, &stat)?;
        // By its hash, not by its bytes: it may be a program of 50 MB.
        // And by the path that we were given: in a home that is read as the user, wherever links lead.
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
        let bytes = match &self.body {
            Body::Text(text) => Some((self.path.clone(), text.clone().into_bytes())),
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
