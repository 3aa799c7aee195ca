"""What the machine is made of. Everything is built by a recipe in recipes/, once, and kept in a cache under a name that holds
a hash of the recipe and of what goes into it."""
import fcntl
import hashlib
import os
import shutil
import subprocess
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
CACHE = Path(os.environ.get("KIND_WSL_VM_CACHE") or
             Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kind-wsl-vm")
SUITES = {"debian-11": "bullseye", "debian-12": "bookworm", "debian-13": "trixie"}
# Packages that setup may install: only downloaded into the warm disk's apt cache.
PACKAGES = ["podman", "uidmap", "slirp4netns", "passt", "fuse-overlayfs", "dbus-user-session", "iptables", "netavark",
            "aardvark-dns", "crun", "nftables", "containernetworking-plugins", "golang-github-containernetworking-plugin-dnsname",
            "catatonit"]
log = print


def artifact(name, recipe, args=(), inputs=()):
    """The folder that `recipe` fills when run with `args`; `inputs` are further files whose bytes it depends on."""
    digest = hashlib.sha256()
    for part in [HERE / "recipes/lib.sh", HERE / "recipes" / recipe, *inputs]:
        digest.update(Path(part).read_bytes() + b"\0")
    digest.update("\0".join(map(str, args)).encode())
    out = CACHE / f"{name}-{digest.hexdigest()[:12]}"
    return built(out, lambda into, scratch: run_recipe(recipe, into, args, scratch, CACHE / f"{name}.log"))


def built(out, build):
    """`out`, made by `build(new_folder, scratch_folder)` if it is not there; once, whoever asks at the same time."""
    if out.exists():
        return out
    CACHE.mkdir(parents=True, exist_ok=True)
    with open(CACHE / f"{out.name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if out.exists():
            return out
        start, into, scratch = time.time(), CACHE / f"{out.name}.new", CACHE / f"{out.name}.scratch"
        for folder in (into, scratch):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
        build(into, scratch)
        shutil.rmtree(scratch)
        into.rename(out)
        log(f"     built {out.name} in {time.time() - start:.0f} s", flush=True)
    return out


def run_recipe(recipe, into, args, scratch, logfile):
    with open(logfile, "wb") as sink:
        command = ["nice", "bash", str(HERE / "recipes" / recipe), str(into), *map(str, args)]
        if subprocess.run(command, cwd=scratch, stdin=subprocess.DEVNULL, stdout=sink, stderr=subprocess.STDOUT).returncode:
            tail = logfile.read_text(errors="replace").splitlines()[-15:]
            raise SystemExit(f"tests/vm: {recipe} failed; the end of {logfile}:\n" + "\n".join(tail))


def guest():
    """The static program that plays WSL's init inside the machine."""
    sources = sorted((HERE / "guest").glob("*.rs"))
    digest = hashlib.sha256(b"\0".join(s.read_bytes() for s in sources)).hexdigest()[:12]

    def build(into, _scratch):
        subprocess.run(["rustc", "--edition", "2021", "-O", "-C", "target-feature=+crt-static", "-C", "strip=symbols", "-C", "panic=abort",
                        "-o", str(into / "init"), str(HERE / "guest/main.rs")], check=True)
    return built(CACHE / f"guest-{digest}", build) / "init"


def kernel():
    return artifact("kernel", "kernel.sh")


def initrd():
    return artifact("initrd", "initrd.sh", [kernel(), guest()]) / "initrd.img"


def authority():
    return artifact("ca", "ca.sh")


def disk(system, warm):
    suite = SUITES[system]
    folder = artifact(f"rootfs-{suite}", "rootfs.sh", [suite, authority(), *PACKAGES])
    return folder / ("warm.img" if warm else "cold.img")


def node_store():
    folder = HERE / "node"
    return artifact("node", "node.sh", inputs=sorted(path for path in folder.rglob("*") if path.is_file())) / "store.tar"


def crun():
    return artifact("crun", "crun.sh") / "crun-1.21-linux-amd64"


def kind():
    return artifact("kind", "kind.sh")
