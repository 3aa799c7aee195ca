//! Whether the distribution starts after the plan, and which stage is refused if it does not.

use std::collections::BTreeMap;

use super::{Overlay, Plan, Planned, Verdict};
use crate::boot::{FSTAB, FutureState, Reason, will_it_start};
use crate::change::{Change, ChangeKind, EditFile};
use crate::facts::Facts;
use crate::facts::wsl::WSL_CONF;
use crate::host::System;
use crate::stage::Stage;

/// The stages that must not make their changes, each with the reason.
pub(super) type StartRefused = BTreeMap<&'static str, Reason>;

/// A stage to refuse, with the reason.
pub(super) type Refusal = (&'static str, Reason);

/// The first stage whose changes decide whether the distribution starts, if it does not start with the whole plan: one that
/// changes a file, or else the restart.
pub(super) fn refused(now: &dyn System, then: &Overlay<'_>, facts: &Facts, plan: &Plan) -> Option<Refusal> {
    let edits =
        |change: &Change| matches!(&change.kind, ChangeKind::EditFile(file) if is_read_at_start(file));
    let restarts = |change: &Change| matches!(change.kind, ChangeKind::Restart(_));
    let with =
        |is_one: &dyn Fn(&Change) -> bool| plan.stages.iter().find(|stage| stage.changes.iter().any(is_one));
    let stage = with(&edits).or_else(|| with(&restarts))?;
    let reasons = will_it_start(&FutureState::probe(now, then, facts)).err()?;
    let reason = reasons.into_iter().find(Reason::is_blocking)?;
    Some((stage.id, reason))
}

/// Whether WSL or systemd reads this file when the distribution starts.
fn is_read_at_start(file: &EditFile) -> bool {
    file.path == WSL_CONF || file.path == FSTAB || file.path.file_name() == Some(".wslconfig")
}

/// The stage without its changes.
pub(super) fn refuse(stage: &Stage, reason: &Reason) -> Planned {
    Planned {
        id: stage.id,
        title: stage.title,
        verdict: Verdict::Blocked,
        why: reason.what.clone(),
        hint: Some(reason.way_out.clone()),
        changes: Vec::new(),
        actions: Vec::new(),
        wanted: Vec::new(),
        besides: Vec::new(),
    }
}
