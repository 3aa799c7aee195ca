"""Clusters of one node and of three come back: by `kind-wsl cluster start` and by autostart, after the power went and after `wsl --shutdown`.
KIND_WSL_CYCLES is how often each way of `wsl --shutdown` is done."""
import json
import os
import subprocess
import time

from checks import NODE, Subject
from report import expect

CYCLES = int(os.environ.get("KIND_WSL_CYCLES", "2"))
# An emulated machine is about 15 times slower than one that is real.
BOUND = 600
USER_MANAGER = "user@1000.service"
THREE = "kind: Cluster\\napiVersion: kind.x-k8s.io/v1alpha4\\nnodes: [{role: control-plane}, {role: worker}, {role: worker}]\\n"


def tell(machine, releases, binary, story):
    with story.on(machine):
        Comeback(machine, releases, binary, story).run()


class Comeback:
    def __init__(self, machine, releases, binary, story):
        self.machine, self.story = machine, story
        self.subject = Subject(machine, releases, binary, "debian-12")

    def run(self):
        machine, subject, check = self.machine, self.subject, self.story.check
        with check("setup finishes after one restart", needed=True):
            # WSL's disks have a journal, as every ext4 does by default; those of the other machines are never cut off.
            subprocess.run(["tune2fs", "-j", str(machine.disk)], check=True, stdout=subprocess.DEVNULL)
            machine.start()
            subject.install()
            # setup asks for a restart only if something needs one
            first = machine.run(f"kind-wsl setup --yes --no-restart {subject.flags}", timeout=1500)
            expect(first.code in (0, 3), first.text[-2000:])
            machine.wsl_shutdown()
            subject.call(f"setup --yes {subject.flags}", timeout=1500)
            machine.must("sudo tar -C ~/.local/share/containers/storage -xf /mnt/c/store.tar")
        self.images()
        with check("kind creates a cluster with one node", needed=True):
            subject.call(f"kind create cluster --image {NODE}", timeout=1500)
            self.story.say(f"pods: {' '.join(sorted(self.pods()))}")
        self.load()
        self.stop()
        self.address()
        self.cycles("kind", 1)
        with check("the units stop the cluster before the systemd user manager ends", needed=True):
            machine.root(f"systemctl stop {USER_MANAGER}", timeout=300)
            log = machine.root(f"journalctl -b -o cat _SYSTEMD_USER_UNIT={self.unit('kind')} | tail -5").out
            self.story.say(log)
            expect("Cluster kind is stopped." in log, log)
            machine.wsl_shutdown()
            self.wait_for_unit("kind")
        with check("kind creates a cluster with three nodes", needed=True):
            subject.call("cluster autostart off", timeout=300)
            subject.call("kind delete cluster", timeout=300)
            machine.must(f"printf '{THREE}' > three.yaml")
            subject.call(f"kind create cluster --name three --image {NODE} --config three.yaml", timeout=2400)
        self.cycles("three", 3)
        with check("without autostart nothing starts by itself"):
            subject.call("cluster autostart off three", timeout=300)
            machine.wsl_shutdown()
            machine.settle()
            expect(self.state("three") == "stopped", self.state("three"))

    def cycles(self, name, nodes):
        """Every way back of one cluster."""
        machine, subject, check = self.machine, self.subject, self.story.check
        for ways, off in [("the power goes", machine.cut), ("wsl --shutdown", machine.stop)]:
            count = CYCLES if ways == "wsl --shutdown" else 1
            with check(f"cluster {name}, {nodes} node(s): `cluster start` brings it back after {ways} ({count} times)"):
                self.each(count, lambda: self.by_command(name, nodes, off))
        with check(f"`cluster autostart on {name}` is done, and says what else stops the cluster", needed=True):
            done = subject.call(f"cluster autostart on {name}", timeout=300)
            expect(f"Cluster {name} starts with this distribution." in done.out and "kind-wsl setup --idle" in done.out, done.text)
        for ways, off in [("wsl --shutdown", machine.stop), ("the power goes", machine.cut)]:
            count = CYCLES if ways == "wsl --shutdown" else 1
            with check(f"cluster {name}, {nodes} node(s): it is back without a command after {ways} ({count} times)"):
                self.each(count, lambda: self.by_itself(name, nodes, off))

    def each(self, count, cycle):
        seconds, failed = [], []
        for number in range(count):
            try:
                seconds.append(cycle())
            except Exception as error:  # a cycle that fails is counted; the others still show something
                failed.append(f"cycle {number + 1}: {error}")
        self.story.say(f"{len(seconds)} of {count} cycles; seconds until it was back: {' '.join(f'{s:.0f}' for s in seconds)}")
        expect(not failed, "\n".join(failed))

    def by_command(self, name, nodes, off):
        off()
        self.machine.start()
        # not by `cluster list`: `cluster start` is to send podman its first command after the boot
        expect(not self.machine.run("pgrep -x kubelet").out, "a node runs before the command")
        done = self.subject.call(f"cluster start {name}", timeout=BOUND * 2)
        expect("is running" in done.out, done.text)
        self.back(name, nodes)
        return done.seconds

    def by_itself(self, name, nodes, off):
        off()
        began = time.monotonic()
        self.machine.start()
        self.wait_for_unit(name)
        seconds = time.monotonic() - began
        self.back(name, nodes)
        return seconds

    @staticmethod
    def unit(name):
        return f"kind-wsl-cluster@{name}.service"

    def wait_for_unit(self, name):
        """Waits until `cluster start` of the unit exits, which has to be with success."""
        unit, state, began = self.unit(name), "", time.monotonic()
        while state not in ("exited", "failed", "dead") and time.monotonic() - began < BOUND * 2:
            state = self.machine.run(f"systemctl --user show -p SubState --value {unit}").out.strip()
            time.sleep(2)
        log = self.machine.run(f"systemctl --user status {unit} --no-pager; journalctl --user -b -u {unit} -o cat --no-pager").text
        expect(state == "exited", f"{unit} is {state}:\n{log[-1500:]}")

    def state(self, name):
        clusters = json.loads(self.subject.call("cluster list --json").out)["clusters"]
        return next((c["state"] for c in clusters if c["name"] == name), "gone")

    def back(self, name, nodes):
        """The API server answers outside the node, every node is Ready, and the pods run again."""
        expect(self.state(name) == "running", f"cluster {name} is {self.state(name)}")
        document = json.loads(self.subject.call("cluster list --json").out)["clusters"]
        api = next(c["api"] for c in document if c["name"] == name)
        answer = self.machine.exec(["/bin/bash", "-c", f"exec 3<>/dev/tcp/{api['host_ip']}/{api['host_port']}; printf 'GET /readyz HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n' >&3; cat <&3"])
        expect(answer.out.endswith("ok"), f"the published port: {answer.text}")
        for node in [n["name"] for c in document if c["name"] == name for n in c["nodes"]]:
            running = self.pods(node)
            expect("nginx" in running, f"pods of {node}: {running}")

    def pods(self, node="kind-control-plane"):
        """{name: id} of the pods that are ready."""
        document = json.loads(self.in_node(node, "crictl --timeout 60s pods -o json").out)
        return {p["metadata"]["name"]: p["id"] for p in document["items"] if p["state"] == "SANDBOX_READY"}

    def in_node(self, node, command):
        return self.machine.must(f"systemd-run --user --scope -q -p Delegate=yes -- podman exec {node} {command}", timeout=300)

    def stop(self):
        with self.story.check("`cluster stop` says how the node ended, and `cluster start` starts it again"):
            before = self.pods()
            stopped = self.subject.call("cluster stop", timeout=300)
            expect(self.state("kind") == "stopped", self.state("kind"))
            code = self.machine.must("podman inspect --format '{{.State.ExitCode}}' kind-control-plane").out.strip()
            # the stand-in of the API server ignores SIGTERM, so on a busy host the limit may pass
            expect(("was killed" in stopped.text) == (code == "137"), f"exit code {code}: {stopped.text}")
            done = self.subject.call("cluster start", timeout=BOUND * 2)
            self.story.say(f"stopped in {stopped.seconds:.0f} s with exit code {code}, started in {done.seconds:.0f} s")
            self.back("kind", 1)
            now = self.pods()
            expect(now.keys() == before.keys() and now != before, f"{before}, then {now}")

    def address(self):
        with self.story.check("doctor finds a node whose files have another address, and its fix repairs them"):
            flags = "/var/lib/kubelet/kubeadm-flags.env"
            self.in_node("kind-control-plane", f"sed -i 's/--node-ip=[0-9.]*/--node-ip=10.89.0.222/' {flags}")
            found = self.doctor("node-addresses")
            expect(found["verdict"] == "wrong" and found["fix"] == "kind-wsl cluster start kind", f"{found}")
            started = self.subject.call("cluster start kind", timeout=BOUND * 2)
            expect("repaired kind-control-plane: node address: 10.89.0.222 is now " in started.out, started.text)
            found = self.doctor("node-addresses")
            expect(found["verdict"] == "ok", f"{found}")
            self.story.say(f"{started.out}{found['evidence']}")

    def doctor(self, check):
        document = json.loads(self.machine.run(f"kind-wsl doctor --json --only {check}", timeout=300).out)
        return next(c for c in document["checks"] if c["id"] == check)

    def images(self):
        """Three small images, without a registry."""
        with self.story.check("podman has three images", needed=True):
            for number in range(3):
                self.machine.must(f"mkdir -p i && echo {number} > i/{number} && tar -C i -cf i.tar {number} && podman import -q i.tar localhost/app{number}:1")

    def load(self):
        machine, check = self.machine, self.story.check
        with check("`kind load docker-image` loads three images by one command, with the right ids, one by its short name"):
            done = self.subject.call("kind load docker-image localhost/app0:1 app1:1 localhost/app2:1", timeout=900)
            self.story.say(done.text.rstrip()[-400:])
            for number in range(3):
                want = machine.must(f"podman image inspect --format '{{{{.Id}}}}' localhost/app{number}:1").out.strip()
                got = self.in_node("kind-control-plane", f"ctr -n k8s.io images ls name==localhost/app{number}:1").out.splitlines()
                digest = next(word for word in got[-1].split() if word.startswith("sha256:"))
                manifest = json.loads(self.in_node("kind-control-plane", f"ctr -n k8s.io content get {digest}").out)
                expect(manifest["config"]["digest"] == f"sha256:{want}", f"app{number}: {manifest['config']['digest']}, not {want}")
        with check("a load that fails in the middle leaves nothing behind"):
            before = machine.must("ls -A /tmp /var/tmp").out
            self.subject.call("kind load docker-image localhost/app0:1 --name absent", code=1, timeout=300)
            self.subject.call("kind load docker-image localhost/absent:1", code=1, timeout=300)
            expect(machine.must("ls -A /tmp /var/tmp").out == before, machine.must("ls -A /tmp /var/tmp").out)
