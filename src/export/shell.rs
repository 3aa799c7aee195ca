//! A POSIX script.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::words::{Param, Piece, shell};
use super::{
    EVERYWHERE, Engine, Export, Step, Text, entry_words, expectation, how, is_of_user, library, local,
    manager, noted, unsigned,
};
use crate::change::{Aside, Body, Entry, Link, Package, Put, Restart, Run, Trigger, Unit};
use crate::fetch::Artifact;
use crate::host::{Cmd, Owner};

/// What a script can not do.
const NOTES: [&str; 4] = [
    "the restart is left to you: the script ends with 3 before it, and goes on when it is started again",
    "a drift is not noticed: what somebody changed since is set again",
    "files of others are edited as far as they are plain; one with quotes or escapes is left to kind-wsl, and refused where that is not installed",
    "a download starts anew when its line breaks",
];

pub(super) fn write(export: &Export) -> Text {
    let mut script = Script::new(export);
    script.all(export);
    let mut notes: Vec<String> = NOTES.iter().chain(&EVERYWHERE).map(|n| (*n).to_owned()).collect();
    for note in std::mem::take(&mut script.notes) {
        noted(&mut notes, note);
    }
    let text = script.finish(&notes);
    Text { text, notes }
}

/// A script that is being written.
pub(super) struct Script<'e> {
    export: &'e Export,
    /// Functions for settings, before the steps that name them.
    helpers: String,
    body: String,
    /// The steps' names and functions.
    steps: Vec<(String, String)>,
    /// Functions of the library.
    used: BTreeSet<&'static str>,
    needs_profile: bool,
    helper: usize,
    pub(super) notes: Vec<String>,
}

/// What stands for a parameter in a script.
fn param(param: Param) -> String {
    let name = match param {
        Param::Home => "home",
        Param::User => "user",
        Param::Profile => "profile",
        Param::Program => "program",
    };
    format!("\"${name}\"")
}

/// A comment of one line, whatever the text holds.
pub(super) fn comment(text: &str) -> String {
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if line.is_empty() { "#".to_owned() } else { format!("# {line}") }
}

impl<'e> Script<'e> {
    pub(super) fn new(export: &'e Export) -> Self {
        Self {
            export,
            helpers: String::new(),
            body: String::new(),
            steps: Vec::new(),
            used: BTreeSet::new(),
            needs_profile: false,
            helper: 0,
            notes: Vec::new(),
        }
    }

    pub(super) fn finish(mut self, notes: &[String]) -> String {
        self.close();
        let mut text = "#!/bin/sh\n".to_owned();
        let usage = [
            "",
            "As root: KIND_WSL_USER=NAME sh FILE [--check] [--skip STEP,...]",
            "  --check  says what it would change",
            "  KIND_WSL_ROOT=DIR prepares the tree at DIR, for an image; KIND_WSL_OFFLINE=DIR holds what is downloaded",
            "Ends with 0 when it is done, with 3 where a restart comes first, with 1 where something failed.",
        ];
        for line in self.export.head(notes).iter().map(String::as_str).chain(usage) {
            text.push_str(&comment(line));
            text.push('\n');
        }
        text.push_str("#\n# Functions are called by their names, not every plan needs every variable, and what is in single quotes is meant so.\n");
        text.push_str("# shellcheck disable=SC2317,SC2329,SC2034,SC2016\nset -eu\numask 022\n\n");
        text.push_str(&library(&self.used));
        let user = shell(&Piece::text(self.export.places.user()), &param);
        let _ = write!(text, "\n[ -n \"$user\" ] || user={user}\n\n");
        if self.needs_profile {
            text.push_str(include_str!("sh/profile.sh"));
            text.push('\n');
        }
        text.push_str(&self.helpers);
        let flags = self.export.flags.iter().map(|f| shell(&Piece::text(f), &param));
        let flags = std::iter::once(String::new()).chain(flags).collect::<Vec<_>>().join(" ");
        let _ = write!(
            text,
            "# The same step by kind-wsl, with the answers of this plan.\nwith_kind_wsl() {{\n  \"$program\" --root \"${{root:-/}}\" --user \"$user\" --quiet setup --yes --no-restart --only \"$stage\"{flags}\n}}\n\n"
        );
        text.push_str(include_str!("sh/begin.sh"));
        text.push_str(&self.body);
        text.push('\n');
        for (name, function) in &self.steps {
            let _ = writeln!(text, "step {} {function}", shell(&Piece::text(name), &param));
        }
        text.push_str(include_str!("sh/end.sh"));
        text
    }

    fn close(&mut self) {
        if !self.steps.is_empty() && !self.body.ends_with("}\n") {
            self.body.push_str("}\n");
        }
    }

    fn line(&mut self, line: &str) {
        self.body.push_str("  ");
        self.body.push_str(line);
        self.body.push('\n');
    }

    /// A change, and what follows it.
    fn change(&mut self, owner: Owner, function: &'static str, words: &[Vec<Piece>], follow: Follows<'_>) {
        self.used.insert(function);
        let who = if is_of_user(owner) { "user" } else { "root" };
        let mut line = format!("change {who} {function}");
        for word in words {
            line.push(' ');
            line.push_str(&shell(word, &param));
        }
        let of_windows = words.iter().flatten().any(|p| *p == Piece::Param(Param::Profile));
        self.needs_profile |= of_windows;
        if !of_windows {
            self.line(&line);
            self.follow(follow);
            return;
        }
        self.line("if has_profile; then");
        self.line(&format!("  {line}"));
        let at = self.body.len();
        self.follow(follow);
        let followers = self.body.split_off(at);
        for follower in followers.lines() {
            self.line(follower);
        }
        self.line("fi");
    }

    fn follow(&mut self, (follow, restarts): Follows<'_>) {
        match follow {
            Some(Trigger::DaemonReload) => self.line("then_reload"),
            Some(Trigger::LoadModules) => self.line("then_load_modules"),
            None => {}
        }
        if restarts {
            self.line("then_restart");
        }
    }

    /// A file that another part of the engine writes: what follows it is ours.
    pub(super) fn written_elsewhere(&mut self, put: &Put, by: &str) {
        self.line(&comment(&format!("{}: {by}", self.export.places.neutral(put.path.as_str()))));
        self.line("did=${KIND_WSL_FIRST:-}");
        self.follow((put.follow.as_ref(), put.restart.is_some()));
    }

    /// Packages that another part of the engine installs.
    pub(super) fn installed_elsewhere(&mut self, package: &Package, by: &str) {
        self.line(&comment(&format!("packages {}: {by}", package.names.join(" "))));
        self.line(":");
    }

    fn artifact(&self, artifact: &Artifact, is_offered: bool) -> [Vec<Piece>; 3] {
        let url = if is_offered { self.export.url(artifact) } else { String::new() };
        [Piece::text(&url), Piece::text(&artifact.sha256), Piece::text(&artifact.file)]
    }

    fn command(&self, cmd: &Cmd, value: &str) -> String {
        let mut words: Vec<String> = Vec::new();
        if !cmd.env.is_empty() {
            words.push("env".to_owned());
            words.extend(cmd.env.iter().map(|(k, v)| {
                let mut pieces = Piece::text(&format!("{k}="));
                pieces.extend(self.export.places.pieces(v));
                shell(&pieces, &param)
            }));
        }
        words.push(shell(&self.export.places.pieces(&cmd.program), &param));
        let arg = |a: &String| shell(&self.export.places.word(&a.replace("{}", value)), &param);
        words.extend(cmd.args.iter().map(arg));
        words.join(" ")
    }
}

/// What follows a change: at once, and whether a restart has to.
type Follows<'f> = (Option<&'f Trigger>, bool);

impl Engine for Script<'_> {
    fn step(&mut self, step: &Step) {
        self.close();
        let name: String = step.id.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
        let function = format!("step_{name}_{}", self.steps.len() + 1);
        let _ =
            write!(self.body, "\n{}\n{function}() {{\n", comment(&format!("{}: {}", step.id, step.title)));
        self.steps.push((step.id.clone(), function));
        self.helper = 0;
    }

    fn put(&mut self, put: &Put) {
        let file = self.export.places.pieces(put.path.as_str());
        let mode = Piece::text(&format!("{:o}", put.mode));
        let follow = (put.follow.as_ref(), put.restart.is_some());
        match &put.body {
            Body::Text(text) => {
                let text = self.export.places.pieces(text);
                if text.contains(&Piece::Param(Param::Program)) {
                    self.note(format!(
                        "{}: starts kind-wsl, which has to be there: KIND_WSL_PROGRAM says where",
                        self.export.places.neutral(put.path.as_str())
                    ));
                }
                self.change(put.owner, "put", &[file, mode, text], follow);
            }
            Body::Download(artifact) | Body::Local { artifact, .. } => {
                for note in unsigned(artifact).into_iter().chain(local(put)) {
                    self.note(note);
                }
                let is_offered = matches!(put.body, Body::Download(_));
                let [url, sha256, name] = self.artifact(artifact, is_offered);
                self.change(put.owner, "download", &[file, mode, url, sha256, name], follow);
            }
        }
    }

    fn entry(&mut self, entry: &Entry) {
        let (function, words, note) = entry_words(entry, &self.export.places);
        if let Some(note) = note {
            self.note(note);
        }
        let mut all = vec![self.export.places.pieces(entry.path.as_str())];
        all.extend(words);
        self.change(entry.owner, function, &all, (entry.follow.as_ref(), entry.restart.is_some()));
    }

    fn link(&mut self, link: &Link) {
        let words = [link.path.as_str(), &link.to].map(|w| self.export.places.pieces(w));
        self.change(link.owner, "link", &words, (None, false));
    }

    fn aside(&mut self, aside: &Aside) {
        let words = [&aside.path, &aside.to].map(|w| self.export.places.pieces(w.as_str()));
        self.change(aside.owner, "aside", &words, (None, false));
    }

    fn package(&mut self, package: &Package) {
        match &package.file {
            None => {
                let mut words = vec![Piece::text(manager(package.manager))];
                words.extend(package.names.iter().map(|n| Piece::text(n)));
                self.change(Owner::Root, "packages", &words, (None, false));
            }
            Some(file) => {
                let [url, sha256, name] = self.artifact(&file.artifact, true);
                for package in &package.names {
                    let words = [
                        Piece::text(package),
                        Piece::text(&file.version),
                        url.clone(),
                        sha256.clone(),
                        name.clone(),
                    ];
                    self.change(Owner::Root, "package_file", &words, (None, false));
                }
            }
        }
    }

    fn unit(&mut self, unit: &Unit) {
        self.change(Owner::Root, "unit", &[Piece::text(&unit.name)], (None, unit.restart.is_some()));
    }

    fn run(&mut self, run: &Run) {
        let lines = run.lines();
        self.helper += 1;
        let step = self.steps.last().map_or("step", |(_, f)| f.as_str());
        let (is, set) = (format!("{step}_{}_is", self.helper), format!("{step}_{}_set", self.helper));
        let mut write = self.command(&lines.write, &lines.want);
        if let Some((path, _)) = &lines.file
            && let Some(dir) = path.parent()
        {
            let dir = shell(&self.export.places.pieces(dir.as_str()), &param);
            write = format!("mkdir -p {dir}\n  {write}");
        }
        let read = self.command(&lines.read, &lines.want);
        let _ = write!(self.helpers, "{is}() {{\n  {read}\n}}\n{set}() {{\n  {write}\n}}\n\n");
        let owner = lines.write.user.as_ref().map_or(Owner::Root, crate::change::user_owner);
        let what = Piece::text(&self.export.places.neutral(&lines.what));
        self.change(
            owner,
            "setting",
            &[what, Piece::text(&lines.want), Piece::text(&is), Piece::text(&set)],
            (None, false),
        );
    }

    fn restart(&mut self, restart: &Restart) {
        self.used.insert("restart");
        let seen = restart.until.iter().map(|e| {
            let words: Vec<String> = expectation(e).iter().map(|w| shell(&Piece::text(w), &param)).collect();
            words.join(" ")
        });
        let seen: Vec<String> = seen.collect();
        let seen = if seen.is_empty() { "''".to_owned() } else { format!("\"$({})\"", seen.join("; ")) };
        let how = shell(&Piece::text(how(restart.scope)), &param);
        self.line(&comment(&format!("for {}", self.export.places.neutral(&restart.why.join(", ")))));
        self.line(&format!("restart {how} {seen}"));
    }

    fn note(&mut self, note: String) {
        self.line(&comment(&note));
        self.line(":");
        noted(&mut self.notes, note);
    }
}
