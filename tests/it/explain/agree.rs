//! `doctor` and `explain` give one answer to a question that both judge, on every machine.

use kind_wsl::doctor::{Diagnosis, Patient, Verdict, examinations, examine};
use kind_wsl::explain::Here;
use kind_wsl::explain::here::by_name;
use kind_wsl::explain::table;
use kind_wsl::host::FaultInjector;
use kind_wsl::stage::Answers;

use crate::support::{Layout, Machine, answers};

/// The checks of `doctor`, and the looks of `explain` at the same facts.
const SHARED: &[(&str, &[&str])] = &[
    ("systemd", &["systemd"]),
    ("interop", &["interop"]),
    ("cgroup", &["cgroup-v1", "cgroup-hybrid", "cgroup-root"]),
    ("isolation", &["withheld"]),
    ("runtime-dir", &["runtime-dir", "runtime-dir-owner", "bus"]),
    ("manager", &["user-manager"]),
    ("controllers", &["controllers"]),
    ("subids", &["subids", "newuidmap"]),
    ("shared-root", &["root-private"]),
    ("crun", &["crun-chmod", "crun-oci", "crun-0", "crun-1.21", "crun-1.29"]),
    ("logs", &["log-driver"]),
    ("overlay", &["kernel-overlay"]),
    ("network", &["pasta", "cni-missing"]),
    ("pids", &["pids-limit"]),
    ("inotify", &["inotify"]),
    ("iptables", &["iptables", "modules-unloaded"]),
    ("ipv6", &["ipv6"]),
    ("networking", &["mirrored"]),
    ("kind", &["podman-6-labels"]),
    ("restart", &["pending"]),
];

/// Looks at what no check of `doctor` judges, or what it does not take for a fault.
const ONLY_EXPLAIN: &[&str] = &[
    "v1-memory",
    "isolated",
    "kernel-words",
    "manager-refused",
    "runtime-dir-wslg",
    "runtime-dir-hidden",
    "run-in-tmp",
    "cni-plugins",
    "podman-6-ports",
    "docker-missing",
    "user-namespaces",
    "apparmor",
    "modules-missing",
    "xt-recent",
    "low-ports",
    "old-wsl",
];

/// Checks that judge other facts as well: whether kind is installed, whether cpuset and io are delegated.
const BROADER: &[&str] = &["kind", "controllers"];

/// What the two say differently.
fn contradictions(machine: &Machine, name: &str) -> Vec<String> {
    let (host, facts) = (machine.host(FaultInjector::default()), machine.facts());
    let patient = Patient { system: &host, facts: &facts, answers: &Answers::default() };
    let found = examine(&patient, &examinations(), |_| {});
    let mut wrong = Vec::new();
    for (check, looks) in SHARED {
        let Diagnosis { finding, .. } = found.iter().find(|d| d.id == *check).unwrap();
        let said: Vec<(&str, Here)> =
            looks.iter().map(|look| (*look, by_name(look).unwrap()(&host, &facts))).collect();
        let is_present = said.iter().any(|(_, here)| matches!(here, Here::Present(_)));
        let is_absent = said.iter().all(|(_, here)| matches!(here, Here::Absent(_)));
        let agrees = match finding.verdict {
            Verdict::NotApplicable => true,
            Verdict::Ok | Verdict::Unknown => !is_present,
            Verdict::Doubtful | Verdict::Wrong => !is_absent || BROADER.contains(check),
        };
        if !agrees {
            wrong.push(format!("{name}: doctor says {finding:?} of {check}, explain {said:?}"));
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
            ("/lib/modules/6.6.87.2-microsoft-standard-WSL2/modules.dep", ""),
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
    for layout in [Layout::Classic, Layout::Modern, Layout::Isolated, Layout::Generous, Layout::Plain] {
        for (variant, files) in VARIANTS {
            let machine = Machine::new(layout);
            files.iter().for_each(|(path, text)| machine.write(path, text));
            wrong.extend(contradictions(&machine, &format!("{layout:?}, {variant}")));
        }
        let machine = Machine::new(layout);
        machine.finish(|host| machine.setup(host, &answers(), false));
        wrong.extend(contradictions(&machine, &format!("{layout:?}, set up")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_look_is_compared_with_doctor_or_is_known_to_be_of_explain_alone() {
    let shared = || SHARED.iter().flat_map(|(_, looks)| *looks);
    for name in table().unwrap().symptoms.iter().filter_map(|s| s.here.as_deref()) {
        let (is_shared, is_alone) = (shared().any(|look| *look == name), ONLY_EXPLAIN.contains(&name));
        assert!(is_shared != is_alone, "{name}");
    }
}

#[test]
fn on_debian_11_overlayfs_is_allowed_and_ipv6_is_disabled() {
    let machine = Machine::new(Layout::Plain);
    let (_, files) = VARIANTS.iter().find(|(name, _)| *name == "Debian 11").unwrap();
    files.iter().for_each(|(path, text)| machine.write(path, text));
    let (host, facts) = (machine.host(FaultInjector::default()), machine.facts());
    let here = |name: &str| by_name(name).unwrap()(&host, &facts);
    let allowed = "the kernel is 5.10.0-28-amd64, whose distribution allows it";
    assert_eq!(here("kernel-overlay"), Here::Absent(allowed.to_owned()));
    assert_eq!(here("ipv6"), Here::Present("net.ipv6.conf.all.disable_ipv6 is 1".to_owned()));
    let patient = Patient { system: &host, facts: &facts, answers: &Answers::default() };
    let found = examine(&patient, &examinations(), |_| {});
    let check = |id: &str| &found.iter().find(|d| d.id == id).unwrap().finding;
    assert_eq!(check("overlay").verdict, Verdict::Ok);
    assert_eq!(
        (check("ipv6").verdict, check("ipv6").fix.text()),
        (Verdict::Doubtful, "sudo sysctl -w net.ipv6.conf.all.disable_ipv6=0")
    );
}
