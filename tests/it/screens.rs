//! docs/screens/*.svg are what the program shows on a terminal, on machines that the tests pretend to have.
//! `UPDATE_SCREENS=1 cargo test --test it screens::` draws them again.

mod scenes;
mod terminal;
mod widths;

use std::fs;

use crate::screens::terminal::{COLUMNS, Row, picture};

/// More than that is too much to wait for in a document.
const LARGEST: usize = 60 * 1024;

#[track_caller]
fn is_up_to_date(name: &str, rows: &[Row]) {
    let text: String = rows.iter().flat_map(|row| [&row.text, "\n"]).collect();
    for row in rows {
        assert!(row.text.chars().count() <= usize::from(COLUMNS), "too wide for {name}: {}", row.text);
    }
    for ours in ["/dev/shm", "/tmp/", "/target/", env!("CARGO_MANIFEST_DIR")] {
        assert!(!text.contains(ours), "{name} shows this machine's own {ours}:\n{text}");
    }
    let wanted = picture(rows);
    assert!(wanted.len() <= LARGEST, "{name} takes {} bytes", wanted.len());
    let path = format!("{}/docs/screens/{name}.svg", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("UPDATE_SCREENS").is_some() {
        fs::write(&path, &wanted).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == wanted,
        "docs/screens/{name}.svg is out of date: UPDATE_SCREENS=1 cargo test --test it screens::; now it would show\n{text}"
    );
}

#[test]
fn the_screen_of_plan_is_up_to_date() {
    is_up_to_date("plan", &scenes::plan());
}

#[test]
fn the_screen_of_setup_is_up_to_date() {
    is_up_to_date("setup", &scenes::setup());
}

#[test]
fn the_screen_of_doctor_is_up_to_date() {
    is_up_to_date("doctor", &scenes::doctor());
}

#[test]
fn the_screen_of_inspect_is_up_to_date() {
    is_up_to_date("inspect", &scenes::inspect());
}

#[test]
fn the_screen_of_explain_is_up_to_date() {
    is_up_to_date("explain", &scenes::explain());
}

#[test]
fn the_screen_of_undo_is_up_to_date() {
    is_up_to_date("undo", &scenes::undo());
}

#[test]
fn a_screen_is_the_same_when_it_is_drawn_again() {
    assert_eq!(scenes::setup(), scenes::setup());
}

#[test]
fn every_screen_is_shown_in_the_documents() {
    let root = env!("CARGO_MANIFEST_DIR");
    let page = fs::read_to_string(format!("{root}/docs/quick-start.md")).unwrap();
    let mut count = 0;
    for entry in fs::read_dir(format!("{root}/docs/screens")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(page.contains(&format!("](screens/{name})")), "docs/quick-start.md does not show {name}");
        count += 1;
    }
    assert_eq!(count, 6, "a picture of each scene, and nothing else");
}
