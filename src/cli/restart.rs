//! The restart during a setup: what it stops, the consent to that, the program that restarts WSL, and the messages.

mod hands;
mod nodes;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use camino::Utf8PathBuf;
use serde_json::json;

use super::session::Session;
use crate::change::RestartScope;
use crate::compat::COMPAT;
use crate::engine::PendingRestart;
use crate::error::{Exit, Failure};
use crate::facts::Facts;
use crate::host::{Cmd, System};
use crate::inspect::node;
use crate::journal::{self, JournalEntry};
use crate::provider::docker_host;
use crate::stage::Answers;
use crate::stages::restart::RESTART_ALL;
use crate::ui::{self, CYAN, DIM, YELLOW, err, out, styled};
use crate::windows::{self, Driver, Interop};

/// The interval at which the result of the helper is read while this session waits to be stopped.
const TICK: Duration = Duration::from_millis(500);
/// The number of readings. The helper's own timeouts (windows/README.md) are shorter.
const TICKS: u32 = 600;

/// Other distributions and kind nodes that the restart would stop.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Bystanders {
    others: Vec<String>,
    nodes: Vec<String>,
    /// Running distributions that it would not stop.
    kept: Vec<String>,
}

impl Bystanders {
    /// Lists the running distributions and nodes.
    pub(crate) fn of(session: &Session, facts: &Facts, scope: RestartScope) -> Self {
        let own = facts.wsl.distro();
        let running = || {
            Interop::new(&session.host, &session.user)
                .and_then(|interop| interop.running())
                .unwrap_or_default()
        };
        let mut others = match (scope, Driver::probe(&session.host)) {
            (RestartScope::Machine, _) => Vec::new(),
            (_, Some(driver)) => driver.others,
            (_, None) => running(),
        };
        others.retain(|name| !name.eq_ignore_ascii_case(own));
        let (others, kept) =
            if scope == RestartScope::Distro { (Vec::new(), others) } else { (others, Vec::new()) };
        let mut all = nodes(session, Nodes::Running);
        all.extend(nodes::of_others(&session.host, session.user.uid));
        Self { others, nodes: all, kept }
    }

    fn is_empty(&self) -> bool {
        self.others.is_empty() && self.nodes.is_empty()
    }

    fn name(&self) -> String {
        let named = |what: &str, names: &[String]| {
            let plural = if names.len() == 1 { "" } else { "s" };
            (!names.is_empty()).then(|| format!("the {what}{plural} {}", names.join(", ")))
        };
        let both = [named("running distribution", &self.others), named("kind node", &self.nodes)];
        both.into_iter().flatten().collect::<Vec<_>>().join(" and ")
    }

    /// Whether the restart may stop them: answered before, or asked now. `None` if there is no terminal to ask on.
    ///
    /// # Errors
    /// If the prompt is canceled.
    pub(crate) fn agreed(&self, answers: &mut Answers, may_ask: bool) -> Result<Option<bool>, Failure> {
        if self.is_empty() {
            return Ok(Some(true));
        }
        match answers.get(&RESTART_ALL) {
            Some(answer) => return Ok(Some(answer == "yes")),
            None if !may_ask || !ui::is_interactive() => return Ok(None),
            None => {}
        }
        let text = format!("The restart also stops {}.", self.name());
        out(&ui::wrap(&text, ui::width()).join("\n"));
        let yes = ui::confirm("Restart WSL anyway?")?;
        answers.set(RESTART_ALL.id, if yes { "yes" } else { "no" }.to_owned());
        Ok(Some(yes))
    }
}

/// Selects nodes of kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Nodes {
    Running,
    /// Running and stopped nodes.
    All,
}

/// Lists the nodes of kind. Queries a provider only if it has been used before: podman's first command chooses its storage
/// driver.
pub(super) fn nodes(session: &Session, which: Nodes) -> Vec<String> {
    let storage = session.user.home.join(".local/share/containers/storage");
    let own = format!("{}/docker.sock", session.user.runtime_dir());
    let asked = [
        ("podman", storage.as_str(), None),
        ("docker", "/run/docker.sock", None),
        ("docker", own.as_str(), Some(docker_host(&session.user))),
    ];
    let label = format!("label={}", node::CLUSTER);
    let all = (which == Nodes::All).then_some("--all");
    let list = ["ps"].into_iter().chain(all).chain(["--filter", &label, "--format", "{{.Names}}"]);
    let list: Vec<&str> = list.collect();
    let is_used = |(_, sign, _): &(_, &str, _)| session.host.exists(sign);
    let nodes = asked.into_iter().filter(is_used).filter_map(|(provider, _, address)| {
        let cmd =
            Cmd::new(provider, list.iter().copied()).as_user(&session.user).timeout(Duration::from_secs(10));
        let to = |cmd: Cmd, address: String| cmd.with_env("DOCKER_HOST", &address);
        session.host.stdout_if_ok(&address.into_iter().fold(cmd, to))
    });
    nodes.flat_map(|stdout| stdout.lines().map(ToOwned::to_owned).collect::<Vec<_>>()).collect()
}

enum By {
    /// `kind-wsl.exe`, which started this program and reads its exit code.
    Driver,
    /// The helper, which waits for a signal file.
    Helper {
        place: Utf8PathBuf,
        log: String,
        /// The command to run in Windows if the distribution no longer starts.
        rescue: Option<String>,
    },
    /// A window of the Windows command prompt.
    Prompt,
}

/// A restart that a run requires.
pub(crate) struct Restarting<'r> {
    pub(crate) session: &'r Session,
    pub(crate) facts: &'r Facts,
    pub(crate) answers: &'r Answers,
    pub(crate) awaited: &'r PendingRestart,
    /// `--no-restart`, or this run was started by a restart: it must not start another one.
    pub(crate) by_hand: bool,
    /// Whether a person may be asked.
    pub(crate) may_ask: bool,
    pub(crate) json: bool,
}

impl Restarting<'_> {
    /// Restarts WSL, or shows the commands for it.
    pub(crate) fn act(&self, stop: &AtomicBool) -> Result<Exit, Failure> {
        let scope = self.awaited.scope.of_wsl().filter(|_| !self.by_hand && self.facts.wsl.is_two());
        let bystanders = scope.map(|_| Bystanders::of(self.session, self.facts, self.awaited.scope));
        if !self.json {
            out(&self.reason(bystanders.as_ref()));
        }
        let handed = match (scope, &bystanders) {
            (Some(scope), Some(bystanders)) => self.hand_over(scope, bystanders),
            _ => Err(None),
        };
        if self.json {
            let by = match &handed {
                Ok(By::Driver) => "driver",
                Ok(By::Helper { .. }) => "helper",
                Ok(By::Prompt) => "prompt",
                Err(_) => "nobody",
            };
            ui::json_line(json!({
                "event": "restart", "scope": self.awaited.scope, "why": self.awaited.why, "again": self.awaited.again, "id": self.awaited.id, "by": by, "changed": self.awaited.changed
            }));
        }
        match handed {
            Err(why) => {
                if let Some(why) = why {
                    self.say(&format!("Automatic restart is not available: {why}."));
                }
                self.say_lines("Run this in PowerShell; setup then finishes by itself:");
            }
            Ok(By::Driver) => self.say("kind-wsl.exe restarts WSL now."),
            Ok(By::Prompt) => {
                self.say("A new window restarts WSL and finishes setup.");
                self.say_lines("If none opens, run this in PowerShell:");
            }
            Ok(By::Helper { place, log, rescue }) => {
                self.say("WSL stops now, and this terminal closes. A new window opens and finishes setup.");
                self.say_lines("If none opens within a minute, run this in PowerShell:");
                self.say(&format!("Log: {log}"));
                if let Some(command) = rescue {
                    let name = self.facts.wsl.distro();
                    self.say(&format!("If {name} no longer starts, run this in PowerShell:"));
                    self.say_commands(&[command]);
                }
                windows::signal_ready(&self.session.host, &place, &self.awaited.id, &self.session.user)?;
                self.wait(&place, stop);
            }
        }
        Ok(Exit::Restart)
    }

    fn say(&self, text: &str) {
        if !self.json {
            out(&ui::wrap(text, ui::width()).join("\n"));
        }
    }

    /// Prints commands without wrapping, so that they can be copied.
    fn say_commands(&self, commands: &[String]) {
        for command in commands.iter().filter(|_| !self.json) {
            out(&styled(CYAN, &format!("  {command}")));
        }
    }

    /// Waits until WSL stops this program, or until the helper reports a failure.
    fn wait(&self, place: &Utf8PathBuf, stop: &AtomicBool) {
        for _ in 0..TICKS {
            if stop.load(Ordering::Relaxed) {
                return;
            }
            let outcome =
                windows::read_result(&self.session.host, std::slice::from_ref(place), &self.awaited.id);
            if let Some(outcome) = outcome.filter(windows::RestartResult::is_final) {
                err(&format!("The restart did not happen: {}.", windows::describe(&outcome)));
                return;
            }
            self.session.host.pause(TICK);
        }
        err("The restart did not happen: the helper stopped responding.");
    }

    /// The stages that wait for the restart, and what it stops.
    fn reason(&self, bystanders: Option<&Bystanders>) -> String {
        let what = match self.awaited.scope {
            RestartScope::Machine => "The machine",
            RestartScope::Distro | RestartScope::Vm => "WSL",
        };
        let state = match self.awaited.again {
            _ if self.awaited.partial => {
                "Only this distribution was restarted. WSL as a whole must restart to apply".to_owned()
            }
            true => format!("{what} was not restarted yet. It must restart to apply"),
            false => format!("{what} must restart to apply"),
        };
        let last =
            || windows::read_result(&self.session.host, &self.session.journal_state.places, &self.awaited.id);
        let last = self.awaited.again.then(last).flatten();
        let text = format!("{state}: {}", self.stages().join(", "));
        let mut lines = vec![String::new()];
        lines.extend(ui::wrap(&text, ui::width()).iter().map(|line| styled(YELLOW.bold(), line)));
        let mut row = |label: &str, text: &str| {
            lines.push(ui::columns(&[("  ", 2, DIM), (label, 16, DIM)], text, ui::width()));
        };
        if let Some(outcome) = last {
            row("Last attempt:", &windows::describe(&outcome));
        }
        let kept = bystanders.map(|b| b.kept.join(", ")).unwrap_or_default();
        if self.awaited.scope != RestartScope::Machine {
            row("Stops:", &self.stopped(bystanders));
        }
        if !kept.is_empty() {
            row("Keeps running:", &kept);
        }
        lines.join("\n")
    }

    fn stopped(&self, bystanders: Option<&Bystanders>) -> String {
        let own = format!("{} (this terminal closes)", self.facts.wsl.distro());
        match bystanders {
            Some(bystanders) if bystanders.is_empty() => own,
            Some(bystanders) => format!("{own}, {}", bystanders.name()),
            None if self.awaited.scope == RestartScope::Vm => {
                format!("{own} and every other running distribution, including Docker Desktop")
            }
            None => own,
        }
    }

    /// The stages whose changes wait for the restart. A change without a stage is named itself.
    fn stages(&self) -> Vec<String> {
        let state = journal::read(&self.session.host).unwrap_or_default();
        let mut names: Vec<String> = Vec::new();
        for why in &self.awaited.why {
            let of_it = |e: &&JournalEntry| e.intent.change.target().object == *why;
            let name = state.active().rfind(of_it).map_or(why, |e| &e.intent.stage);
            if !names.contains(name) {
                names.push(name.clone());
            }
        }
        names
    }

    /// Prints the commands for a manual restart.
    fn say_lines(&self, heading: &str) {
        let Some(scope) = self.awaited.scope.of_wsl() else {
            self.say("Restart the machine, then run:");
            return self.say_commands(&["kind-wsl setup".to_owned()]);
        };
        self.say(heading);
        self.say_commands(&self.request(scope).manual_commands());
        // systemd removes the binfmt_misc entry for Windows programs when it stops, for all distributions.
        if self.awaited.scope == RestartScope::Distro
            && self.facts.wsl.is_before(&COMPAT.wsl.terminate_ends_it)
            && self.facts.systemd.pid1 == "systemd"
        {
            self.say("With this WSL version, other distributions may be unable to start Windows programs until `wsl.exe --shutdown`.");
        }
    }
}
