//! Questions, put to a person.

use dialoguer::theme::{ColorfulTheme, SimpleTheme, Theme};
use dialoguer::{Confirm, Input, Select};

use crate::error::{Exit, Failure};
use crate::facts::Facts;
use crate::stage::{AnswerKind, Choice, Question};

/// What a person said to a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consent {
    Proceed,
    Customize,
    ShowDiffs,
    Cancel,
}

fn theme() -> Box<dyn Theme> {
    super::clear_spinner();
    if dialoguer::console::colors_enabled_stderr() {
        Box::new(ColorfulTheme::default())
    } else {
        Box::new(SimpleTheme)
    }
}

/// Escape, Ctrl-C and a closed terminal all end the program before anything was changed.
fn given_up<E>(_: E) -> Failure {
    // dialoguer hides the cursor while it asks and leaves it hidden when it is interrupted.
    let _ = dialoguer::console::Term::stderr().show_cursor();
    Failure {
        text: "canceled; nothing was changed".to_owned(),
        causes: Vec::new(),
        hint: None,
        after: None,
        exit: Exit::Interrupted,
    }
}

/// Asks one question; `now` is what Enter means.
///
/// # Errors
/// When the person gave up.
pub fn ask(question: &Question, facts: &Facts, now: &str) -> Result<String, Failure> {
    match question.form {
        AnswerKind::YesNo => {
            let theme = theme();
            let yes = Confirm::with_theme(&*theme).with_prompt(question.prompt).default(now == "yes");
            let yes = yes.interact_opt().map_err(given_up)?.ok_or_else(|| given_up(()))?;
            Ok(if yes { "yes" } else { "no" }.to_owned())
        }
        AnswerKind::Choice(choices) => select(question.prompt, &choices(facts), now),
        AnswerKind::Open(choices, check) => {
            let mut choices = choices(facts);
            choices.push(Choice::new("", "another one …"));
            let said = select(question.prompt, &choices, now)?;
            if !said.is_empty() {
                return Ok(said);
            }
            let theme = theme();
            let input = Input::<String>::with_theme(&*theme).with_prompt("which");
            input
                .validate_with(|said: &String| check(said).map_err(|allowed| format!("it takes: {allowed}")))
                .interact_text()
                .map_err(given_up)
        }
    }
}

/// Asks for a yes or a no; Enter means no.
///
/// # Errors
/// When the person gave up.
pub fn confirm(prompt: &str) -> Result<bool, Failure> {
    confirm_or(prompt, false)
}

/// Asks for a yes or a no; Enter means `default`.
///
/// # Errors
/// When the person gave up.
pub fn confirm_or(prompt: &str, default: bool) -> Result<bool, Failure> {
    super::clear_spinner();
    // The plain theme shows which answer Enter means: [y/N].
    let said = Confirm::with_theme(&SimpleTheme).with_prompt(prompt).default(default).interact_opt();
    said.map_err(given_up)?.ok_or_else(|| given_up(()))
}

fn select(prompt: &str, choices: &[Choice], now: &str) -> Result<String, Failure> {
    // A label that breaks would shift the rows that are drawn again.
    let room = super::width().unwrap_or(80).saturating_sub(4);
    let labels: Vec<String> =
        choices.iter().map(|c| super::shorten(&super::one_line(&c.label), room)).collect();
    let default = choices.iter().position(|c| c.value == now).unwrap_or(0);
    let theme = theme();
    let select =
        Select::with_theme(&*theme).with_prompt(prompt).items(&labels).default(default).max_length(12);
    let index = select.interact_opt().map_err(given_up)?.ok_or_else(|| given_up(()))?;
    choices.get(index).map(|c| c.value.clone()).ok_or_else(|| given_up(()))
}

/// Asks whether to go ahead.
///
/// # Errors
/// When the person gave up.
pub fn consent() -> Result<Consent, Failure> {
    let choices = [
        Choice::new("go", "Proceed"),
        Choice::new("change", "Customize options"),
        Choice::new("diff", "Show file diffs"),
        Choice::new("stop", "Cancel"),
    ];
    match select("Apply these changes?", &choices, "go")?.as_str() {
        "go" => Ok(Consent::Proceed),
        "change" => Ok(Consent::Customize),
        "diff" => Ok(Consent::ShowDiffs),
        _ => Ok(Consent::Cancel),
    }
}
