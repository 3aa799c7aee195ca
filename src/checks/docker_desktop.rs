//! Docker Desktop: its distributions, and the `docker` that it adds to others.

use super::{Check, CheckContext, Outcome, Scope, check, wsl};
use crate::facts::wsl::is_docker_desktops;
use crate::fix::windows;
use crate::host::FileKind;
use crate::provider::Provider;
use crate::windows::Interop;

pub(crate) const FOREIGN: &str = "this distribution belongs to Docker Desktop";
pub(crate) const USE_ANOTHER: &str = "in Windows: `wsl -d NAME` opens another distribution, and `wsl --set-default NAME` makes it the default; `wsl --list` shows the names";

/// The reason to skip the other checks in a distribution of Docker Desktop.
pub(super) static DISTRIBUTION: Check =
    check("distribution", "this distribution is not Docker Desktop's", |c| {
        let effect =
            "it cannot be set up for kind: it has no package manager, and Docker Desktop replaces it";
        if c.facts.is_docker_desktops() {
            return Outcome::error(FOREIGN, effect, USE_ANOTHER);
        }
        Outcome::ok("it does not belong to Docker Desktop")
    });

pub(crate) static DEFAULT: Check =
    check("wsl-default", "Windows opens a distribution that can run kind", |c| {
        let listed = Interop::new(c.system, &c.facts.user).and_then(|interop| interop.default_distribution());
        let name = match listed {
            Ok(Some(name)) => name,
            Ok(None) => return Outcome::unknown("wsl.exe does not list a default distribution"),
            Err(error) => return Outcome::unknown(error.to_string()),
        };
        let details = format!("the default distribution is {name}");
        let effect = "`wsl` without `-d` opens Docker Desktop's distribution, which cannot run kind";
        let fix = windows(format!("wsl --set-default {}", c.facts.wsl.distro()));
        Outcome::prefer(!is_docker_desktops(&name), details, effect, fix)
    })
    .scope(&[Scope::Wsl])
    .needs(const { &[&wsl::INTEROP] });

/// Docker Desktop's `docker`: a link to its distribution, or the Windows program.
fn stub(c: &CheckContext<'_>) -> Option<String> {
    for path in ["/usr/local/bin/docker", "/usr/bin/docker"] {
        if let Ok(Some(stat)) = c.system.stat(path.into()) {
            let FileKind::Link(target) = stat.kind else { return None };
            return target.contains("docker-desktop").then(|| format!("{path} leads to {target}"));
        }
    }
    // Its script prints that docker "could not be found in this WSL 2 distro".
    let path = c.system.env("PATH")?;
    let dir =
        path.split(':').find(|dir| dir.contains("/Docker/") && c.system.exists(&format!("{dir}/docker")))?;
    Some(format!("{dir}/docker is the Windows program"))
}

pub(crate) static STUB: Check = check("docker-desktop", "`docker` is not Docker Desktop's", |c| {
    let Some(details) = stub(c) else { return Outcome::ok("no docker of Docker Desktop is installed") };
    let wanted = c.answers.provider();
    if wanted == Provider::Docker {
        let effect = "it does not provide rootless Docker: kind uses Docker Desktop, or fails without it";
        let fix = "turn off the WSL integration of this distribution in the settings of Docker Desktop, then run `kind-wsl setup --provider docker`";
        return Outcome::error(details, effect, fix);
    }
    if c.system.env("KIND_EXPERIMENTAL_PROVIDER").is_some_and(|name| name == wanted.name()) {
        return Outcome::ok(format!("{details}; KIND_EXPERIMENTAL_PROVIDER is {wanted}"));
    }
    let effect = format!("`docker` fails without Docker Desktop; with it, plain `kind` does not use {wanted}");
    let fix = format!(
        "use `kind-wsl kind`, or run `export KIND_EXPERIMENTAL_PROVIDER={wanted}`, or turn off the WSL integration of this distribution in the settings of Docker Desktop"
    );
    Outcome::warning(details, effect, fix)
})
.scope(&[Scope::Wsl]);
