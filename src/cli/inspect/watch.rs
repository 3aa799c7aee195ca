//! `inspect --watch`: the same table, drawn again and again.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use camino::Utf8PathBuf;

use super::{Inspect, Look};
use crate::cli::session::Session;
use crate::error::Failure;
use crate::host::{Account, accounts};
use crate::inspect::view::{Kind, Line, Options, Scene};
use crate::inspect::{Inspection, Reader, Tree};
use crate::provider::Provider;
use crate::ui::live::{Key, Live};
use crate::ui::{DIM, cgroups, shorten, styled};

/// How often the tree is read again.
const EVERY: Duration = Duration::from_secs(2);
const KEYS: &str = "↑↓ move  ←→ or space fold  s sort  p processes  a all  r ask for names again  q quit";

/// What is on the screen.
struct Watch<'w> {
    session: &'w Session,
    provider: Provider,
    cluster: Option<&'w str>,
    look: Look,
    accounts: Vec<Account>,
    options: Options,
    /// The cgroup that the cursor is on.
    cursor: Option<Utf8PathBuf>,
    top: usize,
    /// Processor time by path, and when it was read.
    before: Option<(Instant, HashMap<Utf8PathBuf, u64>)>,
    percent: Vec<Option<f64>>,
}

/// Draws until it is told to end.
pub(super) fn run(flags: &Inspect, session: &Session, provider: Provider, look: Look) -> Result<(), Failure> {
    let live =
        Live::begin().map_err(|e| Failure::new(format!("cannot use this terminal: {e}"), None::<String>))?;
    let Some(mut live) = live else {
        let hint = "without `--watch` it is printed once; `--json` is for programs";
        return Err(Failure::usage("`--watch` needs a terminal", hint));
    };
    let stop = Session::stop();
    let accounts = accounts(&session.host);
    let mut watch = Watch {
        session,
        provider,
        cluster: flags.cluster.as_deref(),
        look,
        accounts,
        options: flags.options(),
        cursor: None,
        top: 0,
        before: None,
        percent: Vec::new(),
    };
    watch.measure(Instant::now());
    let mut next = Instant::now() + EVERY;
    while !stop.load(std::sync::atomic::Ordering::Relaxed) {
        let (rows, columns) = live.size();
        let lines = watch.lines();
        let (screen, chosen) = watch.draw(&lines, rows, columns);
        live.draw(&screen, Some(chosen));
        let left = next.saturating_duration_since(Instant::now());
        match live.key(left) {
            Some(Key::End | Key::Char('q')) => break,
            Some(key) => watch.press(key, &lines, rows),
            None => {}
        }
        if Instant::now() >= next {
            watch.again();
            next = Instant::now() + EVERY;
        }
    }
    Ok(())
}

impl Watch<'_> {
    /// Reads the tree again; the provider is asked only when the user says so.
    fn again(&mut self) {
        let nodes = std::mem::replace(&mut self.look.seen.nodes, Ok(Vec::new()));
        self.look.seen = Inspection::probe(&self.session.host, &self.session.user, || nodes);
        self.measure(Instant::now());
    }

    /// Percent of a processor since the last time.
    fn measure(&mut self, now: Instant) {
        let Some(tree) = &self.look.seen.tree else { return };
        let used: HashMap<Utf8PathBuf, u64> =
            (0..tree.cgroups.len()).map(|at| (tree.path_of(at), tree.cgroups[at].cpu.usage_usec)).collect();
        let percent = |at: usize| {
            let (then, before) = self.before.as_ref()?;
            let used = tree.cgroups[at].cpu.usage_usec.checked_sub(*before.get(&tree.path_of(at))?)?;
            #[allow(clippy::cast_precision_loss, reason = "a tenth of a percent is shown")]
            Some(used as f64 / now.duration_since(*then).as_secs_f64() / 1e4)
        };
        self.percent = (0..tree.cgroups.len()).map(percent).collect();
        self.before = Some((now, used));
    }

    fn lines(&self) -> Vec<Line> {
        let Some(tree) = &self.look.seen.tree else { return Vec::new() };
        let nodes = self.look.seen.nodes();
        let scene =
            Scene { tree, nodes, pods: &self.look.pods, accounts: &self.accounts, percent: &self.percent };
        scene.lines(&mut Reader::new(&self.session.host), &self.options)
    }

    /// The heading, as much of the table as fits around the cursor, and the keys; and the number of the line that the
    /// cursor is on.
    fn draw(&mut self, lines: &[Line], rows: usize, columns: usize) -> (Vec<String>, usize) {
        let mut screen = self.look.heading(self.session, self.provider, Some(columns));
        // One line of text may be two of the table; where the cursor is then is found by counting those before.
        let at = self.row(lines);
        let before = cgroups::table(&lines[..at], Some(columns)).len();
        let mut table = cgroups::table(lines, Some(columns)).into_iter();
        screen.extend(table.next());
        let room = rows.saturating_sub(screen.len() + 1).max(1);
        let cursor = before.saturating_sub(1);
        self.top = self.top.clamp((cursor + 1).saturating_sub(room), cursor);
        let chosen = screen.len() + cursor - self.top;
        screen.extend(table.skip(self.top).take(room));
        screen.resize(rows.saturating_sub(1).max(1), String::new());
        let keys = format!("sorted by {}  {KEYS}", self.options.sort.name());
        screen.push(styled(DIM, &shorten(&keys, columns)));
        (screen, chosen)
    }

    fn tree(&self) -> Option<&Tree> {
        self.look.seen.tree.as_ref()
    }

    fn path(&self, line: &Line) -> Option<Utf8PathBuf> {
        let Kind::Cgroup(at) = line.kind else { return None };
        self.tree().map(|tree| tree.path_of(at))
    }

    /// The line that the cursor is on; the first where its cgroup is gone.
    fn row(&self, lines: &[Line]) -> usize {
        let Some(cursor) = &self.cursor else { return 0 };
        lines.iter().position(|line| self.path(line).as_ref() == Some(cursor)).unwrap_or(0)
    }

    fn press(&mut self, key: Key, lines: &[Line], rows: usize) {
        let at = self.row(lines);
        let is_cgroup = |number: &usize| matches!(lines[*number].kind, Kind::Cgroup(_));
        let up = |count: usize| (0..at).rev().filter(is_cgroup).take(count).last();
        let down = |count: usize| (at + 1..lines.len()).filter(is_cgroup).take(count).last();
        let to = match key {
            Key::Up | Key::Char('k') => up(1),
            Key::Down | Key::Char('j') => down(1),
            Key::PageUp => up(rows / 2),
            Key::PageDown => down(rows / 2),
            other => {
                self.command(other, lines.get(at).and_then(|line| self.path(line)));
                None
            }
        };
        if let Some(line) = to.and_then(|to| lines.get(to)) {
            self.cursor = self.path(line);
        }
    }

    /// Closes or opens a cgroup; without a word, the other of the two.
    fn fold(&mut self, at: Utf8PathBuf, closed: Option<bool>) {
        let was_closed = self.options.folded.remove(&at);
        if closed.unwrap_or(!was_closed) {
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
            (Key::Char('a'), _) => self.options.all = !self.options.all,
            (Key::Char('r'), _) => {
                let look = |cluster| Look::at(self.session, self.provider, cluster);
                // A cluster that is gone meanwhile leaves what there is.
                if let Ok(look) = look(self.cluster).or_else(|_| look(None)) {
                    self.look = look;
                }
                self.measure(Instant::now());
            }
            _ => {}
        }
    }
}
