"""Machines of one image, set up by `kind-wsl setup`, by the exported script and by the exported playbook: are they equal?

What doctor finds, every watched file, the packages, the plan; a second run of each; a cluster by the real kind.
"""
import concurrent.futures
import contextlib
import hashlib
import json
import os
import re
import shutil
import subprocess
import time

import images
from checks import NODE, Subject
from machine import Machine, throw_away
from report import StoryEnds, expect
from snapshot import Snapshot, sort_out, summary

HERE = images.HERE
FORMATS = {"sh": "kind.sh", "ansible": "kind.yml"}
PROFILE = "/mnt/c/Users/dev"
# What Ansible asks of every machine that it manages; all of these machines have it, so that they are of one image.
NEEDS = "python3"
# What may differ, and why.
OURS = [(r"/var/lib/kind-wsl(/.*)?", "the journal, which has the times"), (r"/etc/kind-wsl(/answers\.toml)?", "the answers file of an export")]
ENGINES = [(r"/home/dev/\.ansible(/.*)?|/root/\.ansible(/.*)?", "Ansible's own directory on the machine")]


def steady(found):
    """A check without what moves from second to second: how far the clock is from the hardware's, when that is well."""
    if found["id"] == "clock" and found["verdict"] == "ok":
        return found | {"evidence": re.sub(r"^\d+ s", "", found["evidence"])}
    return found


class Outcome:
    """What a machine is like when it is set up."""

    def __init__(self, machine, subject):
        seen = machine.run("kind-wsl doctor --json", timeout=300)
        expect(seen.code in (0, 4), f"doctor ended with {seen.code}:\n{seen.text[-1500:]}")
        self.document = json.loads(seen.out)
        self.checks = {check["id"]: check for check in self.document["checks"]}
        self.tree, self.packages = Snapshot(machine), subject.packages()


class Member:
    """A machine of the fleet. A way of setting it up says how to apply it, and how the second run tells that it did nothing."""
    runs = 3

    def __init__(self, fleet):
        self.fleet, self.story = fleet, fleet.report.story(f"{fleet.layout} by {self.name}")
        self.machine = self.outcome = None

    def run(self):
        self.machine = Machine(self.fleet.system, self.fleet.layout, self.fleet.folder / self.name, disk=self.fleet.disk, windows=True)
        self.subject = Subject(self.machine, self.fleet.releases, self.fleet.binary, self.fleet.system)
        with contextlib.suppress(StoryEnds):
            self.tell()
        return self

    def end(self):
        machine, self.machine = self.machine, None
        if machine:
            machine.end()
            throw_away(machine.folder)

    def tell(self):
        machine, check = self.machine, self.story.check
        with check("the setup runs up to the restart and asks for it", needed=True):
            machine.start()
            self.begins()
            began = time.time()
            self.apply(first=True)
            self.story.say(f"{time.time() - began:.0f} s")
        with check("after the restart the setup finishes", needed=True):
            self.start_again()
            began = time.time()
            self.apply(first=False)
            self.story.say(f"{time.time() - began:.0f} s")
        with check("doctor and the files can be read", needed=True):
            self.outcome = Outcome(machine, self.subject)
            kinds = [check["verdict"] for check in self.outcome.checks.values()]
            self.story.say(", ".join(f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(kinds)))
        with check("a second run changes nothing"):
            seconds = [self.again() for _ in range(self.runs)]
            changed, _ = sort_out(self.outcome.tree.differences(Snapshot(machine)), [*OURS, *ENGINES])
            expect(not changed, f"changed: {changed}")
            self.story.say(f"{' '.join(f'{s:.1f}' for s in seconds)} s")

    def start_again(self):
        """With the user's manager."""
        self.machine.wsl_shutdown()
        expect(not self.machine.warnings(), f"WSL warns: {self.machine.warnings()}")
        self.machine.settle()
        state = self.machine.run("systemctl is-active user@1000.service", timeout=240)
        expect(state.out.split() == ["active"], f"no user manager: {state.text}")

    def begins(self):
        """What has to be on the machine for this way."""

    def apply(self, first):
        raise NotImplementedError

    def again(self):
        """The seconds that a run with nothing to do takes."""
        raise NotImplementedError


class BySetup(Member):
    name = "setup"

    def apply(self, first):
        self.subject.call(f"setup --yes --no-restart {self.subject.flags}", code=3 if first else 0, timeout=1500)

    def again(self):
        result = self.subject.call(f"setup --yes {self.subject.flags}")
        expect("othing to do" in result.out, result.text)
        return result.seconds


class Exported(Member):
    """A machine set up by an export, compared with the machine of the setup."""

    def begins(self):
        self.machine.root("rm /usr/local/bin/kind-wsl")

    def compared(self, with_):
        """What has to be equal; `with_`: the member that was set up by kind-wsl."""
        check, mine, theirs = self.story.check, self.outcome, with_.outcome
        if not mine or not theirs:
            return
        with check("doctor finds the same: verdicts, details and the prediction"):
            expect(mine.checks.keys() == theirs.checks.keys(), f"other checks: {mine.checks.keys() ^ theirs.checks.keys()}")
            unlike = [f"{name}: {theirs.checks[name]}\n   here: {found}" for name, found in mine.checks.items() if steady(found) != steady(theirs.checks[name])]
            expect(not unlike, "\n".join(unlike))
            expect(mine.document["prediction"] == theirs.document["prediction"], f"{mine.document['prediction']}, not {theirs.document['prediction']}")
            self.story.say(f"{len(mine.checks)} checks; kind {mine.document['prediction']['wrapper']['says']}")
        with check("the files that differ from the image are the same, in bytes, mode and owner"):
            unexplained, explained = sort_out(theirs.tree.differences(mine.tree), [*OURS, *ENGINES])
            self.story.say(summary(explained))
            expect(not unexplained, "different from the machine of the setup:\n" + "\n".join(f"  {p}: {w}" for p, w in unexplained[:40]))
            self.story.say(f"{len(self.fleet.untouched.differences(mine.tree))} paths differ from the image")
        with check("the packages are the same"):
            expect(mine.packages == theirs.packages, f"more: {sorted(mine.packages - theirs.packages)}; fewer: {sorted(theirs.packages - mine.packages)}")
        with check("kind-wsl's own plan finds nothing to do"):
            verdicts, _ = self.subject.plan()
            needed = [stage for stage, verdict in verdicts.items() if verdict == "needed"]
            expect(not needed, f"needed: {needed}")

    def cluster(self):
        """The end that all of it is for."""
        with self.story.check("kind-wsl kind creates a cluster, and deletes it"):
            self.machine.must("sudo tar -C ~/.local/share/containers/storage -xf /mnt/c/store.tar")
            self.subject.call(f"kind create cluster --image {NODE}", timeout=1200)
            names = self.subject.call("kind get nodes").out.split()
            expect(names == ["kind-control-plane"], f"nodes: {names}")
            self.subject.call("kind delete cluster")


class ByScript(Exported):
    name = "sh"

    def begins(self):
        super().begins()
        (self.machine.drive / "kind.sh").write_text(self.fleet.exports["sh"])  # beside kind-wsl

    def script(self, code):
        result = self.machine.run("sudo KIND_WSL_USER=dev sh /mnt/c/kind.sh", timeout=1500)
        expect(result.code == code, f"the script ended with {result.code}, not {code}:\n{result.text[-3000:]}")
        return result

    def apply(self, first):
        result = self.script(3 if first else 0)
        expect(not first or "wsl.exe --shutdown" in result.out, f"it does not say how to restart:\n{result.out[-1000:]}")

    def again(self):
        result = self.script(0)
        expect("othing to do" in result.out, result.text)
        return result.seconds


class ByPlaybook(Exported):
    name = "ansible"
    runs = 1  # each takes minutes

    def begins(self):
        super().begins()
        self.playbook = self.fleet.folder / FORMATS["ansible"]
        self.playbook.write_text(self.fleet.exports["ansible"])
        shutil.copy(self.fleet.binary, self.fleet.folder / "kind-wsl")

    def play(self):
        """The recap's numbers, what was printed, the seconds."""
        inventory = self.fleet.folder / "inventory.json"
        host = {"ansible_connection": "machine", "ansible_port": self.machine.port, "ansible_user": "dev", "ansible_python_interpreter": "/usr/bin/python3"}
        inventory.write_text(json.dumps({"all": {"hosts": {"machine": host}}}))
        env = os.environ | {"ANSIBLE_CONNECTION_PLUGINS": str(HERE / "ansible"), "ANSIBLE_HOME": str(self.fleet.folder / "ansible-home"), "ANSIBLE_PIPELINING": "true",
                            "ANSIBLE_NOCOLOR": "1", "LC_ALL": "C.UTF-8"}
        began = time.time()
        command = [self.fleet.ansible / "venv/bin/ansible-playbook", "-i", inventory, "-e", "kind_user=dev", "-e", f"kind_windows_profile={PROFILE}", self.playbook]
        done = subprocess.run(command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        seconds = time.time() - began
        expect(done.returncode == 0, f"ansible-playbook ended with {done.returncode}:\n{done.stdout[-4000:]}")
        recap = {key: int(number) for key, number in re.findall(r"(\w+)=(\d+)", done.stdout.rsplit("PLAY RECAP", 1)[1])}
        return recap, done.stdout, seconds

    def apply(self, first):
        recap, text, _ = self.play()
        expect(("Restart required: in Windows: `wsl.exe --shutdown`" in text) == first, text[-3000:])
        expect((recap["changed"] > 0 or not first) and not recap["failed"], f"{recap}")
        self.story.say(f"ok={recap['ok']} changed={recap['changed']}")

    def again(self):
        recap, text, seconds = self.play()
        expect(recap["changed"] == 0 and not recap["failed"], f"{recap}\n" + "\n".join(re.findall(r"TASK.*\n(?:changed.*)", text)))
        return seconds


def disk_for(system, layout):
    """The distribution's disk with what ansible needs, made once."""
    fresh = images.disk(system, True)
    digest = hashlib.sha256(f"{fresh} {NEEDS}".encode()).hexdigest()[:12]

    def build(into, scratch):
        scratch.chmod(0o711)
        machine = Machine(system, layout, scratch / "machine")
        try:
            machine.start()
            machine.root(f"apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends {NEEDS}", timeout=1200)
            machine.stop()
            machine.save(into / "disk.img")
        finally:
            machine.end()
    return images.built(images.CACHE / f"fleet-{digest}", build) / "disk.img"


class Fleet:
    def __init__(self, layout):
        self.system, self.layout, self.exports = "debian-12", layout, {}
        self.ansible = images.artifact("ansible", "ansible.sh")

    def tell(self, folder, releases, binary, report):
        self.folder, self.disk, self.releases, self.binary, self.report = folder, folder / "image.img", releases, binary, report
        with contextlib.suppress(StoryEnds):
            self.image()
            self.members()

    def image(self):
        """One image for all of them, and the exports, made on a machine of it that nothing was done to."""
        story = self.report.story(f"{self.layout} image")
        machine = Machine(self.system, self.layout, self.folder / "image", disk=disk_for(self.system, self.layout), windows=True)
        try:
            subject = Subject(machine, self.releases, self.binary, self.system)
            with story.check("the image is built, and a machine of it exports the files", needed=True):
                machine.start()
                subject.install()
                for name in FORMATS:
                    self.exports[name] = subject.call(f"export --format {name} {subject.flags}").out
                self.untouched = Snapshot(machine)
                machine.stop()
                machine.save(self.disk)
        finally:
            machine.end()
            throw_away(machine.folder)

    def members(self):
        by_setup, exported = BySetup(self), [ByPlaybook(self), ByScript(self)]
        members = [exported[0], by_setup, exported[1]]  # the one that takes longest first
        try:
            with concurrent.futures.ThreadPoolExecutor(2) as pool:
                list(pool.map(Member.run, members))
            for member in exported:
                member.compared(by_setup)
            by_setup.end()
            with concurrent.futures.ThreadPoolExecutor(2) as pool:
                list(pool.map(Exported.cluster, [member for member in exported if member.outcome]))
        finally:
            for member in members:
                member.end()
