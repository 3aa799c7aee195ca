//! `kind-wsl help`: the commands in groups, and help topics.

use std::fmt::Write as _;

use clap::Args;
use clap::builder::styling::Styles;

use super::flags::{ASKING, command};
use super::{GLOBAL, answers};
use crate::error::{Exit, Failure};
use crate::suggest::did_you_mean;
use crate::ui::{self, columns, out};

/// The commands in groups. `cluster` and `kubeconfig` are omitted if this program does not have them.
pub(super) const GROUPS: [(&str, &[&str]); 4] = [
    ("Set up", &["setup", "plan", "status", "undo"]),
    ("Diagnose", &["doctor", "explain", "inspect", "report"]),
    ("Use", &["kind", "cluster", "kubeconfig"]),
    ("Advanced", &["export", "answers", "crun", "completions", "version", "help"]),
];

/// The width of a help, in columns.
const WIDTH: usize = 80;

/// A help topic that is not a command.
struct HelpTopic {
    name: &'static str,
    about: &'static str,
    text: fn() -> String,
}

const TOPICS: [HelpTopic; 3] = [
    HelpTopic {
        name: "answers",
        about: "Questions of setup, and every way to answer them",
        text: answers::topic,
    },
    HelpTopic { name: "environment", about: "Environment variables", text: environment },
    HelpTopic { name: "exit-codes", about: "Exit codes", text: exit_codes },
];

/// Variables that no flag declares.
const VARIABLES: [(&str, &str); 7] = [
    ("HTTPS_PROXY, ALL_PROXY", "Proxy for downloads, also in lower case"),
    ("NO_PROXY", "Hosts to connect to without the proxy, also in lower case"),
    ("SSL_CERT_FILE, SSL_CERT_DIR", "Root certificates to use instead of the system's"),
    ("NO_COLOR", "Disable color if set"),
    ("LC_ALL, LC_CTYPE, LANG", "The first that is set selects UTF-8; otherwise output is ASCII"),
    ("XDG_CONFIG_HOME", "Directory of your settings (default: ~/.config)"),
    ("KIND_EXPERIMENTAL_PROVIDER", "Provider that `kind-wsl kind` uses (default: the one that was set up)"),
];

/// The flags of `help`.
#[derive(Debug, Args)]
#[command(after_help = topics())]
pub(crate) struct Help {
    /// A command or a topic
    #[arg(value_name = "COMMAND|TOPIC")]
    words: Vec<String>,
}

impl Help {
    pub(crate) fn run(&self) -> Result<Exit, Failure> {
        if let [word] = self.words.as_slice()
            && let Some(topic) = TOPICS.iter().find(|topic| topic.name == word)
        {
            out((topic.text)().trim_end());
            return Ok(Exit::Done);
        }
        let mut command = command();
        command.build();
        let mut found = &mut command;
        for word in &self.words {
            let names = found.get_subcommands().map(|sub| sub.get_name().to_owned());
            let names: Vec<_> = names.chain(TOPICS.map(|topic| topic.name.to_owned())).collect();
            found = found.find_subcommand_mut(word).ok_or_else(|| {
                let near = did_you_mean(word, names.iter().map(String::as_str));
                let all = || format!("the topics are: {}", TOPICS.map(|topic| topic.name).join(", "));
                let hint = near.map_or_else(all, |near| format!("did you mean `{near}`?"));
                Failure::usage(format!("unknown command or topic `{word}`"), hint)
            })?;
        }
        ui::help(&found.render_help());
        Ok(Exit::Done)
    }
}

/// The text of a topic.
#[must_use]
pub fn topic(name: &str) -> Option<String> {
    TOPICS.iter().find(|topic| topic.name == name).map(|topic| (topic.text)())
}

/// A row of two columns.
pub(super) fn row(indent: usize, name: &str, width: usize, text: &str) -> String {
    let style = anstyle::Style::new();
    columns(&[("", indent, style), (name, width, style)], text, Some(WIDTH))
}

/// The list of topics.
fn topics() -> String {
    let rows = TOPICS.map(|topic| row(2, topic.name, 13, topic.about));
    format!("Topics:\n{}", rows.join("\n"))
}

/// The help of the program: commands in groups, then the options of every command.
pub(super) fn template(command: &clap::Command) -> String {
    let styles = Styles::styled();
    let (header, literal) = (styles.get_header(), styles.get_literal());
    let mut text = "{about-with-newline}\n{usage-heading} {usage}\n".to_owned();
    for (group, names) in GROUPS {
        let _ = writeln!(text, "\n{header}{group}:{header:#}");
        for sub in names.iter().filter_map(|name| command.find_subcommand(name)) {
            let about = sub.get_about().map(ToString::to_string).unwrap_or_default();
            let name = sub.get_name();
            let _ = writeln!(text, "  {literal}{name:<13}{literal:#}{about}");
        }
    }
    let _ = write!(text, "\n{header}{GLOBAL}:{header:#}\n{{options}}{{after-help}}");
    text
}

/// The end of the help of the program.
pub(super) fn footer() -> String {
    let more = "More help: kind-wsl help COMMAND, environment, exit-codes or answers";
    // One declaration in Cargo.toml.
    match env!("CARGO_PKG_REPOSITORY") {
        "" => format!(
            "{more}\nDocumentation: docs/ in the source\nBug reports: kind-wsl report collects the data"
        ),
        url => format!("{more}\nDocumentation: {url}\nBug reports: {url}/issues"),
    }
}

fn exit_codes() -> String {
    let mut text = "Exit codes\n\n".to_owned();
    for exit in Exit::ALL {
        let _ = writeln!(text, "{}", row(2, &(exit as u8).to_string(), 5, exit.meaning()));
    }
    text + "\n`kind-wsl kind` exits with kind's own code. With --exit-code, plan exits with\n0 if there is nothing to do, 1 if there are changes and 4 if it is blocked.\n"
}

fn environment() -> String {
    let mut text = "Environment variables\n\nA flag takes precedence over its variable.\n\n".to_owned();
    let mut rows: Vec<(String, String)> =
        VARIABLES.iter().map(|(name, what)| ((*name).to_owned(), (*what).to_owned())).collect();
    let command = command();
    for sub in command.get_subcommands() {
        for arg in sub.get_arguments() {
            let (Some(variable), Some(long)) = (arg.get_env(), arg.get_long()) else { continue };
            let variable = variable.to_string_lossy().into_owned();
            if rows.iter().all(|(known, _)| *known != variable) {
                rows.push((variable, format!("--{long}")));
            }
        }
    }
    debug_assert!(rows.len() > VARIABLES.len() + ASKING.len());
    for (name, what) in rows {
        let _ = writeln!(text, "{}", row(2, &name, 30, &what));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{TOPICS, WIDTH, topic};

    #[test]
    fn no_line_of_a_topic_is_wider_than_80_columns() {
        for name in TOPICS.map(|topic| topic.name) {
            for line in topic(name).unwrap().lines() {
                assert!(line.chars().count() <= WIDTH, "{name}: {line}");
            }
        }
    }
}
