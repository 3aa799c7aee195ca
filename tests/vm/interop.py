"""The ways through the restart: typed by hand, by kind-wsl's helper over interop, or driven from Windows by kind-wsl.exe."""
import re
import time

from checks import own_namespace
from machine import Failed
from report import expect
from snapshot import Snapshot

HELPER = "/mnt/c/kind-wsl-helper.exe"
PASSWORD = "correct horse"
ALWAYS = "dev ALL=(ALL) NOPASSWD: ALL"
# A question, or sudo's: what a resumed run must not show.
ASKS = "›|assword"


class ByHand:
    """A machine whose interop is off: the setup can only print the commands to run."""

    def __init__(self, story):
        self.story, self.machine, self.subject, self.check = story, story.machine, story.subject, story.story.check

    def prepare(self):
        """Before the story's first look at the machine."""
        self.machine.root("printf '[interop]\\nenabled = false\\n' > /etc/wsl.conf")
        self.restart()
        with self.check("with interop off a Windows program fails after ten seconds"):
            tried = self.machine.run(f"echo $WSL_INTEROP; {HELPER} look")
            expect((tried.code, tried.text.strip()) == (1, "") and 9 < tried.seconds < 20, f"exit {tried.code} after {tried.seconds:.0f} s: {tried.text}")

    def restart(self):
        self.machine.terminate()
        self.machine.ensure()

    def set_up(self):
        machine, subject, story = self.machine, self.subject, self.story
        wanted = "wsl.exe --shutdown" if story.layout == "classic" else "wsl.exe --terminate Debian"
        with self.check("setup does the part before the restart and prints the two commands to run (exit 3)", needed=True):
            result = subject.call(f"setup --yes {subject.flags}", code=3)
            story.story.say(f"setup took {result.seconds:.0f} s")
            lines = [line.strip() for line in result.out.splitlines()]
            expect(wanted in lines, f"no line `{wanted}`:\n{result.text[-1500:]}")
            story.story.say("\n".join(result.out.rstrip().splitlines()[-8:]))
            self.next_line = lines[lines.index(wanted) + 1]
            expect(re.fullmatch(r"wsl\.exe -d Debian --cd ~ --exec \S+ setup", self.next_line), f"the second line is {self.next_line!r}")
        with self.check("a second run before the restart asks for it again, quickly, and changes nothing"):
            before = Snapshot(machine)
            again = subject.call(f"setup --yes {subject.flags}", code=3)
            expect(again.seconds < 60, f"it took {again.seconds:.0f} s to find that Windows is not reachable")
            changed = [d for d in before.differences(Snapshot(machine)) if not d[0].startswith("/var/lib/kind-wsl")]
            expect(not changed, f"changed: {changed}")
        story.refused_before_restart()
        with self.check("the two commands, run in Windows, finish it (exit 0)", needed=True):
            windows = machine.windows
            stop, go_on = (windows.prefix.run(line.split(" "), timeout=600) for line in (wanted, self.next_line))
            expect((stop.code, go_on.code) == (0, 0), f"exit {stop.code} and {go_on.code}:\n{go_on.out[-2500:]}{go_on.err[-500:]}")
            story.story.say(f"the second took {go_on.seconds:.0f} s")
        self.started_again()

    def started_again(self):
        story, machine = self.story, self.machine
        with self.check("WSL has restarted with systemd and cgroup v2 only, without a warning", needed=True):
            words = machine.run("systemctl is-system-running; stat -fc %T /sys/fs/cgroup; cat /proc/1/comm").out.split()
            expect(words == ["running", "cgroup2fs", "systemd"], f"{words}\n{machine.root('systemctl --failed --no-legend', timeout=60).out}")
            expect(not machine.warnings(), f"WSL warns: {machine.warnings()}")
            if story.layout == "namespaced":
                expect(machine.root("cat /proc/1/cgroup").out.strip() == "0::/init.scope", "systemd is not at the root of its namespace")
                own_namespace(machine)
        with self.check("status reports a finished setup, and shells show no reminder"):
            status = self.subject.call("status").out
            expect(re.search(r"^(Ready|Set up)", status, re.M), f"status:\n{status[-800:]}")
            shell = machine.run("bash -lic true </dev/null 2>&1").text
            expect("setup is not finished" not in shell, shell)
        with self.check("wsl.exe got exactly one stop, of the right kind"):
            wanted = "--shutdown" if story.layout == "classic" else "--terminate Debian"
            expect(machine.windows.stops() == [wanted], f"{machine.windows.stops()}")
            boot = machine.root("cat /proc/sys/kernel/random/boot_id").out
            expect((boot == self.boot) == (story.layout != "classic"), "the virtual machine's own start is not what the stop asked for")

    def afterwards(self):
        pass

    def before_set_up(self):
        self.boot = self.machine.root("cat /proc/sys/kernel/random/boot_id").out


class Typed(ByHand):
    """`kind-wsl setup`, typed once on a terminal; the helper does the rest."""

    def prepare(self):
        self.machine.root(f"echo 'dev:{PASSWORD}' | chpasswd")

    def before_set_up(self):
        super().before_set_up()
        machine, windows = self.machine, self.machine.windows
        with self.check("a Windows program runs through interop"):
            for how in ("", "sudo env -i "):
                said = machine.must(f"{how}{HELPER} look", timeout=60).out.splitlines()
                wanted = ["profile=C:\\Users\\dev", "folder=C:\\Users\\dev\\AppData\\Local\\kind-wsl", "able=yes", "running=Debian"]
                expect([line for line in said if not line.startswith("version=")] == wanted, f"{how or 'as the user'}: {said}")
            expect([(s.args, s.job, s.code) for s in windows.started[-2:]] == [(["look"], False, 0)] * 2, f"{windows.started[-2:]}")
            expect(not windows.folder().exists(), "it made its folder")
        with self.check("a console program ends with its Linux side; one of the GUI subsystem keeps running"):
            windows.service.faults.hang = {"--list"}  # the helper waits for ten seconds
            started = len(windows.started)
            machine.run(f"sleep 2 | timeout 1 /mnt/c/Windows/System32/cmd.exe; timeout 1 {HELPER} look", timeout=60)
            wait(lambda: not any("cmd.exe" in line for line in windows.running().values()), 20, "cmd.exe keeps running")
            # wine may still be at its start when the Linux side is gone; what has ended never comes up.
            wait(lambda: any("kind-wsl-helper.exe" in line for line in windows.running().values()), 8, f"the helper ended: {windows.started[started:]}")
            windows.service.faults.hang = set()
            wait(lambda: not windows.running(), 30, f"the helper waits for ever: {windows.running()}")

    def set_up(self):
        machine, windows = self.machine, self.machine.windows
        asked = "classic" != self.story.layout  # one of the machines has a password
        if asked:
            machine.root("echo 'dev ALL=(ALL) ALL' > /etc/sudoers.d/dev")
        with self.check(f"setup runs once: confirmed{', a password' if asked else ''}, and WSL stops while it runs", needed=True):
            began = time.time()
            terminal = machine.terminal(["/bin/bash", "-lc", f"kind-wsl setup {self.subject.flags}"])
            question = ""
            while "Apply these changes?" not in question:
                question = terminal.expect("›", 120)  # what a question ends with; Enter takes what is recommended
                terminal.type("\r")
            if asked:
                terminal.expect("assword", 60)
                terminal.type(PASSWORD + "\r")
            terminal.expect("Restart now?", 900)  # Enter takes the default, yes
            terminal.type("\r")
            shown = terminal.finish(900)
            expect(terminal.cut, f"it ended by itself with {terminal.code}:\n{shown[-2500:]}")
            expect(not re.search(ASKS, shown), f"it asked again:\n{shown[-2500:]}")
            self.story.story.say(f"WSL stopped after {time.time() - began:.0f} s")
            self.story.story.say("\n".join(shown.rstrip().splitlines()[-8:]))
        with self.check("the helper finishes it in its own window: no question, no password, exit 0", needed=True):
            result = windows.wait_for_state("ended", 900)
            resumed = [r for r in windows.commands if "--resume" in r.argv]
            texts = "\n".join(r.text for r in resumed)
            expect((result.get("exit"), result.get("stop")) == ("0", "stopped"), f"{result}\n{texts[-2500:]}\n{windows.logs()}")
            expect(len(resumed) == 1 and resumed[0].user == "root" and resumed[0].terminal, f"{[(r.argv, r.user, r.terminal) for r in resumed]}")
            expect(resumed[0].argv[-3:-1] == ["setup", "--resume"] and resumed[0].argv[-1] == result["id"], f"{resumed[0].argv}")
            expect(not re.search(ASKS, texts), f"it asked:\n{texts[-2500:]}")
            # it takes no Enter that was typed before it asks for one
            wait(lambda: windows.press_enter("kind-wsl") or not windows.running(), 30, "Enter does not close the helper's window")
            self.story.story.say(f"stopped in {result.get('stopped_ms')} ms\n" + "\n".join(texts.rstrip().splitlines()[-6:]))
        if asked:
            machine.root(f"echo '{ALWAYS}' > /etc/sudoers.d/dev")
        self.started_again()

    def afterwards(self):
        with self.check("children of a systemd unit are in the distribution's job and end with it"):
            # wine 8 does not tell the helper what job it is in: where Windows tells, it says able=no (tests/windows)
            machine, windows = self.machine, self.machine.windows
            windows.service.faults.hang = {"--list"}  # it would wait for ten seconds
            machine.root(f"systemd-run -q --collect {HELPER} look")
            wait(lambda: windows.running(), 20, "the helper does not run")
            expect(windows.started[-1].job, f"not in the job: {windows.started[-1]}")
            windows.distribution_ended()
            wait(lambda: not windows.running(), 5, f"it lives on: {windows.running()}")
            windows.service.faults.hang = set()


class FromWindows(ByHand):
    """kind-wsl.exe setup, typed in Windows, on a machine that has no kind-wsl yet."""

    def prepare(self):
        pass

    def set_up(self):
        machine, windows = self.machine, self.machine.windows
        machine.root("rm /usr/local/bin/kind-wsl /usr/local/bin/kind-wsl-helper.exe")
        with self.check("kind-wsl.exe installs the Linux program, sets up, restarts and finishes (exit 0)", needed=True):
            # --yes does not agree to the end of what else runs; nothing does here
            done = windows.prefix.run(["C:\\kind-wsl.exe", "setup", "-d", "Debian", "--yes", *self.subject.flags.split()], timeout=1200)
            expect(done.code == 0, f"exit {done.code}:\n{done.out[-3000:]}\n{done.err[-1500:]}")
            self.story.story.say(f"it took {done.seconds:.0f} s\n" + "\n".join(done.out.rstrip().splitlines()[-6:]))
            expect(not machine.run("cmp /usr/local/bin/kind-wsl /mnt/c/kind-wsl && stat -c '%a %U' /usr/local/bin/kind-wsl | grep -qx '755 root'").code, "not the program that lay beside it")
        # the other story's machine had the helper beside the program: so that they can be compared with how it began
        machine.root(f"install -m 755 {HELPER} /usr/local/bin/")
        self.started_again()


def wait(holds, seconds, otherwise):
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            raise Failed(otherwise)
        time.sleep(0.3)
