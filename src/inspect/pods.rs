//! The names of pods and containers, from crictl in each node.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use super::node::Node;
use super::process::short_ids;
use super::tree::Tree;
use crate::host::{Account, Output, System};
use crate::provider::{Provider, delegated, docker_host};

/// Both questions in one command, since a start in the node takes longer than both answers. A constant: no data gets into
/// the shell. By default crictl waits 2 s for each answer, which a busy node exceeds.
const ASK: &str = "crictl --timeout 10s pods -o json && crictl --timeout 10s ps -a -o json";
/// Both answers, and the start in the node.
const TIMEOUT: Duration = Duration::from_secs(25);

/// Pods and containers by the IDs that are in the names of cgroups and in command lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pods {
    /// By ID of 64 digits, or by a pod's UID.
    by_id: BTreeMap<String, String>,
}

impl Pods {
    /// Asks in each of these nodes. Also returns a sentence for each node that did not answer.
    pub fn ask<'n>(
        system: &dyn System,
        user: &Account,
        provider: Provider,
        nodes: impl IntoIterator<Item = &'n Node>,
    ) -> (Self, Vec<String>) {
        let (mut pods, mut silent) = (Self::default(), Vec::new());
        for node in nodes {
            let mut cmd = delegated(system, user, &[provider.name(), "exec", &node.name, "sh", "-c", ASK]);
            if provider == Provider::Docker {
                cmd = cmd.with_env("DOCKER_HOST", &docker_host(user));
            }
            let reason = match system.run_readonly(&cmd.as_user(user).timeout(TIMEOUT)) {
                // Its output before the failure counts too.
                Ok(output) if pods.learn(&output.stdout).is_some() && output.code == 0 => continue,
                Ok(output) => why(&output),
                Err(e) => e.to_string(),
            };
            silent.push(format!(
                "cannot list the pods of node {}: {reason}; pods without a name are shown by ID",
                node.name
            ));
        }
        (pods, silent)
    }

    /// Adds what crictl printed (CRI `ListPodSandboxResponse`, `ListContainersResponse` as JSON).
    fn learn(&mut self, stdout: &str) -> Option<()> {
        for value in serde_json::Deserializer::from_str(stdout).into_iter::<Value>() {
            let value = value.ok()?;
            for pod in items(&value, "items") {
                let name = format!("{}/{}", text(pod, "/metadata/namespace"), text(pod, "/metadata/name"));
                self.by_id.insert(text(pod, "/metadata/uid"), format!("pod {name}"));
                self.by_id.insert(text(pod, "/id"), format!("pod {name}"));
            }
            for container in items(&value, "containers") {
                let label = |key: &str| text(container, &format!("/labels/io.kubernetes.{key}"));
                let name = format!("{}/{}", label("pod.namespace"), label("pod.name"));
                let text = format!("container {} of {name}", text(container, "/metadata/name"));
                self.by_id.insert(self::text(container, "/id"), text);
            }
        }
        self.by_id.remove("");
        Some(())
    }

    /// Adds the pods that crictl did not list by their IDs, from the command lines of their shims.
    pub fn learn_shims(&mut self, tree: &Tree) {
        for process in tree.cgroups.iter().flat_map(|cgroup| &cgroup.processes) {
            let Some(id) = shim_of(&process.command).filter(|id| !self.by_id.contains_key(*id)) else {
                continue;
            };
            let text = format!("pod {}", short_ids(id));
            // The cgroup of the pod is the one above that of its first container, which has the pod's own ID.
            let own = tree.cgroups.iter().find(|cgroup| last_part(cgroup.name()) == Some(id));
            if let Some(uid) = own.and_then(|own| uid_of(tree.cgroups[own.parent].name())) {
                self.by_id.entry(uid).or_insert_with(|| text.clone());
            }
            self.by_id.insert(id.to_owned(), text);
        }
    }

    /// The pod or container that a cgroup is named after: kubelet names those of pods after their UID, containerd those of
    /// containers after their ID (kubelet `pkg/kubelet/cm/pod_container_manager_linux.go`, containerd `internal/cri`).
    #[must_use]
    pub fn of_cgroup(&self, name: &str) -> Option<&str> {
        let of_container = last_part(name).and_then(|id| self.by_id.get(id));
        of_container.or_else(|| self.by_id.get(&uid_of(name)?)).map(String::as_str)
    }

    /// The pod of a shim, from `-id` on its command line.
    #[must_use]
    pub fn of_command(&self, command: &[String]) -> Option<&str> {
        self.by_id.get(shim_of(command)?).map(String::as_str)
    }
}

/// The ID of the pod that a command line is the shim of: `containerd-shim-runc-v2 -namespace k8s.io -id ID …`
/// (containerd `pkg/shim/shim.go`).
fn shim_of(command: &[String]) -> Option<&str> {
    let value = |flag: &str| {
        let at = command.iter().position(|word| word == flag)?;
        command.get(at + 1).map(String::as_str)
    };
    value("-id").filter(|_| value("-namespace") == Some("k8s.io"))
}

/// The ID of a container, from the end of its cgroup's name.
fn last_part(name: &str) -> Option<&str> {
    name.trim_end_matches(".slice").trim_end_matches(".scope").rsplit(['-', ':']).next()
}

/// The UID of the pod whose cgroup has this name. The systemd driver writes it with underscores, since a hyphen means a
/// slice above; that of cgroupfs writes it as it is, and nothing before `pod`.
fn uid_of(name: &str) -> Option<String> {
    let stem = name.trim_end_matches(".slice");
    let last = last_part(name)?;
    let uid = last.strip_prefix("pod").or_else(|| stem.strip_prefix("pod"))?;
    Some(uid.replace('_', "-"))
}

/// Why crictl did not answer, without its log line: `time="…" level=fatal msg="listing pod sandboxes: rpc error: …"`, in
/// older versions `FATA[0002] listing …` (cri-tools `cmd/crictl`, logrus).
fn why(output: &Output) -> String {
    let message = output.complaint().unwrap_or("it printed no JSON");
    if message.contains("DeadlineExceeded") || message.contains("deadline exceeded") {
        return "crictl got no answer within 10 s".to_owned();
    }
    if output.code == 127 || output.code == 126 {
        return "crictl is not installed in it".to_owned();
    }
    let text =
        message.split_once("msg=\"").map_or(message, |(_, text)| text.strip_suffix('"').unwrap_or(text));
    let text =
        if text.starts_with("FATA[") { text.split_once(' ').map_or(text, |(_, text)| text) } else { text };
    format!("crictl failed: {}", text.replace("\\\"", "\""))
}

fn items<'v>(value: &'v Value, key: &str) -> impl Iterator<Item = &'v Value> {
    value.get(key).and_then(Value::as_array).into_iter().flatten()
}

fn text(value: &Value, pointer: &str) -> String {
    // In a JSON pointer `/` separates the names; the dots of a label need no escape.
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::{Pods, why};
    use crate::host::Output;

    const SAID: &str = r#"{"items":[{"id":"aaaa","metadata":{"name":"web","namespace":"default","uid":"6f1c-22"}}]}
        {"containers":[{"id":"bbbb","podSandboxId":"aaaa","metadata":{"name":"nginx"},
          "labels":{"io.kubernetes.pod.name":"web","io.kubernetes.pod.namespace":"default"}}]}"#;

    #[test]
    fn cgroups_of_either_driver_and_shims_get_the_names_of_their_pods() {
        let mut pods = Pods::default();
        assert_eq!(pods.learn(SAID), Some(()));
        let names = |cgroups: &[&str]| {
            cgroups.iter().map(|c| pods.of_cgroup(c).unwrap_or("?").to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(
            names(&[
                "kubelet-kubepods-besteffort-pod6f1c_22.slice",
                "pod6f1c-22",
                "cri-containerd-bbbb.scope",
                "bbbb",
                "aaaa",
                "init.scope"
            ]),
            [
                "pod default/web",
                "pod default/web",
                "container nginx of default/web",
                "container nginx of default/web",
                "pod default/web",
                "?"
            ]
        );
        let shim = ["containerd-shim-runc-v2", "-namespace", "k8s.io", "-id", "aaaa"].map(str::to_owned);
        assert_eq!((pods.of_command(&shim), pods.of_command(&shim[..4])), (Some("pod default/web"), None));
    }

    #[test]
    fn a_failure_of_crictl_is_a_sentence_and_not_its_log_line() {
        let why = |code, stderr: &str| why(&Output { code, stderr: stderr.into(), ..Output::default() });
        let late = r#"time="2026-11-27T10:00:02Z" level=fatal msg="listing pod sandboxes: rpc error: code = DeadlineExceeded desc = context deadline exceeded""#;
        assert_eq!(why(1, late), "crictl got no answer within 10 s");
        assert_eq!(
            why(1, "FATA[0010] listing containers: rpc error: code = DeadlineExceeded desc = x"),
            "crictl got no answer within 10 s"
        );
        assert_eq!(
            why(1, r#"time="x" level=fatal msg="validate service connection: no such file \"a\"""#),
            r#"crictl failed: validate service connection: no such file "a""#
        );
        assert_eq!(why(1, "FATA[0000] connect: refused"), "crictl failed: connect: refused");
        assert_eq!(why(127, "sh: 1: crictl: not found"), "crictl is not installed in it");
    }

    #[test]
    fn output_that_is_not_json_is_not_an_answer() {
        assert_eq!(Pods::default().learn("sh: crictl: not found"), None);
    }
}
