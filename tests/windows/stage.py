"""What every check stands on: a Windows with the two programs and the double, and one restart as its Linux side sees it."""
import contextlib
import subprocess
import time

import fake
import service
import wine
from report import Failed, equal, expect, until

# A user as wine can only have one whose uid has no passwd entry: letters beyond ASCII and a blank in every path.
OWNER = wine.Owner("Jürgen Müller", 7001)
PROFILE = "C:\\users\\Jürgen Müller"


class Stage:
    def __init__(self, folder, name, made, display=None):
        """`made`: a folder with the template and everything that was built."""
        self.prefix = wine.Prefix(folder / name, made / "template", OWNER)
        self.prefix.display = display
        self.windows = fake.Windows(folder / f"{name}-bin")
        self.service = service.Service(self.windows)
        self.prefix.install(made / "wsl.exe", self.service.port)
        self.folder = self.prefix.profile / "AppData/Local/kind-wsl"
        self.tools = self.prefix.drive / "Program Files/kind-wsl"
        self.helper, self.driver, self.in_job, self.screen = (
            self.prefix.put(made / f"{name}.exe", self.tools / f"{name}.exe") for name in ("kind-wsl-helper", "kind-wsl", "in_job", "screen"))
        self.made, self.number = made, 0
        self.prefix.up()

    def close(self):
        self.prefix.end()
        self.service.close()

    @contextlib.contextmanager
    def reset(self):
        """For one check: no faults, nothing called yet, both distributions up."""
        self.service.faults = service.Faults()
        self.windows.new()
        self.service.forget()
        try:
            yield self
        finally:
            self.service.faults = service.Faults()

    def ask(self, program, *args, **how):
        return self.prefix.run([program, *args], **how)

    def exit_code(self, program, *args, **how):
        """Runs it with its exit code as Windows has it: 32 bits, with sign. Returns (code, result)."""
        result = self.prefix.run([self.in_job, "none", self.prefix.windows(program), *args], **how)
        *_, last = result.err.splitlines()
        result.err = result.err.removesuffix(last + "\n")
        return int(last.removeprefix("exit=")), result

    def order(self, distribution="Debian", scope="distro", user="dev", program=fake.PROGRAM, patience=20, id=None):
        """The command line of a restart with an ID of its own."""
        self.number += 1
        return ["restart", "--id", id or f"check-{self.number}", "--distro", distribution, "--scope", scope, "--user", user, "--program", program, "--patience", patience]

    def restart(self, **how):
        return Restart(self, self.order(**how))

    def quiet(self):
        """Nothing of ours runs; waits for what is just ending."""
        until(lambda: not self.prefix.processes(), "an end of every process", 10)


class Restart:
    """`kind-wsl-helper.exe restart` and what comes of it."""

    def __init__(self, stage, order, wrapped=()):
        self.stage, self.order = stage, order
        self.answer = stage.ask(*(wrapped or ()), *([stage.prefix.windows(stage.helper)] if wrapped else [stage.helper]), *order)
        equal((self.answer.code, self.answer.err.replace("exit=0\n", "")), (0, ""))
        found = dict(line.split("=", 1) for line in self.answer.out.splitlines())
        self.process = int(found["started"])
        self.paths = {key: found[key] for key in ("log", "result", "ready")}
        equal(list(found), ["started", "log", "result", "ready"])
        self.files = {key: stage.prefix.host(path) for key, path in self.paths.items()}

    def result(self):
        return dict(line.split("=", 1) for line in self.files["result"].read_text(encoding="utf-8").splitlines())

    def log(self):
        return self.files["log"].read_text(encoding="utf-8") if self.files["log"].exists() else ""

    def ready(self):
        """What the Linux side does once its journal is on the disk."""
        self.stage.prefix.as_owner(["touch", str(self.files["ready"])])
        return self

    def finish(self, state="ended", timeout=30):
        """Waits for the state, and for the end of the copy. Returns the result."""
        until(lambda: self.result()["state"] == state, f"state={state} in {self.result()}\n{self.log()}", timeout)
        self.stage.quiet()
        return self.result()


def refused(result, code, *words):
    """A refusal: its exit code, nothing on standard output, one or two sentences with these words."""
    equal((result.code, result.out), (code, ""))
    for word in words:
        expect(word in result.err, f"{word!r} is not in: {result.err}")
    expect(1 <= len(result.err.splitlines()) <= 2, result.err)
    return result.err.splitlines()[0]


class Display:
    """A virtual screen, so that wine can open windows; keys can be pressed."""

    def __init__(self):
        command = "Xvfb -displayfd 1 -screen 0 1024x768x24 -nolisten tcp".split()
        self.server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.name = f":{self.server.stdout.readline().decode().strip()}"

    def xdotool(self, *words):
        done = subprocess.run(["xdotool", *words], env={"DISPLAY": self.name, "PATH": "/usr/bin:/bin"}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
        return done.stdout.split()

    def window(self, title):
        """The window of exactly this title, once it can be seen; it gets the keyboard."""
        found = until(lambda: self.xdotool("search", "--onlyvisible", "--name", f"^{title}$"), f"a window {title!r}")
        self.xdotool("windowfocus", "--sync", found[0])
        return found[0]

    def type(self, text):
        self.xdotool("type", "--delay", "30", text)

    def press(self, key, until_then, what):
        """Presses a key, again and again, until that holds. Once is not enough: a window of wine takes a while until it listens, and a program
        that ended while it read from the console (the double) takes the next key with it."""
        def pressed():
            self.xdotool("key", key)
            end = time.monotonic() + 0.5
            while not (holds := until_then()) and time.monotonic() < end:
                time.sleep(0.02)
            return holds
        return until(pressed, what)

    def close(self):
        self.server.terminate()
        self.server.wait()


def lines_of(text, *expected):
    """These lines are in the text, in this order."""
    rest = iter(text.splitlines())
    for line in expected:
        if not any(line in there for there in rest):
            raise Failed(f"{line!r} is not there, or not in its place:\n{text}")
