"""`kind-wsl inspect` on trees of 1,000 to 10,000 cgroups, against reading the same files with find and cat.

The tree is of files in memory, as a cluster of podman has them: one node, pods of a cgroup and four containers each. What
the kernel takes to make a file's content is not in it; tests/vm/nodes.py reads 1,000 real cgroups.
"""

import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

ROUNDS = int(os.environ.get("ROUNDS", "9"))
SIZES = [1000, 2000, 5000, 10000]
GOAL_MS = 200.0
GOAL_MIB = 30.0
# Twice as much per cgroup at ten times the size is no line any more.
GOAL_GROWTH = 1.5
ROOT = pathlib.Path(__file__).resolve().parents[2]
NODE = "a4" * 32
MANAGER = "sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service"
FILES = {
    "cgroup.type": "domain\n", "cgroup.events": "populated 1\nfrozen 0\n", "cgroup.controllers": "cpuset cpu io memory pids\n",
    "cgroup.procs": "", "memory.current": "1234567\n", "memory.max": "max\n",
    "memory.events": "low 0\nhigh 0\nmax 0\noom 0\noom_kill 0\noom_group_kill 0\n", "pids.current": "3\n", "pids.max": "18000\n",
    "cpu.max": "max 100000\n", "cpu.stat": "usage_usec 123456\nuser_usec 100000\nsystem_usec 23456\nnr_periods 0\n",
}


def build():
    """The program itself, as it is released."""
    if binary := os.environ.get("KIND_WSL_BIN"):
        return binary
    subprocess.run(["cargo", "build", "--locked", "--release", "--bin", "kind-wsl"], cwd=ROOT, check=True)
    return str(ROOT / "target/release/kind-wsl")


def write(root, path, text):
    file = pathlib.Path(root, path)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


def machine(root, size):
    """A machine with so many cgroups below the user manager."""
    write(root, "etc/passwd", "root:x:0:0::/root:/bin/sh\ndev:x:1000:1000::/home/dev:/bin/sh\n")
    write(root, "home/dev/.profile", "")
    write(root, "proc/mounts", "cgroup2 /sys/fs/cgroup cgroup2 rw,nsdelegate 0 0\n")
    write(root, "proc/1/cgroup", "0::/init.scope\n")
    write(root, "proc/1/comm", "systemd\n")
    labels = '{"io.x-k8s.kind.cluster":"kind","io.x-k8s.kind.role":"control-plane"}'
    ps = f'[{{"Id":"{NODE}","Names":["kind-control-plane"],"State":"running","Labels":{labels}}}]'
    write(root, "usr/bin/podman", f"#!/bin/sh\n[ $1 = ps ] && echo '{ps}'\n").chmod(0o755)
    made = 0

    def cgroup(path, is_leaf):
        nonlocal made
        if made == size:
            return
        made += 1
        folder = pathlib.Path(root, MANAGER + path)
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in FILES.items():
            (folder / name).write_text(text)
        (folder / "cgroup.subtree_control").write_text("" if is_leaf else FILES["cgroup.controllers"])

    pods = f"/app.slice/{NODE}/kubelet.slice/kubelet-kubepods.slice"
    for path in ["", "/app.slice", f"/app.slice/{NODE}", f"/app.slice/{NODE}/kubelet.slice", pods]:
        cgroup(path, False)
    cgroup(f"/app.slice/{NODE}/init.scope", True)
    pod = 0
    while made < size:
        pod += 1
        cgroup(f"{pods}/kubelet-kubepods-pod{pod:08d}.slice", False)
        for container in range(4):
            cgroup(f"{pods}/kubelet-kubepods-pod{pod:08d}.slice/cri-containerd-{pod * 10 + container:064x}.scope", True)


def ours(program, root, *flags):
    """Milliseconds, and the peak of memory in MiB."""
    start = time.monotonic()
    running = subprocess.Popen([program, "--root", root, "--user", "dev", "inspect", *flags], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(running.pid, 0)
    if os.waitstatus_to_exitcode(status) not in (0, 4):
        sys.exit(f"inspect ended with {status}")
    return (time.monotonic() - start) * 1000, usage.ru_maxrss / 1024


def theirs(root):
    """Milliseconds to print the same files, without telling which is whose."""
    start = time.monotonic()
    names = [part for name in [*FILES, "cgroup.subtree_control"] for part in ("-o", "-name", name)][1:]
    find = ["find", f"{root}/{MANAGER}", "-type", "f", "(", *names, ")", "-exec", "cat", "{}", "+"]
    subprocess.run(find, stdout=subprocess.DEVNULL, check=True)
    return (time.monotonic() - start) * 1000


def main():
    program = build()
    result, first = {}, None
    for size in SIZES:
        with tempfile.TemporaryDirectory(dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as root:
            machine(root, size)
            rounds = []
            for _ in range(ROUNDS):
                them = theirs(root)
                (json, peak), (screen, _) = ours(program, root, "--json"), ours(program, root)
                rounds.append((json, screen, them, peak))
        json, screen, them = (statistics.median(r[i] for r in rounds) for i in range(3))
        ratio = statistics.median(r[0] / r[2] for r in rounds)
        peak = max(r[3] for r in rounds)
        result[size] = (json, screen, ratio, peak)
        print(f"  {size:6} cgroups: --json {json:.0f} ms, the screen {screen:.0f} ms, find and cat {them:.0f} ms, ratio {ratio:.2f}, {peak:.1f} MiB", flush=True)
    json, screen, ratio, peak = result[SIZES[-1]]
    small, large = SIZES[0], SIZES[-1]
    growth = (json / large) / (result[small][0] / small)
    print(
        f"inspect: {large} cgroups in {json:.0f} ms (goal: at most {GOAL_MS:.0f}), {peak:.1f} MiB (goal: at most {GOAL_MIB:.0f}), "
        f"per cgroup {growth:.2f} of what it takes at {small} (goal: at most {GOAL_GROWTH}), ratio to find and cat {ratio:.2f}; medians of {ROUNDS} rounds"
    )
    return 0 if json <= GOAL_MS and peak <= GOAL_MIB and growth <= GOAL_GROWTH else 1


if __name__ == "__main__":
    sys.exit(main())
