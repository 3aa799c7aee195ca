//! `kind-wsl kind ARGS…`: runs kind with the configured provider in a delegated scope.

use std::ffi::OsString;

use clap::Args;

use super::Global;
use super::cluster::provider;
use super::kind_load::{Load, is_needed};
use super::session::Session;
use crate::error::{Exit, Failure};
use crate::facts::UserError;
use crate::facts::user::refuse_root;
use crate::host::{Cmd, System, replace};
use crate::provider::{
    Correction, Provider, can_be_wrapped, corrections, docker_host, in_wrapper, is_session_of,
    is_session_variable, with_sbin,
};
use crate::stage::Answers;
use crate::ui::{clear_spinner, err};

/// The arguments of `kind`.
#[derive(Debug, Args)]
#[command(
    disable_help_flag = true,
    trailing_var_arg = true,
    after_help = "Options of kind-wsl stand before the word kind; everything after it belongs to kind, including --help.\n\n\
                  Examples:\n  kind-wsl kind create cluster --name dev\n  kind-wsl kind --help      kind's own help\n  \
                  kind-wsl -v kind version  also shows the command line"
)]
pub(crate) struct KindCommand {
    /// Arguments for kind
    #[arg(value_name = "ARGS", allow_hyphen_values = true)]
    pub(super) args: Vec<OsString>,
}

impl KindCommand {
    pub(crate) fn run(&self, global: &Global) -> Result<Exit, Failure> {
        let session = Session::local(global, None)?;
        self.refuse_others(&session, global)?;
        let facts = session.facts();
        let Some(kind) = &facts.tools.kind else {
            return Err(Failure::new("kind is not installed", Some(INSTALL.to_owned())));
        };
        let wrong = corrections(&session.host, &session.user);
        if let Some(note) = note(&wrong) {
            err(&note);
        }
        let (program, args) = line(&session, kind.as_str(), &self.args);
        if global.verbose {
            err(&format!("running `{}`", typed(&program, &args)));
        }
        let environment = environment(&session, global, wrong);
        let load = Load::parse(&self.args).filter(|_| provider(&session) == Provider::Podman);
        if let Some(load) = load.filter(|_| is_needed(&session, kind.as_str())) {
            let (program, before) = line(&session, kind.as_str(), &[]);
            let before: Vec<String> = before.iter().map(|arg| arg.to_string_lossy().into_owned()).collect();
            return load.run(&session, global, (&program, &before), &environment);
        }
        clear_spinner();
        let error = replace(&program, &args, &environment);
        Err(Failure::new(format!("cannot run `{program}`: {error}"), Some("kind-wsl doctor".to_owned())))
    }

    /// Refuses `--root` and another user: kind supports neither.
    fn refuse_others(&self, session: &Session, global: &Global) -> Result<(), Failure> {
        let (host, user) = (&session.host, &session.user);
        let again = typed("kind-wsl", &[&["kind".into()], self.args.as_slice()].concat());
        if !host.is_live() {
            let text = format!("cannot run kind in `{}`: kind runs only on the running system", global.root);
            return Err(Failure::usage(text, again));
        }
        if user.uid == host.uid() && !host.is_root() {
            return Ok(());
        }
        refuse_root(host, user).map_err(|e| match e {
            UserError::Root { instead: Some(name) } => other_user(&name, &again),
            e => e.into(),
        })?;
        if host.is_root() && host.env("SUDO_USER").as_ref() == Some(&user.name) {
            return Err(Failure::usage("kind would run as root, but the cluster is rootless", again));
        }
        Err(other_user(&user.name, &again))
    }
}

/// The command that runs kind as [`KindCommand`] does, to read its output.
pub(super) fn command(session: &Session, global: &Global, kind: &str, args: &[&str]) -> Cmd {
    let args: Vec<OsString> = args.iter().map(OsString::from).collect();
    let (program, args) = line(session, kind, &args);
    let args = args.iter().map(|arg| arg.to_string_lossy());
    let cmd = Cmd::new(&program, args).as_user(&session.user);
    let wrong = corrections(&session.host, &session.user);
    environment(session, global, wrong).iter().fold(cmd, |cmd, (name, value)| cmd.with_env(name, value))
}

/// The variable that selects the provider of kind.
const PROVIDER: &str = "KIND_EXPERIMENTAL_PROVIDER";

/// The command that installs kind, also if an earlier answer was to install nothing.
pub(super) const INSTALL: &str = "kind-wsl setup --only tools --tools kind";

fn other_user(name: &str, again: &str) -> Failure {
    let hint = Cmd::new("su", ["-", name, "--command", again]).to_string();
    Failure::usage(format!("kind has to run as `{name}`, who owns the cluster"), hint)
}

/// A command line with quotes for a shell.
fn typed(program: &str, args: &[OsString]) -> String {
    Cmd::new(program, args.iter().map(|arg| arg.to_string_lossy())).to_string()
}

/// A warning about wrong variables of the shell.
fn note(wrong: &[Correction]) -> Option<String> {
    let list = |part: fn(&Correction) -> &str| wrong.iter().map(part).collect::<Vec<_>>().join(" and ");
    (!wrong.is_empty()).then(|| format!("warning: {}; using {}", list(|c| &c.fault), list(|c| &c.right)))
}

/// The command line for kind in a delegated scope of the systemd user manager, if that is reachable.
fn line(session: &Session, kind: &str, args: &[OsString]) -> (String, Vec<OsString>) {
    if !can_be_wrapped(&session.host, &session.user) {
        return (kind.to_owned(), args.to_vec());
    }
    let wrapped = in_wrapper([kind]);
    let before = wrapped.args.into_iter().map(OsString::from);
    (wrapped.program, before.chain(args.iter().cloned()).collect())
}

/// The environment of kind: the configured provider unless the user sets another one, the address of its socket, and the
/// session of the user if the shell has none (after sudo or su) or that of another user.
fn environment(session: &Session, global: &Global, wrong: Vec<Correction>) -> Vec<(String, String)> {
    let inherited =
        |name: &str| global.env.iter().find(|(n, v)| n == name && !v.is_empty()).map(|(_, v)| v.as_str());
    let provider = Answers(session.journal_state.answers.clone()).provider();
    let mut wanted = vec![(PROVIDER, provider.name().to_owned())];
    // A Docker that the user selects has its own address.
    let is_same = inherited(PROVIDER).is_none_or(|name| name == provider.name());
    if provider == Provider::Docker && is_same {
        wanted.push(("DOCKER_HOST", docker_host(&session.user)));
    }
    // If the directory does not exist, podman falls back to /tmp only without the variable.
    let has_session = is_session_of(&session.host, &session.user);
    wanted
        .extend(session.user.env().into_iter().filter(|(name, _)| has_session || !is_session_variable(name)));
    wanted.retain(|(name, _)| inherited(name).is_none());
    wanted.extend(wrong.into_iter().map(|c| (c.name, c.right)));
    if provider == Provider::Nerdctl && is_same {
        wanted.push(("PATH", with_sbin(inherited("PATH").unwrap_or_default())));
    }
    wanted.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
