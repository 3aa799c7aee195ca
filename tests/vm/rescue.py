"""A distribution that does not start: `kind-wsl.exe rescue`, and the same by hand in WSL's safe mode."""
import json

from checks import Subject
from machine import Failed
from report import expect
from snapshot import Snapshot, sort_out

# systemd 258 and later end on a cgroup v1 hierarchy (its NEWS); Debian 12 has 252, so the refusal is put in front of it.
REFUSES_V1 = """#!/bin/sh
if [ "$(stat -fc %T /sys/fs/cgroup)" = tmpfs ]; then
  echo "<3>systemd: Refusing to run under cgroup v1, please switch to cgroup v2" > /dev/kmsg
  exit 1
fi
exec /lib/systemd/systemd "$@"
"""
# For systemd a device that never comes is fatal without nofail: emergency mode (systemd.mount(5)). The time limit spares the default of 90 s.
NEVER_THERE = "/dev/disk/by-label/gone /mnt/gone ext4 x-systemd.device-timeout=5s 0 0"
# An administrator's settings, which a rescue must not touch.
CONFIG = b"[wsl2]\r\nmemory=4GB\r\n"
SYSTEMD_ON = "setup --yes --no-restart --only systemd,restart"


def tell(machine, releases, binary, story):
    with story.on(machine):
        Rescue(machine, releases, binary, story).run()


class Rescue:
    def __init__(self, machine, releases, binary, story):
        self.machine, self.story = machine, story
        self.subject = Subject(machine, releases, binary, "debian-12")
        self.config = machine.profile / ".wslconfig"

    def run(self):
        with self.story.check("the distribution starts, on cgroup v1 and without systemd", needed=True):
            self.machine.write_wslconfig(CONFIG)
            self.machine.start()
            self.subject.install()
            self.machine.root("cat > /tmp/init <<'END'\n" + REFUSES_V1 + "END\nrm /sbin/init; install -m 755 /tmp/init /sbin/init; mv /tmp/init /root/init; chmod 755 /root/init")
            self.start, self.findings = Snapshot(self.machine), self.doctor()
        self.by_program()
        self.by_hand()

    def by_program(self):
        machine, check = self.machine, self.story.check
        with check("with systemd on cgroup v1, which systemd 258 refuses, the distribution does not start", needed=True):
            # Setup refuses an init that is not systemd: the upgrade to such a systemd comes after it.
            machine.root("ln -sf /lib/systemd/systemd /sbin/init")
            self.subject.call(f"{SYSTEMD_ON} {self.subject.flags}", code=3)
            machine.root("rm /sbin/init; cp -p /root/init /sbin/init")
            machine.stop()
            try:
                machine.ensure()
                machine.run("true")
            except (Failed, OSError):
                self.story.say(machine.console().strip().splitlines()[-1])
            else:
                raise Failed("it starts")
        with check("kind-wsl.exe rescue starts it in safe mode, undoes the setup, and leaves safe mode (exit 0)", needed=True):
            done = machine.windows.prefix.run(["C:\\kind-wsl.exe", "rescue", "-d", "Debian", "--yes"], timeout=900)
            expect(done.code == 0, f"exit {done.code}:\n{done.out[-3000:]}\n{done.err[-1500:]}")
            self.story.say(f"{done.seconds:.0f} s\n" + done.out.rstrip())
            expect([line for line in machine.windows.service.lines() if line.startswith("--shutdown")] != [], "WSL was not shut down")
        self.as_before()

    def by_hand(self):
        machine, check = self.machine, self.story.check
        with check("with systemd, an fstab line without nofail leads to emergency mode, and the user has no session", needed=True):
            machine.root("ln -sf /lib/systemd/systemd /sbin/init")
            self.start, self.findings = Snapshot(machine), self.doctor()
            self.subject.call(f"{SYSTEMD_ON} {self.subject.flags}", code=3)
            machine.root(f"cp -p /etc/fstab /root/fstab; echo '{NEVER_THERE}' >> /etc/fstab")
            machine.wsl_shutdown()
            said = machine.run("true", timeout=400).err
            expect("Failed to start the systemd user session" in said, said)
            # is-system-running stays "initializing" as long as a job is queued
            state = machine.run("systemctl is-active emergency.target", user="root").out.strip()
            expect(state == "active", state)
        with check("in safe mode, undo as root reverts the setup (exit 0)", needed=True):
            self.machine.write_wslconfig(b"[wsl2]\r\nsafeMode=true\r\n" + CONFIG)
            machine.wsl_shutdown()
            safe = machine.run("cat /proc/1/comm; ls /mnt/c; mount | grep -c /mnt/gone; echo \"$WSL_INTEROP\"", user="root").out.split()
            expect(safe == ["init", "0"], f"not WSL's safe mode: {safe}")
            done = machine.run("/usr/local/bin/kind-wsl undo --safe-mode --yes", user="root", timeout=600)
            expect(done.code == 0, f"exit {done.code}:\n{done.text[-1500:]}")
            self.machine.write_wslconfig(CONFIG)
            machine.wsl_shutdown()
        with check("it starts again, although fstab is still broken"):
            expect(machine.warnings() == ["Processing /etc/fstab with mount -a failed."], f"{machine.warnings()}")
            machine.root("mv /root/fstab /etc/fstab")
            machine.wsl_shutdown()
        self.as_before()

    def as_before(self):
        machine = self.machine
        with self.story.check("files, .wslconfig and doctor's findings are as before the setup"):
            expect(self.config.read_bytes() == CONFIG, f"{self.config.read_bytes()}")
            unexplained, _ = sort_out(self.start.differences(Snapshot(machine)))
            expect(not unexplained, f"differs: {unexplained}")
            expect(machine.must("cat /proc/1/comm").out.strip() == "init" and not machine.warnings(), f"{machine.warnings()}")
            found = self.doctor()
            changed = {name: (self.findings.get(name), found.get(name)) for name in found.keys() | self.findings.keys() if found.get(name) != self.findings.get(name)}
            expect(not changed, f"doctor differs: {changed}")

    def doctor(self):
        result = self.machine.run("kind-wsl doctor --json", timeout=300)
        expect(result.code in (0, 4), f"exit {result.code}:\n{result.text[-1500:]}")
        return {check["id"]: check.get("status", check.get("verdict")) for check in json.loads(result.out)["checks"]}
