//! The line of a stage of setup: `[4/7] packages      done    installed podman, crun, and 7 more  1m 12s`.

use std::time::{Duration, Instant};

use anstyle::Style;

use super::text::{list, short_paths};
use super::{BOLD, DIM, GREEN, RED, YELLOW, marks, styled};
use crate::change::Target;
use crate::engine::{Event, StageEnd};

/// The duration from which on the time of a stage is shown.
const WORTH_SHOWING: Duration = Duration::from_secs(5);

/// The longest path that is shown as a whole.
const LONG_PATH: usize = 40;

/// A running stage and its results.
#[derive(Debug)]
pub(super) struct StageLine {
    place: String,
    id: &'static str,
    pub(super) title: &'static str,
    pub(super) started: Instant,
    /// The results: a verb in the past tense and its object.
    done: Vec<(&'static str, String)>,
    passed: usize,
}

impl StageLine {
    pub(super) fn new(number: usize, count: usize, id: &'static str, title: &'static str) -> Self {
        // As wide as that of the last stage.
        let size = format!("[{count}/{count}]").len();
        let place = format!("{:size$}", format!("[{number}/{count}]"));
        Self { place, id, title, started: Instant::now(), done: Vec::new(), passed: 0 }
    }

    /// Adds an event to the results.
    pub(super) fn note(&mut self, event: &Event<'_>) {
        match event {
            // Two keys of one file are one edited file.
            Event::Changed { target } => {
                let new: Vec<_> = done(target).into_iter().filter(|done| !self.done.contains(done)).collect();
                self.done.extend(new);
            }
            Event::Check(check) if check.passed() => self.passed += 1,
            _ => {}
        }
    }

    /// The place and the name, padded.
    pub(super) fn label(&self) -> String {
        format!("{} {:14}", self.place, self.id)
    }

    pub(super) fn ended(&self, end: StageEnd, width: Option<usize>) -> String {
        let (word, style) = match end {
            StageEnd::Done => ("done", GREEN),
            StageEnd::Failed => ("failed", RED),
            StageEnd::Stopped => ("stopped", YELLOW),
        };
        let time = elapsed(self.started);
        let used = self.place.len() + 1 + 14 + 8 + if time.is_empty() { 0 } else { time.len() + 2 };
        let result =
            if end == StageEnd::Failed { String::new() } else { self.result(width.map(|w| w - used.min(w))) };
        let time = if time.is_empty() { time } else { format!("  {}", styled(DIM, &time)) };
        let label = format!("{} {}", styled(DIM, &self.place), padded(BOLD, self.id, 14));
        format!("{label}{}{result}{time}", padded(style, word, 8)).trim_end().to_owned()
    }

    /// As many results as fit.
    fn result(&self, room: Option<usize>) -> String {
        if self.passed > 0 {
            return format!("{} check{} passed", self.passed, if self.passed == 1 { "" } else { "s" });
        }
        let mut last = "";
        let in_words = |(verb, object): &(&'static str, String)| {
            let again = std::mem::replace(&mut last, verb) == *verb;
            if again { object.clone() } else { format!("{verb} {object}") }
        };
        let done: Vec<String> = self.done.iter().map(in_words).collect();
        list(&done, room)
    }
}

fn padded(style: Style, text: &str, size: usize) -> String {
    format!("{}{:pad$}", styled(style, text), "", pad = size - text.len())
}

/// The elapsed time, if it is long enough to show.
pub(super) fn elapsed(started: Instant) -> String {
    let time = started.elapsed();
    if time < WORTH_SHOWING { String::new() } else { duration(time) }
}

/// `12s`, `2m 41s`, `1h 05m`.
#[must_use]
pub fn duration(time: Duration) -> String {
    match time.as_secs() {
        seconds @ 0..60 => format!("{seconds}s"),
        seconds @ 60..3600 => format!("{}m {:02}s", seconds / 60, seconds % 60),
        seconds => format!("{}h {:02}m", seconds / 3600, seconds % 3600 / 60),
    }
}

/// Returns a change in the past tense.
fn done(target: &Target) -> Vec<(&'static str, String)> {
    let verb = match target.verb.as_str() {
        "edit" => "edited",
        "write" => "wrote",
        "download" => "downloaded",
        "copy" => "copied",
        "install" => "installed",
        "enable" => "enabled",
        "link" => "linked",
        "keep" => "moved aside",
        _ => "set",
    };
    match verb {
        "installed" => target.detail.split(' ').map(|name| (verb, name.to_owned())).collect(),
        "downloaded" => vec![(verb, name_of(target))],
        _ => vec![(verb, short_path(&target.object))],
    }
}

/// Shortens a long path to its last two names: in `user@.service.d/10.conf` both matter.
fn short_path(path: &str) -> String {
    let path = short_paths(path);
    let mut names = path.rsplitn(3, '/');
    match (names.next(), names.next(), names.next()) {
        (Some(name), Some(dir), Some(_)) if path.len() > LONG_PATH => {
            format!("{}/{dir}/{name}", marks::ellipsis())
        }
        _ => path,
    }
}

/// Returns a short description of a change.
pub(super) fn name_of(target: &Target) -> String {
    match target.verb.as_str() {
        "download" => target.detail.split(',').next().unwrap_or_default().to_owned(),
        _ => target.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{StageEnd, StageLine, duration};
    use crate::change::Target;
    use crate::engine::Event;
    use crate::ui::safe::shown;

    fn line(done: &[(&str, &str, &str)]) -> StageLine {
        let mut line = StageLine::new(4, 12, "limits", "raise kernel limits");
        for (verb, object, detail) in done {
            let [verb, object, detail] = [verb, object, detail].map(|word| (*word).to_owned());
            line.note(&Event::Changed { target: &Target { verb, object, detail } });
        }
        line
    }

    fn plain(line: &StageLine, end: StageEnd, width: Option<usize>) -> String {
        anstream::adapter::strip_str(&shown(&line.ended(end, width))).to_string()
    }

    #[test]
    fn two_keys_of_one_file_are_one_edited_file() {
        let file = ("edit", "/mnt/c/Users/dev/.wslconfig", "");
        let text = plain(&line(&[file, file]), StageEnd::Done, None);
        assert!(text.ends_with("done    edited /mnt/c/Users/dev/.wslconfig"), "{text}");
    }

    #[test]
    fn a_stage_ends_with_one_line_that_fits_the_width() {
        let line = line(&[
            ("write", "/etc/sysctl.d/99-kind-wsl.conf", ""),
            ("set", "fs.inotify.max_user_watches", "524288"),
            ("set", "fs.inotify.max_user_instances", "512"),
        ]);
        assert_eq!(
            plain(&line, StageEnd::Done, Some(80)),
            "[4/12]  limits        done    wrote /etc/sysctl.d/99-kind-wsl.conf, and 2 more"
        );
        for width in 40..140 {
            let text = plain(&line, StageEnd::Done, Some(width));
            assert!(text.chars().count() <= width, "{width}: {text}");
        }
        assert!(plain(&line, StageEnd::Done, None).ends_with(
            "wrote /etc/sysctl.d/99-kind-wsl.conf, set fs.inotify.max_user_watches, fs.inotify.max_user_instances"
        ));
        assert_eq!(plain(&line, StageEnd::Failed, Some(80)), "[4/12]  limits        failed");
    }

    #[test]
    fn packages_and_downloads_are_named() {
        let packages = line(&[("install", "packages", "podman crun")]);
        assert!(plain(&packages, StageEnd::Done, Some(80)).ends_with("installed podman, crun"));
        let crun = line(&[("download", "/home/dev/.local/bin/crun", "crun 1.30.1, sha256 3eb65e4effbb…")]);
        assert!(plain(&crun, StageEnd::Done, Some(80)).ends_with("downloaded crun 1.30.1"));
    }

    #[test]
    fn a_duration_has_two_units_at_most() {
        let shown = [7, 161, 3900].map(|seconds| duration(Duration::from_secs(seconds)));
        assert_eq!(shown, ["7s", "2m 41s", "1h 05m"]);
    }
}
