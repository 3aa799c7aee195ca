//! Programs of the node that Debian does not have, in one file: stand-ins for `kubelet`, `crictl` and `kube-apiserver`, and `api`,
//! with which the stand-in for kubectl asks the latter. kubelet and crictl talk to the real containerd, by CRI.
//! Nothing but std: built by the recipe with the rustc of Debian 12.
mod apiserver;
mod cri;
mod crictl;
mod kubelet;
mod message;

fn main() {
    let mut arguments = std::env::args();
    let name = arguments.next().unwrap_or_default();
    let arguments: Vec<String> = arguments.collect();
    let done = match name.rsplit('/').next() {
        Some("kubelet") => kubelet::run(),
        Some("crictl") => crictl::run(&arguments),
        Some("kube-apiserver") => apiserver::run(),
        Some("api") => match arguments.as_slice() {
            [kubeconfig, path] => apiserver::request(kubeconfig, "GET", path).map(|body| println!("{body}")),
            _ => Err("api KUBECONFIG PATH".to_owned()),
        },
        _ => Err(format!("{name}: call it kubelet, crictl, kube-apiserver or api")),
    };
    if let Err(error) = done {
        eprintln!("{error}");
        std::process::exit(1);
    }
}
