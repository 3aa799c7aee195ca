//! A command line for CreateProcessW, by the rules that the MSVC runtime, `CommandLineToArgvW` and Rust parse it with.

/// Joins arguments so that the started program gets exactly these.
#[must_use]
pub fn command_line<'a>(args: impl IntoIterator<Item = &'a str>) -> String {
    let mut line = String::new();
    for arg in args {
        if !line.is_empty() {
            line.push(' ');
        }
        append(&mut line, arg);
    }
    line
}

fn append(line: &mut String, arg: &str) {
    if !arg.is_empty() && !arg.contains(|c: char| c.is_whitespace() || c == '"') {
        line.push_str(arg);
        return;
    }
    line.push('"');
    let mut backslashes = 0;
    for c in arg.chars() {
        match c {
            '\\' => backslashes += 1,
            '"' => {
                // backslashes before a quote are doubled, and one more escapes the quote
                line.extend(std::iter::repeat('\\').take(backslashes + 1));
                backslashes = 0;
            }
            _ => backslashes = 0,
        }
        line.push(c);
    }
    line.extend(std::iter::repeat('\\').take(backslashes));
    line.push('"');
}

#[cfg(test)]
mod tests {
    use super::command_line;

    #[test]
    fn arguments_are_quoted_by_the_rules_of_msvc() {
        assert_eq!(command_line(["a", "b c", ""]), r#"a "b c" """#);
        assert_eq!(command_line([r#"say "hi""#]), r#""say \"hi\"""#);
        assert_eq!(command_line([r"C:\Users\Jürgen Müller\"]), r#""C:\Users\Jürgen Müller\\""#);
        assert_eq!(command_line([r"C:\plain\", r"\\x"]), r"C:\plain\ \\x");
        assert_eq!(command_line([r#"a\\"b c"#]), r#""a\\\\\"b c""#);
    }
}
