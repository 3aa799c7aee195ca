//! Starts a container on a bridge network, as a node of kind does. That needs the runtime, netavark, the firewall,
//! aardvark-dns, pasta or slirp4netns, a keyring and a published port at once.

use std::fmt::Write;
use std::time::Duration;

use super::cgroup::SYSTEMD;
use super::kernel::{APPARMOR, FUSE, KEYRINGS, MODULES_DIR, USER_NAMESPACES};
use super::namespace::{BRIDGE_DEVICE, NFT, TUN};
use super::network::{BRIDGE, IPTABLES, ROOTLESS_NETWORK};
use super::podman::{CONF, CRUN, PODMAN};
use super::session::{BUS, NEWUIDMAP, RUNTIME_DIR, RUNTIME_OWNER, SETUID, SUBORDINATE_IDS};
use super::{Check, Cost, Outcome, Scope, check};
use crate::fetch::catalogue::Arch;
use crate::fix::command;
use crate::host::{Cmd, HostError, Output, quote};
use crate::provider::{Provider, can_be_wrapped, in_wrapper};

/// The requirements of a container that have their own checks: if one of these fails, it is the cause.
static CAUSES: &[&Check] = &[
    &CONF,
    &RUNTIME_DIR,
    &RUNTIME_OWNER,
    &BUS,
    &USER_NAMESPACES,
    &APPARMOR,
    &SUBORDINATE_IDS,
    &NEWUIDMAP,
    &SETUID,
    &FUSE,
    &MODULES_DIR,
    &KEYRINGS,
    &CRUN,
    &NFT,
    &BRIDGE_DEVICE,
    &TUN,
    &ROOTLESS_NETWORK,
    &BRIDGE,
    &IPTABLES,
];

/// The time limit of the whole script. It limits its own commands and cleans up; a container takes about a second.
const TIMEOUT: Duration = Duration::from_mins(1);
/// The exit code of timeout(1).
const TIMED_OUT: i32 = 124;
/// The same if only SIGKILL ended the command; also the exit code of a container that was killed.
const KILLED: i32 = 137;

/// Runs in a separate session, so that it cleans up even if kind-wsl is interrupted or killed. The options are those
/// of a node (kind `pkg/cluster/internal/providers/podman/provision.go`), whose limits are set inside it.
const SCRIPT: &str = r#"name=kind-wsl-check-$$
dir=$(mktemp -d) || exit 1
clean() {
    timeout 10 podman rm --force "$name"
    timeout 10 podman network rm "$name"
    rm -rf "$dir"
}
trap 'clean >/dev/null 2>&1' EXIT
trap 'exit 1' HUP INT TERM PIPE
printf '[PROGRAM]' >"$dir/probe" && chmod 755 "$dir" "$dir/probe" || exit 1
timeout 4 podman network create "$name" >/dev/null || exit
timeout -k 1 8 podman run --rm --name "$name" --network "$name" --privileged --cgroupns=private \
    --tmpfs /tmp --tmpfs /run --volume /lib/modules:/lib/modules:ro --device /dev/fuse \
    --publish 127.0.0.1::80 --rootfs "$dir" /probe
"#;

pub(super) static CONTAINER: Check = check("container", "a container starts on a bridge network", |c| {
    let Some(program) = c.facts.arch.and_then(program) else {
        return Outcome::unknown("kind-wsl has no test program for this processor");
    };
    if !c.may_create {
        if !c.facts.containers.storage_used {
            return Outcome::skipped(
                "podman has created nothing yet; `kind-wsl doctor --only container` tries it",
            );
        }
        if let Some(outcome) = CAUSES.iter().find_map(|cause| c.blocked_by(cause)) {
            return outcome;
        }
    }
    let script = SCRIPT.replace("[PROGRAM]", &escaped(&program));
    let words = ["sh", "-c", script.as_str()];
    let cmd = if can_be_wrapped(c.system, &c.facts.user) {
        in_wrapper(words)
    } else {
        Cmd::new(words[0], words[1..].iter().copied())
    };
    let output = match c.system.run_readonly(&cmd.as_user(&c.facts.user).timeout(TIMEOUT)) {
        Ok(output) => output,
        // The command is a whole script, too long for a screen.
        Err(HostError::TimedOut { .. }) => return Outcome::unknown("the test did not end within a minute"),
        Err(_) => return Outcome::unknown("the test could not be started"),
    };
    match output.code {
        0 => Outcome::ok("podman started a container on a bridge network and removed it"),
        TIMED_OUT => Outcome::unknown("no container had started after 8 s"),
        KILLED => Outcome::unknown("the container was killed, or had not ended after 9 s"),
        code => {
            let message = complaint(&output).map_or_else(|| format!("exit code {code}"), ToOwned::to_owned);
            let fix = command(format!("kind-wsl explain {}", quote(&message)));
            Outcome::error(
                format!("podman cannot start a container: {message}"),
                "a node does not start either",
                fix,
            )
        }
    }
})
.scope(&[Scope::User, Scope::Provider(&[Provider::Podman])])
.needs(const { &[&PODMAN, &SYSTEMD] })
.cost(Cost::Probe);

/// podman's error; warnings can follow it.
fn complaint(output: &Output) -> Option<&str> {
    let error = output.stderr.lines().map(str::trim).rfind(|line| line.starts_with("Error: "));
    error.or_else(|| output.complaint())
}

/// Returns an ELF executable that only calls `exit(0)`.
fn program(arch: Arch) -> Option<Vec<u8>> {
    let code: &[u8] = match arch {
        // xor edi, edi; mov eax, 60; syscall
        Arch::Amd64 => &[0x31, 0xff, 0xb8, 60, 0, 0, 0, 0x0f, 0x05],
        // mov x0, 0; mov x8, 93; svc 0
        Arch::Arm64 => &[0, 0, 0x80, 0xd2, 0xa8, 0x0b, 0x80, 0xd2, 1, 0, 0, 0xd4],
        Arch::Ppc64le | Arch::Riscv64 | Arch::S390x => return None,
    };
    Some(arch.executable(code))
}

/// The bytes as escapes for printf(1) of every shell.
fn escaped(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "\\{byte:03o}");
        text
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods, reason = "a test makes its files and programs")]

    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;
    use std::process::{Command, Stdio};

    use nix::sys::signal::{Signal, kill};
    use nix::unistd::Pid;

    use super::{Arch, SCRIPT, escaped, program};

    /// The script with a podman that notes its arguments and runs these commands for `run`.
    fn script(dir: &Path, run: &str) -> Command {
        let podman = dir.join("podman");
        let text =
            format!("#!/bin/sh\necho \"$*\" >>{0}/log\n[ \"$1\" = run ] || exit 0\n{run}\n", dir.display());
        fs::write(&podman, text).unwrap();
        fs::set_permissions(&podman, fs::Permissions::from_mode(0o755)).unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", &SCRIPT.replace("[PROGRAM]", &escaped(&program(Arch::Amd64).unwrap()))]);
        command.env("PATH", format!("{}:/usr/bin:/bin", dir.display())).env("TMPDIR", dir);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Asserts that the container, its network and its files are gone.
    fn is_clean(dir: &Path) {
        let log = fs::read_to_string(dir.join("log")).unwrap();
        let created = log.lines().find_map(|line| line.strip_prefix("network create ")).unwrap();
        assert!(log.contains(&format!("rm --force {created}\nnetwork rm {created}\n")), "{log}");
        let left: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert!(
            left.iter().all(|name| *name == "log" || *name == "podman" || *name == "started"),
            "{left:?}"
        );
    }

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn the_program_in_the_container_ends_with_exit_code_0() {
        let dir = tempfile::tempdir().unwrap();
        // The last two arguments are the root file system and the program in it.
        let run = "while [ $# -gt 2 ]; do shift; done\nexec \"$1$2\"";
        let output = script(dir.path(), run).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        is_clean(dir.path());
    }

    #[test]
    fn a_container_that_fails_leaves_nothing_and_its_message_is_reported() {
        let dir = tempfile::tempdir().unwrap();
        let output = script(dir.path(), "echo 'Error: netavark: no' >&2; exit 126").output().unwrap();
        assert_eq!((output.status.code(), &*output.stderr), (Some(126), &b"Error: netavark: no\n"[..]));
        is_clean(dir.path());
    }

    #[test]
    fn an_interrupted_script_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let mut child = script(
            dir.path(),
            &format!("mkfifo {0}/started; read -r line <{0}/started", dir.path().display()),
        )
        .spawn()
        .unwrap();
        let fifo = dir.path().join("started");
        while !fifo.exists() {
            std::thread::yield_now();
        }
        kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), Signal::SIGTERM).unwrap();
        // The shell handles the signal when its command has ended.
        fs::write(&fifo, "\n").unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(1));
        is_clean(dir.path());
    }
}
