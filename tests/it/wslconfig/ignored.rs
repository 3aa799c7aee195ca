//! What WSL ignores in its files, and what an edit is refused for.

use kind_wsl::edit::wslconf::{Dialect, Document};
use kind_wsl::host::FaultInjector;
use kind_wsl::plan::{Plan, StageSelection};

use crate::support::cli::Case;
use crate::support::{Layout, Machine, answers};

const CONF: &str = "/etc/wsl.conf";
const CONFIG: &str = "/mnt/c/Users/dev/.wslconfig";

/// The note of the plan on one of the files, which the plan changes.
fn note(layout: Layout, path: &str, text: impl AsRef<[u8]>) -> Option<String> {
    let machine = Machine::new(layout);
    machine.write("/fake/wsl-version", "2.4.4.0\n");
    machine.write(path, text);
    let host = machine.host(FaultInjector::default());
    let plan = Plan::make(&host, &machine.facts(), &answers(), &StageSelection::default()).unwrap();
    let notes: Vec<_> = plan.notes.iter().filter(|note| note.contains("ignores")).collect();
    let prefix = format!("WSL ignores settings in {path}: ");
    assert!(notes.len() < 2 && notes.iter().all(|note| note.starts_with(&prefix)), "{notes:?}");
    notes.first().map(|note| note[prefix.len()..].to_owned())
}

#[test]
fn the_plan_lists_the_settings_of_wslconfig_that_wsl_ignores() {
    for (text, wanted) in [
        ("[wsl2]\r\nmemory=4GB\r\n", ""),
        (
            "[wsl2]\nmemory=4GB\n[interop]\nappendWindowsPath=false\nenabled=true\n",
            "line 4: [interop] appendWindowsPath belongs in /etc/wsl.conf; \
             line 5: [interop] enabled belongs in /etc/wsl.conf",
        ),
        (
            "[wsl2]\nkernelCommandLine=quiet\nmemory=4GB\nkernelCommandLine = a=b\n",
            "line 4: wsl2.kernelCommandLine is set on line 2 already, which takes effect",
        ),
        (
            "[wsl2] ; main\nmemory=4GB\n[experimental]\nsparseVhd=true\n",
            "line 1: not a header for WSL (only a comment may follow `]`), so the keys below belong to the section above",
        ),
        ("[boot]\nsystemd=true\n", "line 2: [boot] systemd belongs in /etc/wsl.conf"),
        (
            "[wsl2]\nmemory=lots\nswap=0\n",
            "line 2: wsl2.memory has a value that WSL cannot read (needs a size such as 4GB)",
        ),
        (
            "[wsl2]\nlocalhostForwarding=on\nprocessors=four\nnetworkingMode=bridge\n",
            "line 2: wsl2.localhostForwarding has a value that WSL cannot read (needs true or false); \
             line 3: wsl2.processors has a value that WSL cannot read (needs a whole number); \
             line 4: wsl2.networkingMode has a value that WSL cannot read (needs none, nat, bridged, mirrored, virtioproxy, consomme)",
        ),
        (
            "[experimental]\nnetworkingMode=mirrored\n[wsl2]\nnetworkingMode=nat\n",
            "line 4: wsl2.networkingMode is set on line 2 already, which takes effect",
        ),
        ("[wsl2]\nmemroy=4GB\n", "line 2: not a setting that .wslconfig is known to have"),
        ("; a note\n[wsl2]\n// one more\n", ""),
        ("[wsl2]\nmemory 4GB\n", "line 2: WSL cannot read it (a key is letters and digits only, then `=`)"),
        // Values that WSL reads, in forms that one may doubt.
        ("[WSL2]\nMemory = 8gb\nProcessors=0x4\nvmIdleTimeout=-1\nGUIApplications=1\nswap=0\n", ""),
        (
            "[experimental]\nautoMemoryReclaim=dropCache\n[wsl2]\nisolateDistroCgroup=false\npageReporting=true\n",
            "",
        ),
    ] {
        assert_eq!(note(Layout::Classic, CONFIG, text).unwrap_or_default(), wanted, "{text}");
    }
}

#[test]
fn the_plan_lists_the_settings_of_wsl_conf_that_wsl_ignores() {
    for (text, wanted) in [
        ("[automount]\nenabled=true\noptions=metadata\n[user]\ndefault=dev\n", ""),
        ("[wsl2]\nmemory=3GB\n", "line 2: [wsl2] memory belongs in .wslconfig"),
        ("[general]\ninstanceIdleTimeout=-1\n", "line 2: general.instanceIdleTimeout belongs in .wslconfig"),
        (
            "[interop]\nenabled=yes\nenabled=false\n",
            "line 2: interop.enabled has a value that WSL cannot read (needs true or false); \
             line 3: interop.enabled is set on line 2 already, which takes effect",
        ),
        (
            "[boot]\nsystemd=false\n[network]\nhostname=box\nhostnam=x\n",
            "line 5: not a setting that /etc/wsl.conf is known to have",
        ),
        (
            "[filesystem]\numask=022\n[fileServer]\nlogLevel=08\n",
            "line 4: fileServer.logLevel has a value that WSL cannot read (needs a whole number)",
        ),
        ("systemd=true\n", "line 1: not a setting that /etc/wsl.conf is known to have"),
    ] {
        assert_eq!(note(Layout::Modern, CONF, text).unwrap_or_default(), wanted, "{text}");
    }
}

#[test]
fn doctor_warns_of_what_wsl_ignores() {
    let utf16: Vec<u8> = "[wsl2]\r\nmemory=4GB\r\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let marked = [b"\xff\xfe".to_vec(), utf16.clone()].concat();
    for (text, found) in [
        (utf16, Some("line 1: .wslconfig is UTF-16 in a form that WSL cannot read")),
        (marked, None),
        (
            b"[wsl2]\nmemory=4GB\n[interop]\nenabled=false\n".to_vec(),
            Some("line 4: [interop] enabled belongs in /etc/wsl.conf"),
        ),
    ] {
        let case = Case::new(Layout::Classic).file(CONFIG, text);
        let said = case.run("doctor --only wsl-config --json").stdout;
        let verdict = if found.is_some() { "doubtful" } else { "ok" };
        let evidence =
            found.map_or_else(|| "no setting is ignored".to_owned(), |found| format!("{CONFIG} {found}"));
        let document: serde_json::Value = serde_json::from_str(&said).unwrap();
        let check = &document["checks"][0];
        assert_eq!((&check["verdict"], &check["evidence"]), (&verdict.into(), &evidence.into()), "{said}");
    }
}

#[test]
fn undocumented_names_and_values_are_not_repeated() {
    let text = "[wsl2]\nmemory=s3cret\ns3cret=1\n[s3cret]\nx=s3cret\n; s3cret\n[interop]\nenabled=s3cret\n";
    let note = note(Layout::Classic, CONFIG, text).unwrap();
    assert!(!note.contains("s3cret"), "{note}");
}

#[test]
fn a_file_that_the_plan_does_not_change_has_no_note() {
    let machine = Machine::new(Layout::Generous);
    machine.write(CONFIG, "[wsl2]\nmemory=4GB\nmemory=5GB\n");
    let host = machine.host(FaultInjector::default());
    let mut answers = answers();
    answers.set("idle", "no");
    let plan = Plan::make(&host, &machine.facts(), &answers, &StageSelection::default()).unwrap();
    assert_eq!(plan.notes, Vec::<String>::new());
}

#[test]
fn an_edit_that_would_change_another_value_is_refused_with_its_line_and_both_values() {
    // Windows reads no line that ends with a backslash at the end of the file, until something follows.
    for (text, line, what) in [
        ("[wsl2]\nmemory=4GB\\", 2, "`wsl2.memory` as well, from unset to `4GB`"),
        ("[wsl2]\r\nkernel=C:\\\\s3cret\\", 2, "`wsl2.kernel` as well, from unset to <9 bytes>"),
        ("# note\n[s3cret]\ns3cret=s3cret\\", 3, "another key as well, from unset to <6 bytes>"),
    ] {
        let mut document = Document::parse(text.as_bytes(), Dialect::WslConfig);
        let error = document.set("general", "instanceIdleTimeout", "-1").unwrap_err();
        let wanted =
            format!("line {line}: `general.instanceidletimeout` cannot be changed without changing {what}");
        assert_eq!(error.to_string(), wanted);
        let hint = format!("edit line {line} of /x by hand, then run the same command again");
        assert_eq!(error.hint("/x".into()).unwrap().to_string(), hint);
        assert_eq!(document.to_bytes(), text.as_bytes());
    }
}

#[test]
fn a_kernel_command_line_outside_ascii_is_refused_with_its_line() {
    for (text, line) in [
        ("[wsl2]\r\nkernelCommandLine=root=/dev/é\r\n", 2),
        ("# note\n\n[wsl2]\nmemory=4GB\nKernelCommandLine = \"a=ü\" # ß\n", 5),
        ("\u{feff}[wsl2]\nkernelCommandLine=\u{201c}quiet\u{201d}\n", 2),
    ] {
        let machine = Machine::new(Layout::Classic);
        machine.write(CONFIG, text);
        let host = machine.host(FaultInjector::default());
        let error = Plan::make(&host, &machine.facts(), &answers(), &StageSelection::default()).unwrap_err();
        let causes: Vec<_> = std::iter::successors(std::error::Error::source(&error), |e| e.source())
            .map(ToString::to_string)
            .collect();
        let wanted = format!(
            "line {line}: `wsl2.kernelCommandLine` has characters outside ASCII, of which WSL keeps one byte each"
        );
        assert!(causes.contains(&wanted), "{causes:?}");
        let hint =
            format!("remove these characters from line {line} of {CONFIG}, then run the same command again");
        assert_eq!(error.hint(), Some(hint));
    }
    // A comment outside ASCII does no harm.
    let machine = Machine::new(Layout::Classic);
    machine.write(CONFIG, "# größer\n[wsl2]\nkernelCommandLine=quiet # é\n");
    let host = machine.host(FaultInjector::default());
    Plan::make(&host, &machine.facts(), &answers(), &StageSelection::default()).unwrap();
}
