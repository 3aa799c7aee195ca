//! The real program, killed at moments that nothing chose but chance, with all that it started.

use std::os::unix::process::CommandExt;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

use super::{Tree, calm, finished, same};
use crate::support::Layout;
use crate::support::cli::{Case, agreed};

/// Numbers that look like chance and are the same each time: splitmix64 (Steele, Lea and Flood, OOPSLA 2014).
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// What is killed.
#[derive(Clone, Copy, Debug)]
enum Run {
    /// The setup before the restart.
    First,
    /// The one after it.
    Second,
    Undo,
}

const UNDO: &str = "undo --yes --packages";

impl Run {
    /// The machine as it is when the run begins, and its command line.
    fn begin(self, layout: Layout) -> (Case, String) {
        let case = Case::new(layout);
        match self {
            Self::First => {}
            Self::Second => {
                case.run(&format!("setup {}", agreed())).expect(3, "");
                case.machine.boot(2);
            }
            Self::Undo => finished(&case),
        }
        let args = if matches!(self, Self::Undo) { UNDO.to_owned() } else { format!("setup {}", agreed()) };
        (case, args)
    }

    /// How long it takes without a kill.
    fn duration(self, layout: Layout) -> Duration {
        let (case, args) = self.begin(layout);
        let started = Instant::now();
        assert_ne!(case.run(&args).code, 1);
        started.elapsed()
    }
}

/// Starts the run and kills it, with all that it started, after so long. Whether it was still at work, and had begun.
#[allow(clippy::disallowed_methods, reason = "the moment is what the test is about")]
fn killed(case: &Case, args: &str, after: Duration) -> (bool, bool) {
    let mut command = case.command(args);
    // Its output is not read: with a full pipe it would wait.
    command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
    let mut child = command.process_group(0).spawn().unwrap();
    std::thread::sleep(after);
    let id = Pid::from_raw(i32::try_from(child.id()).unwrap());
    // Stopped first, so that it starts nothing more while its programs are looked for.
    kill(id, Signal::SIGSTOP).unwrap();
    let programs = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap_or_default();
    killpg(id, Signal::SIGKILL).unwrap();
    for program in programs.split_ascii_whitespace() {
        // Each is the first of a group of its own, unless it has just been made.
        let program = Pid::from_raw(program.parse().unwrap());
        let _ = killpg(program, Signal::SIGKILL);
        let _ = kill(program, Signal::SIGKILL);
    }
    let status = child.wait().unwrap();
    (status.code().is_none(), case.machine.has_journal())
}

#[test]
fn a_run_killed_at_any_moment_resumes_and_is_undone() {
    let (count, seed) = (number("KIND_WSL_KILLS", 15), number("KIND_WSL_SEED", 1));
    let started = Instant::now();
    let mut chance = Chance(seed);
    let layouts = [Layout::Isolated, Layout::Classic];
    let calms: Vec<(Tree, Tree)> = layouts.iter().map(|layout| calm(*layout)).collect();
    let runs = [Run::First, Run::First, Run::Second, Run::Undo];
    let (mut at_work, mut begun) = (0, 0);
    for n in 0..usize::try_from(count).unwrap() {
        let layout = layouts[n % 2];
        let (before, after) = &calms[n % 2];
        let run = runs[n / 2 % runs.len()];
        let whole = u64::try_from(run.duration(layout).as_micros()).unwrap();
        let moment = Duration::from_micros(chance.below(whole));
        let name = format!("seed {seed}, kill {n}: {run:?} on {layout:?} after {moment:?} of {whole} µs");
        let (case, args) = run.begin(layout);
        let (was_at_work, has_begun) = killed(&case, &args, moment);
        at_work += u64::from(was_at_work);
        begun += u64::from(was_at_work && has_begun);
        // Every other one is not resumed, but undone at once.
        if !matches!(run, Run::Undo) && chance.below(2) == 0 {
            // It may have asked for the restart before it was killed.
            case.machine.boot(3);
            finished(&case);
            same(after, &case.machine.snapshot(), &name);
        }
        case.run(UNDO).expect(0, "");
        same(before, &case.machine.snapshot(), &name);
        assert!(!case.machine.has_journal(), "{name}");
    }
    println!(
        "kill: {count} runs killed at moments by chance (seed {seed}): {at_work} were at work, {begun} of them had begun a journal; \
         all ended as a calm run, {:.1} s",
        started.elapsed().as_secs_f64()
    );
    assert!(begun * 3 > count, "only {begun} of {count} runs were killed in their middle");
}
