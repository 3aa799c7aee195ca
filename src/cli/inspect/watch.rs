//! `inspect --watch`: the same table, refreshed.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use camino::Utf8PathBuf;

use super::{Inspect, Snapshot};
use crate::cli::session::Session;
use crate::error::Failure;
use crate::host::{Account, accounts};
use crate::inspect::Inspection;
use crate::inspect::view::{Options, Row, RowKind};
use crate::provider::Provider;
use crate::ui::live::{Key, Live};
use crate::ui::{DIM, cgroups, shorten, styled};

const REFRESH_INTERVAL: Duration = Duration::from_secs(2);

struct Watch<'w> {
    session: &'w Session,
    provider: Provider,
    cluster: Option<&'w str>,
    snapshot: Snapshot,
    accounts: Vec<Account>,
    options: Options,
    /// The cgroup at the cursor.
    cursor: Option<Utf8PathBuf>,
    top: usize,
    /// The processor time of each cgroup in the previous reading, and the time of that reading.
    previous: Option<(Instant, HashMap<Utf8PathBuf, u64>)>,
}

/// Draws until the user quits.
pub(super) fn run(
    flags: &Inspect,
    session: &Session,
    provider: Provider,
    snapshot: Snapshot,
) -> Result<(), Failure> {
    let live =
        Live::begin().map_err(|e| Failure::new(format!("cannot use this terminal: {e}"), None::<String>))?;
    let Some(mut live) = live else {
        let hint = "omit `--watch` to print once; use `--json` in programs";
        return Err(Failure::usage("`--watch` needs a terminal", hint));
    };
    let stop = Session::stop();
    let accounts = accounts(&session.host);
    let mut watch = Watch {
        session,
        provider,
        cluster: flags.cluster.as_deref(),
        snapshot,
        accounts,
        options: flags.options(),
        cursor: None,
        top: 0,
        previous: None,
    };
    watch.measure();
    let mut next = Instant::now() + REFRESH_INTERVAL;
    while !stop.load(std::sync::atomic::Ordering::Relaxed) {
        let (height, width) = live.size();
        let rows = watch.rows();
        let (screen, chosen) = watch.draw(&rows, height, width);
        live.draw(&screen, Some(chosen));
        let left = next.saturating_duration_since(Instant::now());
        match live.key(left) {
            Some(Key::End | Key::Char('q')) => break,
            Some(key) => watch.press(key, &rows, height),
            None => {}
        }
        if Instant::now() >= next {
            watch.refresh();
            next = Instant::now() + REFRESH_INTERVAL;
        }
    }
    Ok(())
}

impl Watch<'_> {
    /// Reads the tree again. Queries the provider only if the user presses its key.
    fn refresh(&mut self) {
        let nodes = std::mem::replace(&mut self.snapshot.inspection.nodes, Ok(Vec::new()));
        self.snapshot.inspection = Inspection::new(&self.session.host, &self.session.user, nodes);
        self.measure();
    }

    /// Computes the percent of a processor since the previous reading.
    fn measure(&mut self) {
        let Some(tree) = &mut self.snapshot.inspection.tree else { return };
        let now = Instant::now();
        let mut used = HashMap::new();
        for cgroup in &mut tree.cgroups {
            used.insert(cgroup.path.clone(), cgroup.cpu.usage_usec);
            let Some((then, previous)) = &self.previous else { continue };
            let previous =
                previous.get(&cgroup.path).and_then(|usec| cgroup.cpu.usage_usec.checked_sub(*usec));
            #[allow(clippy::cast_precision_loss, reason = "a tenth of a percent is shown")]
            let percent = |usec: u64| usec as f64 / now.duration_since(*then).as_secs_f64() / 1e4;
            cgroup.cpu.percent = previous.map(percent);
        }
        self.previous = Some((now, used));
    }

    fn rows(&self) -> Vec<Row> {
        self.snapshot.view(&self.accounts).map(|view| view.rows(&self.options)).unwrap_or_default()
    }

    /// The heading, as much of the table as fits around the cursor, and the keys; and the number of the line that the
    /// cursor is on.
    fn draw(&mut self, rows: &[Row], height: usize, width: usize) -> (Vec<String>, usize) {
        let mut screen =
            self.snapshot.heading(self.session, self.provider, self.options.cgroups, Some(width));
        // A row may be wrapped: the lines before the cursor are counted.
        let at = self.position(rows);
        let before = cgroups::table(&rows[..at], Some(width)).len();
        let mut table = cgroups::table(rows, Some(width)).into_iter();
        screen.extend(table.next());
        let room = height.saturating_sub(screen.len() + 1).max(1);
        let cursor = before.saturating_sub(1);
        self.top = self.top.clamp((cursor + 1).saturating_sub(room), cursor);
        let chosen = screen.len() + cursor - self.top;
        screen.extend(table.skip(self.top).take(room));
        screen.resize(height.saturating_sub(1).max(1), String::new());
        let sort = self.options.sort.name();
        let keys =
            format!("q quit  j/k move  space fold  s sort: {sort}  p procs  c cgroups  a all  r names");
        screen.push(styled(DIM, &shorten(&keys, width)));
        (screen, chosen)
    }

    fn path(&self, row: &Row) -> Option<Utf8PathBuf> {
        let RowKind::Cgroup(at) = row.kind else { return None };
        self.snapshot.inspection.tree.as_ref().map(|tree| tree.cgroups[at].path.clone())
    }

    /// The row that the cursor is on; the first if its cgroup no longer exists.
    fn position(&self, rows: &[Row]) -> usize {
        let Some(cursor) = &self.cursor else { return 0 };
        rows.iter().position(|row| self.path(row).as_ref() == Some(cursor)).unwrap_or(0)
    }

    fn press(&mut self, key: Key, rows: &[Row], height: usize) {
        let at = self.position(rows);
        let is_cgroup = |number: &usize| matches!(rows[*number].kind, RowKind::Cgroup(_));
        let up = |count: usize| (0..at).rev().filter(is_cgroup).take(count).last();
        let down = |count: usize| (at + 1..rows.len()).filter(is_cgroup).take(count).last();
        let to = match key {
            Key::Up | Key::Char('k') => up(1),
            Key::Down | Key::Char('j') => down(1),
            Key::PageUp => up(height / 2),
            Key::PageDown => down(height / 2),
            other => {
                self.command(other, rows.get(at).and_then(|row| self.path(row)));
                None
            }
        };
        if let Some(row) = to.and_then(|to| rows.get(to)) {
            self.cursor = self.path(row);
        }
    }

    /// Folds or unfolds a cgroup; toggles it without `fold`.
    fn fold(&mut self, at: Utf8PathBuf, fold: Option<bool>) {
        let was_folded = self.options.folded.remove(&at);
        if fold.unwrap_or(!was_folded) {
            self.options.folded.insert(at);
        }
    }

    fn command(&mut self, key: Key, at: Option<Utf8PathBuf>) {
        match (key, at) {
            (Key::Char(' ') | Key::Enter, Some(at)) => self.fold(at, None),
            (Key::Left | Key::Char('h'), Some(at)) => self.fold(at, Some(true)),
            (Key::Right | Key::Char('l'), Some(at)) => self.fold(at, Some(false)),
            (Key::Char('s'), _) => self.options.sort = self.options.sort.next(),
            (Key::Char('p'), _) => self.options.processes = !self.options.processes,
            (Key::Char('c'), _) => self.options.cgroups = !self.options.cgroups,
            (Key::Char('a'), _) => self.options.all = !self.options.all,
            (Key::Char('r'), _) => {
                let take = |cluster| Snapshot::take(self.session, self.provider, cluster);
                // If the cluster no longer exists, the others are shown.
                if let Ok(snapshot) = take(self.cluster).or_else(|_| take(None)) {
                    self.snapshot = snapshot;
                }
                self.measure();
            }
            _ => {}
        }
    }
}
