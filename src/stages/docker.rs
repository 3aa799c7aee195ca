//! A Docker daemon of the user's own.

use camino::{Utf8Path, Utf8PathBuf};

use super::rootless;
use crate::change::{Change, Link, Manager};
use crate::facts::Facts;
use crate::facts::engines::CONTRIB;
use crate::provider::Provider;
use crate::stage::{Answers, Applicability, Stage};

pub(crate) static STAGE: Stage = Stage {
    id: "docker",
    title: "set up rootless Docker",
    from: "page",
    why: "kind's page asks for Docker 20.10 or later with a daemon of the user's own. Docker's own \
          dockerd-rootless-setuptool.sh makes it (moby contrib/): a unit in ~/.config/systemd/user, enabled and started, \
          and a context `rootless` for the client. It needs the user manager, so it runs after the restart, and never with \
          --force. It looks for `docker` beside dockerd-rootless.sh, and Debian and Ubuntu keep the two apart \
          (/usr/share/docker.io/contrib), so links below ~/.local/lib/kind-wsl bring them together. The system's own \
          daemon, which the package starts, is stopped where it came with us, and left where it was there before. On a \
          plain host the user's services are made to outlive the last session (linger); WSL keeps one open. A rootless \
          containerd of nerdctl's and this exclude each other (moby#52171). dockerd looks for the user's cgroup by a fixed \
          path, which a WSL that isolates distributions does not have (moby#53531).",
    questions: &[],
    needed,
    changes,
};

const UNIT: &str = "docker.service";
/// Units and the package that they come with.
const ROOTFUL: [(&str, &str); 3] =
    [("docker.socket", "docker.io"), (UNIT, "docker.io"), ("containerd.service", "containerd")];

/// Those of the system's own daemons that came with us.
fn ours(facts: &Facts) -> Vec<&'static str> {
    rootless::rootful_of_ours(facts, if is_of_debian(facts) { &ROOTFUL } else { &[] })
}

fn needed(facts: &Facts, answers: &Answers) -> Applicability {
    let provider = answers.provider();
    if provider != Provider::Docker {
        return Applicability::not_applicable(format!("the provider is {provider}"));
    }
    if let Some(blocked) = rootless::unfit(facts, provider)
        .or_else(|| rootless::isolated(facts, "Docker (moby#53531)"))
        .or_else(|| rootless::confined(facts))
    {
        return blocked;
    }
    let engines = &facts.engines;
    if engines.rootless_containerd {
        let what = format!(
            "a rootless containerd has {}/containerd-rootless, and Docker's set-up tool refuses beside it (moby#52171)",
            facts.user.runtime_dir()
        );
        return Applicability::blocked(
            what,
            "`containerd-rootless-setuptool.sh uninstall` takes it away, or keep it: `--provider nerdctl`",
        );
    }
    if engines.may_use_rootful && !ours(facts).contains(&UNIT) {
        let what = format!(
            "`{}` may use the system's own Docker (/run/docker.sock), and Docker's set-up tool then makes no other",
            facts.user.name
        );
        let hint = format!(
            "`sudo systemctl disable --now docker.service docker.socket && sudo rm /run/docker.sock`, or `sudo gpasswd -d {} docker` and a new session; or take `--provider podman`",
            facts.user.name
        );
        return Applicability::blocked(what, hint);
    }
    if engines.docker.is_some()
        && engines.docker_tool.is_none()
        && !is_of_debian(facts)
        && !facts.packages.installed.contains_key("docker-ce")
    {
        return Applicability::blocked(
            "this Docker comes without dockerd-rootless-setuptool.sh",
            "install docker-ce-rootless-extras, or the file of its release beside dockerd; or take `--provider podman`",
        );
    }
    Applicability::needed(format!(
        "Docker's own set-up tool makes a daemon of `{}`'s own{}",
        facts.user.name,
        rootless::left_alone(facts, &ours(facts))
    ))
}

/// Whether it is, or will be, the package of Debian and Ubuntu.
fn is_of_debian(facts: &Facts) -> bool {
    let has = |name: &str| facts.packages.installed.contains_key(name);
    facts.packages.manager == Some(Manager::Apt)
        && !has("docker-ce")
        && (has("docker.io") || facts.engines.docker.is_none())
}

/// Where the set-up tool is, or will be.
fn tool(facts: &Facts) -> Utf8PathBuf {
    let dir = if is_of_debian(facts) { CONTRIB } else { "/usr/bin" };
    facts
        .engines
        .docker_tool
        .clone()
        .unwrap_or_else(|| Utf8Path::new(dir).join("dockerd-rootless-setuptool.sh"))
}

fn changes(facts: &Facts, _: &Answers) -> Vec<Change> {
    let mut changes: Vec<Change> = ours(facts).into_iter().map(rootless::disabled).collect();
    let tool = tool(facts);
    let mut dir = tool.parent().unwrap_or(Utf8Path::new("/usr/bin")).to_owned();
    if dir == CONTRIB {
        dir = facts.user.home.join(".local/lib/kind-wsl/docker");
        let targets = [
            format!("{CONTRIB}/dockerd-rootless.sh"),
            "/usr/bin/docker".to_owned(),
            "/usr/bin/rootlesskit".to_owned(),
        ];
        changes.extend(targets.into_iter().map(|to| {
            let path = dir.join(Utf8Path::new(&to).file_name().unwrap_or_default());
            Change::from(Link { path, to, owner: super::user(facts) })
        }));
    }
    changes.extend(rootless::linger(facts));
    changes.extend(rootless::service(facts, UNIT, &tool, &dir));
    changes
}
