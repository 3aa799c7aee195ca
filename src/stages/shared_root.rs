//! Makes `/` a shared mount.

use crate::change::{Change, SystemSetting, Trigger, Unit, WriteFile};
use crate::facts::Facts;
use crate::facts::kernel::Propagation;
use crate::stage::{Answers, Applicability, Stage};

pub(crate) static STAGE: Stage = Stage {
    id: "shared-root",
    title: "make the root mount shared",
    from: "kind-wsl",
    why: "Without this, podman warns that \"/\" is not a shared mount (podman \
          pkg/rootless/rootless_linux.go). File systems that are mounted after a container started are \
          then missing in it. systemd makes `/` shared at boot, except in containers (systemd \
          src/shared/mount-setup.c), and it detects WSL as a container (systemd src/basic/virt.c). Some \
          versions of WSL do it themselves, so this stage reads the mount table. It makes `/` and \
          everything below it shared now, and a small unit does so at each start, as Rancher Desktop and \
          podman machine do. Undo removes the unit and makes `/` private again; the mounts below it stay \
          shared until the next start.",
    questions: &[],
    needed,
    changes,
};

const UNIT: &str = "kind-wsl-shared-root.service";

fn needed(facts: &Facts, _: &Answers) -> Applicability {
    match facts.kernel.root_mount {
        Some(Propagation::Private) => Applicability::needed("`/` is a private mount"),
        Some(Propagation::Shared) => Applicability::satisfied("`/` is a shared mount"),
        Some(Propagation::Slave) => {
            Applicability::not_applicable("`/` receives its mounts from another mount namespace")
        }
        None => Applicability::not_applicable("the mount table does not show `/`"),
    }
}

fn changes(_: &Facts, _: &Answers) -> Vec<Change> {
    let unit = include_str!("../../assets/files/kind-wsl-shared-root.service");
    let file = WriteFile::config(&format!("/etc/systemd/system/{UNIT}"), unit.to_owned());
    // The unit is for later starts. The mount comes last, so that an interrupted run finds `/` still private.
    vec![
        Change::from(file).with_trigger(Trigger::DaemonReload),
        Unit::new(UNIT).into(),
        SystemSetting::SharedRoot.into(),
    ]
}
