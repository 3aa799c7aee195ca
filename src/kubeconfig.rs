//! kubeconfigs: what kind prints for a cluster, and its merge into a file of Windows by kubectl.

use std::collections::BTreeSet;

use camino::{Utf8Path, Utf8PathBuf};

use crate::change::{ChangeError, Kubeconfig, Merged, user_owner};
use crate::host::{Account, Cmd, LiveSystem, System, TempDir};

/// Why a cluster cannot be merged into a kubeconfig.
#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    #[error(transparent)]
    File(#[from] ChangeError),
    /// kubectl would read it as an empty file.
    #[error("`{0}` is not UTF-8 text")]
    NotUtf8(Utf8PathBuf),
    #[error("kubectl cannot merge into `{path}`: {why}")]
    Kubectl { path: Utf8PathBuf, why: String },
    /// It does not know these keys, so its merge would lose them.
    #[error("this kubectl does not know keys in `{path}` and would remove them: {}", .keys.join(", "))]
    Unknown { path: Utf8PathBuf, keys: Vec<String> },
    #[error("cannot use a temporary directory: {0}")]
    Temporary(std::io::Error),
}

impl MergeError {
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::File(e) => e.hint().map(|step| step.to_string()),
            Self::NotUtf8(_) => Some(
                "save it as UTF-8 (PowerShell: `(Get-Content FILE) | Set-Content -Encoding utf8 FILE`)"
                    .to_owned(),
            ),
            Self::Kubectl { .. } => Some("fix the file, or move it away".to_owned()),
            Self::Unknown { .. } => Some("kind-wsl setup --only tools --tools both".to_owned()),
            Self::Temporary(_) => None,
        }
    }
}

/// The kubeconfig of a cluster, as kind prints it.
#[derive(Clone)]
pub struct ClusterConfig {
    pub text: String,
    pub context: String,
    /// The port of the API server on this machine.
    pub port: Option<u16>,
}

impl std::fmt::Debug for ClusterConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClusterConfig")
            .field("context", &self.context)
            .field("port", &self.port)
            .finish_non_exhaustive()
    }
}

impl ClusterConfig {
    /// Reads what kind printed; `None` if that is not the kubeconfig of one cluster.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let context = current_context(text)?;
        let server = text.lines().find_map(|line| line.trim().strip_prefix("server: "));
        let port = server.and_then(|url| url.trim_end_matches('/').rsplit_once(':')?.1.parse().ok());
        Some(Self { text: text.to_owned(), context, port })
    }
}

/// `current-context` of a kubeconfig as kind and kubectl write it.
#[must_use]
pub fn current_context(text: &str) -> Option<String> {
    let value = text.lines().find_map(|line| line.strip_prefix("current-context:"))?;
    let value = value.trim().trim_matches('"');
    (!value.is_empty()).then(|| value.to_owned())
}

/// The result of a merge, and its effect on the file.
#[derive(Debug)]
pub struct Merge {
    pub change: Kubeconfig,
    /// `current-context` afterwards.
    pub current_context: Option<String>,
    pub is_new: bool,
    /// Whether the file has comments, which kubectl does not keep.
    pub has_comments: bool,
}

/// Has kubectl merge a cluster into the kubeconfig at `path`.
///
/// The cluster's file comes first, because the first file to set a key wins
/// (kubernetes.io, "Organizing Cluster Access Using kubeconfig Files"). So its `current-context` is removed, unless
/// there is no other file. `--raw` instead of `--flatten`: the latter would read the files that other entries name by
/// Windows paths.
///
/// # Errors
/// [`MergeError`]
pub fn merge(
    host: &LiveSystem,
    user: &Account,
    kubectl: &Utf8Path,
    path: Utf8PathBuf,
    cluster: &ClusterConfig,
) -> Result<Merge, MergeError> {
    let change = Kubeconfig { path, context: cluster.context.clone(), owner: user_owner(user), merged: None };
    let old = change.read(host)?;
    let text = match &old {
        Some((_, bytes)) if bytes.contains(&0) => return Err(MergeError::NotUtf8(change.path)),
        Some((_, bytes)) => {
            Some(std::str::from_utf8(bytes).map_err(|_| MergeError::NotUtf8(change.path.clone()))?)
        }
        None => None,
    };
    let dir = TempDir::new().map_err(MergeError::Temporary)?;
    let mut files = vec![("cluster", cluster.text.as_bytes())];
    files.extend(text.map(|text| ("present", text.as_bytes())));
    let room = dir.files_for("kubectl", user.uid, &files).map_err(MergeError::Temporary)?;
    let run = |paths: &str, args: &[&str]| {
        let cmd = Cmd::new(kubectl.as_str(), args.iter().copied()).as_user(user);
        let cmd = cmd.with_env("KUBECONFIG", paths);
        let failed = |why| MergeError::Kubectl { path: change.path.clone(), why };
        let output = host.run_readonly(&cmd).map_err(|e| failed(e.to_string()))?;
        let why = || output.complaint().unwrap_or("no message").trim_start_matches("error: ").to_owned();
        // Its files are called by their path in the temporary directory.
        let why = || why().replace(room.join("present").as_str(), change.path.as_str());
        if output.code == 0 { Ok(output.stdout.clone()) } else { Err(failed(why())) }
    };
    let [new, present] = ["cluster", "present"].map(|name| room.join(name).to_string());
    let view = ["config", "view", "--raw"];
    let merged = match text {
        None => run(&new, &view)?,
        Some(text) => {
            let known = keys(&run(&present, &view)?);
            let unknown: Vec<String> = keys(text).difference(&known).cloned().collect();
            if !unknown.is_empty() {
                return Err(MergeError::Unknown { path: change.path, keys: unknown });
            }
            run(&new, &["config", "unset", "current-context"])?;
            run(&format!("{new}:{present}"), &view)?
        }
    };
    let base = old.as_ref().map(|(file, _)| file.sha256.clone());
    Ok(Merge {
        current_context: current_context(&merged),
        is_new: old.is_none(),
        has_comments: text.is_some_and(|text| text.lines().any(|line| line.trim_start().starts_with('#'))),
        change: Kubeconfig { merged: Some(Merged { base, bytes: merged.into_bytes() }), ..change },
    })
}

/// The keys of YAML that have a value in their line. kubectl omits those with an empty value.
fn keys(text: &str) -> BTreeSet<String> {
    let key = |line: &str| {
        let mut line = line.trim_start_matches('\u{feff}').trim();
        while let Some(item) = line.strip_prefix("- ") {
            line = item.trim_start();
        }
        let (key, value) = line.split_once(':')?;
        let key = key.trim_matches(['"', '\'', '{', ' ']);
        let value = value.trim().trim_end_matches(',').trim_matches(['"', '\'']);
        let is_key = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
        let is_empty = matches!(value, "" | "null" | "~" | "false" | "{}" | "[]" | "0" | "{" | "[");
        (is_key && !is_empty && !value.starts_with('#')).then(|| key.to_owned())
    };
    text.lines().filter_map(key).collect()
}

#[cfg(test)]
mod tests {
    use super::{ClusterConfig, keys};

    #[test]
    fn the_context_and_the_port_are_read_from_what_kind_prints() {
        let text = "clusters:\n- cluster:\n    server: https://127.0.0.1:40001\n  name: kind-dev\ncurrent-context: kind-dev\n";
        let cluster = ClusterConfig::parse(text).unwrap();
        assert_eq!((cluster.context.as_str(), cluster.port), ("kind-dev", Some(40001)));
        assert!(ClusterConfig::parse("No kind clusters found.\n").is_none());
    }

    #[test]
    fn keys_are_those_that_have_a_value() {
        let text = "\u{feff}apiVersion: v1\r\n# name: x\r\nusers:\r\n- name: dev\r\n  user:\r\n    exec:\r\n      \
                    installHint: |\r\n        see: docs\r\n      provideClusterInfo: false\r\n      env: null\r\n";
        let found: Vec<String> = keys(text).into_iter().collect();
        assert_eq!(found, ["apiVersion", "installHint", "name", "see"]);
    }
}
