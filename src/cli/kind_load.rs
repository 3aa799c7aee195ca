//! `kind-wsl kind load docker-image` with podman. kind asks a program named docker for the images (kind#2027), and one
//! archive of several images that podman writes without `--multi-image-archive` is one image (kind#4033).

use std::ffi::OsString;
use std::sync::atomic::Ordering;
use std::time::Duration;

use indicatif::HumanBytes;
use serde_json::Value;

use super::Global;
use super::session::Session;
use crate::checks::kind::kind_version;
use crate::compat::COMPAT;
use crate::engine::Event;
use crate::error::{Exit, Failure};
use crate::host::{Cmd, System, TempDir, free_space};
use crate::ui::{self, out};

/// How long a save or a load may take: many gigabytes on a slow disk.
const BOUND: Duration = Duration::from_hours(1);

/// The images and the flags of a `load docker-image`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Load {
    images: Vec<String>,
    flags: Vec<String>,
}

impl Load {
    /// The command line, if it is one; `None` leaves it to kind, as everything that is not known here.
    pub(super) fn parse(args: &[OsString]) -> Option<Self> {
        let words: Option<Vec<&str>> = args.iter().map(|arg| arg.to_str()).collect();
        let words = words?;
        let ["load", "docker-image", rest @ ..] = words.as_slice() else { return None };
        let mut load = Self::default();
        let mut rest = rest.iter();
        while let Some(word) = rest.next() {
            match *word {
                "--name" | "-n" | "--nodes" => {
                    load.flags.extend([(*word).to_owned(), (*rest.next()?).to_owned()]);
                }
                flag if flag.starts_with("--name=") || flag.starts_with("--nodes=") => {
                    load.flags.push(flag.to_owned());
                }
                other if other.starts_with('-') || other.is_empty() => return None,
                image => load.images.push(image.to_owned()),
            }
        }
        (!load.images.is_empty()).then_some(load)
    }

    /// Saves the images and has kind load the archive. `kind` and `env` are those of every other command of kind.
    pub(super) fn run(
        &self,
        session: &Session,
        global: &Global,
        (program, before): (&str, &[String]),
        env: &[(String, String)],
    ) -> Result<Exit, Failure> {
        let stop = Session::stop();
        let with_env =
            |cmd: Cmd| env.iter().fold(cmd, |cmd, (name, value)| cmd.with_env(name, value)).timeout(BOUND);
        let podman = |words: &[&str]| with_env(Cmd::new("podman", words.iter().copied()));
        let (mut names, mut size) = (Vec::new(), 0);
        for image in &self.images {
            let output =
                session.host.run_readonly(&podman(&["image", "inspect", "--format", "json", "--", image]))?;
            let Some(found) = serde_json::from_str::<Value>(&output.stdout).ok().filter(|_| output.code == 0)
            else {
                let why = output.complaint().unwrap_or("podman image inspect printed nothing");
                let mut failure =
                    Failure::new(format!("podman has no image `{image}`"), Some("podman images".to_owned()));
                failure.causes.push(why.to_owned());
                return Err(failure);
            };
            size += found.pointer("/0/Size").and_then(Value::as_u64).unwrap_or_default();
            let name = full_name(&found, image);
            if !names.contains(&name) {
                names.push(name);
            }
        }
        let dir = room(size)?;
        let archive = dir.path("images.tar");
        let mut reporter = ui::reporter(false, global.verbose, global.quiet);
        let count = names.len();
        let what = if count == 1 { "1 image".to_owned() } else { format!("{count} images") };
        reporter.event(&Event::Waiting(&format!("saving {what} ({})", HumanBytes(size))));
        let mut words = vec![
            "save",
            "--multi-image-archive",
            "--format",
            "docker-archive",
            "--output",
            archive.as_str(),
            "--",
        ];
        words.extend(names.iter().map(String::as_str));
        session.host.run(&podman(&words), &mut |_| {})?;
        if stop.load(Ordering::Relaxed) {
            return Ok(Exit::Interrupted);
        }
        reporter.event(&Event::Waiting(&format!("loading {what} into the nodes")));
        let words = before.iter().map(String::as_str).chain(["load", "image-archive", archive.as_str()]);
        let cmd = with_env(Cmd::new(program, words.chain(self.flags.iter().map(String::as_str))));
        let done = session.host.run(&cmd, &mut |line| {
            reporter.event(&Event::Progress(&crate::change::Progress::Line(line.to_owned())));
        });
        drop(reporter);
        done?;
        if !global.quiet {
            out(&format!("Loaded {}.", names.join(", ")));
        }
        Ok(Exit::Done)
    }
}

/// Whether this kind needs it. A kind that does not report its version is taken for one that does.
pub(super) fn is_needed(session: &Session, kind: &str) -> bool {
    let version = kind_version(&session.host, &session.user, kind);
    version.is_none_or(|version| COMPAT.kind.loads_from_docker.is_true_of(&version))
}

/// The full name of the image that podman found for a short name, such as `localhost/app:latest` for `app`. An
/// image that was named by its ID has the first of its names.
fn full_name(found: &Value, image: &str) -> String {
    let tags = found.pointer("/0/RepoTags").and_then(Value::as_array);
    let tags: Vec<&str> = tags.into_iter().flatten().filter_map(Value::as_str).collect();
    let has_tag = image.rsplit('/').next().is_some_and(|last| last.contains([':', '@']));
    let wanted = if has_tag { image.to_owned() } else { format!("{image}:latest") };
    let is_it = |tag: &&&str| {
        **tag == wanted || tag.strip_suffix(wanted.as_str()).is_some_and(|rest| rest.ends_with('/'))
    };
    let is_id = image.len() >= 12 && image.bytes().all(|b| b.is_ascii_hexdigit());
    let first = tags.first().filter(|_| is_id);
    tags.iter().find(is_it).or(first).map_or_else(|| image.to_owned(), |tag| (*tag).to_owned())
}

/// A directory with room for an archive of this size, which podman writes as a whole; `/var/tmp` is often larger.
fn room(size: u64) -> Result<TempDir, Failure> {
    let free = |dir: &&str| free_space(dir).unwrap_or_default();
    let dirs = ["/tmp", "/var/tmp"];
    let Some(dir) = dirs.iter().find(|dir| free(dir) > size) else {
        let most = dirs.iter().map(free).max().unwrap_or_default();
        let text = format!(
            "the images need {} of temporary space, and /tmp and /var/tmp have {} at most",
            HumanBytes(size),
            HumanBytes(most)
        );
        return Err(Failure::new(text, Some("free some space, or load fewer images at a time".to_owned())));
    };
    TempDir::within(dir).map_err(|e| Failure::new(format!("cannot create a directory in {dir}: {e}"), None))
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use serde_json::json;

    use super::{Load, full_name};

    fn parse(line: &str) -> Option<Load> {
        Load::parse(&line.split(' ').map(OsString::from).collect::<Vec<_>>())
    }

    #[test]
    fn only_a_load_of_images_with_known_flags_is_taken_from_kind() {
        let load = parse("load docker-image a b:1 --name dev --nodes=x,y c").unwrap();
        assert_eq!(
            (load.images.join(" "), load.flags.join(" ")),
            ("a b:1 c".into(), "--name dev --nodes=x,y".into())
        );
        for line in [
            "load image-archive x.tar",
            "load docker-image",
            "load docker-image a --help",
            "load docker-image a --name",
            "load",
            "get clusters",
            "load docker-image a -v 3",
        ] {
            assert_eq!(parse(line), None, "{line}");
        }
    }

    #[test]
    fn a_short_name_is_the_one_that_podman_found() {
        let found = json!([{"RepoTags": ["quay.io/me/other:1", "localhost/app:latest", "localhost/app:1"]}]);
        assert_eq!(full_name(&found, "app:1"), "localhost/app:1");
        assert_eq!(full_name(&found, "app"), "localhost/app:latest");
        assert_eq!(full_name(&found, "localhost/app"), "localhost/app:latest");
        assert_eq!(full_name(&found, "me/other:1"), "quay.io/me/other:1");
        assert_eq!(full_name(&found, "0123456789ab"), "quay.io/me/other:1");
        assert_eq!(full_name(&json!([{"RepoTags": null}]), "app@sha256:ab"), "app@sha256:ab");
    }
}
