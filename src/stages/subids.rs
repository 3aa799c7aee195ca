//! Sub-ids for the user.

use crate::change::{Change, Edit, Entry};
use crate::facts::Facts;
use crate::facts::user::SUBIDS;
use crate::host::Owner;
use crate::stage::{Answers, Need, Stage};

pub(super) static STAGE: Stage = Stage {
    id: "subids",
    title: "sub-ids for the user",
    from: "beyond the guide",
    why: "A rootless container has users of its own; they are made from ids that /etc/subuid and /etc/subgid give to \
          the user. useradd does so by itself, but users of imported distributions often lack a range, and podman \
          then stops with `newuidmap: write to uid_map failed` (podman#2788, #12637). 65536 ids are given, where no \
          other user's range is.",
    questions: &[],
    needed,
    changes,
    checks: &[],
};

fn needed(facts: &Facts, _: &Answers) -> Need {
    let (name, ids) = (&facts.user.name, &facts.subids);
    if facts.user.uid == 0 {
        return Need::blocked("the user would be root, and rootless containers need an ordinary user", "name one: `--user NAME`");
    }
    if ids.uids >= SUBIDS && ids.gids >= SUBIDS {
        return Need::satisfied(format!("`{name}` has {} user and {} group sub-ids", ids.uids, ids.gids));
    }
    Need::needed(format!("`{name}` has {} user and {} group sub-ids, and needs {SUBIDS}", ids.uids, ids.gids))
}

fn changes(facts: &Facts, _: &Answers) -> Vec<Change> {
    let entry = |path: &str| {
        let edit = Edit::Subid { user: facts.user.name.clone(), start: facts.subids.free, count: SUBIDS };
        Change::Entry(Entry { path: path.into(), edit, owner: Owner::Root, follow: None, restart: None })
    };
    let short = [("/etc/subuid", facts.subids.uids), ("/etc/subgid", facts.subids.gids)];
    short.into_iter().filter(|(_, count)| *count < SUBIDS).map(|(path, _)| entry(path)).collect()
}
