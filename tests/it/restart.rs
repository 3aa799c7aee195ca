//! The restart in the middle, as the Linux side does it: whom it asks, what it starts, what it says.
//!
//! Windows is played by `tests/it/support/fake.rs`, program by program. The real helper and the real `kind-wsl.exe` run
//! under wine in `tests/windows`, and with a real machine behind them in `tests/vm`.

use std::fs;
use std::path::PathBuf;
use std::process::Child;
use std::time::{Duration, Instant};

use kind_wsl::host::System;
use kind_wsl::windows;

use crate::support::cli::{Case, agreed};
use crate::support::{Layout, same};

const PLACE: &str = "/mnt/c/Users/dev/AppData/Local/kind-wsl";
const SYSTEM: &str = "/mnt/c/Windows/System32";

/// A session of wsl.exe on old WSL, with the helper beside the program.
fn case() -> Case {
    without_helper()
        .program("/opt/kind-wsl-helper.exe")
        .env("KIND_WSL_HELPER", "[ROOT]/opt/kind-wsl-helper.exe")
        .file("/fake/windows/kind-wsl-helper.exe look", "0\nprofile=C:\\Users\\dev\nfolder=C:\\Users\\dev\\AppData\\Local\\kind-wsl\nable=yes\nrunning=Debian\n")
        .file("/fake/windows/kind-wsl-helper.exe restart", "0\nstarted=7\nlog=C:\\x\\1.log\n")
}

fn without_helper() -> Case {
    Case::new(Layout::Classic)
        .dir("/mnt/c/Users/dev/AppData/Local")
        .env("WSL_INTEROP", "/run/WSL/7_interop")
        .program(&format!("{SYSTEM}/wsl.exe"))
        .program(&format!("{SYSTEM}/cmd.exe"))
        .file("/fake/windows/wsl.exe --list", "0\nDebian\n")
}

fn setup() -> String {
    format!("setup {}", agreed())
}

/// The commands that begin so, of all that were run.
fn commands(case: &Case, begin: &str) -> Vec<String> {
    let all = case.machine.text("/fake/commands");
    all.lines().filter(|line| line.starts_with(begin)).map(ToOwned::to_owned).collect()
}

/// The restart that kind-wsl.exe is told of: its name and the rest.
fn waiting(case: &Case) -> Option<(String, String)> {
    let said = case.run("status --waiting").expect(0, "").stdout;
    let (id, rest) = said.strip_prefix("id=")?.split_once('\n')?;
    Some((id.to_owned(), rest.to_owned()))
}

/// Waits until the helper has its word.
fn given_the_word(case: &Case, child: &mut Child) -> String {
    let begin = Instant::now();
    loop {
        let mut files =
            fs::read_dir(case.machine.path(PLACE)).into_iter().flatten().flatten().map(|e| e.path());
        let told = |path: &PathBuf| {
            path.extension().is_some_and(|e| e == "ready")
                && fs::read(path).is_ok_and(|word| word == b"ready\n")
        };
        if let Some(path) = files.find(told) {
            return path.file_stem().unwrap().to_str().unwrap().to_owned();
        }
        assert!(child.try_wait().unwrap().is_none(), "it ended before the helper had its word");
        assert!(begin.elapsed() < Duration::from_mins(1), "the helper never got its word");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Sets up until the helper stops WSL, which ends everything at once.
fn stopped_by_the_helper(case: &Case) -> String {
    let mut child = case.start(&setup());
    let id = given_the_word(case, &mut child);
    child.kill().unwrap();
    child.wait().unwrap();
    id
}

#[test]
fn the_helper_restarts_wsl_and_the_run_resumes_and_reverts_its_temporary_changes() {
    let case = case();
    let before = case.machine.snapshot();
    let mut child = case.start(&setup());
    let id = given_the_word(&case, &mut child);
    assert!(case.machine.text("/etc/profile.d/kind-wsl.sh").contains("setup is not finished"));
    child.kill().unwrap();
    let said = case.end(child).stdout;
    assert!(said.contains("WSL stops now, and this terminal closes."), "{said}");
    assert!(said.contains("Log: C:\\x\\1.log"), "{said}");
    let asked = commands(&case, "kind-wsl-helper.exe restart");
    let bin = case.shown(&asked.join("\n"));
    assert_eq!(
        bin,
        format!(
            "kind-wsl-helper.exe restart --id {id} --distro Debian --scope vm --user dev --program [BIN]"
        )
    );
    let (named, rest) = waiting(&case).unwrap();
    assert_eq!((named, case.shown(&rest)), (id.clone(), "scope=vm\nuser=dev\nprogram=[BIN]\n".to_owned()));
    case.machine.boot(2);
    let result = format!("version=1\nid={id}\nscope=vm\nstate=resuming\nstop=stopped\nstopped_ms=3210\n");
    let case =
        case.file(&format!("{PLACE}/{id}.result"), result).file(&format!("{PLACE}/{id}.log"), "0.0 x\n");
    case.run(&format!("setup --resume {id}"))
        .expect(0, "")
        .says(
            "
        The restart: WSL stopped after 3.2 s.
        WSL was restarted; setup resumes
        ",
        )
        .says("Close this window. In a new terminal of Debian:\n");
    assert!(!case.machine.path("/etc/profile.d/kind-wsl.sh").exists(), "the notice is still there");
    assert_eq!(waiting(&case), None);
    case.run("undo --yes --packages").expect(0, "");
    same(&before, &case.machine.snapshot(), "undone");
}

#[test]
fn kind_wsl_exe_is_copied_beside_the_helper_for_a_rescue() {
    let case = case().program("/opt/kind-wsl.exe");
    let before = case.machine.snapshot();
    let mut child = case.start(&setup());
    given_the_word(&case, &mut child);
    child.kill().unwrap();
    let said = case.end(child).stdout;
    assert!(
        said.contains("no longer starts, run this in PowerShell:\n  C:\\x\\kind-wsl.exe rescue -d Debian\n"),
        "{said}"
    );
    let installed = case.machine.text(&format!("{PLACE}/kind-wsl.exe"));
    assert_eq!(installed, case.machine.text("/opt/kind-wsl.exe"));
    case.run("undo --yes --packages").expect(0, "");
    same(&before, &case.machine.snapshot(), "undone");
}

#[test]
fn a_run_that_was_started_by_a_restart_never_starts_another() {
    let case = case();
    let id = stopped_by_the_helper(&case);
    let case = case.file(
        &format!("{PLACE}/{id}.result"),
        format!("version=1\nid={id}\nstate=resuming\nstop=still-running\ndetail=Debian runs\n"),
    );
    case.run(&format!("setup --resume {id}")).expect(3, "").says(
        "
        WSL was not restarted yet. It must restart to apply: systemd, cgroup, cgroup-mount, delegation
          Last attempt:   WSL did not stop, or it restarted immediately (Debian runs)
        ",
    );
    assert_eq!(commands(&case, "kind-wsl-helper.exe restart").len(), 1);
}

#[test]
fn a_restart_of_the_distribution_alone_is_not_a_restart_of_wsl() {
    let case = case();
    case.run(&format!("{} --no-restart", setup())).expect(3, "");
    case.machine.start_distro(2);
    case.run("setup --no-restart")
        .expect(3, "")
        .says("Only this distribution was restarted. WSL as a whole must restart to apply: systemd,")
        .says("  wsl.exe --shutdown\n");
    assert!(case.run("status").stdout.contains("waiting for a restart"));
    case.machine.boot(3);
    case.run("setup").expect(0, "").says("WSL was restarted; setup resumes");
}

#[test]
fn a_restart_of_the_distribution_is_enough_if_no_more_is_needed() {
    let case = Case::new(Layout::Isolated);
    case.run(&format!("{} --no-restart", setup())).expect(3, "").says("  wsl.exe --terminate Debian\n");
    case.machine.start_distro(2);
    case.run("setup").expect(0, "").says("this distribution was restarted; setup resumes");
}

#[test]
fn a_change_of_wslconfig_waits_for_a_new_boot_even_after_the_distribution_was_restarted() {
    let case = case();
    case.run("setup --yes --only idle --idle yes").expect(0, "");
    let restart = || {
        let plan: serde_json::Value =
            serde_json::from_str(&case.run("plan --only restart --json").expect(0, "").stdout).unwrap();
        plan["plan"]["stages"].as_array().unwrap().iter().find(|s| s["id"] == "restart").unwrap()["verdict"]
            .clone()
    };
    case.machine.start_distro(2);
    assert_eq!(restart(), "needed");
    case.machine.boot(3);
    assert_ne!(restart(), "needed");
}

#[test]
fn a_second_run_starts_the_helper_again_and_ignores_an_old_result() {
    let case = case();
    let id = stopped_by_the_helper(&case);
    case.machine.write(&format!("{PLACE}/{id}.ready"), "an old word");
    assert_eq!(stopped_by_the_helper(&case), id);
    assert_eq!(case.machine.text(&format!("{PLACE}/{id}.ready")), "ready\n");
    assert_eq!(commands(&case, "kind-wsl-helper.exe restart").len(), 2);
}

#[test]
fn a_helper_that_gives_up_is_reported_with_the_commands_to_run() {
    let result = "version=1\nid=[ID]\nscope=vm\nstate=hung\ndetail=no answer in 90 s\n";
    let case = case().file("/fake/windows/result", result);
    case.run(&setup())
        .expect(
            3,
            "The restart did not happen: wsl.exe did not respond; the helper stopped it (no answer in 90 s).\n",
        )
        .says("  wsl.exe --shutdown\n  wsl.exe -d Debian --cd ~ --exec [BIN] setup");
    let status = case.run("status").stdout;
    assert!(
        status.contains("waiting for a restart") && status.contains("; wsl.exe did not respond"),
        "{status}"
    );
}

#[test]
fn control_characters_of_a_hostile_result_do_not_reach_the_terminal() {
    let result = format!("version=1\nid=[ID]\nstate=failed\ndetail=\u{1b}[2Jgone{}\n", "x".repeat(9000));
    let seen = case().file("/fake/windows/result", result).run(&setup());
    assert_eq!(seen.code, 3);
    assert!(!seen.stderr.contains('\u{1b}') && seen.stderr.len() < 500, "{}", seen.stderr);
    // A result of another restart is none of this one.
    let other = case().file("/fake/windows/result", "version=1\nid=0000\nstate=failed\n");
    let id = stopped_by_the_helper(&other);
    assert!(!id.is_empty());
}

#[test]
fn a_refusal_of_the_helper_is_quoted() {
    let refused = "12\nThere is no distribution `Debian`. `wsl.exe --list` names those that there are.\n";
    let case = case().file("/fake/windows/kind-wsl-helper.exe restart", refused);
    let seen = case.run(&setup()).expect(3, "");
    assert!(seen.stdout.contains("Automatic restart is not available:"), "{}", seen.stdout);
    assert!(seen.stdout.contains("There is no distribution `Debian`."), "{}", seen.stdout);
}

#[test]
fn a_session_in_a_job_that_ends_with_wsl_is_left_alone() {
    let look = "0\nprofile=C:\\Users\\dev\nfolder=C:\\x\nable=no\nwhy=it runs in a job\n";
    let case = case().file("/fake/windows/kind-wsl-helper.exe look", look);
    case.run(&setup()).expect(3, "").says(
        "Automatic restart is not available: the helper cannot restart it from this session: it runs in a job.",
    );
    assert_eq!(commands(&case, "kind-wsl-helper.exe restart").len(), 0);
}

#[test]
fn other_distributions_are_stopped_only_after_consent() {
    let others = "0\nDebian\nUbuntu-24.04\ndocker-desktop\n";
    let case = case().file("/fake/windows/wsl.exe --list", others);
    case.run(&setup()).expect(3, "").says(
        "Automatic restart is not available: it would stop the running distributions Ubuntu-24.04, docker-desktop; to allow that, use `--restart-all`.",
    );
    assert_eq!(commands(&case, "kind-wsl-helper.exe").len(), 0);
    assert_eq!(waiting(&case), None);
    let mut child = case.start(&format!("{} --restart-all", setup()));
    given_the_word(&case, &mut child);
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn nodes_that_run_are_named_before_they_are_ended() {
    let case =
        case().dir("/home/dev/.local/share/containers/storage").file("/fake/nodes", "kind-control-plane\n");
    case.run(&setup()).expect(3, "").says(
        "Automatic restart is not available: it would stop the kind node kind-control-plane; to allow that, use `--restart-all`.",
    );
}

#[test]
fn with_no_restart_no_windows_program_runs() {
    let case = case();
    let seen = case.run(&format!("{} --no-restart", setup())).expect(3, "");
    assert!(!seen.stdout.contains("left to you"), "{}", seen.stdout);
    assert_eq!(commands(&case, "kind-wsl-helper.exe").len() + commands(&case, "wsl.exe").len(), 0);
    assert_eq!(waiting(&case), None);
}

#[test]
fn without_the_helper_a_window_of_the_command_prompt_does_it() {
    let case = without_helper().file("/fake/windows/cmd.exe /c", "0\n");
    case.run(&setup()).expect(3, "").says("A new window restarts WSL and finishes setup.");
    let (id, _) = waiting(&case).unwrap();
    let line = case.shown(&commands(&case, "cmd.exe").join("\n"));
    let resume = format!("wsl.exe -d Debian -u root --cd ~ --exec [BIN] setup --resume {id}");
    assert_eq!(
        line,
        format!(
            "cmd.exe /c start kind-wsl setup /D C:\\ cmd.exe /k wsl.exe --shutdown & wsl.exe -d Debian -u dev --exec /bin/true & {resume}"
        )
    );
}

#[test]
fn if_the_helper_cannot_be_copied_the_command_prompt_restarts_wsl() {
    let case = case().file(PLACE, "somebody's file").file("/fake/windows/cmd.exe /c", "0\n");
    case.run(&setup()).expect(3, "").says("A new window restarts WSL and finishes setup.");
    assert_eq!(case.machine.text(PLACE), "somebody's file");
}

#[test]
fn if_windows_does_not_answer_the_commands_to_run_are_printed() {
    let case = without_helper().file("/fake/windows/wsl.exe --list", "1\n");
    case.run(&setup())
        .expect(3, "")
        .says("Automatic restart is not available: `wsl.exe` ended with exit code 1:");
}

#[test]
fn started_by_kind_wsl_exe_it_leaves_the_restart_to_that() {
    let case = case().env("KIND_WSL_DRIVER", "1").env("KIND_WSL_RUNNING", "");
    case.run(&setup()).expect(3, "").says("kind-wsl.exe restarts WSL now.");
    let (id, rest) = waiting(&case).unwrap();
    assert_eq!(case.shown(&rest), "scope=vm\nuser=dev\nprogram=[BIN]\n");
    assert_eq!(commands(&case, "kind-wsl-helper.exe").len(), 0);
    case.machine.boot(2);
    case.run(&format!("setup --resume {id}")).expect(0, "");
}

#[test]
fn kind_wsl_exe_gets_no_restart_that_was_not_confirmed() {
    let case = case().env("KIND_WSL_DRIVER", "1");
    case.run(&setup()).expect(3, "");
    assert!(waiting(&case).is_some());
    let case = case.env("KIND_WSL_RUNNING", "Ubuntu");
    case.run(&setup())
        .expect(3, "")
        .says("Automatic restart is not available: it would stop the running distribution Ubuntu;");
    assert_eq!(waiting(&case), None);
}

#[test]
fn a_run_that_resumes_after_another_restart_is_refused() {
    let case = case();
    let id = stopped_by_the_helper(&case);
    let text = format!(
        "error: this run belongs to restart `gone`, but setup is waiting for restart `{id}`\nhint: close this window and run `kind-wsl setup`\n"
    );
    case.run("setup --resume gone").expect(1, &text);
}

#[test]
fn a_session_that_sudo_hid_is_found_with_an_ancestor() {
    let case = Case::new(Layout::Classic)
        .file("/proc/self/stat", "90 (kind-wsl) S 80 90 90 0")
        .file("/proc/80/stat", "80 (sudo) S 70 80 80 0")
        .file("/proc/80/environ", "PATH=/bin\0SUDO_USER=dev\0")
        .file("/proc/70/stat", "70 (a (shell) S 1 70 70 0")
        .file("/proc/70/environ", "WSL_INTEROP=/run/WSL/70_interop\0WSL_DISTRO_NAME=Other\0");
    let mut host = case.machine.host(kind_wsl::host::FaultInjector::default());
    windows::inherit(&mut host);
    assert_eq!(host.env("WSL_INTEROP").as_deref(), Some("/run/WSL/70_interop"));
    assert_eq!(host.env("WSL_DISTRO_NAME").as_deref(), Some("Debian"), "what is there stays");
}
