//! Values that want to be something else: commands to a terminal, lines of ours, other paths. Every route by which a
//! text of another program's comes to the screen.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use crate::attacks::seen::{everything, tree};
use crate::support::Layout;
use crate::support::cli::{Case, Seen, agreed};

/// Clears the screen, names the window, rings, goes back to the line's begin, in the other set of controls, backwards.
const HOSTILE: &str = "\u{1b}[2J\u{1b}]0;owned\u{7}\r\u{9b}31m\u{202e}\u{2066}\u{200b}\u{7f}";
/// The same where a line is one value; a second line that looks like ours comes with it.
const FORGED: &str = "\u{1b}[2J\nerror: forged\nhint: forged";

/// What of a text a terminal would act on.
fn active(text: &str) -> Vec<String> {
    let ours = ["0", "1", "2", "31", "32", "33", "36"].map(|sgr| format!("\u{1b}[{sgr}m"));
    let text = ours.iter().fold(text.to_owned(), |text, sgr| text.replace(sgr, ""));
    let acts = |c: &char| {
        (c.is_control() && *c != '\n' && *c != '\t') || "\u{202e}\u{2066}\u{200b}\u{2028}".contains(*c)
    };
    text.chars().filter(acts).map(|c| c.escape_default().to_string()).collect()
}

#[track_caller]
fn harmless(route: &str, seen: &Seen) {
    for text in [&seen.stdout, &seen.stderr] {
        assert_eq!(active(text), Vec::<String>::new(), "{route}: {text}");
        let forged = text.lines().any(|l| l.starts_with("error: forged") || l.starts_with("hint: forged"));
        assert!(!forged, "{route}: {text}");
    }
}

/// The same, and the text is there to be seen.
#[track_caller]
fn shown(route: &str, seen: &Seen) {
    harmless(route, seen);
    let all = format!("{}{}", seen.stdout, seen.stderr);
    assert!(all.contains(r"\u{1b}[2J"), "{route}: it was not shown at all: {all}");
}

/// Runs it without colours and with them.
fn both(case: &Case, args: &str) -> Seen {
    harmless(args, &case.run(&format!("--color always {args}")));
    case.run(args)
}

/// A program of the machine that says what it likes.
fn liar(case: &Case, path: &str, script: &str) {
    case.machine.write("/fake/hostile", HOSTILE);
    case.machine.write(path, format!("#!/bin/sh\n{script}\n"));
    fs::set_permissions(case.machine.path(path), fs::Permissions::from_mode(0o755)).unwrap();
}

const SAY: &str = "cat \"$KIND_WSL_ROOT/fake/hostile\"";

#[test]
fn the_name_of_the_distribution_is_one_or_is_not_taken() {
    for name in [HOSTILE, FORGED, "$(touch /x)\n\u{1b}[2J", "-d", "a b", "x & calc", "a;b", ""] {
        let name = name.to_owned();
        let case = Case::new(Layout::Modern).env("WSL_DISTRO_NAME", &name);
        for command in ["plan", "plan --json", "status", "doctor", "report", "doctor --json"] {
            let seen = both(&case, command);
            harmless(&format!("{name:?} {command}"), &seen);
        }
        let seen = case.run(&format!("setup {} --no-restart", agreed()));
        harmless(&name, &seen);
        assert!(seen.stdout.contains("wsl.exe -d DISTRIBUTION --cd ~"), "{name:?}: {}", seen.stdout);
    }
}

#[test]
fn control_characters_in_files_are_not_printed() {
    let lines = format!("# {HOSTILE}\n[boot]\ncommand={HOSTILE}\n");
    let case = Case::new(Layout::Classic)
        .file("/etc/os-release", format!("PRETTY_NAME=\"Debian {HOSTILE}\"\nID=debian\nVERSION_ID=\"12\"\n"))
        .file("/etc/wsl.conf", &lines)
        .file("/etc/fstab", format!("# {HOSTILE}\n"))
        .file("/mnt/c/Users/dev/.wslconfig", format!("[wsl2]\r\nkernelCommandLine={HOSTILE}\r\n"))
        .file("/home/dev/.config/containers/containers.conf", "[containers]\npids_limit = 1 # \u{202e}\n");
    shown("plan", &both(&case, "plan"));
    harmless("doctor", &both(&case, "doctor"));
    for json in ["plan --json", "report"] {
        let seen = case.run(json);
        harmless(json, &seen);
        // Of a plan, only the settings that it changes are in the JSON.
        let is_there = seen.stdout.contains(r"\u001b[2J");
        assert!(is_there || json.starts_with("plan"), "{json}: {}", seen.stdout);
        assert!(serde_json::from_str::<serde_json::Value>(&seen.stdout).is_ok(), "{json}");
    }
}

#[test]
fn the_names_of_files_are_shown_and_not_obeyed() {
    for name in [HOSTILE, FORGED] {
        let drop_in = format!("/home/dev/.config/containers/containers.conf.d/99-{name}.conf");
        let case = Case::new(Layout::Modern).file(&drop_in, "[engine]\ncgroup_manager = \"systemd\"\n");
        let seen = both(&case, &everything());
        assert_eq!(seen.code, 1, "{seen:?}");
        shown(name, &seen);
        let link = format!("/srv/{name}/wsl.conf");
        let case = Case::new(Layout::Modern).file(&link, "[automount]\n").link("/etc/wsl.conf", &link);
        shown(name, &both(&case, "plan --diff"));
        let case = Case::new(Layout::Modern).link("/home/dev/.local/bin/crun", name);
        shown(name, &both(&case, &everything()));
    }
}

#[test]
fn control_characters_in_program_output_are_not_printed() {
    let case = Case::new(Layout::Modern);
    liar(&case, "/usr/bin/apt-get", &format!("{SAY}; {SAY} >&2; exit 100"));
    shown("apt-get", &both(&case, &format!("--verbose {}", everything())));
    harmless("apt-get, as JSON", &case.run(&format!("{} --json", everything())));
    let case = Case::new(Layout::Isolated);
    for program in ["podman", "systemd-run", "docker", "kind", "newuidmap", "wslinfo"] {
        liar(&case, &format!("/usr/bin/{program}"), &format!("{SAY}; {SAY} >&2; exit 1"));
    }
    case.machine.write("/fake/packages", "libc6 2.36\nsystemd 252.39-1\npodman 4.3.1\n");
    harmless("doctor", &both(&case, "doctor"));
    harmless("doctor, as JSON", &case.run("doctor --json"));
}

#[test]
fn control_characters_in_arguments_are_not_printed() {
    let case = Case::new(Layout::Modern).file("/answers.toml", "\"\\u001b[2J\" = \"x\"\n");
    case.machine.write("/value.toml", "idle = \"\\u001b[2J\"\n");
    case.machine.write("/broken.toml", HOSTILE);
    case.machine.write("/report.json", "{\"schema\":1,\"user\":\"\\u001b[2J\"}");
    let esc = HOSTILE.replace('\u{200b}', "");
    for args in [
        format!("plan --only {esc}"),
        format!("plan --provider {esc}"),
        format!("plan --mirror https://{esc}/"),
        format!("plan --offline /{esc}"),
        format!("plan --facts /{esc}"),
        format!("plan --answers /{esc}"),
        format!("plan --windows-profile /{esc}"),
        format!("plan --{esc}"),
        esc.clone(),
        format!("plan --user {esc}"),
        format!("plan --crun-version {esc}"),
        format!("explain {esc}"),
        format!("undo --yes {esc}"),
        format!("doctor --only {esc}"),
        format!("crun fetch --to /proc/{esc}"),
        format!("crun fetch {esc} --to [ROOT]/to"),
    ] {
        let seen = case.run(&args);
        assert_ne!(seen.code, 0, "{args:?}: {seen:?}");
        harmless(&format!("{args:?}"), &seen);
    }
    for file in ["answers", "value", "broken"] {
        harmless(file, &both(&case, &format!("plan --answers [ROOT]/{file}.toml")));
    }
    harmless("a report", &both(&case, "plan --facts [ROOT]/report.json"));
}

#[test]
fn control_characters_in_pasted_errors_reports_and_journals_are_not_printed() {
    let case = Case::new(Layout::Modern);
    let log = format!(
        "{HOSTILE}\nERROR: failed to create cluster: running kind with rootless provider requires setting systemd property \"Delegate=yes\"{HOSTILE}\n"
    );
    let case = case.file("/log.txt", log);
    harmless("explain", &both(&case, "explain [ROOT]/log.txt"));
    let report = case.run("report").stdout;
    let hostile = report.replace("Debian GNU/Linux 12", r"\u001b[2J\u202e\u009b31m\nerror: forged");
    assert_ne!(hostile, report);
    case.machine.write("/hostile.json", hostile);
    let seen = both(&case, "plan --facts [ROOT]/hostile.json");
    assert_eq!(seen.code, 0, "{seen:?}");
    harmless("a report", &seen);
    for line in [
        r#"{"record":"begin","version":9,"tool":"\u001b[2J\nerror: forged","at":"now","user":"dev"}"#,
        r#"{"record":"begin","version":1,"tool":"t","at":"\u001b[2J","user":"\u001b[2J\nhint: forged"}"#,
        "{\"record\":\"\u{1b}[2J\"}",
    ] {
        let case = Case::new(Layout::Modern).journal(&[line]);
        for command in ["status", "plan", "undo --yes", &everything()] {
            harmless(line, &case.run(command));
        }
    }
}

/// On a terminal: the bar and the lines above it. What moves the cursor there is the bar's own.
#[test]
fn on_a_terminal_nothing_of_a_program_is_obeyed() {
    let case = Case::new(Layout::Modern);
    let percents = "echo \"pmstatus:x:12.5:$(cat \"$KIND_WSL_ROOT/fake/hostile\")\"";
    liar(&case, "/usr/bin/apt-get", &format!("{percents}; {SAY}; echo; sleep 0.3; {SAY} >&2; exit 100"));
    let inner = case.command(&format!("--verbose {}", everything()));
    let words: Vec<String> = std::iter::once(inner.get_program())
        .chain(inner.get_args())
        .map(|w| w.to_str().unwrap().to_owned())
        .collect();
    // The words come from the test itself, and are handed over as arguments.
    let dir = tempfile::tempdir().unwrap();
    let script = dir.path().join("typed");
    fs::write(&script, format!("#!/bin/sh\nexec '{}'\n", words.join("' '"))).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let output = Command::new("script")
        .args(["-qec", script.to_str().unwrap(), "/dev/null"])
        .env("TERM", "xterm")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains(r"\u{1b}[2J") && said.contains("[1/") || said.contains("packages"), "{said}");
    for raw in ["\u{1b}]0;owned", "\u{7}", "\u{9b}", "\u{202e}", "\u{2066}", "\u{7f}", "\u{1b}[2J\u{1b}]"] {
        assert!(!said.contains(raw), "{raw:?} came through: {said:?}");
    }
}

/// Other paths than the ones that were meant.
#[test]
fn no_name_leads_out_of_its_place() {
    let outside = |case: &Case| -> Vec<String> {
        let mut all: Vec<_> = tree(&case.machine.root).into_keys().collect();
        all.retain(|path| !path.starts_with("/var/lib/kind-wsl") && !path.starts_with("/fake"));
        all
    };
    let case = Case::new(Layout::Modern);
    let before = outside(&case);
    for (args, code) in [
        ("plan --crun-version ../../etc/passwd", 2),
        ("plan --crun-version %2e%2e/x", 2),
        ("plan --crun-sha256 ../../../../../../../../../../../../../../../../../../../../etc/pas", 2),
        ("plan --crun-binary ../crun --crun-sha256 x", 2),
        ("crun fetch ../../x --to [ROOT]/to", 2),
        ("crun fetch --arch ../../x --to [ROOT]/to", 2),
        ("plan --mirror http://mirror.test", 2),
        ("plan --mirror file:///etc", 2),
        ("plan --mirror https://mirror.test/?a=", 2),
        ("plan --mirror https://mirror.test/#x", 2),
        ("plan --only ../systemd", 2),
        ("undo --yes ../../etc", 2),
        ("setup --yes --resume ../../../etc/passwd --only subids", 0),
    ] {
        let seen = case.run(args);
        assert_eq!(seen.code, code, "{args}: {seen:?}");
    }
    // Of what is typed as a version the numbers alone come into a path.
    for version in ["1.99/../../../x", "1.99\\..\\x", "1.99%2f%2e%2e", "1.99?x#y"] {
        let seen =
            case.run(&format!("plan --json --crun-version {version} --crun-sha256 {}", "0".repeat(64)));
        let plan: serde_json::Value = serde_json::from_str(&seen.stdout).unwrap();
        let url = plan["downloads"][0]["url"].as_str().unwrap_or_else(|| panic!("{seen:?}"));
        assert_eq!(url, "https://github.com/containers/crun/releases/download/1.99/crun-1.99-linux-amd64");
    }
    fs::remove_dir_all(case.machine.path("/to")).ok();
    assert_eq!(case.run("undo --yes").code, 0);
    assert_eq!(outside(&case), before);
}
