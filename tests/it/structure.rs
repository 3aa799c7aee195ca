//! The structure of the source: which modules import which, and what types are called.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

const SRC: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src");

/// Every source file of the program below `src`, without comments and tests.
fn sources() -> Vec<(PathBuf, String)> {
    let mut files = Vec::new();
    collect(Path::new(SRC), &mut files);
    files
}

fn collect(dir: &Path, files: &mut Vec<(PathBuf, String)>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            if !path.ends_with("tests") {
                collect(&path, files);
            }
        } else if path.extension().is_some_and(|ext| ext == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
            let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
            let code = lines.collect::<Vec<_>>().join("\n");
            files.push((path.strip_prefix(SRC).unwrap().to_owned(), code));
        }
    }
}

/// The top-level module of a file.
fn module(path: &Path) -> String {
    let first = path.components().next().unwrap().as_os_str().to_str().unwrap();
    first.trim_end_matches(".rs").to_owned()
}

fn identifier(text: &str) -> &str {
    text.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default()
}

/// The names after each `crate::`, also those in braces.
fn imports(code: &str) -> BTreeSet<&str> {
    let mut found = BTreeSet::new();
    for rest in code.split("crate::").skip(1) {
        let Some(group) = rest.strip_prefix('{') else {
            found.insert(identifier(rest));
            continue;
        };
        let (mut depth, mut start) = (0_usize, 0);
        for (at, c) in group.char_indices() {
            match c {
                '{' => depth += 1,
                '}' if depth > 0 => depth -= 1,
                ',' | '}' if depth == 0 => {
                    found.insert(identifier(group[start..at].trim_start()));
                    start = at + 1;
                    if c == '}' {
                        break;
                    }
                }
                _ => {}
            }
        }
    }
    found
}

#[test]
fn no_two_top_level_modules_import_each_other() {
    let mut graph: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (path, code) in sources() {
        let module = module(&path);
        let others = imports(&code).into_iter().filter(|other| *other != module).map(ToOwned::to_owned);
        graph.entry(module.clone()).or_default().extend(others);
    }
    assert!(graph.len() > 20 && graph["cli"].contains("engine") && graph["change"].contains("host"));
    // A module whose imports are all removed is part of no circle.
    loop {
        let before = graph.len();
        let left: BTreeSet<String> = graph.keys().cloned().collect();
        graph.retain(|_, imports| imports.iter().any(|import| left.contains(import)));
        if graph.len() == before {
            break;
        }
    }
    let left: Vec<_> = graph.keys().collect();
    assert!(left.is_empty(), "these modules import each other, or import modules that do: {left:?}");
}

#[test]
fn no_two_types_have_the_same_name() {
    let mut declared: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    for (path, code) in sources() {
        for line in code.lines() {
            let line = line.strip_prefix("pub").map_or(line, |rest| rest.trim_start_matches(|c| c != ' '));
            let declaration = ["struct ", "enum ", "trait ", "type ", "union "]
                .iter()
                .find_map(|keyword| line.trim_start_matches(' ').strip_prefix(keyword));
            // An indented line is an item of a block: `type Error` of an implementation.
            if let Some(rest) = declaration.filter(|_| !line.starts_with("  ")) {
                declared.entry(identifier(rest).to_owned()).or_default().push(path.clone());
            }
        }
    }
    assert!(declared.len() > 300, "{}", declared.len());
    declared.retain(|_, files| files.len() > 1);
    assert!(declared.is_empty(), "{declared:#?}");
}
