//! The catalogues: what they hold, what they refuse, what they recommend.

use std::collections::BTreeSet;

use kind_wsl::fetch::catalogue::{
    Arch, Catalogue, Fit, NoteKind, QUORUM, cni, crun, crun_floor, crun_floors, fit, kind, kubectl,
};
use kind_wsl::fetch::{Artifact, ChecksumSource};
use kind_wsl::version::Version;

const ARCHES: [Arch; 5] = [Arch::Amd64, Arch::Arm64, Arch::Ppc64le, Arch::Riscv64, Arch::S390x];

fn all() -> [&'static Catalogue; 4] {
    [crun().unwrap(), kind().unwrap(), kubectl().unwrap(), cni().unwrap()]
}

fn v(text: &str) -> Version {
    text.parse().unwrap()
}

/// A catalogue in which one line is replaced by another.
fn refused(line: &str, by: &str) -> String {
    let good = format!(
        "schema = 1\nname = \"crun\"\ncollected = \"2026-11-21\"\nfile = \"crun-{{version}}-linux-{{arch}}\"\n\
         url = \"https://github.com/x/{{version}}-{{arch}}\"\nrecommended = [\"1.28\"]\n\
         [[release]]\nversion = \"1.28\"\n\
         [release.builds.amd64]\nsha256 = \"{}\"\nsources = [\"github:a/x f\", \"github:b/y g\"]\n",
        "ab".repeat(32)
    );
    assert!(Catalogue::parse("crun", &good).is_ok());
    assert!(good.contains(line), "{line}");
    Catalogue::parse("crun", &good.replace(line, by)).unwrap_err().to_string()
}

#[test]
fn a_checksum_without_a_source_is_refused() {
    let sources = r#"sources = ["github:a/x f", "github:b/y g"]"#;
    for none in ["sources = []", r#"sources = [""]"#, r#"sources = [" ", ""]"#] {
        assert_eq!(refused(sources, none), "catalogue `crun`: 1.28 for amd64 has a sha256 without a source");
    }
    let missing = refused(sources, "");
    assert!(
        missing.starts_with("catalogue `crun` cannot be read: ") && missing.contains("`sources`"),
        "{missing}"
    );
}

#[test]
fn a_checksum_of_the_wrong_form_is_refused() {
    let words = "catalogue `crun`: 1.28 for amd64 has a sha256 that is not 64 lower-case hexadecimal digits";
    let good = "ab".repeat(32);
    for bad in ["ab".repeat(31), "ab".repeat(33), "AB".repeat(32), "gg".repeat(32), String::new()] {
        assert_eq!(refused(&good, &bad), words);
    }
}

#[test]
fn a_recommendation_must_be_sound() {
    for (line, by, words) in [
        (r#"["1.28"]"#, r#"["1.29"]"#, "1.29 is recommended but not in the catalogue"),
        (", \"github:b/y g\"]", "]", "1.28 is recommended although its checksum has a single source"),
        // Two files of one owner are one witness.
        ("github:b/y g", "github:a/z g", "1.28 is recommended although its checksum has a single source"),
        (
            "version = \"1.28\"",
            "version = \"1.28\"\navoid = { text = \"t\", thread = \"u\" }",
            "1.28 is recommended and to be avoided",
        ),
    ] {
        assert_eq!(refused(line, by), format!("catalogue `crun`: {words}"));
    }
}

#[test]
fn the_other_rules_hold_as_well() {
    for (line, by, words) in [
        ("schema = 1", "schema = 2", "schema 2 is not known to this program"),
        ("https:", "http:", "http://github.com/x/{version}-{arch} is not https"),
        (
            "linux-{arch}",
            "linux-{arch}-disable-systemd",
            "crun-{version}-linux-{arch}-disable-systemd is not the name of a build that can be offered",
        ),
        (
            "crun-{",
            "../crun-{",
            "../crun-{version}-linux-{arch} is not the name of a build that can be offered",
        ),
        ("[[release]]", "[[release]]\nversion = \"1.28.0\"\n[[release]]", "1.28.0 is there twice"),
    ] {
        assert_eq!(refused(line, by), format!("catalogue `crun`: {words}"));
    }
    assert!(refused("schema = 1", "schema = 1\ncolour = 1").contains("unknown field `colour`"));
}

#[test]
fn the_built_in_catalogues_follow_the_rules_and_differ_in_every_checksum() {
    let mut seen = BTreeSet::new();
    for catalogue in all() {
        assert!(catalogue.releases.is_sorted_by(|a, b| a.version > b.version), "{}", catalogue.name);
        for build in catalogue.releases.iter().flat_map(|release| release.builds.values()) {
            assert!(seen.insert(&build.sha256), "{} is there twice", build.sha256);
        }
    }
    assert_eq!(seen.len(), 32 + 14 + 18 + 2);
}

#[test]
fn no_systemd_less_build_is_ever_offered() {
    // The first and the newest of them that the public sources give.
    let systemd_less = [
        "03fd3ec6a7799183eaeefba5ebd3f66f9b5fb41a5b080c196285879631ff5dc1",
        "e7b059390e27d0f283e1debbe89d9c5847870f3d8325f31ccd954533fdd6ea78",
    ];
    for catalogue in all() {
        for release in &catalogue.releases {
            for artifact in ARCHES.iter().filter_map(|&arch| catalogue.artifact(&release.version, arch)) {
                assert!(!artifact.url.contains("disable-systemd"), "{}", artifact.url);
                assert!(!systemd_less.contains(&artifact.sha256.as_str()), "{}", artifact.name);
            }
        }
    }
}

#[test]
fn recommended_versions_have_enough_sources_and_meet_every_minimum() {
    let highest = crun_floors().iter().map(|floor| &floor.version).max().unwrap();
    for catalogue in all() {
        for arch in ARCHES {
            let Some(release) = catalogue.recommended(arch) else { continue };
            assert!(release.builds[&arch].independent() >= QUORUM, "{} {arch}", catalogue.name);
            if catalogue.name == "crun" {
                assert_eq!(fit(release, arch, highest), Fit::Suits);
            }
        }
    }
    let names = |arch| all().map(|catalogue| catalogue.recommended(arch).map(|r| r.version.to_string()));
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(names(Arch::Amd64), [some("1.30.1"), some("0.33.0"), some("1.37.1"), some("1.1.1+ds1-3+b5")]);
    assert_eq!(names(Arch::Arm64), [some("1.28"), some("0.33.0"), some("1.37.1"), some("1.1.1+ds1-3+b5")]);
    assert_eq!(names(Arch::S390x), [None, None, None, None]);
}

#[test]
fn the_recommended_kubectl_is_near_enough_to_the_recommended_kind() {
    for arch in [Arch::Amd64, Arch::Arm64] {
        let node = kind().unwrap().recommended(arch).unwrap().kubernetes.clone().unwrap();
        let kubectl = &kubectl().unwrap().recommended(arch).unwrap().version;
        assert!(kubectl.minor().abs_diff(node.minor()) <= 1, "kubectl {kubectl}, node {node}");
    }
}

#[test]
fn artifacts_have_an_address_a_mirror_path_and_checksum_sources() {
    let artifact = crun().unwrap().artifact(&v("1.28"), Arch::Arm64).unwrap();
    let path = "containers/crun/releases/download/1.28/crun-1.28-linux-arm64";
    assert_eq!(artifact.name, "crun 1.28");
    assert_eq!(artifact.file, "crun-1.28-linux-arm64");
    assert_eq!((artifact.url, artifact.path.as_str()), (format!("https://github.com/{path}"), path));
    assert_eq!(artifact.sha256, "cc1e8ec89aef1422e0741be196f9ed099e2e09d2f48f30f27cd44a22ef1f0342");
    assert_eq!(
        (artifact.size, artifact.checksum_source),
        (Some(3_298_128), ChecksumSource::Catalogue { sources: 3 })
    );

    let path = |catalogue: &Catalogue, version| catalogue.artifact(&v(version), Arch::Amd64).unwrap().path;
    assert_eq!(
        path(kind().unwrap(), "0.33.0"),
        "kubernetes-sigs/kind/releases/download/v0.33.0/kind-linux-amd64"
    );
    assert_eq!(path(kubectl().unwrap(), "1.37.1"), "dl.k8s.io/release/v1.37.1/bin/linux/amd64/kubectl");
    assert_eq!(
        path(cni().unwrap(), "1.1.1"),
        "snapshot.debian.org/archive/debian/20261101T000000Z/pool/main/g/golang-github-containernetworking-plugins/\
         containernetworking-plugins_1.1.1+ds1-3+b5_amd64.deb"
    );
    let known_without_checksum = crun().unwrap();
    assert!(known_without_checksum.find(&v("1.26")).is_some());
    assert_eq!(known_without_checksum.artifact(&v("1.26"), Arch::Amd64), None);
}

#[test]
fn an_artifact_comes_back_from_the_journal_as_it_was() {
    let artifact = cni().unwrap().artifact(&v("1.1.1"), Arch::Amd64).unwrap();
    let json = serde_json::to_string(&artifact).unwrap();
    assert!(json.ends_with(r#""size":6768984,"trust":{"catalogue":{"sources":2}}}"#), "{json}");
    assert_eq!(serde_json::from_str::<Artifact>(&json).unwrap(), artifact);
}

#[test]
fn the_user_can_give_the_checksum_of_an_unknown_version() {
    let crun = crun().unwrap();
    let artifact = crun.user_artifact(&v("v1.31-../../x"), Arch::Riscv64, &"AB".repeat(32)).unwrap();
    assert_eq!(
        artifact.url,
        "https://github.com/containers/crun/releases/download/1.31/crun-1.31-linux-riscv64"
    );
    assert_eq!(
        (artifact.sha256, artifact.size, artifact.checksum_source),
        ("ab".repeat(32), None, ChecksumSource::User)
    );
    let error = crun.user_artifact(&v("1.31"), Arch::Amd64, "abc").unwrap_err().to_string();
    assert_eq!(error, "`abc` is not a sha256: that has 64 hexadecimal digits");
}

#[test]
fn a_typo_finds_the_nearest_version() {
    let crun = crun().unwrap();
    for (typed, near) in [
        ("1.28", Some("1.28")),
        ("v1.28", Some("1.28")),
        ("1.82", Some("1.28")),
        ("1.4.13", Some("1.14.3")),
        ("1.31.1", Some("1.30.1")),
        ("1,21", Some("1.21")),
        ("latest", None),
        ("7", None),
        ("", None),
    ] {
        assert_eq!(crun.near_match(typed), near, "{typed}");
    }
}

#[test]
fn the_floor_rises_with_kernel_and_podman() {
    let floor =
        |kernel: &str, podman: &str| crun_floor(kernel.parse().ok().as_ref(), podman.parse().ok().as_ref());
    for (kernel, podman, version) in [
        ("5.15", "", "1.9"),
        ("5.15", "4.9.3", "1.9"),
        ("6.5", "3.4.4", "1.9"),
        ("6.6", "4.3.1", "1.9.1"),
        ("7.0", "", "1.9.1"),
        ("5.15", "5.0", "1.14.3"),
        ("6.18.40.1-microsoft-standard-WSL2", "6.1.3", "1.14.3"),
    ] {
        assert_eq!(floor(kernel, podman).version.as_str(), version, "{kernel} {podman}");
    }
    assert!(floor("6.6", "4.3.1").source.contains("crun#1308"));
    assert!(crun_floors().iter().map(|floor| &floor.version).is_sorted());
}

#[test]
fn a_release_is_supported_or_has_a_reason() {
    let crun = crun().unwrap();
    let judge = |version, arch, floor| fit(crun.find(&v(version)).unwrap(), arch, &v(floor));
    assert_eq!(judge("1.28", Arch::Amd64, "1.14.3"), Fit::Suits);
    assert_eq!(judge("1.14.2", Arch::Amd64, "1.14.3"), Fit::TooOld { floor: v("1.14.3") });
    assert_eq!(judge("1.30.1", Arch::Arm64, "1.9"), Fit::NoBuild(Arch::Arm64));
    assert_eq!(judge("1.26", Arch::Amd64, "1.9"), Fit::NoBuild(Arch::Amd64));
    let Fit::Regression { text, thread } = judge("1.29.1", Arch::Amd64, "1.9") else { panic!() };
    assert_eq!(thread, "containers/crun#2197");
    assert_eq!(text, "a rootful container can still hide the host's /dev/pts");
    let avoided: Vec<&str> =
        crun.releases.iter().filter(|r| r.avoid.is_some()).map(|r| r.version.as_str()).collect();
    assert_eq!(avoided, ["1.29.1", "1.29", "1.18.1", "1.18", "1.16.1", "1.16", "1.11.1", "1.9"]);
    let notes = &crun.find(&v("1.9.1")).unwrap().notes;
    assert!(notes.iter().any(|note| note.kind == NoteKind::Fixed && note.thread.is_some()));
}

#[test]
fn machines_are_known_by_the_names_that_uname_and_dpkg_give_them() {
    for (machine, arch) in [
        ("x86_64\n", Arch::Amd64),
        ("aarch64", Arch::Arm64),
        ("arm64", Arch::Arm64),
        ("ppc64el", Arch::Ppc64le),
        ("riscv64", Arch::Riscv64),
        ("s390x", Arch::S390x),
    ] {
        assert_eq!(machine.parse::<Arch>().unwrap(), arch);
    }
    let error = "armv7l".parse::<Arch>().unwrap_err().to_string();
    assert_eq!(error, "no release is built for the architecture `armv7l`");
    assert_eq!(format!("{:>6}|", Arch::S390x), " s390x|");
}

/// The lines of a source file outside of its tests.
fn lines_of_code(path: &std::path::Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap();
    let code = text.split("#[cfg(test)]").next().unwrap_or_default();
    code.lines().filter(|line| !line.trim_start().starts_with("//")).map(str::to_owned).collect()
}

#[test]
fn versions_are_compared_with_facts_of_the_compatibility_data_alone() {
    let mut dirs = vec![std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    let mut files = 0;
    while let Some(dir) = dirs.pop() {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                dirs.push(path);
                continue;
            }
            let is_exempt = path.ends_with("src/version.rs") || path.ends_with("src/compat.rs");
            if is_exempt || path.extension().is_none_or(|e| e != "rs") || path.ends_with("tests.rs") {
                continue;
            }
            files += 1;
            // A version may be printed anywhere.
            for line in lines_of_code(&path).into_iter().filter(|line| !line.contains("format!(")) {
                for rule in ["Version::from([", ".major()", ".minor()", "is_before(\""] {
                    assert!(!line.contains(rule), "{}: {}", path.display(), line.trim());
                }
            }
        }
    }
    assert!(files > 150, "{files}");
}
