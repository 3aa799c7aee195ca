//! What holds for every format, on every kind of machine.

use kind_wsl::change::{Body, Change, Edit};
use kind_wsl::export::{Export, Format};
use kind_wsl::host::FaultInjector;
use kind_wsl::journal;
use kind_wsl::plan::{Plan, StageSelection};

use crate::support::cli::{Case, agreed};
use crate::support::{Layout, Machine, answers};

const LAYOUTS: [Layout; 4] = [Layout::Classic, Layout::Modern, Layout::Isolated, Layout::Plain];

fn export_of(machine: &Machine, guide: bool) -> (Plan, Export) {
    export_for(machine, guide, "podman")
}

fn export_for(machine: &Machine, guide: bool, provider: &str) -> (Plan, Export) {
    let host = machine.host(FaultInjector::default());
    let facts = machine.facts();
    let selection = StageSelection { guide, ..StageSelection::default() };
    let mut answers = answers();
    answers.set("tools", "both");
    answers.set("provider", provider);
    let plan = Plan::make(&host, &facts, &answers, &selection).unwrap();
    let journal_state = journal::read(&host).unwrap();
    let export = Export::new(&plan, &journal_state, &facts, "a test".to_owned());
    (plan, export)
}

/// Words of a change that no format can do without.
fn marks(change: &Change) -> Vec<String> {
    let name = |path: &camino::Utf8Path| path.file_name().unwrap().to_owned();
    match change {
        Change::Put(put) => match &put.body {
            Body::Text(text) if !put.passing => {
                // Its longest line; a parameter of the machine may stand in another one.
                let line = text.lines().filter(|l| !l.contains('\'')).max_by_key(|l| l.len()).unwrap();
                vec![name(&put.path), line.replace('"', "\\\"").split("\\\"").next().unwrap().to_owned()]
            }
            Body::Text(_) => vec![name(&put.path)],
            Body::Download(a) | Body::Local { artifact: a, .. } => {
                vec![name(&put.path), a.sha256.clone(), a.file.clone()]
            }
        },
        Change::Entry(entry) => {
            let mut marks = vec![name(&entry.path)];
            marks.extend(match &entry.edit {
                Edit::WslConf { section, key, .. } | Edit::Wslconfig { section, key, .. } => {
                    vec![section.clone(), key.clone()]
                }
                Edit::KernelParams { words } => words.clone(),
                Edit::DropSection { section, .. } => vec!["wsl_section_out".to_owned(), section.clone()],
                Edit::Repair => vec!["wsl_readable".to_owned()],
                Edit::Toml { path, .. } => path.clone(),
                Edit::Fstab { line, .. } => vec![line.clone()],
                Edit::Subid { start, count, .. } => vec![start.to_string(), count.to_string()],
            });
            marks
        }
        Change::Link(link) => vec![name(&link.path), link.to.clone()],
        Change::Aside(aside) => vec![name(&aside.path), name(&aside.to)],
        Change::Package(package) => package.names.clone(),
        Change::Unit(unit) => vec![unit.name.clone()],
        Change::Run(run) => vec![run.lines().write.program, run.lines().want],
        Change::Restart(_) => vec!["estart needed".to_owned()],
    }
}

#[test]
fn every_change_of_the_plan_is_in_every_format() {
    for layout in LAYOUTS {
        for guide in [false, true] {
            let machine = Machine::new(layout);
            // Docker's stage is made of links, of settings of the user's and of the system's, and of a set-up tool.
            let provider = if layout == Layout::Plain && guide { "docker" } else { "podman" };
            let (plan, export) = export_for(&machine, guide, provider);
            assert!(plan.changes().count() > 5, "{layout:?}");
            let is_made_of = |kind: fn(&Change) -> bool| plan.changes().any(kind);
            assert!(provider == "podman" || is_made_of(|c| matches!(c, Change::Link(_))));
            for format in Format::ALL {
                let text = format.write(&export).text;
                for change in plan.changes() {
                    for mark in marks(change) {
                        assert!(
                            text.contains(&mark),
                            "{layout:?} {format:?}: `{mark}` of {} is not in\n{text}",
                            change.target()
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn the_same_plan_gives_the_same_bytes() {
    for format in Format::ALL {
        let one = format.write(&export_of(&Machine::new(Layout::Classic), false).1);
        // Another tree, so another root.
        let other = format.write(&export_of(&Machine::new(Layout::Classic), false).1);
        assert_eq!(one, other, "{format:?}");
    }
}

#[test]
fn what_can_not_be_expressed_is_said_in_the_file_too() {
    for format in Format::ALL {
        let text = format.write(&export_of(&Machine::new(Layout::Classic), false).1);
        assert!(text.notes.iter().any(|n| n.contains("there is no undo")), "{format:?}");
        for note in &text.notes {
            assert!(
                text.text.contains(&format!("# {note}")) || text.text.contains(&format!("#   * {note}")),
                "{format:?}: {note}"
            );
        }
    }
}

#[test]
fn nothing_of_the_machine_that_made_it_is_in_it() {
    let case = Case::new(Layout::Classic).env("KIND_WSL_WINDOWS_PROFILE", "/mnt/c/Users/dev");
    for format in ["sh", "ansible", "cloud-init", "wsl-image"] {
        let args = agreed().replace("--yes ", "").replace("--kind-wrapper no", "--kind-wrapper yes");
        let seen = case.run(&format!("export --format {format} --idle yes {args}"));
        assert_eq!(seen.code, 0, "{}", seen.stderr);
        for trace in ["[ROOT]", "[BIN]", "/home/dev", "/mnt/c/Users/dev", env!("CARGO_MANIFEST_DIR")] {
            let line = seen.stdout.lines().find(|l| l.contains(trace));
            assert_eq!(line, None, "{format} holds {trace}");
        }
        // It is the notes that standard error is for.
        assert!(seen.stderr.lines().all(|l| l.starts_with("note: ")), "{}", seen.stderr);
    }
}

#[test]
fn a_machine_that_was_set_up_exports_what_it_needed_when_it_was_fresh() {
    let machine = Machine::new(Layout::Classic);
    let changes = |export: &Export| {
        let names = export.changes().filter(|c| !c.is_ephemeral() && !matches!(c, Change::Restart(_)));
        let mut names: Vec<String> = names.map(|c| c.target().to_string()).collect();
        names.sort();
        names
    };
    let mut answers = answers();
    answers.set("tools", "none");
    let host = machine.host(FaultInjector::default());
    let fresh = {
        let facts = machine.facts();
        let plan = Plan::make(&host, &facts, &answers, &StageSelection::default()).unwrap();
        Export::new(&plan, &journal::read(&host).unwrap(), &facts, String::new())
    };
    machine.setup(&host, &answers, false).unwrap();
    machine.boot(2);
    machine.setup(&host, &answers, false).unwrap();
    let facts = machine.facts();
    let plan = Plan::make(&host, &facts, &answers, &StageSelection::default()).unwrap();
    let journal_state = journal::read(&host).unwrap();
    let after = Export::new(&plan, &journal_state, &facts, String::new());
    assert_eq!(changes(&after), changes(&fresh));
    assert!(
        after.changes().any(|c| matches!(c, Change::Restart(_))),
        "its changes wait for a restart elsewhere"
    );
    // What is left to do alone would have been nearly nothing.
    assert!(
        plan.changes().count() < 3,
        "{:?}",
        plan.changes().map(|c| c.target().to_string()).collect::<Vec<_>>()
    );
}

#[test]
fn a_machine_that_can_not_be_set_up_is_not_exported() {
    let case = Case::new(Layout::Modern).file("/fake/wsl-version", "0.50.0\n");
    let text = "\
error: stage `systemd` can not be set up on such a machine: WSL 0.50.0 can not start systemd, which came with 0.67.6
hint: in Windows: `wsl --update`, then run the same command again
";
    case.refuses("export --format sh", 1, text);
}

#[test]
fn a_report_of_another_machine_is_exported_without_its_names() {
    let case = Case::new(Layout::Classic).env("KIND_WSL_WINDOWS_PROFILE", "/mnt/c/Users/dev");
    assert_eq!(case.run("report -o [ROOT]/report.json").code, 0);
    let seen = case.run("export --format sh --facts [ROOT]/report.json --tools none --kind-wrapper no");
    assert_eq!(seen.code, 0, "{}", seen.stderr);
    assert!(
        seen.stdout.contains("from the facts of a report: Debian GNU/Linux 12 (bookworm), WSL 2.2.4.0"),
        "{}",
        seen.stdout
    );
    assert!(seen.stdout.contains("wsl_key /etc/wsl.conf lf boot systemd true"));
    assert!(!seen.stdout.contains("/home/"));
}

#[test]
fn downloads_come_from_the_mirror_that_was_named() {
    let machine = Machine::new(Layout::Classic);
    let (plan, mut export) = export_of(&machine, false);
    export.mirror = Some("https://mirror.example/kind/".to_owned());
    let artifact = plan.downloads().next().unwrap();
    for format in Format::ALL {
        let text = format.write(&export).text;
        assert!(text.contains(&format!("https://mirror.example/kind/{}", artifact.path)), "{format:?}");
        assert!(!text.contains(&artifact.url), "{format:?}");
    }
}
