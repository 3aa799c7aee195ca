//! `kind-wsl kind ARGS..`: kind, as it has to be started here.

use clap::Args;

use super::Global;
use super::session::Session;
use crate::error::{Exit, Failure};
use crate::host::replace;
use crate::provider::{Provider, can_be_wrapped, docker_host, in_wrapper};
use crate::stage::Answers;

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
        let session = Session::local(global, None)?;
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
        let (program, args) = line(&session, kind.as_str(), &self.args);
        let error = replace(&program, &args, &environment(&session, global));
        Err(Failure::new(
            format!("cannot run `{program}`: {error}"),
            Some("`kind-wsl plan` shows what is missing".to_owned()),
        ))
    }
}

/// kind inside a scope with every controller of the user manager, where there is one.
fn line(session: &Session, kind: &str, args: &[String]) -> (String, Vec<String>) {
    if can_be_wrapped(&session.host, &session.user) {
        let wrapped = in_wrapper([kind].into_iter().chain(args.iter().map(String::as_str)));
        return (wrapped.program, wrapped.args);
    }
    (kind.to_owned(), args.to_vec())
}

/// The provider that was set up, unless the user says otherwise, what it needs to be found, and the user's own bus where
/// the shell came through sudo or su.
fn environment(session: &Session, global: &Global) -> Vec<(String, String)> {
    let said =
        |name: &str| global.env.iter().find(|(n, v)| n == name && !v.is_empty()).map(|(_, v)| v.as_str());
    let ours = Answers(session.ledger.answers.clone()).provider();
    let mut wanted = vec![("KIND_EXPERIMENTAL_PROVIDER", ours.name().to_owned())];
    // Another Docker than the one that we set up has an address of its own.
    let is_ours = said("KIND_EXPERIMENTAL_PROVIDER").is_none_or(|theirs| theirs == ours.name());
    if ours == Provider::Docker && is_ours {
        wanted.push(("DOCKER_HOST", docker_host(&session.user)));
    }
    wanted.extend(session.user.env());
    wanted.retain(|(name, _)| said(name).is_none());
    if ours == Provider::Nerdctl && is_ours {
        wanted.push(("PATH", with_sbin(said("PATH").unwrap_or_default())));
    }
    wanted.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// The path with the directories of iptables and nsenter, which a user's shell on Debian lacks and nerdctl needs.
fn with_sbin(path: &str) -> String {
    let missing = ["/usr/sbin", "/sbin"].into_iter().filter(|dir| !path.split(':').any(|p| p == *dir));
    std::iter::once(path).chain(missing).filter(|p| !p.is_empty()).collect::<Vec<_>>().join(":")
}

#[cfg(test)]
mod tests {
    use super::with_sbin;

    #[test]
    fn what_is_on_the_path_already_is_not_named_twice() {
        assert_eq!(with_sbin("/usr/bin:/bin"), "/usr/bin:/bin:/usr/sbin:/sbin");
        assert_eq!(with_sbin("/usr/sbin:/sbin"), "/usr/sbin:/sbin");
    }
}
