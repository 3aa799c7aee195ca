//! `report --for`: the bug forms of kind, podman and WSL.

use std::fs;

use super::healthy;
use crate::support::cli::Case;

/// A machine that has everything, in a session of wsl.exe.
fn case() -> Case {
    healthy()
        .dir("/home/dev/.local/share/containers/storage")
        .env("WSL_INTEROP", "/run/WSL/8_interop")
        .env("HTTPS_PROXY", "http://me:hunter2@proxy.test:3128")
        .program("/mnt/c/Windows/System32/wsl.exe")
        .file(
            "/fake/windows/wsl.exe --version",
            "0\nWSL-Version: 2.9.11.0\nKernelversion: 6.18.33.2-1\nWindows-Version: 10.0.26100.6584\n",
        )
        .file("/proc/sys/kernel/hostname", "heartofgold\n")
}

fn form(case: &Case, project: &str) -> String {
    case.run(&format!("report --for {project}")).expect(0, "").stdout
}

/// The lines outside of code blocks, by the rule of `CommonMark` 4.5.
fn outside_blocks(text: &str) -> Vec<&str> {
    let mut fence = 0;
    let is_outside = |line: &&str| {
        let ticks = line.len() - line.trim_start_matches('`').len();
        if fence == 0 && ticks >= 3 {
            fence = ticks;
            return false;
        }
        if fence > 0 && ticks >= fence && ticks == line.trim_end().len() {
            fence = 0;
            return false;
        }
        fence == 0
    };
    text.lines().filter(is_outside).collect()
}

#[test]
fn each_form_has_the_fields_of_its_project_and_what_the_machine_shows() {
    let case = case();
    let wanted: [(&str, &[&str]); 3] = [
        (
            "kind",
            &[
                "**What happened**:",
                "**What you expected to happen**:",
                "**How to reproduce it",
                "**Anything else we need to know?**:",
                "- kind version: (use `kind version`): `/usr/bin/kind is kind 0.33.0`",
                "- OS (e.g. from `/etc/os-release`): `Debian GNU/Linux 12 (bookworm)`",
                "- Kubernetes version: (use `kubectl version`): <!--",
                "- Any proxies or other special environment settings?: `HTTPS_PROXY` (values not shown)",
                "\"cgroupVersion\": \"v2\"",
            ],
        ),
        (
            "podman",
            &[
                "### Issue Description\n",
                "### Steps to reproduce the issue\n",
                "### Describe the results you received\n",
                "### Describe the results you expected\n",
                "### podman info output\n\n```json\n",
                "### Podman in a container\n\nNo\n",
                "### Privileged Or Rootless\n\nRootless\n",
                "### Upstream Latest Release\n",
                "### Additional environment details\n",
            ],
        ),
        (
            "wsl",
            &[
                "### Windows Version\n\n`10.0.26100.6584`\n",
                "### WSL Version\n\n`2.9.11.0`\n",
                "- [x] WSL 2\n- [ ] WSL 1\n",
                "### Kernel Version\n\n`6.18.33.2-microsoft-standard-WSL2`\n",
                "### Distro Version\n\n`Debian GNU/Linux 12 (bookworm)`\n",
                "### Other Software\n",
                "### Repro Steps\n",
                "### Expected Behavior\n",
                "### Actual Behavior\n",
                "### Diagnostic Logs\n",
            ],
        ),
    ];
    for (project, fields) in wanted {
        let text = form(&case, project);
        for field in fields {
            assert!(text.contains(field), "{project}: no {field:?} in\n{text}");
        }
        assert!(text.contains(" checks of the setup pass") && text.contains("kernel: 6.18"), "{text}");
        for secret in ["dev/", "hunter2", "heartofgold", "proxy.test"] {
            assert!(!text.replace("/dev/", "").contains(secret), "{project}: {secret} in\n{text}");
        }
    }
}

#[test]
fn a_form_counts_the_checks_that_pass_and_names_the_others() {
    let case = case();
    let count = |text: &str| {
        let line = text.lines().find(|line| line.contains(" checks of the setup pass")).unwrap().to_owned();
        let mut words = line.split(' ');
        let passed: usize = words.next().unwrap().parse().unwrap();
        (passed, words.nth(1).unwrap().parse::<usize>().unwrap())
    };
    let text = form(&case, "kind");
    let (passed, all) = count(&text);
    assert!(passed == all && all > 5, "{text}");
    let conf = "/home/dev/.config/containers/containers.conf.d/zz-own.conf";
    let text = form(&case.file(conf, "[engine]\nevents_logger = \"journald\"\n"), "kind");
    assert_eq!(count(&text), (all - 1, all), "{text}");
    assert!(text.contains("\nlogs-reported: "), "{text}");
}

#[test]
fn no_output_ends_its_code_block_or_span() {
    let name = "Debian ``` <!-- `x` @octocat";
    let case = case()
        .file("/etc/os-release", format!("PRETTY_NAME=\"{name}\"\nID=debian\nVERSION_ID=\"12\"\n"))
        .file("/fake/windows/wsl.exe --version", "0\n```\n````\n@octocat <img src=x>\n~~~\n");
    for project in ["kind", "podman", "wsl"] {
        let text = form(&case, project);
        let outside: Vec<_> = outside_blocks(&text).into_iter().filter(|l| l.contains("octocat")).collect();
        let span = format!("```` {name} ````");
        assert!(outside.iter().all(|line| line.ends_with(&span)), "{project}: {outside:?}\n{text}");
        assert!(text.contains("octocat"), "{text}");
    }
}

#[test]
fn a_form_is_written_to_a_file_and_podman_is_not_run_before_its_first_use() {
    let case = case();
    fs::remove_dir_all(case.machine.path("/home/dev/.local/share/containers/storage")).unwrap();
    case.machine.write("/fake/commands", "");
    case.run("report --for podman -o [ROOT]/form.md").expect(0, "");
    let text = case.machine.text("/form.md");
    assert!(text.contains("<!-- Run `podman info`."), "{text}");
    let commands = case.machine.text("/fake/commands");
    assert!(!commands.contains("info --format json"), "{commands}");
}
