//! Processes as they look from outside: who they are there, and who they are inside their user namespace.

use std::borrow::Cow;

use camino::Utf8Path;
use serde::Serialize;

use crate::host::{DirHandle, System};

/// A process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Process {
    /// Its number here.
    pub pid: u32,
    /// Its number in the innermost pid namespace it is in, where that is another.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid_inside: Option<u32>,
    /// What the kernel calls it, at most 15 bytes.
    pub name: String,
    /// Its command line; empty for one that has none, such as a zombie.
    pub command: Vec<String>,
    /// Its user here.
    pub uid: u32,
    /// Its user inside its user namespace, where that is another than ours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uid_inside: Option<u32>,
}

/// A line of `/proc/PID/uid_map` (`user_namespaces(7)`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct UserMap {
    /// The first id inside.
    pub inside: u32,
    /// The first id outside.
    pub outside: u32,
    /// How many there are.
    pub count: u32,
}

impl UserMap {
    /// Parses the whole file.
    #[must_use]
    pub fn parse(text: &str) -> Vec<Self> {
        let line = |line: &str| {
            let mut ids = line.split_ascii_whitespace().map(str::parse);
            let mut next = || ids.next()?.ok();
            Some(Self { inside: next()?, outside: next()?, count: next()? })
        };
        text.lines().filter_map(line).collect()
    }

    /// Who that is inside.
    fn into(maps: &[Self], uid: u32) -> Option<u32> {
        let within = |map: &&Self| uid.checked_sub(map.outside).is_some_and(|n| n < map.count);
        maps.iter().find(within).map(|map| map.inside + (uid - map.outside))
    }
}

/// Reads processes.
#[derive(Debug)]
pub struct Reader<'w> {
    proc: DirHandle<'w>,
    own: Vec<UserMap>,
    buffer: Vec<u8>,
}

impl<'w> Reader<'w> {
    /// Of this world's `/proc`.
    #[must_use]
    pub fn new(system: &'w dyn System) -> Self {
        let proc = DirHandle::new(system, Utf8Path::new("/proc"));
        let mut reader = Self { proc, own: Vec::new(), buffer: Vec::new() };
        reader.own = reader.maps("self");
        reader
    }

    /// A process; `None` where it has ended, or is not in our pid namespace.
    pub fn read(&mut self, pid: u32) -> Option<Process> {
        let folder = self.proc.open_dir(&pid.to_string());
        let status = folder.text("status", &mut self.buffer)?;
        let field = |name: &str| {
            let rest = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            rest.unwrap_or_default().trim()
        };
        let name = field("Name").to_owned();
        // Real, effective, saved, file system.
        let uid = field("Uid").split_ascii_whitespace().nth(1)?.parse().ok()?;
        let inside = field("NSpid").split_ascii_whitespace().last().and_then(|pid| pid.parse().ok());
        let command = folder.bytes("cmdline", &mut self.buffer).unwrap_or_default();
        let words = command.split(|byte| *byte == 0).map(|word| String::from_utf8_lossy(word).into_owned());
        let mut command: Vec<String> = words.collect();
        while command.last().is_some_and(String::is_empty) {
            command.pop();
        }
        let maps = self.maps(&pid.to_string());
        let uid_inside = if maps == self.own { None } else { UserMap::into(&maps, uid) };
        Some(Process {
            pid,
            pid_inside: inside.filter(|inside| *inside != pid),
            name,
            command,
            uid,
            uid_inside,
        })
    }

    /// The user namespace that a process is in.
    pub fn maps(&mut self, pid: &str) -> Vec<UserMap> {
        let folder = self.proc.open_dir(pid);
        UserMap::parse(folder.text("uid_map", &mut self.buffer).unwrap_or_default())
    }
}

impl Process {
    /// Its command line as a person wants to see it: the program's own name for its path, and no more than `room`.
    #[must_use]
    pub fn line(&self, room: Option<usize>) -> String {
        let Some((program, args)) = self.command.split_first() else { return format!("[{}]", self.name) };
        // A daemon that writes its own title ("nginx: master process …") has that in one word with blanks.
        let program = match program.split_once(' ') {
            Some(_) => program.as_str(),
            None => program.rsplit('/').next().unwrap_or(program),
        };
        let line = args.iter().fold(program.to_owned(), |line, arg| line + " " + &short_ids(arg));
        match room {
            Some(room) if line.chars().count() > room => {
                line.chars().take(room.saturating_sub(1)).chain(['…']).collect()
            }
            _ => line,
        }
    }

    /// The name under which it is counted with its likes.
    #[must_use]
    pub fn short(&self) -> String {
        let first = self.command.first().map_or(self.name.as_str(), String::as_str);
        let first = first.split(' ').next().unwrap_or_default();
        let name = first.rsplit('/').next().unwrap_or_default().trim_end_matches(':');
        // A login shell begins with a hyphen.
        let name = name.strip_prefix('-').unwrap_or(name);
        if name.is_empty() { self.name.clone() } else { name.to_owned() }
    }
}

/// A text whose id of 64 digits is cut to the 12 that podman and crictl print: the others say no more.
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
    use super::{Process, UserMap};

    fn process(command: &[&str]) -> Process {
        Process {
            name: "nginx".into(),
            command: command.iter().map(|&word| word.to_owned()).collect(),
            ..Process::default()
        }
    }

    #[test]
    fn the_guides_two_users_of_nginx_are_told_apart() {
        let maps = UserMap::parse("         0       1000          1\n         1     100000      65536\n");
        assert_eq!(maps.len(), 2);
        assert_eq!((UserMap::into(&maps, 1000), UserMap::into(&maps, 100_100)), (Some(0), Some(101)));
        assert_eq!((UserMap::into(&maps, 0), UserMap::into(&maps, 165_536)), (None, None));
    }

    #[test]
    fn a_command_line_is_shortened_where_it_says_least() {
        let id = "4796ab87414f85c7accdb5c7c858e37121f8dcfd0cd483fb74233d25a8f06817";
        let shim = process(&["/usr/local/bin/containerd-shim-runc-v2", "-namespace", "k8s.io", "-id", id]);
        assert_eq!(shim.line(None), "containerd-shim-runc-v2 -namespace k8s.io -id 4796ab87414f…");
        assert_eq!(shim.line(Some(10)), "container…");
        assert_eq!(shim.short(), "containerd-shim-runc-v2");
        let titled = process(&["nginx: master process nginx -g daemon off;"]);
        assert_eq!(
            (titled.line(None), titled.short()),
            ("nginx: master process nginx -g daemon off;".into(), "nginx".into())
        );
        assert_eq!((process(&[]).line(None), process(&["-bash"]).short()), ("[nginx]".into(), "bash".into()));
    }
}
