//! Files that set up many machines: each installs one kind-wsl binary, pinned by its sha256, and runs its setup there.
//!
//! Each machine decides which stages it needs, with the same engine.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use camino::Utf8PathBuf;
use reqwest::Url;

use crate::host::quote;
use crate::version::Version;

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    Sh,
    Ansible,
    CloudInit,
    WslImage,
}

impl Format {
    /// Every format.
    pub const ALL: [Self; 4] = [Self::Sh, Self::Ansible, Self::CloudInit, Self::WslImage];

    /// Fills the format's template.
    #[must_use]
    pub fn render(self, vars: &TemplateVars) -> String {
        match self {
            Self::Sh => script(vars),
            Self::Ansible => playbook(vars),
            Self::CloudInit => user_data(vars),
            Self::WslImage => image(vars),
        }
    }
}

/// Where a machine gets the kind-wsl binary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Binary {
    /// An https address.
    Url(Url),
    /// An absolute path on each machine, such as a file share.
    Path(Utf8PathBuf),
    /// The name of a file in the directory of the script or playbook.
    Beside(String),
}

/// The values of the templates. A text has no control characters, see [`is_printable`].
#[derive(Clone, Debug)]
pub struct TemplateVars {
    /// The user to set up for, unless the machine names another.
    pub user: String,
    /// Where a machine gets kind-wsl.
    pub binary: Binary,
    /// Of the binary, in lower-case hex.
    pub sha256: String,
    /// The answers file.
    pub answers: BTreeMap<String, String>,
    /// Further flags of `kind-wsl setup`.
    pub flags: Vec<String>,
    /// The WSL that an image is made for.
    pub wsl: Option<Version>,
    /// The default suite of an image.
    pub suite: Option<String>,
}

/// Whether every template can hold the text. Letters of every script are allowed. Control characters and line
/// separators, which YAML would change, are not, nor is `$`, which Ansible's command module expands in an argument.
#[must_use]
pub fn is_printable(text: &str) -> bool {
    text.chars().all(|c| c.is_alphanumeric() || (matches!(c, ' '..='~') && c != '$'))
}

/// Replaces each `__NAME__` in one pass: a value that looks like a name stays as it is.
fn fill(template: &str, values: &[(&str, &str)]) -> String {
    let mut text = String::new();
    for (at, part) in template.split("__").enumerate() {
        let value = values.iter().find(|(name, _)| at % 2 == 1 && *name == part);
        text.push_str(value.map_or(part, |(_, value)| value));
    }
    text
}

/// The answers as TOML of letters, digits and a few signs. Everything else is escaped, so that the text means the same in
/// a here-document, in a YAML block and in a Jinja template.
fn toml(answers: &BTreeMap<String, String>) -> String {
    let mut text = "# Answers of `kind-wsl setup`.\n".to_owned();
    for (question, answer) in answers {
        let _ = write!(text, "{question} = \"");
        for c in answer.chars() {
            if c.is_ascii_alphanumeric() || " ./:,+=-_".contains(c) {
                text.push(c);
            } else {
                let _ = write!(text, "\\U{:08x}", u32::from(c));
            }
        }
        text.push_str("\"\n");
    }
    text
}

/// A YAML scalar. Ansible would evaluate braces.
fn yaml(text: &str) -> String {
    let tag = if text.contains('{') { "!unsafe " } else { "" };
    format!("{tag}\"{}\"", text.replace('\\', r"\\").replace('"', "\\\""))
}

/// The lines of a YAML block whose first line is indented already.
fn block(text: &str, depth: usize) -> String {
    let lines = text.trim_end().lines();
    let lines = lines.map(|l| if l.is_empty() { String::new() } else { format!("{:depth$}{l}", "") });
    lines.collect::<Vec<_>>().join("\n").trim_start().to_owned()
}

const VERSION: (&str, &str) = ("VERSION", env!("CARGO_PKG_VERSION"));

fn script(vars: &TemplateVars) -> String {
    let get = match &vars.binary {
        Binary::Url(url) => {
            let url = quote(url.as_str());
            format!(
                "if command -v curl >/dev/null; then curl -fsSL --proto '=https' --retry 3 -o \"$new\" {url}; \
                 else wget -q -O \"$new\" {url}; fi"
            )
        }
        Binary::Path(path) => format!("cp {} \"$new\"", quote(path.as_str())),
        Binary::Beside(name) => format!("cp \"$(dirname -- \"$0\")\"/{} \"$new\"", quote(name)),
    };
    let flags: String = vars.flags.iter().flat_map(|flag| [" ".to_owned(), quote(flag)]).collect();
    let values = [
        VERSION,
        ("USER", &quote(&vars.user)),
        ("SHA256", &vars.sha256),
        ("GET", &get),
        ("ANSWERS", &toml(&vars.answers)),
        ("FLAGS", &flags),
    ];
    fill(include_str!("export/setup.sh"), &values)
}

fn playbook(vars: &TemplateVars) -> String {
    let sha256 = &vars.sha256;
    let url = match &vars.binary {
        Binary::Url(url) => Some(url.to_string()),
        Binary::Path(path) => Url::from_file_path(path).ok().map(|url| url.to_string()),
        Binary::Beside(_) => None,
    };
    let install = match (&vars.binary, url) {
        (Binary::Beside(name), _) => {
            fill(include_str!("export/beside.yml"), &[VERSION, ("NAME", &yaml(name)), ("SHA256", sha256)])
        }
        (_, url) => fill(
            include_str!("export/get_url.yml"),
            &[VERSION, ("URL", &yaml(&url.unwrap_or_default())), ("SHA256", sha256)],
        ),
    };
    let flags: Vec<_> = vars.flags.iter().map(|flag| yaml(flag)).collect();
    let values = [
        VERSION,
        ("USER", &yaml(&vars.user)),
        ("INSTALL", &install),
        ("ANSWERS", &block(&toml(&vars.answers), 10)),
        ("FLAGS", &flags.join(", ")),
    ];
    fill(include_str!("export/playbook.yml"), &values)
}

fn user_data(vars: &TemplateVars) -> String {
    let packages = match vars.binary {
        Binary::Url(_) => "packages: [ca-certificates, curl]\n",
        _ => "",
    };
    let values =
        [VERSION, ("USER", &yaml(&vars.user)), ("PACKAGES", packages), ("SCRIPT", &block(&script(vars), 6))];
    fill(include_str!("export/user-data.yml"), &values)
}

fn image(vars: &TemplateVars) -> String {
    // mmdebstrap's user namespace cannot read every file of the building machine, so the binary is copied.
    let (copy, binary) = match &vars.binary {
        Binary::Url(_) => (":".to_owned(), vars.binary.clone()),
        Binary::Path(path) => {
            (format!("cp {} \"$work/kind-wsl\"", quote(path.as_str())), Binary::Beside("kind-wsl".to_owned()))
        }
        Binary::Beside(name) => {
            let copy = format!("cp \"$(dirname -- \"$0\")\"/{} \"$work/kind-wsl\"", quote(name));
            (copy, Binary::Beside("kind-wsl".to_owned()))
        }
    };
    let wsl = vars.wsl.as_ref().map_or("", Version::as_str);
    let script = script(&TemplateVars { binary, ..vars.clone() });
    let values = [
        VERSION,
        ("USER", &quote(&vars.user)),
        ("SUITE", vars.suite.as_deref().unwrap_or_default()),
        ("COPY", &copy),
        ("SCRIPT", &script),
        ("WSL", wsl),
    ];
    fill(include_str!("export/image.sh"), &values)
}
