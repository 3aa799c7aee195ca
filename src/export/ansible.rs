//! A playbook of ansible's own modules (`ansible.builtin`).
//!
//! Files, downloads, packages and units are tasks of their modules. An entry in a file of others is the same edit as in
//! the script, by the same library: the module for INI files is not among ansible's own, and would not know WSL's grammar.

mod template;

use std::collections::BTreeSet;
use std::fmt::Write;

use camino::Utf8Path;

use super::shell::comment;
use super::words::{Param, Piece, yaml};
use super::{
    EVERYWHERE, Engine, Export, Step, Text, entry_words, expectation, how, is_of_user, library, local,
    manager, noted, unsigned,
};
use crate::change::{
    Aside, Body, Change, Edit, Entry, Link, Manager, Package, Put, Restart, Run, Trigger, Unit,
};
use crate::host::{Cmd, Owner};
use template::{literal, template, word};

/// What a playbook can not do.
const NOTES: [&str; 4] = [
    "the restart is left to you: the play ends before it for the machines that need one, and goes on when it is started again",
    "a drift is not noticed: what somebody changed since is set again",
    "files of others are edited as far as they are plain; one with quotes or escapes fails its task, and is for kind-wsl",
    "packages and units are left out where kind_root names a tree that does not run",
];

pub(super) fn write(export: &Export) -> Text {
    let mut play = Play {
        export,
        tasks: String::new(),
        step: String::new(),
        used: BTreeSet::new(),
        dirs: BTreeSet::new(),
        handlers: BTreeSet::new(),
        waits: false,
        notes: Vec::new(),
    };
    play.all(export);
    let mut notes: Vec<String> = NOTES.iter().chain(&EVERYWHERE).map(|n| (*n).to_owned()).collect();
    for note in &play.notes {
        noted(&mut notes, note.clone());
    }
    Text { text: play.finish(&notes), notes }
}

/// A play that is being written.
struct Play<'e> {
    export: &'e Export,
    tasks: String,
    step: String,
    used: BTreeSet<&'static str>,
    dirs: BTreeSet<String>,
    handlers: BTreeSet<&'static str>,
    /// Whether something was notified since the last flush.
    waits: bool,
    notes: Vec<String>,
}

const HEAD: &str = include_str!("ansible/head.yml");
/// Those that every play begins with.
const TASKS: &str = include_str!("ansible/tasks.yml");
const LIBRARY: &str = "set -eu; eval \"$KIND_WSL_LIBRARY\"";

impl Play<'_> {
    fn finish(&self, notes: &[String]) -> String {
        let mut text = "---\n".to_owned();
        let usage = [
            "",
            "ansible-playbook -i INVENTORY FILE -e kind_user=NAME",
            "  kind_offline=DIR   takes downloads from this directory of the machine",
            "  kind_root=DIR      prepares the tree at DIR of the machine, with kind_uid, kind_gid and kind_home",
        ];
        for line in self.export.head(notes).iter().map(String::as_str).chain(usage) {
            text.push_str(&comment(line));
            text.push('\n');
        }
        // The user last: their name is not ours to search.
        let user = yaml(&literal(self.export.places.user()), 4);
        let library = yaml(&literal(&library(&self.used)), 4);
        text.push_str(&HEAD.replacen("@library@", &library, 1).replacen("@user@", &user, 1));
        if !self.handlers.is_empty() {
            text.push_str("  handlers:\n");
        }
        for (name, command) in HANDLERS.iter().filter(|(name, _)| self.handlers.contains(name)) {
            let _ = write!(
                text,
                "    - name: {}\n      ansible.builtin.shell:\n        cmd: {}\n      when: kind_root | length == 0\n",
                yaml(name, 6),
                yaml(command, 8)
            );
        }
        text.push_str(TASKS);
        text.push_str(&self.tasks);
        text
    }

    fn places(&self) -> &super::Places {
        &self.export.places
    }

    /// The beginning of a task: its name and its module.
    fn task(&mut self, name: &str, module: &str) {
        let name = literal(&self.places().neutral(name));
        let _ = write!(self.tasks, "    - name: {}\n      ansible.builtin.{module}:\n", yaml(&name, 6));
    }

    fn option(&mut self, key: &str, value: &str) {
        let _ = writeln!(self.tasks, "        {key}: {}", yaml(value, 8));
    }

    fn keyword(&mut self, line: &str) {
        let _ = writeln!(self.tasks, "      {line}");
    }

    fn tags(&mut self) {
        let tags = yaml(&self.step, 6);
        self.keyword(&format!("tags: [{tags}]"));
    }

    fn owned(&mut self, owner: Owner) {
        let (user, group) =
            if is_of_user(owner) { ("{{ kind_uid }}", "{{ kind_gid }}") } else { ("root", "root") };
        self.option("owner", user);
        self.option("group", group);
    }

    /// What follows a change.
    fn notifies(&mut self, follow: Option<&Trigger>, restarts: bool) {
        let follow = follow.map(|f| match f {
            Trigger::DaemonReload => RELOAD,
            Trigger::LoadModules => MODULES,
        });
        let names: Vec<&'static str> = follow.into_iter().chain(restarts.then_some(DUE)).collect();
        if !names.is_empty() {
            let list: Vec<String> = names.iter().map(|n| yaml(n, 6)).collect();
            self.keyword(&format!("notify: [{}]", list.join(", ")));
            self.handlers.extend(names);
            self.waits = true;
        }
    }

    fn flush(&mut self) {
        if std::mem::take(&mut self.waits) {
            self.tasks.push_str(
                "    - name: \"What follows at once\"\n      ansible.builtin.meta: flush_handlers\n",
            );
        }
    }

    /// The directory above a file.
    fn dir(&mut self, path: &Utf8Path, owner: Owner) {
        let Some(dir) = path.parent() else { return };
        if !self.dirs.insert(dir.to_string()) {
            return;
        }
        let place = format!("{{{{ kind_root }}}}{}", template(&self.places().pieces(dir.as_str())));
        self.task(&format!("directory {dir}"), "file");
        self.option("path", &place);
        self.option("state", "directory");
        if is_of_user(owner) {
            self.owned(owner);
        }
        self.tags();
    }

    /// A task that calls a function of the library, as root or as the user.
    fn call(
        &mut self,
        name: &str,
        owner: Owner,
        function: &'static str,
        call: &str,
        (follow, restarts): (Option<&Trigger>, bool),
        of_windows: bool,
    ) {
        self.used.insert(function);
        self.task(name, "shell");
        if is_of_user(owner) {
            self.option("cmd", &format!("{LIBRARY}; as_user /bin/sh -c \"$KIND_WSL_STEP\""));
            let step = yaml(&format!("{LIBRARY}; {call}"), 8);
            self.keyword("environment:");
            self.keyword(&format!("  KIND_WSL_STEP: {step}"));
        } else {
            self.option("cmd", &format!("{LIBRARY}; {call}"));
        }
        self.keyword("register: kind_change");
        self.keyword("changed_when: kind_change.stdout | length > 0");
        // The library looks at KIND_WSL_CHECK itself.
        self.keyword("check_mode: false");
        if of_windows {
            self.keyword("when: kind_windows_profile | length > 0");
        }
        self.notifies(follow, restarts);
        self.tags();
    }

    fn command(&self, cmd: &Cmd, value: &str) -> String {
        let mut words: Vec<String> = Vec::new();
        if !cmd.env.is_empty() {
            words.push("env".to_owned());
            words.extend(cmd.env.iter().map(|(k, v)| {
                let mut pieces = Piece::text(&format!("{k}="));
                pieces.extend(self.places().pieces(v));
                word(&pieces)
            }));
        }
        words.push(word(&self.places().pieces(&cmd.program)));
        words.extend(cmd.args.iter().map(|a| word(&self.places().word(&a.replace("{}", value)))));
        words.join(" ")
    }
}

const RELOAD: &str = "systemd reads its units";
const MODULES: &str = "The modules are loaded";
const DUE: &str = "A restart is due";
const HANDLERS: [(&str, &str); 3] = [
    (RELOAD, "[ ! -d /run/systemd/system ] || systemctl daemon-reload"),
    (MODULES, "[ ! -d /run/systemd/system ] || systemctl restart systemd-modules-load.service || true"),
    (DUE, ": > /run/kind-wsl.restart"),
];

impl Engine for Play<'_> {
    fn step(&mut self, step: &Step) {
        self.flush();
        self.step.clone_from(&step.id);
        let _ = write!(self.tasks, "\n    {}\n", comment(&format!("{}: {}", step.id, step.title)));
    }

    fn put(&mut self, put: &Put) {
        self.dir(&put.path, put.owner);
        let place = format!("{{{{ kind_root }}}}{}", template(&self.places().pieces(put.path.as_str())));
        let name = Change::Put(put.clone()).target().to_string();
        let mode = format!("{:04o}", put.mode);
        match &put.body {
            Body::Text(text) => {
                let pieces = self.places().pieces(text);
                if pieces.contains(&Piece::Param(Param::Program)) {
                    let path = self.places().neutral(put.path.as_str());
                    self.note(format!(
                        "{path}: starts kind-wsl, which has to be there: kind_wsl_program says where"
                    ));
                }
                self.task(&name, "copy");
                self.option("dest", &place);
                self.option("content", &template(&pieces));
            }
            Body::Download(artifact) | Body::Local { artifact, .. } => {
                for note in unsigned(artifact).into_iter().chain(local(put)) {
                    self.note(note);
                }
                let url = match put.body {
                    Body::Download(_) => self.export.url(artifact),
                    _ => String::new(),
                };
                let quoted = |text: &str| format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"));
                let from = format!(
                    "{{{{ ('file://' ~ kind_offline ~ {}) if kind_offline | length > 0 else {} }}}}",
                    quoted(&format!("/{}", artifact.file)),
                    quoted(&url)
                );
                self.task(&name, "get_url");
                self.option("url", &from);
                self.option("dest", &place);
                self.option("checksum", &format!("sha256:{}", artifact.sha256));
            }
        }
        self.option("mode", &mode);
        self.owned(put.owner);
        if !matches!(put.body, Body::Text(_)) {
            // get_url looks for a directory that --check did not make.
            self.keyword("ignore_errors: \"{{ ansible_check_mode }}\"");
        }
        self.notifies(put.follow.as_ref(), put.restart.is_some());
        self.tags();
    }

    fn entry(&mut self, entry: &Entry) {
        let (function, words, note) = entry_words(entry, self.places());
        if let Some(note) = note {
            self.note(note);
        }
        let path = self.places().pieces(entry.path.as_str());
        let of_windows = path.contains(&Piece::Param(Param::Profile));
        if of_windows {
            self.note("%USERPROFILE%/.wslconfig: left out where kind_windows_profile does not say where it is, such as /mnt/c/Users/NAME".to_owned());
        }
        let mut call = format!("{function} {}", word(&path));
        for w in &words {
            call.push(' ');
            call.push_str(&word(w));
        }
        let name = match entry.edit {
            // Its line names the user of another machine.
            Edit::Subid { .. } => format!("edit {}: sub-ids for the user", entry.path),
            _ => Change::Entry(entry.clone()).target().to_string(),
        };
        self.call(
            &name,
            entry.owner,
            function,
            &call,
            (entry.follow.as_ref(), entry.restart.is_some()),
            of_windows,
        );
    }

    fn link(&mut self, link: &Link) {
        let words = [link.path.as_str(), &link.to].map(|w| word(&self.places().pieces(w)));
        let name = Change::Link(link.clone()).target().to_string();
        self.call(&name, link.owner, "link", &format!("link {}", words.join(" ")), (None, false), false);
    }

    fn aside(&mut self, aside: &Aside) {
        let words = [&aside.path, &aside.to].map(|w| word(&self.places().pieces(w.as_str())));
        let name = Change::Aside(aside.clone()).target().to_string();
        self.call(&name, aside.owner, "aside", &format!("aside {}", words.join(" ")), (None, false), false);
    }

    fn package(&mut self, package: &Package) {
        let name = Change::Package(package.clone()).target().to_string();
        if let Some(file) = &package.file {
            let artifact = &file.artifact;
            let url = self.export.url(artifact);
            for package in &package.names {
                let words = [package.as_str(), &file.version, &url, &artifact.sha256, &artifact.file]
                    .map(|w| word(&Piece::text(w)));
                let call = format!("package_file {}", words.join(" "));
                self.call(&name, Owner::Root, "package_file", &call, (None, false), false);
            }
            return;
        }
        let module = match package.manager {
            Manager::Apt => "apt",
            Manager::Dnf => "dnf",
            Manager::Zypper | Manager::Pacman => {
                self.note(format!("{} is spoken by the collection community.general, which has to be installed beside ansible-core", manager(package.manager)));
                "package"
            }
        };
        self.task(&name, module);
        let list: Vec<String> = package.names.iter().map(|n| yaml(&literal(n), 8)).collect();
        let _ = writeln!(self.tasks, "        name: [{}]\n        state: present", list.join(", "));
        match package.manager {
            Manager::Apt => {
                self.tasks.push_str("        update_cache: true\n        install_recommends: false\n");
            }
            Manager::Dnf => self.tasks.push_str("        install_weak_deps: false\n"),
            Manager::Zypper | Manager::Pacman => {}
        }
        self.keyword("when: kind_root | length == 0");
        self.tags();
    }

    fn unit(&mut self, unit: &Unit) {
        self.flush();
        self.task(&format!("enable {}", unit.name), "systemd");
        self.option("name", &literal(&unit.name));
        self.tasks.push_str("        enabled: true\n");
        self.keyword("when: kind_root | length == 0");
        self.notifies(None, unit.restart.is_some());
        self.tags();
    }

    fn run(&mut self, run: &Run) {
        let lines = run.lines();
        self.flush();
        let owner = lines.write.user.as_ref().map_or(Owner::Root, crate::change::user_owner);
        let mut write = self.command(&lines.write, &lines.want);
        if let Some(dir) = lines.file.as_ref().and_then(|(path, _)| path.parent()) {
            write = format!("mkdir -p {}; {write}", word(&self.places().pieces(dir.as_str())));
        }
        let what = word(&Piece::text(&self.places().neutral(&lines.what)));
        let call = format!(
            "seen() {{ {}; }}; made() {{ {write}; }}; setting {what} {} seen made",
            self.command(&lines.read, &lines.want),
            word(&Piece::text(&lines.want))
        );
        let name = Change::Run(Box::new(run.clone())).target().to_string();
        self.call(&name, owner, "setting", &call, (None, false), false);
    }

    fn restart(&mut self, restart: &Restart) {
        self.flush();
        self.used.insert("restart");
        let mut look =
            format!("{LIBRARY}; [ ! -e /run/kind-wsl.restart ] || echo changed since the last start");
        for expect in &restart.until {
            let words: Vec<String> = expectation(expect).iter().map(|w| word(&Piece::text(w))).collect();
            look.push_str("; ");
            look.push_str(&words.join(" "));
        }
        self.task("whether a restart has to come first", "shell");
        self.option("cmd", &look);
        self.keyword("register: kind_restart");
        self.keyword("changed_when: false");
        self.keyword("check_mode: false");
        self.keyword("when: kind_root | length == 0");
        self.tags();
        let waits = "when: not ansible_check_mode and kind_restart.stdout | default('') | length > 0";
        self.task("what to start again", "debug");
        self.option("msg", &format!("Restart needed: {}. Then run this again.", how(restart.scope)));
        self.keyword(waits);
        self.tags();
        self.tasks.push_str(
            "    - name: \"This machine waits for its restart\"\n      ansible.builtin.meta: end_host\n",
        );
        self.keyword(waits);
        self.tags();
    }

    fn note(&mut self, note: String) {
        let _ = writeln!(self.tasks, "    {}", comment(&note));
        noted(&mut self.notes, note);
    }
}
