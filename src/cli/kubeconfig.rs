//! `kind-wsl kubeconfig`: the kubeconfig of a cluster, for this shell or for Windows.

use camino::Utf8PathBuf;
use clap::Args;
use kind_wsl_windows::port::Answer;

use super::Global;
use super::kind::{self, INSTALL, KindCommand};
use super::session::{Session, switches};
use crate::change::Change;
use crate::checks::{CheckContext, network, wsl};
use crate::doctor::CheckReport;
use crate::error::{Exit, Failure};
use crate::facts::Facts;
use crate::host::System;
use crate::kubeconfig::{ClusterConfig, Merge, MergeError, merge};
use crate::stage::Answers;
use crate::stages::KUBECONFIG;
use crate::ui::{self, DIM, GREEN, YELLOW, columns, out, styled};
use crate::windows::{self, Helper, Interop};

/// The arguments of `kubeconfig`.
#[derive(Debug, Args)]
#[command(
    after_help = "Without --windows it prints to standard output and changes nothing. With --windows, kubectl merges the cluster \
                  into the kubeconfig of your Windows account. Other entries and the current context stay as they are; \
                  `kind-wsl undo kubeconfig` restores the file.\n\nExamples:\n  kind-wsl kubeconfig > dev.yaml     for the cluster `kind`\n  \
                  kind-wsl kubeconfig dev --windows  use the cluster `dev` from Windows"
)]
pub(crate) struct KubeconfigCommand {
    /// Cluster (default: `KIND_CLUSTER_NAME`, otherwise kind)
    #[arg(value_name = "NAME")]
    cluster: Option<String>,
    /// Merge it into %USERPROFILE%\.kube\config, and check that Windows reaches the API server
    #[arg(long)]
    windows: bool,
    /// Windows profile directory that holds .kube
    #[arg(long, value_name = "DIR", env = "KIND_WSL_WINDOWS_PROFILE", hide_env_values = true)]
    windows_profile: Option<Utf8PathBuf>,
    /// Do not prompt
    #[arg(short, long, requires = "windows")]
    yes: bool,
}

impl KubeconfigCommand {
    pub(crate) fn run(&self, global: &Global) -> Result<Exit, Failure> {
        if !self.windows {
            let args = self.kind_args().into_iter().map(Into::into).collect();
            return KindCommand { args }.run(global);
        }
        let session = Session::new(global, self.windows_profile.as_ref())?;
        session.journal_state.refuse_unfinished()?;
        let facts = session.facts();
        let cluster = self.cluster(&session, global, &facts)?;
        let merge = Self::merge(&session, &facts, &cluster)?;
        let change = Change::from(merge.change.clone());
        let (now, aim) = (change.current(&session.host), change.desired(&session.host));
        let failed = |e| Failure::from(MergeError::File(e));
        if change.satisfies(&now.map_err(failed)?, &aim.map_err(failed)?.state) {
            out(&format!("`{}` already has the context `{}`.", merge.change.path, cluster.context));
            return Ok(reachable(&session, &facts, &cluster));
        }
        if merge.has_comments && !self.yes && !Self::is_agreed(&merge)? {
            out("Nothing was changed.");
            return Ok(Exit::Interrupted);
        }
        if session.host.is_live() && !session.host.is_root() {
            return Err(session.become_root(global, self.args(global, &session), None));
        }
        session.with_local_engine(ui::reporter(false, global.verbose, true), |engine| {
            engine.make(KUBECONFIG, &[change])
        })?;
        Self::report(&merge, &cluster);
        Ok(reachable(&session, &facts, &cluster))
    }

    fn kind_args(&self) -> Vec<String> {
        let name = self.cluster.iter().map(|name| format!("--name={name}"));
        ["get", "kubeconfig"].map(ToOwned::to_owned).into_iter().chain(name).collect()
    }

    /// The kubeconfig of the cluster, from kind.
    fn cluster(&self, session: &Session, global: &Global, facts: &Facts) -> Result<ClusterConfig, Failure> {
        let Some(kind) = &facts.tools.kind else {
            return Err(Failure::new("kind is not installed", Some(INSTALL.to_owned())));
        };
        let args = self.kind_args();
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let output = session.host.run_readonly(&kind::command(session, global, kind.as_str(), &args))?;
        let found = (output.code == 0).then(|| ClusterConfig::parse(&output.stdout)).flatten();
        found.ok_or_else(|| {
            let name = self.cluster.as_deref().unwrap_or("kind");
            let hint = "`kind-wsl kind get clusters` lists the clusters; the cluster must run";
            let mut failure =
                Failure::new(format!("cannot get the kubeconfig of cluster `{name}`"), Some(hint.to_owned()));
            failure.causes.extend(output.complaint().map(|why| why.trim_start_matches("ERROR: ").to_owned()));
            failure
        })
    }

    fn merge(session: &Session, facts: &Facts, cluster: &ClusterConfig) -> Result<Merge, Failure> {
        if !facts.wsl.is_two() {
            return Err(Failure::usage(
                format!("`--windows` requires WSL 2; this machine is {}", facts.wsl.name()),
                "run it without `--windows`",
            ));
        }
        let Some(profile) = &facts.windows.profile else {
            return Err(Failure::usage(
                "the profile of your Windows account was not found",
                "add `--windows-profile /mnt/c/Users/NAME`",
            ));
        };
        let Some(kubectl) = &facts.tools.kubectl else {
            let hint = "kind-wsl setup --only tools --tools both".to_owned();
            return Err(Failure::new("kubectl is not installed in this distribution", Some(hint)));
        };
        let path = profile.join(".kube/config");
        Ok(merge(&session.host, &session.user, kubectl, path, cluster)?)
    }

    /// Asks before comments are lost: kubectl removes them.
    fn is_agreed(merge: &Merge) -> Result<bool, Failure> {
        let path = &merge.change.path;
        if !ui::is_interactive() {
            let text = format!("`{path}` has comments, which kubectl does not keep");
            return Err(Failure::usage(text, "add `--yes`; `kind-wsl undo kubeconfig` restores the file"));
        }
        out(&format!("`{path}` has comments, which kubectl does not keep. An undo restores the file."));
        ui::confirm("Merge the cluster into it?")
    }

    fn args(&self, global: &Global, session: &Session) -> Vec<String> {
        let mut args = vec!["kubeconfig".to_owned(), "--windows".to_owned(), "--yes".to_owned()];
        args.push(format!("--user={}", session.user.name));
        args.extend(self.windows_profile.iter().map(|dir| format!("--windows-profile={dir}")));
        args.extend(switches(global, &[]));
        args.extend(self.cluster.iter().flat_map(|name| ["--".to_owned(), name.clone()]));
        args
    }

    fn report(merge: &Merge, cluster: &ClusterConfig) {
        let (path, context) = (&merge.change.path, &cluster.context);
        out(&styled(GREEN.bold(), &format!("Merged the context `{context}` into `{path}`.")));
        let text = match &merge.current_context {
            Some(current) if merge.is_new => format!("The file is new; its current context is `{current}`."),
            Some(current) => format!("The current context stays `{current}`."),
            None => "The file still has no current context.".to_owned(),
        };
        out(&text);
        out(&styled(DIM, &format!("In Windows: kubectl --context {context} get nodes")));
        out(&styled(DIM, "To restore the file: kind-wsl undo kubeconfig"));
    }
}

impl From<MergeError> for Failure {
    fn from(error: MergeError) -> Self {
        Self { hint: error.hint(), ..Self::new(error.to_string(), None) }
    }
}

/// Reports whether Windows reaches the API server.
fn reachable(session: &Session, facts: &Facts, cluster: &ClusterConfig) -> Exit {
    let Some(port) = cluster.port else { return Exit::Done };
    let asked = ask(session, port);
    let Some(answer) = asked else {
        let text = format!(
            "Not checked from Windows, because Windows programs cannot be started from this shell. In PowerShell: \
             Test-NetConnection 127.0.0.1 -Port {port}"
        );
        out(&columns(&[("note: ", 6, DIM)], &text, ui::width()));
        return Exit::Done;
    };
    if answer == Answer::Yes {
        out(&format!("Windows reaches the API server at 127.0.0.1:{port}."));
        return Exit::Done;
    }
    let what = match answer {
        Answer::Refused => "the connection is refused",
        Answer::Timeout => "the connection times out",
        Answer::Closed => "the connection is closed at once",
        Answer::Silent | Answer::Yes => "nothing answers",
    };
    let text = format!("Windows does not reach the API server at 127.0.0.1:{port}: {what}.");
    out(&columns(&[("warning: ", 9, YELLOW)], &text, ui::width()));
    for reason in reasons(session, facts, port, answer) {
        out(&columns(&[("  - ", 4, DIM)], &reason, ui::width()));
    }
    Exit::Found
}

/// Connects from Windows with the helper; `None` if that is not possible.
fn ask(session: &Session, port: u16) -> Option<Answer> {
    let interop = Interop::new(&session.host, &session.user).ok()?;
    let helper = Helper::find(&session.host)?.materialize().ok()?;
    windows::port(&interop, &helper.path(), port).ok()?
}

/// The possible reasons why Windows does not reach the port.
fn reasons(session: &Session, facts: &Facts, port: u16, answer: Answer) -> Vec<String> {
    if session.host.is_live() && Answer::of(port) != Answer::Yes {
        return vec![format!(
            "It does not answer in this distribution either: the cluster is not running. See `kind-wsl doctor`."
        )];
    }
    let mut reasons = Vec::new();
    let is_off = |value: &String| value.eq_ignore_ascii_case("false") || value == "0";
    if facts.windows.wsl2.get("localhostforwarding").is_some_and(is_off) {
        reasons.push(
            "`localhostForwarding=false` in .wslconfig: Windows reaches no port of WSL. Remove it, then run `wsl.exe \
             --shutdown` in Windows."
                .to_owned(),
        );
    }
    let answers = Answers(session.journal_state.answers.clone());
    let context = CheckContext::new(&session.host, facts, &answers);
    for check in [&network::PORTS, &wsl::MIRRORED] {
        let report = CheckReport::of(&context, check);
        if report.is_warning() && !report.effect.is_empty() {
            reasons.push(format!("{}: {}. Fix: {}", report.details, report.effect, report.fix.text()));
        }
    }
    if answer == Answer::Timeout {
        reasons.push("A firewall in Windows drops the connection.".to_owned());
    }
    if reasons.is_empty() {
        reasons.push(
            "It answers in this distribution, so WSL does not forward the port. Run `wsl.exe --shutdown` in Windows, then \
             start the cluster again."
                .to_owned(),
        );
    }
    reasons
}
