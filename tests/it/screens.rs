//! docs/screens/*.svg are what the program shows on a terminal, on machines that the tests pretend to have.
//! `UPDATE_SCREENS=1 cargo test --test it screens::` draws them again.

mod scenes;
mod terminal;
mod widths;

use std::fs;

use crate::screens::terminal::{COLUMNS, Row, Terminal, on, picture};

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
fn the_screen_of_doctor_with_nothing_wrong_is_up_to_date_and_takes_12_lines() {
    let rows = scenes::healthy();
    let shown: String = rows.iter().flat_map(|row| [&row.text, "\n"]).collect();
    assert!(rows.len() <= 1 + 12, "{} lines below the prompt\n{shown}", rows.len() - 1);
    is_up_to_date("doctor-healthy", &rows);
}

#[test]
fn the_plan_of_a_new_ubuntu_24_04_takes_at_most_30_lines_and_ends_with_the_next_steps() {
    let rows = scenes::plan_of_ubuntu();
    let text: Vec<&str> = rows.iter().map(|row| row.text.as_str()).collect();
    let shown = text.join("\n");
    assert!(rows.len() <= 1 + 30, "{} lines below the prompt\n{shown}", rows.len() - 1);
    assert_eq!(text[text.len() - 2].split_whitespace().next(), Some("Apply"), "{shown}");
    assert_eq!(text[text.len() - 1].split_whitespace().next(), Some("Details"), "{shown}");
}

#[test]
fn the_screen_of_status_is_up_to_date_in_every_state() {
    is_up_to_date("status", &scenes::status());
}

#[test]
fn the_screen_of_explain_for_a_stage_is_up_to_date() {
    is_up_to_date("explain-stage", &scenes::explain_stage());
}

#[test]
fn screens_fit_80_and_120_columns_with_and_without_color_and_utf8() {
    let screens: [fn() -> Vec<Row>; 8] = [
        scenes::plan,
        scenes::plan_of_ubuntu,
        scenes::doctor,
        scenes::healthy,
        scenes::explain,
        scenes::explain_stage,
        scenes::explain_topics,
        scenes::status,
    ];
    for columns in [80, 120] {
        for (is_utf8, has_color) in [(true, false), (false, true)] {
            let terminal = Terminal { columns, is_utf8, has_color };
            for row in screens.iter().flat_map(|scene| on(terminal, scene)).filter(|row| row.is_printed) {
                let text = &row.text;
                assert!(text.chars().count() <= usize::from(columns), "too wide on {terminal:?}: {text}");
                assert!(has_color || !row.styled.contains('\x1b'), "colored on {terminal:?}: {text}");
                assert!(is_utf8 || text.is_ascii(), "not ASCII on {terminal:?}: {text}");
            }
        }
    }
}

#[test]
fn a_screen_is_the_same_when_it_is_drawn_again() {
    assert_eq!(scenes::setup(), scenes::setup());
}

#[test]
fn every_screen_is_shown_in_the_documents() {
    let root = env!("CARGO_MANIFEST_DIR");
    let page = ["quick-start", "how-to/troubleshoot"]
        .map(|name| fs::read_to_string(format!("{root}/docs/{name}.md")).unwrap())
        .concat();
    let mut count = 0;
    for entry in fs::read_dir(format!("{root}/docs/screens")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(page.contains(&format!("screens/{name})")), "no page shows {name}");
        count += 1;
    }
    assert_eq!(count, 9, "a picture of each scene, and nothing else");
}
