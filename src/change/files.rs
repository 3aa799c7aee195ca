//! Reads and restores regular files for the primitives.

use camino::Utf8Path;

use super::{ChangeError, Context, FileState, State};
use crate::host::{Expected, FileKind, HostError, LiveSystem, Owner, Stat, System, digest};

/// The regular file at a resolved path, its state and bytes; `None` if it does not exist.
pub(crate) fn regular(
    system: &dyn System,
    path: &Utf8Path,
) -> Result<Option<(FileState, Vec<u8>)>, ChangeError> {
    let Some((stat, bytes)) = system.read_file(path)? else { return Ok(None) };
    expect_file(path, &stat)?;
    let sha256 = digest(&bytes);
    Ok(Some((
        FileState { path: path.to_owned(), sha256, mode: stat.mode, uid: stat.uid, gid: stat.gid },
        bytes,
    )))
}

pub(crate) fn expect_file(path: &Utf8Path, stat: &Stat) -> Result<(), ChangeError> {
    let found = match &stat.kind {
        FileKind::File => return Ok(()),
        FileKind::Dir => "a directory".to_owned(),
        FileKind::Link(to) => format!("a symbolic link to `{to}`"),
        FileKind::Other => "a device, socket or pipe".to_owned(),
    };
    Err(ChangeError::NotAFile { path: path.to_owned(), found })
}

/// The file of a state, to compare before a write.
pub(crate) fn seen(state: &State) -> Expected<'_> {
    match state {
        State::File(file) | State::Entry { file: Some(file), .. } => Expected::File(&file.sha256),
        State::Absent | State::Entry { file: None, .. } => Expected::Nothing,
        State::Link { to } => Expected::Link(to),
        _ => Expected::Anything,
    }
}

/// Restores saved bytes, or removes the file, as the owner `act`.
pub(crate) fn restore(
    context: &mut Context<'_>,
    path: &Utf8Path,
    to: Option<&FileState>,
    act: Owner,
) -> Result<(), ChangeError> {
    let seen = seen(context.seen);
    let Some(to) = to else { return Ok(context.host.remove_if(seen, path, act)?) };
    let bytes = saved(context.host, to)?;
    let ids = (to.uid, to.gid);
    context.host.replace_if(seen, &to.path, to.mode, ids, act, |sink| write_all(sink, &bytes, &to.path))
}

pub(crate) fn write_all(
    sink: &mut dyn std::io::Write,
    bytes: &[u8],
    path: &Utf8Path,
) -> Result<(), ChangeError> {
    sink.write_all(bytes)
        .map_err(|source| HostError::File { action: "write", path: path.to_owned(), source }.into())
}

/// A description of binary data: a program shown as text would fill the terminal with control characters.
pub(crate) fn binary(bytes: &[u8]) -> Option<String> {
    // Latin-1 and similar encodings are still lines of text.
    let is_text = !bytes.contains(&0) && (bytes.len() < LARGE_TEXT || std::str::from_utf8(bytes).is_ok());
    (!is_text).then(|| format!("binary file, {} bytes, sha256 {}\n", bytes.len(), digest(bytes)))
}

/// Bytes without a NUL that are not UTF-8 are shown as text up to this length.
const LARGE_TEXT: usize = 64 << 10;

/// The directory in which the engine saves the bytes of changed files.
pub const SAVED: &str = "/var/lib/kind-wsl/saved";

/// Reads the saved bytes of a file.
pub(crate) fn saved(host: &LiveSystem, file: &FileState) -> Result<Vec<u8>, ChangeError> {
    let bytes = host.read_large(&Utf8Path::new(SAVED).join(&file.sha256))?;
    bytes
        .filter(|b| digest(b) == file.sha256)
        .ok_or_else(|| ChangeError::Lost { path: file.path.clone(), sha256: file.sha256.clone() })
}
