//! containers.conf and its kind. First line: a path with dots, ` = ` and a value; the rest is the file.

use kind_wsl::edit::{EditError, toml};

use super::{Shape, Target, choice, order};

pub(crate) const TOML: Target = Target {
    name: "toml",
    words: &[
        "engine",
        "containers",
        "[engine]",
        "[engine.runtimes]",
        "[[x]]",
        "engine.",
        ".",
        " = ",
        "=",
        "\"",
        "'",
        "\"\"\"",
        "'''",
        "{",
        "}",
        "[",
        "]",
        "{ a = 1 }",
        ", ",
        "#",
        "# c",
        "\n",
        "\r\n",
        "\r",
        "\n\n",
        "\u{feff}",
        "true",
        "1",
        "\"x\"",
        "[\"a\"]",
        "1979-05-27",
        "0x1F",
        "\t",
        "  ",
        "\\n",
        "\\u00e9",
        "é",
        "a",
        "b",
        "crun",
        "runtimes",
        "\0",
    ],
    run: laws,
    ordinary: 1200,
};

/// Every value with its path, without the one asked for.
fn values_but(text: &str, path: &[&str]) -> Vec<(String, String)> {
    fn walk(item: &toml_edit::Item, path: &str, found: &mut Vec<(String, String)>) {
        if let Some(table) = item.as_table_like() {
            for (key, item) in table.iter() {
                walk(item, &format!("{path}/{}", key.replace('/', "//")), found);
            }
        } else {
            // A comment behind the last value of a table in braces stays where it is when another value comes behind that.
            let mut item = item.clone();
            if let Some(value) = item.as_value_mut() {
                value.decor_mut().clear();
            }
            found.push((path.to_owned(), item.to_string().trim().to_owned()));
        }
    }
    let document: toml_edit::DocumentMut = text.parse().expect("it is TOML");
    let mut found = Vec::new();
    walk(document.as_item(), "", &mut found);
    let name: String = path.iter().fold(String::new(), |all, key| all + "/" + &key.replace('/', "//"));
    found.retain(|(other, _)| *other != name);
    found.sort();
    found
}

fn laws(input: &[u8]) -> Shape {
    let (what, file) = order(input);
    let (path, value) = what.split_once(" = ").unwrap_or((&what, "1"));
    let path: Vec<&str> = path.split('.').collect();
    let name = path.join(".");
    let by = choice(input);
    let Ok(value) = toml::Value::parse(value, &name) else {
        return Shape::of("no value").and(read_laws(file, &path));
    };
    assert_eq!(toml::Value::parse(&value.to_string(), &name), Ok(value.clone()), "a value is read back");
    if by.is_multiple_of(8) {
        read_laws(file, &path);
    }
    let Ok(text) = std::str::from_utf8(file) else {
        assert!(matches!(toml::put(file, &path, Some(&value)), Err(EditError::NotUtf8 { .. })));
        return Shape::of("no text");
    };
    let before = toml::get(text, &path);
    let shape = Shape::of(before.is_ok()).and(before == Ok(None));
    let after = match toml::set(text, &path, &value) {
        Ok(after) => after,
        Err(error) => {
            let is_expected = match &error {
                EditError::Toml { line, column, .. } => *line > 0 && *column > 0,
                EditError::WrongType { line, .. } => *line > 0,
                _ => false,
            };
            assert!(is_expected, "{error}");
            return shape.and(std::mem::discriminant(&error));
        }
    };
    assert_eq!(toml::get(&after, &path), Ok(Some(value.clone())), "what was put is what is read");
    let others = values_but(text, &path);
    assert_eq!(values_but(&after, &path), others, "no other key moves");
    match by % 8 {
        1 => assert_eq!(toml::set(&after, &path, &value).as_ref(), Ok(&after), "twice is once"),
        2 => assert!(line_in(after.as_bytes(), &path).is_some()),
        3 => {
            assert_eq!(toml::put(file, &path, Some(&value)), Ok(after.clone().into_bytes()));
        }
        _ => {}
    }
    // Taken out with the empty table or without it; where the one is not as before, the other is.
    let first = (by / 8).is_multiple_of(2);
    let out = |drop_empty| {
        let out = toml::unset(&after, &path, drop_empty).expect("what was set can be taken out");
        assert_eq!(toml::get(&out, &path), Ok(None), "taken out is taken out");
        assert_eq!(values_but(&out, &path), others, "no other key moves");
        out
    };
    let one = out(first);
    let is_back = one == text;
    if before == Ok(None) && !is_back {
        assert_eq!(out(!first), text, "out again is as before, one way or the other");
    }
    shape
        .and(after == text)
        .and(is_back)
        .few(after.lines().count() - text.lines().count().min(after.lines().count()))
}

fn line_in(file: &[u8], path: &[&str]) -> Option<usize> {
    toml::Reader::of(file).ok()?.line_of(path).ok().flatten()
}

/// What only reads: it says the same in each of its ways.
fn read_laws(file: &[u8], path: &[&str]) -> u8 {
    let read = toml::read(file, path);
    let line = line_in(file, path);
    match &read {
        Ok(Some(value)) => {
            assert!(line.is_some());
            assert!(toml::Value::parse(value, "").is_ok(), "{value}");
            0
        }
        Ok(None) => {
            assert_eq!(line, None);
            1
        }
        Err(EditError::WrongType { .. }) => 2,
        Err(EditError::Toml { .. }) => 3,
        Err(_) => 4,
    }
}
