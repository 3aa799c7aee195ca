"""Machines that were used before kind-wsl: containers of Docker and podman, the upstream guide followed by hand, no sudo, power cuts."""
import os
import random
import re
import shutil
import subprocess
import tarfile

import images
from agreement import PROBE, verdict
from checks import SCRIPTS_MADE, Subject
from machine import Failed
from nodes import WRAPPER
from providers import PACKAGES
from report import expect
from snapshot import WATCHED, Snapshot, of_home, sort_out, summary
from whole import CRUN, RESTART, guide, written

SEED = int(os.environ.get("KIND_WSL_SEED", "20"))
CUTS = 5
BOX, SLEEP = "localhost/box:1", "/bin/busybox sleep 1000000"
DOCKER = "docker.service", "docker.socket", "containerd.service"
OWN_KIND = "#!/bin/sh\n# my own\nexec /usr/local/bin/kind \"$@\"\n"


def box(target):
    """An image with one static program."""
    with tarfile.open(target, "w") as tar:
        tar.add("/bin/busybox", "bin/busybox")


class Prepared:
    """A machine, and what every scenario does with it."""

    watched = WATCHED
    excuses = SCRIPTS_MADE

    def __init__(self, machine, releases, binary, story):
        self.machine, self.releases, self.story = machine, releases, story
        self.subject = Subject(machine, releases, binary, "debian-12")

    @classmethod
    def tell(cls, machine, releases, binary, story):
        with story.on(machine):
            cls(machine, releases, binary, story).run()

    def snapshot(self):
        return Snapshot(self.machine, self.watched)

    def restart(self):
        self.machine.wsl_shutdown()
        self.machine.settle()

    def note_start(self):
        self.start, self.had = self.snapshot(), self.subject.packages()

    def set_up(self, args="", user="dev"):
        """Sets up until all is done, with restarts in between; returns how many."""
        for restarts in range(3):
            result = self.machine.run(f"kind-wsl setup --yes --no-restart {args} {self.subject.flags}", user=user, timeout=1500)
            self.story.say(f"setup ended with {result.code} after {result.seconds:.0f} s")
            if result.code == 0:
                return restarts
            expect(result.code == 3, f"exit {result.code}:\n{result.text[-3000:]}")
            self.restart()
        raise Failed("the setup asks for a third restart")

    def accepted(self):
        said = verdict(self.machine.run(f"kind-wsl kind {PROBE}", timeout=300).text)
        expect(said == "accepts", f"kind says {said}")

    def undo(self, args="--packages", user="dev"):
        """Undoes everything; the tree and the packages have to be those of `note_start`."""
        theirs = self.subject.package_paths(brought) if (brought := sorted(self.subject.packages() - self.had)) else []
        result = self.subject.call(f"undo --yes {args}", user=user, timeout=1500)
        self.story.say(f"undo took {result.seconds:.0f} s")
        excuses = [*self.excuses, *((re.escape(path), "left behind by the package manager") for path in theirs)]
        unexplained, explained = sort_out(self.start.differences(self.snapshot()), excuses)
        self.story.say(summary(explained))
        expect(not unexplained, "differs from the start:\n" + "\n".join(f"  {path}: {what}" for path, what in unexplained[:40]))
        gone = self.had - self.subject.packages()
        expect(not gone, f"packages that were there before are gone: {gone}")


class Used(Prepared):
    """Rootful Docker and rootless podman with a container each, a kind of the user's own, and a second user without sudo."""

    watched = [*WATCHED, "/home/bob"]
    excuses = [*SCRIPTS_MADE, *of_home("/home/bob")]

    def run(self):
        machine, subject, check = self.machine, self.subject, self.story.check
        with check("the machine has Docker and podman on vfs, each with a running container, a kind in ~/.local/bin, and bob, who has no sudo", needed=True):
            shutil.copytree(images.artifact("debs-docker", "debs.sh", PACKAGES), machine.drive / "debs")
            box(machine.drive / "box.tar")
            (machine.drive / "own-kind").write_text(OWN_KIND)
            machine.start()
            subject.install()
            machine.root("cp /mnt/c/debs/*.deb /var/cache/apt/archives/; printf '[boot]\\nsystemd=true\\n' >> /etc/wsl.conf; useradd -m -s /bin/bash bob")
            self.restart()
            machine.root("DEBIAN_FRONTEND=noninteractive apt-get -q -y install --no-install-recommends docker.io podman uidmap slirp4netns crun dbus-user-session > /dev/null", timeout=1800)
            machine.root("systemctl start docker.service || { journalctl -b -u docker -u containerd --no-pager | tail -30; exit 1; }", timeout=300)
            machine.root(f"docker import /mnt/c/box.tar {BOX} && docker run -d --name keep --restart always {BOX} {SLEEP}", timeout=300)
            machine.must("mkdir -p ~/.config/containers ~/.local/bin && printf '[storage]\\ndriver = \"vfs\"\\n' > ~/.config/containers/storage.conf && install -m 755 /mnt/c/own-kind ~/.local/bin/kind")
            machine.must(f"podman import -q /mnt/c/box.tar {BOX} && podman run -d --name mine {BOX} {SLEEP}", timeout=300)
            self.docker, self.podman = self.of_docker(), self.of_podman()
            self.note_start()
        with check("without sudo, bob's setup changes nothing and says that it needs root"):
            result = machine.run(f"kind-wsl setup --yes --no-restart {subject.flags}", user="bob", timeout=300)
            self.story.say(result.text.strip()[-600:])
            expect(result.code == 1, f"exit {result.code}:\n{result.text[-1500:]}")
            expect(not self.start.differences(self.snapshot()), f"changed: {self.start.differences(self.snapshot())}")
        with check("bob's plan and doctor need no root"):
            subject.call(f"plan {subject.flags}", user="bob", timeout=300)
            expect(machine.run("kind-wsl doctor", user="bob", timeout=300).code == 4, "doctor has no error")
        with check("setup for dev finishes, and both containers run on until the restart", needed=True):
            result = machine.run(f"kind-wsl setup --yes --no-restart {subject.flags}", timeout=1500)
            expect(result.code == 3, f"exit {result.code}:\n{result.text[-3000:]}")
            self.story.say(f"{result.seconds:.0f} s")
            expect(self.of_docker() == self.docker, f"docker: {self.docker}, now {self.of_docker()}")
            expect(self.of_podman() == self.podman, f"podman: {self.podman}, now {self.of_podman()}")
            self.restart()
            self.set_up()
            self.accepted()
        with check("after the restart Docker runs its container, and podman starts its own on vfs"):
            self.containers()
        with check("the user's own kind runs behind the wrapper"):
            kept = machine.must("cat ~/.local/bin/kind.kind-wsl-original && ~/.local/bin/kind version").out
            expect(kept.startswith(OWN_KIND) and "kind v" in kept, kept)
        with check("dev sets up for bob with sudo, bob takes it back in his home, and sudo the rest"):
            before = self.snapshot()
            machine.must(f"sudo kind-wsl setup --yes --no-restart --user bob {subject.flags}", timeout=900)
            status = machine.run("kind-wsl status", user="bob").text
            expect("et up at " in status, status)
            subject.call("undo --home --yes", user="bob", timeout=300)
            left = [path for path, _ in sort_out(before.differences(self.snapshot()), self.excuses)[0] if path.startswith("/home/bob")]
            expect(not left, f"left in bob's home: {left}")
            machine.must("sudo kind-wsl undo --yes --user bob", timeout=300)
        with check("undo restores the tree, and both containers run on", needed=True):
            docker = self.of_docker()
            self.undo()
            expect(self.of_docker() == docker, f"docker: {docker}, now {self.of_docker()}")
        with check("after the next start Docker runs its container, and podman starts its own on vfs"):
            self.restart()
            self.containers()

    def of_docker(self):
        """The units, and the container: the same one, started at the same time."""
        units = self.machine.run(f"systemctl is-active {' '.join(DOCKER)}; systemctl is-enabled {' '.join(DOCKER)}", user="root").out.split()
        return units, self.machine.root("docker inspect -f '{{.Id}} {{.State.Status}} {{.State.StartedAt}}' keep").out.split()

    def of_podman(self):
        fields = self.machine.must("podman inspect -f '{{.Id}} {{.State.Status}} {{.Driver}}' mine").out.split()
        return [*fields, self.machine.must("podman info -f '{{.Store.GraphDriverName}}'").out.strip()]

    def containers(self):
        """Docker's container was started again by Docker, podman's by its user."""
        units, container = self.of_docker()
        expect((units, container[:2]) == (self.docker[0], self.docker[1][:2]), f"docker: {self.docker}, now {units} {container}")
        self.machine.must(f"{WRAPPER}podman start mine", timeout=120)
        expect(self.of_podman() == self.podman, f"podman: {self.podman}, now {self.of_podman()}")


class Guide(Prepared):
    """The upstream guide, followed by hand: half of it, all of it as it is printed, and all of it twice."""

    def run(self):
        machine, subject, check = self.machine, self.subject, self.story.check
        with check("half of the guide is followed: wsl.conf, a restart, fstab", needed=True):
            machine.start()
            subject.install()
            self.type("root", written("/etc/wsl.conf", "[boot]\nsystemd=true", append=True))
            self.type("root", written("/etc/wsl.conf", "[wsl2]\nkernelCommandLine = cgroup_no_v1=all systemd.unified_cgroup_hierarchy=1", append=True))
            self.restart()
            self.type("root", written("/etc/fstab", "cgroup2 /sys/fs/cgroup cgroup2 rw,nosuid,nodev,noexec,relatime,nsdelegate 0 0", append=True))
        self.round("half of the guide")
        with check("the rest is typed as it is printed, with its mistakes", needed=True):
            self.literally()
        self.round("the guide as it is printed", mistakes=True)
        with check("the corrected guide is typed on top, so that every line is there twice", needed=True):
            for step in guide(self.releases):
                if step.line == RESTART:
                    self.restart()
                else:
                    self.type("root" if step.root else "dev", step.line)
            lines = machine.root("grep -c systemd=true /etc/wsl.conf; grep -c cgroup2 /etc/fstab").out.split()
            expect(lines == ["2", "2"], f"{lines}")
        self.round("the guide followed twice")

    def type(self, user, line, code=0):
        result = self.machine.run(line, user=user, timeout=1800)
        expect(code is None or result.code == code, f"exit {result.code}: {line}\n{result.text[-2000:]}")

    def literally(self):
        self.type("root", "mount -a")
        self.type("dev", "sudo apt-get -q update > /dev/null; sudo apt-get -q install -y podman > /dev/null")
        # the keys are in no table
        self.type("root", written("/etc/containers/containers.conf", 'log_driver = "k8s-file"\nevents_logger = "file"\ncgroup_manager = "cgroupfs"'))
        # the package with the CNI plugins is for Ubuntu 22.04
        crun = f"{self.releases.url}/containers/crun/releases/download/{CRUN}/crun-{CRUN}-linux-amd64"
        self.type("dev", f'mkdir -p ~/.local/bin && curl -sL "{crun}" -o "${{HOME}}/.local/bin/crun" && chmod +x ~/.local/bin/crun')
        # the quotation mark that never closes swallows the file of the user
        self.type("dev", 'mkdir -p ~/.config/containers"', code=2)
        self.type("root", written("/etc/systemd/system/user-0.slice", "[Unit]\nBefore=systemd-logind.service\n[Slice]\nSlice=user.slice\n[Install]\nWantedBy=multi-user.target"))
        # both directories are missing
        self.type("root", written("/etc/systemd/system/user-.slice.d/override.conf", "[Slice]\nSlice=user.slice"), code=2)
        self.type("root", written("/etc/systemd/system/user@.service.d/delegate.conf", "[Service]\nDelegate=cpu cpuset io memory pids"), code=2)

    def round(self, state, mistakes=False):
        """Setup and undo from this state of the machine, to which undo has to return."""
        check = self.story.check
        with check(f"{state}: setup finishes, and kind accepts the machine", needed=True):
            self.note_start()
            restarts = self.set_up()
            self.story.say(f"{restarts} restart(s)")
            self.accepted()
        with check(f"{state}: undo restores every byte of it", needed=True):
            self.undo()
            self.restart()


class Killed(Prepared):
    """A machine without sudo, whose power is cut at random moments of a setup by root."""

    def run(self):
        machine, subject, check = self.machine, self.subject, self.story.check
        with check("the machine has no sudo", needed=True):
            # Only with a journal does ext4 survive a power cut.
            subprocess.run(["tune2fs", "-O", "has_journal", str(machine.disk)], check=True, stdout=subprocess.DEVNULL)
            machine.start()
            subject.install()
            machine.root("SUDO_FORCE_REMOVE=yes DEBIAN_FRONTEND=noninteractive apt-get -q -y purge sudo > /dev/null")
            self.note_start()
        with check("setup by dev changes nothing, and its hint is the command for root"):
            result = subject.call(f"setup --yes --no-restart {subject.flags}", code=1, timeout=300)
            self.story.say(result.err.strip())
            expect("sudo is not installed" in result.err and "--user=dev" in result.err, result.text[-1500:])
            expect(not self.start.differences(self.snapshot()), f"changed: {self.start.differences(self.snapshot())}")
        moments = random.Random(SEED)
        self.story.say(f"KIND_WSL_SEED={SEED}")
        for number in range(1, CUTS + 1):
            moment = moments.uniform(2, 150)
            with check(f"the power is cut {moment:.1f} s after the start of setup, number {number}, and the machine starts again", needed=True):
                self.cut(moment)
        with check("the same command finishes the setup", needed=True):
            self.set_up("--user dev", user="root")
            expect(machine.run("kind-wsl status").out.startswith("Ready: set up at "), machine.run("kind-wsl status").text)
            self.accepted()
        with check("without sudo, dev takes back what is in the home, and the hint of undo names that"):
            result = subject.call("undo --yes", code=1)
            expect("kind-wsl undo --home" in result.err, result.text)
            subject.call("undo --yes --home", timeout=300)
            left = [path for path, _ in sort_out(self.start.differences(self.snapshot()))[0] if path.startswith("/home")]
            expect(not left, f"left in the home: {left}")
        with check("undo by root restores the tree of the start"):
            self.undo("--packages --user dev", user="root")
            machine.root("test ! -e /var/lib/kind-wsl")

    def cut(self, moment):
        setup = self.machine.terminal(["/bin/sh", "-c", f"kind-wsl setup --yes --no-restart --user dev {self.subject.flags}"], user="root")
        try:
            setup.finish(timeout=moment)
            self.story.say(f"setup had ended with {setup.code}")
        except Failed:
            self.story.say(f"setup was at: {setup.seen.strip().splitlines()[-1][-120:] if setup.seen.strip() else 'nothing yet'}")
        self.machine.cut()
        self.machine.start()
        # the next moment counts from the start of setup, not of systemd
        self.machine.settle()
        lines = self.machine.root("wc -l < /var/lib/kind-wsl/journal.jsonl || true").out.strip()
        self.story.say(f"its journal has {lines or 'no'} lines")
        expect(not setup.seen or setup.code in (None, 0, 3), setup.seen[-1500:])
