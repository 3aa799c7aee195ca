//! `kind-wsl cluster autostart`, the real program: its units and links, and that undo restores the home to the byte.

use std::fs;

use serde_json::Value;

use crate::support::cli::Case;
use crate::support::{Layout, same};

const UNITS: &str = "/home/dev/.config/systemd/user";
const ONE: &str = "kind-wsl-cluster@.service";
const EVERY: &str = "kind-wsl-clusters.service";

/// The names of the links to what the systemd user manager starts.
fn links(case: &Case) -> Vec<String> {
    let dir = case.machine.path(&format!("{UNITS}/default.target.wants"));
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn unit(case: &Case, name: &str) -> String {
    case.machine.text(&format!("{UNITS}/{name}"))
}

#[test]
fn a_cluster_is_switched_on_and_off_and_the_home_is_as_before() {
    let case = Case::new(Layout::Modern);
    let before = case.machine.snapshot();
    let seen = case.run("cluster autostart on dev").expect(0, "");
    assert!(seen.stdout.contains("Cluster dev starts with this distribution."), "{seen:?}");
    assert!(seen.stdout.contains("To keep it running: kind-wsl setup --idle"), "{seen:?}");
    assert!(seen.stdout.contains("kind-wsl cluster logon on"), "{seen:?}");
    assert!(seen.stdout.contains("podman has no cluster `dev` yet."), "{seen:?}");
    assert_eq!(links(&case), ["kind-wsl-cluster@dev.service"]);
    let text = unit(&case, ONE);
    assert!(text.contains("kind-wsl cluster start --timeout=900 %i\n"), "{text}");
    assert!(text.contains("kind-wsl cluster stop %i\n"), "{text}");
    case.run("cluster autostart on kind-2").expect(0, "");
    assert_eq!(links(&case), ["kind-wsl-cluster@dev.service", "kind-wsl-cluster@kind-2.service"]);
    case.run("cluster autostart off dev").expect(0, "").says("does not start with this distribution anymore");
    assert_eq!(links(&case), ["kind-wsl-cluster@kind-2.service"]);
    case.run("cluster autostart off dev")
        .expect(0, "")
        .says("Nothing to undo: cluster dev does not start with");
    case.run("cluster autostart off").expect(0, "").says("No cluster starts with this distribution anymore.");
    case.run("cluster autostart off").expect(0, "").says("Nothing to undo: no cluster starts with");
    same(&before, &case.machine.snapshot(), "switched off");
}

#[test]
fn every_cluster_takes_the_place_of_single_ones() {
    let case = Case::new(Layout::Modern);
    let before = case.machine.snapshot();
    case.run("cluster autostart on dev").expect(0, "");
    case.run("cluster autostart on").expect(0, "").says("Every cluster starts with this distribution.");
    assert_eq!(links(&case), [EVERY]);
    assert!(unit(&case, EVERY).contains("kind-wsl cluster start --timeout=900 --all\n"));
    assert!(!case.machine.path(&format!("{UNITS}/{ONE}")).exists());
    case.run("cluster autostart on dev").expect(0, "");
    assert_eq!(links(&case), [EVERY]);
    let refused = "
        error: autostart is on for every cluster, not for single ones
        hint: kind-wsl cluster autostart off
        ";
    case.run("cluster autostart off dev").expect(1, refused);
    case.run("undo --yes").expect(0, "");
    same(&before, &case.machine.snapshot(), "undone");
}

#[test]
fn a_unit_whose_program_has_moved_is_written_again() {
    let case = Case::new(Layout::Modern);
    case.run("cluster autostart on dev").expect(0, "");
    let good = unit(&case, ONE);
    let path = format!("{UNITS}/{ONE}");
    case.machine.write(&path, good.replace("ExecStart=", "ExecStart=/old"));
    case.run("cluster autostart on dev").expect(0, "");
    assert_eq!(unit(&case, ONE), good);
}

#[test]
fn the_answer_of_a_switch_is_that_of_the_next_setup() {
    let case = Case::new(Layout::Modern);
    case.run("cluster autostart on dev").expect(0, "");
    let rows = |case: &Case| {
        let plan: Value = serde_json::from_str(&case.run("plan --json").stdout).unwrap();
        let stages = plan["plan"]["stages"].as_array().unwrap();
        stages.iter().find(|stage| stage["id"] == "autostart").unwrap()["verdict"].clone()
    };
    assert_eq!(rows(&case), "satisfied");
    case.run("cluster autostart off").expect(0, "");
    assert_eq!(rows(&case), "not-here");
}

#[test]
fn a_file_of_the_user_with_the_name_of_a_link_is_refused() {
    let case = Case::new(Layout::Modern);
    let path = format!("{UNITS}/default.target.wants/kind-wsl-cluster@dev.service");
    case.machine.write(&path, "mine");
    let seen = case.run("cluster autostart on dev");
    assert_eq!(seen.code, 1, "{seen:?}");
    assert_eq!(case.machine.text(&path), "mine");
}
