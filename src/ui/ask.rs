//! Prompts.

use dialoguer::theme::{ColorfulTheme, SimpleTheme, Theme};
use dialoguer::{Confirm, Input, Select};

use crate::error::{Exit, Failure};
use crate::facts::Facts;
use crate::stage::{AnswerKind, Choice, Question};

/// The answer to the prompt that follows a plan.
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

/// Escape, Ctrl-C and a closed terminal all end the program before anything is changed.
fn canceled<E>(_: E) -> Failure {
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

/// Asks one question; Enter selects `default`.
///
/// # Errors
/// If the prompt is canceled.
pub fn ask(question: &Question, facts: &Facts, default: &str) -> Result<String, Failure> {
    match question.form {
        AnswerKind::YesNo => {
            let theme = theme();
            let yes = Confirm::with_theme(&*theme).with_prompt(question.prompt).default(default == "yes");
            let yes = yes.interact_opt().map_err(canceled)?.ok_or_else(|| canceled(()))?;
            Ok(if yes { "yes" } else { "no" }.to_owned())
        }
        AnswerKind::Choice(choices) => select(question.prompt, &choices(facts), default),
        AnswerKind::Open(choices, check) => {
            let mut choices = choices(facts);
            choices.push(Choice::new("", "other … (enter a value)"));
            let chosen = select(question.prompt, &choices, default)?;
            if !chosen.is_empty() {
                return Ok(chosen);
            }
            let theme = theme();
            let input = Input::<String>::with_theme(&*theme).with_prompt("Value");
            input
                .validate_with(|value: &String| {
                    check(value).map_err(|allowed| format!("allowed values: {allowed}"))
                })
                .interact_text()
                .map_err(canceled)
        }
    }
}

/// Asks for a yes or a no; Enter means no.
///
/// # Errors
/// If the prompt is canceled.
pub fn confirm(prompt: &str) -> Result<bool, Failure> {
    confirm_or(prompt, false)
}

/// Asks for a yes or a no; Enter means `default`.
///
/// # Errors
/// If the prompt is canceled.
pub fn confirm_or(prompt: &str, default: bool) -> Result<bool, Failure> {
    super::clear_spinner();
    // The plain theme shows which answer Enter means: [y/N].
    let answer = Confirm::with_theme(&SimpleTheme).with_prompt(prompt).default(default).interact_opt();
    answer.map_err(canceled)?.ok_or_else(|| canceled(()))
}

fn select(prompt: &str, choices: &[Choice], default: &str) -> Result<String, Failure> {
    // A label that wraps would shift the rows that are redrawn.
    let room = super::width().unwrap_or(80).saturating_sub(4);
    let labels: Vec<String> =
        choices.iter().map(|c| super::shorten(&super::one_line(&c.label), room)).collect();
    let default = choices.iter().position(|c| c.value == default).unwrap_or(0);
    let theme = theme();
    let select =
        Select::with_theme(&*theme).with_prompt(prompt).items(&labels).default(default).max_length(12);
    let index = select.interact_opt().map_err(canceled)?.ok_or_else(|| canceled(()))?;
    choices.get(index).map(|c| c.value.clone()).ok_or_else(|| canceled(()))
}

/// Asks whether to apply the plan.
///
/// # Errors
/// If the prompt is canceled.
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
