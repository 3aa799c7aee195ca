//! Names that are accepted in a command line or a file name. All others are refused, so nothing needs escaping.

/// The name of a distribution: WSL's own rule, `^[a-zA-Z0-9._-]+$` (LxssUserSession.cpp:4215), except names that wsl.exe
/// parses as an option. wsl.exe splits the value of `-d` at blanks, even inside quotes.
#[must_use]
pub fn is_distribution(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with('-')
        && name.len() <= 256
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
}

/// The ID of a setup. It becomes a file name, so DOS device names are refused.
#[must_use]
pub fn is_id(id: &str) -> bool {
    let plain = id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    starts_alphanumeric(id) && id.len() <= 64 && plain && !is_device(id)
}

/// The name of a Linux user, by the rule of useradd.
#[must_use]
pub fn is_user(name: &str) -> bool {
    starts_alphanumeric(name)
        && name.len() <= 32
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
}

/// A program in the distribution: an absolute path without characters that Windows or wsl.exe interpret.
#[must_use]
pub fn is_program(path: &str) -> bool {
    let strange = |c: char| c.is_control() || "\"\\".contains(c);
    path.starts_with('/') && !path.ends_with('/') && path.len() <= 1024 && !path.chars().any(strange)
}

/// Whether both name the same distribution: WSL ignores ASCII case.
#[must_use]
pub fn same(one: &str, other: &str) -> bool {
    one.eq_ignore_ascii_case(other)
}

/// The name as it is installed.
#[must_use]
pub fn installed<'a>(name: &str, list: &'a [String]) -> Option<&'a str> {
    list.iter().find(|known| same(known, name)).map(String::as_str)
}

fn starts_alphanumeric(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
}

fn is_device(word: &str) -> bool {
    let upper = word.to_ascii_uppercase();
    let numbered = upper.len() == 4 && (upper.starts_with("COM") || upper.starts_with("LPT"));
    ["CON", "PRN", "AUX", "NUL"].contains(&upper.as_str()) || numbered && upper.ends_with(|c: char| c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rule_for_names_of_distributions() {
        for good in ["Ubuntu-24.04", "Debian", "docker-desktop", "_x", ".x", "9"] {
            assert!(is_distribution(good), "{good}");
        }
        for bad in ["", "-d", "--shutdown", "a b", "a\"b", "Übuntu", "a/b", "a;b", "a\nb", &"x".repeat(257)] {
            assert!(!is_distribution(bad), "{bad:?}");
        }
        let list = ["Ubuntu-24.04".to_string(), "Debian".to_string()];
        assert_eq!(installed("dEBIAN", &list), Some("Debian"));
        assert_eq!(installed("Debia", &list), None);
    }

    #[test]
    fn ids_are_file_names() {
        assert!(is_id("20261122-0335-a7") && is_id("COM12") && is_id(&"a".repeat(64)));
        for bad in ["", "-a", "../x", "a.b", "a b", "nul", "CON", "com1", "LPT9", &"a".repeat(65)] {
            assert!(!is_id(bad), "{bad:?}");
        }
    }

    #[test]
    fn the_rules_for_users_and_programs() {
        assert!(is_user("dev") && is_user("first.last") && is_user("_apt"));
        for bad in ["", "-u", "a b", "root;", "jürgen", "a$b"] {
            assert!(!is_user(bad), "{bad:?}");
        }
        assert!(is_program("/usr/local/bin/kind-wsl") && is_program("/home/jürgen müller/kind-wsl"));
        for bad in ["", "kind-wsl", "/", "/usr/bin/", "/a\"b", "/a\\b", "/a\nb", "C:\\x"] {
            assert!(!is_program(bad), "{bad:?}");
        }
    }
}
