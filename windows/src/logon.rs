//! The entries that start a distribution when its owner signs in to Windows: values of the account's `Run` key, which
//! Explorer executes at logon without a window of its own (learn.microsoft.com, "Run and RunOnce Registry Keys").

use crate::names;
use crate::quote::command_line;
use std::path::Path;

/// Windows ignores a longer command line there ("Run and RunOnce Registry Keys").
pub const MAX_LENGTH: usize = 260;
const PREFIX: &str = "kind-wsl ";
/// The program of an entry. It has no console, so nothing flashes up.
const PROGRAM: &str = "kind-wsl-helper.exe";

/// The name of the value for a distribution.
#[must_use]
pub fn value_name(distribution: &str) -> String {
    format!("{PREFIX}{distribution}")
}

/// The distribution to which a value of the `Run` key belongs, if its name is one of [`value_name`].
#[must_use]
pub fn distribution(value: &str) -> Option<&str> {
    value.strip_prefix(PREFIX).filter(|name| names::is_distribution(name))
}

/// An entry as kind-wsl writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// `kind-wsl-helper.exe` by its full path.
    pub program: String,
    pub distribution: String,
    /// The Linux user whose session it opens: systemd starts this user's services then.
    pub user: String,
}

impl Entry {
    /// The data of the value.
    #[must_use]
    pub fn command(&self) -> String {
        let Entry { program, distribution, user } = self;
        command_line([program, "start", "--distro", distribution, "--user", user])
    }

    /// Parses the data of a value; `None` for a command that kind-wsl did not write.
    #[must_use]
    pub fn parse(command: &str) -> Option<Entry> {
        let (rest, user) = command.rsplit_once(" --user ")?;
        let (program, distribution) = rest.rsplit_once(" start --distro ")?;
        let quoted = program.strip_prefix('"').and_then(|p| p.strip_suffix('"'));
        let program = quoted.unwrap_or(program);
        let is_own = program.rsplit('\\').next().map_or(false, |name| name.eq_ignore_ascii_case(PROGRAM));
        let entry = Entry { program: program.into(), distribution: distribution.into(), user: user.into() };
        let is_valid = is_own && names::is_distribution(distribution) && names::is_user(user);
        Some(entry).filter(|entry| is_valid && entry.command() == command)
    }
}

/// The effect of an entry at the next logon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Works,
    /// The owner disabled it in Task Manager.
    Disabled,
    NoProgram,
    NoDistribution,
    /// Another program wrote a command under this name.
    Foreign,
}

impl Verdict {
    const ALL: [(Verdict, &'static str); 5] = [
        (Verdict::Works, "works"),
        (Verdict::Disabled, "disabled"),
        (Verdict::NoProgram, "no-program"),
        (Verdict::NoDistribution, "no-distribution"),
        (Verdict::Foreign, "foreign"),
    ];

    #[must_use]
    pub fn name(self) -> &'static str {
        Verdict::ALL.iter().find(|(verdict, _)| *verdict == self).map_or("", |(_, name)| name)
    }

    /// Judges the value of a distribution.
    #[must_use]
    pub fn of(name: &str, command: &str, is_disabled: bool, installed: &[String]) -> Verdict {
        match Entry::parse(command) {
            None => Verdict::Foreign,
            Some(entry) if !names::same(&entry.distribution, name) => Verdict::Foreign,
            Some(_) if names::installed(name, installed).is_none() => Verdict::NoDistribution,
            Some(entry) if !Path::new(&entry.program).is_file() => Verdict::NoProgram,
            Some(_) if is_disabled => Verdict::Disabled,
            Some(_) => Verdict::Works,
        }
    }
}

/// Whether Task Manager disabled an entry, by the value of that name in `Explorer\StartupApproved\Run`: an odd first byte
/// means disabled, an even one or no value enabled (observed on Windows 10 and 11; not documented).
#[must_use]
pub fn is_disabled(approval: Option<&[u8]>) -> bool {
    approval.and_then(|bytes| bytes.first()).map_or(false, |first| first % 2 == 1)
}

/// The lines of `logon list`, in both directions.
#[must_use]
pub fn render(name: &str, verdict: Verdict) -> String {
    format!("entry={name} {}\n", verdict.name())
}

/// The distributions that have an entry, with the verdict. Lines of another form are skipped.
#[must_use]
pub fn parse_list(text: &str) -> Vec<(String, Verdict)> {
    let line = |line: &str| {
        let (name, word) = line.strip_prefix("entry=")?.split_once(' ')?;
        let verdict = Verdict::ALL.iter().find(|(_, known)| *known == word)?.0;
        names::is_distribution(name).then(|| (name.to_string(), verdict))
    };
    text.lines().filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(program: &str) -> Entry {
        Entry { program: program.into(), distribution: "Ubuntu-24.04".into(), user: "dev".into() }
    }

    #[test]
    fn an_entry_is_parsed_as_it_was_written() {
        for program in
            [r"C:\Users\dev\AppData\Local\kind-wsl\kind-wsl-helper.exe", r"C:\Users\Jürgen Müller\KIND-WSL-HELPER.EXE"]
        {
            assert_eq!(Entry::parse(&entry(program).command()), Some(entry(program)));
        }
        assert_eq!(
            entry(r"C:\a b\kind-wsl-helper.exe").command(),
            r#""C:\a b\kind-wsl-helper.exe" start --distro Ubuntu-24.04 --user dev"#
        );
    }

    #[test]
    fn the_command_of_another_program_is_not_an_entry() {
        for foreign in [
            "",
            r"C:\x\other.exe start --distro Debian --user dev",
            r"C:\x\kind-wsl-helper.exe start --distro Debian",
            r"C:\x\kind-wsl-helper.exe restart --distro Debian --user dev",
            r"C:\x\kind-wsl-helper.exe start --distro Debian --user dev & calc",
            r"C:\x\kind-wsl-helper.exe start --distro --shutdown --user dev",
            r#"cmd.exe /c "C:\x\kind-wsl-helper.exe" start --distro Debian --user dev"#,
            r"C:\a b\kind-wsl-helper.exe start --distro Debian --user dev",
        ] {
            assert_eq!(Entry::parse(foreign), None, "{foreign}");
        }
    }

    #[test]
    fn a_value_belongs_to_a_distribution_by_its_name() {
        assert_eq!(distribution(&value_name("Debian")), Some("Debian"));
        for other in ["kind-wsl", "kind-wsl ", "OneDrive", "kind-wsl a b", "kind-wsl -d"] {
            assert_eq!(distribution(other), None, "{other}");
        }
    }

    #[test]
    fn the_list_is_read_as_it_is_written() {
        let text: String = Verdict::ALL.iter().map(|(verdict, _)| render("Debian", *verdict)).collect();
        let parsed: Vec<Verdict> = parse_list(&text).into_iter().map(|(_, verdict)| verdict).collect();
        assert_eq!(parsed, Verdict::ALL.map(|(verdict, _)| verdict));
        assert!(parse_list("entry=Debian maybe\nentry=a b works\nfailed\n").is_empty());
    }

    #[test]
    fn an_entry_is_judged_by_what_it_would_start() {
        let installed = ["Debian".to_string()];
        let of = |name: &str, command: &str| Verdict::of(name, command, false, &installed);
        let missing = Entry { distribution: "debian".into(), ..entry(r"C:\none\kind-wsl-helper.exe") };
        assert_eq!(of("Debian", &missing.command()), Verdict::NoProgram);
        assert_eq!(of("Ubuntu-24.04", &entry(r"C:\kind-wsl-helper.exe").command()), Verdict::NoDistribution);
        assert_eq!(of("Debian", &entry(r"C:\kind-wsl-helper.exe").command()), Verdict::Foreign);
        assert_eq!(of("Debian", "calc.exe"), Verdict::Foreign);
        assert!(is_disabled(Some(&[3, 0])) && !is_disabled(Some(&[2, 0])) && !is_disabled(None));
    }
}
