//! What `inspect --json` prints; docs/json.md has its fields.

use std::cell::RefCell;

use serde::Serialize;
use serde::ser::{SerializeMap, SerializeSeq, Serializer};

use super::process::Reader;
use super::remark;
use super::view::Scene;

/// A cgroup and what is below it, written as it is walked: ten thousand of them are never held as JSON.
pub struct Below<'s, 'w> {
    /// What is looked at.
    pub scene: &'s Scene<'s>,
    /// Reads its processes.
    pub reader: &'s RefCell<Reader<'w>>,
    /// Which cgroup.
    pub at: usize,
    /// How many levels below are written.
    pub depth: Option<usize>,
}

impl std::fmt::Debug for Below<'_, '_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Below").field("at", &self.at).finish_non_exhaustive()
    }
}

impl Serialize for Below<'_, '_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (tree, cgroup) = (self.scene.tree, &self.scene.tree.cgroups[self.at]);
        let mut map = serializer.serialize_map(None)?;
        if self.at == 0 {
            map.serialize_entry("path", &tree.path)?;
        }
        let name = if self.at == 0 { tree.path.file_name().unwrap_or("/") } else { &cgroup.name };
        map.serialize_entry("name", name)?;
        map.serialize_entry("type", cgroup.kind.name())?;
        map.serialize_entry("offered", &tree.names(cgroup.offered).collect::<Vec<_>>())?;
        map.serialize_entry("enabled", &tree.names(cgroup.enabled).collect::<Vec<_>>())?;
        if let Some(memory) = &cgroup.memory {
            map.serialize_entry("memory", memory)?;
        }
        if let Some(pids) = &cgroup.pids {
            map.serialize_entry("pids", pids)?;
        }
        map.serialize_entry("cpu", &cgroup.cpu)?;
        map.serialize_entry("frozen", &cgroup.frozen)?;
        map.serialize_entry("oom_kills", &cgroup.memory_events.oom_kill)?;
        map.serialize_entry("memory_events", &cgroup.memory_events)?;
        let label = self.scene.label(self.at);
        if !label.is_empty() {
            map.serialize_entry("label", &label)?;
        }
        let remarks = remark::of(tree, self.at, self.scene.nodes);
        if !remarks.is_empty() {
            let text: Vec<String> = remarks.into_iter().map(|remark| remark.text).collect();
            map.serialize_entry("remark", &text.join("; "))?;
        }
        map.serialize_entry("processes", &Processes(self))?;
        if self.depth != Some(0) {
            map.serialize_entry("children", &Children(self))?;
        }
        map.end()
    }
}

struct Processes<'b, 's, 'w>(&'b Below<'s, 'w>);

impl Serialize for Processes<'_, '_, '_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut reader = self.0.reader.borrow_mut();
        let pids = &self.0.scene.tree.cgroups[self.0.at].processes;
        serializer.collect_seq(pids.iter().filter_map(|pid| reader.read(*pid)))
    }
}

struct Children<'b, 's, 'w>(&'b Below<'s, 'w>);

impl Serialize for Children<'_, '_, '_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut children = serializer.serialize_seq(None)?;
        for at in self.0.scene.tree.children(self.0.at) {
            children.serialize_element(&Below {
                at,
                depth: self.0.depth.map(|depth| depth - 1),
                ..*self.0
            })?;
        }
        children.end()
    }
}
