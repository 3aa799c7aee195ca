//! Whose container that is: pods by name, as crictl in the node tells them.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use super::node::Node;
use crate::host::{Account, Cmd, World};
use crate::provider::{Provider, can_be_wrapped, docker_host, in_wrapper};

/// Two questions in one go: a start in the node costs more than both answers. Nothing of ours is put into it.
const ASK: &str = "crictl pods -o json && crictl ps -a -o json";
const PATIENCE: Duration = Duration::from_secs(15);

/// Pods and containers by the ids that cgroups and command lines show.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pods {
    /// What an id of 64 digits, or a pod's uid, stands for.
    by_id: BTreeMap<String, String>,
}

impl Pods {
    /// Asks in each of these nodes. What does not answer is named beside, with the reason.
    pub fn ask<'n>(
        world: &dyn World,
        user: &Account,
        provider: Provider,
        nodes: impl IntoIterator<Item = &'n Node>,
    ) -> (Self, Vec<String>) {
        let (mut pods, mut silent) = (Self::default(), Vec::new());
        for node in nodes {
            let words = [provider.name(), "exec", &node.name, "sh", "-c", ASK];
            // Without the wrapper podman could not move what it starts into the node's cgroup.
            let mut cmd = if can_be_wrapped(world, user) {
                in_wrapper(words)
            } else {
                Cmd::new(words[0], words[1..].iter().copied())
            };
            if provider == Provider::Docker {
                cmd = cmd.with_env("DOCKER_HOST", &docker_host(user));
            }
            let said = world.query(&cmd.as_user(user).within(PATIENCE));
            match said {
                Ok(output) if output.code == 0 && pods.learn(&output.stdout).is_some() => {}
                Ok(output) => {
                    let why = output.complaint().unwrap_or("no JSON");
                    silent.push(format!("crictl in {} does not name the pods: {why}", node.name));
                }
                Err(e) => silent.push(format!("crictl in {} does not name the pods: {e}", node.name)),
            }
        }
        (pods, silent)
    }

    /// Takes what crictl printed (CRI `ListPodSandboxResponse`, `ListContainersResponse` as JSON).
    fn learn(&mut self, said: &str) -> Option<()> {
        for value in serde_json::Deserializer::from_str(said).into_iter::<Value>() {
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

    /// What the name of a cgroup stands for: kubelet names those of pods after their uid, containerd those of containers
    /// after their id (kubelet `pkg/kubelet/cm/pod_container_manager_linux.go`, containerd `internal/cri`).
    #[must_use]
    pub fn of_cgroup(&self, name: &str) -> Option<&str> {
        let stem = name.trim_end_matches(".slice").trim_end_matches(".scope");
        let last = stem.rsplit(['-', ':']).next()?;
        if let Some(found) = self.by_id.get(last) {
            return Some(found);
        }
        // The systemd driver writes a pod's uid with underscores, since a hyphen means a slice above; that of cgroupfs
        // writes it as it is, and nothing before `pod`.
        let uid = last.strip_prefix("pod").or_else(|| stem.strip_prefix("pod"))?.replace('_', "-");
        self.by_id.get(&uid).map(String::as_str)
    }

    /// The pod that a shim is there for: `-id` on its command line, as the guide finds it.
    #[must_use]
    pub fn of_command(&self, command: &[String]) -> Option<&str> {
        let at = command.iter().position(|word| word == "-id")?;
        self.by_id.get(command.get(at + 1)?).map(String::as_str)
    }
}

fn items<'v>(value: &'v Value, key: &str) -> impl Iterator<Item = &'v Value> {
    value.get(key).and_then(Value::as_array).into_iter().flatten()
}

fn text(value: &Value, pointer: &str) -> String {
    // In a JSON pointer `/` parts the names, and the label's own dots need nothing.
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::Pods;

    const SAID: &str = r#"{"items":[{"id":"aaaa","metadata":{"name":"web","namespace":"default","uid":"6f1c-22"}}]}
        {"containers":[{"id":"bbbb","podSandboxId":"aaaa","metadata":{"name":"nginx"},
          "labels":{"io.kubernetes.pod.name":"web","io.kubernetes.pod.namespace":"default"}}]}"#;

    #[test]
    fn cgroups_of_either_driver_and_shims_are_named() {
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
    fn what_is_no_json_is_no_answer() {
        assert_eq!(Pods::default().learn("sh: crictl: not found"), None);
    }
}
