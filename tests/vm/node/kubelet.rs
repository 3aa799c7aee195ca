//! A stand-in for the kubelet: it starts pods that are written here, and reports to the API server every two seconds. How it starts pods is the kubelet's own way:
//! a sandbox and its containers by CRI, below a slice of the pod, with the names that the kubelet's systemd driver gives (`cgroupRoot: /kubelet`).
use crate::apiserver::request;
use crate::cri::call;
use crate::message::Message;
use std::process::Command;
use std::time::{Duration, Instant};

const IMAGE: &str = "localhost/pod:stand-in";
/// `NamespaceMode` of CRI: the node's own network, as pods of the control plane have it. There is no CNI here.
const NODE: i64 = 2;
const CONTAINER: i64 = 1;

struct Pod {
    namespace: &'static str,
    name: &'static str,
    uid: &'static str,
    /// Quality of service, as in the slice's name; a guaranteed pod's slice has none.
    quality: &'static str,
    container: &'static str,
    command: &'static [&'static str],
    /// Bytes, and millionths of seconds in 100,000; none: no limit.
    limits: Option<(i64, i64)>,
}

const PODS: &[Pod] = &[
    // the uid of a pod that comes from a file is a hash, without dashes
    Pod {
        namespace: "kube-system",
        name: "kube-apiserver-kind-control-plane",
        uid: "5a1f0c3de97b46288d0c4be2f7a39e61",
        quality: "burstable",
        container: "kube-apiserver",
        command: &["/kube-apiserver"],
        limits: None,
    },
    Pod {
        namespace: "default",
        name: "nginx",
        uid: "0d4c2b6e-83f1-4a57-9e10-6b7f21c5d8aa",
        quality: "besteffort",
        container: "nginx",
        command: &["nginx", "-g", "daemon off;"],
        limits: None,
    },
    Pod {
        namespace: "default",
        name: "limited",
        uid: "7be91f05-2c4d-4e8a-b3c6-19d0a84f5e32",
        quality: "",
        container: "sleeper",
        command: &["/busybox", "sleep", "infinity"],
        limits: Some((64 << 20, 20_000)),
    },
];

pub fn run() -> Result<(), String> {
    let known = patiently(|| call("ListPodSandbox", &Message::default()))?.messages(1);
    // kubeadm writes the manifest on control planes only
    let is_control_plane = std::path::Path::new("/etc/kubernetes/manifests/kube-apiserver.yaml").exists();
    for pod in PODS.iter().filter(|pod| is_control_plane || pod.namespace != "kube-system") {
        // a node that starts again has the dead sandboxes of the time before; their names are taken
        let old: Vec<&Message> = known.iter().filter(|p| p.inner(2).string(2) == pod.uid).collect();
        if old.iter().any(|p| p.integer(3) == 0) {
            continue;
        }
        let attempt = old.iter().map(|p| p.inner(2).integer(4) as i64 + 1).max().unwrap_or(0);
        // the image may have been imported just now, and containerd hears of it a moment later
        patiently(|| pod.start(attempt))?;
    }
    println!("the pods run");
    loop {
        if let Err(error) = report() {
            eprintln!("{error}");
        }
        std::thread::sleep(Duration::from_secs(2));
    }
}

/// A heartbeat, if the address of `--node-ip` is one of this node's, as the real kubelet requires (`pkg/kubelet/kubelet_node_status.go`,
/// `validateNodeIP`). The server is reached by the name in kubelet.conf.
fn report() -> Result<(), String> {
    let flags = std::fs::read_to_string("/var/lib/kubelet/kubeadm-flags.env").unwrap_or_default();
    let address = flags
        .split("--node-ip=")
        .nth(1)
        .and_then(|rest| rest.split(['"', ' ', '\n']).next())
        .unwrap_or_default();
    if std::net::TcpListener::bind((address, 0)).is_err() {
        return Err(format!(
            "failed to validate nodeIP: node IP: {address:?} not found in the host's network interfaces"
        ));
    }
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    request("/etc/kubernetes/kubelet.conf", "POST", &format!("/nodes/{}", name.trim())).map(drop)
}

/// Until it works, for a minute.
fn patiently<T>(mut work: impl FnMut() -> Result<T, String>) -> Result<T, String> {
    let begin = Instant::now();
    loop {
        match work() {
            Err(error) if begin.elapsed() < Duration::from_secs(60) => eprintln!("{error}; once more"),
            other => return other,
        }
        std::thread::sleep(Duration::from_millis(300));
    }
}

impl Pod {
    fn start(&self, attempt: i64) -> Result<(), String> {
        let slice = self.slice();
        if let Some((memory, quota)) = self.limits {
            // what the kubelet asks systemd for when it makes a pod's slice
            let properties = [format!("MemoryMax={memory}"), format!("CPUQuota={}%", quota / 1000)];
            let set = Command::new("systemctl")
                .args(["set-property", "--runtime", slice.rsplit('/').next().unwrap_or_default()])
                .args(properties)
                .status();
            if !set.map_err(|error| format!("systemctl: {error}"))?.success() {
                return Err(format!("systemctl could not set the limits of {slice}"));
            }
        }
        let logs = format!("/var/log/pods/{}_{}_{}", self.namespace, self.name, self.uid);
        std::fs::create_dir_all(format!("{logs}/{}", self.container))
            .map_err(|error| format!("{logs}: {error}"))?;
        let config = self.sandbox(attempt, &slice, &logs);
        let id = call("RunPodSandbox", &Message::default().message(1, &config))?.string(1);
        let request =
            Message::default().text(1, &id).message(2, &self.container(attempt)).message(3, &config);
        let container = call("CreateContainer", &request)?.string(1);
        call("StartContainer", &Message::default().text(1, &container)).map(drop)
    }

    /// As the systemd driver writes it (kubelet, `pkg/kubelet/cm`): dashes of the uid become underscores.
    fn slice(&self) -> String {
        let uid = self.uid.replace('-', "_");
        match self.quality {
            "" => format!("/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod{uid}.slice"),
            quality => format!(
                "/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-{quality}.slice/kubelet-kubepods-{quality}-pod{uid}.slice"
            ),
        }
    }

    fn sandbox(&self, attempt: i64, slice: &str, logs: &str) -> Message {
        let metadata = Message::default()
            .text(1, self.name)
            .text(2, self.uid)
            .text(3, self.namespace)
            .number(4, attempt);
        let security = Message::default().message(1, &namespaces());
        let linux = Message::default().text(1, slice).message(2, &security);
        Message::default().message(1, &metadata).text(3, logs).map(6, &self.labels()).message(8, &linux)
    }

    fn container(&self, attempt: i64) -> Message {
        let metadata = Message::default().text(1, self.container).number(2, attempt);
        let mut config =
            Message::default().message(1, &metadata).message(2, &Message::default().text(1, IMAGE));
        for word in self.command {
            config = config.text(3, word);
        }
        let mut labels = self.labels();
        labels.push(("io.kubernetes.container.name", self.container));
        let resources = match self.limits {
            Some((memory, quota)) => Message::default().number(1, 100_000).number(2, quota).number(4, memory),
            None => Message::default().number(3, 2),
        };
        let security = Message::default().message(3, &namespaces());
        let linux = Message::default().message(1, &resources).message(2, &security);
        config.map(9, &labels).text(11, &format!("{}/{attempt}.log", self.container)).message(15, &linux)
    }

    fn labels(&self) -> Vec<(&str, &str)> {
        vec![
            ("io.kubernetes.pod.name", self.name),
            ("io.kubernetes.pod.namespace", self.namespace),
            ("io.kubernetes.pod.uid", self.uid),
        ]
    }
}

/// The node's network, and a list of processes for each container.
fn namespaces() -> Message {
    Message::default().number(1, NODE).number(2, CONTAINER)
}
