//! Subordinate IDs for the user.

use crate::change::{Change, Edit, EditFile};
use crate::facts::Facts;
use crate::facts::subids::{Obstacle, SUBIDS};
use crate::host::Owner;
use crate::stage::{Answers, Applicability, Stage};

pub(crate) static STAGE: Stage = Stage {
    id: "subids",
    title: "add subordinate IDs",
    from: "kind-wsl",
    why: "A rootless container has its own users. Their IDs come from the ranges that /etc/subuid and /etc/subgid give \
          the user. useradd adds ranges, but users of imported distributions often have none, and podman then fails \
          with `newuidmap: write to uid_map failed` (podman#2788, #12637). A range of 65536 IDs is added, more if \
          SUB_UID_COUNT in /etc/login.defs is higher. It lies between SUB_UID_MIN and SUB_UID_MAX and contains no ID of \
          an account or group and no ID of another range. Existing ranges stay as they are.",
    questions: &[],
    needed,
    changes,
};

fn needed(facts: &Facts, _: &Answers) -> Applicability {
    let (name, ids) = (&facts.user.name, &facts.subids);
    if facts.user.uid == 0 {
        return Applicability::blocked(
            "cannot set up for root: rootless containers need a regular user",
            "specify a user: `--user NAME`",
        );
    }
    let found =
        format!("`{name}` has {} subordinate user IDs and {} subordinate group IDs", ids.uids, ids.gids);
    if ids.uids >= SUBIDS && ids.gids >= SUBIDS {
        return Applicability::satisfied(found);
    }
    let found = format!("{found}; rootless containers need {SUBIDS}");
    match &ids.obstacle {
        None => Applicability::needed(found),
        Some(Obstacle::Source { name: source }) => Applicability::blocked(
            format!("{found}. They come from `{source}` (/etc/nsswitch.conf, `subid`), not from /etc/subuid"),
            format!(
                "have the administrator of `{source}` assign {SUBIDS} IDs to `{name}`; `getsubids {name}` shows them"
            ),
        ),
        Some(Obstacle::Unlisted { command }) => Applicability::blocked(
            format!("{found}. `{command}` failed, so IDs of other accounts cannot be ruled out"),
            format!("run `{command}` to see why it fails, then run the same command again"),
        ),
        Some(Obstacle::Full) => Applicability::blocked(
            format!(
                "{found}. No {SUBIDS} IDs in a row are free between SUB_UID_MIN and SUB_UID_MAX of /etc/login.defs"
            ),
            "raise SUB_UID_MAX and SUB_GID_MAX in /etc/login.defs, or remove unused ranges from /etc/subuid and /etc/subgid",
        ),
    }
}

fn changes(facts: &Facts, _: &Answers) -> Vec<Change> {
    let entry = |(path, range): (&str, Option<(u32, u32)>)| {
        let (start, count) = range?;
        let edit = Edit::Subid { user: facts.user.name.clone(), start, count };
        Some(EditFile::new(path, edit, Owner::Root).into())
    };
    [("/etc/subuid", facts.subids.new_uids), ("/etc/subgid", facts.subids.new_gids)]
        .into_iter()
        .filter_map(entry)
        .collect()
}
