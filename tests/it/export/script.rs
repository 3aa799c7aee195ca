//! The script at work on a pretended machine, beside the set-up itself.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Command;

use kind_wsl::change::{Change, Edit, Entry, Put};
use kind_wsl::export::{Export, Format, Places, Step};
use kind_wsl::host::{FaultInjector, Owner, digest};
use kind_wsl::journal;
use kind_wsl::plan::{Plan, StageSelection};

use crate::support::{CRUN, Layout, Machine, answers};

/// How a run ended: exit code, standard output, standard error.
pub(crate) type Ran = (i32, String, String);

/// Runs a script on the machine's tree.
pub(crate) fn run(machine: &Machine, script: &str, args: &[&str], env: &[(&str, &str)]) -> Ran {
    let file = machine.path("/script.sh");
    fs::write(&file, script).unwrap();
    let output = Command::new("sh")
        .arg(&file)
        .args(args)
        .env("KIND_WSL_ROOT", &machine.root)
        .env("KIND_WSL_OFFLINE", machine.path("/offline"))
        .env("KIND_WSL_WINDOWS_PROFILE", "/mnt/c/Users/dev")
        .env("KIND_WSL_PROGRAM", "/nowhere")
        .envs(env.iter().copied())
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// An export of these changes alone.
pub(crate) fn of(changes: Vec<Change>) -> Export {
    let step = Step { id: "step".to_owned(), title: "a step".to_owned(), changes };
    Export {
        of: "a test".to_owned(),
        steps: vec![step],
        left: Vec::new(),
        places: Places::default(),
        flags: Vec::new(),
        mirror: None,
        release: None,
    }
}

/// A machine whose systemd is installed, so that only its configuration is left to do.
fn machine(layout: Layout) -> Machine {
    let machine = Machine::new(layout);
    if layout == Layout::Classic || layout == Layout::Modern {
        machine.write("/fake/packages", "libc6 2.36\nsystemd 252.39-1\nsystemd-sysv 252.39-1\n");
        symlink("/lib/systemd/systemd", machine.path("/sbin/init")).unwrap();
    }
    machine
}

fn script_for(machine: &Machine) -> String {
    let host = machine.host(FaultInjector::default());
    let facts = machine.facts();
    let plan = Plan::make(&host, &facts, &answers(), &StageSelection::default()).unwrap();
    Format::Sh.write(&Export::new(&plan, &journal::read(&host).unwrap(), &facts, String::new())).text
}

/// The files that a set-up makes for good: not the notice of a run that waits.
fn files(machine: &Machine) -> BTreeMap<String, String> {
    let mut seen = machine.snapshot();
    seen.retain(|path, _| {
        ["etc", "home", "mnt"].iter().any(|d| path.starts_with(&format!("{d}/")))
            && !path.starts_with("etc/profile.d")
    });
    seen
}

#[test]
fn the_script_writes_what_set_up_writes_byte_for_byte_and_the_second_time_nothing() {
    for layout in [Layout::Classic, Layout::Modern, Layout::Plain] {
        let (by_setup, by_script) = (machine(layout), machine(layout));
        by_setup.setup(&by_setup.host(FaultInjector::default()), &answers(), false).unwrap();
        let script = script_for(&by_script);
        let program = [("KIND_WSL_PROGRAM", "/opt/kind-wsl")];
        let fresh = files(&by_script);

        let (code, said, err) = run(&by_script, &script, &["--check", "--skip", "packages"], &program);
        assert_eq!(code, 0, "{layout:?}: {said}{err}");
        assert!(said.contains("would change: /etc/sysctl.d/99-kind-wsl.conf\n"), "{said}");
        assert_eq!(files(&by_script), fresh, "--check changed something");

        let (code, said, err) = run(&by_script, &script, &["--skip", "packages"], &program);
        assert_eq!(code, 0, "{layout:?}: {said}{err}");
        assert!(said.ends_with(" changes.\n"), "{said}");
        let (ours, theirs) = (files(&by_script), files(&by_setup));
        assert!(ours.len() > fresh.len());
        let differ: Vec<_> =
            ours.keys().chain(theirs.keys()).filter(|p| ours.get(*p) != theirs.get(*p)).collect();
        assert!(differ.is_empty(), "{layout:?}: {differ:?}");

        let (code, said, err) = run(&by_script, &script, &["--skip", "packages"], &program);
        assert_eq!((code, said.as_str(), err.as_str()), (0, "Nothing to do.\n", ""), "{layout:?}");
        assert_eq!(files(&by_script), ours);
    }
}

#[test]
fn a_download_with_another_checksum_is_not_installed() {
    let machine = machine(Layout::Modern);
    let script = script_for(&machine);
    machine.write("/offline/crun-1.30.1-linux-amd64", "#!/bin/sh\necho tampered with\n");
    let (code, _, err) = run(&machine, &script, &["--skip", "packages"], &[]);
    assert_eq!(code, 1);
    let seen = digest(b"#!/bin/sh\necho tampered with\n");
    let text = format!(
        "error: crun-1.30.1-linux-amd64 is not the file that was planned: its sha256 is {seen}, not {}\n",
        digest(&CRUN)
    );
    assert!(err.starts_with(&text), "{err}");
    let left: Vec<_> = machine
        .path("/home/dev/.local/bin")
        .read_dir_utf8()
        .unwrap()
        .map(|e| e.unwrap().path().to_owned())
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

fn systemd() -> Change {
    let edit = Edit::WslConf {
        section: "boot".to_owned(),
        key: "systemd".to_owned(),
        value: Some("true".to_owned()),
        grammar: kind_wsl::edit::wslconf::Grammar::Stop,
    };
    Change::Entry(Entry {
        path: "/etc/wsl.conf".into(),
        edit,
        owner: Owner::Root,
        follow: None,
        restart: None,
    })
}

#[test]
fn a_file_that_is_not_plain_is_refused_where_kind_wsl_is_not_there_and_left_as_it_is() {
    let machine = machine(Layout::Modern);
    let quoted = "[automount]\noptions = \"metadata,umask=22\"\n";
    machine.write("/etc/wsl.conf", quoted);
    let script = Format::Sh.write(&of(vec![systemd()])).text;
    let (code, said, err) = run(&machine, &script, &[], &[("KIND_WSL_USER", "dev")]);
    let text = "/etc/wsl.conf holds what is not edited without reading it as a whole (quotes, escapes, other alphabets)
error: step step can not edit /etc/wsl.conf, and /nowhere is not here
hint: install kind-wsl, or edit /etc/wsl.conf by hand; then run this again
";
    assert_eq!((code, said.as_str(), err.as_str()), (1, "", text));
    assert_eq!(machine.text("/etc/wsl.conf"), quoted);
}

#[test]
fn a_file_that_is_not_plain_is_left_to_kind_wsl_where_that_is_there() {
    let machine = machine(Layout::Modern);
    machine.write("/etc/wsl.conf", "[automount]\noptions = \"metadata\"\n");
    let program = "#!/bin/sh\nprintf '%s\\n' \"$@\" >> \"$2/called\"\nprintf '[boot]\\nsystemd=true\\n' >> \"$2/etc/wsl.conf\"\nexit 3\n";
    machine.write("/opt/kind-wsl", program);
    let path = machine.path("/opt/kind-wsl");
    fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let mut export = of(vec![systemd()]);
    export.flags = vec!["--idle=yes".to_owned(), "--crun-version=a b".to_owned()];
    let script = Format::Sh.write(&export).text;
    let env = [("KIND_WSL_USER", "dev"), ("KIND_WSL_PROGRAM", path.as_str())];
    let (code, said, err) = run(&machine, &script, &[], &env);
    assert_eq!(
        (code, said.as_str()),
        (0, format!("changed: /etc/wsl.conf, by {path}\n1 changes.\n").as_str()),
        "{err}"
    );
    let called = machine.text("/called").replace(machine.root.as_str(), "[ROOT]");
    assert_eq!(
        called,
        "--root\n[ROOT]\n--user\ndev\n--quiet\nsetup\n--yes\n--no-restart\n--only\nstep\n--idle=yes\n--crun-version=a b\n"
    );
}

#[test]
fn a_user_who_is_not_there_and_root_are_refused_before_anything_is_changed() {
    let machine = machine(Layout::Modern);
    let before = files(&machine);
    let script = Format::Sh.write(&of(vec![systemd()])).text;
    let (code, _, err) = run(&machine, &script, &[], &[("KIND_WSL_USER", "nobody-here")]);
    assert_eq!(
        (code, err.as_str()),
        (1, "error: there is no user nobody-here\nhint: name one: KIND_WSL_USER=NAME\n")
    );
    let (code, _, err) = run(&machine, &script, &[], &[("KIND_WSL_USER", "root")]);
    assert_eq!(
        (code, err.lines().next()),
        (1, Some("error: root is root, and rootless containers need an ordinary user"))
    );
    let (code, _, err) = run(&machine, &script, &["--force"], &[("KIND_WSL_USER", "dev")]);
    assert_eq!((code, err.lines().next()), (1, Some("error: --force is nothing that this script takes")));
    assert_eq!(files(&machine), before);
}

#[test]
fn a_link_in_the_place_of_a_file_is_refused() {
    let machine = machine(Layout::Modern);
    machine.write("/etc/theirs", "keep\n");
    symlink("theirs", machine.path("/etc/ours")).unwrap();
    let script = Format::Sh.write(&of(vec![Change::Put(Put::config("/etc/ours", "mine\n".to_owned()))])).text;
    let (code, _, err) = run(&machine, &script, &[], &[("KIND_WSL_USER", "dev")]);
    assert_eq!((code, err.lines().next()), (1, Some("error: /etc/ours is a symbolic link")));
    assert_eq!(machine.text("/etc/theirs"), "keep\n");
}

#[test]
fn a_text_of_any_kind_arrives_as_it_is() {
    let machine = machine(Layout::Modern);
    let text = "it's \"$HOME\" `id` \\n $(id)\n\n\ttab é\n%s\n\n";
    let script =
        Format::Sh.write(&of(vec![Change::Put(Put::config("/etc/o'dd \"file", text.to_owned()))])).text;
    let (code, _, err) = run(&machine, &script, &[], &[("KIND_WSL_USER", "dev")]);
    assert_eq!((code, err.as_str()), (0, ""));
    assert_eq!(machine.text("/etc/o'dd \"file"), text);
}

/// What `has_profile` finds where these programs are in PATH and this is in the environment of WSL's init.
fn profile_found(machine: &Machine, environ: &str, programs: &[(&str, String)]) -> String {
    for (path, body) in programs {
        machine.write(path, format!("#!/bin/sh\n{body}\n"));
        fs::set_permissions(machine.path(path), fs::Permissions::from_mode(0o755)).unwrap();
    }
    let library = include_str!("../../../src/export/sh/profile.sh");
    let script = format!(
        "as_user() {{ \"$@\"; }}\ndie() {{ printf %s \"$1\"; exit 1; }}\ncat() {{ printf '{environ}'; }}\nroot= profile=\n{library}has_profile\nprintf %s \"$profile\""
    );
    let path = format!("{}:/usr/bin:/bin", machine.path("/bin"));
    let output = Command::new("sh").args(["-euc", &script]).env("PATH", path).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// sudo takes Windows' directories out of PATH (`secure_path`), and a program called cmd.exe in what is left is not Windows' own.
#[test]
fn the_profile_is_what_init_has_or_windows_says_by_its_full_path_wherever_its_drive_is_mounted() {
    let machine = machine(Layout::Modern);
    let drive = machine.path("/drives/c");
    let home = drive.join("Users/Ann Smith");
    fs::create_dir_all(&home).unwrap();
    let wslpath = format!(
        "case $2 in 'C:\\') echo '{drive}/' ;; 'C:\\Users\\Ann Smith') echo '{home}' ;; *) exit 1 ;; esac"
    );
    let another = "echo 'C:\\Users\\another'".to_owned();
    let cmd = "/drives/c/Windows/System32/cmd.exe";
    let says = format!("[ \"$PWD\" = '{drive}' ] && printf 'C:\\\\Users\\\\Ann Smith\\r\\n'");
    let asked = [("/bin/wslpath", wslpath.clone()), ("/bin/cmd.exe", another.clone()), (cmd, says)];
    assert_eq!(profile_found(&machine, "A=b\\0", &asked), home.as_str());
    // A systemd-binfmt that somebody else's configuration starts may have taken interop away.
    let silent = [("/bin/wslpath", wslpath), (cmd, "exit 126".to_owned())];
    let init = "A=b\\0WSL2_USER_PROFILE=C:\\\\Users\\\\Ann Smith\\0";
    assert_eq!(profile_found(&machine, init, &silent), home.as_str());
    assert_eq!(
        profile_found(&machine, "A=b\\0", &silent),
        "cannot tell which Windows profile holds .wslconfig"
    );
}
