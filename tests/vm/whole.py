"""The time from a fresh machine to a cluster: `kind-wsl setup` on one, the manual steps typed by hand on another.

Both are of the same image, run side by side, fetch from the same places, and are judged by the real kind: what it says at the end, and,
where it refuses, what had to follow. A person's reading, thinking and typing take no time here. What each took is printed, and how much had to be typed.
"""
import concurrent.futures
import contextlib
import json
import statistics
import time
from dataclasses import dataclass

from agreement import PROBE, verdict
from checks import Subject
from machine import Machine, throw_away
from report import StoryEnds, expect

LAYOUT = "classic"  # the manual steps are for cgroup v1 without systemd
RESTART = "wsl.exe --shutdown"
CRUN = "1.21"
BESIDE = 5  # pairs of what is compared on the machine that is set up
# What doctor asks podman (src/doctor/kind.rs, src/inspect/node.rs): who it is, what kind will see here and in the wrapper, which nodes there are.
PODMAN = ["podman --version", "podman info --format json", "systemd-run --user --scope --quiet -p Delegate=yes podman info --format json",
          "podman ps --all --no-trunc --filter label=io.x-k8s.kind.cluster --format json"]


@dataclass
class Step:
    """One command; `adapted` is the deviation from the published steps and its reason."""
    line: str
    root: bool = False
    adapted: str = ""


def written(path, text, append=False):
    return f"cat <<EOF >{'>' if append else ''}{path}\n{text}\nEOF"


def guide(releases):
    """The manual steps in their order. `adapted` has what a machine needs in addition."""
    crun = f"{releases.url}/containers/crun/releases/download/{CRUN}/crun-{CRUN}-linux-amd64"
    accounting = "\n".join(f"{name}Accounting=yes" for name in ("CPU", "Memory", "IO", "Tasks"))
    return [
        Step(written("/etc/wsl.conf", "[boot]\nsystemd=true", append=True), root=True),
        Step(written("/mnt/c/Users/dev/.wslconfig", "[wsl2]\nkernelCommandLine = cgroup_no_v1=all systemd.unified_cgroup_hierarchy=1", append=True),
             adapted="into .wslconfig, the second of the two documented places: WSL does not read it from wsl.conf"),
        Step(written("/etc/fstab", "cgroup2 /sys/fs/cgroup cgroup2 rw,nosuid,nodev,noexec,relatime,nsdelegate 0 0", append=True), root=True,
             adapted="before the restart, and so without `mount -a`: with the kernel's words alone this machine's systemd ends with `Failed to allocate manager object`"),
        Step(RESTART),
        Step("sudo apt-get update"),
        Step("sudo apt-get install -y podman"),
        Step("mkdir -p /etc/containers", root=True, adapted="in case that the folder is not there"),
        Step(written("/etc/containers/containers.conf", '[containers]\nlog_driver = "k8s-file"\n[engine]\nevents_logger = "file"\ncgroup_manager = "cgroupfs"'), root=True,
             adapted="with the tables that the keys belong to; without them podman does not read them"),
        # the package with the CNI plugins is for Ubuntu 22.04 and its archive; Debian 12's podman has netavark
        Step("mkdir -p ~/.local/bin ~/.config/containers"),
        Step(f'curl -sSfL "{crun}" -o "$HOME/.local/bin/crun"', adapted="from the test's release server"),
        Step("chmod +x ~/.local/bin/crun"),
        Step(written("~/.config/containers/containers.conf", '[engine.runtimes]\ncrun = [\n  "${HOME}/.local/bin/crun",\n  "/usr/bin/crun"\n]'),
             adapted="without the quotation mark that never closes in the line before"),
        Step("podman info | grep -i crun"),
        Step(written("/etc/systemd/system/user-0.slice", "[Unit]\nBefore=systemd-logind.service\n[Slice]\nSlice=user.slice\n[Install]\nWantedBy=multi-user.target"), root=True),
        Step("mkdir -p /etc/systemd/system/user-.slice.d /etc/systemd/system/user@.service.d", root=True, adapted="the published steps write into missing directories"),
        Step(written("/etc/systemd/system/user-.slice.d/override.conf", f"[Slice]\nSlice=user.slice\n\n{accounting}"), root=True),
        Step(written("/etc/systemd/system/user@.service.d/delegate.conf", "[Service]\nDelegate=cpu cpuset io memory pids"), root=True),
    ]


class Way:
    """A fresh machine, and one way to a cluster on it."""

    def __init__(self, name, folder, releases, binary, report):
        self.name, self.story, self.releases = name, report.story(name), releases
        self.machine = Machine("debian-12", LAYOUT, folder / name, windows=True)
        self.subject = Subject(self.machine, releases, binary, "debian-12")
        self.typed, self.seconds, self.restarts = [], 0.0, 0

    def type(self, step, code=0):
        began = time.time()
        if step.line == RESTART:
            self.machine.wsl_shutdown()
            self.restarts += 1
        else:
            result = self.machine.run(step.line, user="root" if step.root else "dev", timeout=1800)
            expect(result.code == code, f"exit {result.code}: {step.line}\n{result.text[-2000:]}")
        took = time.time() - began
        self.seconds += took
        self.typed.append(step.line)
        self.story.say(f"{took:6.1f} s  {step.line.splitlines()[0]}{f' ({step.adapted})' if step.adapted else ''}")

    def kind(self, line):
        """What kind says of the machine, before it looks for the image."""
        return verdict(self.machine.run(line, timeout=300).text)

    def measure(self):
        """Whether it came to its end."""
        with contextlib.suppress(StoryEnds):
            with self.story.check("the cluster is created", needed=True):
                self.machine.start()
                self.subject.install()
                self.go()
                self.story.say(f"{self.seconds:.0f} s in {len(self.typed)} things to type ({sum(map(len, self.typed))} characters) and {self.restarts} restart(s)")
            return True
        return False

    def end(self):
        self.machine.end()
        throw_away(self.machine.folder)


class Setup(Way):
    def go(self):
        # --no-restart: the line that the helper types otherwise is typed here, and counted
        for step, code in [(Step(f"kind-wsl setup --yes --no-restart {self.subject.flags}"), 3), (Step(RESTART), 0), (Step(f"kind-wsl setup --yes {self.subject.flags}"), 0)]:
            self.type(step, code)
        said = self.kind(f"kind-wsl kind {PROBE}")
        expect(said == "accepts", f"kind says {said}")

    def beside(self):
        """On the machine that is set up: nothing to do, and doctor beside what it asks podman. Seconds; nothing where one of them fails."""
        with self.story.check("a setup with nothing to do, and doctor compared with podman"):
            lines = {"setup": f"kind-wsl setup --yes {self.subject.flags}", "doctor": "kind-wsl doctor", "podman": " && ".join(PODMAN)}
            seconds = {name: [] for name in lines}
            for _ in range(BESIDE):
                for name, line in lines.items():
                    result = self.machine.run(line, timeout=300)
                    expect(result.code in ((0, 4) if name == "doctor" else (0,)), f"{line} ended with {result.code}:\n{result.text[-1500:]}")
                    seconds[name].append(result.seconds)
            self.story.say("; ".join(f"{name} {statistics.median(all_):.2f} s" for name, all_ in seconds.items()))
            return seconds


class ByHand(Way):
    def go(self):
        for step in guide(self.releases):
            self.type(step)
        # the last of the published steps; its restart is before the delegation is written
        said = self.kind(f"systemd-run --scope --user kind {PROBE}")
        self.story.say(f"kind after the manual steps: {said}")
        if said != "accepts":
            self.type(Step(RESTART, adapted="not in the published steps; a systemd user manager gets its delegation when it starts"))
            said = self.kind(f"systemd-run --scope --user kind {PROBE}")
            self.story.say(f"kind, started again: {said}")
        if said != "accepts":
            said = self.kind(f"systemd-run --scope --user -p Delegate=yes kind {PROBE}")
            self.story.say(f"kind, in a scope that delegates: {said}")
        expect(said == "accepts", f"kind says {said}")


class Whole:
    def __init__(self, out):
        self.out = out

    def tell(self, folder, releases, binary, report):
        """One pair, side by side: what else the host does weighs on both. The figures go to `out` as JSON."""
        ways, figures = [], {}
        try:
            for kind_of in (Setup, ByHand):
                ways.append(kind_of(kind_of.__name__, folder, releases, binary, report))
            with concurrent.futures.ThreadPoolExecutor(2) as pool:
                done = list(pool.map(Way.measure, ways))
            ways[1].machine.cut()
            if all(done):
                figures = {way.name: {"seconds": way.seconds, "typed": len(way.typed), "characters": sum(map(len, way.typed)), "restarts": way.restarts} for way in ways}
                figures["beside"] = ways[0].beside()
        finally:
            for way in ways:
                way.end()
        if self.out and figures.get("beside"):
            with open(self.out, "w") as file:
                json.dump(figures, file)
