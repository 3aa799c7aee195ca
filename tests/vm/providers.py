"""The story of another provider than podman: Docker of Debian's own packages, without root, and the real kind in it."""
import json
import re
import shutil
import tarfile

import images
from checks import NODE, SCRIPTS_MADE, WRAPPER, Subject
from report import expect
from snapshot import Snapshot, sort_out, summary

# Of docker.io's packages, those that take long to fetch: laid into the guest's apt cache.
PACKAGES = ["docker.io", "containerd", "runc", "tini", "rootlesskit"]
# What Docker's own programs and scripts leave behind, in words; docs/how-to/providers.md names the same.
LEFT = [
    (r"/home/dev/\.docker(/.*)?", "the docker client's own configuration: its context is `default` again"),
    (r"/home/dev/\.config/docker(/.*)?", "the rootless daemon's own key"),
    (r"/home/dev/\.local(/share(/docker(/.*)?)?)?", "the rootless daemon's own storage, which its uninstall keeps"),
    (r"/etc/(group|gshadow)", "the group `docker`, which the scripts of docker.io make and keep"),
    (r"/etc/docker(/.*)?|/etc/cni(/.*)?", "the rootful daemon's own key, and containerd's networks: their packages start them"),
]


def tell(machine, releases, binary, story):
    with story.on(machine):
        Docker(machine, releases, binary, story).run()


def node_tar(target):
    """The stand-in node as one layer for `docker import`: the podman store holds its files as they are, the user's."""
    with tarfile.open(images.node_store()) as store, tarfile.open(target, "w") as layer:
        for member in store:
            parts = member.name.removeprefix("./").split("/", 3)
            if len(parts) < 4 or parts[0] != "overlay" or parts[2] != "diff":
                continue
            body = store.extractfile(member) if member.isreg() else None
            member.name, member.uid, member.gid = parts[3], 0, 0
            if member.islnk():
                member.linkname = member.linkname.removeprefix("./").split("/", 3)[3]
            layer.addfile(member, body)


class Docker:
    def __init__(self, machine, releases, binary, story):
        self.machine, self.story, self.subject = machine, story, Subject(machine, releases, binary, "debian-12")
        node_tar(machine.drive / "node.tar")
        shutil.copytree(images.artifact("debs-docker", "debs.sh", PACKAGES), machine.drive / "debs")

    def run(self):
        machine, subject, check = self.machine, self.subject, self.story.check
        with check("the machine starts", needed=True):
            machine.start()
            subject.install()
            machine.root("cp /mnt/c/debs/*.deb /var/cache/apt/archives/")
        self.start, self.had = Snapshot(machine), subject.packages()
        with check("nerdctl, which Debian 12 does not package, is refused before any change"):
            result = subject.call(f"setup --yes --provider nerdctl {subject.flags}", code=1)
            expect("offers no nerdctl, and kind needs 1.7" in result.text, result.text[-800:])
            changed = self.start.differences(Snapshot(machine))
            expect(not changed, f"changed: {changed}")
        self.flags = f"--provider docker {subject.flags}"
        self.set_up()
        self.promised()
        self.use()
        self.undo()

    def set_up(self):
        machine, subject, check = self.machine, self.subject, self.story.check
        with check("setup --provider docker installs the packages and asks for one restart", needed=True):
            result = subject.call(f"setup --yes {self.flags}", code=3, timeout=1500)
            self.story.say(f"setup took {result.seconds:.0f} s")
            brought = subject.packages() - self.had
            self.story.say(f"{len(brought)} packages came: {' '.join(sorted(brought))}")
            expect({"docker.io", "rootlesskit", "uidmap"} <= brought and "podman" not in brought, f"{brought}")
        with check("after the restart the setup resumes and finishes", needed=True):
            machine.wsl_shutdown()
            result = subject.call("setup -v", timeout=1500)
            self.story.say(f"setup took {result.seconds:.0f} s\n" + "\n".join(result.out.rstrip().splitlines()[-14:]))
        with check("a second setup does nothing and says so"):
            before = Snapshot(machine)
            result = subject.call(f"setup --yes {self.flags}")
            expect("othing to do" in result.out, result.text[-800:])
            changed = [c for c in before.differences(Snapshot(machine)) if "/.local/share/docker" not in c[0]]
            expect(not changed, f"changed: {changed}")

    def promised(self):
        machine, check = self.machine, self.story.check
        with check("docker info matches kind's requirements: rootless, v2, every limit, a cgroup driver"):
            info = json.loads(machine.must(WRAPPER + "env DOCKER_HOST=unix:///run/user/1000/docker.sock docker info --format '{{json .}}'").out)
            wanted = {"CgroupVersion": "2", "MemoryLimit": True, "PidsLimit": True, "CPUShares": True}
            wrong = {k: info.get(k) for k, v in wanted.items() if info.get(k) != v}
            expect(not wrong and info["CgroupDriver"] != "none" and "name=rootless" in info["SecurityOptions"], f"{wrong} {info['SecurityOptions']}")
            self.story.say(f"docker {info['ServerVersion']}, cgroup driver {info['CgroupDriver']}, storage {info['Driver']}, {info['DefaultRuntime']}")
        with check("the system daemons of the packages do not run"):
            said = machine.run("systemctl is-active docker.service docker.socket containerd.service; systemctl is-enabled docker.service docker.socket containerd.service").out.split()
            expect(set(said) <= {"inactive", "failed", "disabled"}, f"{said}")
        with check("the rootless daemon starts again with the next start"):
            machine.wsl_shutdown()
            state = machine.run("for i in $(seq 60); do DOCKER_HOST=unix:///run/user/1000/docker.sock docker version >/dev/null 2>&1 && break; sleep 1; done; "
                                "systemctl --user is-active docker.service; systemctl is-active docker.service")
            expect(state.out.split() == ["active", "inactive"], state.text)
        with check("doctor predicts that kind accepts it, and status reports a finished setup"):
            result = self.subject.machine.run("kind-wsl doctor --json")
            document = json.loads(result.out)
            expect(document["prediction"]["wrapper"]["says"] == "accepts", f"{document['prediction']}")
            found = {c["id"]: c["verdict"] for c in document["checks"]}
            expect(found["docker"] == "ok" and found["podman"] == "not-here", f"{found}")
            wrong = [f"{c['id']}: {c['evidence']}" for c in document["checks"] if c["verdict"] == "wrong"]
            self.story.say(f"wrong besides: {wrong}")
            self.subject.call("status")

    def use(self):
        machine, check = self.machine, self.story.check
        with check("docker has the test's node image", needed=True):
            change = """--change 'ENTRYPOINT ["/usr/local/bin/entrypoint","/sbin/init"]'"""
            result = machine.must(f"docker import {change} /mnt/c/node.tar {NODE}", timeout=1200)
            self.story.say(f"imported in {result.seconds:.0f} s")
        with check("kind-wsl kind creates a cluster in it"):
            result = self.subject.call(f"kind create cluster --image {NODE}", timeout=1200)
            self.story.say(f"{result.seconds:.0f} s\n{result.err[-600:]}")
            expect(self.subject.call("kind get nodes").out.split() == ["kind-control-plane"], "no node")
            names = machine.must("docker ps --format '{{.Names}}'").out.split()
            expect(names == ["kind-control-plane"], f"docker runs {names}")
        with check("`cluster stop` says how its node ended, and `cluster start` waits until the cluster works again"):
            stopped = self.subject.call("cluster stop", timeout=300)
            state = machine.must("docker inspect --format '{{.State.Status}} {{.State.ExitCode}}' kind-control-plane").out.split()
            # as in comeback.py: the stand-in of the API server ignores SIGTERM, so on a busy host the limit may pass
            expect(state[0] == "exited" and ("was killed" in stopped.text) == (state[1] == "137"), f"{state}: {stopped.text}")
            started = self.subject.call("cluster start", timeout=1200)
            expect("Cluster kind is running." in started.out, started.text)
            self.story.say(f"exit code {state[1]}, started in {started.seconds:.0f} s\n{started.out}")
        with check("kind-wsl kind deletes it"):
            self.subject.call("kind delete cluster")
            left = machine.must("docker ps -aq").out.split()
            expect(not left, f"containers left: {left}")

    def undo(self):
        machine, subject, check = self.machine, self.subject, self.story.check
        brought = sorted(subject.packages() - self.had)
        with check("undo reverts everything but the packages, and Docker's tool its part"):
            subject.call("undo --yes")
            units = machine.run("systemctl --user show --value -p LoadState docker.service; ls ~/.config/systemd 2>&1").out
            expect(units.startswith("not-found"), units)
        with check("undo --packages removes the installed packages"):
            theirs = self.package_paths(brought)
            result = subject.call("undo --yes --packages", timeout=1200)
            left = sorted(subject.packages() - self.had)
            self.story.say(f"undo took {result.seconds:.0f} s; left: {left}")
            expect(not {"docker.io", "rootlesskit", "containerd"} & set(left), f"left: {left}")
            excuses = [*LEFT, *SCRIPTS_MADE, *((path, "left behind by the package manager") for path in theirs)]
            unexplained, explained = sort_out(self.start.differences(Snapshot(machine)), excuses)
            self.story.say(summary(explained))
            expect(not unexplained, "differs from the start:\n" + "\n".join(f"  {p}: {w}" for p, w in unexplained[:40]))

    def package_paths(self, packages):
        own = self.machine.root(f"dpkg -L {' '.join(packages)} 2>/dev/null | grep -E '^/(etc|usr/lib/(modules-load|sysctl)|var/lib/systemd)'; true").out.splitlines()
        units = {u.rsplit("/", 1)[1] for u in self.machine.root(f"dpkg -L {' '.join(packages)} 2>/dev/null | grep -E '/systemd/(system|user)/[^/]+$'; true").out.splitlines()}
        now = Snapshot(self.machine).entries
        for path, entry in now.items():
            if path.rsplit("/", 1)[1] in units and "/systemd/" in path or "deb-systemd" in path or path.startswith("/etc/alternatives/"):
                own.append(path)
            if path.startswith("/etc/systemd/") and entry[0] == "d" and path.endswith((".wants", ".requires")):
                own.append(path)
        return [re.escape(p) for p in own]
