//! `doctor` and `explain` give the same answer to the same question, on every machine.

use kind_wsl::checks::{Check, CheckContext, Scope, Status, doctor};
use kind_wsl::doctor::{CheckReport, run_checks};
use kind_wsl::explain::causes::{Presence, checks, presence};
use kind_wsl::explain::{Id, table};
use kind_wsl::host::FaultInjector;
use kind_wsl::stage::Answers;

use crate::support::{Layout, Machine, answers};

/// Whether `check` is `other`, or has it as a part.
fn has(check: &Check, other: &Check) -> bool {
    std::ptr::eq(check, other) || check.parts().iter().any(|part| has(part, other))
}

/// What the two say differently about the cause of a symptom.
fn contradictions(machine: &Machine, name: &str) -> Vec<String> {
    let (host, facts, answers) =
        (machine.host(FaultInjector::default()), machine.facts(), Answers::default());
    let context = CheckContext::new(&host, &facts, &answers);
    let reports = run_checks(&context, doctor());
    let of_explain = CheckContext::new(&host, &facts, &answers).of_any_provider();
    let mut wrong = Vec::new();
    for id in table().unwrap().symptoms.iter().map(|symptom| symptom.id) {
        let Some(cause) = presence(id, &of_explain) else { continue };
        // What doctor skips because of the provider is a question of its own.
        let is_for_provider = |check: &Check| {
            !check
                .scope
                .iter()
                .any(|s| matches!(s, Scope::Provider(list) if !list.contains(&answers.provider())))
        };
        let asked: Vec<_> = checks(id).iter().copied().filter(|check| is_for_provider(check)).collect();
        let statuses: Vec<(&str, Status)> =
            asked.iter().map(|check| (check.id, CheckReport::of(&context, check).status)).collect();
        let failed = |status: &Status| matches!(status, Status::Limited | Status::Warning | Status::Error);
        let agrees = match &cause {
            _ if asked.is_empty() => true,
            Presence::Present(_) => statuses.iter().any(|(_, status)| failed(status)),
            Presence::Absent(_) | Presence::Unknown(_) => !statuses.iter().any(|(_, status)| failed(status)),
        };
        // The line that doctor prints says so, too: it is the check itself, or the one that it is a part of.
        let shown = asked.iter().all(|check| {
            let is_wrong = matches!(CheckReport::of(&context, check).status, Status::Warning | Status::Error);
            let lines = doctor().zip(&reports).filter(|(top, _)| has(top, check));
            let mut found = lines.map(|(_, report)| report.status).peekable();
            found.peek().is_some()
                && (!is_wrong
                    || found.all(|s| matches!(s, Status::Warning | Status::Error | Status::Skipped)))
        });
        if !agrees || !shown {
            wrong.push(format!("{name}: explain says {cause:?} of {id}, doctor {statuses:?}"));
        }
    }
    wrong
}

/// Files that make another machine of one.
type Files = &'static [(&'static str, &'static str)];

const VARIANTS: &[(&str, Files)] = &[
    ("as it is", &[]),
    (
        "Debian 11",
        &[
            ("/etc/os-release", "PRETTY_NAME=\"Debian GNU/Linux 11\"\nID=debian\nVERSION_ID=\"11\"\n"),
            ("/proc/sys/kernel/osrelease", "5.10.0-28-amd64\n"),
            ("/proc/net/if_inet6", "00000000000000000000000000000001 01 80 10 80 lo\n"),
            ("/proc/sys/net/ipv6/conf/all/disable_ipv6", "1\n"),
        ],
    ),
    (
        "Fedora with an old kernel",
        &[
            ("/etc/os-release", "ID=fedora\nVERSION_ID=33\n"),
            ("/proc/sys/kernel/osrelease", "5.9.16-200.fc33\n"),
        ],
    ),
    (
        "an old kernel and fuse-overlayfs",
        &[
            ("/etc/os-release", "ID=fedora\nVERSION_ID=33\n"),
            ("/proc/sys/kernel/osrelease", "5.9.16-200.fc33\n"),
            ("/usr/bin/fuse-overlayfs", ""),
        ],
    ),
    (
        "IPv6 on, and everything there",
        &[
            ("/proc/net/if_inet6", "00000000000000000000000000000001 01 80 10 80 lo\n"),
            ("/proc/sys/net/ipv6/conf/all/disable_ipv6", "0\n"),
            ("/proc/self/mountinfo", "1 0 8:32 / / rw,relatime shared:1 - ext4 /dev/sdc rw\n"),
            ("/proc/sys/fs/binfmt_misc/WSLInterop", "enabled\ninterpreter /init\n"),
            ("/proc/sys/fs/inotify/max_user_watches", "524288\n"),
            ("/proc/sys/fs/inotify/max_user_instances", "512\n"),
            ("/etc/subuid", "dev:200000:65536\n"),
            ("/etc/subgid", "dev:200000:65536\n"),
            ("/usr/sbin/iptables", ""),
            ("/usr/bin/pasta", ""),
            ("/usr/lib/podman/netavark", ""),
            ("/run/user/1000/bus", ""),
        ],
    ),
    (
        "IPv6 off for new devices, interop off, no modules, slirp4netns",
        &[
            ("/proc/net/if_inet6", ""),
            ("/proc/sys/net/ipv6/conf/all/disable_ipv6", "0\n"),
            ("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1\n"),
            ("/proc/self/mountinfo", "1 0 8:32 / / rw,relatime - ext4 /dev/sdc rw\n"),
            ("/proc/sys/fs/binfmt_misc/WSLInterop", "disabled\n"),
            ("/lib/modules/KERNEL/modules.dep", ""),
            ("/fake/packages", "libc6 2.36\nsystemd 252.39-1\npodman 4.3.1\n"),
            ("/usr/sbin/iptables", ""),
            ("/usr/bin/slirp4netns", ""),
            ("/usr/lib/cni/bridge", ""),
        ],
    ),
    (
        "podman's configuration with a low limit",
        &[(
            "/home/dev/.config/containers/containers.conf",
            "[containers]\nlog_driver = \"k8s-file\"\npids_limit = 100\n[engine]\nevents_logger = \"file\"\n",
        )],
    ),
];

#[test]
fn doctor_and_explain_give_one_answer() {
    let mut wrong = Vec::new();
    for layout in Layout::ALL {
        for (variant, files) in VARIANTS {
            let machine = Machine::new(layout);
            let kernel = machine.text("/proc/sys/kernel/osrelease");
            let path = |path: &str| path.replace("KERNEL", kernel.trim());
            files.iter().for_each(|(at, text)| machine.write(&path(at), text));
            wrong.extend(contradictions(&machine, &format!("{layout:?}, {variant}")));
        }
        if layout == Layout::NamespacedPoor {
            // Nothing inside the distribution can be set up.
            continue;
        }
        let machine = Machine::new(layout);
        machine.finish(|host| machine.setup(host, &answers(), false));
        wrong.extend(contradictions(&machine, &format!("{layout:?}, set up")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn on_debian_11_overlayfs_is_allowed_and_ipv6_is_disabled() {
    let machine = Machine::new(Layout::Plain);
    let (_, files) = VARIANTS.iter().find(|(name, _)| *name == "Debian 11").unwrap();
    files.iter().for_each(|(path, text)| machine.write(path, text));
    let (host, facts, answers) =
        (machine.host(FaultInjector::default()), machine.facts(), Answers::default());
    let context = CheckContext::new(&host, &facts, &answers);
    let allowed = "the kernel is 5.10.0-28-amd64, whose distribution allows it";
    assert_eq!(presence(Id(38), &context), Some(Presence::Absent(allowed.to_owned())));
    assert_eq!(
        presence(Id(64), &context),
        Some(Presence::Present("net.ipv6.conf.all.disable_ipv6 is 1".to_owned()))
    );
    let reports = run_checks(&context, doctor());
    let report = |id: &str| reports.iter().find(|report| report.id == id).unwrap();
    assert_eq!(report("overlay").status, Status::Ok);
    let ipv6 = report("ipv6");
    let fix = "sudo sysctl -w net.ipv6.conf.all.disable_ipv6=0";
    assert_eq!((ipv6.status, ipv6.fix.text()), (Status::Warning, fix));
}
