"""The outputs in docs/explanation/deep-dive.md: taken in a machine, kept as files, put into the document's marked blocks.

tests/vm/run --deep-dive     takes them (target/deep-dive/NAME.txt) and puts them in
python3 tests/vm/deep_dive.py   only puts in what was taken
"""
import re
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
DOCUMENT, TAKEN = PROJECT / "docs/explanation/deep-dive.md", PROJECT / "target/deep-dive"
BLOCK = re.compile(r"(<!-- output: (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)
NODE = "kind-control-plane"
CGROUP = f"cd /sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service/app.slice/$(podman inspect -f '{{{{.Id}}}}' {NODE})"

# What is typed for each block.
TYPED = {
    "tree": ["kind-wsl inspect --cgroups"],
    "root": [CGROUP, "cat cgroup.type cgroup.subtree_control; wc -l < cgroup.procs", "cat system.slice/containerd.service/cgroup.procs"],
    "shims": ["kind-wsl inspect --cgroups --processes | grep -E ' containerd(.service|-shim-runc-v2)?( |$)'"],
    "crictl": [f"systemd-run --user --scope -q -p Delegate=yes podman exec {NODE} crictl ps -o json | grep -o '\"io.kubernetes.pod.name\":\"[^\"]*\"'"],
    "nginx": ["kind-wsl inspect --cgroups --processes | grep nginx", "ps -C nginx -o user -o args n"],
    "users": ["lsns --type user", f"cat /proc/$(podman inspect -f '{{{{.State.Pid}}}}' {NODE})/uid_map"],
    "limits": ["kind-wsl inspect --cgroups | grep -E '^cgroup  |limited'"],
    "paused": [f"podman pause {NODE}", "kind-wsl inspect --cgroups | grep -B1 -A2 'frozen:'", f"podman unpause {NODE}"],
    "stopped": [f"podman stop -t 20 {NODE}", "kind-wsl inspect --cgroups", "echo $?"],
}


def take(machine):
    """Types them in a machine that has the cluster; what a command prints follows it, as in a terminal without colour."""
    TAKEN.mkdir(parents=True, exist_ok=True)
    for name, lines in TYPED.items():
        # one shell, so that a `cd` and `$?` mean what they mean when they are typed
        typed = "\n".join(f"echo {quoted('$ ' + line)}\n{line}" for line in lines)
        result = machine.exec(["/bin/bash", "-c", f"exec 2>&1\n{typed}\ntrue"])
        (TAKEN / f"{name}.txt").write_text(result.out)


def quoted(text):
    return "'" + text.replace("'", "'\\''") + "'"


def fill():
    """Every block of the document, and no output without one."""
    used = set()

    def block(match):
        used.add(match[2])
        text = (TAKEN / f"{match[2]}.txt").read_text().rstrip()
        lines = "\n".join(line.rstrip() for line in text.splitlines())
        return f"{match[1]}```\n{lines}\n```\n{match[3]}"
    DOCUMENT.write_text(BLOCK.sub(block, DOCUMENT.read_text()))
    if used != TYPED.keys():
        raise SystemExit(f"{DOCUMENT}: no block for {sorted(TYPED.keys() - used)}; nothing to type for {sorted(used - TYPED.keys())}")


if __name__ == "__main__":
    sys.exit(fill())
