//! `kind-wsl crun fetch --to DIR`: downloads and verifies the files for `setup --offline DIR`.

use camino::Utf8PathBuf;
use clap::Args;

use super::Global;
use super::session::Session;
use crate::change::Progress;
use crate::engine::Event;
use crate::error::{Exit, Failure};
use crate::fetch::catalogue::{self, Arch, Catalogue, CatalogueError};
use crate::fetch::signature::{self, SignatureStatus};
use crate::fetch::{Artifact, FetchError, Source, Transfer, check_mirror, download, fetch_signature};
use crate::host::{DownloadDir, LiveSystem, sha256_in};
use crate::ui::{self, BOLD, DIM, GREEN, YELLOW, columns, out, styled, width};
use crate::version::Version;

/// The flags of `crun fetch`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  kind-wsl crun fetch --to /media/usb --all\n  \
                  kind-wsl setup --offline /media/usb       on the other machine")]
pub(crate) struct Fetch {
    /// Version [default: the recommended one]
    version: Option<String>,
    /// Output directory (created if missing)
    #[arg(long, value_name = "DIR")]
    to: Utf8PathBuf,
    /// amd64, arm64, ppc64le, riscv64 or s390x [default: of this machine]
    #[arg(long, value_name = "ARCH")]
    arch: Option<String>,
    /// Also fetch kind, kubectl and the CNI plugins
    #[arg(long)]
    all: bool,
    /// Download from this https mirror
    #[arg(long, value_name = "URL", env = super::session::MIRROR, hide_env = true, hide_env_values = true)]
    mirror: Option<String>,
}

impl Fetch {
    pub(super) fn run(&self, global: &Global) -> Result<Exit, Failure> {
        if let Some(mirror) = &self.mirror {
            check_mirror(mirror)
                .map_err(|e| Failure::usage(format!("`--mirror`: {e}"), e.hint().unwrap_or_default()))?;
        }
        let session = Session::local(global, None)?;
        let arch = self.arch(&session)?;
        let source = Source { mirror: self.mirror.clone(), ..Source::default() };
        let wanted = self.wanted(arch)?;
        let staging = self.directory(&session.host)?;
        for artifact in wanted {
            let done = fetch(&session.host, &artifact, &source, &staging, global.quiet)?;
            let style = if done.is_unsigned { YELLOW } else { GREEN };
            out(&columns(&[(&artifact.name, 24, BOLD)], &styled(style, &done.text), width()));
            out(&styled(DIM, &format!("  sha256 {}", artifact.sha256)));
        }
        Ok(Exit::Done)
    }

    fn arch(&self, session: &Session) -> Result<Arch, Failure> {
        let hint = "`--arch` takes amd64, arm64, ppc64le, riscv64 or s390x";
        match &self.arch {
            Some(named) => {
                named.parse().map_err(|e: catalogue::UnknownArch| Failure::usage(e.to_string(), hint))
            }
            None => session
                .facts()
                .arch
                .ok_or_else(|| Failure::usage("no release is built for this machine", hint)),
        }
    }

    /// The files to download. All have a known checksum.
    fn wanted(&self, arch: Arch) -> Result<Vec<Artifact>, Failure> {
        let refused = |e: CatalogueError| Failure::new(e.to_string(), None);
        let crun = catalogue::crun().map_err(refused)?;
        let mut wanted = vec![self.crun(crun, arch)?];
        if self.all {
            for catalogue in [catalogue::kind(), catalogue::kubectl(), catalogue::cni()] {
                let catalogue = catalogue.map_err(refused)?;
                let release = catalogue.recommended(arch);
                wanted.extend(release.and_then(|r| catalogue.artifact(&r.version, arch)));
            }
        }
        Ok(wanted)
    }

    fn crun(&self, catalogue: &Catalogue, arch: Arch) -> Result<Artifact, Failure> {
        let shows = "`kind-wsl crun list` shows the versions";
        let Some(named) = &self.version else {
            let release = catalogue.recommended(arch).and_then(|r| catalogue.artifact(&r.version, arch));
            return release
                .ok_or_else(|| Failure::new(format!("the catalogue has no crun for {arch}"), None));
        };
        let found = named.parse::<Version>().ok().and_then(|version| catalogue.artifact(&version, arch));
        found.ok_or_else(|| {
            let near = catalogue
                .near_match(named)
                .map_or_else(String::new, |near| format!("did you mean `{near}`? "));
            Failure::usage(
                format!("no checksum of crun `{named}` for {arch} is known"),
                format!("{near}{shows}"),
            )
        })
    }

    fn directory(&self, host: &LiveSystem) -> Result<DownloadDir, Failure> {
        host.download_dir_at_host_path(&self.to).map_err(|e| {
            Failure::usage(
                format!("cannot use `{}`: {e}", self.to),
                "`--to` takes a directory; it is created if missing",
            )
        })
    }
}

/// The result for a file.
struct Fetched {
    text: String,
    /// Whether its signature is missing or was not checked.
    is_unsigned: bool,
}

fn fetch(
    host: &LiveSystem,
    artifact: &Artifact,
    source: &Source,
    staging: &DownloadDir,
    quiet: bool,
) -> Result<Fetched, Failure> {
    let path = staging.path().join(&artifact.file);
    let had = staging.open(&artifact.file).ok().map(|mut file| sha256_in(&mut file));
    match had.transpose() {
        Ok(Some(sha256)) if sha256 == artifact.sha256 => {
            return Ok(Fetched { text: format!("{path} already exists"), is_unsigned: false });
        }
        Ok(None) => {}
        _ => {
            let hint = format!(
                "move it, or use another directory: a directory holds one version of {}",
                artifact.file
            );
            return Err(Failure::new(format!("`{path}` exists and is not {}", artifact.name), Some(hint)));
        }
    }
    let mut reporter = ui::reporter(false, false, quiet);
    let mut progress = |progress| {
        if let Transfer::Bytes { done, total } = progress {
            reporter.event(&Event::Progress(&Progress::Bytes(done, total)));
        }
    };
    let mut pause = |length| {
        host.pause(length);
        true
    };
    download(artifact, &artifact.file, source, staging, &mut pause, &mut progress)?;
    drop(reporter);
    if !artifact.has_signature {
        return Ok(Fetched { text: path.to_string(), is_unsigned: false });
    }
    let (text, is_unsigned) = match signature::verify(artifact, source, &signature::CRUN, &path) {
        Ok(SignatureStatus::Good { fingerprint }) => {
            // The other machine verifies it again.
            let bytes = fetch_signature(artifact, source)?;
            let kept = staging.put(&format!("{}.asc", artifact.file), &bytes);
            kept.map_err(|why| FetchError::Unwritable {
                name: "the signature".to_owned(),
                received: 0,
                why,
            })?;
            (format!("signed by {fingerprint}"), false)
        }
        Ok(SignatureStatus::Missing) => ("not signed by its publisher".to_owned(), true),
        Ok(SignatureStatus::NoGpgv) => ("signature not checked: gpgv is not installed".to_owned(), true),
        Err(e) => {
            let _ = staging.remove(&artifact.file);
            return Err(e.into());
        }
    };
    Ok(Fetched { text: format!("{path}, {text}"), is_unsigned })
}
