//! One entry in a file of another program or of the user.

mod beside;

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

use super::{
    ChangeError, Context, Desired, FileState, Primitive, State, Target, regular, restore, saved, seen,
    write_all,
};
use crate::edit::toml::Value;
use crate::edit::wslconf::{Dialect, Document, Grammar};
use crate::edit::{self, EditError, Form, cmdline, lenient, table, toml};
use crate::host::{Expected, HostError, Owner, System, digest};

/// Sets, merges or removes one entry and leaves every other byte of the file as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EditFile {
    /// The file; links are followed, as by the programs that read it.
    pub path: Utf8PathBuf,
    /// The entry, by the grammar of its file.
    pub edit: Edit,
    /// The owner if the file has to be created.
    pub owner: Owner,
}

/// An entry and its desired value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "format", rename_all = "snake_case")]
pub enum Edit {
    /// A key of `/etc/wsl.conf`.
    WslConf {
        section: String,
        key: String,
        /// The value; `None` removes the key.
        value: Option<String>,
        /// How this machine's WSL reads the file.
        #[serde(default)]
        grammar: Grammar,
    },
    /// A key of Windows' `.wslconfig`.
    Wslconfig {
        section: String,
        key: String,
        /// The value; `None` removes the key.
        value: Option<String>,
    },
    /// Parameters in the one `[wsl2] kernelCommandLine` of `.wslconfig`.
    #[serde(rename = "kernel_words")]
    KernelParams {
        #[serde(rename = "words")]
        params: Vec<String>,
    },
    /// A whole section of `/etc/wsl.conf` that WSL ignores, removed.
    DropSection {
        section: String,
        /// How this machine's WSL reads the file.
        #[serde(default)]
        grammar: Grammar,
    },
    /// The lines of `/etc/wsl.conf` at which WSL would stop reading, commented out.
    Repair {
        /// How this machine's WSL reads the file.
        #[serde(default)]
        grammar: Grammar,
    },
    /// A key of a TOML file.
    Toml {
        /// The tables and the key.
        path: Vec<String>,
        value: Value,
    },
    /// A line of `/etc/fstab`.
    Fstab { mount_point: String, line: String },
    /// A range added to `/etc/subuid` or `/etc/subgid`: this line and no other.
    Subid { user: String, start: u32, count: u32 },
}

const KERNEL: (&str, &str) = ("wsl2", "kernelCommandLine");
/// The length of WSL's own part of the kernel command line, before the user's value (WSL
/// `src/windows/service/exe/WslCoreVm.cpp:1576`: about 300 bytes on a machine with default settings; paths and debug
/// options add to it).
const WSL_PART: usize = 400;

impl Edit {
    /// Reads the entry from these bytes.
    fn get(&self, bytes: &[u8]) -> Result<Option<String>, EditError> {
        if let Some((section, key)) = self.place() {
            return Ok(self.parse(bytes).get(section, key).map(ToOwned::to_owned));
        }
        match self {
            Self::WslConf { .. } | Self::Wslconfig { .. } | Self::KernelParams { .. } => Ok(None),
            Self::DropSection { section, .. } => {
                Ok(self.parse(bytes).has_section(section).then(|| format!("[{section}]")))
            }
            Self::Repair { .. } => {
                let complete = self.parse(bytes).complete();
                Ok(Some(if complete { "completely readable" } else { "not completely readable" }.to_owned()))
            }
            Self::Toml { path, .. } => toml::read(bytes, &strs(path)),
            Self::Fstab { line, .. } if table::has_fstab(bytes, line)? => Ok(Some(line.clone())),
            Self::Fstab { mount_point, .. } => table::get_fstab(bytes, mount_point),
            Self::Subid { user, start, count } => {
                let has = table::subid_has(&lenient(bytes), user, *start, *count);
                Ok(has.then(|| format!("{start}:{count}")))
            }
        }
    }

    /// The desired value of the entry, given its present value.
    fn goal(&self, now: Option<&str>) -> Option<String> {
        match self {
            Self::WslConf { value, .. } | Self::Wslconfig { value, .. } => value.clone(),
            Self::KernelParams { params } => Some(cmdline::merge(now.unwrap_or_default(), &strs(params))),
            Self::DropSection { .. } => None,
            Self::Repair { .. } => Some("completely readable".to_owned()),
            Self::Toml { value, .. } => Some(value.to_string()),
            Self::Fstab { line, .. } => Some(line.clone()),
            Self::Subid { start, count, .. } => Some(format!("{start}:{count}")),
        }
    }

    /// Returns the bytes with the entry set to `value`.
    fn put(&self, bytes: &[u8], value: Option<&str>) -> Result<Vec<u8>, EditError> {
        match self {
            Self::WslConf { section, key, .. } | Self::Wslconfig { section, key, .. } => {
                self.parse(bytes).put(section, key, value)
            }
            Self::KernelParams { .. } => {
                let now = self.parse(bytes);
                if let Some(line) = now.line_outside_ascii(KERNEL.0, KERNEL.1).filter(|_| value.is_some()) {
                    return Err(EditError::NotAscii { line, key: format!("{}.{}", KERNEL.0, KERNEL.1) });
                }
                let is_longer = value.map(str::len) > self.get(bytes)?.map(|now| now.len());
                if let Some(value) = value.filter(|value| is_longer && !cmdline::fits(value, WSL_PART)) {
                    let why = format!(
                        "the kernel reads {} bytes of its command line, WSL needs about {WSL_PART} of them, and this value \
                         would have {}",
                        cmdline::LIMIT - 1,
                        value.len()
                    );
                    return Err(EditError::BadValue { key: KERNEL.1.to_owned(), why });
                }
                now.put(KERNEL.0, KERNEL.1, value)
            }
            Self::DropSection { section, .. } => {
                let mut document = self.parse(bytes);
                document.remove_section(section)?;
                Ok(document.to_bytes())
            }
            Self::Repair { .. } => {
                let mut document = self.parse(bytes);
                document.repair();
                Ok(document.to_bytes())
            }
            Self::Toml { path, .. } => {
                let value = value.map(|v| Value::parse(v, &path.join("."))).transpose()?;
                toml::put(bytes, &strs(path), value.as_ref())
            }
            Self::Fstab { line, .. } if value != Some(line) && table::has_fstab(bytes, line)? => {
                Ok(table::replace_fstab(bytes, line, value))
            }
            Self::Fstab { mount_point, .. } => table::put_fstab(bytes, mount_point, value),
            Self::Subid { user, start, count } => {
                let text = &lenient(bytes);
                let own = format!("{start}:{count}");
                let new = match value.and_then(|value| value.split_once(':').filter(|_| value != own)) {
                    None if value.is_some() => table::subid_add(text, user, *start, *count)?,
                    None => table::subid_remove(text, user, *start, *count),
                    // Undoes a change of an older version, which replaced the user's first range.
                    Some((first, many)) => {
                        let [first, many] = [first, many].map(|n| n.parse().unwrap_or_default());
                        table::subid_add(&table::subid_remove(text, user, *start, *count), user, first, many)?
                    }
                };
                Ok(edit::bytes(&new))
            }
        }
    }

    /// The section and the key of an entry that WSL reads.
    #[must_use]
    pub fn place(&self) -> Option<(&str, &str)> {
        match self {
            Self::WslConf { section, key, .. } | Self::Wslconfig { section, key, .. } => Some((section, key)),
            Self::KernelParams { .. } => Some(KERNEL),
            _ => None,
        }
    }

    /// The bytes as WSL reads the file of this edit.
    fn parse(&self, bytes: &[u8]) -> Document {
        match self {
            Self::Wslconfig { .. } | Self::KernelParams { .. } => Document::parse(bytes, Dialect::WslConfig),
            Self::WslConf { grammar, .. } | Self::DropSection { grammar, .. } | Self::Repair { grammar } => {
                Document::parse_as(bytes, Dialect::WslConf, *grammar)
            }
            _ => Document::parse(bytes, Dialect::WslConf),
        }
    }

    /// How its file is shown.
    #[must_use]
    pub fn form(&self) -> Form {
        match self {
            Self::WslConf { .. } | Self::DropSection { .. } | Self::Repair { .. } => Form::WslConf,
            Self::Wslconfig { .. } | Self::KernelParams { .. } => Form::WslConfig,
            Self::Toml { .. } => Form::Toml,
            Self::Fstab { .. } => Form::Fstab,
            Self::Subid { .. } => Form::Subid,
        }
    }

    /// Whether taking out only our part, when others wrote to the file since, is possible.
    pub(super) fn is_reversible(&self) -> bool {
        !matches!(self, Self::DropSection { .. } | Self::Repair { .. })
    }
}

fn strs(words: &[String]) -> Vec<&str> {
    words.iter().map(String::as_str).collect()
}

/// An entry with the resolved path of its file, the file, its bytes and the value.
struct CurrentEntry {
    path: Utf8PathBuf,
    file: Option<FileState>,
    bytes: Vec<u8>,
    value: Option<String>,
}

impl EditFile {
    #[must_use]
    pub fn new(path: impl Into<Utf8PathBuf>, edit: Edit, owner: Owner) -> Self {
        Self { path: path.into(), edit, owner }
    }

    fn now(&self, system: &dyn System) -> Result<CurrentEntry, ChangeError> {
        let path = system.resolve(&self.path)?;
        let (file, bytes) = regular(system, &path)?.map_or((None, Vec::new()), |(f, b)| (Some(f), b));
        let value = self.edit.get(&bytes).map_err(|e| self.failed(e))?;
        Ok(CurrentEntry { path, file, bytes, value })
    }

    fn failed(&self, source: EditError) -> ChangeError {
        ChangeError::Edit { path: self.path.clone(), source }
    }

    /// Edits the present file.
    fn edit(
        &self,
        context: &mut Context<'_>,
        edited: impl FnOnce(&[u8]) -> Result<Vec<u8>, EditError>,
    ) -> Result<(), ChangeError> {
        let CurrentEntry { path, file, bytes, .. } = self.now(context.host)?;
        let seen = seen(context.seen);
        // The saved bytes are those of the expected file: an edit of another file could not be undone.
        if seen != Expected::Anything
            && seen != file.as_ref().map_or(Expected::Nothing, |f| Expected::File(&f.sha256))
        {
            return Err(HostError::ConcurrentModification(path).into());
        }
        let new = edited(&bytes).map_err(|e| self.failed(e))?;
        if file.is_some() && new == bytes {
            return Ok(());
        }
        let (mode, ids) =
            file.map_or((0o644, context.host.resolve_owner(self.owner)), |f| (f.mode, (f.uid, f.gid)));
        context.host.replace_if(seen, &path, mode, ids, self.owner, |sink| write_all(sink, &new, &path))?;
        context.host.remember(&path, &new);
        Ok(())
    }
}

impl Primitive for EditFile {
    fn target(&self) -> Target {
        let set = |section: &str, key: &str, value: &Option<String>| match value {
            Some(value) => format!("[{section}] {key} = {value}"),
            None => format!("[{section}] {key} removed"),
        };
        let detail = match &self.edit {
            Edit::WslConf { section, key, value, .. } | Edit::Wslconfig { section, key, value } => {
                set(section, key, value)
            }
            Edit::KernelParams { params } => {
                format!("[wsl2] kernelCommandLine contains {}", params.join(" "))
            }
            Edit::DropSection { section, .. } => format!("[{section}] removed: WSL ignores it here"),
            Edit::Repair { .. } => "lines at which WSL stops reading commented out".to_owned(),
            Edit::Toml { path, value } => {
                let (key, tables) =
                    path.split_last().map_or((String::new(), ""), |(k, t)| (t.join("."), k.as_str()));
                format!("[{key}] {tables} = {value}")
            }
            Edit::Fstab { line, .. } => line.clone(),
            Edit::Subid { user, start, count } => format!("{user}:{start}:{count}"),
        };
        Target { verb: "edit".to_owned(), object: self.path.to_string(), detail }
    }

    fn current(&self, system: &dyn System) -> Result<State, ChangeError> {
        let CurrentEntry { file, value, .. } = self.now(system)?;
        Ok(State::Entry { file, value })
    }

    fn desired(&self, system: &dyn System) -> Result<Desired, ChangeError> {
        let CurrentEntry { path, file, bytes, value: now } = self.now(system)?;
        let value = self.edit.goal(now.as_deref());
        let new = if value == now {
            bytes
        } else {
            self.edit.add(&bytes, value.as_deref()).map_err(|e| self.failed(e))?
        };
        let (mode, (uid, gid)) =
            file.map_or((0o644, system.resolve_owner(self.owner)), |f| (f.mode, (f.uid, f.gid)));
        let file = FileState { path: path.clone(), sha256: digest(&new), mode, uid, gid };
        Ok(Desired { state: State::Entry { file: Some(file), value }, bytes: Some((path, new)) })
    }

    fn set(&self, context: &mut Context<'_>, to: &State, applied: Option<&State>) -> Result<(), ChangeError> {
        let State::Entry { file: to_file, value } = to else {
            return Err(ChangeError::Mismatch(self.target().to_string()));
        };
        let Some(applied) = applied else {
            return self.edit(context, |bytes| self.edit.add(bytes, value.as_deref()));
        };
        let State::Entry { file: applied_file, .. } = applied else {
            return Err(ChangeError::Mismatch(self.target().to_string()));
        };
        let CurrentEntry { path, file, .. } = self.now(context.host)?;
        let untouched = file.as_ref().map(|f| &f.sha256) == applied_file.as_ref().map(|f| &f.sha256);
        if untouched || !self.edit.is_reversible() {
            return restore(context, &path, to_file.as_ref(), self.owner);
        }
        let before = match to_file {
            Some(file) => saved(context.host, file).ok(),
            None => Some(Vec::new()),
        };
        self.edit(context, |bytes| self.edit.undo_all(bytes, value.as_deref(), before.as_deref()))
    }

    fn has_leftovers(&self, system: &dyn System) -> bool {
        let now = self.now(system);
        self.edit.is_reversible() && now.is_ok_and(|now| self.edit.has_orphaned_note(&now.bytes))
    }

    fn can_revert_partially(&self, now: &State, applied: &State) -> bool {
        let bytes = |state: &State| match state {
            State::Entry { file, .. } => file.as_ref().map(|f| f.sha256.clone()),
            _ => None,
        };
        self.edit.is_reversible() || bytes(now) == bytes(applied)
    }

    fn satisfies(&self, now: &State, wanted: &State) -> bool {
        match (now, wanted) {
            (State::Entry { value: now, .. }, State::Entry { value: wanted, .. }) => now == wanted,
            _ => false,
        }
    }

    fn created_path(&self) -> Option<(&Utf8Path, Owner)> {
        Some((&self.path, self.owner))
    }
}
