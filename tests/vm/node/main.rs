//! Two programs of the node that Debian does not have, in one file: called as `kubelet` it is a stand-in for the kubelet, called as
//! `crictl` it answers `crictl pods` and `crictl ps`. Both talk to the real containerd, over the interface that the real ones use (CRI).
//! Nothing but std: built by the recipe with the rustc of Debian 12.
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
        _ => Err(format!("{name}: call it kubelet or crictl")),
    };
    if let Err(error) = done {
        eprintln!("{error}");
        std::process::exit(1);
    }
}
