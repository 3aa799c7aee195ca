//! An entry beside the lines of others: added so that it says whose it is, taken out so that nothing of theirs goes.

use super::{Edit, strs};
use crate::edit::{self, EditError, lenient, note, table, toml, without_inserted};

impl Edit {
    /// Whether there is a comment of ours whose line another program removed.
    pub(super) fn has_orphaned_note(&self, bytes: &[u8]) -> bool {
        let text = if self.place().is_some() { self.parse(bytes).text() } else { lenient(bytes) };
        note::without_orphans(&text) != text
    }

    /// The bytes with the entry at the value that we give it: a line that is new among those of others says whose it is.
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

    /// The bytes with the entry as it was before us, where others wrote to the file since. With our key goes the section
    /// that came for it, unless somebody has put something there, or the file as it was `before` is lost.
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
        let ours = applied.lines_of(section, key).first().map(|line| line.to_vec());
        let counting = now.lines_of(section, key).first().map(|line| line.to_vec());
        let theirs = before.lines_of(section, key);
        // Our line is gone, and one counts now that stood there before us without effect.
        if counting != ours && counting.is_some_and(|line| theirs.iter().skip(1).any(|other| *other == line))
        {
            return Ok(bytes.to_vec());
        }
        let ours = ours.filter(|_| value.is_none());
        let is_out = ours.map_or(Ok(false), |line| now.unset_line(section, key, &line))?;
        if !is_out {
            now = self.parse(&self.put(bytes, value)?);
        }
        now.remove_orphaned_notes();
        if value.is_none() && !before.has_section(section) {
            // An empty section is no reason to leave our key where it is.
            let _ = now.remove_added_section(section, &before);
        }
        Ok(now.to_bytes())
    }
}
