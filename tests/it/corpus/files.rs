//! The files, and where they belong.

use std::fs;
use std::path::{Path, PathBuf};

/// Where a file lies on a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    WslConf,
    Wslconfig,
    SystemContainers,
    UserContainers,
    Fstab,
    SystemStorage,
    UserStorage,
    SystemRegistries,
    UserRegistries,
    SystemDaemon,
    UserDaemon,
    SystemNerdctl,
    UserNerdctl,
}

impl Place {
    pub(crate) fn path(self) -> &'static str {
        match self {
            Self::WslConf => "/etc/wsl.conf",
            Self::Wslconfig => "/mnt/c/Users/dev/.wslconfig",
            Self::SystemContainers => "/etc/containers/containers.conf",
            Self::UserContainers => "/home/dev/.config/containers/containers.conf",
            Self::Fstab => "/etc/fstab",
            Self::SystemStorage => "/etc/containers/storage.conf",
            Self::UserStorage => "/home/dev/.config/containers/storage.conf",
            Self::SystemRegistries => "/etc/containers/registries.conf",
            Self::UserRegistries => "/home/dev/.config/containers/registries.conf",
            Self::SystemDaemon => "/etc/docker/daemon.json",
            Self::UserDaemon => "/home/dev/.config/docker/daemon.json",
            Self::SystemNerdctl => "/etc/nerdctl/nerdctl.toml",
            Self::UserNerdctl => "/home/dev/.config/nerdctl/nerdctl.toml",
        }
    }

    pub(crate) fn is_users(self) -> bool {
        self == Self::Wslconfig || self.path().starts_with("/home")
    }

    /// Whether a refusal is right: it names the file, and the file is what it says.
    pub(crate) fn refuses(self, bytes: &[u8], why: &str) -> bool {
        let is_podmans = self.path().contains("/containers/");
        // Read by the crate of another author than ours, and by what podman 4.3.1 refuses besides.
        let broken = is_podmans && std::str::from_utf8(bytes).map_or(true, podman_refuses);
        // In UTF-16 WSL reads .wslconfig only after a mark.
        let odd =
            std::str::from_utf8(bytes).is_err() || bytes.starts_with(&[0xff, 0xfe]) || bytes.contains(&0);
        // The kernel reads 2,047 bytes of its command line, and WSL needs about 400 of them.
        let is_long = |line: &[u8]| line.trim_ascii().starts_with(b"kernelCommandLine") && line.len() > 1500;
        let no_room = self == Self::Wslconfig && bytes.split(|byte| *byte == b'\n').any(is_long);
        // `mountFsTab=false`: no program would read the line for the cgroups.
        let mounts_nothing = self == Self::WslConf
            && String::from_utf8_lossy(bytes).to_lowercase().replace(' ', "").contains("mountfstab=false");
        // `runtime = "runsc"`: podman runs another runtime, by the user's choice.
        let table = std::str::from_utf8(bytes).ok().and_then(|t| t.parse::<toml::Table>().ok());
        let runs_another = table.is_some_and(|t| {
            t.get("engine").and_then(|e| e.get("runtime")).is_some_and(|r| r.as_str() != Some("crun"))
        });
        let no_driver = matches!(self, Self::UserStorage) && why.contains("storage driver");
        why.contains(self.path()) && (broken || odd || no_room || mounts_nothing || runs_another || no_driver)
    }
}

/// Whether podman 4.3.1 cannot read a text: no TOML, a byte order mark, or braces that are not closed on their line.
fn podman_refuses(text: &str) -> bool {
    let is_open = |line: &str| {
        let code = line.split('#').next().unwrap_or_default();
        code.contains('{') && code.matches('{').count() > code.matches('}').count()
    };
    text.starts_with('\u{feff}') || text.lines().any(is_open) || text.parse::<toml::Table>().is_err()
}

/// A file of a user.
pub(crate) struct File {
    pub(crate) name: String,
    pub(crate) kind: &'static str,
    pub(crate) variant: &'static str,
    pub(crate) bytes: Vec<u8>,
}

const KINDS: [(&str, &[Place]); 8] = [
    ("wsl.conf", &[Place::WslConf]),
    ("wslconfig", &[Place::Wslconfig]),
    ("containers.conf", &[Place::SystemContainers, Place::UserContainers]),
    ("fstab", &[Place::Fstab]),
    ("storage.conf", &[Place::SystemStorage, Place::UserStorage]),
    ("registries.conf", &[Place::SystemRegistries, Place::UserRegistries]),
    ("daemon.json", &[Place::SystemDaemon, Place::UserDaemon]),
    ("nerdctl.toml", &[Place::SystemNerdctl, Place::UserNerdctl]),
];

/// The same text as other programs would have saved it.
const VARIANTS: [&str; 4] = ["other line ends", "byte order mark", "UTF-16", "other last line"];

impl File {
    pub(crate) fn places(&self) -> &'static [Place] {
        KINDS.iter().find(|(kind, _)| *kind == self.kind).unwrap().1
    }

    /// The variants of this file that are another file.
    pub(crate) fn variants(&self) -> Vec<Self> {
        let Ok(text) = std::str::from_utf8(&self.bytes) else { return Vec::new() };
        let text = text.trim_start_matches('\u{feff}');
        let bytes = |variant| match variant {
            "other line ends" if text.contains("\r\n") => text.replace("\r\n", "\n").into_bytes(),
            "other line ends" => text.replace('\n', "\r\n").into_bytes(),
            "byte order mark" => format!("\u{feff}{text}").into_bytes(),
            "UTF-16" => format!("\u{feff}{text}").encode_utf16().flat_map(u16::to_le_bytes).collect(),
            _ => text.strip_suffix('\n').map_or_else(|| format!("{text}\n"), ToOwned::to_owned).into_bytes(),
        };
        // mount(8) reads bytes: a mark or UTF-16 would be another table.
        let is_kept =
            |variant: &&str| self.kind != "fstab" || !matches!(*variant, "byte order mark" | "UTF-16");
        let file = |variant| Self {
            name: format!("{}, {variant}", self.name),
            kind: self.kind,
            variant,
            bytes: bytes(variant),
        };
        let files = VARIANTS.into_iter().filter(is_kept).map(file);
        files.filter(|file| file.bytes != self.bytes).collect()
    }
}

/// The kind of a file: the folder that it is in, or how its name ends (`W5.containers.conf`, `W9.etc-storage.conf`).
fn kind(path: &Path) -> Option<&'static str> {
    let folder = path.parent().and_then(Path::file_name).unwrap_or_default();
    let name = path.file_name()?.to_str()?;
    let ends = |kind: &str| {
        name.strip_suffix(kind).is_some_and(|rest| rest.is_empty() || rest.ends_with(['.', '-']))
    };
    KINDS.iter().map(|(kind, _)| *kind).find(|kind| folder == *kind || ends(kind))
}

/// Every file of a known kind in a directory and in the directories in it.
pub(crate) fn below(dir: &str) -> Vec<File> {
    let inside = |dir: &Path| -> Vec<PathBuf> {
        let mut paths: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        paths
    };
    let (dirs, mut paths): (Vec<_>, Vec<_>) =
        inside(Path::new(dir)).into_iter().partition(|path| path.is_dir());
    paths.extend(dirs.iter().flat_map(|dir| inside(dir)).filter(|path| path.is_file()));
    let file = |path: PathBuf| {
        let name = path.strip_prefix(dir).unwrap().to_string_lossy().into_owned();
        Some(File { name, kind: kind(&path)?, variant: "as it is", bytes: fs::read(path).unwrap() })
    };
    paths.into_iter().filter_map(file).collect()
}

/// What people's files look like where they are not plain: line ends, no last line end, spaces, comments, case, doubles.
pub(crate) fn by_hand() -> Vec<File> {
    let of = |kind: &'static str, texts: &[(&str, &[u8])]| -> Vec<File> {
        let file = |(name, bytes): &(&str, &[u8])| File {
            name: format!("{kind}, {name}"),
            kind,
            variant: "as it is",
            bytes: bytes.to_vec(),
        };
        texts.iter().map(file).collect()
    };
    let mut files = of(
        "wsl.conf",
        &[
            ("empty", b""),
            ("no last line end", b"[user]\ndefault=dev"),
            ("windows line ends", b"[user]\r\ndefault=dev\r\n[boot]\r\ncommand=\"service cron start\"\r\n"),
            ("a byte order mark", b"\xef\xbb\xbf[user]\ndefault=dev\n"),
            (
                "blanks and tabs",
                b"\n\n [boot] \n\tcommand = echo \"a # b\"  # start\n\n\n[user]\n default = dev \n\n",
            ),
            ("off, in another case", b"[Boot]\nSystemd=false # not yet\n[user]\ndefault=dev\n"),
            ("twice", b"[boot]\nsystemd=false\n[user]\ndefault=dev\n[boot]\nsystemd=true\n"),
            (
                "the guide's block",
                b"[user]\ndefault=dev\n[boot]\nsystemd=true\n[wsl2]\nkernelCommandLine = cgroup_no_v1=all\n",
            ),
            ("a line that stops WSL", b"[user]\ndefault=dev\nthis is no key\n[network]\nhostname=box\n"),
            ("v1 chosen", b"[automount]\nenabled=true\ncgroups=v1\noptions=\"metadata,umask=22\"\n"),
        ],
    );
    files.extend(of(
        "wslconfig",
        &[
            ("empty", b""),
            ("no last line end", b"[wsl2]\r\nmemory=8GB\r\nprocessors=4"),
            ("other words for the kernel", b"[wsl2]\nkernelCommandLine=quiet sysctl.vm.max_map_count=262144\nmemory=4GB\n"),
            ("an empty value", b"[wsl2]\r\nkernelCommandLine=\r\nswapfile=C:\\\\temp\\\\swap.vhdx\r\n"),
            ("another section first", b"# mine\n[experimental]\nsparseVhd=true\n\n[wsl2]\nvmIdleTimeout=60000 # a minute\n[general]\n"),
            ("no section at all", b"memory=4GB\n"),
        ],
    ));
    files.extend(of(
        "containers.conf",
        &[
            ("empty", b""),
            ("comments only", b"# [containers]\n# log_driver = \"journald\"\n"),
            ("other values", b"[containers]\nlog_driver = 'journald' # why\npids_limit = 100\n\n[engine]\nruntime = \"crun\"\n"),
            ("bare keys, after the guide", b"log_driver = \"k8s-file\"\nevents_logger = \"file\"\n"),
            ("inline tables", b"containers = { log_driver = \"journald\", env = [\"A=b\"] }\n"),
            ("arrays over lines", b"[engine.runtimes]\ncrun = [\n  # ours\n  \"/usr/bin/crun\",\n]\nrunc = [ \"/usr/bin/runc\" ]\n"),
            ("no TOML", b"[containers\nlog_driver = k8s-file\n"),
            ("windows line ends", b"[containers]\r\nlog_driver = \"journald\"\r\n[network]\r\n"),
            ("a path as text", b"/etc/static/containers/containers.conf"),
            ("a newline in braces", b"[engine]\nruntimes = {\n  crun = [\"/usr/bin/crun\"],\n}\n"),
        ],
    ));
    files.extend(of(
        "fstab",
        &[
            ("empty", b""),
            ("no last line end", b"LABEL=cloudimg-rootfs\t/\text4\tdefaults\t0\t1"),
            (
                "comments and blanks",
                b"# <fs> <mount>\n\n  /dev/sda1  /data  ext4  rw,noatime  0 2 # mine\n\n",
            ),
            ("another line for the cgroups", b"none /sys/fs/cgroup tmpfs ro 0 0\n"),
            ("escapes", b"C:\\134 /mnt/my\\040disk drvfs metadata 0 0\n"),
        ],
    ));
    files.extend(of(
        "storage.conf",
        &[("no driver", b"[storage]\n"), ("another driver", b"[storage]\ndriver = \"zfs\"\n")],
    ));
    files.extend(of(
        "registries.conf",
        &[("a mirror", b"[[registry]]\nlocation = \"docker.io\"\n"), ("no TOML", b"[[registry\n")],
    ));
    files.extend(of("daemon.json", &[("no JSON", b"{ \"log-driver\": \n")]));
    files.extend(of("nerdctl.toml", &[("a namespace", b"namespace = \"k8s.io\"\n")]));
    files
}
