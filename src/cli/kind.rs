//! `kind-wsl kind ARGS..`: kind, as it has to be started here.

use clap::Args;

use super::Global;
use super::session::Session;
use crate::error::{Exit, Failure};
use crate::facts::Facts;
use crate::host::{World, replace};
use crate::stages::WRAPPER;

/// The arguments of `kind`.
#[derive(Debug, Args)]
#[command(disable_help_flag = true, trailing_var_arg = true)]
pub(crate) struct Kind {
    /// What kind takes.
    #[arg(value_name = "ARGS", allow_hyphen_values = true)]
    args: Vec<String>,
}

impl Kind {
    pub(crate) fn run(&self, global: &Global) -> Result<Exit, Failure> {
        let session = Session::new(global, None)?;
        if session.host.is_root() {
            let text = "kind would run as root, and the cluster is the user's";
            let hint = format!("run it as `{}`", session.user.name);
            return Err(Failure::usage(text, hint));
        }
        let facts = session.facts();
        let Some(kind) = &facts.tools.kind else {
            return Err(Failure::new(
                "kind is not installed",
                Some("`kind-wsl setup --only tools` installs it".to_owned()),
            ));
        };
        let (program, args) = line(&session, &facts, kind.as_str(), &self.args);
        let error = replace(&program, &args, &environment(&session, global));
        Err(Failure::new(
            format!("cannot run `{program}`: {error}"),
            Some("`kind-wsl plan` shows what is missing".to_owned()),
        ))
    }
}

/// kind inside a scope with every controller of the user manager, where there is one.
fn line(session: &Session, facts: &Facts, kind: &str, args: &[String]) -> (String, Vec<String>) {
    let bus = format!("{}/bus", session.user.runtime_dir());
    if facts.systemd.is_running() && session.host.exists(&bus) {
        let words =
            WRAPPER[1..].iter().map(|&w| w.to_owned()).chain([kind.to_owned()]).chain(args.iter().cloned());
        return (WRAPPER[0].to_owned(), words.collect());
    }
    (kind.to_owned(), args.to_vec())
}

/// podman as the provider, unless the user says otherwise, and the user's own bus where the shell came through sudo or su.
fn environment(session: &Session, global: &Global) -> Vec<(String, String)> {
    let has = |name: &str| global.env.iter().any(|(n, v)| n == name && !v.is_empty());
    let wanted = [("KIND_EXPERIMENTAL_PROVIDER", "podman".to_owned())].into_iter().chain(session.user.env());
    wanted.filter(|(name, _)| !has(name)).map(|(name, value)| (name.to_owned(), value)).collect()
}
