//! What shells make of our completions.

use std::process::Command;

fn script(shell: &str) -> String {
    let output =
        Command::new(env!("CARGO_BIN_EXE_kind-wsl")).args(["completions", shell]).output().expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// What bash offers for a line that ends with `word`.
fn offered(words: &[&str]) -> Vec<String> {
    let (line, at) = (words.join(" "), words.len() - 1);
    // Bash itself says which function it would call.
    let ask = format!(
        "{}\nset -e; COMP_WORDS=({line}); COMP_CWORD={at}; f=$(complete -p kind-wsl | sed 's/.*-F \\([^ ]*\\).*/\\1/')\n\
         $f kind-wsl '{}' '{}'; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        script("bash"),
        words[at],
        words[at - 1],
    );
    let output = Command::new("bash").args(["--norc", "-c", &ask]).output().expect("bash runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
}

#[test]
fn bash_completes_commands_and_the_flags_that_stages_bring() {
    assert_eq!(offered(&["kind-wsl", "ins"]), ["inspect"]);
    assert_eq!(offered(&["kind-wsl", "inspect", "--pro"]), ["--processes"]);
    // A question of a stage, not of the command line's own declaration.
    assert_eq!(offered(&["kind-wsl", "setup", "--crun-v"]), ["--crun-version"]);
}

#[test]
fn every_shell_gets_a_script_that_names_every_command() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = script(shell);
        for command in ["setup", "undo", "doctor", "inspect", "explain"] {
            assert!(script.contains(command), "{shell}: {command}");
        }
    }
}
