//! Texts for people: what failed on which object, why, what to do.

use crate::VERSION;
use crate::install::PROGRAM;
use crate::request::{RestartRequest, Scope};
use crate::result::StopResult;
use crate::text::{self, Version};

/// `kind-wsl-helper.exe --help`
pub const HELPER_HELP: &str = "\
Restarts WSL for a kind-wsl set-up that runs in a distribution. Internal helper started by kind-wsl; you do not need to run it yourself.

  kind-wsl-helper.exe look
  kind-wsl-helper.exe restart --id ID --distro NAME --scope distro|vm --user USER --program /abs/kind-wsl
";

/// `kind-wsl.exe --help`
pub const DRIVER_HELP: &str = "\
Runs kind-wsl in a WSL distribution, from Windows.

  kind-wsl.exe setup -d Ubuntu     sets the distribution up, restarts WSL where it must, and goes on by itself
  kind-wsl.exe COMMAND [ARGS…]     any command of kind-wsl, in the default distribution
  kind-wsl.exe profile             prints this account's profile directory
  kind-wsl.exe rescue -d Ubuntu    undoes setup in a distribution that does not start (rescue --help)

  -d, --distribution NAME          in this distribution
  -u USER                          as this Linux user
  --                               what follows is passed on, -d and -u included

Exit codes are those of the Linux program; 11: WSL is not there, 12: no such distribution, 14: the Linux program is not there.
";

/// In a job that ends its processes.
pub const KILLING_JOB: &str =
    "this process is in a job that ends all its processes when it closes, so it would end together with WSL";
/// What to do about it.
pub const KILLING_JOB_ADVICE: &str =
    "Start kind-wsl from a terminal window, not from a systemd unit, cron or a service.";
/// Started from the distribution's own file system.
pub const ON_LINUX_DISK: &str = "this program lies on a network path (\\\\wsl.localhost?), which goes away with WSL";
/// What to do about it.
pub const ON_LINUX_DISK_ADVICE: &str = "Copy it to a folder on a Windows drive and start it there.";

/// wsl.exe is not where Windows has it.
#[must_use]
pub fn no_wsl(path: &str) -> String {
    format!("{path} is not there, so there is no WSL to restart")
}

/// What to do about it.
pub const NO_WSL_ADVICE: &str = "Install WSL: in a terminal of an administrator, wsl --install.";

/// wsl.exe does not list distributions.
#[must_use]
pub fn can_not_be_asked(why: &str) -> String {
    format!(
        "wsl.exe can not be asked for its distributions ({why}).\nIf wsl.exe --list hangs or fails in a terminal too, restart Windows; nothing has been stopped."
    )
}

/// A name that is not installed.
#[must_use]
pub fn no_distribution(name: &str, installed: &[String]) -> String {
    let list = if installed.is_empty() { "none".into() } else { installed.join(", ") };
    format!("There is no distribution {name}. Installed: {list}.")
}

/// The folder of the log and result files.
#[must_use]
pub fn folder(path: &str, why: &str) -> String {
    format!(
        "{path} can not be written ({why}).\nThe restart's log and result belong there: make room or free the file, then try again."
    )
}

/// The copy that outlives WSL can not be started.
#[must_use]
pub fn no_copy(folder: &str, why: &str) -> String {
    format!(
        "A copy of this program can not be started in {folder} ({why}).\nA virus scanner or a policy may forbid programs there; nothing has been stopped."
    )
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
            "{what} was told to stop, and is running{more}. Going on: the set-up sees by itself whether it was restarted."
        ),
        StopResult::Hung | StopResult::Failed => format!("{what} could not be stopped{more}."),
    }
}

/// What a person does instead of the program.
#[must_use]
pub fn by_hand(request: &RestartRequest) -> String {
    let [stop, resume] = request.manual_commands();
    format!("To go on by hand, type in a Windows terminal:\n\n    {stop}\n    {resume}\n")
}

/// The end of the set-up in its new window.
#[must_use]
pub fn resumed(request: &RestartRequest, code: i32) -> String {
    match code {
        0 => String::new(),
        3 => format!("The set-up still needs the restart (exit code 3).\n\n{}", by_hand(request)),
        1 => format!(
            "The set-up ended with exit code 1. If it shows no error above, WSL was stopped under it.\n\n{}",
            by_hand(request)
        ),
        -1 => format!("wsl.exe itself failed; its message is above.\n\n{}", by_hand(request)),
        code => format!("The set-up ended with exit code {code}; what it says is above.\n\n{}", by_hand(request)),
    }
}

/// What to type if wsl.exe failed because the distribution does not start, with `kind-wsl.exe` at that path.
#[must_use]
pub fn rescue(request: &RestartRequest, program: &str) -> String {
    let name = &request.distribution;
    format!(
        "If {name} does not start anymore, this undoes what kind-wsl changed in it:\n\n    {}\n",
        request.rescue(program)
    )
}

/// In the new window, before the set-up goes on.
#[must_use]
pub fn going_on(request: &RestartRequest) -> String {
    format!("kind-wsl: the set-up of {} goes on.\n", request.distribution)
}

/// The last line of the window.
pub const PRESS_ENTER: &str = "Press Enter to close this window";

/// wsl.exe itself failed under the driver.
pub const WSL_FAILED: &str = "kind-wsl: wsl.exe itself failed (-1); its own message is above.";

/// Only a restart of the whole computer helps.
pub const MACHINE: &str =
    "kind-wsl: the set-up waits for a restart of the whole computer. Restart it, then type the same command again.";

/// The restart did not help.
#[must_use]
pub fn no_change(id: &str) -> String {
    format!(
        "kind-wsl: the restart changed nothing: the set-up {id} still waits for one. kind-wsl status tells why; kind-wsl doctor what is wrong."
    )
}

#[must_use]
pub fn too_many(restarts: u32) -> String {
    format!("kind-wsl: {restarts} restarts have not been enough. kind-wsl status tells what the set-up waits for.")
}

/// An answer of the Linux program that makes no sense.
#[must_use]
pub fn strange_answer(what: &str) -> String {
    format!(
        "kind-wsl: {PROGRAM} status --waiting gives an answer that can not be used ({what}). Is it of the same version as this program, {VERSION}?"
    )
}

/// The Linux program is missing and there is nothing to install.
#[must_use]
pub fn no_program(distribution: &str, found: Option<Version>, beside: &str) -> String {
    let what = match found {
        Some((a, b, c)) => format!("{PROGRAM} in {distribution} is {a}.{b}.{c}, older than this program, {VERSION}"),
        None => format!("there is no {PROGRAM} in {distribution}"),
    };
    format!(
        "kind-wsl: {what}, and no Linux program to install at {beside}.\n\
         Put the file kind-wsl of the release {VERSION} there (it is in the same archive as this program), or install it in {distribution} as {PROGRAM}."
    )
}

/// The copy did not arrive.
#[must_use]
pub fn not_installed(distribution: &str, why: &str) -> String {
    format!("kind-wsl: {PROGRAM} could not be installed in {distribution} ({why}). What was there before is unchanged.")
}

#[must_use]
pub fn installed(distribution: &str, before: Option<Version>) -> String {
    let instead = before.map(|(a, b, c)| format!(", in place of {a}.{b}.{c}")).unwrap_or_default();
    format!("kind-wsl: {PROGRAM} {VERSION} is now in {distribution}{instead}.")
}

/// An error in the command line.
#[must_use]
pub fn usage(program: &str, error: &str) -> String {
    format!("{program}: {}. {program} --help shows how it is used.", text::one_line(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(scope: Scope) -> RestartRequest {
        let (id, distribution, user) = ("a-1".to_string(), "Debian".to_string(), "dev".to_string());
        RestartRequest { id, distribution, scope, user, program: PROGRAM.into(), patience: None }
    }

    #[test]
    fn every_failure_says_what_to_type() {
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
    fn names_the_object() {
        let list = ["Ubuntu".to_string(), "Debian".to_string()];
        assert_eq!(no_distribution("Debain", &list), "There is no distribution Debain. Installed: Ubuntu, Debian.");
        assert!(no_program("Debian", Some((0, 0, 9)), "C:\\x\\kind-wsl").contains("is 0.0.9, older than"));
        assert_eq!(stopped(&request(Scope::Vm), StopResult::Stopped, 3.21, None), "WSL stopped after 3.2 s.");
        assert!(
            stopped(&request(Scope::Distro), StopResult::Hung, 90.0, Some("why"))
                .starts_with("Debian could not be stopped (why)")
        );
    }
}
