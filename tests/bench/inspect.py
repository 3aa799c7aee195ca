"""`kind-wsl inspect` on trees of 100 to 1,000 cgroups, against reading the same files with find and cat.

The tree is of files in memory, as a cluster of podman has them: one node, pods of a cgroup and four containers each. What
the kernel takes to make a file's content is not in it; tests/vm/nodes.py reads 1,000 real cgroups.
"""

import os
import pathlib
import sys
import tempfile

from _common import in_turn, median, peak, program, ratio, timed

ROUNDS = int(os.environ.get("ROUNDS", "9"))
SIZES = [100, 300, 1000]
GOAL_MS = 150.0
GOAL_MIB = 30.0
NODE = "a4" * 32
MANAGER = "sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service"
FILES = {
    "cgroup.type": "domain\n", "cgroup.events": "populated 1\nfrozen 0\n", "cgroup.controllers": "cpuset cpu io memory pids\n",
    "cgroup.procs": "", "memory.current": "1234567\n", "memory.max": "max\n",
    "memory.events": "low 0\nhigh 0\nmax 0\noom 0\noom_kill 0\noom_group_kill 0\n", "pids.current": "3\n", "pids.max": "18000\n",
    "memory.stat": "anon 1000000\nfile 234567\nkernel 100\ninactive_anon 0\nactive_file 0\ninactive_file 234567\n",
    "cpu.max": "max 100000\n", "cpu.stat": "usage_usec 123456\nuser_usec 100000\nsystem_usec 23456\nnr_periods 0\n",
}


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


def files(root):
    """Prints the same files, without their names."""
    names = [part for name in [*FILES, "cgroup.subtree_control"] for part in ("-o", "-name", name)][1:]
    return ["find", f"{root}/{MANAGER}", "-type", "f", "(", *names, ")", "-exec", "cat", "{}", "+"]


def main():
    ours = program()
    for size in SIZES:
        with tempfile.TemporaryDirectory(dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as root:
            machine(root, size)
            inspect = [ours, "--root", root, "--user", "dev", "inspect"]
            # 4: the node of the fake machine has no processes, which is a fault.
            rounds = in_turn(ROUNDS, {
                "json": lambda: timed([*inspect, "--json"], codes=(0, 4)),
                "screen": lambda: timed(inspect, codes=(0, 4)),
                "files": lambda: timed(files(root)),
            })
            mib = max(peak([*inspect, "--json"], codes=(0, 4)) for _ in range(3))
        json, screen, them = (median(rounds[way]) for way in ("json", "screen", "files"))
        beside = ratio(rounds["json"], rounds["files"])
        print(f"  {size:6} cgroups: --json {json:.0f} ms, the screen {screen:.0f} ms, find and cat {them:.0f} ms, ratio {beside:.2f}, {mib:.1f} MiB", flush=True)
    print(f"inspect: {size} cgroups in {json:.0f} ms (goal: at most {GOAL_MS:.0f}), {mib:.1f} MiB (goal: at most {GOAL_MIB:.0f}); medians of {ROUNDS} rounds")
    return 0 if max(json, screen) <= GOAL_MS and mib <= GOAL_MIB else 1


if __name__ == "__main__":
    sys.exit(main())
