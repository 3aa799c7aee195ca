//! Texts for people: what failed on which object, why, what to do.

use crate::VERSION;
use crate::install::PROGRAM;
use crate::request::{RestartRequest, Scope};
use crate::result::StopResult;
use crate::text::{self, Version};

/// `kind-wsl-helper.exe --help`
pub const HELPER_HELP: &str = "\
Restarts WSL for a kind-wsl setup that runs in a distribution. kind-wsl starts
this program; you do not need to run it.

  kind-wsl-helper.exe look
  kind-wsl-helper.exe restart --id ID --distro NAME --scope distro|vm --user USER --program /abs/kind-wsl
  kind-wsl-helper.exe port N                        whether 127.0.0.1:N answers
  kind-wsl-helper.exe logon list                    distributions that start at logon
  kind-wsl-helper.exe logon remove --distro NAME    stop starting one at logon
";

/// `kind-wsl.exe --help`
pub const DRIVER_HELP: &str = "\
Runs kind-wsl in a WSL distribution, from Windows.

  kind-wsl.exe setup -d Ubuntu     sets up the distribution, with its restarts
  kind-wsl.exe COMMAND [ARGS…]     any kind-wsl command, in the default distribution
  kind-wsl.exe profile             prints this account's profile directory
  kind-wsl.exe rescue -d Ubuntu    undoes a setup after which it does not start

  -d, --distribution NAME          run in this distribution
  -u USER                          run as this Linux user
  --                               pass all following arguments to the command

Exit codes: those of the command; 11 WSL is not installed; 12 the distribution
is not installed; 14 kind-wsl is not installed in the distribution.
";

/// The process is in a job that kills its processes when it closes.
pub const KILLING_JOB: &str =
    "this process is in a Windows job object that kills its processes when it closes, so it would end with WSL";
pub const KILLING_JOB_ADVICE: &str = "Run kind-wsl in a terminal window, not from a systemd unit, cron or a service.";
/// The program is on the distribution's own file system.
pub const ON_LINUX_DISK: &str =
    "this program is on a network path (\\\\wsl.localhost?), which is not available while WSL is stopped";
pub const ON_LINUX_DISK_ADVICE: &str = "Copy it to a folder on a Windows drive and run it there.";

/// wsl.exe is not in System32.
#[must_use]
pub fn no_wsl(path: &str) -> String {
    format!("{path} does not exist, so WSL is not installed")
}

pub const NO_WSL_ADVICE: &str = "Install WSL: run wsl --install in a terminal as administrator.";

/// wsl.exe does not list the distributions.
#[must_use]
pub fn cannot_list(why: &str) -> String {
    format!(
        "wsl.exe cannot list the distributions ({why}). Nothing was stopped.\nIf wsl.exe --list hangs or fails in a terminal too, restart Windows."
    )
}

/// A name that is not installed.
#[must_use]
pub fn no_distribution(name: &str, installed: &[String]) -> String {
    let list = if installed.is_empty() { "none".into() } else { installed.join(", ") };
    format!("Distribution {name} is not installed. Installed: {list}.")
}

/// The folder of the log and result files.
#[must_use]
pub fn folder(path: &str, why: &str) -> String {
    format!(
        "{path} cannot be written ({why}).\nIt is for the log and the result of the restart. Make room or free the file, then try again."
    )
}

/// The copy that outlives WSL cannot be started.
#[must_use]
pub fn no_copy(folder: &str, why: &str) -> String {
    format!(
        "A copy of this program cannot be started in {folder} ({why}). Nothing was stopped.\nA virus scanner or a policy may block programs there."
    )
}

/// The entry that starts a distribution at logon has a command that kind-wsl did not write.
#[must_use]
pub fn foreign_entry(value: &str, command: &str) -> String {
    format!(
        "Another program wrote the logon entry \"{value}\" ({}). It was not changed.\nRemove it in Task Manager or regedit if you do not need it.",
        text::one_line(command)
    )
}

/// The `Run` key cannot be read or written.
#[must_use]
pub fn no_registry(why: &str) -> String {
    format!("The registry key HKCU\\Software\\Microsoft\\Windows\\CurrentVersion\\Run cannot be used ({why}).")
}

/// Windows would ignore the entry.
#[must_use]
pub fn too_long(command: &str, most: usize) -> String {
    format!("The command of the logon entry is longer than {most} characters, which Windows ignores: {command}")
}

/// A distribution did not start at logon.
#[must_use]
pub fn not_started(distribution: &str, why: &str) -> String {
    format!("Distribution {distribution} did not start ({why}).")
}

/// After a stop, in one line.
#[must_use]
pub fn stopped(request: &RestartRequest, result: StopResult, seconds: f32, detail: Option<&str>) -> String {
    let what = match request.scope {
        Scope::Distro => request.distribution.as_str(),
        Scope::Vm => "WSL",
    };
    let more = detail.map(|d| format!(" ({d})")).unwrap_or_default();
    match result {
        StopResult::Stopped => format!("{what} stopped after {seconds:.1} s{more}."),
        StopResult::StillRunning => format!(
            "{what} is still running after the stop{more}. The setup resumes and checks whether it was restarted."
        ),
        StopResult::Hung | StopResult::Failed => format!("{what} could not be stopped{more}."),
    }
}

/// The commands that do the restart by hand.
#[must_use]
pub fn by_hand(request: &RestartRequest) -> String {
    let [stop, resume] = request.manual_commands();
    format!("To continue by hand, run in a Windows terminal:\n\n    {stop}\n    {resume}\n")
}

/// The end of the setup in its new window.
#[must_use]
pub fn resumed(request: &RestartRequest, code: i32) -> String {
    match code {
        0 => String::new(),
        3 => format!("The setup still needs the restart (exit code 3).\n\n{}", by_hand(request)),
        1 => format!(
            "The setup ended with exit code 1. Without an error above, WSL was stopped while it ran.\n\n{}",
            by_hand(request)
        ),
        -1 => format!("wsl.exe itself failed; its message is above.\n\n{}", by_hand(request)),
        code => format!("The setup ended with exit code {code}. Its output is above.\n\n{}", by_hand(request)),
    }
}

/// The command that rescues a distribution that does not start, with `kind-wsl.exe` at that path.
#[must_use]
pub fn rescue(request: &RestartRequest, program: &str) -> String {
    let name = &request.distribution;
    format!("If {name} no longer starts, this undoes what kind-wsl changed in it:\n\n    {}\n", request.rescue(program))
}

/// In the new window, before the setup resumes.
#[must_use]
pub fn resuming(request: &RestartRequest) -> String {
    format!("kind-wsl: the setup of {} resumes.\n", request.distribution)
}

/// The last line of the window.
pub const PRESS_ENTER: &str = "Press Enter to close this window";

/// wsl.exe itself failed under the driver.
pub const WSL_FAILED: &str = "kind-wsl: wsl.exe itself failed (-1); its own message is above.";

/// Only a restart of the computer helps.
pub const MACHINE: &str =
    "kind-wsl: the setup waits for a restart of the computer. Restart it, then run the same command again.";

/// The restart did not help.
#[must_use]
pub fn no_change(id: &str) -> String {
    format!(
        "kind-wsl: the restart did not apply the changes; setup {id} still waits for a restart.\nFind the cause: kind-wsl doctor"
    )
}

#[must_use]
pub fn too_many(restarts: u32) -> String {
    format!("kind-wsl: the setup still waits after {restarts} restarts.\nSee what it waits for: kind-wsl status")
}

/// The output of the Linux program cannot be parsed.
#[must_use]
pub fn invalid_status(what: &str) -> String {
    format!(
        "kind-wsl: the output of {PROGRAM} status --waiting is invalid: {what}.\nIt must have the version of this program, {VERSION}."
    )
}

/// The Linux program is missing and cannot be installed.
#[must_use]
pub fn no_program(distribution: &str, found: Option<Version>, beside: &str) -> String {
    let what = match found {
        Some((a, b, c)) => format!("{PROGRAM} in {distribution} is {a}.{b}.{c}, older than this program, {VERSION}"),
        None => format!("{PROGRAM} does not exist in {distribution}"),
    };
    format!(
        "kind-wsl: {what}, and {beside} does not exist.\n\
         Copy the file kind-wsl of release {VERSION} there (from the archive of this program), or install it in {distribution} as {PROGRAM}."
    )
}

/// The copy failed.
#[must_use]
pub fn not_installed(distribution: &str, why: &str) -> String {
    format!("kind-wsl: {PROGRAM} could not be installed in {distribution} ({why}). An existing file is unchanged.")
}

#[must_use]
pub fn installed(distribution: &str, before: Option<Version>) -> String {
    let from = before.map(|(a, b, c)| format!(" (replaced {a}.{b}.{c})")).unwrap_or_default();
    format!("kind-wsl: installed {PROGRAM} {VERSION} in {distribution}{from}.")
}

/// An error in the command line.
#[must_use]
pub fn usage(program: &str, error: &str) -> String {
    format!("{program}: {}. See {program} --help", text::one_line(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(scope: Scope) -> RestartRequest {
        let (id, distribution, user) = ("a-1".to_string(), "Debian".to_string(), "dev".to_string());
        RestartRequest { id, distribution, scope, user, program: PROGRAM.into(), patience: None }
    }

    #[test]
    fn every_failure_has_the_commands_to_run() {
        for code in [1, 3, 130, -1] {
            let text = resumed(&request(Scope::Vm), code);
            assert!(
                text.contains("wsl.exe --shutdown\n")
                    && text.contains("wsl.exe -d Debian --cd ~ --exec /usr/local/bin/kind-wsl setup\n"),
                "{text}"
            );
        }
        assert!(resumed(&request(Scope::Vm), 0).is_empty());
        assert!(by_hand(&request(Scope::Distro)).contains("wsl.exe --terminate Debian\n"));
    }

    #[test]
    fn every_message_names_its_object() {
        let list = ["Ubuntu".to_string(), "Debian".to_string()];
        assert_eq!(
            no_distribution("Debain", &list),
            "Distribution Debain is not installed. Installed: Ubuntu, Debian."
        );
        assert!(no_program("Debian", Some((0, 0, 9)), "C:\\x\\kind-wsl").contains("is 0.0.9, older than"));
        assert_eq!(stopped(&request(Scope::Vm), StopResult::Stopped, 3.21, None), "WSL stopped after 3.2 s.");
        assert!(
            stopped(&request(Scope::Distro), StopResult::Hung, 90.0, Some("why"))
                .starts_with("Debian could not be stopped (why)")
        );
    }
}
