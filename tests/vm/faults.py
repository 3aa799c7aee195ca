"""A machine that is set up, broken in one way after the other: what the real kind does then, and what doctor and explain say of it."""
import json
from dataclasses import dataclass

from checks import NODE, Subject
from report import expect

# kind pulls it, because it is not there; nothing answers in the machine's network
ABSENT = "docker.io/kindest/node:v0.0.0"
SLIRP, TUN, POLICY = "/usr/bin/slirp4netns", "/dev/net/tun", "/etc/containers/policy.json"
BLOCKED = "/etc/modprobe.d/blocked.conf"
# podman 4 keeps its namespaces in a process of its own, and with them what was true when that started
FORGET = "podman system migrate"


def aside(path):
    """The commands that take a file away and bring it back."""
    return f"mv {path} /root/aside", f"mv /root/aside {path}"


def setting(path, value):
    return f"cat {path} > /root/setting && echo {value} > {path}", f"cat /root/setting > {path}"


@dataclass
class Fault:
    name: str
    make: str = "true"
    undo: str = "true"
    doctor: str = ""  # the check that fails first
    symptom: str = ""  # what explain calls kind's own output
    env: str = ""
    image: str = NODE
    leaves: bool = False  # podman's network stays broken when the cause is gone


FAULTS = [
    Fault("policy.json is deleted", *aside(POLICY), "policy", "KW074", image=ABSENT),
    Fault("the kernel cannot create a bridge", f"echo 'install bridge /bin/false' > {BLOCKED} && modprobe -r br_netfilter bridge", f"rm {BLOCKED}", "bridge-device", "KW081"),
    Fault("the user's kernel keys are used up", *setting("/proc/sys/kernel/keys/maxkeys", 1), "keys", "KW075"),
    Fault("iptables is not installed", *aside("/usr/sbin/iptables"), "iptables", "KW062"),
    Fault("netavark is not installed", *aside("/usr/lib/podman/netavark"), "network", "KW114"),
    Fault("slirp4netns is not installed", *aside(SLIRP), "network", "KW048"),
    Fault("XDG_RUNTIME_DIR is another user's and does not exist", env="XDG_RUNTIME_DIR=/run/user/9 ", doctor="runtime-dir", symptom="KW080"),
    Fault("newuidmap may not map IDs", "chmod u-s /usr/bin/newuidmap", "chmod u+s /usr/bin/newuidmap", "subids", "KW034"),
    Fault("user namespaces are used up", *setting("/proc/sys/user/max_user_namespaces", 0), "user-namespaces", "KW036"),
    Fault("a user has too few inotify instances", *setting("/proc/sys/fs/inotify/max_user_instances", 3), "inotify", "KW049"),
    Fault("/dev/net/tun is removed", f"rm {TUN}", f"mknod -m 666 {TUN} c 10 200", "tun", "KW101", leaves=True),
]


def tell(machine, releases, binary, story):
    with story.on(machine):
        Faults(machine, releases, binary, story).run()


class Faults:
    def __init__(self, machine, releases, binary, story):
        self.machine, self.story, self.subject = machine, story, Subject(machine, releases, binary, "debian-12")

    def run(self):
        machine, subject, check = self.machine, self.subject, self.story.check
        with check("the machine is set up", needed=True):
            machine.start()
            subject.install()
            subject.call(f"setup --yes --no-restart {subject.flags}", code=3, timeout=1500)
            machine.wsl_shutdown()
            machine.settle()
            subject.call(f"setup --yes {subject.flags}", timeout=1500)
            machine.must(f"sudo tar -C ~/.local/share/containers/storage -xf /mnt/c/store.tar && podman image exists {NODE}")
        for fault in FAULTS:
            with check(f"{fault.name}: kind fails, and doctor and explain name that first"):
                self.forget()
                machine.root(fault.make)
                try:
                    self.judge(fault)
                finally:
                    machine.root(fault.undo)
            if fault.leaves:
                with check("what podman left half made is an error too, and the fix that explain names helps"):
                    self.judge(Fault("", doctor="container", symptom="KW113"))
        with check("/dev/fuse is removed: kind does not need it, and doctor has no error"):
            self.forget()
            machine.root("rm /dev/fuse")
            try:
                self.works()
            finally:
                machine.root("mknod -m 666 /dev/fuse c 10 229")

    def forget(self):
        self.machine.run(FORGET, timeout=120)

    def judge(self, fault):
        """kind's own words first: what it does decides what doctor has to say."""
        env = f"env {fault.env}KIND_EXPERIMENTAL_PROVIDER=podman "
        # In a scope, as the wrapper has it, but with the variables as they are: `kind-wsl kind` would correct them.
        scope = "" if fault.env else "kind-wsl "
        kind = self.machine.run(f"{env}{scope}kind create cluster --image {fault.image}", timeout=400)
        expect(kind.code != 0, f"kind does not fail:\n{kind.text[-800:]}")
        self.story.say(f"kind ({kind.seconds:.0f} s): {kind.text.strip().splitlines()[-1][-200:]}")
        found, seconds = self.doctor(env)
        self.story.say(f"doctor ({seconds:.0f} s): {'; '.join(f'{check}: {details[:120]}' for check, details in found[:2])}")
        explained = self.machine.exec(["/bin/sh", "-c", f"{env}kind-wsl explain --json -"], stdin=kind.text.encode(), timeout=300)
        first = json.loads(explained.out)["symptoms"][0]
        self.story.say(f"explain: {first['id']} {first['title']}, {first['status']}")
        expect(found and found[0][0] == fault.doctor, f"doctor does not name {fault.doctor} first: {found}")
        expect(first["id"] == fault.symptom and first["status"] != "not-affected", f"not {fault.symptom}: {first}")

    def works(self):
        """kind creates a cluster, and doctor has no error."""
        found, _ = self.doctor("")
        expect(not found, f"doctor: {found}")
        result = self.subject.call(f"kind create cluster --image {NODE}", timeout=600)
        self.story.say(f"kind ({result.seconds:.0f} s) has created a cluster")
        self.subject.call("kind delete cluster", timeout=300)

    def doctor(self, env):
        """[(check, details)] of the errors, in doctor's order, and how long it took."""
        result = self.machine.run(f"{env}kind-wsl doctor --json", timeout=300)
        expect(result.code in (0, 4), f"doctor ended with {result.code}:\n{result.text[-1500:]}")
        checks = json.loads(result.out)["checks"]
        return [(check["id"], check["evidence"]) for check in checks if check["verdict"] == "wrong"], result.seconds
