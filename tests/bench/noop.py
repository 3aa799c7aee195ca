"""A run with nothing to do: `kind-wsl setup`, the exported script and the exported playbook, each on a fake machine that it has set up.

On such a machine only the three take time. Needs root, as the files have two owners.
"""

import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

from _common import ROOT, in_turn, median, pretended, program, ratio, timed

ROUNDS = int(os.environ.get("ROUNDS", "7"))
GOAL_MS = 1000.0
GOAL_ANSIBLE = 10.0  # times that ansible takes
PROFILE = "/mnt/c/Users/dev"
CRUN = "1.30.1"


def started_again(tree):
    """What the kernel and systemd show after the restart, of a machine that has been set up (as tests/support plays it)."""
    every = "cpuset cpu io memory pids"
    manager = "sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service"
    for path, text in {
        "proc/sys/kernel/random/boot_id": "boot-2\n", "proc/1/comm": "systemd\n", "proc/1/cgroup": "0::/init.scope\n", "proc/1/stat": f"1 (init) S 0 {'0 ' * 17}2 0 0",
        **{f"{at}/cgroup.{file}": every for at in ("sys/fs/cgroup", manager) for file in ("controllers", "subtree_control")},
    }.items():
        pathlib.Path(tree, path).write_text(text)


def main():
    if os.getuid():
        os.execvp("sudo", ["sudo", "--preserve-env=PATH,HOME,ROUNDS,KIND_WSL_BIN", sys.executable, "-B", *sys.argv])
    ours = program()
    subprocess.run([ROOT / "tests/fleet/run", "engines"], check=True)
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target")
    with tempfile.TemporaryDirectory() as folder:
        trees = {way: pretended(f"{folder}/{way}", "modern") for way in ("fresh", "setup", "script", "ansible")}
        sha256 = hashlib.sha256(pathlib.Path(trees["fresh"], f"offline/crun-{CRUN}-linux-amd64").read_bytes()).hexdigest()
        answers = ["--tools", "none", "--kind-wrapper", "yes", "--crun-version", CRUN, "--crun-sha256", sha256]

        def kind_wsl(way, *words):
            return ["env", f"KIND_WSL_WINDOWS_PROFILE={PROFILE}", ours, "--root", trees[way], "--user", "dev", *words]

        for format_, file in (("sh", "kind.sh"), ("ansible", "kind.yml")):
            timed(kind_wsl("fresh", "export", "--format", format_, "-o", f"{folder}/{file}", *answers))
        setup = kind_wsl("setup", "setup", "--yes", "--no-restart", "--offline", f"{trees['setup']}/offline", *answers)
        shutil.copy(ours, f"{folder}/kind-wsl")
        script = ["env", f"KIND_WSL_ROOT={trees['script']}", f"KIND_WSL_WINDOWS_PROFILE={PROFILE}", "dash", f"{folder}/kind.sh", "--offline", f"{trees['script']}/offline"]
        values = {
            "ansible_become": False, "ansible_python_interpreter": "/usr/bin/python3", "kind_root": trees["ansible"], "kind_user": "dev",
            "kind_flags": ["--offline", f"{trees['ansible']}/offline"], "kind_windows_profile": PROFILE,
        }
        ansible = ["env", "ANSIBLE_LOCALHOST_WARNING=false", f"ANSIBLE_HOME={folder}/home", "LC_ALL=C.UTF-8", target / "fleet/venv/bin/ansible-playbook",
                   "-i", "localhost,", "-c", "local", "-e", json.dumps(values), f"{folder}/kind.yml"]

        def said(command):
            return subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=True).stdout

        for way, command, sign in (("setup", setup, "othing to do"), ("script", script, "othing to do"), ("ansible", ansible, "changed=0 ")):
            timed(command, codes=(0, 3))
            started_again(trees[way])
            timed(command)
            if sign not in (text := said(command)):
                sys.exit(f"{way}: its second run says no {sign!r}:\n{text[-2000:]}")
        given = in_turn(ROUNDS, {way: lambda command=command: timed(command) for way, command in (("setup", setup), ("script", script), ("ansible", ansible))})
    us, them, play = given["setup"], given["script"], given["ansible"]
    times = ratio(play, us)
    print(
        f"noop: setup {median(us):.0f} ms (goal: at most {GOAL_MS:.0f}); ansible-playbook {median(play):.0f} ms, {times:.0f} times as long (goal: at least {GOAL_ANSIBLE:.0f}); "
        f"the script {median(them):.0f} ms; medians of {ROUNDS} rounds"
    )
    return 0 if median(us) <= GOAL_MS and times >= GOAL_ANSIBLE else 1


if __name__ == "__main__":
    sys.exit(main())
