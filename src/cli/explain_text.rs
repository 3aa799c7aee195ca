//! The output of `kind-wsl explain` for an error message.

use std::io::{ErrorKind, Read};

use camino::Utf8Path;
use serde_json::{Value, json};

use super::Global;
use super::explain_stage::row;
use super::prepare::Prepared;
use super::session::Session;
use crate::checks::{CheckContext, Status};
use crate::doctor::{CheckReport, advice};
use crate::error::{Exit, Failure};
use crate::explain::causes::checks;
use crate::explain::input::Input;
use crate::explain::table::{Table, address};
use crate::explain::{self, EntryKind, Match, MatchStrength, Presence, Symptom, presence};
use crate::fix::{Advice, Fix};
use crate::host::{LiveSystem, Process, standard_input};
use crate::ui::{self, BOLD, DIM, Detail, GREEN, RED, YELLOW, columns, err, json_line, out, shorten, styled};

/// The number of further symptoms that are listed.
const MAX_SHOWN: usize = 5;

/// Reads standard input.
pub(super) fn from_input() -> Result<Input, Failure> {
    if ui::is_interactive() {
        err("paste the message, then press Enter and Ctrl-D");
    }
    read(&mut *standard_input(), "standard input")
}

/// Reads a file; `None` if it does not exist, so that the name may be a message.
pub(super) fn from_file(name: &str) -> Result<Option<Input>, Failure> {
    let host = LiveSystem::new("/".into(), Box::new(Process::new("/".into())), []);
    match host.open_user_arg(Utf8Path::new(name)) {
        Ok(mut file) => read(&mut *file, name).map(Some),
        Err(e) => match e.kind() {
            // A message can be an invalid file name: too long, or with a slash after a regular file.
            ErrorKind::NotFound
            | ErrorKind::NotADirectory
            | ErrorKind::InvalidFilename
            | ErrorKind::InvalidInput => Ok(None),
            _ => Err(Failure::new(format!("cannot read `{name}`: {e}"), Some(PIPE.to_owned()))),
        },
    }
}

/// The hint if a file cannot be read.
const PIPE: &str = "pipe the output of a command: `… 2>&1 | kind-wsl explain -`";

fn read(source: &mut dyn Read, name: &str) -> Result<Input, Failure> {
    Input::read(source).map_err(|e| Failure::new(format!("cannot read `{name}`: {e}"), Some(PIPE.to_owned())))
}

/// The table of known messages.
pub(super) fn table() -> Result<&'static Table, Failure> {
    explain::table().map_err(|e| Failure::new(format!("the table of known messages is broken: {e}"), None))
}

/// The known symptoms in a text, best first.
pub(super) fn matches(text: &str) -> Result<Vec<Match>, Failure> {
    table().map(|_| explain::diagnose(text))
}

/// The machine to check for causes; none if the symptoms have no checks, or without a regular user.
struct Machine(Option<Prepared>);

/// The state of an entry on this machine.
struct Here {
    /// Whether the cause is present; `None` if the entry has no check.
    cause: Option<Presence>,
    /// The checks that ran.
    checks: Vec<CheckReport>,
    /// The fix for this machine if the cause is present, otherwise the general one.
    advice: Option<Advice>,
}

impl Machine {
    fn for_the(symptoms: &[&Symptom], global: &Global) -> Self {
        if symptoms.iter().all(|symptom| checks(symptom.id).is_empty()) {
            return Self(None);
        }
        Self(Session::new(global, None).ok().map(Prepared::new))
    }

    fn look(&self, symptom: &Symptom) -> Here {
        let fixes: Vec<Fix> = symptom.remedy().into_iter().collect();
        let general = || symptom.remedy().map(|fix| Advice::from(&[fix][..]));
        let Some(Prepared { session, facts, answers }) = &self.0 else {
            let no_user = "no regular user to check; select one with `--user NAME`";
            let has_checks = !checks(symptom.id).is_empty();
            let cause = has_checks.then(|| Presence::Unknown(no_user.to_owned()));
            return Here { cause, checks: Vec::new(), advice: general() };
        };
        let context = CheckContext::new(&session.host, facts, answers).of_any_provider();
        let cause = presence(symptom.id, &context);
        let reports: Vec<CheckReport> =
            checks(symptom.id).iter().map(|check| CheckReport::of(&context, check)).collect();
        let is_present = matches!(cause, Some(Presence::Present(_)));
        let advice = match symptom.kind {
            // The fix of the failed check is more specific than that of the family.
            EntryKind::Family if is_present => {
                let failed = |report: &&CheckReport| matches!(report.status, Status::Error | Status::Warning);
                reports.iter().find(failed).map(|report| report.fix.clone()).or_else(general)
            }
            _ if is_present && !fixes.is_empty() => Some(advice(&context, fixes)),
            _ => general(),
        };
        Here { cause, checks: reports, advice }
    }

    /// Checks each match on this machine. A match whose cause is present comes before one that is ruled out.
    fn judge(&self, matches: Vec<Match>) -> Vec<(Match, Here)> {
        let mut judged: Vec<(Match, Here)> = matches
            .into_iter()
            .map(|m| {
                let here = self.look(m.symptom);
                (m, here)
            })
            .collect();
        let is_absent = |here: &Here| matches!(here.cause, Some(Presence::Absent(_)));
        let is_present = |(m, here): &(Match, Here)| {
            m.symptom.kind == EntryKind::Symptom
                && m.fit <= MatchStrength::Outer
                && matches!(here.cause, Some(Presence::Present(_)))
        };
        if judged.first().is_some_and(|(m, here)| m.symptom.kind == EntryKind::Symptom && is_absent(here))
            && let Some(index) = judged.iter().position(is_present)
        {
            judged[..=index].rotate_right(1);
        }
        judged
    }
}

impl Here {
    /// The fix: a command, and instructions. If the machine does not have the cause, there is no command.
    fn answer(&self, symptom: &Symptom) -> (Option<String>, String) {
        let command = self.advice.as_ref().and_then(Advice::command).map(ToOwned::to_owned);
        let sentence = self.advice.as_ref().filter(|advice| advice.command().is_none()).map(Advice::text);
        let end = if symptom.fix.is_empty() { "" } else { "." };
        let sentence = sentence.map(|text| format!("{}{end}", text.trim_end_matches('.')));
        let join = |parts: &[&str]| {
            parts.iter().copied().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
        };
        if symptom.kind != EntryKind::Symptom || !matches!(self.cause, Some(Presence::Absent(_))) {
            return (command, join(&[sentence.as_deref().unwrap_or_default(), &symptom.fix]));
        }
        let run = command.map_or_else(String::new, |line| format!("run `{line}`."));
        (None, join(&["This machine does not have the cause. On a machine that has it:", &run, &symptom.fix]))
    }

    /// Whether the cause is present, for JSON.
    fn status(&self) -> &'static str {
        match self.cause {
            Some(Presence::Present(_)) => "affected",
            Some(Presence::Absent(_)) => "not-affected",
            Some(Presence::Unknown(_)) => "unknown",
            None => "not-checked",
        }
    }

    fn as_json(&self, symptom: &Symptom, fit: MatchStrength, line: Option<&str>) -> Value {
        let (present, evidence) = match &self.cause {
            Some(Presence::Present(e)) => (Some(true), Some(e)),
            Some(Presence::Absent(e)) => (Some(false), Some(e)),
            Some(Presence::Unknown(e)) => (None, Some(e)),
            None => (None, None),
        };
        let (command, fix) = self.answer(symptom);
        let threads: Vec<_> = symptom.thread.iter().map(|t| address(t)).collect();
        json!({
            "id": symptom.id.to_string(), "kind": symptom.kind, "component": symptom.component,
            "status": self.status(), "row": symptom.id.0, "title": symptom.title, "cause": symptom.cause,
            "check": symptom.check, "command": command, "fix": fix,
            "checks": self.checks.iter().map(|c| json!({ "id": c.id, "verdict": c.status, "evidence": c.details })).collect::<Vec<_>>(),
            "thread": threads.first(), "threads": threads, "tags": symptom.tags,
            "also_of_others": fit != MatchStrength::Exact, "seen": line, "present": present, "evidence": evidence,
        })
    }
}

/// Prints the diagnosis as JSON.
pub(super) fn as_json(input: &Input, global: &Global) -> Result<Exit, Failure> {
    let matches = matches(&input.text)?;
    let machine = Machine::for_the(&symptoms(&matches), global);
    let judged = machine.judge(matches);
    let symptoms = judged.iter().map(|(m, here)| {
        let line = shorten(&m.line(&input.text), 400);
        here.as_json(m.symptom, m.fit, Some(&line))
    });
    json_line(json!({ "symptoms": symptoms.collect::<Vec<_>>(), "skipped_bytes": input.skipped }));
    Ok(Exit::Done)
}

/// Returns entries that were selected by ID as JSON.
pub(super) fn known_as_json(symptoms: &[&Symptom], global: &Global) -> Result<Value, Failure> {
    table()?;
    let machine = Machine::for_the(symptoms, global);
    Ok(symptoms.iter().map(|s| machine.look(s).as_json(s, MatchStrength::Exact, None)).collect())
}

/// Prints an entry that was selected by ID.
pub(super) fn known(symptom: &Symptom, global: &Global) -> Result<(), Failure> {
    let here = Machine::for_the(&[symptom], global).look(symptom);
    show(symptom, &here, false, None, global.detail())
}

fn symptoms(matches: &[Match]) -> Vec<&'static Symptom> {
    matches.iter().map(|m| m.symptom).collect()
}

/// Prints the diagnosis: the best match in full, the others in one line each.
pub(super) fn for_people(input: &Input, global: &Global) -> Result<Exit, Failure> {
    if input.skipped > 0 {
        let size = input.skipped >> 20;
        err(&format!("note: the input is long: skipped {size} MiB in the middle"));
    }
    let matches = matches(&input.text)?;
    let machine = Machine::for_the(&symptoms(&matches), global);
    let judged = machine.judge(matches);
    let Some(((best, here), others)) = judged.split_first() else { return Ok(unknown(&input.text)) };
    let detail = global.detail();
    let lines = input.text.trim_end().lines().count();
    let place = (lines > 1 && input.skipped == 0)
        .then(|| format!("(line {} of {lines})", best.line_number(&input.text).min(lines)));
    show(best.symptom, here, best.fit == MatchStrength::Outer, place, detail)?;
    match detail {
        Detail::Brief => {}
        // A family on the line of the best match adds nothing.
        Detail::Normal => further(
            &others
                .iter()
                .map(|(m, _)| m)
                .filter(|m| m.at != best.at || m.symptom.kind == EntryKind::Symptom)
                .collect::<Vec<_>>(),
        ),
        Detail::Full => {
            for (other, here) in others {
                out("");
                show(other.symptom, here, other.fit == MatchStrength::Outer, None, detail)?;
            }
        }
    }
    Ok(Exit::Done)
}

/// The ID and the title, with the place in the log at the right edge.
fn headline(symptom: &Symptom, place: Option<String>) -> String {
    let title = format!("{}: {}", symptom.id, symptom.title);
    let Some(place) = place else { return styled(BOLD, &title) };
    let room = ui::width().unwrap_or(0).saturating_sub(place.len());
    if ui::width().is_some() && title.chars().count() + 2 > room {
        let lines: Vec<_> = ui::wrap(&title, ui::width()).iter().map(|line| styled(BOLD, line)).collect();
        return format!("{}\n{}", lines.join("\n"), styled(DIM, &place));
    }
    let gap = room.saturating_sub(title.chars().count()).max(2);
    format!("{}{:gap$}{}", styled(BOLD, &title), "", styled(DIM, &place))
}

/// Prints an entry: with `-q` only the headline and the fix, with `-v` every source.
fn show(
    symptom: &Symptom,
    here: &Here,
    has_other_causes: bool,
    place: Option<String>,
    detail: Detail,
) -> Result<(), Failure> {
    out(&headline(symptom, place));
    if detail == Detail::Brief {
        show_fix(symptom, here);
        return Ok(());
    }
    out("");
    let is_family = symptom.kind == EntryKind::Family;
    if let Some(cause) = &here.cause {
        let (style, word, details) = match cause {
            Presence::Present(e) => (RED, "AFFECTED", e.clone()),
            Presence::Absent(_) if is_family => {
                let ids: Vec<_> = here.checks.iter().map(|check| check.id).collect();
                (GREEN, "no fault found", format!("Checks: {}", ids.join(", ")))
            }
            Presence::Absent(e) => (GREEN, "not affected", e.clone()),
            Presence::Unknown(e) => (YELLOW, "unknown", e.clone()),
        };
        let label = "This machine: ";
        out(&columns(&[(label, 14, BOLD)], &format!("{}. {details}", styled(style, word)), ui::width()));
        out("");
    }
    if is_family {
        row("Failed", table()?.component(symptom));
        row("Check", &symptom.check);
    }
    show_fix(symptom, here);
    row("Why", &symptom.cause);
    if has_other_causes {
        row("", "This message also has other causes.");
    }
    if !is_family {
        row("Verify", &symptom.check);
    }
    row("More", &more(symptom, detail));
    Ok(())
}

fn show_fix(symptom: &Symptom, here: &Here) {
    let (command, more) = here.answer(symptom);
    let command = command.map(|line| format!("`{line}`"));
    for (number, text) in command.into_iter().chain(Some(more).filter(|text| !text.is_empty())).enumerate() {
        row(if number == 0 { "Fix" } else { "" }, &text);
    }
}

/// The first source as a URL, the others in short form: `kind#3936`. With `-v` every URL.
fn more(symptom: &Symptom, detail: Detail) -> String {
    let mut threads = symptom.thread.iter();
    if detail == Detail::Full {
        return threads.map(|t| address(t)).collect::<Vec<_>>().join("\n");
    }
    let first = threads.next().map(|t| address(t)).unwrap_or_default();
    let others: Vec<_> =
        threads.take(4).filter_map(|t| t.split_once('/').filter(|_| !t.contains("://"))).collect();
    match others.iter().map(|(_, rest)| *rest).collect::<Vec<_>>().join(", ") {
        others if others.is_empty() => first,
        others => format!("{first}\n{others}"),
    }
}

fn further(others: &[&Match]) {
    if others.is_empty() {
        return;
    }
    out(&format!("\n{}", styled(BOLD, "Also found")));
    for other in others.iter().take(MAX_SHOWN) {
        let id = format!("  {}", other.symptom.id);
        out(&columns(&[(&id, 9, DIM)], &other.symptom.title, ui::width()));
    }
    if let Some(rest) = others.len().checked_sub(MAX_SHOWN).filter(|rest| *rest > 0) {
        out(&format!("  and {rest} more (show all: -v)"));
    }
}

/// Reports that no entry matches, with the next steps.
fn unknown(text: &str) -> Exit {
    let failure = if text.trim().is_empty() {
        Failure::new("nothing to explain: the text is empty", Some(PIPE.to_owned()))
    } else {
        let what = "no known cause matches this message";
        let hint =
            "check this machine with `kind-wsl doctor`; `kind-wsl report` collects data for a bug report";
        Failure::new(what, Some(hint.to_owned()))
    };
    ui::fail(&failure);
    failure.exit
}
