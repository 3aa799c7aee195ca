"""What kind-wsl-helper.exe does."""
import os
import pty
import signal
import subprocess
import time

import fake
from report import equal, expect, until
from stage import PROFILE, Restart, lines_of, refused

PART = "helper"
FOLDER = PROFILE + "\\AppData\\Local\\kind-wsl"


def tell(report, stage):
    for group in (look, refusals, restarts, stops_that_go_wrong, jobs, survival):
        group(lambda what: report.check(PART, what), stage)
    with report.check(PART, "nothing of it is left running"):
        stage.quiet()


def look(check, stage):
    service, windows = stage.service, stage.windows
    with check("look prints version, profile, folder and running distributions, with a blank and umlauts in the paths") as saw, stage.reset():
        answer = stage.ask(stage.helper, "look")
        equal(answer.out, f"version=0.1.0\nprofile={PROFILE}\nfolder={FOLDER}\nable=yes\nrunning=Ubuntu-24.04\nrunning=Debian\n")
        equal((answer.code, answer.err, service.lines()), (0, "", ["--list --running --quiet"]))
        expect(not stage.folder.exists() or not list(stage.folder.iterdir()), "look made something")
        saw(f"{answer.seconds * 1000:.0f} ms under wine")
    with check("look when nothing runs has no running= line"), stage.reset():
        windows.up.clear()
        answer = stage.ask(stage.helper, "look")
        expect("able=yes" in answer.out and "running" not in answer.out and "listing" not in answer.out, answer.out)
    with check("look parses the output of a wsl.exe that writes UTF-16"), stage.reset():
        service.faults.old = True
        expect("running=Ubuntu-24.04\nrunning=Debian\n" in stage.ask(stage.helper, "look").out, "it does not")
    with check("look reports that wsl.exe fails to list") as saw, stage.reset():
        service.faults.listing = -1
        answer = stage.ask(stage.helper, "look")
        line = answer.out.splitlines()[-1]
        equal((answer.code, line), (0, "listing=failed: exit code -1: Schwerwiegender Fehler. Fehlercode: Wsl/Service/E_UNEXPECTED"))
        saw(line)
    with check("look ends within its timeout if wsl.exe hangs, and kills that wsl.exe") as saw, stage.reset():
        service.faults.hang = {"--list"}
        answer = stage.ask(stage.helper, "look")
        expect(answer.out.endswith("listing=failed: no answer in time\n") and 9.5 < answer.seconds < 14, f"{answer}")
        service.wait_for(lambda call: call.gone, 5)
        saw(f"{answer.seconds:.1f} s")
    with check("look without WSL: able=no and the reason"), stage.reset():
        stage.prefix.uninstall()
        try:
            answer = stage.ask(stage.helper, "look")
        finally:
            stage.prefix.install(stage.made / "wsl.exe", service.port)
        lines_of(answer.out, "able=no", "why=C:\\windows\\system32\\wsl.exe does not exist", "listing=failed:")
        equal(answer.code, 0)
    with check("a wsl.exe in the current directory or on PATH is never run"), stage.reset():
        trap = stage.prefix.put(stage.made / "screen.exe", stage.prefix.drive / "trap/wsl.exe")
        answer = stage.ask(stage.helper, "look", cwd=trap.parent, env={"WINEPATH": "C:\\trap"})
        expect("running=Debian" in answer.out, answer.out)


def refusals(check, stage):
    service, windows = stage.service, stage.windows
    good = stage.order()
    cases = {
        "no command": ([], "missing command"),
        "an unknown command": (["reboot"], 'unknown command "reboot"'),
        "no --scope": (good[:5] + good[7:], "--scope is missing"),
        "an ID that leaves the folder": (stage.order(id="..\\x"), '--id "..\\x" is not'),
        "an ID that is a device": (stage.order(id="NUL"), '--id "NUL" is not'),
        "an option as a distribution": (stage.order(distribution="--shutdown"), '--distro "--shutdown" is not'),
        "two words as a distribution": (stage.order(distribution="a b"), '--distro "a b" is not'),
        "an option as a user": (stage.order(user="-u"), '--user "-u" is not'),
        "a program without an absolute path": (stage.order(program="kind-wsl"), '--program "kind-wsl" is not'),
        "a program with a quote": (stage.order(program='/a"b'), "--program \"/a\"b\" is not"),
        "an unknown flag": ([*good, "--force", "yes"], 'unknown option "--force" of restart'),
        "a flag twice": ([*good, "--id", "x"], "--id is given twice"),
    }
    with check(f"an invalid command line is refused with 2 before wsl.exe runs ({len(cases)} of them)") as saw, stage.reset():
        for name, (args, word) in cases.items():
            expect(word in refused(stage.ask(stage.helper, *args), 2, word), name)
        equal(service.lines(), [])
        saw(refused(stage.ask(stage.helper, *cases["an ID that is a device"][0]), 2))
    with check("an unknown distribution is refused with 12") as saw, stage.reset():
        saw(refused(stage.ask(stage.helper, *stage.order(distribution="Debain")), 12, "Distribution Debain is not installed. Installed: Ubuntu-24.04, Debian."))
    with check("without WSL it refuses with 11") as saw, stage.reset():
        stage.prefix.uninstall()
        try:
            saw(refused(stage.ask(stage.helper, *good), 11, "wsl.exe does not exist", "wsl --install"))
        finally:
            stage.prefix.install(stage.made / "wsl.exe", service.port)
    with check("with a wsl.exe that cannot list it refuses with 11") as saw, stage.reset():
        service.faults.listing = -1
        saw(refused(stage.ask(stage.helper, *good), 11, "cannot list the distributions", "Nothing was stopped"))
    with check("with a read-only folder it refuses with 13") as saw, stage.reset():
        stage.prefix.as_owner(["/bin/sh", "-c", 'rm -rf "$1" && touch "$1"', "sh", str(stage.folder)])
        try:
            saw(refused(stage.ask(stage.helper, *good), 13, FOLDER, "cannot be written"))
        finally:
            stage.prefix.as_owner(["rm", "-f", str(stage.folder)])
    with check("an ID whose restart runs is refused with 13, and that restart continues"), stage.reset():
        first = stage.restart()
        refused(stage.ask(stage.helper, *first.order), 13, "cannot be written")
        equal(first.ready().finish()["exit"], "0")
    with check("nothing that was refused has stopped anything"):
        equal(windows.up, {"Ubuntu-24.04", "Debian"})


def restarts(check, stage):
    service, windows = stage.service, stage.windows
    with check("restart of a distribution returns immediately; its copy waits for the ready file, stops, opens the session, resumes") as saw, stage.reset():
        begin, states = time.monotonic(), []
        restart = stage.restart()
        expect(restart.answer.seconds < 5, f"{restart.answer.seconds:.1f} s")
        equal(restart.paths, {end: f"{FOLDER}\\{restart.order[2]}.{end}" for end in ("log", "result", "ready")})
        until(lambda: "waiting" in restart.log(), "a log that says waiting")
        equal((restart.result(), service.lines()), ({"version": "1", "id": restart.order[2], "scope": "distro", "state": "waiting"}, ["--list --quiet"]))
        windows.inspect = lambda what: states.append((what, restart.result()["state"]))
        result = restart.ready().finish()
        stopped = int(result.pop("stopped_ms"))
        equal(result, {"version": "1", "id": restart.order[2], "scope": "distro", "state": "ended", "stop": "stopped", "exit": "0"})
        resume = f"{fake.PROGRAM} setup --resume {restart.order[2]}"
        equal(states, [("--terminate Debian", "stopping"), ("/bin/true", "stopped"), (resume, "resuming")])
        saw(f"stopped in {stopped} ms, all in {time.monotonic() - begin:.1f} s")
    with check("its calls of wsl.exe, exactly, each with WSL_UTF8=1") as saw:
        lines = service.lines()
        equal(lines, ["--list --quiet", "--terminate Debian", "--list --running --quiet", "-d Debian -u dev --exec /bin/true",
                      f"-d Debian -u root --cd ~ --exec {fake.PROGRAM} setup --resume {restart.order[2]}"])
        expect(all(call.utf8 for call in service.calls), "a call without WSL_UTF8=1")
        saw(lines[-1])
    with check("its log: seconds, calls, exit codes, localized output in UTF-8"):
        lines_of(restart.log(), f"process {restart.process}: --id {restart.order[2]}", "waiting", "stopping",
                 "wsl.exe --terminate Debian: exit code 0: Der Vorgang wurde erfolgreich beendet.",
                 "wsl.exe --list --running --quiet: exit code 0: Ubuntu-24.04", "Debian stopped after", "--exec /bin/true: exit code 0", "resuming", "ended")
        expect(all(line[:9].strip().replace(".", "").isdigit() for line in restart.log().splitlines()), restart.log())
    with check("restart of the virtual machine stops every distribution"), stage.reset():
        restart = stage.restart(scope="vm", distribution="dEBIAN").ready()
        equal((restart.finish()["stop"], windows.up), ("stopped", {"Debian"}))
        equal(service.lines()[1:3], ["--shutdown", "--list --running --quiet"])
        expect(service.lines()[-1].startswith("-d Debian -u root"), f"the name is not the installed one: {service.lines()[-1]}")
    with check("a program with a blank and an umlaut in its path arrives as one argument"), stage.reset():
        program = "/home/jürgen müller/kind-wsl"
        restart = stage.restart(program=program).ready()
        restart.finish()
        equal(service.calls[-1].args[6:], ["--exec", program, "setup", "--resume", restart.order[2]])
    with check("without a ready file it times out and stops nothing") as saw, stage.reset():
        restart = stage.restart(patience=1)
        saw(restart.finish("abandoned")["detail"])
        equal((service.lines(), windows.up), (["--list --quiet"], {"Ubuntu-24.04", "Debian"}))
    with check("a ready file and a result of an earlier run with the same ID are removed first"), stage.reset():
        again = Restart(stage, [*restart.order[:-1], 1])
        again.ready().finish()
        third = Restart(stage, again.order)
        equal(third.finish("abandoned").get("exit"), None)
    for code, detail in ((3, "The setup still needs the restart (exit code 3)."), (130, "The setup ended with exit code 130. Its output is above.")):
        with check(f"exit code {code} of the resumed setup is in the result, and the commands to run in the log"), stage.reset():
            windows.codes = [code]
            restart = stage.restart(scope="vm").ready()
            result = restart.finish()
            equal((result["exit"], result["detail"]), (str(code), detail))
            lines_of(restart.log(), "wsl.exe --shutdown", f"wsl.exe -d Debian --cd ~ --exec {fake.PROGRAM} setup")
    with check("WSL stopped during the resumed setup: exit 1 and the commands to run"), stage.reset():
        windows.reply = lambda request, link: link.cut()
        restart = stage.restart().ready()
        equal(restart.finish()["exit"], "1")
        lines_of(restart.log(), "Without an error above, WSL was stopped while it ran.", "wsl.exe --terminate Debian")
    with check("without a window the output of the resumed setup is in the log"), stage.reset():
        def speak(request, link):
            link.out("größer\nals")
            link.err("ein Fehler\n")
            return 0
        windows.reply = speak
        restart = stage.restart().ready()
        restart.finish()
        for line in ("no console window can be opened", " größer\n", " als\n", " ein Fehler\n"):
            expect(line in restart.log(), f"{line!r} is not in the log:\n{restart.log()}")


def stops_that_go_wrong(check, stage):
    service, windows = stage.service, stage.windows

    def outcome(scope, patience=2, **faults):
        for name, value in faults.items():
            setattr(service.faults, name, value)
        return stage.restart(scope=scope, patience=patience).ready()

    def not_resumed():
        expect(not any("--resume" in line for line in service.lines()), f"it went on: {service.lines()}")

    with check("a --shutdown that hangs is killed; the result is hung, nothing resumes, the log has the commands to run") as saw, stage.reset():
        restart = outcome("vm", hang={"--shutdown"})
        result = restart.finish("hung")
        equal(result["detail"], "wsl.exe --shutdown did not end within 2 s")
        expect(service.wait_for(lambda call: call.args == ["--shutdown"] and call.done).gone, "that wsl.exe still lives")
        expect(2000 <= int(result["stopped_ms"]) < 4000, result)
        lines_of(restart.log(), "To continue by hand", "wsl.exe --shutdown", f"wsl.exe -d Debian --cd ~ --exec {fake.PROGRAM} setup")
        not_resumed()
        saw(result["detail"])
    with check("the same for a --terminate that hangs while the distribution keeps running"), stage.reset():
        equal(outcome("distro", hang={"--terminate"}).finish("hung")["stop"], "hung")
        not_resumed()
    with check("a --terminate that fails counts as a stop if the distribution is down") as saw, stage.reset():
        restart = stage.restart(patience=5)
        service.faults.refuses = -1
        windows.up.discard("Debian")
        restart.ready().finish()
        saw(next(line for line in restart.log().splitlines() if "stopped anyway" in line).strip())
    with check("after a failed stop nothing resumes") as saw, stage.reset():
        result = outcome("vm", refuses=-1).finish("failed")
        equal(result["detail"], "wsl.exe --shutdown: exit code -1: Schwerwiegender Fehler. Fehlercode: Wsl/Service/E_UNEXPECTED")
        not_resumed()
        saw(result["detail"])
    with check("a stop without effect is repeated once"), stage.reset():
        equal(outcome("distro", stays=1).finish()["stop"], "stopped")
        equal(service.lines().count("--terminate Debian"), 2)
    with check("a distribution that keeps running is still-running, and the setup resumes to check it") as saw, stage.reset():
        result = outcome("vm", stays=9).finish()
        equal((result["stop"], result["exit"], service.lines().count("--shutdown")), ("still-running", "0", 2))
        expect(4000 <= int(result["stopped_ms"]) < 8000, result)
        saw(f"after {result['stopped_ms']} ms")
    with check("a distribution that another program starts again immediately is not a failure"), stage.reset():
        result = outcome("vm", returns="Debian").finish()
        equal((result["stop"], result["exit"]), ("still-running", "0"))
    with check("another distribution that starts again immediately does not delay it"), stage.reset():
        equal(outcome("vm", returns="Ubuntu-24.04").finish()["stop"], "stopped")
        equal(service.lines().count("--shutdown"), 1)
    with check("a list that fails after the stop does not delay it, and is reported") as saw, stage.reset():
        restart = stage.restart(scope="vm", patience=5)
        service.faults.listing = -1
        restart.ready().finish()
        saw(next(line for line in restart.log().splitlines() if "may be running" in line).strip())


def jobs(check, stage):
    def restart_in(limits):
        return Restart(stage, stage.order(), wrapped=[stage.in_job, limits])

    with check("the copy outlives a job without limits"), stage.reset():
        equal(restart_in("0x0").ready().finish()["exit"], "0")
    with check("the copy leaves a job that allows breakaway"), stage.reset():
        equal(restart_in("0x2800").ready().finish()["exit"], "0")
    with check("in a job that kills its processes: refused with 10; if Windows does not report the job (wine 8), the copy is killed with it") as saw, stage.reset():
        answer = stage.ask(stage.in_job, "0x2000", stage.prefix.windows(stage.helper), *stage.order())
        if answer.code == 10:
            saw(refused(answer, 10, "ends all its processes when it closes"))
        else:
            equal(answer.code, 0)
            until(lambda: not stage.prefix.processes(), "an end of the copy with its job", 5)
            saw("wine does not tell")


def survival(check, stage):
    with check("the copy inherits no handle: the caller's pipe ends while the copy lives") as saw, stage.reset():
        begin = time.monotonic()
        process = stage.prefix.start([stage.helper, *stage.order(patience=15)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        output = process.stdout.read()  # returns at the end of the pipe, which every holder of its other end has closed
        seconds, copies = time.monotonic() - begin, [line for line in stage.prefix.processes().values() if " work " in line]
        process.wait()
        expect(output.startswith(b"started=") and len(copies) == 1 and seconds < 10, f"{output} after {seconds:.1f} s, copies: {copies}")
        saw(f"end of the pipe after {seconds:.2f} s")
        for pid in stage.prefix.processes():
            os.kill(pid, signal.SIGKILL)
        stage.quiet()
    with check("the copy outlives the console of its starter and all processes on it"), stage.reset():
        master, slave = pty.openpty()
        order = stage.order()
        shell = stage.prefix.start(["cmd", "/k", stage.prefix.windows(stage.helper), *order], stdin=slave, stdout=slave, stderr=slave, start_new_session=True)
        os.close(slave)
        result = stage.folder / f"{order[2]}.result"
        log = result.with_suffix(".log")
        until(lambda: log.exists() and " waiting\n" in log.read_text(), "a copy at work")
        os.close(master)  # the terminal goes away, and with it, by SIGHUP, its session
        os.killpg(shell.pid, signal.SIGKILL)
        shell.wait()
        stage.prefix.as_owner(["touch", str(result.with_suffix(".ready"))])
        until(lambda: "exit=0" in result.read_text(), f"an end of the resumed setup; running: {stage.prefix.processes()}")
        equal(stage.service.lines()[-1], f"-d Debian -u root --cd ~ --exec {fake.PROGRAM} setup --resume {order[2]}")
        stage.quiet()
