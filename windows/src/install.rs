//! Installs the Linux program in a distribution.

use crate::restart::Answer;
use crate::text::{self, Version};

pub const PROGRAM: &str = "/usr/local/bin/kind-wsl";

/// Run by `/bin/sh -c` as root, with the length as its argument and the program on its standard input. A constant, so that no
/// input can become code. Replaces the program atomically.
pub const SCRIPT: &str = concat!(
    "set -eu; umask 022; dir=/usr/local/bin; mkdir -p \"$dir\"; new=$(mktemp \"$dir/.kind-wsl.XXXXXX\"); ",
    "trap 'rm -f \"$new\"' EXIT; cat > \"$new\"; have=$(wc -c < \"$new\"); ",
    "if [ \"$have\" -ne \"$1\" ]; then echo \"$have bytes of $1 arrived\" >&2; exit 65; fi; ",
    "chmod 755 \"$new\"; mv -f \"$new\" \"$dir/kind-wsl\"; trap - EXIT"
);

/// The Linux program found in the distribution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// This version or a newer one.
    Good,
    /// None, or an older one.
    Old(Option<Version>),
    /// Not known: wsl.exe itself failed or did not answer.
    Unknown(String),
}

/// From the answer to `kind-wsl --version`.
#[must_use]
pub fn found(answer: &Answer) -> Found {
    match answer {
        Answer::Ended { code: 0, out, .. } => match text::version_of(out) {
            version if version.is_some() && version >= text::version(crate::VERSION) => Found::Good,
            version => Found::Old(version),
        },
        Answer::Ended { code, .. } if *code != crate::exit::WSL_FAILED => Found::Old(None),
        other => Found::Unknown(other.describe()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_found_program_is_classified() {
        let ended = |code, out: &str| Answer::Ended { code, out: out.into(), err: String::new() };
        assert_eq!(found(&ended(0, &format!("kind-wsl {}\n", crate::VERSION))), Found::Good);
        assert_eq!(found(&ended(0, "kind-wsl 99.0.0\n")), Found::Good);
        assert_eq!(found(&ended(0, "kind-wsl 0.0.9\n")), Found::Old(Some((0, 0, 9))));
        assert_eq!(found(&ended(0, "something else\n")), Found::Old(None));
        assert_eq!(found(&ended(1, "execvpe failed")), Found::Old(None));
        assert_eq!(found(&ended(-1, "Fehler")), Found::Unknown("exit code -1: Fehler".into()));
        assert_eq!(found(&Answer::Hung), Found::Unknown("no answer in time".into()));
    }

    #[test]
    fn the_script_is_one_line_of_plain_text() {
        assert!(SCRIPT.bytes().all(|b| (b' '..=b'~').contains(&b)));
    }

    #[cfg(unix)]
    #[test]
    fn the_script_installs_all_or_nothing() {
        use std::io::Write;
        use std::process::{Command, Stdio};
        let dir = std::env::temp_dir().join(format!("kind-wsl-install-{}", std::process::id()));
        let script = SCRIPT.replace("/usr/local/bin", &dir.display().to_string());
        let run = |length: &str, content: &[u8]| {
            let mut shell = Command::new("/bin/sh");
            shell.args(["-c", &script, "sh", length]).stdin(Stdio::piped()).stderr(Stdio::piped());
            let mut child = shell.spawn().unwrap();
            let _ = child.stdin.take().unwrap().write_all(content);
            child.wait_with_output().unwrap()
        };
        let listed = || std::fs::read_dir(&dir).unwrap().map(|e| e.unwrap().file_name()).collect::<Vec<_>>();
        let short = run("5", b"1234");
        assert_eq!(String::from_utf8_lossy(&short.stderr), "4 bytes of 5 arrived\n");
        assert!(!short.status.success() && listed().is_empty());
        assert!(run("4", b"1234").status.success() && run("3", b"abc").status.success());
        assert_eq!(listed(), ["kind-wsl"]);
        assert_eq!(std::fs::read(dir.join("kind-wsl")).unwrap(), b"abc");
        assert!(!run("4", b"12345").status.success());
        assert_eq!((std::fs::read(dir.join("kind-wsl")).unwrap(), listed().len()), (b"abc".to_vec(), 1));
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
