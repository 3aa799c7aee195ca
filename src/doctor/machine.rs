//! WSL, the kernel, PID 1 and the cgroup hierarchy; and what the network of a node needs.

use super::{Examination, Finding, Patient};
use crate::edit::cmdline;
use crate::facts::Wsl;
use crate::facts::kernel::Module;
use crate::host::Cmd;

/// What hides everything else.
pub(super) static FIRST: &[Examination] = &[
    Examination { id: "wsl", what: "this is WSL 2, or a plain Linux", look: wsl },
    Examination { id: "systemd", what: "systemd is PID 1", look: systemd },
    Examination { id: "restart", what: "nothing waits for a restart", look: restart },
    Examination { id: "interop", what: "Windows programs can be started", look: interop },
    Examination { id: "cgroup", what: "cgroup v2 alone is mounted", look: cgroup },
    Examination {
        id: "isolation",
        what: "WSL passes every controller on to this distribution",
        look: isolation,
    },
];

/// What a node needs beyond being started.
pub(super) static LAST: &[Examination] = &[
    Examination { id: "inotify", what: "inotify limits suffice for several nodes", look: inotify },
    Examination { id: "ports", what: "a user may open the ports of an ingress", look: ports },
    Examination { id: "iptables", what: "iptables is there, and its modules are", look: iptables },
    Examination { id: "ipv6", what: "the kernel speaks IPv6", look: ipv6 },
    Examination { id: "resolv", what: "/etc/resolv.conf leads to a file", look: resolv },
    Examination { id: "dmesg", what: "a user may read the kernel's messages", look: dmesg },
    Examination { id: "clock", what: "the clock did not stop while the machine slept", look: clock },
    Examination { id: "networking", what: "Windows reaches published ports", look: networking },
];

fn wsl(patient: &Patient<'_>) -> Finding {
    let facts = patient.facts;
    match &facts.wsl {
        Wsl::No if facts.kernel.release.is_empty() => {
            Finding::unknown("the kernel's release can not be read")
        }
        Wsl::No => Finding::ok(format!("no WSL; {}, Linux {}", facts.distro.name, facts.kernel.release)),
        Wsl::One { distro } => {
            let name = distro.as_deref().unwrap_or("DISTRIBUTION");
            let consequence = "no containers at all: WSL 1 has no Linux kernel";
            Finding::wrong("WSL 1", consequence, format!("in Windows: `wsl.exe --set-version {name} 2`"))
        }
        Wsl::Two { .. } => Finding::ok(format!("{}, Linux {}", facts.wsl.name(), facts.kernel.release)),
    }
}

fn systemd(patient: &Patient<'_>) -> Finding {
    let systemd = &patient.facts.systemd;
    match systemd.pid1.as_str() {
        "" => Finding::unknown("the name of PID 1 can not be read"),
        "systemd" => Finding::ok("PID 1 is systemd"),
        other => {
            let consequence = "there is no user manager, so no cgroup is delegated to a user: kind refuses, or a node is never ready";
            let fix = if patient.facts.wsl.is_two() {
                "kind-wsl setup --only systemd,restart"
            } else {
                "start this machine with systemd; without it rootless kind is not possible"
            };
            Finding::wrong(format!("PID 1 is `{other}`"), consequence, fix)
        }
    }
}

fn restart(patient: &Patient<'_>) -> Finding {
    let waiting: Vec<&str> = patient.facts.pending.iter().map(|p| p.why.as_str()).collect();
    if waiting.is_empty() {
        return Finding::ok("nothing that kind-wsl changed waits for a restart");
    }
    let evidence = format!("changed since the last start: {}", waiting.join(", "));
    Finding::wrong(evidence, "what was changed does not count yet", "kind-wsl setup")
}

fn interop(patient: &Patient<'_>) -> Finding {
    if !patient.facts.wsl.is_two() {
        return Finding::not_here("no WSL");
    }
    let entry = "/proc/sys/fs/binfmt_misc/WSLInterop";
    let conf =
        "the restart in the middle of a set-up is then left to you; kind itself needs no Windows program";
    let text = patient.world.text(entry);
    match text.as_deref().map(|t| t.lines().next().unwrap_or_default() == "enabled") {
        // The entry proves little: interop may be off for this distribution. That is found out when it is needed.
        Some(true) if patient.facts.windows.interop => {
            Finding::ok(format!("{entry} is enabled, and wsl.exe opened this session"))
        }
        Some(true) => Finding::ok(format!("{entry} is enabled; this session was not opened by wsl.exe")),
        _ => {
            let late = patient.world.exists(&format!("{entry}-late"));
            if late {
                return Finding::ok(format!("{entry}-late is there"));
            }
            Finding::doubtful(
                format!("{entry} is not there"),
                conf,
                "in Windows: `wsl.exe --shutdown`, then a new shell (WSL#8843: systemd-binfmt drops it; `sudo systemctl mask systemd-binfmt` keeps it)",
            )
        }
    }
}

fn cgroup(patient: &Patient<'_>) -> Finding {
    let mounts = &patient.facts.cgroup.mounts;
    if mounts.is_pure_v2() {
        return Finding::ok(mounts.to_string());
    }
    let consequence =
        "kind refuses: \"running kind with rootless provider requires cgroup v2\", or finds no controller";
    let fix = if patient.facts.wsl.is_two() {
        "kind-wsl setup --only systemd,cgroup,cgroup-mount,restart".to_owned()
    } else if cmdline::has(&patient.facts.kernel.cmdline, "systemd.unified_cgroup_hierarchy=0") {
        "take `systemd.unified_cgroup_hierarchy=0` out of GRUB_CMDLINE_LINUX in /etc/default/grub, then `sudo update-grub` and restart the machine".to_owned()
    } else {
        "add `systemd.unified_cgroup_hierarchy=1` to GRUB_CMDLINE_LINUX in /etc/default/grub, then `sudo update-grub` and restart the machine".to_owned()
    };
    Finding::wrong(format!("/sys/fs/cgroup is {mounts}"), consequence, fix)
}

fn isolation(patient: &Patient<'_>) -> Finding {
    let cgroup = &patient.facts.cgroup;
    let withheld = cgroup.withheld();
    if withheld.is_empty() {
        if !cgroup.is_isolated() {
            return Finding::not_here("nothing is between the root cgroup and systemd");
        }
        return Finding::ok(format!("systemd is below {} and gets every controller", cgroup.systemd_root));
    }
    let at = cgroup
        .chain
        .iter()
        .zip(cgroup.chain.iter().skip(1))
        .find(|(_, below)| !below.lacks(&["cpu", "cpuset", "io", "memory", "pids"]).is_empty());
    let at = at.map_or("/sys/fs/cgroup", |(above, _)| above.path.as_str());
    let evidence =
        format!("{at} does not pass {} on to systemd below {}", withheld.join(", "), cgroup.systemd_root);
    let consequence = "kind refuses and blames \"Delegate=yes\", which can not cure this";
    let essential = withheld.iter().any(|c| matches!(c.as_str(), "cpu" | "memory" | "pids"));
    let fix = "kind-wsl setup --only controllers,restart";
    if essential {
        Finding::wrong(evidence, consequence, fix)
    } else {
        Finding::doubtful(evidence, "kind starts, but limits of these are not kept", fix)
    }
}

fn inotify(patient: &Patient<'_>) -> Finding {
    let now = |name: &str| patient.facts.kernel.settings.get(name).copied();
    let (watches, instances) = (now("fs.inotify.max_user_watches"), now("fs.inotify.max_user_instances"));
    let (Some(watches), Some(instances)) = (watches, instances) else {
        return Finding::unknown("the limits can not be read");
    };
    let evidence = format!("fs.inotify.max_user_watches is {watches}, max_user_instances is {instances}");
    if watches >= 524_288 && instances >= 512 {
        return Finding::ok(evidence);
    }
    Finding::doubtful(evidence, "with several nodes: \"too many open files\"", "kind-wsl setup --only limits")
}

fn ports(patient: &Patient<'_>) -> Finding {
    match patient.facts.kernel.settings.get("net.ipv4.ip_unprivileged_port_start") {
        None => Finding::unknown("net.ipv4.ip_unprivileged_port_start can not be read"),
        Some(first @ 0..=80) => Finding::ok(format!("ports from {first} on are free for users")),
        // Nobody needs them who publishes an ingress elsewhere.
        Some(first) => Finding::ok(format!(
            "ports below {first} are root's: publish an ingress on 8080 and 8443, or `kind-wsl setup --only limits --privileged-ports yes`"
        )),
    }
}

fn iptables(patient: &Patient<'_>) -> Finding {
    let facts = patient.facts;
    let found = ["/usr/sbin/iptables", "/sbin/iptables", "/usr/bin/iptables"]
        .into_iter()
        .find(|p| patient.world.exists(p));
    let consequence = "a node's network can not be set up";
    let Some(path) = found else {
        return Finding::wrong("there is no iptables", consequence, "kind-wsl setup --only packages");
    };
    let said = patient.world.answer(&Cmd::new(path, ["--version"])).unwrap_or_default();
    let missing = facts.kernel.modules_that_are(Module::Missing);
    let idle = facts.kernel.modules_that_are(Module::Loadable);
    let is_nft = said.contains("nf_tables");
    match (missing.is_empty(), idle.is_empty()) {
        (false, _) if !is_nft => {
            let evidence = format!(
                "{path} works with the kernel's own tables, and the kernel has no {}",
                missing.join(", ")
            );
            Finding::wrong(
                evidence,
                consequence,
                "sudo update-alternatives --set iptables /usr/sbin/iptables-nft",
            )
        }
        (_, false) => {
            let evidence = format!("not loaded: {}", idle.join(", "));
            Finding::doubtful(
                evidence,
                "a rootless node may not load them itself",
                "kind-wsl setup --only modules",
            )
        }
        _ => Finding::ok(if said.is_empty() { path.to_owned() } else { said }),
    }
}

fn ipv6(patient: &Patient<'_>) -> Finding {
    let off = cmdline::has(&patient.facts.kernel.cmdline, "ipv6.disable=1");
    if patient.world.exists("/proc/net/if_inet6") && !off {
        return Finding::ok("/proc/net/if_inet6 is there");
    }
    // kind itself tries again without (providers/podman/network.go).
    let fix =
        "nothing to do for kind; take `ipv6.disable=1` from the kernel's command line where pods need IPv6";
    Finding::doubtful("the kernel has no IPv6", "kind makes its network without IPv6", fix)
}

fn resolv(patient: &Patient<'_>) -> Finding {
    let path = "/etc/resolv.conf";
    let text = patient.world.text(path);
    let consequence = "a node finds no registry: \"could not resolve host\", or podman can not mount it";
    match text.as_deref().map(|t| t.lines().any(|l| l.trim_start().starts_with("nameserver"))) {
        Some(true) => Finding::ok(format!("{path} names a server")),
        Some(false) => Finding::doubtful(
            format!("{path} names no server"),
            consequence,
            "`cat /etc/resolv.conf`; WSL writes it at its start unless `[network] generateResolvConf=false` is in /etc/wsl.conf",
        ),
        None => Finding::wrong(
            format!("{path} leads to no file"),
            consequence,
            "`ls -l /etc/resolv.conf` shows where it leads; on WSL remove it and run `wsl.exe --shutdown` in Windows: WSL writes it anew",
        ),
    }
}

fn dmesg(patient: &Patient<'_>) -> Finding {
    match patient.facts.kernel.settings.get("kernel.dmesg_restrict") {
        None => Finding::unknown("kernel.dmesg_restrict can not be read"),
        Some(0) => Finding::ok("kernel.dmesg_restrict is 0"),
        Some(_) => Finding::ok(
            "only root reads them, which kind does not mind (`kind export logs` then lacks them; `kind-wsl setup --only limits --dmesg yes`)",
        ),
    }
}

/// How far the system's clock may be from the machine's, in seconds.
const DRIFT: u64 = 60;

fn clock(patient: &Patient<'_>) -> Finding {
    let hardware =
        patient.world.text("/sys/class/rtc/rtc0/since_epoch").and_then(|t| t.trim().parse::<u64>().ok());
    let system = patient.world.answer(&Cmd::line("date +%s")).and_then(|t| t.parse::<u64>().ok());
    let (Some(hardware), Some(system)) = (hardware, system) else {
        return Finding::unknown("there is no hardware clock to compare with");
    };
    let off = hardware.abs_diff(system);
    if off <= DRIFT {
        return Finding::ok(format!("{off} s from the hardware clock"));
    }
    let consequence = "\"x509: certificate has expired or is not yet valid\"";
    Finding::wrong(format!("{off} s from the hardware clock"), consequence, "sudo hwclock -s")
}

fn networking(patient: &Patient<'_>) -> Finding {
    if !patient.facts.wsl.is_two() {
        return Finding::not_here("no WSL");
    }
    match patient
        .world
        .answer(&Cmd::line("wslinfo --networking-mode").as_user(&patient.facts.user))
        .as_deref()
    {
        None => Finding::unknown("this WSL does not say its networking mode"),
        Some("mirrored") => {
            let fix = "if kubectl in Windows can not connect: `networkingMode=nat` below [wsl2] in .wslconfig, then `wsl.exe --shutdown`";
            Finding::doubtful(
                "networking mode mirrored",
                "ports that podman publishes may not be reached from Windows (WSL#11468)",
                fix,
            )
        }
        Some(mode) => Finding::ok(format!("networking mode {mode}")),
    }
}
