//! An entry among lines of other authors: added with a comment that names its author, removed without touching other
//! lines.

use super::{Edit, strs};
use crate::edit::{self, EditError, lenient, note, table, toml, without_inserted};

impl Edit {
    /// Whether a comment of kind-wsl remains whose line another program removed.
    pub(super) fn has_orphaned_note(&self, bytes: &[u8]) -> bool {
        let text = if self.place().is_some() { self.parse(bytes).text() } else { lenient(bytes) };
        note::without_orphans(&text) != text
    }

    /// The bytes with the entry set. A new line among those of other authors gets a comment with its author.
    pub(super) fn add(&self, bytes: &[u8], value: Option<&str>) -> Result<Vec<u8>, EditError> {
        let is_new = value.is_some() && self.get(bytes)?.is_none();
        if let (Self::Fstab { mount_point, .. }, Some(value)) = (self, value) {
            return table::add_fstab(bytes, mount_point, value);
        }
        let new = self.put(bytes, value)?;
        if let Some((section, key)) = self.place().filter(|_| is_new) {
            let is_personal = !matches!(self, Self::WslConf { .. });
            if note::is_due(&self.parse(bytes).text(), section, key, is_personal) {
                let mut document = self.parse(&new);
                document.add_note(section, key);
                return Ok(document.to_bytes());
            }
        }
        if let (Self::Toml { path, .. }, true) = (self, is_new)
            && let Some((key, tables)) = path.split_last()
            && note::is_due(&lenient(bytes), &tables.join("."), key, true)
        {
            return toml::noted(&new, &strs(path));
        }
        Ok(new)
    }

    /// The bytes with the entry as before the setup, after other programs wrote to the file. The section that was
    /// added for the key is removed too, unless another program added a line to it, or the file `before` is lost.
    pub(super) fn undo_all(
        &self,
        bytes: &[u8],
        value: Option<&str>,
        before: Option<&[u8]>,
    ) -> Result<Vec<u8>, EditError> {
        if let (Self::Fstab { line, .. }, None, Some(before)) = (self, value, before)
            && let Some(rest) = without_inserted(before, &self.add(before, Some(line))?, bytes)
        {
            return Ok(rest);
        }
        let place = self.place().zip(before);
        let Some(((section, key), before)) = place else {
            let new = lenient(&self.put(bytes, value)?);
            return Ok(edit::bytes(&note::without_orphans(&new)));
        };
        let applied = self.put(before, self.goal(self.get(before)?.as_deref()).as_deref());
        let applied = self.parse(&applied.unwrap_or_default());
        let before = self.parse(before);
        let mut now = self.parse(bytes);
        let own = applied.lines_of(section, key).first().map(|line| line.to_vec());
        let counting = now.lines_of(section, key).first().map(|line| line.to_vec());
        let original = before.lines_of(section, key);
        // Another program removed the line, and an earlier line that had no effect now takes effect.
        if counting != own && counting.is_some_and(|line| original.iter().skip(1).any(|other| *other == line))
        {
            return Ok(bytes.to_vec());
        }
        let own = own.filter(|_| value.is_none());
        let is_out = own.map_or(Ok(false), |line| now.unset_line(section, key, &line))?;
        if !is_out {
            now = self.parse(&self.put(bytes, value)?);
        }
        now.remove_orphaned_notes();
        if value.is_none() && !before.has_section(section) {
            // The key is removed even if its section stays empty.
            let _ = now.remove_added_section(section, &before);
        }
        Ok(now.to_bytes())
    }
}
