"""Two users of one distribution: each has a cluster, and the undo for one leaves what the other needs."""
import re

from checks import NODE, SCRIPTS_MADE, Subject
from nodes import WRAPPER
from report import expect
from snapshot import WATCHED, Snapshot, of_home, sort_out, summary

HOMES = "/home/dev", "/home/anna"
CLUSTER_NODE = "kind-control-plane"
EXCUSES = [*SCRIPTS_MADE, *of_home("/home/anna")]


def tell(machine, releases, binary, story):
    with story.on(machine):
        Users(machine, releases, binary, story).run()


class Users:
    def __init__(self, machine, releases, binary, story):
        self.machine, self.story, self.subject = machine, story, Subject(machine, releases, binary, "debian-12")

    def run(self):
        machine, subject, check = self.machine, self.subject, self.story.check
        with check("the machine starts, and has two users with sudo", needed=True):
            machine.start()
            subject.install()
            machine.root("useradd -m -s /bin/bash -G sudo,adm anna; echo 'anna ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/anna; chmod 440 /etc/sudoers.d/anna")
            self.start, self.had = self.snapshot(), subject.packages()
        with check("setup for dev finishes after one restart", needed=True):
            subject.call(f"setup --yes --no-restart {subject.flags}", code=3, timeout=1500)
            self.restart()
            subject.call(f"setup --yes {subject.flags}", timeout=900)
            self.with_dev, self.packages = self.snapshot(), subject.packages()
        self.set_up_anna()
        self.clusters()
        self.undo_for_dev()
        self.undo_for_anna()

    def snapshot(self):
        return Snapshot(self.machine, [*WATCHED, "/home/anna"])

    def restart(self):
        self.machine.wsl_shutdown()
        self.machine.settle()

    def set_up_anna(self):
        machine, subject, check = self.machine, self.subject, self.story.check
        with check("the plan for anna has the stages of the machine as done, and for whom"):
            text = subject.call(f"plan --all {subject.flags}", user="anna").out
            done = [line for line in text.splitlines() if re.search(r"set up for dev on \d{4}-\d\d-\d\d", line)]
            self.story.say("\n".join(done))
            expect({"packages", "systemd"} <= {word for line in done for word in line.split()}, text)
        with check("setup for anna needs no restart and installs nothing", needed=True):
            result = subject.call(f"setup --yes --no-restart {subject.flags}", user="anna", timeout=900)
            self.story.say(f"{result.seconds:.0f} s")
            expect(subject.packages() == self.packages, f"packages: {subject.packages() ^ self.packages}")
        with check("it changes nothing but anna's home, subordinate IDs and the journal"):
            allowed = [(r"/home/anna(/.*)?|/etc/sub[ug]id-?|/var/lib/kind-wsl(/.*)?", "anna's own")]
            unexplained, _ = sort_out(self.with_dev.differences(self.snapshot()), allowed)
            expect(not unexplained, f"changed: {unexplained[:20]}")
        with check("status reports each user's own state, and root's status both"):
            for user in ("dev", "anna"):
                text = subject.call("status", user=user).out
                expect(text.startswith("Ready: set up at "), f"{user}: {text}")
            text = subject.call("status", user="root").out
            expect("dev: Ready: set up at " in text and "anna: Ready: set up at " in text, text)

    def clusters(self):
        machine, subject, check = self.machine, self.subject, self.story.check
        for user, home in zip(("dev", "anna"), HOMES):
            with check(f"{user} creates a cluster", needed=True):
                store = f"{home}/.local/share/containers/storage"
                machine.root(f"tar -C {store} -xf /mnt/c/store.tar && chown -hR {user}:{user} {store}/overlay {store}/overlay-images {store}/overlay-layers")
                machine.must(f"podman image exists {NODE}", user=user)
                result = subject.call(f"kind create cluster --image {NODE}", user=user)
                names = subject.call("kind get nodes", user=user).out.split()
                expect(names == [CLUSTER_NODE], f"nodes: {names}")
                self.story.say(f"{result.seconds:.0f} s")

    def undo_for_dev(self):
        machine, subject, check = self.machine, self.subject, self.story.check
        with check("undo for dev keeps what anna relies on, and names her", needed=True):
            subject.call("kind delete cluster", user="dev")
            result = subject.call("undo --yes", user="dev", timeout=900)
            self.story.say("\n".join(result.out.rstrip().splitlines()[-4:]))
            expect("`anna` relies on" in result.text, result.text[-2500:])
        with check("anna's cluster still starts after a restart"):
            self.restart()
            machine.must(f"{WRAPPER}podman start {CLUSTER_NODE}", user="anna")
            state = machine.run(f"for i in $(seq 120); do [ $({WRAPPER}podman exec {CLUSTER_NODE} crictl ps -q 2>/dev/null | wc -l) = 3 ] && exit 0; sleep 1; done; exit 1", user="anna")
            expect(state.code == 0, machine.run(f"podman logs {CLUSTER_NODE} 2>&1 | tail -20", user="anna").text)
            subject.call("doctor", user="anna", timeout=600)
            subject.call("kind delete cluster", user="anna")

    def undo_for_anna(self):
        machine, subject, check = self.machine, self.subject, self.story.check
        brought = sorted(subject.packages() - self.had)
        theirs = subject.package_paths(brought)
        with check("undo --packages for anna restores the tree of the start"):
            subject.call("undo --yes --packages", user="anna", timeout=1500)
            machine.root("rm -rf " + " ".join(f"{home}/.local/share/containers/storage" for home in HOMES))
            excuses = [*EXCUSES, *((re.escape(path), "left behind by the package manager") for path in theirs)]
            unexplained, explained = sort_out(self.start.differences(self.snapshot()), excuses)
            self.story.say(summary(explained))
            expect(not unexplained, "differs from the start:\n" + "\n".join(f"  {path}: {what}" for path, what in unexplained[:40]))
            gone = self.had - subject.packages()
            expect(not gone, f"packages that were there before are gone: {gone}")
            expect(not {"podman", "uidmap"} & subject.packages() - self.had, "podman is left")
        with check("no journal is left, and the distribution starts as before"):
            machine.root("test ! -e /var/lib/kind-wsl")
            machine.wsl_shutdown()
            kind = machine.root("stat -fc %T /sys/fs/cgroup; cat /proc/1/comm").out.split()
            expect(kind == ["tmpfs", "init"], f"{kind}")
