"""WSL 3 whose cgroup for the distribution has only cpu and memory: nothing inside can fix it, `isolateDistroCgroup=false` in Windows can."""
import re

from agreement import Agreement
from checks import SCRIPTS_MADE, Subject
from report import expect
from snapshot import Snapshot, sort_out

IN_WINDOWS = ["wsl --update", "isolateDistroCgroup=false"]


def tell(machine, releases, binary, story):
    with story.on(machine):
        Poor(machine, releases, binary, story).run()


class Poor:
    def __init__(self, machine, releases, binary, story):
        self.machine, self.layout, self.story = machine, machine.layout, story
        self.subject, self.agreement = Subject(machine, releases, binary, "debian-12"), Agreement(self)

    def run(self):
        machine, subject, check = self.machine, self.subject, self.story.check
        with check("the root of the namespace has only cpu and memory", needed=True):
            machine.start()
            subject.install()
            found = machine.root("cat /sys/fs/cgroup/cgroup.controllers").out.split()
            expect(found == ["cpu", "memory"], f"{found}")
            start, had = Snapshot(machine), subject.packages()
        with check("setup starts systemd first, because only then the controllers of systemd are visible (exit 3)", needed=True):
            result = subject.call(f"setup --yes --no-restart {subject.flags}", code=3, timeout=1500)
            self.story.say(f"{result.seconds:.0f} s")
            machine.wsl_shutdown()
            machine.settle()
        with check("setup reports no success and shows both fixes in Windows"):
            result = machine.run(f"kind-wsl setup --yes --no-restart {subject.flags}", timeout=900)
            expect(result.code not in (0, 3), f"exit {result.code}:\n{result.text[-2500:]}")
            self.names_windows(result.text)
            self.story.say("\n".join(result.text.rstrip().splitlines()[-6:]))
        with check("plan and doctor show both fixes in Windows"):
            for command in ("plan", "doctor"):
                self.names_windows(machine.run(f"kind-wsl {command}", timeout=300).text)
        self.agreement.here("the root of the namespace lacks pids")
        with check("isolateDistroCgroup=false in .wslconfig and a shutdown fix it", needed=True):
            machine.write_wslconfig(b"[wsl2]\nisolateDistroCgroup=false\n")
            machine.wsl_shutdown()
            machine.settle()
            result = subject.call(f"setup --yes --no-restart {subject.flags}", timeout=900)
            self.story.say("\n".join(result.out.rstrip().splitlines()[-3:]))
        self.agreement.here("after isolateDistroCgroup=false")
        with check("undo restores the files of the distribution"):
            subject.call("undo --yes", timeout=900)
            theirs = [(re.escape(path), "belongs to a package") for path in subject.package_paths(sorted(subject.packages() - had))]
            excuses = [*SCRIPTS_MADE, *theirs, (r"/mnt/c/Users/dev/\.wslconfig", "written by this story")]
            unexplained, _ = sort_out(start.differences(Snapshot(machine)), excuses)
            expect(not unexplained, "differs from the start:\n" + "\n".join(f"  {path}: {what}" for path, what in unexplained[:40]))

    def names_windows(self, text):
        joined = " ".join(text.split())
        missing = [words for words in IN_WINDOWS if words not in joined]
        expect(not missing, f"not named: {missing}\n{text[-2500:]}")
