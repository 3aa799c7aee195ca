//! Secrets in the files that setup reads: none of them is in anything that is shown or handed on.

use std::fs;

use serde_json::Value;

use crate::attacks::seen::everything;
use crate::support::Layout;
use crate::support::cli::{Case, agreed};

/// In every secret that is planted.
const SECRET: &str = "hunter2";

const WSL_CONF: &str = "# PASSWORD='hunter2-a'\n[boot]\nsystemd=false # token hunter2-b\ncommand=\"mount -o password=hunter2-c\"\n\
    [automount]\noptions=\"password=hunter2-d\"\n[hunter2e]\nPGPASSWORD = hunter2-f\n[user]\ndefault=hunter2-g\n; hunter2-h\n\
    [network]\nhostname=hunter2-i\n[boot]\nhunter2j=1\n[ hunter2k ]\nAPI_PAT=hunter2-l\nopen = \"hunter2-m\n[interop\nbad = \\hunter2\n";
const WSLCONFIG: &str = "\u{feff}[wsl2]\r\nmemory=4GB # hunter2-a\r\nkernelCommandLine = quiet tok=hunter2-b \"a hunter2 c\" \\\r\n  cgroup_no_v1=hunter2\r\n\
    kernel=C:\\\\Users\\\\dev\\\\hunter2-d\r\nnetworkingMode=hunter2-e\r\n[wsl2]\r\nmemory=hunter2-f\r\n; hunter2-g\r\n[hunter2h]\r\nswapFile=hunter2-i\r\n";
const CONTAINERS: &str = "# token hunter2-a\n[containers]\nenv = [\n  \"API_TOKEN=hunter2-b\",\n  \"http_proxy=http://me:hunter2-c@proxy:3128\", # hunter2-d\n]\n\
    log_driver = \"journald\" # hunter2-e\npids_limit = 100 # hunter2-f\nannotations = '''\n[engine]\nhunter2-g = 1\n'''\n\
    [engine]\nenv = [\"CREDENTIALS=hunter2-h\"]\nruntimes = { hunter2i = [\"/x\"], crun = [\n\"/usr/bin/crun\" ] }\n\
    [\"hunter2-j\"]\nauth = \"hunter2-k\"\n[[engine.hunter2l]]\nx = \"hunter2-m\"\n";
const STORAGE: &str =
    "[storage]\ngraphroot = \"/hunter2-a\"\n[storage.options]\nmount_program = \"/hunter2-b\"\n";
const FSTAB: &str = "# hunter2-a\n//nas/x /srv cifs user=me,password=hunter2-b,credentials=/root/hunter2-c 0 0\n\
    cgroup2 /sys/fs/cgroup cgroup2 ro,hunter2-d 0 0\nhunter2-e /hunter2-f ext4 defaults 0 1\n";
const SUBIDS: &str = "hunter2-a:300000:65536\n# hunter2-b\nhunter2-c\nother:400000:hunter2-d\n";

/// A machine on which everything that setup reads holds secrets.
fn planted(layout: Layout) -> Case {
    let user = |name: &str, id: u32| format!("{name}:x:{id}:{id}:hunter2-gecos:/home/{name}:/bin/sh\n");
    let case = Case::new(layout)
        .file("/etc/wsl.conf", WSL_CONF)
        .file("/mnt/c/Users/dev/.wslconfig", WSLCONFIG)
        .file("/etc/containers/containers.conf", CONTAINERS)
        .file("/home/dev/.config/containers/containers.conf", CONTAINERS)
        .file("/home/dev/.config/containers/containers.conf.d/50-own.conf", CONTAINERS)
        .file("/home/dev/.config/containers/storage.conf", STORAGE)
        .file("/etc/fstab", FSTAB)
        .file("/etc/subuid", SUBIDS)
        .file("/etc/subgid", SUBIDS)
        .file(
            "/etc/passwd",
            format!("{}{}{}", user("root", 0), user("dev", 1000), user("hunter2-user", 1001)),
        )
        .file("/etc/group", "root:x:0:hunter2-a\ndocker:x:110:hunter2-b,dev\nhunter2-c:x:1002:\n")
        .file("/etc/login.defs", "SUB_UID_MIN 100000\nSECRET hunter2-a\nSUB_NOTE hunter2-b\n")
        .file("/etc/nsswitch.conf", "passwd: files # hunter2-a\nhosts: hunter2-b\n")
        .file(
            "/etc/os-release",
            "PRETTY_NAME=\"Debian GNU/Linux 12\"\nID=debian\nVERSION_ID=\"12\"\nTOKEN=hunter2\n",
        )
        .file(
            "/etc/systemd/system/user@.service.d/delegate.conf",
            "[Service]\nEnvironment=TOKEN=hunter2-a\nDelegate=no\n",
        )
        .file("/home/dev/.local/bin/kind", "#!/bin/sh\nTOKEN=hunter2 exec /usr/bin/kind \"$@\"\n")
        .file("/proc/1/environ", "TOKEN=hunter2-a\0WSL2_USER_PROFILE=C:\\Users\\dev\0PASSWORD=hunter2-b\0")
        .file("/proc/2/environ", "hunter2\0")
        .env("PATH", "/usr/bin:/home/dev/hunter2")
        .env("TOKEN", "hunter2")
        .env("https_proxy", "http://me:hunter2@proxy.test:3128");
    // Without the kernel that .wslconfig names WSL would not start.
    let case = case.file("/mnt/c/Users/dev/hunter2-d", "");
    let cmdline = case.machine.text("/proc/cmdline");
    case.machine.write("/proc/cmdline", format!("{cmdline} token=hunter2"));
    let mounts = case.machine.text("/proc/mounts");
    let nas = "//nas/x /srv cifs rw,username=hunter2-a,password=hunter2-b 0 0\n";
    case.machine.write("/proc/mounts", format!("{nas}{mounts}"));
    case
}

#[track_caller]
fn shows_none(what: &str, text: &str) {
    let lines: Vec<_> = text.lines().filter(|line| line.to_lowercase().contains(SECRET)).collect();
    assert!(lines.is_empty(), "{what}: {lines:#?}");
}

#[test]
fn no_secret_of_any_form_is_shown_or_handed_on() {
    for layout in Layout::ALL {
        let case = planted(layout);
        let setup = format!("setup {} --no-restart --skip verify", agreed());
        for command in [
            "plan",
            "plan --guide",
            "plan --json --guide",
            "report",
            "status",
            "explain cgroup",
            &setup,
            "report",
        ] {
            let seen = case.run(command);
            shows_none(command, &seen.stdout);
            shows_none(command, &seen.stderr);
        }
    }
    // Without what blocks the plan there are diffs.
    let case = planted(Layout::Classic)
        .file("/etc/wsl.conf", "# hunter2\n[automount]\noptions = \"pass=hunter2\"\n");
    for path in ["/etc/containers", "/home/dev/.config/containers/containers.conf.d", "/home/dev/.local/bin"]
    {
        fs::remove_dir_all(case.machine.path(path)).unwrap();
    }
    let seen = case.run("plan");
    assert_eq!(seen.code, 0, "{seen:?}");
    assert!(seen.stdout.contains("+ systemd") || seen.stdout.contains("+ [boot]"), "{}", seen.stdout);
    shows_none("plan", &seen.stdout);
    let seen = case.run(&everything());
    shows_none("setup", &format!("{}{}", seen.stdout, seen.stderr));
    // What others change in files of ours.
    case.machine.write("/etc/sysctl.d/99-kind-wsl.conf", "TOKEN=hunter2\n");
    let fstab = case.machine.text("/etc/fstab").replace("nsdelegate", "nsdelegate,hunter2");
    case.machine.write("/etc/fstab", fstab);
    let seen = case.run("undo --yes");
    assert_eq!(seen.code, 4, "{seen:?}");
    shows_none("undo", &format!("{}{}", seen.stdout, seen.stderr));
}

#[test]
fn a_diff_shows_the_lines_that_setup_writes() {
    let case = Case::new(Layout::Classic)
        .file("/mnt/c/Users/dev/.wslconfig", "[wsl2]\r\nmemory=4GB\r\nkernelCommandLine=tok=hunter2\r\n");
    let seen = case.run("plan --diff").stdout;
    let new = "+ kernelCommandLine=<11-bytes> cgroup_no_v1=all systemd.unified_cgroup_hierarchy=1";
    assert!(seen.contains(new), "{seen}");
    assert!(seen.contains("  memory=4GB"), "{seen}");
    assert!(seen.contains("+ systemd=true"), "{seen}");
}

/// The plan, without what only the live machine has.
fn plan(text: &str) -> Vec<Value> {
    let plan: Value = serde_json::from_str(text).unwrap();
    let stages = plan["plan"]["stages"].as_array().unwrap();
    stages.iter().map(|s| serde_json::json!([s["id"], s["verdict"], s["why"]])).collect()
}

#[test]
fn a_report_without_secrets_replays_to_the_same_plan() {
    for layout in Layout::ALL {
        for case in [planted(layout), Case::new(layout)] {
            let live = case.run("plan --json").stdout;
            let report = case.run("report").stdout;
            case.machine.write("/report.json", &report);
            let seen = case.run("plan --json --facts [ROOT]/report.json");
            assert_eq!(seen.code, 0, "{seen:?}");
            let named = |text: &str| {
                text.replace("/home/dev", "/home/user")
                    .replace("/Users/dev", "/Users/user")
                    .replace("`dev`", "`user`")
            };
            assert_eq!(plan(&seen.stdout), plan(&named(&live)), "{layout:?}");
        }
    }
}

#[test]
fn a_report_names_no_person_and_no_machine() {
    let case = Case::new(Layout::Modern)
        .file("/etc/passwd", "root:x:0:0:root:/root:/bin/sh\nzelda:x:1000:1000:Zelda Fitz:/home/zelda:/bin/sh\nmarvin:x:1001:1001::/home/marvin:/bin/sh\n")
        .file("/etc/group", "docker:x:110:marvin,zelda\nmarvin:x:1001:\n")
        .file("/etc/subuid", "marvin:100000:65536\nzelda:165536:65536\n")
        .file("/proc/sys/kernel/hostname", "heartofgold\n")
        .file("/home/zelda/.config/containers/containers.conf", "[engine]\nruntime = \"/home/zelda/x/crun\"\n")
        .file("/mnt/c/Users/Zelda Fitz/.wslconfig", "[wsl2]\nkernel=C:\\\\Users\\\\Zelda Fitz\\\\k\n")
        .dir("/mnt/c/Users/Marvin")
        .dir("/mnt/c/Users/Public")
        .env("KIND_WSL_WINDOWS_PROFILE", "/mnt/c/Users/Zelda Fitz");
    let seen = case.run("report --user zelda");
    assert_eq!(seen.code, 0, "{seen:?}");
    for name in ["zelda", "marvin", "heartofgold", "fitz"] {
        let lines: Vec<_> = seen.stdout.lines().filter(|line| line.to_lowercase().contains(name)).collect();
        assert!(lines.is_empty(), "{name}: {lines:#?}");
    }
    let report: Value = serde_json::from_str(&seen.stdout).unwrap();
    assert_eq!(
        report["recording"]["files"]["/etc/subuid"]["text"],
        "other:100000:65536\nuser:165536:65536\n"
    );
    // Without a profile that is known for sure there is a list of all.
    let case = Case::new(Layout::Modern).dir("/mnt/c/Users/Zelda").dir("/mnt/c/Users/Marvin");
    let seen = case.run("report");
    assert!(!seen.stdout.contains("Marvin") && !seen.stdout.contains("Zelda"), "{}", seen.stdout);
}
