//! WSL, the kernel, PID 1 and the cgroup hierarchy; and what the network of a node needs.

use super::{Examination, Finding, Patient, Verdict};
use crate::edit::cmdline;
use crate::explain::{Here, here};
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
    let fix = if patient.facts.wsl.is_two() {
        "`kind-wsl setup --only systemd,restart`"
    } else {
        "start this machine with systemd; without it rootless kind is not possible"
    };
    let consequence = "there is no user manager, so no cgroup is delegated to a user: kind refuses, or a node is never ready";
    Finding::of(here::session::systemd(patient.system, patient.facts), |e| {
        Finding::wrong(e, consequence, fix)
    })
}

fn restart(patient: &Patient<'_>) -> Finding {
    let waiting = patient.facts.restart_reasons();
    if waiting.is_empty() {
        return Finding::ok("nothing that kind-wsl changed waits for a restart");
    }
    let evidence = format!("changed since the last start: {}", waiting.join(", "));
    Finding::wrong(evidence, "what was changed does not count yet", "`kind-wsl setup`")
}

fn interop(patient: &Patient<'_>) -> Finding {
    if !patient.facts.wsl.is_two() {
        return Finding::not_applicable("no WSL");
    }
    match here::machine::interop(patient.system, patient.facts) {
        // The entry proves little: interop may be off for this distribution. That is found out when it is needed.
        Here::Absent(entry) => {
            let how = if patient.facts.windows.interop { "was" } else { "was not" };
            Finding::ok(format!("{entry}; this session {how} opened by wsl.exe"))
        }
        other => Finding::of(other, |evidence| {
            Finding::doubtful(
                evidence,
                "the restart in the middle of a setup is manual; kind itself needs no Windows program",
                "in Windows: `wsl.exe --shutdown`, then a new shell (WSL#8843: systemd-binfmt drops it; `sudo systemctl mask systemd-binfmt` keeps it)",
            )
        }),
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
        "`kind-wsl setup --only systemd,cgroup,cgroup-mount,restart`".to_owned()
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
            return Finding::not_applicable("nothing is between the root cgroup and systemd");
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
    let fix = "`kind-wsl setup --only controllers,restart`";
    if essential {
        Finding::wrong(evidence, consequence, fix)
    } else {
        Finding::doubtful(evidence, "kind starts, but limits of these are not kept", fix)
    }
}

fn inotify(patient: &Patient<'_>) -> Finding {
    Finding::of(here::machine::inotify(patient.system, patient.facts), |evidence| {
        Finding::doubtful(
            evidence,
            "with several nodes: \"too many open files\"",
            "`kind-wsl setup --only limits`",
        )
    })
}

fn ports(patient: &Patient<'_>) -> Finding {
    // Nobody needs them who publishes an ingress elsewhere.
    Finding::of(here::machine::low_ports(patient.system, patient.facts), |evidence| {
        Finding::ok(format!(
            "{evidence}: publish an ingress on 8080 and 8443, or `kind-wsl setup --only limits --privileged-ports yes`"
        ))
    })
}

fn iptables(patient: &Patient<'_>) -> Finding {
    let (system, facts) = (patient.system, patient.facts);
    let consequence = "a node's network cannot be set up";
    let program = Finding::of(here::machine::iptables(system, facts), |evidence| {
        Finding::wrong(evidence, consequence, "`kind-wsl setup --only packages`")
    });
    if program.verdict != Verdict::Ok {
        return program;
    }
    match here::machine::modules_unloaded(system, facts) {
        Here::Present(evidence) if facts.kernel.modules_that_are(Module::Loadable).is_empty() => {
            let fix = "`sudo update-alternatives --set iptables /usr/sbin/iptables-nft`";
            Finding::wrong(evidence, consequence, fix)
        }
        Here::Present(evidence) => Finding::doubtful(
            evidence,
            "a rootless node may not load them itself",
            "`kind-wsl setup --only modules`",
        ),
        Here::Absent(_) | Here::Unknown(_) => program,
    }
}

fn ipv6(patient: &Patient<'_>) -> Finding {
    Finding::of(here::machine::ipv6(patient.system, patient.facts), |evidence| {
        match here::machine::ipv6_off(patient.system) {
            Some(name) => Finding::doubtful(
                evidence,
                "kind's network has an IPv6 subnet, and netavark can fail: \"failed to set ip address … Permission denied\"",
                format!("`sudo sysctl -w {name}=0`"),
            ),
            // kind itself tries again without (providers/podman/network.go).
            None => Finding::doubtful(
                evidence,
                "kind creates its network without IPv6",
                "nothing has to be done for kind; if pods need IPv6, remove `ipv6.disable=1` from the kernel command line",
            ),
        }
    })
}

fn resolv(patient: &Patient<'_>) -> Finding {
    let path = "/etc/resolv.conf";
    let text = patient.system.text(path);
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
        patient.system.text("/sys/class/rtc/rtc0/since_epoch").and_then(|t| t.trim().parse::<u64>().ok());
    let system = patient.system.stdout_if_ok(&Cmd::parse("date +%s")).and_then(|t| t.parse::<u64>().ok());
    let (Some(hardware), Some(system)) = (hardware, system) else {
        return Finding::unknown("there is no hardware clock to compare with");
    };
    let off = hardware.abs_diff(system);
    if off <= DRIFT {
        return Finding::ok(format!("{off} s from the hardware clock"));
    }
    let consequence = "\"x509: certificate has expired or is not yet valid\"";
    Finding::wrong(format!("{off} s from the hardware clock"), consequence, "`sudo hwclock -s`")
}

fn networking(patient: &Patient<'_>) -> Finding {
    if !patient.facts.wsl.is_two() {
        return Finding::not_applicable("no WSL");
    }
    let nat = "set `networkingMode=nat` below [wsl2] in .wslconfig, then run `wsl.exe --shutdown` in Windows";
    if here::machine::networking_mode(patient.system, patient.facts).as_deref() == Some("none") {
        let consequence = "this machine has no network, so no image can be pulled";
        return Finding::wrong("the networking mode is none", consequence, nat);
    }
    Finding::of(here::machine::mirrored(patient.system, patient.facts), |evidence| {
        Finding::doubtful(
            evidence,
            "ports that podman publishes may not be reached from Windows (WSL#11468)",
            format!("if kubectl in Windows cannot connect: {nat}"),
        )
    })
}
