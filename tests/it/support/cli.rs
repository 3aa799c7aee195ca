//! The real `kind-wsl` on a fake machine whose programs are real processes too.

#![allow(dead_code, reason = "shared by several test programs, each of which uses a part")]

use std::fs;
use std::os::unix::fs::{PermissionsExt, lchown, symlink};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use camino::Utf8Path;
use kind_wsl::host::digest;

use crate::support::{CRUN, Layout, Machine, Tree, fake, same};

/// A machine, and the environment in which `kind-wsl` is typed there.
pub(crate) struct Case {
    pub(crate) machine: Machine,
    env: Vec<(String, String)>,
    starter: Vec<String>,
}

/// What a run printed, with the machine's root as `[ROOT]` and the program's own path as `[BIN]`, and how it ended.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// The answers of a user who wants no download but crun, which lies in `[ROOT]/offline`.
pub(crate) fn agreed() -> String {
    let sha256 = digest(&CRUN);
    format!(
        "--yes --tools none --kind-wrapper no --crun-version 1.30.1 --crun-sha256 {sha256} --offline [ROOT]/offline"
    )
}

impl Case {
    /// A machine whose programs are scripts that the `fake-tools` example interprets.
    pub(crate) fn new(layout: Layout) -> Self {
        let machine = Machine::new(layout);
        for program in fake::PROGRAMS.into_iter().filter(|p| *p != "crun") {
            fs::write(
                machine.path(&format!("/usr/bin/{program}")),
                format!("#!{}\n", fake_tools().display()),
            )
            .unwrap();
        }
        Self { machine, env: Vec::new(), starter: Vec::new() }
    }

    /// With a variable in the user's environment; `[ROOT]` stands for the machine's root.
    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), self.filled(value)));
        self
    }

    /// With a file; in a home or on the Windows side it and its directories are the user's.
    pub(crate) fn file(self, path: &str, bytes: impl AsRef<[u8]>) -> Self {
        self.machine.write(path, bytes);
        self.give(path);
        self
    }

    /// With a podman that has no drop-ins.
    pub(crate) fn podman_3(self) -> Self {
        let archive =
            self.machine.text("/fake/archive").replace("podman 4.3.1+ds1-8", "podman 3.0.1+dfsg1-3");
        self.file("/fake/archive", archive)
    }

    /// With a program that `fake.rs` plays by its name.
    pub(crate) fn program(self, path: &str) -> Self {
        let case = self.file(path, format!("#!{}\n", fake_tools().display()));
        fs::set_permissions(case.machine.path(path), fs::Permissions::from_mode(0o755)).unwrap();
        case
    }

    /// With a script that this host's own shell runs; the machine's root is in `KIND_WSL_ROOT`.
    pub(crate) fn script(self, path: &str, text: &str) -> Self {
        let case = self.file(path, text);
        fs::set_permissions(case.machine.path(path), fs::Permissions::from_mode(0o755)).unwrap();
        case
    }

    /// With a symbolic link.
    pub(crate) fn link(self, path: &str, to: &str) -> Self {
        let real = self.machine.path(path);
        fs::create_dir_all(real.parent().unwrap()).unwrap();
        let _ = fs::remove_file(&real);
        symlink(to, real).unwrap();
        self.give(path);
        self
    }

    /// With a directory, in place of a file where one is.
    pub(crate) fn dir(self, path: &str) -> Self {
        let real = self.machine.path(path);
        let _ = fs::remove_file(&real);
        fs::create_dir_all(real).unwrap();
        self.give(path);
        self
    }

    /// Run by a regular user: an arbitrary one if the test runs as root.
    pub(crate) fn typed_by_somebody(self) -> Self {
        let words: &[&str] = if is_root() {
            &["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--"]
        } else {
            &[]
        };
        self.started_by(words)
    }

    /// Started by another program, whose words these are.
    pub(crate) fn started_by(mut self, words: &[&str]) -> Self {
        self.starter = words.iter().map(|w| self.filled(w)).collect();
        self
    }

    /// Gives a path in a home or on the Windows side to the user, as far as we may.
    fn give(&self, path: &str) {
        let owned = ["/home/dev", "/mnt/c/Users/dev"].into_iter().find(|d| path.starts_with(d));
        let Some(top) = owned.filter(|_| is_root()) else { return };
        for above in Utf8Path::new(path).ancestors().take_while(|a| a.starts_with(top)) {
            lchown(self.machine.path(above.as_str()), Some(1000), Some(1000)).unwrap();
        }
    }

    fn filled(&self, text: &str) -> String {
        text.replace("[ROOT]", self.machine.root.as_str())
    }

    /// The command line, split at blanks, for the user `dev`, without a terminal.
    pub(crate) fn command(&self, args: &str) -> Command {
        let mut words = self.starter.clone();
        words.extend([BIN, "--root", self.machine.root.as_str()].map(ToOwned::to_owned));
        if !args.contains("--user") {
            words.extend(["--user", "dev"].map(ToOwned::to_owned));
        }
        words.extend(args.split_ascii_whitespace().map(|word| self.filled(word)));
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).env_clear().env("WSL_DISTRO_NAME", "Debian").envs(self.env.clone());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).current_dir("/");
        command
    }

    /// Starts it.
    pub(crate) fn start(&self, args: &str) -> Child {
        self.command(args).spawn().unwrap()
    }

    /// Runs it to its end.
    pub(crate) fn run(&self, args: &str) -> Seen {
        self.end(self.start(args))
    }

    /// Waits for its end; it is 128 and the signal's number where a signal ended it, as a shell says it.
    pub(crate) fn end(&self, child: Child) -> Seen {
        use std::os::unix::process::ExitStatusExt;
        let output = child.wait_with_output().unwrap();
        let text = |bytes: Vec<u8>| self.shown(&String::from_utf8(bytes).unwrap());
        let code = output.status.code().or_else(|| output.status.signal().map(|s| 128 + s));
        Seen { code: code.unwrap(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// The text without what differs from run to run.
    pub(crate) fn shown(&self, text: &str) -> String {
        text.replace(self.machine.root.as_str(), "[ROOT]").replace(BIN, "[BIN]")
    }

    /// Runs what must fail with this exit code and these words, and change nothing, not even begin a journal.
    #[track_caller]
    pub(crate) fn refuses(&self, args: &str, code: i32, stderr: &str) -> Seen {
        let had_journal = self.machine.has_journal();
        let before = self.everything();
        let seen = self.run(args).expect(code, stderr);
        same(&before, &self.everything(), &format!("`{args}` changed something"));
        assert_eq!(self.machine.has_journal(), had_journal, "`{args}` began a journal");
        seen
    }

    /// The machine, and the bytes of the journal, which [`Machine::snapshot`] leaves out.
    fn everything(&self) -> Tree {
        let mut seen = self.machine.snapshot();
        let journal = fs::read(self.machine.path(JOURNAL)).map(|bytes| digest(&bytes)).unwrap_or_default();
        seen.insert("the journal".to_owned(), journal);
        seen
    }

    /// Puts a journal there, line by line, with its checksums.
    pub(crate) fn journal(self, lines: &[&str]) -> Self {
        let with_checksum: String = lines.iter().map(|line| with_checksum(line)).collect();
        self.machine.write(JOURNAL, with_checksum);
        self
    }

    /// Ends `kind-wsl` by a signal at the first command that begins so; see `fake.rs`.
    pub(crate) fn signal_at(&self, hook: &str, command: &str) {
        self.machine.write(&format!("/fake/{hook}"), command);
    }
}

impl Seen {
    /// Takes out when the process that holds the lock was started, which has to be a time.
    #[track_caller]
    pub(crate) fn without_start(mut self) -> Self {
        let at = self.stderr.find(" since ").unwrap_or_else(|| panic!("{self:?}"));
        let time: String = self.stderr.drain(at..at + " since 2026-01-01T00:00:00Z".len()).collect();
        assert!(time.starts_with(" since 20") && time.ends_with('Z'), "{time}");
        self
    }

    /// Compares the whole of standard error, and the exit code.
    #[track_caller]
    pub(crate) fn expect(self, code: i32, stderr: &str) -> Self {
        let stderr = &unindented(stderr);
        assert!(
            (self.code, &self.stderr) == (code, stderr),
            "wanted exit code {code} and\n{stderr}\n--- seen: exit code {}, standard error\n{}\n--- standard output\n{}\n---",
            self.code,
            self.stderr,
            self.stdout
        );
        self
    }

    /// Asserts that lines stand together on standard output.
    #[track_caller]
    pub(crate) fn says(self, lines: &str) -> Self {
        let lines = unindented(lines);
        assert!(
            self.stdout.contains(&lines),
            "wanted\n{lines}\n--- seen on standard output\n{}\n---",
            self.stdout
        );
        self
    }
}

/// A text as it is written in a test: lines below its quote, as far in as the least of them; one line may stand behind
/// its quote.
fn unindented(text: &str) -> String {
    let Some(lines) = text.strip_prefix('\n') else { return text.to_owned() };
    let lines = lines.trim_end_matches(' ');
    let depth = |line: &str| line.len() - line.trim_start_matches(' ').len();
    let least = lines.lines().filter(|line| !line.is_empty()).map(depth).min().unwrap_or_default();
    lines.lines().flat_map(|line| [line.get(least..).unwrap_or_default(), "\n"]).collect()
}

/// A line of the journal with its checksum.
pub(crate) fn with_checksum(record: &str) -> String {
    let open = record.strip_suffix('}').unwrap_or(record);
    format!("{open},\"sum\":\"{}\"}}\n", &digest(open.as_bytes())[..16])
}

/// Where the journal is.
pub(crate) const JOURNAL: &str = "/var/lib/kind-wsl/journal.jsonl";
pub(crate) const BIN: &str = env!("CARGO_BIN_EXE_kind-wsl");

/// Whether we may do what only root may.
pub(crate) fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// The program that plays apt, systemctl, podman and the rest; `cargo test` builds it beside the tests.
fn fake_tools() -> PathBuf {
    let own = std::env::current_exe().unwrap();
    let found = own.ancestors().map(|dir| dir.join("examples/fake-tools")).find(|path| path.exists());
    found.expect("`cargo build --example fake-tools` makes the programs of the pretended machine")
}
