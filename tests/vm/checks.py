"""The story of one machine: before the setup, setup, restart, the rest of the setup, the result, undo."""
import json
import re
import shutil

import images
from agreement import Agreement
from machine import Failed
from nodes import WRAPPER, Nodes
from report import expect
from snapshot import Snapshot, sort_out, summary

NODE = "localhost/node:stand-in"
CONTROLLERS = {"cpu", "memory", "pids", "io", "cpuset"}
KIND = "env KIND_EXPERIMENTAL_PROVIDER=podman kind"
SCRIPTS_MADE = [(r"/etc/(inputrc|networks)", "made by the scripts of packages that were brought (readline-common, netbase)"),
                (r"/var/lib/kind-wsl(/.*)?", "kind-wsl's own journal: the packages are still to be taken out")]
INSTALLED = "dpkg-query -W -f '${binary:Package} ${db:Status-Status}\\n' | grep ' installed' | cut -d' ' -f1 | sort"

# Seen in the disk's own files: these lines are all that differs, and systemd 247 adds them when it first starts.
FIRST_START_OF_247 = [(r"/etc/(passwd|group|shadow|gshadow)", "systemd-timesync and systemd-coredump, added by systemd's own sysusers"),
                      (r"/etc/mtab", "the link that systemd's own tmpfiles makes")]


class Subject:
    """The program under test in a machine."""

    def __init__(self, machine, releases, binary, system):
        self.machine, self.releases = machine, releases
        self.flags = f"--mirror {releases.url} --crun-version 1.21 --crun-sha256 {releases.sha256('crun-1.21-linux-amd64')} --tools none"
        shutil.copy(binary, machine.drive / "kind-wsl")
        if machine.windows:
            for name in ("kind-wsl.exe", "kind-wsl-helper.exe"):
                shutil.copy(machine.windows.programs / name, machine.drive)
        shutil.copytree(images.kind(), machine.drive / "kind")
        # Debian 13's kind asks for Debian 13's C library, which runs beside an older one.
        loader = "/opt/kind/ld-linux-x86-64.so.2 --library-path /opt/kind " if system == "debian-11" else ""
        (machine.drive / "bin").mkdir()
        (machine.drive / "bin/kind").write_text(f'#!/bin/sh\nexec {loader}/opt/kind/kind-linux-amd64 "$@"\n')
        shutil.copy(images.node_store(), machine.drive / "store.tar")

    def install(self):
        """The program, and the real kind, where a user has them."""
        helper = "/mnt/c/kind-wsl-helper.exe" if self.machine.windows else ""
        self.machine.root(f"install -m 755 /mnt/c/kind-wsl /mnt/c/bin/kind {helper} /usr/local/bin/; install -D -m 755 -t /opt/kind /mnt/c/kind/kind-linux-amd64 /mnt/c/kind/lib/*")

    def call(self, args, code=0, **how):
        result = self.machine.run(f"kind-wsl {args}", **how)
        expect(result.code == code, f"`kind-wsl {args}` ended with {result.code}, not {code}:\n{result.text[-3000:]}")
        return result

    def plan(self):
        """{stage: verdict}, and the whole document."""
        document = json.loads(self.call(f"plan --json {self.flags}").out)
        return {s["id"]: s["verdict"] for s in document["plan"]["stages"]}, document

    def packages(self):
        return set(self.machine.root(INSTALLED).out.split())

    def package_paths(self, packages):
        """What the brought packages own or made when they were configured: their files, and what their scripts link to those."""
        names = " ".join(packages)
        own = set(self.machine.root(f"cd /; dpkg -L {names} 2>/dev/null | grep -E '^/(etc|usr/lib/(modules-load|sysctl)|var/lib/systemd)'; true").out.splitlines())
        units = self.machine.root(f"dpkg -L {names} 2>/dev/null | grep -E '/systemd/(system|user)/[^/]+$'; true").out.splitlines()
        names = {u.rsplit("/", 1)[1] for u in units}
        now = Snapshot(self.machine).entries
        for path, entry in now.items():
            tail = path.rsplit("/", 1)[1]
            if tail in names and ("/systemd/" in path) or path.startswith("/etc/alternatives/") or entry[4].startswith("/etc/alternatives"):
                own.add(path)
            if "deb-systemd" in path or path.startswith("/etc/systemd/") and entry[0] == "d" and path.endswith((".wants", ".requires")):
                own.add(path)
        return sorted(own & now.keys())


def tell(machine, system, layout, releases, binary, story, with_kind, way):
    """All of it; returns when the story ends, early where a step that others stand on fails."""
    with story.on(machine):
        Story(machine, system, layout, releases, binary, story, with_kind, way).run()


def own_namespace(machine):
    """The cgroup namespace is as measured on WSL 3.0.1: commands in non-systemd, WSL's init outside, limits of the root not writable."""
    own, outside = machine.root("cat /proc/self/cgroup; nsenter -t 2 -C cat /proc/self/cgroup").out.split()
    expect((own, outside) == ("0::/non-systemd", "0::/wsl-user/distro-2/non-systemd"), f"{own}, from outside {outside}")
    machine.root("cd /sys/fs/cgroup && test -e memory.current -a -e cpu.max")
    written = machine.run("sh -c 'echo max > /sys/fs/cgroup/memory.high'", user="root", raw=True)
    expect(written.code != 0, "the limits of the namespace's root are writable from inside")
    machine.root("nsenter -t 2 -C -- sh -c 'echo max > /sys/fs/cgroup/memory.high'")


class Story:
    def __init__(self, machine, system, layout, releases, binary, story, with_kind, way):
        self.machine, self.system, self.layout, self.story, self.with_kind = machine, system, layout, story, with_kind
        self.subject = Subject(machine, releases, binary, system)
        self.way, self.agreement = way(self), Agreement(self)

    def run(self):
        self.before()
        self.agreement.here("before the setup")
        self.way.before_set_up()
        self.way.set_up()
        self.afterwards()
        self.way.afterwards()
        self.agreement.here("after the setup")
        self.agreement.broken()
        self.use()
        self.undo()

    def before(self):
        machine, subject, check = self.machine, self.subject, self.story.check
        with check("WSL starts with its cgroup layout and without systemd", needed=True):
            machine.start()
            kind = machine.root("stat -fc %T /sys/fs/cgroup; cat /proc/1/comm; cat /proc/self/cgroup").out.split("\n")
            expect(kind[0] == ("tmpfs" if self.layout == "classic" else "cgroup2fs"), f"/sys/fs/cgroup is {kind[0]}")
            expect(kind[1] == "init", f"PID 1 is {kind[1]}")
            if self.layout == "namespaced":
                own_namespace(machine)
            subject.install()
        self.way.prepare()
        self.start, self.drive = Snapshot(machine), machine.windows.files()
        self.had = subject.packages()
        with check("plan lists every stage and changes nothing"):
            text = subject.call(f"plan -v {subject.flags}").out
            verdicts, _ = subject.plan()
            missing = [stage for stage in verdicts if stage not in text]
            expect(len(verdicts) >= 15 and not missing, f"not named: {missing}; verdicts: {verdicts}")
            self.verdicts = verdicts
            changed = self.start.differences(Snapshot(machine))
            expect(not changed, f"changed by plan: {changed}")
            self.story.say("; ".join(f"{v}: {' '.join(s for s in verdicts if verdicts[s] == v)}" for v in dict.fromkeys(verdicts.values())))
        with check("plan predicts kind's refusal before the setup"):
            self.refused(machine.run(f"{KIND} create cluster --image {NODE}"), self.verdicts)

    def refused(self, result, verdicts):
        """kind said no, and for a reason that has its stage."""
        text = result.text
        expect(result.code != 0, f"kind did not refuse:\n{text}")
        reasons = {"packages": r'"podman": executable file not found|podman.*not found', "cgroup": "requires cgroup v2",
                   "cgroup-mount": "requires cgroup v2", "delegation": "Delegate=yes", "controllers": "Delegate=yes", "systemd": "Delegate=yes|requires cgroup v2",
                   "restart": "Delegate=yes|requires cgroup v2"}
        fits = [stage for stage, pattern in reasons.items() if re.search(pattern, text) and verdicts.get(stage) == "needed"]
        expect(fits, f"no stage that the plan calls needed accounts for this refusal:\n{text[-800:]}\n{verdicts}")
        last = [line for line in text.splitlines() if "ERROR" in line or "Error" in line] or text.strip().splitlines()
        self.story.say(f"kind: {last[-1][:160]}\nplan: {', '.join(fits)} needed")

    def refused_before_restart(self):
        # Elsewhere kind has nothing to refuse yet: without systemd the session's cgroup has every controller.
        if self.with_kind and self.layout == "classic":
            with self.story.check("plan predicts kind's refusal before the restart"):
                verdicts, _ = self.subject.plan()
                self.refused(self.machine.run(f"{KIND} create cluster --image {NODE}"), verdicts | {"restart": "needed"})

    def afterwards(self):
        machine, subject, check = self.machine, self.subject, self.story.check
        with check("a second setup does nothing and says so"):
            before = Snapshot(machine)
            script = f"TIMEFORMAT='%R s by the clock, %U user, %S system'; time kind-wsl setup --yes {subject.flags}"
            result = machine.exec(["/bin/bash", "-c", script])
            expect(result.code == 0 and "othing to do" in result.out, f"exit {result.code}:\n{result.text[-1500:]}")
            changed = before.differences(Snapshot(machine))
            expect(not changed, f"changed: {changed}")
            self.story.say(f"a setup without changes took {result.err.strip().splitlines()[-1]} (in the emulated machine)")
        with check("podman in the delegated scope matches the plan"):
            self.podman_info()
        with check("status reports a finished setup"):
            result = subject.call("status")
            self.story.say("\n".join(result.out.rstrip().splitlines()[-2:]))

    def podman_info(self):
        info = json.loads(self.machine.must(WRAPPER + "podman info --format json").out)
        host = info["host"]
        runtime = host["ociRuntime"]
        facts = {
            "cgroup version": (host["cgroupVersion"], "v2"),
            # podman 3.0 cannot start a rootless container with cgroupfs.
            "cgroup manager": (host["cgroupManager"], "systemd" if self.system == "debian-11" else "cgroupfs"),
            "events logger": (host["eventLogger"], "file"),
            "log driver": (host.get("logDriver", "k8s-file"), "k8s-file"),  # podman 3 does not tell
            "storage driver": (info["store"]["graphDriverName"], "overlay"),
            "runtime": (runtime["path"], "/home/dev/.local/bin/crun" if self.verdicts["crun"] == "needed" else "/usr/bin/crun"),
            "runtime's version": (runtime["version"].splitlines()[0], "crun version 1.21"),
        }
        wrong = [f"{name} is {is_}, not {should}" for name, (is_, should) in facts.items() if is_ != should]
        controllers = host.get("cgroupControllers")
        if controllers is None:  # nor this
            controllers = self.machine.must(WRAPPER + "sh -c 'cat /sys/fs/cgroup$(cut -d: -f3 /proc/self/cgroup)/cgroup.controllers'").out.split()
        if not CONTROLLERS <= set(controllers):
            wrong.append(f"controllers are {controllers}")
        expect(not wrong, "; ".join(wrong))
        self.story.say(f"cgroup v2 with {' '.join(controllers)}; {runtime['path']} {runtime['version'].splitlines()[0]}; network {host.get('networkBackend', 'cni')}")

    def use(self):
        machine, check = self.machine, self.story.check
        with check("podman has the test's node image", needed=True):
            machine.must("sudo tar -C ~/.local/share/containers/storage -xf /mnt/c/store.tar && podman image exists " + NODE)
        with check("a container with systemd inside starts"):
            machine.must(f"{WRAPPER}podman run -d --name inner --privileged --systemd=always {NODE} /sbin/init")
            state = machine.run("for i in $(seq 30); do podman exec inner systemctl is-system-running 2>&1 | grep -qE 'running|degraded' && break; sleep 2; done; "
                                "podman exec inner sh -c 'systemctl is-system-running; cat /proc/1/comm /sys/fs/cgroup/cgroup.controllers'")
            machine.run("podman rm -f -t 1 inner || podman rm -f inner")
            expect(re.match("running|degraded", state.out) and "systemd" in state.out, state.text)
        # podman 3.0 fetches quay.io/libpod/rootless-cni-infra for the first rootless network, from a host that is not there.
        if self.with_kind and self.system != "debian-11":
            nodes = Nodes(self.story, machine, self.subject, restarted=self.layout == "namespaced")
            nodes.without_cluster()
            with check("kind-wsl kind creates a cluster"):
                result = self.subject.call(f"kind create cluster --image {NODE}")
                self.story.say(f"{result.seconds:.0f} s")
                names = self.subject.call("kind get nodes").out.split()
                expect(names == ["kind-control-plane"], f"nodes: {names}")
            nodes.with_cluster()
            with check("kind-wsl kind deletes it"):
                self.subject.call("kind delete cluster")
                left = machine.must("podman ps -aq").out.split()
                expect(not left, f"containers left: {left}")
            nodes.deleted()

    def undo(self):
        machine, subject, check = self.machine, self.subject, self.story.check
        brought = sorted(subject.packages() - self.had)
        with check("undo reverts everything but the packages"):
            subject.call("undo --yes")
            theirs = subject.package_paths(brought)
            self.compare([*SCRIPTS_MADE, *((re.escape(p), "belongs to a package that was brought") for p in theirs)])
        with check("the Windows side has only what it had before"):
            now = machine.windows.files()
            changed = {name: (self.drive.get(name), now.get(name)) for name in self.drive.keys() | now.keys() if self.drive.get(name) != now.get(name)}
            expect(not changed, f"changed on drive C: {changed}")
            expect(not machine.windows.running(), f"still running: {machine.windows.running()}")
        with check("undo --packages removes the installed packages"):
            result = subject.call("undo --yes --packages")
            left, gone = sorted(subject.packages() - self.had), sorted(self.had - subject.packages())
            self.story.say(f"undo took {result.seconds:.0f} s; {len(brought)} packages had come, {len(left)} are left: {' '.join(left)}")
            expect(not gone, f"packages that were there before are gone: {gone}")
            expect(not {"podman", "uidmap", "slirp4netns", "fuse-overlayfs"} & set(left) - self.had, f"left: {left}")
            self.compare([(re.escape(p), "left behind by the package manager") for p in theirs])
        with check("WSL starts as before the setup"):
            machine.wsl_shutdown()
            kind = machine.root("stat -fc %T /sys/fs/cgroup; cat /proc/1/comm").out.split()
            expect(kind == ["tmpfs" if self.layout == "classic" else "cgroup2fs", "init"], f"{kind}")
            expect(not machine.warnings(), f"WSL warns: {machine.warnings()}")
            machine.stop()

    def compare(self, excuses):
        if self.system == "debian-11":
            excuses = [*excuses, *FIRST_START_OF_247]
        unexplained, explained = sort_out(self.start.differences(Snapshot(self.machine)), excuses)
        if explained:
            self.story.say(summary(explained))
        if unexplained:
            raise Failed("differs from the start:\n" + "\n".join(f"  {path}: {what}" for path, what in unexplained[:40]))
