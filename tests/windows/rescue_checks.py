"""What kind-wsl.exe rescue does: a distribution that does not start, WSL's safe mode, .wslconfig to the byte."""
import subprocess
import threading

from report import equal, expect
from stage import lines_of, refused

PART = "rescue"
CONFIG = b"[wsl2]\r\nmemory=4GB\r\n"
# Files of every kind that WSL reads, and some that it does not.
FILES = {
    "UTF-8, CRLF": CONFIG,
    "UTF-8, LF, without a last line end": "# größer ✓\n[general]\ninstanceIdleTimeout=-1".encode(),
    "UTF-8 with its mark": b"\xef\xbb\xbf" + CONFIG,
    "UTF-16 with its mark": b"\xff\xfe" + CONFIG.decode().encode("utf-16-le"),
    "safe mode off, and keys outside of a section": b"memory=1GB\n[wsl2]\nsafeMode=false\n",
    "empty": b"",
    "absent": None,
}


class Rescue:
    """One distribution, Debian, that starts in safe mode only until it is undone."""

    def __init__(self, stage):
        self.stage, self.windows, self.service = stage, stage.windows, stage.service
        self.config = stage.prefix.profile / ".wslconfig"
        self.windows.config = self.config

    def begin(self, content=CONFIG, left=True):
        windows = self.windows
        windows.broken, windows.up, windows.safe_mode = {"Debian"}, set(), None
        self.left, self.undone, self.codes = left, [], []
        windows.reply = self.undo
        self.put(content)

    def put(self, content):
        self.config.unlink(missing_ok=True)
        if content is not None:
            source = self.windows.bin / "content"
            source.write_bytes(content)
            self.stage.prefix.put(source, self.config)
            self.config.chmod(0o644)

    def now(self):
        return self.config.read_bytes() if self.config.exists() else None

    def undo(self, request, _link):
        """The Linux program: `undo --safe-mode` leaves a part with 3, which an undo in normal mode ends."""
        self.undone.append(" ".join(request.argv[1:]))
        if request.argv[1:] == ["status", "--last"]:
            _link.out("since=7\n")
            return 0
        equal(request.user, "root")
        equal("--safe-mode" in request.argv, bool(self.windows.safe_mode))
        if self.codes:
            return self.codes.pop(0)
        self.windows.broken.discard("Debian")
        self.left &= bool(self.windows.safe_mode)
        return 3 if self.left else 0

    def run(self, *args, **how):
        return self.stage.ask(self.stage.driver, "--patience", "5", "rescue", "-d", "Debian", "--yes", *args, **how)

    def killed_at(self, number):
        """Runs it until it makes its call with this number, and ends it there. Whether it made so many."""
        process = self.stage.prefix.start([self.stage.driver, "--patience", "5", "rescue", "-d", "Debian", "--yes"],
                                          stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

        def kill(call):
            if call.number == number:
                process.kill()
                process.wait()
        self.service.before = kill
        process.wait(timeout=60)
        self.service.before = None
        self.stage.quiet()
        return process.returncode == -9

    def finished(self, content=CONFIG):
        """Nothing of the rescue is left but what it is for."""
        equal((self.now(), self.windows.safe_mode, self.windows.broken, self.left), (content, False, set(), False))
        equal([file.name for file in self.stage.folder.glob("rescue*")], [])
        equal([file.name for file in self.stage.prefix.profile.glob(".wslconfig?*")], [])


def tell(report, stage):
    rescue = Rescue(stage)

    def check(what):
        return report.check(PART, what)

    whole(check, stage, rescue)
    interrupted(check, stage, rescue)
    refusals(check, stage, rescue)
    with check("nothing of it is left running"):
        stage.quiet()


def whole(check, stage, rescue):
    service = stage.service
    with check("a distribution that does not start is started in safe mode, undone and started again") as saw, stage.reset():
        rescue.windows.config = rescue.config
        rescue.begin()
        answer = rescue.run()
        equal(answer.code, 0)
        rescue.finished()
        equal(rescue.undone, ["undo --yes --safe-mode", "undo --yes"])
        lines_of(answer.out, "checking whether Debian starts", "Debian does not start", "starts in safe mode", ".wslconfig is as it was before", "Debian starts.")
        expect(all(len(line) <= 80 for line in answer.out.splitlines() if "does not start (" not in line), answer.out)
        equal(sum(line == "--shutdown" for line in service.lines()), 2)
        saw(f"{answer.seconds:.1f} s, {len(service.calls)} calls of wsl.exe")
    for what, content in FILES.items():
        with check(f".wslconfig is the same to the byte: {what}"), stage.reset():
            rescue.windows.config = rescue.config
            rescue.begin(content, left=False)
            equal(rescue.run().code, 0)
            rescue.finished(content)
            equal(rescue.undone, ["undo --yes --safe-mode"])
    with check("a read-only .wslconfig is read-only again"), stage.reset():
        rescue.windows.config = rescue.config
        rescue.begin()
        rescue.config.chmod(0o444)
        equal(rescue.run().code, 0)
        rescue.finished()
        equal(rescue.config.stat().st_mode & 0o222, 0)
    with check("the Linux program of the journal runs, and --last undoes only the last setup"), stage.reset():
        rescue.windows.config = rescue.config
        rescue.begin()
        program = rescue.windows.bin / "elsewhere"
        program.write_text("#!/bin/sh\n")
        program.chmod(0o755)
        journal = rescue.windows.bin / "journal.jsonl"
        journal.write_text(f'{{"record":"begin","version":1,"user":"dev","program":"{program}","sum":"0"}}\n')
        equal(rescue.run("--last", "--drift", "keep").code, 0)
        rescue.finished()
        equal(rescue.undone, ["status --last", "undo --yes --safe-mode --since=7 --drift=keep", "undo --yes --since=7 --drift=keep"])
        expect(any(call.args[-2:] == ["status", "--last"] and "/usr/local/bin/elsewhere" in call.args for call in service.calls), service.lines())
        journal.unlink()
        program.unlink()


def interrupted(check, stage, rescue):
    with check("killed at each call of wsl.exe, a second rescue finishes") as saw, stage.reset():
        rescue.windows.config = rescue.config
        number = 0
        while True:
            stage.service.forget()
            rescue.begin()
            if not rescue.killed_at(number):
                break
            stage.service.forget()
            answer = rescue.run()
            if "nothing to rescue" in answer.out:  # it was killed before it began, or when all was done
                rescue.left = False
            equal((number, answer.code), (number, 0))
            rescue.finished()
            number += 1
        expect(number > 10, number)
        saw(f"{number} calls")
    with check("an edit of .wslconfig by the user stays, the lines of kind-wsl go"), stage.reset():
        rescue.windows.config = rescue.config
        rescue.begin()
        expect(rescue.killed_at(9), "it was not killed")
        expect(b"safeMode=true" in rescue.now(), rescue.now())
        rescue.put(rescue.now().replace(b"4GB", b"8GB"))
        answer = rescue.run()
        equal(answer.code, 0)
        rescue.finished(CONFIG.replace(b"4GB", b"8GB"))
    with check("a distribution that was removed meanwhile: .wslconfig is restored anyway"), stage.reset():
        rescue.windows.config = rescue.config
        rescue.begin()
        expect(rescue.killed_at(9), "it was not killed")
        rescue.windows.installed.remove("Debian")
        refused_text = rescue.run()
        equal((refused_text.code, rescue.now()), (12, CONFIG))
    with check("a second rescue at the same time is refused") as saw, stage.reset():
        rescue.windows.config = rescue.config
        rescue.begin()
        go_on = threading.Event()
        stage.service.before = lambda call: call.args != ["--shutdown"] or go_on.wait(60)
        process = stage.prefix.start([stage.driver, "--patience", "60", "rescue", "-d", "Debian", "--yes"],
                                     stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        stage.service.wait_for(lambda call: call.args == ["--shutdown"])
        saw(refused(rescue.run(), 13, "another rescue is running"))
        stage.service.before = None
        go_on.set()
        equal(process.wait(timeout=60), 0)
        rescue.finished()


def refusals(check, stage, rescue):
    windows = stage.windows

    def nothing_changed():
        equal((rescue.now(), rescue.undone, list(stage.folder.glob("rescue*"))), (CONFIG, [], []))

    with check("other distributions are listed, and without an answer nothing stops") as saw, stage.reset():
        windows.config = rescue.config
        rescue.begin()
        windows.up, windows.safe_mode = {"Ubuntu-24.04"}, False
        answer = stage.ask(stage.driver, "--patience", "5", "rescue", "-d", "Debian")
        equal((answer.code, windows.up), (1, {"Ubuntu-24.04"}))
        nothing_changed()
        lines_of(answer.out, "This also stops Ubuntu-24.04.", "Proceed? [y/N]")
        saw(answer.err.strip())
        equal(stage.ask(stage.driver, "--patience", "5", "rescue", "-d", "Debian", stdin=b"y\r\n").code, 0)
        rescue.finished()
    with check("a distribution that starts is not changed"), stage.reset():
        windows.config = rescue.config
        rescue.begin()
        windows.broken = set()
        answer = rescue.run()
        equal(answer.code, 0)
        nothing_changed()
        lines_of(answer.out, "Debian starts, so there is nothing to rescue.", "kind-wsl.exe undo -d Debian")
    with check("an unknown name, no name and an invalid option are refused"), stage.reset():
        windows.config = rescue.config
        rescue.begin()
        refused(stage.ask(stage.driver, "rescue", "-d", "Debain", "--yes"), 12, "Installed: Ubuntu-24.04, Debian.")
        refused(stage.ask(stage.driver, "rescue", "--yes"), 2, "-d NAME", "Ubuntu-24.04, Debian")
        refused(stage.ask(stage.driver, "rescue", "-d", "Debian", "--force"), 2, 'unknown option "--force" of rescue')
        nothing_changed()
    with check("with a WSL without safe mode the message has the update command"), stage.reset():
        windows.config = rescue.config
        rescue.begin()
        windows.version = "0.60.0.0"
        try:
            answer = rescue.run()
        finally:
            del windows.version
        equal(answer.code, 15)
        nothing_changed()
        lines_of(answer.err, "safe mode needs WSL 0.66.2 or later (found 0.60.0)", "wsl.exe --update")
    with check("a distribution that does not start in safe mode either: .wslconfig is restored, with the next steps"), stage.reset():
        windows.config = rescue.config
        rescue.begin()
        windows.reads_safe_mode = lambda: False
        try:
            answer = rescue.run()
        finally:
            del windows.reads_safe_mode
        equal((answer.code, rescue.now()), (15, CONFIG))
        lines_of(answer.err, "Debian does not start in safe mode either", "wsl.exe --export Debian Debian.tar")
    with check("a failed undo: safe mode ends, with the next steps"), stage.reset():
        windows.config = rescue.config
        rescue.begin()
        rescue.codes = [4]
        answer = rescue.run()
        equal((answer.code, rescue.now()), (15, CONFIG))
        lines_of(answer.err, "undo ended with exit code 4", "kind-wsl.exe rescue -d Debian --drift restore")
        equal(rescue.run("--drift", "restore").code, 0)
        rescue.finished()
    with check("if WSL does not stop, the rescue is finished later"), stage.reset():
        windows.config = rescue.config
        rescue.begin()
        stage.service.faults.refuses = 1
        equal((rescue.run().code, rescue.now()), (15, CONFIG))
        stage.service.faults.refuses = None
        equal(rescue.run().code, 0)
        rescue.finished()
    with check("rescue --help"), stage.reset():
        answer = stage.ask(stage.driver, "rescue", "--help")
        expect("--last" in answer.out and all(len(line) <= 80 for line in answer.out.splitlines()), answer.out)
