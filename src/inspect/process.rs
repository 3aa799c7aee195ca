//! Processes as they look from outside: who they are there, and who they are inside their user namespace.

use std::borrow::Cow;

use serde::Serialize;

use crate::host::System;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ProcessInfo {
    pub pid: u32,
    /// Its PID in its innermost pid namespace, if that is another.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid_inside: Option<u32>,
    /// The kernel's name for it, at most 15 bytes.
    pub name: String,
    /// Its command line; a zombie has none.
    pub command: Vec<String>,
    pub uid: u32,
    /// That user inside its user namespace, if it is in another than kind-wsl.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uid_inside: Option<u32>,
}

/// A line of `/proc/PID/uid_map` (`user_namespaces(7)`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct UserMap {
    /// The first ID inside.
    pub inside: u32,
    /// The first ID outside.
    pub outside: u32,
    pub count: u32,
}

impl UserMap {
    fn parse(text: &str) -> Vec<Self> {
        let line = |line: &str| {
            let mut ids = line.split_ascii_whitespace().map(str::parse);
            let mut next = || ids.next()?.ok();
            Some(Self { inside: next()?, outside: next()?, count: next()? })
        };
        text.lines().filter_map(line).collect()
    }

    /// The ID inside of a user outside.
    fn inside_of(maps: &[Self], uid: u32) -> Option<u32> {
        let within = |map: &&Self| uid.checked_sub(map.outside).is_some_and(|n| n < map.count);
        maps.iter().find(within).map(|map| map.inside.saturating_add(uid - map.outside))
    }

    /// The user namespace of a process: a PID, or `self`.
    #[must_use]
    pub fn read(system: &dyn System, pid: &str) -> Vec<Self> {
        Self::parse(&system.text(&format!("/proc/{pid}/uid_map")).unwrap_or_default())
    }
}

impl ProcessInfo {
    /// Reads a process; `None` if it has ended or is not visible in this pid namespace. `own` is the user namespace of
    /// kind-wsl itself.
    pub(super) fn read(system: &dyn System, pid: u32, own: &[UserMap]) -> Option<Self> {
        let status = system.text(&format!("/proc/{pid}/status"))?;
        let field = |name: &str| {
            let rest = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            rest.unwrap_or_default().trim()
        };
        // Real, effective, saved, file system.
        let uid = field("Uid").split_ascii_whitespace().nth(1)?.parse().ok()?;
        let inside = field("NSpid").split_ascii_whitespace().last().and_then(|pid| pid.parse().ok());
        let command = system.text(&format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let command = command.trim_end_matches('\0');
        let maps = UserMap::read(system, &pid.to_string());
        Some(Self {
            pid,
            pid_inside: inside.filter(|inside| *inside != pid),
            name: field("Name").to_owned(),
            command: command.split_terminator('\0').map(ToOwned::to_owned).collect(),
            uid,
            uid_inside: if maps == own { None } else { UserMap::inside_of(&maps, uid) },
        })
    }

    /// Its command line, with the program's name instead of its path, and IDs shortened.
    #[must_use]
    pub fn line(&self) -> String {
        let Some((program, args)) = self.command.split_first() else { return format!("[{}]", self.name) };
        // A daemon that sets its own title ("nginx: master process …") has it in one word with spaces.
        let program = match program.split_once(' ') {
            Some(_) => program.as_str(),
            None => program.rsplit('/').next().unwrap_or(program),
        };
        args.iter().fold(program.to_owned(), |line, arg| line + " " + &short_ids(arg))
    }

    /// The name that identical processes are grouped by.
    #[must_use]
    pub fn short_name(&self) -> String {
        let first = self.command.first().map_or(self.name.as_str(), String::as_str);
        let first = first.split(' ').next().unwrap_or_default();
        let name = first.rsplit('/').next().unwrap_or_default().trim_end_matches(':');
        // A login shell begins with a hyphen.
        let name = name.strip_prefix('-').unwrap_or(name);
        if name.is_empty() { self.name.clone() } else { name.to_owned() }
    }
}

/// The text with its ID of 64 digits, if it has one, cut to the 12 that podman and crictl print.
pub(super) fn short_ids(text: &str) -> Cow<'_, str> {
    let is_hex = |byte: u8| byte.is_ascii_hexdigit();
    let bytes = text.as_bytes();
    let start = (0..bytes.len().saturating_sub(63)).find(|&at| {
        bytes[at..at + 64].iter().all(|byte| is_hex(*byte))
            && bytes.get(at + 64).is_none_or(|byte| !is_hex(*byte))
    });
    start.map_or(Cow::Borrowed(text), |at| format!("{}…{}", &text[..at + 12], &text[at + 64..]).into())
}

#[cfg(test)]
mod tests {
    use super::{ProcessInfo, UserMap};

    fn process(command: &[&str]) -> ProcessInfo {
        ProcessInfo {
            name: "nginx".into(),
            command: command.iter().map(|&word| word.to_owned()).collect(),
            ..ProcessInfo::default()
        }
    }

    #[test]
    fn a_user_outside_is_mapped_to_the_user_inside() {
        let maps = UserMap::parse("         0       1000          1\n         1     100000      65536\n");
        assert_eq!(maps.len(), 2);
        assert_eq!(
            (UserMap::inside_of(&maps, 1000), UserMap::inside_of(&maps, 100_100)),
            (Some(0), Some(101))
        );
        assert_eq!((UserMap::inside_of(&maps, 0), UserMap::inside_of(&maps, 165_536)), (None, None));
    }

    #[test]
    fn a_command_line_has_no_directory_and_short_ids() {
        let id = "4796ab87414f85c7accdb5c7c858e37121f8dcfd0cd483fb74233d25a8f06817";
        let shim = process(&["/usr/local/bin/containerd-shim-runc-v2", "-namespace", "k8s.io", "-id", id]);
        assert_eq!(shim.line(), "containerd-shim-runc-v2 -namespace k8s.io -id 4796ab87414f…");
        assert_eq!(shim.short_name(), "containerd-shim-runc-v2");
        let titled = process(&["nginx: master process nginx -g daemon off;"]);
        assert_eq!(
            (titled.line(), titled.short_name()),
            ("nginx: master process nginx -g daemon off;".into(), "nginx".into())
        );
        assert_eq!(
            (process(&[]).line(), process(&["-bash"]).short_name()),
            ("[nginx]".into(), "bash".into())
        );
    }
}
