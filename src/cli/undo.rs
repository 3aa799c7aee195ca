//! `kind-wsl undo`: reverts the changes of setup.

mod start;

use std::collections::{BTreeMap, BTreeSet};

use clap::{Args, ValueEnum};
use serde_json::json;

use super::Global;
use super::restart::{Nodes, nodes};
use super::session::{Session, switches};
use crate::change::{ChangeError, RestartScope};
use crate::engine::{
    DriftPolicy, EngineError, Reach, UndoOptions, Undone, Way, preview, refuse_unreachable, shared,
};
use crate::error::{Exit, Failure};
use crate::host::by_name;
use crate::journal::{self, JournalEntry, JournalState};
use crate::stages;
use crate::ui::{self, BOLD, DIM, GREEN, YELLOW, columns, out, render, styled};

/// Stages that a cluster does not need to start.
const HARMLESS: [&str; 9] =
    ["idle", "kubeconfig", "limits", "logon", "modules", "restart", "tools", "user-slice", "verify"];

/// The flags of `undo`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  kind-wsl undo              everything except the packages\n  kind-wsl undo --packages   also remove the packages that kind-wsl installed\n  \
                  kind-wsl undo --all-users  for every user of this machine\n  kind-wsl undo --last       only what the last setup changed\n  kind-wsl undo limits idle  only these stages\n\n\
                  If the distribution does not start, run this in Windows:\n  kind-wsl.exe rescue -d NAME"
)]
#[allow(clippy::struct_excessive_bools, reason = "one per flag")]
pub(crate) struct Undo {
    /// Undo only these stages
    #[arg(value_name = "STAGE")]
    stages: Vec<String>,
    /// Undo only what the last setup changed
    #[arg(long, conflicts_with = "stages")]
    last: bool,
    /// Undo the change with this number and those after it (kind-wsl.exe)
    #[arg(long, value_name = "N", hide = true, conflicts_with_all = ["last", "stages"])]
    since: Option<u64>,
    /// Also remove the packages that kind-wsl installed
    #[arg(long)]
    packages: bool,
    /// Undo for all users, including machine-wide changes
    #[arg(long, conflicts_with_all = ["last", "stages", "safe_mode", "home"])]
    all_users: bool,
    /// Undo only changes in your home directory (no root needed)
    #[arg(long, conflicts_with_all = ["packages", "safe_mode"])]
    home: bool,
    /// In WSL's safe mode, postpone what needs systemd or Windows
    #[arg(long, conflicts_with = "packages")]
    safe_mode: bool,
    /// How to handle files that changed since setup
    #[arg(long, value_enum, default_value_t = OnDrift::Stop, value_name = "HOW")]
    drift: OnDrift,
    /// Do not prompt
    #[arg(short, long)]
    yes: bool,
    /// Show what would be undone and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Print events as JSON lines
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum OnDrift {
    Stop,
    Keep,
    Restore,
}

impl Undo {
    pub(crate) fn run(&self, global: &Global) -> Result<Exit, Failure> {
        for id in &self.stages {
            stages::refuse_unknown(id)?;
        }
        let session = Session::new(global, None)?;
        if !self.safe_mode && !self.home && !self.all_users {
            session.journal_state.refuse_unfinished()?;
        }
        if !journal::exists(&session.host) {
            if self.json {
                ui::json_line(json!({ "event": "end", "undone": 0 }));
            } else {
                out("Nothing to undo: kind-wsl has changed nothing on this machine.");
            }
            return Ok(Exit::Done);
        }
        if self.all_users {
            return self.undo_all_users(global, session);
        }
        let options = self.options(&session);
        if !self.safe_mode {
            let state = &session.journal_state;
            let shared = shared(state, &options);
            let is_chosen =
                |e: &JournalEntry| options.includes(state, e) && !shared.contains_key(&e.intent.id);
            if self.drift != OnDrift::Keep {
                let chosen = state.active().filter(|e| is_chosen(e));
                refuse_unreachable(&session.host, state, options.is_whole(), chosen)?;
            }
            start::refuse_v1(|| session.facts(), state.active(), is_chosen)?;
        }
        if self.dry_run {
            self.show(&session, &options, global.verbose);
            return Ok(Exit::Done);
        }
        if !self.yes && !self.is_agreed(&session, &options, global.verbose)? {
            out("Nothing was changed.");
            return Ok(Exit::Interrupted);
        }
        if self.home && session.host.is_live() && session.host.is_root() {
            return Err(Failure::usage("`--home` is for a user without root", "run it without sudo"));
        }
        if session.host.is_live() && !session.host.is_root() && !self.home {
            let failure = session.become_root(global, self.args(global, &session, &options), None);
            let hint = failure
                .hint
                .map(|hint| format!("{hint}, or revert only what is in your home: `kind-wsl undo --home`"));
            return Err(Failure { hint, ..failure });
        }
        self.work(global, &session, &options)
    }

    fn options(&self, session: &Session) -> UndoOptions {
        let drift = match self.drift {
            OnDrift::Stop => DriftPolicy::Stop,
            OnDrift::Keep => DriftPolicy::Keep,
            OnDrift::Restore => DriftPolicy::Restore,
        };
        let last = || session.journal_state.last_setup(self.packages);
        let since = if self.last { last() } else { self.since };
        let (stages, packages, safe_mode) = (self.stages.clone(), self.packages, self.safe_mode);
        let reach = if self.home { Reach::Home } else { Reach::User };
        UndoOptions { stages, since, packages, drift, safe_mode, reach }
    }

    /// Undoes for one user after the other, then the machine-wide changes.
    fn undo_all_users(&self, global: &Global, mut session: Session) -> Result<Exit, Failure> {
        let users = session.journal_state.users_to_undo();
        if self.dry_run {
            // The files of a user without an account stay.
            let Session { host, journal_state, .. } = &mut session;
            let has_account = |e: &JournalEntry| by_name(host, &e.user).is_some();
            journal_state.entries.retain(|e| e.intent.change.is_machine_wide() || has_account(e));
            let options = UndoOptions { reach: Reach::Everyone, ..self.options(&session) };
            self.show(&session, &options, global.verbose);
            return Ok(Exit::Done);
        }
        let session = &session;
        if !self.yes {
            if self.json || !ui::is_interactive() {
                return Err(Failure::usage("no terminal to confirm the undo", "confirm it with `--yes`"));
            }
            let names = users.iter().map(|user| format!("`{user}`")).collect::<Vec<_>>().join(", ");
            let text = format!("This reverts every change of kind-wsl, for {names}.");
            out(&ui::wrap(&text, ui::width()).join("\n"));
            if !ui::confirm("Proceed?")? {
                out("Nothing was changed.");
                return Ok(Exit::Interrupted);
            }
        }
        if session.host.is_live() && !session.host.is_root() {
            let mut args = self.args(global, session, &self.options(session));
            args.push("--all-users".to_owned());
            return Err(session.become_root(global, args, None));
        }
        let has_account = |user: &&String| by_name(&session.host, user).is_some();
        let users: Vec<&String> = users.iter().filter(has_account).collect();
        for user in &users {
            let session = Session::new(&global.for_user(user), None)?;
            if !self.json {
                out(&styled(BOLD, &format!("\n{user}")));
            }
            match self.work(global, &session, &self.options(&session))? {
                Exit::Done => {}
                other => return Ok(other),
            }
        }
        let last = users.last().map_or("root", |user| user.as_str());
        let session = Session::new(&global.for_user(last), None)?;
        if !session.journal_state.active().any(|e| !session.journal_state.is_made_for(e) || self.packages) {
            return Ok(Exit::Done);
        }
        let options = UndoOptions { reach: Reach::Machine, ..self.options(&session) };
        self.work(global, &session, &options)
    }

    /// Shows the preview and asks for consent.
    fn is_agreed(&self, session: &Session, options: &UndoOptions, verbose: bool) -> Result<bool, Failure> {
        if self.json || !ui::is_interactive() {
            return Err(Failure::usage("no terminal to confirm the undo", "confirm it with `--yes`"));
        }
        self.show(session, options, verbose);
        ui::confirm("Proceed?")
    }

    /// Shows the preview.
    fn show(&self, session: &Session, options: &UndoOptions, verbose: bool) {
        let (count, groups) = preview(&session.host, &session.journal_state, options);
        if self.json {
            let group =
                |(way, objects): (&Way, &Vec<String>)| json!({ "verb": way.verb(), "objects": objects });
            let groups: Vec<_> = groups.iter().map(group).collect();
            ui::json_line(json!({ "event": "preview", "changes": count, "groups": groups }));
            return;
        }
        out(&self.shown(count, &groups, verbose));
        let breaks = |stage: &String| !HARMLESS.contains(&stage.as_str());
        if count > 0 && (self.stages.is_empty() || self.stages.iter().any(breaks)) {
            let nodes = nodes(session, Nodes::All);
            let clusters = clusters(&nodes);
            if !clusters.is_empty() {
                let plural = if clusters.len() == 1 { ("", "s") } else { ("s", "") };
                let names = clusters.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
                let text =
                    format!("cluster{} {names} exist{} and will not start afterwards", plural.0, plural.1);
                out(&columns(&[("Warning: ", 9, YELLOW)], &text, ui::width()));
            }
        }
        if self.dry_run {
            let all = if self.all_users { " --all-users" } else { "" };
            out(&format!("\nNothing was changed. Undo it: kind-wsl undo{all}"));
        }
    }

    /// The preview in groups; with `-v` every object.
    fn shown(&self, count: usize, groups: &BTreeMap<Way, Vec<String>>, verbose: bool) -> String {
        let plural = if count == 1 { "" } else { "s" };
        let mut lines = vec![format!("This will revert {count} change{plural}:")];
        for (way, objects) in groups {
            let (note, packages) = match (way, self.drift) {
                (Way::Keep, _) => (" (`--packages` removes them)", true),
                (Way::KeepShared, _) => (": other users rely on this", false),
                (Way::Remove, _) => ("", true),
                (Way::Drifted, OnDrift::Stop) => (": changed by another program; see `--drift`", false),
                (Way::Drifted, OnDrift::Keep) => (": changed by another program; will be kept", false),
                (Way::Drifted, OnDrift::Restore) => (": changed by another program; will be restored", false),
                _ => ("", false),
            };
            let names: Vec<String> = if self.all_users && !packages {
                // `~` would be one user's home.
                objects.clone()
            } else if packages {
                objects.iter().flat_map(|o| o.split(", ")).filter(|n| !n.is_empty()).map(Into::into).collect()
            } else {
                objects.iter().map(|object| ui::short_paths(object)).collect()
            };
            let plural = if names.len() == 1 { "" } else { "s" };
            let (before, after) = if packages {
                (format!("{} package{plural}{note}: ", names.len()), "")
            } else {
                (String::new(), note)
            };
            let room = ui::width().map(|width| width.saturating_sub(11 + before.len() + after.len()));
            let text = ui::list(&names, room.filter(|_| !verbose));
            let text = format!("{before}{text}{after}");
            lines.push(columns(&[("  ", 2, DIM), (way.verb(), 9, BOLD)], &text, ui::width()));
        }
        lines.join("\n")
    }

    fn args(&self, global: &Global, session: &Session, options: &UndoOptions) -> Vec<String> {
        let mut args = vec!["undo".to_owned(), "--yes".to_owned(), format!("--user={}", session.user.name)];
        args.extend(self.stages.iter().cloned());
        args.extend(options.since.map(|since| format!("--since={since}")));
        if let Some(drift) = self.drift.to_possible_value() {
            args.push(format!("--drift={}", drift.get_name()));
        }
        let own = [("--packages", self.packages), ("--safe-mode", self.safe_mode), ("--json", self.json)];
        args.extend(switches(global, &own));
        args
    }

    fn work(&self, global: &Global, session: &Session, options: &UndoOptions) -> Result<Exit, Failure> {
        let reporter = ui::reporter(self.json, global.verbose, global.quiet);
        let result = session.with_local_engine(reporter, |engine| engine.undo(options));
        let shown = result.inspect_err(|error| {
            if let EngineError::Drift(drift) = error
                && let (Some(left), Some(now)) = (&drift.left, &drift.now)
            {
                // Single values have no final newline; the diff must not report that.
                let end = if left.contains('\n') || now.contains('\n') { "" } else { "\n" };
                out(&render::lines(&format!("{left}{end}"), &format!("{now}{end}")));
            }
        });
        let undone = shown.map_err(|error| failure(error, session, options))?;
        Ok(self.end(session, &undone))
    }

    fn end(&self, session: &Session, undone: &Undone) -> Exit {
        if self.json {
            ui::json_line(
                json!({ "event": "end", "undone": undone.changes, "kept": undone.kept, "left": undone.left, "restart": undone.restart }),
            );
        } else {
            let text = match undone.changes {
                0 => "Nothing to revert.".to_owned(),
                1 => "1 change was reverted.".to_owned(),
                count => format!("{count} changes were reverted."),
            };
            out(&styled(GREEN.bold(), &format!("\n{text}")));
            if !undone.kept_for.is_empty() {
                let users: Vec<String> = undone.kept_for.iter().map(|user| format!("`{user}`")).collect();
                let text = format!(
                    "Changes to the machine stay, because {} {} on them.",
                    users.join(" and "),
                    if users.len() == 1 { "relies" } else { "rely" }
                );
                out(&ui::wrap(&text, ui::width()).join("\n"));
            }
            if undone.kept_packages {
                out("The packages stay installed. To remove them: kind-wsl undo --packages");
            }
            let facts = session.facts();
            let scope = undone.restart.and_then(RestartScope::of_wsl).filter(|_| facts.wsl.is_two());
            let command = scope.map(|scope| scope.stop_command(facts.wsl.distro()));
            if !undone.left.is_empty() {
                let rest = undone.left.join(", ");
                out(&columns(&[("Postponed: ", 11, YELLOW)], &rest, ui::width()));
                out("To undo the rest once the distribution starts: kind-wsl undo");
            }
            // In safe mode, the distribution restarts next anyway.
            if undone.restart.is_some() && !self.safe_mode {
                let (heading, command) = match command {
                    Some(command) => {
                        ("The old settings take effect after a restart. In PowerShell:", command)
                    }
                    None => ("The old settings take effect after a restart:", "sudo reboot".to_owned()),
                };
                out(&format!("{}\n  {command}", styled(YELLOW, heading)));
            }
            if undone.interrupted {
                out("The undo was interrupted. To resume it: kind-wsl undo");
            }
        }
        match undone {
            Undone { interrupted: true, .. } => Exit::Interrupted,
            Undone { left, .. } if !left.is_empty() => Exit::Restart,
            _ => Exit::Done,
        }
    }
}

/// The clusters of these nodes: kind names the first node of each CLUSTER-control-plane.
fn clusters(nodes: &[String]) -> BTreeSet<&str> {
    nodes.iter().filter_map(|node| node.strip_suffix("-control-plane")).collect()
}

/// Adds the number of reverted changes to a failure: they stay reverted.
fn failure(error: EngineError, session: &Session, options: &UndoOptions) -> Failure {
    let stays = match &error {
        EngineError::Change { source, .. } => matches!(**source, ChangeError::Host(_)),
        EngineError::Trigger(_) => true,
        _ => false,
    };
    if !stays {
        return error.into();
    }
    let left = |state: &JournalState| state.active().filter(|e| options.includes(state, e)).count();
    let all = left(&session.journal_state);
    let mut now = journal::read(&session.host).unwrap_or_default();
    now.view_as(&session.user.name);
    let reverted = all.saturating_sub(left(&now));
    let count =
        format!("{reverted} of {all} changes {} reverted.", if reverted == 1 { "was" } else { "were" });
    Failure { after: Some(format!("{count} Resume: kind-wsl undo")), ..error.into() }
}
