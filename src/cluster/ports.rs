//! Who listens on a port of the host.

use crate::host::{FileKind, System, pids};
use crate::inspect::PublishedPort;

/// A socket that listens.
struct Listener {
    uid: u32,
    inode: String,
}

/// Names the program that listens on a port that a node is to publish; `None` if the port is free.
pub(super) fn owner(system: &dyn System, port: &PublishedPort) -> Option<String> {
    let listener = listener(system, port)?;
    let socket = format!("socket:[{}]", listener.inode);
    let is_holder = |pid: &String| {
        let dir = format!("/proc/{pid}/fd");
        let fds = system.list(dir.as_str().into()).unwrap_or_default();
        fds.iter().any(|fd| {
            let stat = system.stat(format!("{dir}/{fd}").as_str().into());
            matches!(stat, Ok(Some(stat)) if stat.kind == FileKind::Link(socket.clone()))
        })
    };
    let holder = pids(system).find(is_holder);
    Some(match holder {
        Some(pid) => {
            let name = system.text(&format!("/proc/{pid}/comm")).unwrap_or_default();
            format!("`{}` (PID {pid})", name.trim())
        }
        // Only root sees what the processes of other users have open.
        None => format!("a process of the user with UID {}", listener.uid),
    })
}

/// The socket in `/proc/net/tcp` and `tcp6` that listens on the port, on its address or on all (`proc_net_tcp(5)`).
fn listener(system: &dyn System, port: &PublishedPort) -> Option<Listener> {
    const LISTEN: &str = "0A";
    let wanted = format!("{:04X}", port.host_port);
    let address = port.host_ip.parse::<std::net::Ipv4Addr>().ok().filter(|ip| !ip.is_unspecified());
    // An IPv4 address as the kernel prints it: in the order of this machine's bytes.
    let address = address.map(|ip| format!("{:08X}", u32::from_ne_bytes(ip.octets())));
    let fits = |local: &str| match &address {
        Some(own) => local == own || local.ends_with(own.as_str()) || local.bytes().all(|b| b == b'0'),
        None => true,
    };
    let files = ["/proc/net/tcp", "/proc/net/tcp6"];
    let text: String = files.iter().filter_map(|file| system.text(file)).collect();
    text.lines().find_map(|line| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let (local, number) = fields.get(1)?.split_once(':')?;
        let is_it = number == wanted && fields.get(3) == Some(&LISTEN) && fits(local);
        is_it.then(|| {
            Some(Listener { uid: fields.get(7)?.parse().ok()?, inode: (*fields.get(9)?).to_owned() })
        })?
    })
}
