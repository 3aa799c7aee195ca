//! The files, and where they belong.

use std::fs;

/// Where a file lies on a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    WslConf,
    Wslconfig,
    SystemContainers,
    UserContainers,
    Fstab,
}

impl Place {
    pub(crate) fn path(self) -> &'static str {
        match self {
            Self::WslConf => "/etc/wsl.conf",
            Self::Wslconfig => "/mnt/c/Users/dev/.wslconfig",
            Self::SystemContainers => "/etc/containers/containers.conf",
            Self::UserContainers => "/home/dev/.config/containers/containers.conf",
            Self::Fstab => "/etc/fstab",
        }
    }

    pub(crate) fn is_users(self) -> bool {
        matches!(self, Self::Wslconfig | Self::UserContainers)
    }

    /// Whether a refusal is right: it names the file, and the file is what it says.
    pub(crate) fn refuses(self, bytes: &[u8], why: &str) -> bool {
        let is_toml = matches!(self, Self::SystemContainers | Self::UserContainers);
        // Read by the crate of another author than ours.
        let broken =
            is_toml && std::str::from_utf8(bytes).map_or(true, |t| t.parse::<toml::Table>().is_err());
        let odd = std::str::from_utf8(bytes).is_err() || bytes.starts_with(&[0xff, 0xfe]);
        // `mountFsTab=false`: the line for the cgroups would be read by nobody.
        let mounts_nothing = self == Self::WslConf
            && String::from_utf8_lossy(bytes).to_lowercase().replace(' ', "").contains("mountfstab=false");
        // `runtime = "runsc"`: podman runs another runtime, and somebody wants it so.
        let table = std::str::from_utf8(bytes).ok().and_then(|t| t.parse::<toml::Table>().ok());
        let runs_another = table.is_some_and(|t| {
            t.get("engine").and_then(|e| e.get("runtime")).is_some_and(|r| r.as_str() != Some("crun"))
        });
        why.contains(self.path()) && (broken || odd || mounts_nothing || runs_another)
    }
}

/// A file as somebody has it.
pub(crate) struct File {
    pub(crate) name: String,
    kind: &'static str,
    pub(crate) bytes: Vec<u8>,
}

const KINDS: [(&str, &[Place]); 4] = [
    ("wsl.conf", &[Place::WslConf]),
    ("wslconfig", &[Place::Wslconfig]),
    ("containers.conf", &[Place::SystemContainers, Place::UserContainers]),
    ("fstab", &[Place::Fstab]),
];

impl File {
    pub(crate) fn places(&self) -> &'static [Place] {
        KINDS.iter().find(|(kind, _)| *kind == self.kind).unwrap().1
    }
}

/// Every file below a directory, by the folder that it is in.
pub(crate) fn below(dir: &str) -> Vec<File> {
    let mut files = Vec::new();
    for (kind, _) in KINDS {
        let Ok(entries) = fs::read_dir(format!("{dir}/{kind}")) else { continue };
        let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        for path in paths {
            let name = format!("{kind}/{}", path.file_name().unwrap().to_string_lossy());
            files.push(File { name, kind, bytes: fs::read(path).unwrap() });
        }
    }
    files
}

/// What people's files look like where they are not plain: line ends, no last line end, spaces, comments, case, doubles.
pub(crate) fn by_hand() -> Vec<File> {
    let of = |kind: &'static str, texts: &[(&str, &[u8])]| -> Vec<File> {
        let file = |(name, bytes): &(&str, &[u8])| File {
            name: format!("{kind}, {name}"),
            kind,
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
    files
}
