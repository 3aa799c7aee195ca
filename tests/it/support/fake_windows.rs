//! The Windows programs: wsl.exe, cmd.exe and kind-wsl's helper.

use std::fs;
use std::path::Path;

use super::Answer;

/// A Windows program: what a test put into `/fake/windows/PROGRAM COMMAND`, the exit code in its first line; what is
/// not 0 says the rest on standard error. The helper's `restart` also leaves `/fake/windows/result` as its result.
pub(super) fn windows(root: &Path, program: &str, args: &[&str]) -> Answer {
    if let ("kind-wsl-helper.exe", ["logon", "list"]) = (program, args) {
        let values = fs::read_dir(root.join("fake/run-key")).into_iter().flatten().flatten();
        let line = |value: fs::DirEntry| format!("entry={} works\n", value.file_name().to_string_lossy());
        return Answer::said(values.map(line).collect::<String>());
    }
    if let ("kind-wsl-helper.exe", ["logon", action, "--distro", name, rest @ ..]) = (program, args) {
        return logon(&root.join("fake/run-key"), action, name, rest);
    }
    let command = args.first().copied().unwrap_or_default();
    let said = fs::read_to_string(root.join("fake/windows").join(format!("{program} {command}")));
    let Ok(said) = said else { return Answer::failed(1, format!("{program} {command}: not played\n")) };
    if (program, command) == ("kind-wsl-helper.exe", "restart")
        && let Ok(result) = fs::read_to_string(root.join("fake/windows/result"))
    {
        let id = args[args.iter().position(|a| *a == "--id").map_or(0, |at| at + 1)];
        let place = root.join("mnt/c/Users/dev/AppData/Local/kind-wsl");
        let _ = fs::write(place.join(format!("{id}.result")), result.replace("[ID]", id));
    }
    let (code, rest) = said.split_once('\n').unwrap_or((&said, ""));
    match code.parse() {
        Ok(0) => Answer::said(rest),
        code => Answer::failed(code.unwrap_or(1), rest),
    }
}

/// The helper's `logon`, with a file for each value; `tests/windows` runs the real one.
pub(super) fn logon(key: &Path, action: &str, name: &str, rest: &[&str]) -> Answer {
    let value = key.join(name);
    let now = fs::read_to_string(&value).unwrap_or_default();
    match (action, rest) {
        ("get", []) => Answer::said(format!("{now}\n")),
        _ if now.contains(' ') => {
            Answer::failed(16, format!("Another program wrote the logon entry ({now})\n"))
        }
        ("add", ["--user", user])
            if fs::create_dir_all(key).and_then(|()| fs::write(&value, user)).is_ok() =>
        {
            Answer::default()
        }
        ("remove", []) => {
            let _ = fs::remove_file(&value);
            let _ = fs::remove_dir(key);
            Answer::default()
        }
        _ => Answer::failed(2, "not played\n"),
    }
}
