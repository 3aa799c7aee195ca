//! `kubeconfig --windows`: the merge by a real kubectl, its undo, and what is reported if Windows does not reach the port.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;

use kind_wsl::change::{Change, Kubeconfig, Merged};
use kind_wsl::engine::{DriftPolicy, EngineError};
use kind_wsl::host::{FaultInjector, LiveSystem, Owner, digest};
use kind_wsl::journal;
use kind_wsl::stages::KUBECONFIG;

use crate::support::cli::{Case, Seen, is_root};
use crate::support::{Layout, Machine, answers, same};

const PATH: &str = "/mnt/c/Users/dev/.kube/config";
/// The private key of the cluster.
const KEY: &str = "UFJJVkFURSBLRVk=";

/// What kind prints for a cluster.
fn cluster(name: &str) -> String {
    format!(
        "apiVersion: v1\nclusters:\n- cluster:\n    certificate-authority-data: Q0E=\n    server: https://127.0.0.1:40001\n  \
         name: kind-{name}\ncontexts:\n- context:\n    cluster: kind-{name}\n    user: kind-{name}\n  name: kind-{name}\n\
         current-context: kind-{name}\nkind: Config\npreferences: {{}}\nusers:\n- name: kind-{name}\n  user:\n    \
         client-certificate-data: Q0VSVA==\n    client-key-data: {KEY}\n"
    )
}

/// A kubeconfig of Windows, as minikube writes it: with paths that only Windows can read.
const MINIKUBE: &str = r"apiVersion: v1
clusters:
- cluster:
    certificate-authority: C:\Users\dev\.minikube\ca.crt
    extensions:
    - extension:
        provider: minikube.sigs.k8s.io
      name: cluster_info
    server: https://127.0.0.1:55555
  name: minikube
contexts:
- context:
    cluster: minikube
    namespace: default
    user: minikube
  name: minikube
current-context: minikube
kind: Config
users:
- name: minikube
  user:
    client-certificate: C:\Users\dev\.minikube\profiles\client.crt
    client-key: C:\Users\dev\.minikube\profiles\client.key
";

/// A machine with kubectl, and a kind that knows the cluster `dev`.
fn case() -> Case {
    let kubectl =
        ["/usr/bin/kubectl", "/usr/local/bin/kubectl"].into_iter().find(|path| Path::new(path).exists());
    let kubectl = kubectl.expect("kubectl: `apt-get install kubernetes-client`");
    let kind = "#!/bin/sh\n\
        [ \"$*\" = 'get kubeconfig --name=dev' ] && exec cat \"$KIND_WSL_ROOT/fake/cluster\"\n\
        echo \"ERROR: could not locate any control plane nodes for cluster named 'kind'\" >&2; exit 1\n";
    Case::new(Layout::Classic)
        .script("/usr/local/bin/kubectl", &format!("#!/bin/sh\nexec {kubectl} \"$@\"\n"))
        .script("/usr/local/bin/kind", kind)
        .file("/fake/cluster", cluster("dev"))
}

/// With a helper that reports so about the port.
fn asked(case: Case, answer: &str) -> Case {
    // It is started by its path on this host, below the machine's root.
    let helper = format!("{}/opt/kind-wsl-helper.exe", case.machine.root);
    case.program("/opt/kind-wsl-helper.exe")
        .program(&helper)
        .env("WSL_INTEROP", "/run/WSL/7_interop")
        .env("KIND_WSL_HELPER", "[ROOT]/opt/kind-wsl-helper.exe")
        .file("/fake/windows/kind-wsl-helper.exe port", format!("0\nanswer={answer}\n"))
}

fn merged(case: &Case) -> Seen {
    case.run("kubeconfig dev --windows").expect(0, "")
}

/// Whether every line of the one text is in the other, in this order.
fn is_kept(lines: &str, text: &str) -> bool {
    let mut rest = text.lines();
    lines.lines().all(|line| rest.any(|other| other == line))
}

#[test]
fn other_entries_and_the_current_context_stay_and_undo_restores_the_bytes() {
    for existing in [
        MINIKUBE.to_owned(),
        MINIKUBE.replace('\n', "\r\n"),
        format!("\u{feff}{MINIKUBE}"),
        format!("# mine\n{MINIKUBE}"),
        format!("\u{feff}# mine\r\n{}", MINIKUBE.replace('\n', "\r\n")),
    ] {
        let case = case().file(PATH, &existing);
        let before = case.machine.snapshot();
        case.run("kubeconfig dev --windows --yes")
            .expect(0, "")
            .says("Merged the context `kind-dev` into `/mnt/c/Users/dev/.kube/config`.\n")
            .says("The current context stays `minikube`.\n");
        let text = case.machine.text(PATH);
        for section in ["- cluster:\n    certificate-authority: C:", "contexts:", "users:"] {
            let begin = MINIKUBE.find(section).unwrap();
            let end = MINIKUBE[begin..].find("\nc").map_or(MINIKUBE.len(), |at| begin + at);
            assert!(is_kept(&MINIKUBE[begin..end], &text), "{existing:?}:\n{text}");
        }
        assert!(text.contains(&format!("client-key-data: {KEY}\n")), "{text}");
        assert!(text.contains("\ncurrent-context: minikube\n"), "{text}");
        case.run("undo kubeconfig --yes").expect(0, "");
        same(&before, &case.machine.snapshot(), &format!("undone: {existing:?}"));
    }
}

#[test]
fn a_new_file_has_the_cluster_as_its_current_context_and_undo_deletes_it_with_its_directory() {
    let case = case();
    let before = case.machine.snapshot();
    merged(&case).says("The file is new; its current context is `kind-dev`.\n");
    let text = case.machine.text(PATH);
    assert!(text.contains("\ncurrent-context: kind-dev\n"), "{text}");
    let mode = fs::metadata(case.machine.path(PATH)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    case.run("undo --yes").expect(0, "");
    same(&before, &case.machine.snapshot(), "undone");
    assert!(!case.machine.has_journal());
}

#[test]
fn the_entries_of_an_earlier_cluster_of_that_name_are_replaced_as_a_whole() {
    let stale = cluster("dev")
        .replace("40001", "1")
        .replace("    server", "    proxy-url: http://proxy:1\n    server");
    let case = case().file(PATH, stale);
    merged(&case);
    let text = case.machine.text(PATH);
    assert!(text.contains("https://127.0.0.1:40001") && !text.contains("proxy-url"), "{text}");
}

#[test]
fn a_file_without_a_current_context_gets_none() {
    let case = case().file(PATH, MINIKUBE.replace("current-context: minikube\n", ""));
    merged(&case).says("The file still has no current context.\n");
    assert!(case.machine.text(PATH).contains("\ncurrent-context: \"\"\n"));
}

#[test]
fn a_second_merge_changes_nothing() {
    let case = case().file(PATH, MINIKUBE);
    merged(&case);
    let after = case.machine.snapshot();
    merged(&case).says("`/mnt/c/Users/dev/.kube/config` already has the context `kind-dev`.\n");
    same(&after, &case.machine.snapshot(), "merged again");
}

#[test]
fn the_private_key_is_in_no_file_that_others_can_read() {
    // A key of its own: other tests have their files in the same directory.
    const KEY: &str = "T1dOIEtFWQ==";
    let case = case().file(PATH, MINIKUBE).file("/fake/cluster", cluster("dev").replace(self::KEY, KEY));
    let seen = merged(&case);
    assert!(
        !seen.stdout.contains(KEY) && !case.machine.text("/var/lib/kind-wsl/journal.jsonl").contains(KEY)
    );
    let commands = case.machine.text("/fake/commands");
    assert!(!commands.contains(KEY), "{commands}");
    let left = fs::read_dir("/tmp").unwrap().flatten().any(|entry| {
        let room = entry.path().join("kubectl/cluster");
        fs::read_to_string(room).is_ok_and(|text| text.contains(KEY))
    });
    assert!(!left, "a temporary file is left");
}

#[test]
fn comments_are_dropped_only_with_consent() {
    let case = case().file(PATH, format!("# mine\n{MINIKUBE}"));
    case.refuses(
        "kubeconfig dev --windows",
        2,
        "
        error: `/mnt/c/Users/dev/.kube/config` has comments, which kubectl does not keep
        hint: add `--yes`; `kind-wsl undo kubeconfig` restores the file
        ",
    );
}

#[test]
fn a_file_that_kubectl_loses_or_misreads_is_refused() {
    let utf16: Vec<u8> =
        [0xff, 0xfe].into_iter().chain(MINIKUBE.encode_utf16().flat_map(u16::to_le_bytes)).collect();
    for (bytes, why) in [
        (utf16, "is not UTF-8 text"),
        (b"\xc4\xe4: 1\n".to_vec(), "is not UTF-8 text"),
        (format!("{MINIKUBE}frobnicate: 1\n").into_bytes(), "would remove them: frobnicate"),
        (b"clusters: [\n".to_vec(), "kubectl cannot merge into `/mnt/c/Users/dev/.kube/config`: "),
        (b"clusters: 7\n".to_vec(), "kubectl cannot merge into `/mnt/c/Users/dev/.kube/config`: "),
    ] {
        let case = case().file(PATH, &bytes);
        let before = case.machine.snapshot();
        let seen = case.run("kubeconfig dev --windows --yes");
        assert!(seen.code == 1 && seen.stderr.contains(why), "{why}: {seen:?}");
        assert!(!seen.stderr.contains("/tmp/"), "{seen:?}");
        same(&before, &case.machine.snapshot(), why);
        assert!(!case.machine.has_journal(), "{why}");
    }
}

#[test]
fn a_link_and_a_directory_in_its_place_are_refused() {
    let elsewhere = case().file("/home/dev/other", MINIKUBE).link(PATH, "/home/dev/other");
    let directory = case().dir(PATH);
    for (case, found) in [(elsewhere, "a symbolic link to `/home/dev/other`"), (directory, "a directory")] {
        case.refuses(
            "kubeconfig dev --windows",
            1,
            &format!(
                "
                error: `{PATH}` is {found}, not a regular file
                hint: move it away (`mv {PATH} {PATH}.old`), then run the same command again
                "
            ),
        );
    }
}

#[test]
fn a_directory_that_the_user_cannot_write_is_left_as_it_is() {
    if !is_root() {
        return;
    }
    let case = case().file(PATH, MINIKUBE);
    let dir = case.machine.path("/mnt/c/Users/dev/.kube");
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o500)).unwrap();
    let before = case.machine.snapshot();
    let seen = case.run("kubeconfig dev --windows");
    assert!(seen.code == 1 && seen.stderr.contains("Permission denied"), "{seen:?}");
    same(&before, &case.machine.snapshot(), "refused");
    case.run("undo --yes").expect(0, "");
    same(&before, &case.machine.snapshot(), "undone");
}

#[test]
fn a_file_that_changed_since_is_kept_or_restored_as_the_user_decides() {
    for (drift, code, restored) in [("stop", 4, false), ("keep", 0, false), ("restore", 0, true)] {
        let case = case().file(PATH, MINIKUBE);
        let before = case.machine.snapshot();
        merged(&case);
        let theirs = case.machine.text(PATH) + "# theirs\n";
        let case = case.file(PATH, &theirs);
        let seen = case.run(&format!("undo kubeconfig --yes --drift {drift}"));
        assert_eq!(seen.code, code, "{seen:?}");
        if restored {
            same(&before, &case.machine.snapshot(), drift);
        } else {
            assert_eq!(case.machine.text(PATH), theirs, "{drift}");
        }
    }
}

#[test]
fn a_cluster_that_does_not_run_is_reported_in_the_words_of_kind() {
    case().refuses(
        "kubeconfig --windows",
        1,
        "
        error: cannot get the kubeconfig of cluster `kind`
          because: could not locate any control plane nodes for cluster named 'kind'
        hint: `kind-wsl kind get clusters` lists the clusters; the cluster must run
        ",
    );
}

#[test]
fn the_report_names_the_reasons_if_windows_does_not_reach_the_port() {
    let open = asked(case(), "yes");
    merged(&open).says("Windows reaches the API server at 127.0.0.1:40001.\n");
    let wslconfig = "/mnt/c/Users/dev/.wslconfig";
    for (case, line) in [
        (
            asked(case(), "refused").file(wslconfig, "[wsl2]\nlocalhostForwarding=false\n"),
            "`localhostForwarding=false`",
        ),
        (asked(case(), "timeout"), "A firewall in Windows drops the connection."),
        (asked(case(), "closed"), "WSL does not forward the port"),
    ] {
        let seen = case.run("kubeconfig dev --windows").expect(4, "");
        assert!(seen.stdout.contains("Windows does not reach the API server at 127.0.0.1:40001"), "{seen:?}");
        assert!(seen.stdout.replace("\n    ", " ").contains(line), "{line}: {}", seen.stdout);
    }
    merged(&case()).says("note: Not checked from Windows,");
}

#[test]
fn the_option_is_refused_without_wsl() {
    let plain = Case::new(Layout::Plain)
        .script("/usr/local/bin/kind", "#!/bin/sh\nexec cat \"$KIND_WSL_ROOT/fake/cluster\"\n")
        .file("/fake/cluster", cluster("kind"));
    plain.refuses(
        "kubeconfig --windows",
        2,
        "
        error: `--windows` requires WSL 2; this machine is not WSL
        hint: run it without `--windows`
        ",
    );
}

fn change(machine: &Machine, existing: Option<&str>, bytes: &str) -> Change {
    let user = machine.user();
    let base = existing.map(|text| digest(text.as_bytes()));
    Kubeconfig {
        path: PATH.into(),
        context: "kind-dev".to_owned(),
        owner: Owner::User { uid: user.uid, gid: user.gid },
        merged: Some(Merged { base, bytes: bytes.as_bytes().to_vec() }),
    }
    .into()
}

/// Merges as a second run does: from the file as it is now.
fn make(machine: &Machine, host: &LiveSystem) -> Result<usize, EngineError> {
    let now = fs::read_to_string(machine.path(PATH)).ok();
    let change = change(machine, now.as_deref(), "merged\n");
    machine.engine(host, |engine| engine.make(KUBECONFIG, &[change]))
}

#[test]
fn a_crash_before_any_effect_of_the_merge_is_completed_and_undone() {
    for existing in [None, Some(MINIKUBE)] {
        let machine = || {
            let machine = Machine::new(Layout::Classic);
            if let Some(text) = existing {
                machine.write(PATH, text);
                for path in ["/mnt/c/Users/dev/.kube", PATH].into_iter().filter(|_| is_root()) {
                    chown(machine.path(path), Some(1000), Some(1000)).unwrap();
                }
            }
            machine
        };
        let calm = machine();
        let before = calm.snapshot();
        let host = calm.host(FaultInjector::default());
        assert_eq!(make(&calm, &host).unwrap(), 1);
        let after = calm.snapshot();
        let effects = host.fault_injector().count();
        let undo = |host: &LiveSystem, machine: &Machine| machine.undo(host, DriftPolicy::Stop);
        for at in 0..effects {
            let crashed = machine();
            crashed.crash(at, |host| make(&crashed, host));
            make(&crashed, &crashed.host(FaultInjector::default())).unwrap();
            same(&after, &crashed.snapshot(), &format!("completed after a crash at {at}"));
            let state = journal::read(&crashed.host(FaultInjector::default())).unwrap();
            assert!(!state.is_interrupted(), "{at}");
            for back in 0.. {
                let ended = crashed.crash_or_end(back, |host| undo(host, &crashed));
                if let Some(ended) = ended {
                    ended.unwrap();
                    break;
                }
            }
            same(&before, &crashed.snapshot(), &format!("undone after a crash at {at}"));
            let only = machine();
            only.crash(at, |host| make(&only, host));
            undo(&only.host(FaultInjector::default()), &only).unwrap();
            same(&before, &only.snapshot(), &format!("undone at once after a crash at {at}"));
        }
    }
}

#[test]
fn a_file_that_changes_while_kubectl_merges_is_not_replaced() {
    let machine = Machine::new(Layout::Classic);
    machine.write(PATH, "theirs\n");
    let change = change(&machine, Some("older\n"), "merged\n");
    let host = machine.host(FaultInjector::default());
    let error = machine.engine(&host, |engine| engine.make(KUBECONFIG, &[change])).unwrap_err();
    assert!(error.is_conflict(), "{error:?}");
    assert_eq!(machine.text(PATH), "theirs\n");
}

#[test]
fn a_setup_that_is_finished_and_verified_stays_so() {
    let machine = Machine::new(Layout::Classic);
    machine.finish(|host| machine.setup(host, &answers(), false));
    let host = machine.host(FaultInjector::default());
    let before = journal::read(&host).unwrap();
    assert_eq!(make(&machine, &host).unwrap(), 1);
    let after = journal::read(&host).unwrap();
    assert_eq!(after.verified, before.verified);
    assert!(after.verified.is_some() && !after.is_interrupted());
    let merge = after.active().last().unwrap().intent.id;
    assert_eq!(after.last_setup(false), Some(merge), "`undo --last` reverts more than the merge");
}
