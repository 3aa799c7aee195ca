"""Compares the prediction of doctor with the output of the real kind in several states of a machine."""
import json
import re

from report import expect

PROBE = "create cluster --name probe --image localhost/absent:1"  # kind judges the machine before it looks for the image
DELEGATE = "/etc/systemd/system/user@.service.d/zz-kind-wsl.conf"


class Agreement:
    def __init__(self, story):
        self.story, self.machine, self.layout = story.story, story.machine, story.layout

    def here(self, state, prefix=""):
        """Both views of kind, in this state; `prefix` starts the shell that it is typed in."""
        with self.story.check(f"doctor predicts what kind prints: {state}"):
            machine = self.machine
            seen = machine.run(f"{prefix}env KIND_EXPERIMENTAL_PROVIDER=podman kind-wsl doctor --json --only kind-shell,kind-wrapper", timeout=300)
            expect(seen.code in (0, 4), f"doctor ended with {seen.code}:\n{seen.text[-1500:]}")
            document = json.loads(seen.out)
            said = {"shell": machine.run(f"{prefix}env KIND_EXPERIMENTAL_PROVIDER=podman kind {PROBE}", timeout=300).text,
                    "wrapper": machine.run(f"{prefix}kind-wsl kind {PROBE}", timeout=300).text}
            predicted = {view: document["prediction"][view]["says"] for view in said}
            real = {view: verdict(text) for view, text in said.items()}
            for check in document["checks"]:
                self.story.say(f"{check['id']}: {check['evidence'][:200]}")
            expect(predicted == real, f"predicted {predicted}, kind said {real}:\n" + "\n".join(text[-500:] for text in said.values()))
            for view, prediction in document["prediction"].items():
                # a scope is gone with what ran in it
                if prediction["says"] == "requires-delegation" and prediction["at"].startswith("/"):
                    expect(machine.run(f"test -d {prediction['at']}").code == 0, f"{view}: cgroup {prediction['at']} does not exist")

    def again(self, session=True):
        """The distribution, started again; with `Delegate=no` the systemd user manager cannot start."""
        with self.story.check(f"it starts again, {'with' if session else 'without'} a user manager", needed=True):
            self.machine.terminate()
            self.machine.ensure()
            self.machine.settle()
            state = self.machine.run("systemctl is-active user@1000.service; ls /run/user/1000/bus", timeout=240)
            there = "active" in state.out.split() and "/bus" in state.out
            journal = self.machine.root("journalctl -b -u user@1000.service -u systemd-logind --no-pager | tail -20").out
            expect(there == session, f"{state.text}\n{journal}")

    def broken(self):
        """States of a machine that was set up; each is reverted."""
        if self.layout == "modern":
            kept = self.machine.root(f"cat {DELEGATE}").out
            for state, line in [("cpu is not delegated", "Delegate=memory pids"), ("nothing is delegated", "Delegate=no")]:
                self.machine.root(f"printf '[Service]\\n{line}\\n' > {DELEGATE}")
                self.again(session=line != "Delegate=no")
                self.here(state)
            self.machine.root(f"cat > {DELEGATE} <<'END'\n{kept}END")
            self.again()
            self.here("in a scope without delegation", "systemd-run --user --scope -q -- ")
            self.machine.root("systemctl stop user@1000.service", timeout=60)
            self.here("the user manager was stopped")
            self.again()
        elif self.layout == "classic":
            self.machine.root("cp -a /etc/fstab /etc/fstab.kept; : > /etc/fstab; mv /mnt/c/Users/dev/.wslconfig /mnt/c/Users/dev/kept")
            self.machine.wsl_shutdown()
            self.here("cgroup v1 is mounted, with systemd on it")
            self.machine.root("mv /etc/fstab.kept /etc/fstab; mv /mnt/c/Users/dev/kept /mnt/c/Users/dev/.wslconfig")
            self.machine.wsl_shutdown()
        elif self.layout == "isolated-poor":
            self.machine.root("systemctl disable -q kind-wsl-controllers.service")
            self.again()
            self.here("WSL passes only cpu and memory on, and nothing cures it")
            self.machine.root("systemctl enable -q kind-wsl-controllers.service")
            self.again()


def verdict(text):
    """kind's verdict in doctor's words."""
    for pattern, says in [("Failed to connect to bus", "no-wrapper"), ("requires cgroup v2", "requires-v2"), ("Delegate=yes", "requires-delegation"), ("executable file not found", "no-provider"),
                          ("failed to get podman info", "no-info")]:
        if pattern in text:
            return says
    # it went on to the node's image, which is not there
    return "accepts" if re.search(r"Ensuring node image|absent:1", text) else f"something else: {text[-300:]}"
