//! User-data for cloud-init: packages and files in its own words, the rest as the script, which it runs.

use std::fmt::Write;

use super::shell::{Script, comment};
use super::words::{Piece, yaml};
use super::{EVERYWHERE, Engine, Export, Step, Text, noted};
use crate::change::{Aside, Body, Entry, Link, Manager, Package, Put, Restart, Run, Scope, Unit};
use crate::host::Owner;

/// Where the script for the rest goes.
const SCRIPT: &str = "/usr/local/lib/kind-wsl/setup.sh";

/// What user-data can not do.
const NOTES: [&str; 5] = [
    "WSL takes it from %USERPROFILE%\\.cloud-init\\DISTRIBUTION.user-data, with the distribution's name as WSL has it (cloud-init docs, reference/datasources/wsl; DataSourceWSL.py), at the first start of an instance only",
    "cloud-init is a unit of systemd: a distribution that does not start with systemd does not read this at all",
    "the restart in the middle is left to you, and so is what comes after it: run the script again then",
    "a changed user-data is not applied to a machine that was set up with an older one",
    "files of others are edited as far as they are plain; one with quotes or escapes is left to kind-wsl, and refused where that is not installed",
];

pub(super) fn write(export: &Export) -> Text {
    let mut data = UserData {
        export,
        packages: Vec::new(),
        files: String::new(),
        script: Script::new(export),
        scope: None,
    };
    data.all(export);
    let UserData { packages, files, script, scope, .. } = data;
    let mut notes: Vec<String> = NOTES.iter().chain(&EVERYWHERE).map(|n| (*n).to_owned()).collect();
    let mut script = script;
    for note in std::mem::take(&mut script.notes) {
        noted(&mut notes, note);
    }
    let rest = script.finish(&["that of the user-data in which it came".to_owned()]);
    let mut text = "#cloud-config\n".to_owned();
    for line in export.head(&notes) {
        text.push_str(&comment(&line));
        text.push('\n');
    }
    if !packages.is_empty() {
        text.push_str("\npackage_update: true\npackages:\n");
        for name in &packages {
            let _ = writeln!(text, "  - {}", yaml(name, 2));
        }
    }
    text.push_str("\nwrite_files:\n");
    text.push_str(&files);
    text.push_str(&file(SCRIPT, "0755", &rest));
    let user = export.places.user();
    // An ending with 3 says that a restart is needed, which is no failure of cloud-init's.
    let call = format!("KIND_WSL_FIRST=1 KIND_WSL_USER=\"$1\" sh {SCRIPT} || [ $? -eq 3 ]");
    let words = ["sh", "-c", &call, "kind-wsl", user].map(|w| yaml(w, 4)).join(", ");
    let _ = write!(text, "\n# The last word is the user whose cluster it will be.\nruncmd:\n  - [{words}]\n");
    if scope == Some(Scope::Machine) {
        text.push_str("\n# The restart that changes wait for.\npower_state:\n  mode: reboot\n  condition: test -e /run/kind-wsl.restart\n");
    }
    Text { text, notes }
}

/// User-data that is being written.
struct UserData<'e> {
    export: &'e Export,
    packages: Vec<String>,
    files: String,
    script: Script<'e>,
    scope: Option<Scope>,
}

/// An item of `write_files`.
fn file(path: &str, mode: &str, text: &str) -> String {
    format!(
        "  - path: {}\n    permissions: {}\n    owner: root:root\n    content: {}\n",
        yaml(path, 4),
        yaml(mode, 4),
        yaml(text, 4)
    )
}

impl Engine for UserData<'_> {
    fn step(&mut self, step: &Step) {
        self.script.step(step);
    }

    fn put(&mut self, put: &Put) {
        let pieces = |text: &str| self.export.places.pieces(text);
        let same = |text: &str| matches!(&pieces(text)[..], [Piece::Text(_)]);
        match &put.body {
            // Where the same bytes go to the same place everywhere, cloud-init writes them itself.
            Body::Text(text) if put.owner == Owner::Root && same(put.path.as_str()) && same(text) => {
                self.files.push_str(&file(put.path.as_str(), &format!("{:04o}", put.mode), text));
                self.script.written_elsewhere(put, "in write_files");
            }
            _ => self.script.put(put),
        }
    }

    fn entry(&mut self, entry: &Entry) {
        self.script.entry(entry);
    }

    fn link(&mut self, link: &Link) {
        self.script.link(link);
    }

    fn aside(&mut self, aside: &Aside) {
        self.script.aside(aside);
    }

    fn package(&mut self, package: &Package) {
        // cloud-init's own choice of what is only recommended is the distribution's; apt's is taken along there.
        if package.file.is_some() || !matches!(package.manager, Manager::Apt | Manager::Dnf) {
            return self.script.package(package);
        }
        for name in &package.names {
            if !self.packages.contains(name) {
                self.packages.push(name.clone());
            }
        }
        self.script.installed_elsewhere(package, "in packages");
        noted(
            &mut self.script.notes,
            "packages come with all that they recommend, which kind-wsl leaves out".to_owned(),
        );
    }

    fn unit(&mut self, unit: &Unit) {
        self.script.unit(unit);
    }

    fn run(&mut self, run: &Run) {
        self.script.run(run);
    }

    fn restart(&mut self, restart: &Restart) {
        self.scope = Some(restart.scope);
        self.script.restart(restart);
    }

    fn note(&mut self, note: String) {
        self.script.note(note);
    }
}
