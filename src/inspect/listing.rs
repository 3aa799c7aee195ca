//! The containers that are nodes, as the provider lists them.

use std::io::ErrorKind;
use std::time::Duration;

use serde_json::Value;

use super::node::{Node, PublishedPort};
use crate::host::{Account, Cmd, HostError, Output, System};
use crate::provider::{Provider, docker_host};

/// A provider that takes longer hangs: its daemon, or its store's lock.
pub const TIMEOUT: Duration = Duration::from_secs(10);
/// The label that kind gives its containers (kind `pkg/cluster/constants`, `pkg/cluster/internal/providers/*/constants.go`).
pub const CLUSTER: &str = "io.x-k8s.kind.cluster";
const ROLE: &str = "io.x-k8s.kind.role";

/// Asks the provider for every node, running or not, and waits for its answer up to `patience`.
///
/// # Errors
/// Why the provider did not answer.
pub fn list(
    system: &dyn System,
    user: &Account,
    provider: Provider,
    patience: Duration,
) -> Result<Vec<Node>, String> {
    // docker's `json` is one object a line; podman's template would leave the labels without their names.
    let format = if provider == Provider::Podman { "json" } else { "{{json .}}" };
    let label = format!("label={CLUSTER}");
    let args = ["ps", "--all", "--no-trunc", "--filter", &label, "--format", format];
    let mut cmd = Cmd::new(provider.name(), args).as_user(user).timeout(patience);
    if provider == Provider::Docker {
        let inherited = system.env("DOCKER_HOST").filter(|host| !host.is_empty());
        cmd = cmd.with_env("DOCKER_HOST", &inherited.unwrap_or_else(|| docker_host(user)));
    }
    match system.run_readonly(&cmd) {
        Ok(Output { code: 0, stdout, .. }) => {
            parse(&stdout).ok_or_else(|| format!("{provider} ps printed no JSON"))
        }
        Ok(output) => {
            let message = output.complaint().unwrap_or("nothing");
            Err(format!("{provider} ps ended with exit code {}: {message}", output.code))
        }
        Err(HostError::TimedOut { seconds, .. }) => {
            Err(format!("{provider} did not answer within {seconds} s"))
        }
        Err(HostError::Start { source, .. }) if source.kind() == ErrorKind::NotFound => {
            Err(format!("{provider} is not installed"))
        }
        Err(HostError::Start { source, .. }) => Err(format!("{provider} cannot be started: {source}")),
        Err(e) => Err(e.to_string()),
    }
}

/// One array of objects (podman), or an object a line (docker, nerdctl).
fn parse(stdout: &str) -> Option<Vec<Node>> {
    let mut nodes = Vec::new();
    for value in serde_json::Deserializer::from_str(stdout).into_iter::<Value>() {
        match value.ok()? {
            Value::Array(all) => nodes.extend(all.iter().map(node)),
            Value::Null => {}
            one => nodes.push(node(&one)),
        }
    }
    nodes.retain(|node| !node.cluster.is_empty());
    nodes.sort_by(|a, b| (&a.cluster, &a.name).cmp(&(&b.cluster, &b.name)));
    Some(nodes)
}

fn node(value: &Value) -> Node {
    let text = |keys: &[&str]| {
        let found = keys.iter().find_map(|key| value.get(key));
        match found {
            Some(Value::Array(all)) => all.first().and_then(Value::as_str).unwrap_or_default().to_owned(),
            Some(Value::String(text)) => text.clone(),
            _ => String::new(),
        }
    };
    let label = |name: &str| match value.get("Labels") {
        Some(Value::Object(labels)) => {
            labels.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
        }
        Some(Value::String(labels)) => {
            let value = |pair: &str| Some(pair.strip_prefix(name)?.strip_prefix('=')?.to_owned());
            labels.split(',').find_map(value).unwrap_or_default()
        }
        _ => String::new(),
    };
    Node {
        name: text(&["Names", "Name"]).trim_start_matches('/').to_owned(),
        cluster: label(CLUSTER),
        role: label(ROLE),
        id: text(&["Id", "ID"]),
        // nerdctl gives no State, and its Status is "Up" while it runs.
        state: text(&["State", "Status"]),
        created: created(value),
        ports: ports(value.get("Ports")),
        ..Node::default()
    }
}

/// podman prints seconds since 1970, docker and nerdctl a text such as `2026-11-28 07:00:00 +0000 UTC`.
fn created(value: &Value) -> Option<i64> {
    if let Some(seconds) = value.get("Created").and_then(Value::as_i64) {
        return Some(seconds);
    }
    let text = value.get("CreatedAt")?.as_str()?;
    let words: Vec<&str> = text.split_ascii_whitespace().take(3).collect();
    let time = jiff::Zoned::strptime("%Y-%m-%d %H:%M:%S %z", words.join(" "));
    Some(time.ok()?.timestamp().as_second())
}

/// podman prints objects, docker and nerdctl a text such as `127.0.0.1:38173->6443/tcp, 53/udp`.
fn ports(value: Option<&Value>) -> Vec<PublishedPort> {
    let object = |port: &Value| {
        let number = |key: &str| u16::try_from(port.get(key)?.as_u64()?).ok();
        let (first, inside) = (number("host_port")?, number("container_port")?);
        let host_ip = port.get("host_ip").and_then(Value::as_str).unwrap_or_default().to_owned();
        let of_range = move |n| {
            let (host_port, container_port) = (first.checked_add(n)?, inside.checked_add(n)?);
            Some(PublishedPort { host_ip: host_ip.clone(), host_port, container_port })
        };
        Some((0..number("range").unwrap_or(1)).filter_map(of_range).collect::<Vec<_>>())
    };
    let word = |word: &str| {
        let (host, inside) = word.trim().split_once("->")?;
        let (host_ip, host_port) = host.rsplit_once(':')?;
        let container_port = inside.split('/').next()?.parse().ok()?;
        Some(PublishedPort {
            host_ip: host_ip.to_owned(),
            host_port: host_port.parse().ok()?,
            container_port,
        })
    };
    match value {
        Some(Value::Array(all)) => all.iter().filter_map(object).flatten().collect(),
        Some(Value::String(text)) => text.split(',').filter_map(word).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::{Node, PublishedPort, parse};

    fn summary(stdout: &str) -> Vec<(String, String, String, String, bool)> {
        let of = |n: &Node| (n.name.clone(), n.cluster.clone(), n.role.clone(), n.id.clone(), n.is_running());
        parse(stdout).unwrap().iter().map(of).collect()
    }

    #[test]
    fn the_published_ports_and_the_age_of_a_node_are_parsed_for_every_provider() {
        let api = |host_port| PublishedPort { host_ip: "127.0.0.1".into(), host_port, container_port: 6443 };
        let podman = r#"[{"Created":1795849200,"Labels":{"io.x-k8s.kind.cluster":"c"},"Ports":[{"host_ip":"127.0.0.1","container_port":6443,"host_port":38173,"range":2,"protocol":"tcp"}]}]"#;
        let node = &parse(podman).unwrap()[0];
        let next = PublishedPort { host_port: 38174, container_port: 6444, ..api(0) };
        assert_eq!((node.created, &node.ports), (Some(1_795_849_200), &vec![api(38173), next]));
        let docker = r#"{"CreatedAt":"2026-11-28 07:00:00 +0000 UTC","Labels":"io.x-k8s.kind.cluster=c","Ports":"53/udp, 127.0.0.1:38173->6443/tcp"}"#;
        let node = &parse(docker).unwrap()[0];
        assert_eq!((node.created, &node.ports), (Some(1_795_849_200), &vec![api(38173)]));
        let strange =
            r#"{"CreatedAt":"yesterday","Labels":"io.x-k8s.kind.cluster=c","Ports":"::1:99999->x, ->"}"#;
        assert_eq!((parse(strange).unwrap()[0].created, parse(strange).unwrap()[0].ports.len()), (None, 0));
    }

    #[test]
    fn the_output_of_every_provider_is_parsed() {
        let node = |running| ("c-worker".into(), "c".into(), "worker".into(), "ab".into(), running);
        let podman = r#"[{"Id":"ab","Names":["c-worker"],"State":"running","Labels":{"io.x-k8s.kind.cluster":"c","io.x-k8s.kind.role":"worker"}}]"#;
        let docker = r#"{"ID":"ab","Names":"c-worker","State":"exited","Status":"Exited (137) 2 days ago","Labels":"x=y,io.x-k8s.kind.cluster=c,io.x-k8s.kind.role=worker"}"#;
        let nerdctl = r#"{"ID":"ab","Names":"c-worker","Status":"Up","Labels":"io.x-k8s.kind.role=worker,io.x-k8s.kind.cluster=c"}"#;
        assert_eq!(summary(podman), [node(true)]);
        assert_eq!(summary(docker), [node(false)]);
        assert_eq!(summary(&format!("{nerdctl}\n{nerdctl}\n")), [node(true), node(true)]);
        assert_eq!((summary(""), summary("[]"), summary("null")), (vec![], vec![], vec![]));
        assert_eq!(parse("Error: no"), None);
    }
}
