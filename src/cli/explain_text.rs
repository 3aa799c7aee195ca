//! What `kind-wsl explain` prints of a pasted message.

use std::io::{ErrorKind, Read};

use camino::Utf8Path;
use serde_json::json;

use super::Global;
use super::prepare::Prepared;
use super::session::Session;
use crate::checks::CheckContext;
use crate::doctor::advice;
use crate::error::{Exit, Failure};
use crate::explain::causes::checks;
use crate::explain::input::Input;
use crate::explain::table::address;
use crate::explain::{self, Match, Presence, Symptom, presence};
use crate::fix::{Advice, Fix};
use crate::host::{LiveSystem, Process, standard_input};
use crate::ui::{
    self, BOLD, CYAN, DIM, Detail, GREEN, RED, YELLOW, columns, err, json_line, out, shorten, styled,
};

/// How many further symptoms are named.
const MAX_SHOWN: usize = 5;

/// Reads what the caller pipes in.
pub(super) fn from_input() -> Result<Input, Failure> {
    if ui::is_interactive() {
        err("paste the message, then press Enter and Ctrl-D");
    }
    read(&mut *standard_input(), "standard input")
}

/// Reads a file that the caller named; `None` where there is none of that name, so that it may be a message.
pub(super) fn from_file(name: &str) -> Result<Option<Input>, Failure> {
    let host = LiveSystem::new("/".into(), Box::new(Process::new("/".into())), []);
    match host.open_user_arg(Utf8Path::new(name)) {
        Ok(mut file) => read(&mut *file, name).map(Some),
        Err(e) => match e.kind() {
            // A message is no good name for a file: too long, or with a slash behind what is no directory.
            ErrorKind::NotFound
            | ErrorKind::NotADirectory
            | ErrorKind::InvalidFilename
            | ErrorKind::InvalidInput => Ok(None),
            _ => Err(Failure::new(format!("cannot read `{name}`: {e}"), Some(PIPE.to_owned()))),
        },
    }
}

/// What helps where a file can not be read.
const PIPE: &str = "a command's output can be piped in: `… 2>&1 | kind-wsl explain -`";

fn read(source: &mut dyn Read, name: &str) -> Result<Input, Failure> {
    Input::read(source).map_err(|e| Failure::new(format!("cannot read `{name}`: {e}"), Some(PIPE.to_owned())))
}

/// What is known of a text; `None` where that is nothing.
pub(super) fn matches(text: &str) -> Result<Vec<Match>, Failure> {
    explain::table().map_err(|e| Failure::new(format!("the table of symptoms is broken: {e}"), None))?;
    Ok(explain::diagnose(text))
}

/// The machine on which causes are looked for; none if no check was written for what was found, or without a user.
struct Machine(Option<Prepared>);

/// What this machine has to do with a symptom.
struct Here {
    /// Whether it has the cause; `None` if no check can tell.
    cause: Option<Presence>,
    /// What fixes it: here if the cause is present, otherwise where it is.
    advice: Option<Advice>,
}

impl Machine {
    fn for_the(matches: &[Match], global: &Global) -> Self {
        if matches.iter().all(|m| checks(m.symptom.row).is_empty()) {
            return Self(None);
        }
        Self(Session::new(global, None).ok().map(Prepared::new))
    }

    fn look(&self, symptom: &Symptom) -> Here {
        let fixes: Vec<Fix> = symptom.remedy().into_iter().collect();
        let general = || symptom.remedy().map(|fix| Advice::from(&[fix][..]));
        let Some(Prepared { session, facts, answers }) = &self.0 else {
            let no_user = "there is no ordinary user to look for; `--user NAME` names one";
            let has_checks = !checks(symptom.row).is_empty();
            let cause = has_checks.then(|| Presence::Unknown(no_user.to_owned()));
            return Here { cause, advice: general() };
        };
        let context = CheckContext::new(&session.host, facts, answers).of_any_provider();
        let cause = presence(symptom.row, &context);
        let is_fitted = matches!(cause, Some(Presence::Present(_))) && !fixes.is_empty();
        Here { advice: if is_fitted { Some(advice(&context, fixes)) } else { general() }, cause }
    }
}

impl Here {
    /// What to do: one command if that is all, and what else there is to do or to know. A fix is not the answer on a
    /// machine that does not have the cause.
    fn answer(&self, symptom: &Symptom) -> (Option<String>, String) {
        let command = self.advice.as_ref().and_then(Advice::command).map(ToOwned::to_owned);
        let sentence = self.advice.as_ref().filter(|advice| advice.command().is_none()).map(Advice::text);
        let join = |parts: &[&str]| {
            parts.iter().copied().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
        };
        if !matches!(self.cause, Some(Presence::Absent(_))) {
            let end = if symptom.fix.is_empty() { "" } else { "." };
            let sentence =
                sentence.map_or_else(String::new, |text| format!("{}{end}", text.trim_end_matches('.')));
            return (command, join(&[&sentence, &symptom.fix]));
        }
        let run = command.map_or_else(String::new, |line| format!("run `{line}`."));
        (None, join(&["This machine does not have the cause. On a machine that has it:", &run, &symptom.fix]))
    }
}

/// Prints it for programs.
pub(super) fn as_json(input: &Input, global: &Global) -> Result<Exit, Failure> {
    let matches = matches(&input.text)?;
    let machine = Machine::for_the(&matches, global);
    let symptoms = matches.iter().map(|m| {
        let s = m.symptom;
        let here = machine.look(s);
        let (present, evidence) = match &here.cause {
            Some(Presence::Present(e)) => (Some(true), Some(e)),
            Some(Presence::Absent(e)) => (Some(false), Some(e)),
            Some(Presence::Unknown(e)) => (None, Some(e)),
            None => (None, None),
        };
        let (command, fix) = here.answer(s);
        json!({
            "row": s.row, "title": s.title, "cause": s.cause, "check": s.check, "command": command, "fix": fix,
            "thread": s.thread.first().map(|t| address(t)), "threads": s.thread.iter().map(|t| address(t)).collect::<Vec<_>>(),
            "tags": s.tags, "also_of_others": m.is_outer, "seen": shorten(&m.line(&input.text), 400),
            "present": present, "evidence": evidence,
        })
    });
    let symptoms: Vec<_> = symptoms.collect();
    json_line(json!({ "symptoms": symptoms, "left_out": input.left_out }));
    Ok(Exit::Done)
}

/// Prints it for people: the best fully, others in a line each.
pub(super) fn for_people(input: &Input, global: &Global) -> Result<Exit, Failure> {
    if input.left_out > 0 {
        let size = input.left_out >> 20;
        err(&format!("note: this is long: the {size} MiB in its middle were not read"));
    }
    let matches = matches(&input.text)?;
    let Some((best, others)) = matches.split_first() else { return Ok(unknown(&input.text)) };
    let detail = global.detail();
    let machine = Machine::for_the(if detail == Detail::Full { &matches } else { &matches[..1] }, global);
    if detail != Detail::Brief {
        seen(best, input);
    }
    show(best, &machine, detail);
    match detail {
        Detail::Brief => {}
        Detail::Normal => further(others),
        Detail::Full => {
            for other in others {
                out("");
                show(other, &machine, detail);
            }
        }
    }
    Ok(Exit::Done)
}

/// One symptom: with `-q` what it is and what to do, with `-v` every source.
fn show(best: &Match, machine: &Machine, detail: Detail) {
    out(&format!(
        "{} {}",
        styled(BOLD, &best.symptom.title),
        styled(DIM, &format!("(symptom {})", best.symptom.row))
    ));
    let row = |label: &str, text: &str| out(&columns(&[(label, 7, BOLD)], text, ui::width()));
    let here = machine.look(best.symptom);
    let show_fix = || {
        let (command, more) = here.answer(best.symptom);
        let command = command.map(|line| styled(CYAN, &line));
        for (number, text) in
            command.into_iter().chain(Some(more).filter(|text| !text.is_empty())).enumerate()
        {
            row(if number == 0 { "fix" } else { "" }, &text);
        }
    };
    if detail == Detail::Brief {
        show_fix();
        return;
    }
    out("");
    row("why", &best.symptom.cause);
    if best.is_outer {
        row("", "The same message has other causes, too.");
    }
    if let Some(cause) = &here.cause {
        let (style, word, evidence) = match cause {
            Presence::Present(e) => (RED, "yes", e),
            Presence::Absent(e) => (GREEN, "no", e),
            Presence::Unknown(e) => (YELLOW, "not known", e),
        };
        row("here", &format!("{}: {evidence}", styled(style, word)));
    }
    row("check", &best.symptom.check);
    show_fix();
    let threads = if detail == Detail::Full { best.symptom.thread.len() } else { 3 };
    for (number, thread) in best.symptom.thread.iter().take(threads).enumerate() {
        row(if number == 0 { "more" } else { "" }, &address(thread));
    }
}

/// The line that was recognised, where the text has more than that.
fn seen(best: &Match, input: &Input) {
    if input.text.trim().lines().nth(1).is_none() {
        return;
    }
    let room = ui::width().unwrap_or(200);
    let line = best.line(&input.text);
    let place = match input.left_out {
        0 => format!("line {}: ", best.line_number(&input.text)),
        _ => String::new(),
    };
    out(&styled(DIM, &shorten(&format!("{place}{line}"), room)));
    out("");
}

fn further(others: &[Match]) {
    if others.is_empty() {
        return;
    }
    out(&format!("\n{}", styled(BOLD, "it also shows")));
    for other in others.iter().take(MAX_SHOWN) {
        let row = format!("  {}", other.symptom.row);
        out(&columns(&[(&row, 6, DIM)], &other.symptom.title, ui::width()));
    }
    if let Some(rest) = others.len().checked_sub(MAX_SHOWN).filter(|rest| *rest > 0) {
        out(&format!("  and {rest} more: `-v` shows all of them"));
    }
}

/// Says that nothing is known, and where to go.
fn unknown(text: &str) -> Exit {
    let failure = if text.trim().is_empty() {
        Failure::new("there is nothing to explain: the text is empty", Some(PIPE.to_owned()))
    } else {
        let what = "no known cause matches this message";
        let hint = "`kind-wsl doctor` looks for what is wrong on this machine; `kind-wsl report` writes the machine down for a bug report";
        Failure::new(what, Some(hint.to_owned()))
    };
    ui::fail(&failure);
    failure.exit
}
