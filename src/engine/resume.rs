//! Resumes after a crash or a restart.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::undo::DriftState;
use super::{Batch, Engine, EngineError, Event, PendingRestart, Reversal, RunOutcome, failed, owner};
use crate::change::{Change, ChangeKind, PostRestartCheck, RestartScope};
use crate::host::{BootInstance, Cmd, FileKind, System, temporary};
use crate::journal::{Journal, JournalEntry, JournalState, Phase, Record, Waiting};

/// The maximum time that systemd may take to report that it has started, in seconds. WSL itself continues after 10 s
/// (`boot.initTimeout`), so kind-wsl waits as well.
const SYSTEMD_SECONDS: u64 = 20;
/// The number of queries.
const SYSTEMD_TRIES: u32 = 6;
/// The number of checks for the systemd user manager, one per second. WSL starts it for the first command of the user
/// (WSL `src/linux/init/init.cpp:688`).
const MANAGER_TRIES: u32 = 60;
/// Seconds to wait before root starts `user@UID.service`: a run that is resumed as root is not a command of the user,
/// so WSL does not start it.
const MANAGER_GRACE: u32 = 10;

impl Engine<'_> {
    /// Removes temporary files of an interrupted write.
    pub(super) fn sweep(&self, journal_state: &JournalState) -> Result<(), EngineError> {
        let is_anothers =
            |e: &&JournalEntry| !journal_state.is_made_for(e) && !e.intent.change.is_machine_wide();
        for entry in journal_state.active().filter(|e| !is_anothers(e)) {
            let change = &entry.intent.change;
            let fail = |e: crate::host::HostError| failed(&entry.intent.stage, change, e.into());
            let mut left = change.leftovers();
            if let Some((path, _)) = change.created_path() {
                let real = self.host.resolve(path).map_err(fail)?;
                self.host.sweep_shared(&real, owner(change)).map_err(fail)?;
                left.push(temporary(&real));
            }
            for temp in left {
                // kind-wsl's temporary files are never directories. A directory with such a name must not stop an
                // undo.
                let found = self.host.stat(&temp).map_err(fail)?;
                if found.is_some_and(|stat| stat.kind != FileKind::Dir) {
                    self.host.remove(&temp, owner(change)).map_err(fail)?;
                }
            }
        }
        Ok(())
    }

    /// Completes changes that were applied but not recorded as done: their triggers may not have run.
    pub(super) fn complete_open_intents(&mut self, journal: &mut Journal<'_>) -> Result<(), EngineError> {
        let open: Vec<_> = journal.state.in_progress().map(|e| e.intent.clone()).collect();
        if !open.is_empty() {
            self.reporter.event(&Event::Resumed("resuming the interrupted setup"));
        }
        let mut batch = Batch::default();
        for intent in open {
            let fail = |e| failed(&intent.stage, &intent.change, e);
            let now = intent.change.current(self.host).map_err(fail)?;
            if intent.change.satisfies(&now, &intent.after) {
                batch.triggers.extend(intent.change.trigger.clone());
                // Uses the state as written: other programs may have written to the file after the interruption.
                let after = if intent.change.is_atomic() { intent.after } else { now };
                batch.done.push(Record::Done {
                    id: intent.id,
                    after,
                    boot_instance: BootInstance::probe(self.host),
                });
            }
        }
        self.run_triggers(journal, &mut batch)
    }

    /// Reverts the changes that end with the run, and interrupted changes that an answer or a selection no longer
    /// requires.
    pub(super) fn revert_ephemeral(&mut self, journal: &mut Journal<'_>) -> Result<(), EngineError> {
        let leftover = |e: &&JournalEntry| {
            journal.state.is_own(e) && (e.phase == Phase::Open || e.intent.change.ephemeral)
        };
        let leftovers: Vec<_> = journal.state.active().filter(leftover).cloned().collect();
        let mut batch = Batch::default();
        for entry in leftovers.into_iter().rev() {
            let intent = &entry.intent;
            if intent.change.ephemeral && !journal.state.others_relying(&entry).is_empty() {
                journal.append(Record::Released { id: intent.id })?;
                continue;
            }
            let fail = |e| failed(&intent.stage, &intent.change, e);
            let now = intent.change.current(self.host).map_err(fail)?;
            match Self::drift_state(&entry, &now) {
                DriftState::AlreadyReverted => {}
                DriftState::Unchanged => self.restore_before(intent, &now).map_err(fail)?,
                DriftState::Modified => {
                    let why = "another program changed it";
                    let reversal = Reversal::of(intent);
                    self.reporter.event(&Event::Kept {
                        target: &intent.change.target(),
                        reversal: &reversal,
                        why,
                    });
                }
            }
            self.remove_dirs(intent).map_err(fail)?;
            batch.triggers.extend(intent.change.trigger.clone());
            batch.done.push(Record::Undone { id: intent.id });
        }
        self.run_triggers(journal, &mut batch)
    }

    /// Removes the directories that were created for a change, innermost first, if they are empty.
    pub(super) fn remove_dirs(
        &self,
        intent: &crate::journal::Intent,
    ) -> Result<(), crate::change::ChangeError> {
        for dir in intent.dirs.iter().rev() {
            if self.host.stat(dir)?.is_some() {
                self.host.remove_dir(dir, owner(&intent.change))?;
            }
        }
        Ok(())
    }

    /// If a restart is pending, checks whether it took place and helped.
    pub(super) fn after_restart(
        &mut self,
        journal: &mut Journal<'_>,
    ) -> Result<Option<RunOutcome>, EngineError> {
        let Some(waiting) = journal.state.waiting.clone() else { return Ok(None) };
        let now = BootInstance::probe(self.host);
        if !waiting.took_place(&now) {
            let Waiting { scope, why, id, boot_instance, .. } = waiting;
            let partial = boot_instance != now;
            return Ok(Some(RunOutcome::Restart(PendingRestart {
                scope,
                why,
                again: true,
                partial,
                id,
                changed: 0,
            })));
        }
        self.reporter.event(&Event::Resumed(restarted(&waiting, &now)));
        self.wait_for_systemd();
        self.wait_for_manager();
        if self.is_stopped() {
            return Ok(Some(RunOutcome::Interrupted));
        }
        let failed_checks: Vec<String> = waiting.verify.iter().filter_map(|c| c.failure(self.host)).collect();
        if !failed_checks.is_empty() {
            let hint = ineffective_hint(&waiting, self.host);
            // The next run starts from the present state: this restart is no longer pending.
            journal.append(Record::Restarted)?;
            return Err(EngineError::RestartIneffective { failed_checks, hint });
        }
        journal.append(Record::Restarted)?;
        Ok(None)
    }

    /// Waits until systemd has started everything, or something failed to start, which is normal on WSL.
    fn wait_for_systemd(&mut self) {
        if self.host.text("/proc/1/comm").unwrap_or_default().trim() != "systemd" {
            return;
        }
        self.reporter.event(&Event::Waiting("waiting for systemd to start"));
        let cmd =
            Cmd::parse("systemctl is-system-running --wait").timeout(Duration::from_secs(SYSTEMD_SECONDS));
        // Before systemd listens, a query fails at once; while systemd re-executes, it may never be answered
        // (observed with 252). So there are several queries, each with a time limit.
        for _ in 0..SYSTEMD_TRIES {
            if self.is_stopped() {
                return;
            }
            match self.host.run_readonly(&cmd) {
                Ok(output) if matches!(output.stdout.trim(), "running" | "degraded") => return,
                Ok(_) => self.host.pause(Duration::from_secs(1)),
                Err(_) => {}
            }
        }
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn wait_for_manager(&mut self) {
        let unit = format!("user@{}.service", self.user.uid);
        let active = Cmd::new("systemctl", ["is-active", &unit]);
        if !self.host.exists("/run/systemd/system") {
            return;
        }
        self.reporter.event(&Event::Waiting("waiting for the systemd user manager"));
        for tried in 0..MANAGER_TRIES {
            if self.is_stopped() {
                return;
            }
            let reported =
                self.host.run_readonly(&active).map(|o| o.stdout.trim().to_owned()).unwrap_or_default();
            if matches!(reported.as_str(), "active" | "failed") {
                return;
            }
            if tried == MANAGER_GRACE && reported == "inactive" && self.host.is_root() {
                // The next iteration shows whether it helped.
                let _ = self.host.run_readonly(&Cmd::new("systemctl", ["start", &unit]));
            }
            self.host.pause(Duration::from_secs(1));
        }
    }
}

/// The extent of the restart, according to the boot ID and PID 1.
fn restarted(waiting: &Waiting, now: &BootInstance) -> &'static str {
    match waiting.scope {
        RestartScope::Machine => "the machine was restarted; setup resumes",
        _ if waiting.boot_instance.boot_id == now.boot_id => "this distribution was restarted; setup resumes",
        _ => "WSL was restarted; setup resumes",
    }
}

/// How to find the reason if a restart did not help.
fn ineffective_hint(waiting: &Waiting, system: &dyn System) -> String {
    let fails = |check: &&PostRestartCheck| check.failure(system).is_some();
    match waiting.verify.iter().find(fails) {
        Some(PostRestartCheck::Systemd) => "in Windows, `wsl --shutdown` then check the messages of WSL at its start: they contain the line of /etc/wsl.conf that it cannot read".to_owned(),
        Some(PostRestartCheck::KernelParams(_)) => "WSL did start a new kernel. A policy of your organization (AllowKernelCommandLineUserSetting) may block kernelCommandLine; WSL prints that at its start. Or .wslconfig is in the profile of another Windows account: `kind-wsl.exe profile` in Windows prints the right one for `--windows-profile`".to_owned(),
        Some(PostRestartCheck::CgroupV2) => "`kind-wsl plan` shows the mounts; `dmesg` and `mount -a` show whether the line in /etc/fstab works".to_owned(),
        Some(PostRestartCheck::Controllers { uid, .. }) => format!("`systemctl status user@{uid}.service` shows whether the systemd user manager is running; then run `kind-wsl plan`"),
        None => "run `kind-wsl plan` to see what is missing".to_owned(),
    }
}

/// Whether a change can leave a partial state that only it can complete.
pub(super) fn is_package(change: &Change) -> bool {
    matches!(change.kind, ChangeKind::Package(_))
}
