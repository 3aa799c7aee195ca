//! A cgroup as `inspect --json` prints it; docs/reference/json.md lists the fields.

use camino::Utf8Path;
use serde::Serialize;

use super::notes;
use super::tree::CgroupNode;
use super::view::TreeView;

/// A cgroup and what is below it.
#[derive(Debug, Serialize)]
pub struct CgroupJson<'v> {
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<&'v Utf8Path>,
    name: &'v str,
    #[serde(flatten)]
    cgroup: &'v CgroupNode,
    oom_kills: u64,
    #[serde(skip_serializing_if = "String::is_empty")]
    label: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    remark: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    children: Option<Vec<Self>>,
}

impl TreeView<'_> {
    /// The cgroup at an index with `depth` levels below it, or all.
    #[must_use]
    pub fn json(&self, at: usize, depth: Option<usize>) -> CgroupJson<'_> {
        let cgroup = &self.tree.cgroups[at];
        let notes: Vec<String> =
            notes::of(self.tree, at, self.nodes).into_iter().map(|note| note.text).collect();
        let below = |child| self.json(child, depth.map(|depth| depth - 1));
        CgroupJson {
            path: (at == 0).then_some(&cgroup.path),
            name: cgroup.name(),
            cgroup,
            oom_kills: cgroup.memory_events.oom_kill,
            label: self.label(at),
            remark: notes.join("; "),
            children: (depth != Some(0)).then(|| self.tree.children(at).map(below).collect()),
        }
    }
}
