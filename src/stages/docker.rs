//! Rootless Docker.

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
    from: "kind docs",
    why: "kind requires Docker 20.10 or later, rootless. Docker's dockerd-rootless-setuptool.sh installs \
          it (moby contrib/): a unit in ~/.config/systemd/user, enabled and started, and a context \
          `rootless` for the client. It needs the systemd user manager, so it runs after the restart, \
          and never with --force. The tool expects `docker` beside dockerd-rootless.sh. Debian and \
          Ubuntu install the two in different directories (/usr/share/docker.io/contrib), so links below \
          ~/.local/lib/kind-wsl point to both. If kind-wsl installed the package, the rootful daemon \
          that the package starts is stopped. A rootful daemon that existed before keeps running. On a \
          plain host, lingering is enabled so that the services of the user outlive the last session; \
          WSL keeps one session open. Rootless Docker and nerdctl's rootless containerd exclude each \
          other (moby#52171). dockerd expects the cgroup of the user at a fixed path, which does not \
          exist if WSL isolates distributions (moby#53531).",
    questions: &[],
    needed,
    changes,
};

const UNIT: &str = "docker.service";
/// Units and the package that they come with.
const ROOTFUL: [(&str, &str); 3] =
    [("docker.socket", "docker.io"), (UNIT, "docker.io"), ("containerd.service", "containerd")];

/// The rootful daemons that kind-wsl installed.
fn own_units(facts: &Facts) -> Vec<&'static str> {
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
            "a rootless containerd has {}/containerd-rootless, and Docker's setup tool does not run beside it (moby#52171)",
            facts.user.runtime_dir()
        );
        return Applicability::blocked(
            what,
            "`containerd-rootless-setuptool.sh uninstall` removes it; or use it: `--provider nerdctl`",
        );
    }
    if engines.may_use_rootful && !own_units(facts).contains(&UNIT) {
        let what = format!(
            "`{}` may use rootful Docker (/run/docker.sock), so Docker's setup tool installs no rootless one",
            facts.user.name
        );
        let hint = format!(
            "`sudo systemctl disable --now docker.service docker.socket && sudo rm /run/docker.sock`, or `sudo gpasswd -d {} docker` and a new session; or use `--provider podman`",
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
            "install docker-ce-rootless-extras, or the file of its release beside dockerd; or use `--provider podman`",
        );
    }
    Applicability::needed(format!(
        "Docker's setup tool installs rootless Docker for `{}`{}",
        facts.user.name,
        rootless::left_alone(facts, &own_units(facts))
    ))
}

/// Whether it is, or will be, the package of Debian and Ubuntu.
fn is_of_debian(facts: &Facts) -> bool {
    let has = |name: &str| facts.packages.installed.contains_key(name);
    facts.packages.manager == Some(Manager::Apt)
        && !has("docker-ce")
        && (has("docker.io") || facts.engines.docker.is_none())
}

/// The path of the setup tool after the packages are installed.
fn tool(facts: &Facts) -> Utf8PathBuf {
    let dir = if is_of_debian(facts) { CONTRIB } else { "/usr/bin" };
    facts
        .engines
        .docker_tool
        .clone()
        .unwrap_or_else(|| Utf8Path::new(dir).join("dockerd-rootless-setuptool.sh"))
}

fn changes(facts: &Facts, _: &Answers) -> Vec<Change> {
    let mut changes: Vec<Change> = own_units(facts).into_iter().map(rootless::disabled).collect();
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
