//! `kind-wsl kind load docker-image` with podman, whose images kind does not find.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::attacks::environment::jail;
use crate::attacks::jail::Jail;

const PODMAN: &str = r#"#!/bin/sh
echo "podman $*" >> /fake/calls
for last; do :; done
case $1 in
image) [ "$last" != absent ] || { echo 'Error: absent: image not known' >&2; exit 125; }
  echo '[{"Size":10,"RepoTags":["localhost/a:latest","localhost/b:1","quay.io/me/c:2"]}]';;
save) [ ! -e /fake/full ] || { echo 'Error: no space left on device' >&2; exit 125; }
  while [ "$1" != --output ]; do shift; done; echo archive > "$2";;
esac
"#;

const KIND: &str = r#"#!/bin/sh
[ "$1" != version ] || { echo "kind v0.33.0 go1.26 linux/amd64"; exit; }
[ "$2" != image-archive ] || read -r content < "$3"
echo "kind $KIND_EXPERIMENTAL_PROVIDER $* ($content)" >> /fake/calls
[ ! -e /fake/broken ] || { echo 'ERROR: no nodes found' >&2; exit 1; }
"#;

fn with_images() -> Option<Jail> {
    let jail = jail()?;
    for (path, script) in [("/usr/local/bin/podman", PODMAN), ("/usr/local/bin/kind", KIND)] {
        jail.case.machine.write(path, script);
        fs::set_permissions(jail.path(path), fs::Permissions::from_mode(0o755)).unwrap();
    }
    Some(jail)
}

/// The calls of podman and kind, with the archive's directory as `DIR`; nothing is left in /tmp.
fn calls(jail: &Jail) -> Vec<String> {
    let left: Vec<_> = fs::read_dir(jail.path("/tmp")).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(left.is_empty(), "{left:?}");
    let text = fs::read_to_string(jail.path("/fake/calls")).unwrap_or_default();
    let plain = |word: &str| {
        let is_archive = word.starts_with("/tmp/kind-wsl.") && word.ends_with("/images.tar");
        if is_archive { "ARCHIVE".to_owned() } else { word.to_owned() }
    };
    let line = |line: &str| line.split(' ').map(plain).collect::<Vec<_>>().join(" ");
    let is_shown = |line: &&str| line.starts_with("podman save ") || line.starts_with("kind ");
    text.lines().filter(is_shown).map(line).collect()
}

#[test]
fn several_images_of_podman_are_loaded_as_one_archive() {
    let Some(jail) = with_images() else { return };
    let words =
        ["kind", "load", "docker-image", "a", "localhost/b:1", "me/c:2", "a", "--name", "dev", "--nodes=x,y"];
    let ended = jail.run(1000, &[], &words);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.said.ends_with("Loaded localhost/a:latest, localhost/b:1, quay.io/me/c:2.\n"), "{ended:?}");
    assert_eq!(
        calls(&jail),
        [
            "podman save --multi-image-archive --format docker-archive --output ARCHIVE -- localhost/a:latest localhost/b:1 quay.io/me/c:2",
            "kind podman load image-archive ARCHIVE --name dev --nodes=x,y (archive)",
        ]
    );
}

#[test]
fn an_image_that_podman_does_not_have_ends_the_load_before_anything_is_saved() {
    let Some(jail) = with_images() else { return };
    let ended = jail.run(1000, &[], &["kind", "load", "docker-image", "a", "absent"]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.said.contains("error: podman has no image `absent`\n"), "{ended:?}");
    assert!(ended.said.contains("hint: podman images\n"), "{ended:?}");
    assert_eq!(calls(&jail), [""; 0]);
}

#[test]
fn a_load_that_fails_leaves_no_archive_behind() {
    for fault in ["/fake/full", "/fake/broken"] {
        let Some(jail) = with_images() else { return };
        jail.case.machine.write(fault, "");
        let ended = jail.run(1000, &[], &["kind", "load", "docker-image", "a"]);
        assert_eq!(ended.code, Some(1), "{fault}: {ended:?}");
        assert!(
            ended.said.contains("no space left on device") || ended.said.contains("no nodes found"),
            "{ended:?}"
        );
        calls(&jail);
    }
}

#[test]
fn a_load_that_is_not_podmans_is_left_to_kind() {
    for (env, words) in [
        (&[][..], &["load", "image-archive", "x.tar"][..]),
        (&[], &["load", "docker-image", "a", "-v", "3"]),
        (&[("KIND_EXPERIMENTAL_PROVIDER", "docker")], &["load", "docker-image", "a"]),
    ] {
        let Some(jail) = with_images() else { return };
        jail.run(1000, env, &[&["kind"], words].concat());
        let provider = env.first().map_or("podman", |(_, value)| value);
        assert_eq!(calls(&jail), [format!("kind {provider} {} ()", words.join(" "))]);
    }
}
