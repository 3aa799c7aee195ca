//! A whole file that is ours.

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

use super::{
    Aim, ChangeError, Context, Due, FileState, Follow, Primitive, State, Target, Tick, expect_file, restore,
    write_all,
};
use crate::fetch::{self, Artifact, Progress};
use crate::host::{Owner, World, digest};

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
    pub follow: Option<Follow>,
    /// What has to be started again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restart: Option<Due>,
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

    fn fill(&self, context: &mut Context<'_>) -> Result<(), ChangeError> {
        let Context { host, source, tick, .. } = context;
        let failed = |name: &str| {
            let name = name.to_owned();
            move |e| ChangeError::Fetch { name, source: Box::new(e) }
        };
        let mut total = None;
        let mut progress = |p| match p {
            Progress::Started { total: t } => total = t,
            Progress::Bytes(n) => tick(Tick::Bytes(n, total)),
            Progress::Done => {}
        };
        host.write(&self.path, self.mode, host.ids(self.owner), self.owner, |sink| match &self.body {
            Body::Text(text) => write_all(sink, text.as_bytes(), &self.path),
            Body::Download(artifact) => {
                let mut open = |path: &Utf8Path| host.open_outside(path);
                fetch::obtain(artifact, source, &mut open, sink, &mut progress)
                    .map_err(failed(&artifact.name))
            }
            Body::Local { path, artifact } => {
                let mut file = host.open(path)?;
                fetch::check(artifact, &mut file, path.as_str(), sink, &mut progress)
                    .map_err(failed(&artifact.name))
            }
        })
    }
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

    fn observe(&self, world: &dyn World) -> Result<State, ChangeError> {
        let dir = self.path.parent().unwrap_or(Utf8Path::new("/"));
        let path = world.resolve(dir)?.join(self.path.file_name().unwrap_or_default());
        let Some(stat) = world.stat(&path)? else { return Ok(State::Absent) };
        expect_file(&self.path, &stat)?;
        // By its hash, not by its bytes: it may be a program of 50 MB.
        let Some(sha256) = world.sha256(&path)? else { return Ok(State::Absent) };
        Ok(State::File(FileState {
            path: self.path.clone(),
            sha256,
            mode: stat.mode,
            uid: stat.uid,
            gid: stat.gid,
        }))
    }

    fn aim(&self, world: &dyn World) -> Result<Aim, ChangeError> {
        let (uid, gid) = world.ids(self.owner);
        let state = FileState { path: self.path.clone(), sha256: self.sha256(), mode: self.mode, uid, gid };
        let bytes = match &self.body {
            Body::Text(text) => Some((self.path.clone(), text.clone().into_bytes())),
            _ => None,
        };
        Ok(Aim { state: State::File(state), bytes })
    }

    fn set(&self, context: &mut Context<'_>, to: &State, _left: Option<&State>) -> Result<(), ChangeError> {
        match to {
            State::File(file) if file.sha256 == self.sha256() => self.fill(context),
            State::File(file) => restore(context, &self.path, Some(file), self.owner),
            State::Absent => restore(context, &self.path, None, self.owner),
            _ => Err(ChangeError::Mismatch(self.target().to_string())),
        }
    }

    fn makes(&self) -> Option<(&Utf8Path, Owner)> {
        Some((&self.path, self.owner))
    }
}
