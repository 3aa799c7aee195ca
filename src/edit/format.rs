//! One door to the formats whose entries have a key.

use super::wslconf::Dialect;
use super::{EditError, lines, table, toml, wslconf};

/// How the entries of a file are written and found.
///
/// | format | key | value |
/// | --- | --- | --- |
/// | `Wsl` | section, key | the value as WSL takes it, unescaped |
/// | `Toml` | the path | a TOML value as it would stand in a file: `"text"`, `3`, `["a", "b"]` |
/// | `Fstab` | mount point | the whole line |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// `/etc/wsl.conf` or `.wslconfig`.
    Wsl(Dialect),
    Toml,
    /// `/etc/fstab`.
    Fstab,
}

impl Format {
    /// The value of a key in the bytes of a file.
    ///
    /// # Errors
    /// When the bytes are not of this format, or the key is not one of it.
    pub fn get(self, bytes: &[u8], key: &[&str]) -> Result<Option<String>, EditError> {
        match (self, key) {
            (Self::Wsl(dialect), [section, key]) => wslconf::get(bytes, dialect, section, key),
            (Self::Toml, path) => toml::read(bytes, path),
            (Self::Fstab, [mount_point]) => table::get_fstab(bytes, mount_point),
            _ => Err(self.bad_key(key)),
        }
    }

    /// The bytes of a file with a key set, or with `None` taken out.
    ///
    /// # Errors
    /// When the bytes are not of this format, or the key or value is not one of it, or the edit is refused.
    pub fn put(self, bytes: &[u8], key: &[&str], value: Option<&str>) -> Result<Vec<u8>, EditError> {
        match (self, key) {
            (Self::Wsl(dialect), [section, key]) => wslconf::put(bytes, dialect, section, key, value),
            (Self::Toml, path) => {
                let value = value.map(|text| toml::Value::parse(text, &path.join("."))).transpose()?;
                toml::put(bytes, path, value.as_ref())
            }
            (Self::Fstab, [mount_point]) => table::put_fstab(bytes, mount_point, value),
            _ => Err(self.bad_key(key)),
        }
    }

    /// The line where a key is set, for a person.
    ///
    /// # Errors
    /// Those of [`get`](Self::get).
    pub fn line_of(self, bytes: &[u8], key: &[&str]) -> Result<Option<usize>, EditError> {
        match (self, key) {
            (Self::Wsl(dialect), [section, key]) => {
                Ok(wslconf::Document::parse(bytes, dialect).line_of(section, key))
            }
            (Self::Toml, path) => toml::Reader::of(bytes)?.line_of(path),
            (Self::Fstab, [mount_point]) => {
                Ok(table::fstab_entry(lines::utf8(bytes)?, mount_point).map(|entry| entry.line))
            }
            _ => Err(self.bad_key(key)),
        }
    }

    fn bad_key(self, key: &[&str]) -> EditError {
        let why = match self {
            Self::Wsl(_) => "a section and a key are needed",
            Self::Toml => "a path is needed",
            Self::Fstab => "a mount point is needed",
        };
        EditError::BadKey { key: key.join("."), why }
    }
}
