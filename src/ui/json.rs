//! JSON lines, for programs: one object per event, each with the format version.

use std::io::Write as _;

use serde_json::{Value, json};

use super::safe;
use crate::change::Progress;
use crate::engine::{Event, Reporter};
use crate::plan::Verdict;

/// The format version; documented in `docs/reference/json.md`.
pub const VERSION: u32 = 1;

/// Prints one JSON object per event.
#[derive(Debug)]
pub struct Json;

/// Prints one object with the format version added.
pub fn line(mut object: Value) {
    if let Some(map) = object.as_object_mut() {
        map.insert("v".to_owned(), VERSION.into());
    }
    // `out` would replace characters if the locale is not UTF-8; JSON must keep them.
    super::busy::clear();
    let mut stream = std::io::stdout().lock();
    let _ = writeln!(stream, "{}", safe::json(&object.to_string())).and_then(|()| stream.flush());
}

/// JSON with control characters escaped.
#[must_use]
pub fn text(json: &str) -> String {
    safe::json(json).into_owned()
}

/// Prints an object that may be large while it is serialized. It includes the format version.
pub fn whole(object: &impl serde::Serialize) {
    super::busy::clear();
    let mut stream = std::io::BufWriter::with_capacity(1 << 16, std::io::stdout().lock());
    let _ = object.serialize(&mut serde_json::Serializer::with_formatter(&mut stream, Safe));
    let _ = writeln!(stream).and_then(|()| stream.flush());
}

/// Escapes as [`text`] does, during serialization.
struct Safe;

impl serde_json::ser::Formatter for Safe {
    fn write_string_fragment<W: ?Sized + std::io::Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> std::io::Result<()> {
        writer.write_all(safe::json(fragment).as_bytes())
    }
}

impl Reporter for Json {
    fn event(&mut self, event: &Event<'_>) {
        line(match event {
            Event::Stage { number, count, id, title, why } => json!({
                "event": "stage", "number": number, "count": count, "id": id, "title": title, "verdict": Verdict::Required, "why": why
            }),
            Event::StageEnd(end) => json!({ "event": "stage-end", "outcome": end }),
            Event::Passed { stage, verdict, why } => {
                json!({ "event": "stage", "id": stage.id, "title": stage.title, "verdict": verdict, "why": why })
            }
            Event::Change { target } => json!({ "event": "change", "target": target }),
            Event::Changed { target } => json!({ "event": "changed", "target": target }),
            Event::Undone { target, .. } => json!({ "event": "undone", "target": target }),
            Event::Kept { target, why, .. } => json!({ "event": "kept", "target": target, "why": why }),
            Event::Trigger { command } => json!({ "event": "follow", "command": command.to_string() }),
            Event::Check(check) if check.passed() => {
                json!({ "event": "check", "what": check.title, "holds": true, "seen": check.details })
            }
            Event::Check(check) => {
                json!({ "event": "check", "what": check.title, "holds": false, "warning": check.is_warning(), "seen": check.details, "hint": check.fix.to_string() })
            }
            Event::Resumed(text) => json!({ "event": "resumed", "text": text }),
            Event::Waiting(text) => json!({ "event": "waiting", "text": text }),
            Event::Progress(Progress::Waiting(text)) => json!({ "event": "waiting", "text": text }),
            Event::Warn(text) => json!({ "event": "warning", "text": text }),
            Event::Progress(Progress::Note(text)) => json!({ "event": "note", "text": text }),
            Event::Progress(Progress::Line(text)) => json!({ "event": "output", "text": text }),
            Event::Progress(Progress::Bytes(done, total)) => {
                json!({ "event": "bytes", "done": done, "total": total })
            }
            Event::Progress(Progress::Percent(percent, what)) => {
                json!({ "event": "percent", "percent": percent, "what": what })
            }
        });
    }
}
