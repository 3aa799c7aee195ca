//! A file as it may be published: documented keys, with values of a known form. Everything else is replaced by its
//! length.

use super::chars::{Eol, UTF8_BOM, UTF16BE_BOM, UTF16LE_BOM};
use super::scan::{Item, What};
use super::{Dialect, Document, ProblemKind, Why};
use crate::edit::cmdline;
use crate::edit::shown::{hidden, length};

/// The sections and keys of wsl.conf and .wslconfig (MicrosoftDocs/WSL `wsl-config.md`), as `section.key`.
const KEYS: &[&str] = &[
    "automount.cgroups",
    "automount.enabled",
    "automount.mountfstab",
    "automount.root",
    "boot.protectbinfmt",
    "boot.systemd",
    "experimental.autoproxy",
    "experimental.automemoryreclaim",
    "experimental.besteffortdnsparsing",
    "experimental.dnstunneling",
    "experimental.firewall",
    "experimental.hostaddressloopback",
    "experimental.networkingmode",
    "experimental.sparsevhd",
    "general.instanceidletimeout",
    "gpu.enabled",
    "interop.appendwindowspath",
    "interop.enabled",
    "network.generatehosts",
    "network.generateresolvconf",
    "time.usewindowstimezone",
    "wsl2.autoproxy",
    "wsl2.debugconsole",
    "wsl2.defaultvhdsize",
    "wsl2.dhcp",
    "wsl2.dhcptimeout",
    "wsl2.dnsproxy",
    "wsl2.dnstunneling",
    "wsl2.firewall",
    "wsl2.guiapplications",
    "wsl2.gpusupport",
    "wsl2.ipv6",
    "wsl2.kernelcommandline",
    "wsl2.localhostforwarding",
    "wsl2.maxcrashdumpcount",
    "wsl2.memory",
    "wsl2.mountdevicetimeout",
    "wsl2.nestedvirtualization",
    "wsl2.networkingmode",
    "wsl2.pagereporting",
    "wsl2.processors",
    "wsl2.safemode",
    "wsl2.swap",
    "wsl2.vmidletimeout",
];

/// Values that are words: booleans, network modes, ways to reclaim memory, cgroup versions.
const WORDS: &[&str] = &[
    "true",
    "false",
    "nat",
    "mirrored",
    "none",
    "bridged",
    "virtioproxy",
    "disabled",
    "gradual",
    "dropcache",
    "v1",
    "v2",
];

impl Document {
    /// The text with the same lines, with only documented keys and values of a known form. WSL reads the same from
    /// it, as far as it is shown.
    #[must_use]
    pub fn shown(&self) -> String {
        // A repair lets WSL read past the line at which it stops, so all lines are examined.
        let whole = Self::parse(&self.bytes, Dialect::WslConfig);
        let is_utf16 = self.bytes.starts_with(UTF16LE_BOM);
        let has_mark = is_utf16 || self.bytes.starts_with(UTF8_BOM) || self.bytes.starts_with(UTF16BE_BOM);
        let mut text = String::new();
        if has_mark && self.dialect == Dialect::WslConf {
            text.push('\u{feff}');
        }
        if whole.scan.items.is_empty() && !whole.complete() {
            return text + &length(&self.bytes);
        }
        let mut line = 1;
        for item in &whole.scan.items {
            let bytes = self.bytes.get(item.bytes.clone()).unwrap_or_default();
            let raw = if is_utf16 { utf16(bytes) } else { String::from_utf8_lossy(bytes).into_owned() };
            let next = line + raw.matches('\n').count();
            text.push_str(&whole.item_shown(item, &raw, &self.bytes));
            // An entry or a broken line may span several.
            text.push_str(&format!("\n{}", hidden("x")).repeat(next.saturating_sub(line + 1)));
            text.push_str(item.eol.map_or("", Eol::to_write));
            line = next;
        }
        text
    }

    fn item_shown(&self, item: &Item, raw: &str, bytes: &[u8]) -> String {
        let raw = raw.trim_matches(['\r', '\n', '\u{feff}']);
        match &item.what {
            What::Blank => String::new(),
            What::Comment => hidden(raw),
            What::Header { name } => {
                let is_known = KEYS.iter().any(|key| key.split('.').next() == Some(name)) || name == "user";
                let as_written = raw.split_inclusive(']').next().unwrap_or_default();
                let shown = as_written.trim_matches([' ', '\t', '[', ']']);
                let comment = raw.get(as_written.len()..).unwrap_or_default();
                match shown.eq_ignore_ascii_case(name) {
                    true if is_known => format!("{as_written}{}", behind(comment)),
                    _ if is_known => format!("[{name}]{}", behind(comment)),
                    _ => "[hidden]".to_owned(),
                }
            }
            What::Entry { name, text, raw: at, .. } => {
                if !KEYS.iter().any(|key| key.eq_ignore_ascii_case(name)) {
                    return hidden(raw);
                }
                let spelled = bytes.get(at.clone()).map(String::from_utf8_lossy).unwrap_or_default();
                let key = name.rsplit('.').next().unwrap_or_default();
                let (before, after) = match raw.split_once('=') {
                    Some((before, rest)) if before.trim().eq_ignore_ascii_case(key) => {
                        let blanks = rest.len() - rest.trim_start_matches([' ', '\t']).len();
                        let (blanks, rest) = rest.split_at(blanks);
                        (format!("{before}={blanks}"), rest.strip_prefix(&*spelled).unwrap_or_default())
                    }
                    _ => (format!("{key}="), ""),
                };
                let value = value_shown(name, text).unwrap_or_else(|| length(text.as_bytes()));
                format!("{before}{value}{}", behind(after))
            }
            What::Invalid { .. } => {
                let length = length(raw.as_bytes());
                let why = self.problems().iter().find(|p| p.line == item.line).map(|p| &p.kind);
                // WSL's error stays the same.
                match why {
                    Some(ProblemKind::InvalidLine { why: Why::SectionName }) => format!("[{length}]"),
                    Some(ProblemKind::InvalidLine { why: Why::SectionEnd }) => format!("[hidden {length}]"),
                    Some(ProblemKind::InvalidLine { why: Why::AfterSection }) => format!("[hidden] {length}"),
                    Some(ProblemKind::InvalidLine { why: Why::Equals }) => format!("hidden {length}"),
                    Some(ProblemKind::InvalidLine { why: Why::Escape }) => format!("hidden = \\{length}"),
                    Some(ProblemKind::InvalidLine { why: Why::OpenQuote }) => format!("hidden = \"{length}"),
                    _ => length,
                }
            }
        }
    }
}

/// The text after a value or a header: blanks or a comment.
fn behind(rest: &str) -> String {
    let comment = rest.trim();
    if comment.is_empty() { String::new() } else { format!(" {}", hidden(comment)) }
}

/// A value of a known form. `None` for any other.
pub(super) fn value_shown(name: &str, value: &str) -> Option<String> {
    let number =
        value.trim_start_matches('-').trim_end_matches(|c: char| "KMGTB".contains(c.to_ascii_uppercase()));
    let is_number = !number.is_empty() && number.len() <= 12 && number.bytes().all(|b| b.is_ascii_digit());
    // Short, like a mount point of Windows drives.
    let is_root = name == "automount.root"
        && value.len() <= 32
        && value.starts_with('/')
        && value.bytes().all(|b| b.is_ascii_alphanumeric() || b"/_-.".contains(&b));
    let is_shown = value.is_empty()
        || is_number && value.len() <= 16
        || is_root
        || WORDS.iter().any(|word| word.eq_ignore_ascii_case(value));
    match name {
        "wsl2.kernelcommandline" => Some(cmdline::shown(value)),
        _ => is_shown.then(|| value.to_owned()),
    }
}

fn utf16(bytes: &[u8]) -> String {
    let units: Vec<u16> = bytes.chunks_exact(2).map(|unit| u16::from_le_bytes([unit[0], unit[1]])).collect();
    String::from_utf16_lossy(&units)
}
