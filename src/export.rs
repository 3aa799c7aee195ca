//! The plan in the words of engines that set up many machines: a script, a playbook, user-data, a recipe for an image.
//!
//! There is one source, the changes of the plan, and one function a primitive in each engine (the trait `Engine`): a new stage
//! needs nothing here, and a new primitive does not compile before every engine has words for it. A format is pure:
//! an [`Export`] in, a [`Text`] out. What an engine can not express is said twice: as a comment at the place, and in
//! [`Text::notes`].

mod ansible;
mod cloud_init;
mod image;
mod shell;
mod words;

use std::collections::BTreeSet;

use crate::change::{
    Aside, Body, Change, Edit, Entry, Expect, Link, Manager, Package, Put, Restart, RestartRequirement, Run,
    Scope, Unit,
};
use crate::facts::Facts;
use crate::fetch::Artifact;
use crate::host::Owner;
use crate::journal::JournalState;
use crate::plan::{Plan, Verdict};
use crate::stages::STAGES;

pub use words::{Param, Piece, Places, shell as quoted_for_shell, yaml as quoted_for_yaml};

/// The engines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// A POSIX script.
    Sh,
    /// A playbook of ansible's own modules.
    Ansible,
    /// User-data for cloud-init.
    CloudInit,
    /// The lines that make a distribution to import into WSL.
    WslImage,
}

impl Format {
    /// Every one.
    pub const ALL: [Self; 4] = [Self::Sh, Self::Ansible, Self::CloudInit, Self::WslImage];

    /// The plan in its words.
    #[must_use]
    pub fn write(self, export: &Export) -> Text {
        match self {
            Self::Sh => shell::write(export),
            Self::Ansible => ansible::write(export),
            Self::CloudInit => cloud_init::write(export),
            Self::WslImage => image::write(export),
        }
    }
}

/// What a format makes of an export.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text {
    /// The file.
    pub text: String,
    /// What it can not do, in sentences; each is also in the file, at its place.
    pub notes: Vec<String>,
}

/// The changes that a machine of this kind needs, whoever makes them.
#[derive(Clone, Debug)]
pub struct Export {
    /// From what it is made, in words.
    pub of: String,
    /// The stages with something to do, in their order.
    pub steps: Vec<Step>,
    /// The stages without, and why.
    pub left: Vec<String>,
    /// What differs from machine to machine.
    pub places: Places,
    /// The flags of `kind-wsl setup` that mean the same.
    pub flags: Vec<String>,
    /// Stands in for every publisher.
    pub mirror: Option<String>,
    /// Debian and what is made from it, by its release; for the recipe of an image.
    pub release: Option<String>,
}

/// A stage and its changes.
#[derive(Clone, Debug)]
pub struct Step {
    /// The stage's name.
    pub id: String,
    /// What it makes true.
    pub title: String,
    /// What it changes.
    pub changes: Vec<Change>,
}

impl Export {
    /// The plan that is left to do, and before it what a set-up of ours has done already, as its journal says: together
    /// they are what the machine needed when it was fresh. The restart follows from both.
    #[must_use]
    pub fn new(plan: &Plan, journal_state: &JournalState, facts: &Facts, of: String) -> Self {
        let mut steps: Vec<Step> = Vec::new();
        let mut left = Vec::new();
        let places = Places::of(facts);
        for planned in &plan.stages {
            if planned.verdict == Verdict::Skipped {
                left.push(format!("{}: {}", planned.id, planned.why));
                continue;
            }
            let done =
                journal_state.active().filter(|e| e.intent.stage == planned.id).map(|e| &e.intent.change);
            let mut changes: Vec<Change> = Vec::new();
            for change in done.chain(&planned.changes) {
                if !matches!(change, Change::Restart(_)) && !changes.contains(change) {
                    changes.push(change.clone());
                }
            }
            if planned.id == RESTART {
                let so_far = steps.iter().flat_map(|s| &s.changes);
                changes.extend(restart(so_far, facts).map(Change::Restart));
            }
            if changes.is_empty() {
                left.push(format!(
                    "{}: {}, {}",
                    planned.id,
                    planned.verdict.name(),
                    places.neutral(&planned.why)
                ));
            } else {
                steps.push(Step { id: planned.id.to_owned(), title: planned.title.to_owned(), changes });
            }
        }
        let known: BTreeSet<&str> = STAGES.iter().map(|s| s.id).collect();
        // A journal of a program whose stages have other names.
        for entry in journal_state.active().filter(|e| !known.contains(e.intent.stage.as_str())) {
            let title = "of an earlier kind-wsl".to_owned();
            let step =
                Step { id: entry.intent.stage.clone(), title, changes: vec![entry.intent.change.clone()] };
            steps.insert(0, step);
        }
        let release = facts.distro.is_debian().then(|| facts.distro.name.clone());
        Self { of, steps, left, places, flags: Vec::new(), mirror: None, release }
    }

    /// Every change in its order.
    pub fn changes(&self) -> impl Iterator<Item = &Change> {
        self.steps.iter().flat_map(|s| &s.changes)
    }

    /// Where a file from elsewhere comes from.
    pub(crate) fn url(&self, artifact: &Artifact) -> String {
        match &self.mirror {
            Some(mirror) => format!("{}/{}", mirror.trim_end_matches('/'), artifact.path),
            None => artifact.url.clone(),
        }
    }

    /// The lines with which every format begins, without their comment signs.
    pub(crate) fn head(&self, notes: &[String]) -> Vec<String> {
        let tool = concat!("kind-wsl ", env!("CARGO_PKG_VERSION"));
        let mut lines = vec![
            "Makes a machine ready for kind in rootless containers: the plan of `kind-wsl setup` in other words.".to_owned(),
            format!("Made by {tool} from the facts of {}.", self.of),
            "A machine of another kind may need other steps: `kind-wsl plan` says which, there.".to_owned(),
        ];
        if !self.left.is_empty() {
            lines.push(String::new());
            lines.push("Not in here, because that machine needs nothing of it:".to_owned());
            lines.extend(self.left.iter().map(|l| format!("  {l}")));
        }
        lines.push(String::new());
        lines.push("What is lost compared with kind-wsl itself:".to_owned());
        lines.extend(notes.iter().map(|n| format!("  * {n}")));
        lines
    }
}

/// The stage at whose place the restart stands.
const RESTART: &str = "restart";

/// The restart that the changes before it wait for.
fn restart<'c>(changes: impl Iterator<Item = &'c Change>, facts: &Facts) -> Option<Restart> {
    let waiting: Vec<(&RestartRequirement, String)> =
        changes.filter_map(|c| Some((c.restart()?, c.target().object))).collect();
    let scope = waiting.iter().map(|(due, _)| due.scope).max()?;
    let mut until: Vec<Expect> = Vec::new();
    for expect in waiting.iter().filter_map(|(due, _)| due.until.clone()) {
        if !until.contains(&expect) {
            until.push(expect);
        }
    }
    let scope = if facts.wsl.is_two() { scope } else { Scope::Machine };
    let mut why: Vec<String> = waiting.into_iter().map(|(_, object)| object).collect();
    why.dedup();
    Some(Restart { scope, why, until })
}

/// The words of one engine, one function a primitive.
pub(crate) trait Engine {
    /// A stage begins.
    fn step(&mut self, step: &Step);
    /// A whole file.
    fn put(&mut self, put: &Put);
    /// An entry in a file of others.
    fn entry(&mut self, entry: &Entry);
    /// A symbolic link.
    fn link(&mut self, link: &Link);
    /// A file of the user's, renamed to make room.
    fn aside(&mut self, aside: &Aside);
    /// Packages.
    fn package(&mut self, package: &Package);
    /// A unit.
    fn unit(&mut self, unit: &Unit);
    /// A setting.
    fn run(&mut self, run: &Run);
    /// The restart.
    fn restart(&mut self, restart: &Restart);
    /// What can not be expressed, at this place.
    fn note(&mut self, note: String);

    /// Every change in its order. The match names every primitive: a new one needs words first.
    fn all(&mut self, export: &Export) {
        for step in &export.steps {
            self.step(step);
            for change in &step.changes {
                if change.is_ephemeral() {
                    self.note(format!("{}: left out, it serves a run of kind-wsl alone", change.target()));
                    continue;
                }
                match change {
                    Change::Put(c) => self.put(c),
                    Change::Entry(c) => self.entry(c),
                    Change::Link(c) => self.link(c),
                    Change::Aside(c) => self.aside(c),
                    Change::Package(c) => self.package(c),
                    Change::Unit(c) => self.unit(c),
                    Change::Run(c) => self.run(c),
                    Change::Restart(c) => self.restart(c),
                }
            }
        }
    }
}

/// What no engine of these can do.
const EVERYWHERE: [&str; 3] = [
    "there is no undo: what was there before is not kept, and `kind-wsl undo` knows nothing of it",
    "there is no verification: `kind-wsl doctor` on the machine says whether kind will work there",
    "nothing is asked: the answers of the machine that it was made for hold for all",
];

/// Adds a note that is not there yet.
pub(crate) fn noted(notes: &mut Vec<String>, note: String) {
    if !notes.contains(&note) {
        notes.push(note);
    }
}

/// A note on a download that its publisher signs.
pub(crate) fn unsigned(artifact: &Artifact) -> Option<String> {
    let note = || {
        format!(
            "{}: checked by its sha256 alone; kind-wsl also looks at its publisher's signature",
            artifact.name
        )
    };
    artifact.has_signature.then(note)
}

/// A note on a file that only the machine has for which this was made.
pub(crate) fn local(put: &Put) -> Option<String> {
    let Body::Local { artifact, .. } = &put.body else { return None };
    Some(format!(
        "{}: a file of your own, offered nowhere; put it as `{}` into the directory that KIND_WSL_OFFLINE names",
        artifact.name, artifact.file
    ))
}

/// Whether a change is made as the user.
pub(crate) fn is_of_user(owner: Owner) -> bool {
    matches!(owner, Owner::User { .. })
}

/// The function of the shell library that makes an entry, and its words behind the file; a note where it can do less
/// than we do.
pub(crate) fn entry_words(entry: &Entry, places: &Places) -> (&'static str, Vec<Vec<Piece>>, Option<String>) {
    let plain = |s: &str| vec![Piece::Text(s.to_owned())];
    let found = |what: &str| Some(format!("{}: {what}", places.neutral(entry.path.as_str())));
    let key = |eol: &str, section: &str, key: &str, value: &Option<String>| match value {
        Some(value) => ("wsl_key", vec![plain(eol), plain(section), plain(key), places.pieces(value)], None),
        None => ("wsl_key_out", vec![plain(section), plain(key)], None),
    };
    match &entry.edit {
        Edit::WslConf { section, key: k, value, .. } => key("lf", section, k, value),
        Edit::Wslconfig { section, key: k, value } => key("crlf", section, k, value),
        Edit::KernelParams { words } => ("wsl_words", words.iter().map(|w| plain(w)).collect(), None),
        Edit::DropSection { section, .. } => {
            let note = found(&format!(
                "whether [{section}] is there is looked at; taking it out is left to kind-wsl"
            ));
            ("wsl_section_out", vec![plain(section)], note)
        }
        Edit::Repair => {
            let note = found("whether WSL reads it to its end is looked at; mending it is left to kind-wsl");
            ("wsl_readable", Vec::new(), note)
        }
        Edit::Toml { path, value } => {
            let (key, tables) = path.split_last().map_or(("", [].as_slice()), |(k, t)| (k.as_str(), t));
            let value = places.pieces(&value.to_string());
            ("toml", vec![plain(&tables.join(".")), plain(key), value], None)
        }
        Edit::Fstab { mount_point, line } => ("fstab", vec![plain(mount_point), plain(line)], None),
        Edit::Subid { start, count, .. } => {
            let other = if entry.path.as_str().ends_with("subuid") { "/etc/subgid" } else { "/etc/subuid" };
            ("subid", vec![plain(other), plain(&start.to_string()), plain(&count.to_string())], None)
        }
    }
}

/// The shell library: a part, and the functions that are in it. Only what is used is written.
const LIBRARY: [(&[&str], &str); 8] = [
    (&["put", "link", "aside"], include_str!("export/sh/files.sh")),
    (&["download", "package_file"], include_str!("export/sh/download.sh")),
    (&["packages", "package_file"], include_str!("export/sh/packages.sh")),
    (&["package_file"], include_str!("export/sh/package_file.sh")),
    (&["unit"], include_str!("export/sh/units.sh")),
    (&["setting"], include_str!("export/sh/setting.sh")),
    (&["toml"], include_str!("export/sh/toml.sh")),
    (&["fstab", "subid"], include_str!("export/sh/tables.sh")),
];
const BASE: &str = include_str!("export/sh/base.sh");
const WSL: &str = include_str!("export/sh/wsl.sh");
const RESTARTS: &str = include_str!("export/sh/restart.sh");

/// The parts of the library that hold these functions.
pub(crate) fn library(used: &BTreeSet<&'static str>) -> String {
    let mut text = BASE.to_owned();
    let mut part = |wanted: bool, part: &str| {
        if wanted {
            text.push('\n');
            text.push_str(part);
        }
    };
    for (functions, body) in LIBRARY {
        part(functions.iter().any(|f| used.contains(f)), body);
    }
    part(used.iter().any(|f| f.starts_with("wsl_")), WSL);
    part(used.contains("restart"), RESTARTS);
    text
}

/// The shell function and its arguments by which one sees that a restart helped.
pub(crate) fn expectation(expect: &Expect) -> Vec<String> {
    let words = |function: &str, names: &[String]| {
        std::iter::once(function.to_owned()).chain(names.iter().cloned()).collect()
    };
    match expect {
        Expect::Systemd => words("is_systemd", &[]),
        Expect::CgroupV2 => words("is_cgroup_v2", &[]),
        Expect::Controllers { names, .. } => words("has_controllers", names),
        Expect::KernelParams(names) => words("has_words", names),
    }
}

/// What a person has to start again, and how.
pub(crate) fn how(scope: Scope) -> &'static str {
    match scope {
        Scope::Distro => "in Windows: `wsl.exe --terminate DISTRIBUTION`",
        Scope::Vm => "in Windows: `wsl.exe --shutdown`, which ends every distribution",
        Scope::Machine => "start the machine again",
    }
}

/// The package manager's name in the library and in the engines.
pub(crate) fn manager(manager: Manager) -> &'static str {
    match manager {
        Manager::Apt => "apt",
        Manager::Dnf => "dnf",
        Manager::Zypper => "zypper",
        Manager::Pacman => "pacman",
    }
}
