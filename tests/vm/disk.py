"""A disk that fails, for real: the journal lies on a device mapper's target that refuses every write, from the beginning or
from the middle of a setup on; repaired, the setup resumes, and an undo restores the original tree."""
from checks import Subject
from report import expect
from snapshot import Snapshot, sort_out

JOURNAL = "/var/lib/kind-wsl"
SECTORS = 64 * 2048
# Before systemd runs only dmsetup creates device nodes.
DMSETUP = "DM_DISABLE_UDEV=1 dmsetup"
# Stages that need neither packages nor a restart to have their effects: the disk is what is looked at.
STAGES = "--only systemd,controllers,user-slice,delegation,modules,limits"
# The machine itself waits for the moment between two effects; the setup may still be faster.
TRIES = 8


class Disk:
    """The failing one, in a machine."""

    def __init__(self, machine):
        self.machine = machine
        machine.root("apt-get -q update > /dev/null && DEBIAN_FRONTEND=noninteractive apt-get -q -y install --no-install-recommends dmsetup > /dev/null", timeout=600)
        # With a journal of its own ext4 is read-only after the first error; without one every write goes to memory, and only
        # fsync says that it did not come further.
        machine.root(f"modprobe -a loop dm-mod dm-flakey && truncate -s {SECTORS * 512} /var/tmp/disk")
        self.device = machine.root("losetup -f --show /var/tmp/disk").out.strip()
        machine.root(f"{DMSETUP} create weak --table '{self.table('linear')}' && mkfs.ext4 -q -O ^has_journal -E lazy_itable_init=0 /dev/mapper/weak && mkdir -p {JOURNAL}")
        self.mount()

    def table(self, kind):
        # Device mapper's Documentation/admin-guide/device-mapper/dm-flakey.rst: never up, always down, writes are errors.
        return f"0 {SECTORS} " + (f"linear {self.device} 0" if kind == "linear" else f"flakey {self.device} 0 0 3600 1 error_writes")

    def mount(self):
        # e2fsck creates lost+found again.
        self.machine.root(f"mount /dev/mapper/weak {JOURNAL} && rm -rf {JOURNAL}/lost+found && chmod 755 {JOURNAL}")

    def break_when(self, condition):
        """The next write after `condition` holds, which the machine itself waits for, is an error."""
        self.machine.root(f"{DMSETUP} load weak --table '{self.table('flakey')}'")
        wait = f"until {condition}; do :; done; {DMSETUP} suspend --noflush --nolockfs weak; {DMSETUP} resume weak"
        self.machine.root(f"setsid sh -c '{wait}' > /dev/null 2>&1 < /dev/null &")

    def heal(self):
        """What a person does: another disk, or the same one well again, checked."""
        self.machine.root("pkill -f '[d]msetup suspend' || true")
        self.machine.root(f"umount {JOURNAL} || umount -l {JOURNAL}")
        self.machine.root(f"{DMSETUP} load weak --table '{self.table('linear')}'; {DMSETUP} suspend --noflush --nolockfs weak; {DMSETUP} resume weak")
        # 1 says that something was corrected.
        self.machine.root("e2fsck -fy /dev/mapper/weak; test $? -le 1")
        self.mount()


def tell(machine, releases, binary, story):
    """All of it."""
    with story.on(machine):
        scenes(machine, Subject(machine, releases, binary, "debian-12"), story)


def scenes(machine, subject, story):
    setup = f"setup --yes --no-restart {STAGES} {subject.flags}"
    with story.check("the disk of the journal is mounted", needed=True):
        machine.start()
        subject.install()
        disk = Disk(machine)
        start = Snapshot(machine)

    def differences():
        unexplained, _ = sort_out(start.differences(Snapshot(machine)))
        return unexplained

    with story.check("a disk that refuses every write: nothing is changed, and the error names the journal and the cause", needed=True):
        disk.break_when("true")
        machine.root(f"until {DMSETUP} table weak | grep -q flakey; do :; done")
        said = machine.run(f"kind-wsl {setup}")
        story.say(said.err[said.err.find("error:"):].strip())
        expect(said.code == 1 and JOURNAL in said.err and "Input/output error" in said.err, f"exit {said.code}:\n{said.text[-1500:]}")
        disk.heal()
        changed = differences()
        expect(not changed, f"changed: {changed}")
    with story.check("a disk that fails in the middle: the setup stops with an error", needed=True):
        for number in range(1, TRIES + 1):
            # The first effect has begun.
            disk.break_when(f"test $(wc -l < {JOURNAL}/journal.jsonl 2> /dev/null || echo 0) -gt {1 + number}")
            said = machine.run(f"kind-wsl {setup}")
            machine.root(f"until {DMSETUP} table weak | grep -q flakey; do :; done", timeout=60)
            lines = machine.root(f"wc -l < {JOURNAL}/journal.jsonl; true").out.strip()
            disk.heal()
            if said.code == 1:
                break
            expect(said.code in (0, 3), f"exit {said.code}:\n{said.text[-1500:]}")
            subject.call("undo --yes")
        expect(said.code == 1, f"the setup was faster than the disk {TRIES} times")
        fault = next((word for word in ("Input/output error", "Read-only file system") if word in said.err), None)
        expect(fault and JOURNAL in said.err, said.text[-1500:])
        story.say(f"at try {number}: {fault}; the journal had {lines} lines; {len(differences())} paths were changed by then")
    with story.check("on the repaired disk the same command finishes the setup"):
        said = subject.call(setup)
        story.say(next(line for line in said.out.splitlines() if line.startswith("Done")))
    with story.check("undo restores the original tree"):
        subject.call("undo --yes")
        changed = differences()
        expect(not changed, f"changed: {changed}")
        left = machine.root(f"ls -A {JOURNAL}").out.split()
        expect(not left, f"left on the disk: {left}")
