//! Downloads through the real program, from a real TLS server: ahead of their stage, killed in the middle and resumed,
//! from the list of releases, into a directory. The faults of a line are in `tests/it/fetch.rs`.

mod mirror;

use std::fs;
use std::process::{Command, Stdio};
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::{Duration, Instant};

use kind_wsl::change::{Change, Context, Manager, Package, PackageFile};
use kind_wsl::fetch::catalogue::{self, Arch};
use kind_wsl::fetch::{Artifact, Fetcher, Source};
use kind_wsl::host::{FaultInjector, digest};

use crate::downloads::mirror::Mirror;
use crate::support::cli::Case;
use crate::support::{Layout, Machine, elf};

const CRUN_PATH: &str = "/containers/crun/releases/download/1.30.1/crun-1.30.1-linux-amd64";
const RELEASES: &str = "/repos/containers/crun/releases";

/// A program large enough to arrive in many pieces.
fn program() -> Vec<u8> {
    let mut bytes = elf::crun("1.30.1");
    bytes.extend((0..400_000_u32).map(|n| b'a' + (n % 23) as u8));
    bytes
}

fn setup(mirror: &Mirror) -> String {
    let sha256 = digest(&program());
    format!(
        "setup --yes --tools none --kind-wrapper no --crun-version 1.30.1 --crun-sha256 {sha256} --mirror {}",
        mirror.url()
    )
}

const INSTALLED: &str = "/home/dev/.local/bin/crun";
const DOWNLOADS: &str = "/var/lib/kind-wsl/downloads";

#[test]
fn the_downloads_of_a_plan_are_fetched_once_and_their_parts_are_deleted() {
    let mirror = Mirror::new(&[(CRUN_PATH, program())]);
    let case = mirror.case(Layout::Modern);
    case.run(&setup(&mirror)).expect(3, "");
    assert_eq!(fs::read(case.machine.path(INSTALLED)).unwrap(), program());
    assert_eq!(mirror.asked(), [(CRUN_PATH.to_owned(), 0)]);
    case.machine.boot(2);
    case.run("setup").expect(0, "");
    assert!(!case.machine.path(DOWNLOADS).exists());
}

#[test]
fn a_setup_killed_during_a_download_resumes_it_and_no_part_is_executable() {
    let mirror = Mirror::new(&[(CRUN_PATH, program())]);
    let case = mirror.case(Layout::Modern);
    let half = program().len() / 2;
    *mirror.played.stands_still.lock().unwrap() = Some(half);
    let mut child = case.start(&setup(&mirror));
    let part = case.machine.path(&format!("{DOWNLOADS}/{}.partial", digest(&program())));
    let begin = Instant::now();
    while fs::metadata(&part).map_or(0, |m| m.len()) < half as u64 {
        assert!(child.try_wait().unwrap().is_none(), "it ended by itself");
        assert!(begin.elapsed() < Duration::from_secs(30), "the part never had {half} bytes");
        thread::sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!case.machine.path(INSTALLED).exists());
    *mirror.played.stands_still.lock().unwrap() = None;
    case.run(&setup(&mirror)).expect(3, "");
    assert_eq!(fs::read(case.machine.path(INSTALLED)).unwrap(), program());
    assert_eq!(mirror.asked(), [(CRUN_PATH.to_owned(), 0), (CRUN_PATH.to_owned(), half)]);
}

#[test]
fn a_file_with_another_checksum_is_deleted_and_the_stage_reports_it() {
    let mirror = Mirror::new(&[(CRUN_PATH, b"<!DOCTYPE html><p>Log in first".to_vec())]);
    let case = mirror.case(Layout::Modern);
    let seen = case.run(&setup(&mirror));
    assert_eq!(seen.code, 1);
    assert!(seen.stderr.contains("it looks like an HTML page"), "{}", seen.stderr);
    assert!(!case.machine.path(INSTALLED).exists());
    let left: Vec<_> = fs::read_dir(case.machine.path(DOWNLOADS)).unwrap().flatten().collect();
    assert!(left.is_empty(), "{left:?}");
}

/// A list that names one release.
fn list(version: &str) -> Vec<u8> {
    format!(
        r#"[{{"tag_name":"9.99","draft":false,"prerelease":true}},{{"tag_name":"{version}","draft":false,"prerelease":false}},
        {{"tag_name":"1.9","draft":false,"prerelease":false}},{{"tag_name":"9.9","draft":true,"prerelease":false}}]"#
    )
    .into_bytes()
}

#[test]
fn the_newest_version_is_asked_for_only_when_it_is_wanted_and_needs_a_signature() {
    let mirror = Mirror::new(&[(RELEASES, list("1.98"))]);
    let case = mirror.publisher(Layout::Modern);
    let seen = case.run("plan --downloads --crun-version latest");
    if Command::new("gpgv").arg("--version").stdout(Stdio::null()).status().is_ok() {
        let file = "/containers/crun/releases/download/1.98/crun-1.98-linux-amd64";
        let error = format!("error: `https://github.com{file}` answers 404 Not Found");
        assert!(seen.stderr.contains(&error), "{}", seen.stderr);
        assert_eq!(mirror.asked(), [(RELEASES.to_owned(), 0), (file.to_owned(), 0)]);
    } else {
        assert!(seen.stdout.contains("install `gpgv`"), "{}", seen.stdout);
    }
    let asked = mirror.asked().len();
    case.run("plan").expect(0, "");
    assert_eq!(mirror.asked().len(), asked, "the list was asked for");
}

#[test]
fn a_list_of_releases_that_is_older_than_the_catalogue_does_not_lead_back() {
    let mirror = Mirror::new(&[(RELEASES, list("1.15"))]);
    let seen = mirror.publisher(Layout::Modern).run("plan --downloads --crun-version latest").expect(0, "");
    assert!(seen.stdout.contains("crun 1.30.1"), "{}", seen.stdout);
    assert_eq!(mirror.asked(), [(RELEASES.to_owned(), 0)]);
}

#[test]
fn the_newest_version_never_comes_from_a_mirror() {
    let mirror = Mirror::new(&[("/api.github.com/repos/containers/crun/releases", list("1.98"))]);
    let case = mirror.case(Layout::Modern);
    let seen =
        case.run(&format!("plan --downloads --crun-version latest --mirror {}", mirror.url())).expect(0, "");
    assert!(seen.stdout.contains("crun 1.30.1"), "{}", seen.stdout);
    assert_eq!(mirror.asked(), []);
}

#[test]
fn a_response_that_is_not_a_list_of_releases_is_unexpected() {
    let mirror = Mirror::new(&[(RELEASES, b"{\"message\":\"API rate limit exceeded\"}".to_vec())]);
    let seen = mirror.publisher(Layout::Modern).run("plan --downloads --crun-version latest");
    assert_eq!(seen.code, 1);
    assert!(seen.stderr.contains("error: cannot determine the newest crun version"), "{}", seen.stderr);
    assert!(seen.stderr.contains("unexpected response from"), "{}", seen.stderr);
}

#[test]
fn a_damaged_file_in_the_download_cache_is_fetched_again() {
    let (right, sha256) = (program(), digest(&program()));
    let mut flipped = right[..right.len() / 2].to_vec();
    flipped[200] ^= 1;
    for (name, bytes, asked) in [
        (sha256.clone(), b"damaged".to_vec(), vec![0]),
        (sha256.clone(), Vec::new(), vec![0]),
        // The rest of a damaged part does not make the file, so the whole is fetched once.
        (format!("{sha256}.partial"), flipped.clone(), vec![flipped.len(), 0]),
        // One that is too long, or as long as the file.
        (format!("{sha256}.partial"), vec![0; right.len() - 1], vec![right.len() - 1, 0]),
    ] {
        let mirror = Mirror::new(&[(CRUN_PATH, right.clone())]);
        let case = mirror.case(Layout::Modern).file(&format!("{DOWNLOADS}/{name}"), bytes);
        case.run(&setup(&mirror)).expect(3, "");
        assert_eq!(fs::read(case.machine.path(INSTALLED)).unwrap(), right);
        let starts: Vec<usize> = mirror.asked().into_iter().map(|(_, start)| start).collect();
        assert_eq!(starts, asked);
    }
}

#[test]
fn a_program_of_another_version_or_machine_is_not_installed_although_its_checksum_is_right() {
    let mut foreign = elf::crun("1.30.1");
    foreign[18] = 183;
    for (bytes, why) in [
        (elf::crun("1.14.3"), "it reports version 1.14.3"),
        (foreign, "it is not an ELF executable for amd64"),
        (b"#!/bin/sh\necho crun version 1.30.1\n".to_vec(), "it is not an ELF executable for amd64"),
    ] {
        let mirror = Mirror::new(&[(CRUN_PATH, bytes.clone())]);
        let case = mirror.case(Layout::Modern).file("/offline/crun-1.30.1-linux-amd64", &bytes);
        let asks = format!(
            "setup --yes --tools none --kind-wrapper no --crun-version 1.30.1 --crun-sha256 {}",
            digest(&bytes)
        );
        for from in [
            "--offline [ROOT]/offline".to_owned(),
            format!("--mirror {}", mirror.url()),
            "--crun-binary /offline/crun-1.30.1-linux-amd64".to_owned(),
        ] {
            let seen = case.run(&format!("{asks} {from}"));
            assert_eq!(seen.code, 1, "{from}");
            assert!(seen.stderr.contains(&format!("this is not crun 1.30.1: {why}")), "{}", seen.stderr);
            assert!(!case.machine.path(INSTALLED).exists(), "{from}");
        }
        assert!(!case.machine.path(&format!("{DOWNLOADS}/{}", digest(&bytes))).exists());
    }
}

#[test]
fn a_token_in_the_path_of_a_mirror_is_shown_and_written_nowhere() {
    const TOKEN: &str = "t0ken-42";
    let mirror = Mirror::new(&[]);
    let case = mirror.case(Layout::Modern);
    let url = format!("{}/{TOKEN}/mirror", mirror.url());
    let asks = setup(&mirror).replace(&mirror.url(), &url);
    let seen = [
        case.run(&asks.replace("setup --yes", "plan --downloads")),
        case.run(&asks.replace("setup --yes", "plan --json")),
        case.run(&asks),
        case.run(&asks.replace("setup", "setup --json")),
        case.run("status"),
        case.run("status --json"),
        case.run("plan --json"),
        case.run("report"),
    ];
    for seen in &seen {
        assert!(!seen.stdout.contains(TOKEN) && !seen.stderr.contains(TOKEN), "{seen:?}");
    }
    let shown = format!("{}/…{CRUN_PATH}", mirror.url());
    let ascii = shown.replace('…', "...");
    assert!(seen[0].stdout.contains(&ascii) && !seen[0].stdout.contains("github.com"), "{}", seen[0].stdout);
    assert!(seen[1].stdout.contains(&format!("\"source\":\"{shown}\"")), "{}", seen[1].stdout);
    assert!(seen[2].stderr.contains(&format!("`{ascii}` answers 404 Not Found")), "{}", seen[2].stderr);
    let journal = fs::read_to_string(case.machine.path(crate::support::cli::JOURNAL)).unwrap();
    assert!(journal.contains(&format!("{}/…", mirror.url())) && !journal.contains(TOKEN), "{journal}");
    // What was not written down is needed again.
    case.run("setup --yes").expect(
        2,
        &format!(
            "
            error: the address of the mirror `{}/...` is needed again: its path was not saved
            hint: run `kind-wsl setup --mirror URL` with the whole address
            ",
            mirror.url()
        ),
    );
}

#[test]
fn an_incomplete_offline_directory_is_refused_before_the_first_change() {
    let case = Case::new(Layout::Modern);
    fs::write(case.machine.path("/offline/kubectl"), "another").unwrap();
    let asks = "--crun-version 1.28 --tools both --kind-wrapper no --offline [ROOT]/offline";
    let seen = case.run(&format!("setup --yes {asks}"));
    assert_eq!(seen.code, 1);
    let lines = [
        "error: the offline directory `[ROOT]/offline` cannot provide 3 of 3 files",
        "because: `crun-1.28-linux-amd64` (crun 1.28) is missing",
        "because: `kind-linux-amd64` (kind 0.33.0) is missing",
        "because: `[ROOT]/offline/kubectl` is not kubectl 1.37.1: its sha256 is",
        "hint: on a machine with a network, `kind-wsl crun fetch 1.28 --all --arch amd64 --to DIR` fetches them",
    ];
    let told = seen.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
    for line in lines {
        assert!(told.contains(line), "{line}: {}", seen.stderr);
    }
    assert!(!case.machine.has_journal());
    let plan = case.run(&format!("plan --downloads {asks}"));
    assert_eq!((plan.code, plan.stderr.as_str()), (0, seen.stderr.as_str()));
    assert!(plan.stdout.contains("[ROOT]/offline/kind-linux-amd64"), "{}", plan.stdout);
    assert!(!plan.stdout.contains("github.com"), "{}", plan.stdout);
    let plan = case.run(&format!("plan --json {asks}"));
    assert!(plan.stdout.contains("\"source\":\"[ROOT]/offline/kind-linux-amd64\""), "{}", plan.stdout);
    assert!(plan.stdout.contains("`kind-linux-amd64` (kind 0.33.0) is missing"), "{}", plan.stdout);
}

#[test]
fn a_resumed_setup_does_not_need_the_offline_files_that_are_installed() {
    let case = Case::new(Layout::Modern);
    case.run(&format!("setup {}", crate::support::cli::agreed())).expect(3, "");
    fs::remove_file(case.machine.path("/offline/crun-1.30.1-linux-amd64")).unwrap();
    case.machine.boot(2);
    case.run("setup").expect(0, "");
}

#[test]
fn a_directory_is_filled_completely_or_not_at_all() {
    let mirror = Mirror::new(&[(CRUN_PATH, program())]);
    let case = mirror.case(Layout::Modern);
    let seen = case.run(&format!("crun fetch 1.30.1 --to [ROOT]/usb --mirror {}", mirror.url()));
    assert_eq!(seen.code, 1);
    assert!(seen.stderr.contains("is not crun 1.30.1: its sha256 is"), "{}", seen.stderr);
    assert_eq!(fs::read_dir(case.machine.path("/usb")).unwrap().count(), 0);
    case.run("crun fetch 1.3O --to [ROOT]/usb").expect(
        2,
        "
        error: no checksum of crun `1.3O` for amd64 is known
        hint: did you mean `1.30`? `kind-wsl crun list` shows the versions
        ",
    );
    fs::write(case.machine.path("/usb/crun-1.30.1-linux-amd64"), "mine").unwrap();
    let seen = case.run(&format!("crun fetch 1.30.1 --to [ROOT]/usb --mirror {}", mirror.url()));
    assert!(seen.stderr.contains("exists and is not crun 1.30.1"), "{}", seen.stderr);
    assert_eq!(fs::read_to_string(case.machine.path("/usb/crun-1.30.1-linux-amd64")).unwrap(), "mine");
}

#[test]
fn dpkg_gets_the_path_that_a_package_file_has_in_the_tree_of_root() {
    const NAME: &str = "containernetworking-plugins";
    let machine = Machine::new(Layout::Modern);
    fs::create_dir_all(machine.path("/var/lib/kind-wsl")).unwrap();
    machine.write("/offline/plugins.deb", "a package");
    machine.write("/fake/deb", format!("{NAME} 1.1.1\n"));
    let artifact = Artifact {
        file: "plugins.deb".to_owned(),
        sha256: digest(b"a package"),
        size: None,
        ..catalogue::cni().unwrap().artifact(&"1.1.1".parse().unwrap(), Arch::Amd64).unwrap()
    };
    let file = Some(PackageFile { artifact, version: "1.1.1".to_owned() });
    let change = Change::from(Package {
        manager: Manager::Apt,
        names: vec![NAME.to_owned()],
        file,
        removes: Vec::new(),
    });
    let host = machine.host(FaultInjector::default());
    let source = Source { offline: Some(machine.path("/offline")), ..Source::default() };
    let mut fetcher = Fetcher::new(&host, source, Vec::new());
    let (seen, goal) = (change.current(&host).unwrap(), change.desired(&host).unwrap().state);
    let (stop, mut progress) = (AtomicBool::new(false), |_| {});
    let mut context =
        Context { host: &host, fetcher: &mut fetcher, stop: &stop, progress: &mut progress, seen: &seen };
    change.set(&mut context, &goal, None).unwrap();
    assert_eq!(change.current(&host).unwrap().to_string(), goal.to_string());
    let commands = machine.text("/fake/commands");
    assert!(commands.contains("\ndpkg -i /var/lib/kind-wsl/fetched.deb\n"), "{commands}");
}
