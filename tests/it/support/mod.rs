//! A fake machine for tests: a tree with what a distribution, its kernel and WSL show, and programs that answer.

mod boot;
pub mod child;
pub mod cli;
pub mod cluster;
pub mod elf;
pub mod fake;
pub mod signer;
mod tree;

pub use tree::{Tree, changes, differing, same};

/// Returns every how many cases of a large table one is taken: `cargo test` takes a sample, CI many
/// (`KIND_WSL_SWEEP=many tests/kill/run`), and `KIND_WSL_SWEEP=all` every one.
pub fn step(sample: usize, many: usize) -> usize {
    match std::env::var("KIND_WSL_SWEEP").as_deref() {
        Ok("all") => 1,
        Ok("many") => many,
        _ => sample,
    }
}

/// Whether every case of a large table is wanted.
pub fn all() -> bool {
    step(0, 0) == 1
}

use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, chown};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;
use std::sync::LazyLock;
use std::sync::atomic::AtomicBool;

use camino::{Utf8Path, Utf8PathBuf};
use kind_wsl::engine::{
    DriftPolicy, Engine, EngineError, Event, Reach, Reporter, RunOutcome, Steps, UndoOptions, Undone,
};
use kind_wsl::facts::{self, Facts};
use kind_wsl::fetch::{Fetcher, Source};
use kind_wsl::host::{Account, Cmd, FaultInjector, InjectedCrash, LiveSystem, Output, Runner, digest};
use kind_wsl::journal::RunOptions;
use kind_wsl::plan::StageSelection;
use kind_wsl::stage::Answers;
use nix::sys::statvfs::{FsFlags, statvfs};

/// What WSL mounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// cgroup v1, systemd off: WSL up to 2.4.
    Classic,
    /// cgroup v2, systemd off.
    Modern,
    /// cgroup v2 below a cgroup of the distribution that passes only cpu and memory on; systemd on. Pre-releases 2.9.8 to
    /// 2.9.12.
    Isolated,
    /// The same, with every controller enabled for the children of that cgroup.
    Generous,
    /// cgroup v2 in a cgroup namespace of the distribution; systemd on. WSL 2.9.13 and later.
    Namespaced,
    /// The same, with only cpu and memory in the root of the namespace.
    NamespacedPoor,
    /// No WSL: a plain Debian with systemd.
    Plain,
}

impl Layout {
    /// Every layout, for tests that hold on each machine.
    pub const ALL: [Self; 7] = [
        Self::Classic,
        Self::Modern,
        Self::Isolated,
        Self::Generous,
        Self::Namespaced,
        Self::NamespacedPoor,
        Self::Plain,
    ];

    pub fn is_isolated(self) -> bool {
        matches!(self, Self::Isolated | Self::Generous)
    }

    pub fn is_namespaced(self) -> bool {
        matches!(self, Self::Namespaced | Self::NamespacedPoor)
    }

    /// What `wslinfo --version` reports, and the kernel of that WSL.
    fn versions(self) -> (&'static str, &'static str) {
        match self {
            Self::Classic => ("2.2.4.0", "6.6.87.2-microsoft-standard-WSL2"),
            Self::Modern => ("2.7.14.0", "6.18.33.2-microsoft-standard-WSL2"),
            Self::Isolated | Self::Generous => ("2.9.11.0", "6.18.33.2-microsoft-standard-WSL2"),
            Self::Namespaced | Self::NamespacedPoor | Self::Plain => {
                ("3.0.1.0", "6.18.40.1-microsoft-standard-WSL2")
            }
        }
    }
}

/// A machine in a directory of its own, gone when dropped.
pub struct Machine {
    pub root: Utf8PathBuf,
    pub layout: Layout,
    _dir: tempfile::TempDir,
}

/// The crun that `--offline` finds.
pub static CRUN: LazyLock<Vec<u8>> = LazyLock::new(|| elf::crun("1.30.1"));

impl Machine {
    pub fn new(layout: Layout) -> Self {
        // In memory where that is possible: the sweep syncs some ten thousand times. Programs must be allowed there.
        let may_run = |dir: &&Path| statvfs(*dir).is_ok_and(|fs| !fs.flags().contains(FsFlags::ST_NOEXEC));
        let base = Some(Path::new("/dev/shm")).filter(may_run).unwrap_or(Path::new("/tmp"));
        let dir = tempfile::Builder::new().prefix("kind-wsl-").tempdir_in(base).unwrap();
        let root = Utf8PathBuf::from_path_buf(dir.path().canonicalize().unwrap()).unwrap();
        fs::set_permissions(&root, fs::Permissions::from_mode(0o755)).unwrap();
        let machine = Self { root, layout, _dir: dir };
        machine.furnish();
        if nix::unistd::geteuid().is_root() {
            for path in
                ["/home/dev", "/mnt/c/Users/dev", "/mnt/c/Users/dev/.wslconfig"].map(|p| machine.path(p))
            {
                if path.exists() {
                    chown(path, Some(1000), Some(1000)).unwrap();
                }
            }
        }
        machine
    }

    pub fn path(&self, path: &str) -> Utf8PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    pub fn write(&self, path: &str, text: impl AsRef<[u8]>) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub fn text(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
    }

    /// The machine as our program sees it, ended by the fuse.
    pub fn host(&self, fault_injector: FaultInjector) -> LiveSystem {
        let runner = Box::new(InProcess(self.root.clone()));
        let env = [("WSL_DISTRO_NAME", "Debian"), ("KIND_WSL_PROGRAM", "/opt/kind-wsl")];
        let env = env.map(|(n, v)| (n.to_owned(), v.to_owned()));
        LiveSystem::new(&self.root, runner, env).with_fault_injector(fault_injector)
    }

    pub fn user(&self) -> Account {
        self.account("dev")
    }

    pub fn account(&self, name: &str) -> Account {
        facts::user::find(&self.host(FaultInjector::default()), Some(name), 0).unwrap()
    }

    /// Adds the user `anna` beside `dev`.
    pub fn add_anna(&self) {
        let line = "anna:x:1001:1001::/home/anna:/bin/bash\n";
        self.write("/etc/passwd", self.text("/etc/passwd") + line);
        fs::create_dir_all(self.path("/home/anna")).unwrap();
        if nix::unistd::geteuid().is_root() {
            chown(self.path("/home/anna"), Some(1001), Some(1001)).unwrap();
        }
    }

    pub fn facts(&self) -> Facts {
        Facts::probe(&self.host(FaultInjector::default()), self.user())
    }

    pub fn setup(
        &self,
        host: &LiveSystem,
        answers: &Answers,
        guide: bool,
    ) -> Result<RunOutcome, EngineError> {
        let chosen = RunOptions {
            selection: StageSelection { guide, ..StageSelection::default() },
            ..RunOptions::default()
        };
        self.engine(host, |engine| engine.setup(answers, &chosen))
    }

    /// Undoes with options of one's own.
    pub fn undo_with(&self, host: &LiveSystem, options: &UndoOptions) -> Result<Undone, EngineError> {
        self.engine(host, |engine| engine.undo(options))
    }

    pub fn undo(&self, host: &LiveSystem, drift: DriftPolicy) -> Result<Undone, EngineError> {
        self.undo_with(host, &everything(drift))
    }

    pub fn undo_but_packages(&self, host: &LiveSystem) -> Result<Undone, EngineError> {
        self.undo_with(host, &UndoOptions { packages: false, ..everything(DriftPolicy::Stop) })
    }

    /// Runs something that an injected crash ends before effect `at`.
    pub fn crash<T: std::fmt::Debug>(&self, at: u64, run: impl FnOnce(&LiveSystem) -> T) {
        if let Some(ended) = self.crash_or_end(at, run) {
            panic!("it ended before effect {at}: {ended:?}");
        }
    }

    /// What something returns, or `None` if an injected crash before effect `at` ends it.
    pub fn crash_or_end<T>(&self, at: u64, run: impl FnOnce(&LiveSystem) -> T) -> Option<T> {
        let host = self.host(FaultInjector::after(at));
        match catch_unwind(AssertUnwindSafe(|| run(&host))) {
            Ok(ended) => Some(ended),
            Err(cause) if cause.is::<InjectedCrash>() => None,
            Err(cause) => resume_unwind(cause),
        }
    }

    pub fn engine<T>(&self, host: &LiveSystem, work: impl FnOnce(&mut Engine<'_>) -> T) -> T {
        self.engine_for("dev", host, work)
    }

    pub fn engine_for<T>(&self, user: &str, host: &LiveSystem, work: impl FnOnce(&mut Engine<'_>) -> T) -> T {
        let source = Source { offline: Some(self.path("/offline")), ..Source::default() };
        let stop = AtomicBool::new(false);
        let mut fetcher = Fetcher::new(host, source, Vec::new());
        let (user, steps) = (self.account(user), Steps::default());
        host.mark_user_owned(&user, &user.home);
        work(&mut Engine {
            host,
            fetcher: &mut fetcher,
            user: &user,
            reporter: &mut Silent,
            stop: &stop,
            steps,
        })
    }

    pub fn finish(&self, setup: impl Fn(&LiveSystem) -> Result<RunOutcome, EngineError>) {
        for boot in 10..13 {
            match setup(&self.host(FaultInjector::default())).unwrap() {
                RunOutcome::Done { .. } => return,
                RunOutcome::Restart(_) => self.boot(boot),
                RunOutcome::Interrupted => panic!("interrupted without a signal"),
            }
        }
        panic!("it asks for restart after restart");
    }

    /// Undoes everything; no other program has changed it.
    pub fn undo_all(&self) {
        self.undo(&self.host(FaultInjector::default()), DriftPolicy::Stop).unwrap();
    }

    /// Every file, link and directory that a setup may touch: kind, mode, owner, bytes.
    pub fn snapshot(&self) -> Tree {
        let mut seen = Tree::new();
        for dir in
            ["etc", "home", "mnt", "sbin", "usr", "var", "fake", "root", "proc/sys/fs", "proc/self/mountinfo"]
        {
            tree::walk(&self.root, &self.root.join(dir), &mut seen);
        }
        // What our own journal is made of, and the fake's notes of what was run, are no part of the machine.
        seen.retain(|path, _| path != "fake/commands" && !path.starts_with("var/lib/kind-wsl"));
        seen
    }

    /// Whether anything of the journal is left.
    pub fn has_journal(&self) -> bool {
        self.path("/var/lib/kind-wsl").exists()
    }
}

/// The answers of a user who wants everything that needs no real download.
pub fn answers() -> Answers {
    let said = [
        ("crun_version", "1.30.1".to_owned()),
        ("crun_sha256", digest(&CRUN)),
        ("tools", "none".to_owned()),
        ("kind_wrapper", "yes".to_owned()),
        ("autostart", "dev,kind".to_owned()),
        ("idle", "yes".to_owned()),
        ("privileged_ports", "yes".to_owned()),
        ("dmesg", "no".to_owned()),
        ("repair_wsl_conf", "yes".to_owned()),
        ("remove_dead_block", "yes".to_owned()),
    ];
    let mut answers = Answers::default();
    for (id, answer) in said {
        answers.set(id, answer);
    }
    answers
}

/// The fake machine's programs, without a process for each.
struct InProcess(Utf8PathBuf);

impl Runner for InProcess {
    fn run(&self, cmd: &Cmd, out: &mut dyn FnMut(&str)) -> io::Result<Output> {
        let name = Utf8Path::new(&cmd.program).file_name().unwrap_or_default();
        fake::HOME.set(cmd.user.as_ref().map(|user| user.home.to_string()));
        let own = cmd.program.starts_with('/') && self.0.join(cmd.program.trim_start_matches('/')).exists();
        let answer = if own && name == "crun" {
            fake::Answer { stdout: "crun version 1.30.1\n".to_owned(), ..fake::Answer::default() }
        } else if own && name == "kind-wsl-helper.exe" || fake::is_there(self.0.as_std_path(), name) {
            fake::answer(self.0.as_std_path(), name, &cmd.args)
        } else {
            return Err(io::ErrorKind::NotFound.into());
        };
        answer.stdout.lines().for_each(out);
        Ok(Output { code: answer.code, stdout: answer.stdout, stderr: answer.stderr })
    }
}

/// A reporter without output.
struct Silent;

impl Reporter for Silent {
    fn event(&mut self, _: &Event<'_>) {}
}

/// An undo of everything, packages included.
pub fn everything(drift: DriftPolicy) -> UndoOptions {
    UndoOptions {
        stages: Vec::new(),
        since: None,
        packages: true,
        drift,
        safe_mode: false,
        reach: Reach::User,
    }
}
