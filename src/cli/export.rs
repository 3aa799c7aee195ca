//! `kind-wsl export`: files that set up many machines.

use camino::{Utf8Path, Utf8PathBuf};
use clap::Args;
use reqwest::Url;

use super::prepare::args as args_of;
use super::session::{MIRROR, Session};
use super::{Global, StageArgs};
use crate::error::{Exit, Failure};
use crate::export::{Binary, Format, TemplateVars, is_printable};
use crate::facts::Wsl;
use crate::facts::user::refuse_root;
use crate::fetch::check_mirror;
use crate::host::{program, sha256_in};
use crate::journal::RunOptions;
use crate::stage::Question;
use crate::stages::crun::CRUN_BINARY;
use crate::stages::packages::REMOVE_PACKAGES;
use crate::stages::restart::RESTART_ALL;
use crate::ui::{err, out};
use crate::version::Version;

/// Answers of an earlier setup that are about this machine alone: consents, and a path.
static LOCAL_ANSWERS: [&Question; 3] = [&CRUN_BINARY, &REMOVE_PACKAGES, &RESTART_ALL];

/// The flags of `export`.
#[derive(Debug, Args)]
#[command(
    after_help = "Every machine gets this kind-wsl, checked by its sha256, and runs\n`kind-wsl setup --yes` with your answers.\n\n\
                  Examples:\n  kind-wsl export --format sh -o kind.sh        a script\n  \
                  kind-wsl export --format ansible -o kind.yml  a playbook\n\n\
                  Put kind-wsl beside the file, or use --binary. More: docs/how-to/fleet.md"
)]
pub(crate) struct ExportCommand {
    #[command(flatten)]
    choosing: StageArgs,
    /// Output format
    #[arg(long, value_enum)]
    format: Format,
    /// URL or path of kind-wsl on the machines [default: beside the export]
    #[arg(long, value_name = "URL|PATH")]
    binary: Option<String>,
    /// sha256 of that binary [default: of this kind-wsl]
    #[arg(long, value_name = "HASH")]
    sha256: Option<String>,
    /// Output file [default: standard output]
    #[arg(long, short, value_name = "FILE")]
    output: Option<Utf8PathBuf>,
}

impl ExportCommand {
    pub(crate) fn run(&self, global: &Global) -> Result<Exit, Failure> {
        let selection = self.choosing.selection()?;
        let binary = self.binary()?;
        let mut session = Session::local(global, None)?;
        refuse_root(&session.host, &session.user)?;
        session.journal_state.answers.retain(|id, _| LOCAL_ANSWERS.iter().all(|q| q.id != id));
        let facts = session.facts();
        let answers = self.choosing.answers(global, &session, &facts)?.0;
        if let Some(path) = answers.get(CRUN_BINARY.id) {
            err(&format!("note: every machine needs a crun binary at {path}"));
        }
        let offline = self.choosing.offline.clone();
        if offline.as_ref().is_some_and(|dir| !dir.is_absolute()) {
            let hint = "name a directory that every machine has, such as /srv/kind";
            return Err(Failure::usage("`--offline` must be an absolute path", hint));
        }
        let mut flags = args_of(&RunOptions { selection, offline, ..RunOptions::default() });
        flags.extend(self.mirror(global)?.map(|mirror| format!("--mirror={mirror}")));
        let wsl = self.wsl(&facts.wsl)?;
        // .wslconfig, which an older WSL needs, is a file of Windows.
        if wsl.as_ref().is_some_and(Wsl::mounts_v1) {
            flags.push("--skip=cgroup".to_owned());
        }
        let suite = facts.distro.name.split_once('(').filter(|_| facts.distro.is_debian());
        let suite = suite.and_then(|(_, rest)| rest.split([' ', ')']).next()).map(str::to_lowercase);
        let vars = TemplateVars {
            user: session.user.name.clone(),
            sha256: self.sha256(&session)?,
            binary,
            answers,
            flags,
            wsl,
            suite: suite.filter(|s| s.bytes().all(|b| b.is_ascii_lowercase())),
        };
        let texts = vars.flags.iter().chain([&vars.user]).chain(&self.binary);
        if let Some(text) = texts.into_iter().find(|text| !is_printable(text)) {
            let hint = "use letters, digits, spaces and ASCII signs other than `$`";
            return Err(Failure::usage(format!("{text:?} has characters that cannot be exported"), hint));
        }
        let text = self.format.render(&vars);
        match &self.output {
            None => out(text.trim_end()),
            Some(path) => session.host.write_host_path(path, text.as_bytes(), 0o644).map_err(|e| {
                let hint = "`--output` takes the name of a file in a directory that you may write to";
                Failure::new(format!("cannot write the export to `{path}`: {e}"), Some(hint.to_owned()))
            })?,
        }
        Ok(Exit::Done)
    }

    fn binary(&self) -> Result<Binary, Failure> {
        let hint =
            "`--binary` takes an https URL, an absolute path on every machine, or a file beside the export";
        let binary = self.binary.as_deref().unwrap_or("kind-wsl");
        if binary.contains("://") {
            return Ok(Binary::Url(address("--binary", binary)?));
        }
        let path = Utf8Path::new(binary);
        match path.file_name() {
            None => Err(Failure::usage(format!("`{path}` is not a file"), hint)),
            Some(_) if path.is_absolute() => Ok(Binary::Path(path.to_owned())),
            Some(_) if self.format == Format::CloudInit => {
                let hint = "name an https URL or an absolute path on the machines";
                Err(Failure::usage("`--format cloud-init` requires `--binary`", hint))
            }
            Some(name) => Ok(Binary::Beside(name.to_owned())),
        }
    }

    /// The checksum that the machines will see: given, of the file at hand, or of this program.
    fn sha256(&self, session: &Session) -> Result<String, Failure> {
        if let Some(sha256) = &self.sha256 {
            if sha256.len() == 64 && sha256.bytes().all(|b| b.is_ascii_hexdigit()) {
                return Ok(sha256.to_ascii_lowercase());
            }
            let text = format!("invalid value `{sha256}` for `--sha256`");
            return Err(Failure::usage(text, "it takes 64 hexadecimal digits, as sha256sum prints them"));
        }
        let file = self.binary.as_ref().filter(|binary| !binary.contains("://")).map(Utf8PathBuf::from);
        let path = file.or_else(program).unwrap_or_else(|| "/proc/self/exe".into());
        session.host.open_user_arg(&path).and_then(|mut file| sha256_in(&mut file)).map_err(|e| {
            let hint = "name its checksum: `--sha256 HASH`";
            Failure::usage(format!("cannot read `{path}`: {e}"), hint)
        })
    }

    /// The mirror of `--mirror`. One from the environment is this machine's own, and may hold a password.
    fn mirror(&self, global: &Global) -> Result<Option<String>, Failure> {
        let Some(mirror) = &self.choosing.mirror else { return Ok(None) };
        if global.env.iter().any(|(name, value)| name == MIRROR && value == mirror) {
            err(&format!("note: the mirror of {MIRROR} is not exported; set {MIRROR} on the machines"));
            return Ok(None);
        }
        let hint = |e: &crate::fetch::FetchError| e.hint().unwrap_or_default();
        check_mirror(mirror).map_err(|e| Failure::usage(format!("`--mirror`: {e}"), hint(&e)))?;
        address("--mirror", mirror).map(|url| Some(url.to_string()))
    }

    /// The WSL of an image: assumed, or that of this machine.
    fn wsl(&self, here: &Wsl) -> Result<Option<Version>, Failure> {
        let assumed = self.choosing.assumed_wsl()?;
        match (self.format, assumed) {
            (Format::WslImage, _) => {}
            (_, None) => return Ok(None),
            _ => {
                let text = "`--assume` requires `--format wsl-image`";
                return Err(Failure::usage(text, "other formats set up machines that are running"));
            }
        }
        let wsl = match (assumed, here) {
            (Some(version), _) | (None, Wsl::Two { version: Some(version), .. }) => version.clone(),
            _ => {
                let hint = "name it: `--assume wsl=VERSION`; `wsl.exe --version` in Windows shows it";
                return Err(Failure::usage("the WSL version of the image is not known", hint));
            }
        };
        Ok(Some(wsl))
    }
}

/// An address that others may read.
fn address(flag: &str, text: &str) -> Result<Url, Failure> {
    let url = Url::parse(text).ok().filter(|url| url.scheme() == "https" && url.has_host());
    let Some(url) = url else {
        return Err(Failure::usage(format!("`{flag}`: not an https URL"), "it takes `https://HOST/PATH`"));
    };
    if url.username().is_empty() && url.password().is_none() {
        return Ok(url);
    }
    let text = format!("`{flag}`: the exported file would contain the user name or password");
    Err(Failure::usage(text, "use an address without them, or an absolute path on the machines"))
}
