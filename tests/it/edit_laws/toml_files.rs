//! TOML files of podman.

use super::{config, corpus};

use kind_wsl::edit::{EditError, toml};
use proptest::prelude::*;
use proptest::sample::select;

/// corpus/containers.conf 002, 008 (cut), 011 and hand-made ones.
const TOMLS: &[&str] = &[
    "",
    "# nothing active\n",
    "[engine]\ncgroup_manager=\"cgroupfs\"\nevents_logger=\"file\"\nruntime=\"crun\"\n",
    "[engine]\n  # TODO\n  #runtime = \"runsc\"\n\n  [engine.runtimes]\n    runsc = [\n      \"/usr/bin/runsc\", # x\n    ]\n",
    "[engine]\nruntime = \"runsc\"\n\n[engine.runtimes]\nrunsc = [\"/usr/local/bin/runsc\"]",
    "cgroup_manager = \"systemd\"\r\n\r\n[containers] # c\r\n  pids_limit = 0 # none\r\n\r\n",
    "engine.cgroup_manager = \"x\" # c\nengine.other = 1\n\n[network]\npools = [\n  {\"base\" = \"11.0.0.0/24\", \"size\" = 24},\n]\n",
    "engine = { a = 1, runtimes.runc = [\"r\"], b.c = 2 }\n[containers]\n",
    "engine = {}\ncontainers = { pids_limit = 1 }",
    "[engine.runtimes]\ncrun = [\"a\", \"b\"]\n[[aot]]\nx = 1\n",
    "top = 1\n[engine]\ntext = \"\"\"\n[containers]\n\"\"\"\n\n\n",
];

fn toml_settings() -> Vec<(&'static [&'static str], toml::Value)> {
    let list = |items: &[&str]| toml::Value::StrList(items.iter().map(|&item| item.to_owned()).collect());
    vec![
        (&["engine", "cgroup_manager"], toml::Value::Str("systemd".to_owned())),
        (&["engine", "runtimes", "crun"], list(&["/usr/bin/crun", "a\"b\\c"])),
        (&["engine", "runtimes", "we.ird"], list(&[])),
        (&["containers", "pids_limit"], toml::Value::Int(0)),
        (&["engine", "b", "c"], toml::Value::Bool(true)),
        (&["top"], toml::Value::Str("é\n".to_owned())),
        (&["new", "one", "two"], toml::Value::Int(-3)),
    ]
}

/// Every value with its path, without the one asked for.
fn toml_values_but(text: &str, path: &[&str]) -> Vec<(String, String)> {
    fn walk(item: &toml_edit::Item, path: &str, found: &mut Vec<(String, String)>) {
        if let Some(table) = item.as_table_like() {
            for (key, item) in table.iter() {
                walk(item, &format!("{path}/{key}"), found);
            }
        } else {
            found.push((path.to_owned(), item.to_string().trim().to_owned()));
        }
    }
    let document: toml_edit::DocumentMut = text.parse().expect("it is TOML");
    let mut found = Vec::new();
    walk(document.as_item(), "", &mut found);
    let name = format!("/{}", path.join("/"));
    found.retain(|(other, _)| *other != name);
    found.sort();
    found
}

fn toml_laws(text: &str, path: &[&str], value: &toml::Value) {
    let before = toml::get(text, path);
    let after = match toml::set(text, path, value) {
        Ok(after) => after,
        Err(error) => {
            assert!(matches!(error, EditError::WrongType { .. }), "{error}: {path:?} in {text:?}");
            return;
        }
    };
    assert_eq!(toml::get(&after, path), Ok(Some(value.clone())), "{path:?} in {after:?}");
    assert_eq!(toml_values_but(&after, path), toml_values_but(text, path), "{path:?} in {text:?}");
    assert_eq!(toml::set(&after, path, value).as_ref(), Ok(&after), "twice is once: {text:?}");
    let outs =
        [false, true].map(|drop_empty| toml::unset(&after, path, drop_empty).expect("it can be taken out"));
    for out in &outs {
        assert_eq!(toml::get(out, path), Ok(None));
        assert_eq!(toml_values_but(out, path), toml_values_but(text, path), "{path:?} in {text:?}");
    }
    if before == Ok(None) {
        assert!(outs.iter().any(|out| out == text), "out again is as before: {path:?} in {text:?}: {outs:?}");
    }
    let bytes = toml::put(text.as_bytes(), path, Some(value)).expect("as above");
    assert_eq!(bytes, after.as_bytes());
    assert_eq!(toml::read(&bytes, path), Ok(Some(value.to_string())));
}

#[test]
fn the_laws_hold_for_toml_files() {
    let files =
        corpus("containers.conf").into_iter().map(|file| std::fs::read_to_string(file).expect("text"));
    for text in TOMLS.iter().map(|&text| text.to_owned()).chain(files) {
        for (path, value) in toml_settings() {
            toml_laws(&text, path, &value);
            toml_laws(&text.replace("\r\n", "\n").replace('\n', "\r\n"), path, &value);
            toml_laws(text.trim_end(), path, &value);
            toml_laws(&format!("\u{feff}{text}"), path, &value);
        }
    }
}

#[test]
fn a_toml_value_is_replaced_with_its_comment_kept() {
    let text = "engine.cgroup_manager = \"x\" # c\r\nengine.other = 1\r\n";
    let new = toml::set(text, &["engine", "cgroup_manager"], &toml::Value::Str("systemd".to_owned()));
    assert_eq!(new.as_deref(), Ok("engine.cgroup_manager = \"systemd\" # c\r\nengine.other = 1\r\n"));
    assert_eq!(
        toml::unset(text, &["engine", "other"], true).as_deref(),
        Ok("engine.cgroup_manager = \"x\" # c\r\n")
    );
}

#[test]
fn a_new_toml_key_has_the_indent_of_its_neighbor_or_its_own_table() {
    let crun = toml::Value::StrList(vec!["/usr/bin/crun".to_owned()]);
    let path = ["engine", "runtimes", "crun"];
    let new = toml::set(TOMLS[3], &path, &crun).expect("it can be set");
    assert_eq!(new, format!("{}    crun = [\"/usr/bin/crun\"]\n", TOMLS[3]));
    let new = toml::set(TOMLS[2], &path, &crun).expect("it can be set");
    assert_eq!(new, format!("{}\n[engine.runtimes]\ncrun=[\"/usr/bin/crun\"]\n", TOMLS[2]));
    let new = toml::set("engine = { a = 1 }\n", &path, &crun).expect("it can be set");
    assert_eq!(new, "engine = { a = 1, runtimes.crun = [\"/usr/bin/crun\"] }\n");
}

#[test]
fn a_new_toml_key_goes_below_its_commented_default_and_is_written_as_its_neighbors_are() {
    let driver =
        |text: &str| toml::set(text, &["containers", "log_driver"], &toml::Value::Str("k8s-file".to_owned()));
    let text = "[containers]\n# How logs are kept.\n#\n#log_driver = \"\"\n\n# Lines.\n#\n#log_size_max = -1\n\n[engine]\n#log_driver = 1\n";
    assert_eq!(
        driver(text).unwrap(),
        text.replace("#log_driver = \"\"\n", "#log_driver = \"\"\nlog_driver = \"k8s-file\"\n")
    );
    assert_eq!(
        driver("[containers]\n\tpids_limit=1\n").unwrap(),
        "[containers]\n\tpids_limit=1\n\tlog_driver=\"k8s-file\"\n"
    );
    assert_eq!(
        driver("[engine]\nruntime=\"crun\"\n").unwrap(),
        "[engine]\nruntime=\"crun\"\n\n[containers]\nlog_driver=\"k8s-file\"\n"
    );
    let crun = toml::Value::StrList(vec!["/x".to_owned()]);
    let text = "[engine.runtimes]\n#crun = [\n#  \"/usr/bin/crun\",\n#]\n\n#runc = []\n";
    assert_eq!(
        toml::set(text, &["engine", "runtimes", "crun"], &crun).unwrap(),
        text.replace("#]\n", "#]\ncrun = [\"/x\"]\n")
    );
}

#[test]
fn an_item_goes_to_the_front_of_a_list_and_out_again_with_the_owners_comments_kept() {
    let path = ["engine", "runtimes", "crun"];
    let list = |items: &[&str]| toml::Value::StrList(items.iter().map(|item| (*item).to_owned()).collect());
    for (text, front) in [
        (
            "[engine.runtimes]\ncrun = [\n  \"/opt/crun\",   # our own build\n  \"/usr/bin/crun\",\n]\n",
            "  \"/home/dev/.local/bin/crun\",\n",
        ),
        (
            "[engine.runtimes]\ncrun = [\"/opt/crun\", \"/usr/bin/crun\"] # ours\n",
            "\"/home/dev/.local/bin/crun\", ",
        ),
    ] {
        let theirs = ["/opt/crun", "/usr/bin/crun"];
        let new =
            toml::set(text, &path, &list(&[&["/home/dev/.local/bin/crun"], theirs.as_slice()].concat()))
                .unwrap();
        assert!(new.contains(&format!("{front}\"/opt/crun\"").replace("\n\"", "\n  \"")), "{new}");
        assert_eq!(new.matches("# our").count(), text.matches("# our").count());
        assert_eq!(toml::set(&new, &path, &list(&theirs)).unwrap(), text);
    }
}

#[test]
fn an_empty_table_is_removed_only_on_request_and_never_with_a_comment_in_it() {
    let unset =
        |text: &str, drop_empty| toml::unset(text, &["a", "b"], drop_empty).expect("it can be taken out");
    assert_eq!(unset("x = 1\n\n[a]\nb = 2\n", false), "x = 1\n\n[a]\n");
    assert_eq!(unset("x = 1\n\n[a]\nb = 2\n", true), "x = 1\n");
    assert_eq!(unset("[a]\n# mine\nb = 2\n", true), "[a]\n# mine\n");
    assert_eq!(unset("[a] # mine\nb = 2\n", true), "[a] # mine\n");
}

#[test]
fn invalid_toml_and_wrong_types_are_reported_with_their_line() {
    let value = toml::Value::Int(1);
    let error = toml::set("a = 1\nb = = 2\n", &["c"], &value).expect_err("it is broken");
    assert!(matches!(error, EditError::Toml { line: 2, column: 5, .. }), "{error}");
    let error = toml::set("x = 1\nengine = 3\n", &["engine", "runtime"], &value).expect_err("no table");
    assert_eq!(error.to_string(), "line 2: `engine` is of type integer, but a table is required here");
    let error = toml::set("[engine]\n", &["engine"], &value).expect_err("a table");
    assert_eq!(error.to_string(), "line 1: `engine` is of type table, but a plain value is required here");
}

#[test]
fn keys_above_all_tables_are_found() {
    let keys = toml::Reader::of(TOMLS[5].as_bytes()).expect("it is TOML").keys_outside_tables();
    assert_eq!(keys, ["cgroup_manager"]);
    assert_eq!(toml::Reader::of(TOMLS[6].as_bytes()).expect("it is TOML").keys_outside_tables(), [""; 0]);
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn the_laws_hold_for_made_up_toml(
        text in select(TOMLS), tail in select(TOMLS), setting in select(toml_settings()), value in "[ -~é\n\t]{0,8}",
    ) {
        let joined = format!("{text}\n{tail}");
        let text = if joined.parse::<toml_edit::DocumentMut>().is_ok() { joined } else { text.to_owned() };
        toml_laws(&text, setting.0, &setting.1);
        toml_laws(&text, setting.0, &toml::Value::Str(value));
    }
}
