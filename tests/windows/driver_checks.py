"""What kind-wsl.exe does."""
import os
import pty
import select
import time

import fake
from report import equal, expect
from stage import PROFILE, lines_of, refused

PART = "driver"
OURS = {"KIND_WSL_DRIVER": "1", "KIND_WSL_WINDOWS_PROFILE": PROFILE}


def tell(report, stage):
    for group in (passing_on, providing, loop):
        group(lambda what: report.check(PART, what), stage)
    with report.check(PART, "nothing of it is left running"):
        stage.quiet()


def waits(id, scope="distro", user="dev"):
    return f"id={id}\nscope={scope}\nuser={user}\nprogram={fake.PROGRAM}\n"


def passing_on(check, stage):
    service, windows = stage.service, stage.windows
    with check("profile prints the profile directory") as saw, stage.reset():
        answer = stage.ask(stage.driver, "profile")
        equal((answer.code, answer.out, answer.err, service.lines()), (0, PROFILE + "\n", "", []))
        saw(f"{answer.seconds * 1000:.0f} ms under wine")
    with check("--version and --help"), stage.reset():
        equal(stage.ask(stage.driver, "--version").out, "kind-wsl.exe 0.1.0\n")
        expect("setup -d Ubuntu" in stage.ask(stage.driver, "--help").out and stage.ask(stage.driver).code == 0, "no help")
    with check("exit codes are returned unchanged: 0, 1, 3, 42, 130, 255, -1") as saw, stage.reset():
        seen = []
        for code in (0, 1, 3, 42, 130, 255, -1):
            windows.codes = [code]
            number, answer = stage.exit_code(stage.driver, "kind", "-d", "Debian")
            seen.append(number)
            equal("wsl.exe itself failed (-1)" in answer.err, code == -1)
        equal(seen, [0, 1, 3, 42, 130, 255, -1])
        saw(f"{seen}")
    with check("a distribution that stops during a command: exit 1, no message"), stage.reset():
        windows.reply = lambda request, link: link.cut()
        number, answer = stage.exit_code(stage.driver, "doctor", "-d", "Debian")
        equal((number, answer.out, answer.err), (1, "", ""))
    with check("arguments with blanks, quotes, backslashes, non-ASCII letters, and empty ones, arrive unchanged") as saw, stage.reset():
        args = ["explain", "two words", 'a "quote"', "C:\\temp\\", "back\\\\slash\\", "größer ✓", "", "$HOME *", "-n", "--", "-d", "x", "-u"]
        stage.ask(stage.driver, "-d", "Debian", *args)
        equal(service.calls[-1].args, ["-d", "Debian", "--cd", "~", "--exec", fake.PROGRAM, *args])
        saw(f"{len(args)} arguments")
    with check("standard input, output and error are those of the command, byte for byte"), stage.reset():
        def echo(request, link):
            link.out(link.read_all())
            link.err(b"\xffwrong\n")
            return 0
        windows.reply = echo
        answer = stage.ask(stage.driver, "explain", "-", "-d", "Debian", stdin="größer\r\n\n".encode())
        equal((answer.out, answer.err), ("größer\r\n\n", "\ufffdwrong\n"))
    with check("-d finds the installed spelling, -u is passed to wsl.exe, both anywhere"), stage.reset():
        stage.ask(stage.driver, "-u", "dev", "status", "--distribution", "dEBIAN", "--json")
        equal(service.calls[-1].line, f"-d Debian -u dev --cd ~ --exec {fake.PROGRAM} status --json")
    with check("without -d the default distribution is asked for its name"), stage.reset():
        stage.ask(stage.driver, "status")
        equal(service.lines(), ['--exec /bin/sh -c printf %s "$WSL_DISTRO_NAME"', "--list --running --quiet", f"-d Ubuntu-24.04 --cd ~ --exec {fake.PROGRAM} status"])
    with check("Linux gets the driver, the Windows profile and the running distributions; WSLENV keeps its entries") as saw, stage.reset():
        stage.ask(stage.driver, "status", "-d", "Debian", env={"WSLENV": "MINE/u:KIND_WSL_DRIVER/w:AWAY/w", "MINE": "wert ü", "AWAY": "x"})
        equal(service.calls[-1].env, OURS | {"MINE": "wert ü", "KIND_WSL_RUNNING": "Ubuntu-24.04"})
        windows.up = {"Debian"}
        stage.ask(stage.driver, "status", "-d", "Debian")
        equal(service.calls[-1].env, OURS | {"KIND_WSL_RUNNING": ""})
        saw(f"{service.calls[-1].env}")
    with check("the command uses the caller's console"), stage.reset():
        windows.reply = lambda request, link: 7 if link.read(20) in (b"j", b"j\r", b"j\n") else 99
        equal((on_console(stage, [stage.driver, "status", "-d", "Debian"], "j\r"), service.calls[-1].terminal is not None), (7, True))
    with check("an invalid command line is refused with 2, an unknown distribution with 12") as saw, stage.reset():
        for args in (["-d"], ["setup", "-d", "a b"], ["setup", "-u", "-x"], ["--yes"], ["setup", "-d", "A", "-d", "B"]):
            refused(stage.ask(stage.driver, *args), 2, "See kind-wsl.exe --help")
        saw(refused(stage.ask(stage.driver, "setup", "-d", "Debain"), 12, "Distribution Debain is not installed. Installed: Ubuntu-24.04, Debian."))
    with check("without WSL, or if it cannot list: 11"), stage.reset():
        service.faults.listing = -1
        refused(stage.ask(stage.driver, "setup", "-d", "Debian"), 11, "cannot list the distributions")
        stage.prefix.uninstall()
        try:
            refused(stage.ask(stage.driver, "setup"), 11, "wsl --install")
        finally:
            stage.prefix.install(stage.made / "wsl.exe", service.port)


def on_console(stage, argv, typed):
    """Runs it on a terminal, where wine gives it a console; types once it shows that it runs. Its exit code."""
    master, slave = pty.openpty()
    process = stage.prefix.start(argv, env={"TERM": "xterm"}, stdin=slave, stdout=slave, stderr=slave, start_new_session=True)
    os.close(slave)
    end, sent = time.monotonic() + 30, False
    while process.poll() is None and time.monotonic() < end:
        if not sent and any("--exec" in line for line in stage.service.lines()):
            os.write(master, typed.encode())
            sent = True
        if select.select([master], [], [], 0.05)[0]:
            try:
                os.read(master, 4096)
            except OSError:  # the other end is closed
                break
    process.kill() if time.monotonic() >= end else None
    os.close(master)
    return process.wait()


def providing(check, stage):
    service, windows = stage.service, stage.windows
    beside = stage.tools / "kind-wsl"

    def put(version, more=""):
        source = windows.bin / "source"
        source.write_text(f"#!/bin/sh\n# ü {'x' * 200000}\n{more}echo 'kind-wsl {version}'\n")
        return stage.prefix.put(source, beside).stat().st_size

    def setup():
        return stage.ask(stage.driver, "setup", "-d", "Debian")

    def copies():
        return sum("/bin/sh -c set -eu" in line for line in service.lines())

    for version, what in ((None, "a missing"), ("0.0.9", "an older")):
        with check(f"setup installs {what} Linux program through standard input") as saw, stage.reset():
            windows.program(version)
            size, answer = put("0.1.0"), setup()
            equal((answer.code, copies(), (windows.bin / "kind-wsl").stat().st_size, (windows.bin / "kind-wsl").stat().st_mode & 0o777), (0, 1, size, 0o755))
            equal(sorted(f.name for f in windows.bin.iterdir()), ["kind-wsl", "source"])
            saw(answer.out.strip())
    for version in ("0.1.0", "0.2.0"):
        with check(f"a Linux program of version {version} is kept"), stage.reset():
            windows.program(version)
            equal((setup().code, copies()), (0, 0))
    with check("an incomplete copy is not installed, and the existing program stays") as saw, stage.reset():
        windows.program("0.0.9")
        size, windows.input_limit = put("0.1.0"), 1000
        saw(refused(setup(), 14, f"1000 bytes of {size} arrived", "An existing file is unchanged"))
        expect("0.0.9" in (windows.bin / "kind-wsl").read_text() and not any("setup" in line for line in service.lines()), "it is not as before")
        equal(sorted(f.name for f in windows.bin.iterdir()), ["kind-wsl", "source"])
    with check("a copy that does not run is reported, and nothing is set up"), stage.reset():
        windows.program(None)
        put("0.1.0", "exit 126\n")
        refused(setup(), 14, "is not usable: it does not run")
        expect(not any("--exec " + fake.PROGRAM + " setup" in line for line in service.lines()), "it went on")
    with check("without a Linux program to install, the message states where to get it") as saw, stage.reset():
        beside.unlink()
        windows.program(None)
        saw(refused(setup(), 14, "/usr/local/bin/kind-wsl does not exist in Debian",
                    "C:\\Program Files\\kind-wsl\\kind-wsl", "Copy the file kind-wsl of release 0.1.0 there"))


def loop(check, stage):
    service, windows = stage.service, stage.windows
    begin = ["--list --quiet", f"-d Debian -u root --exec {fake.PROGRAM} --version", "--list --running --quiet"]
    ask = f"-d Debian -u root --exec {fake.PROGRAM} status --waiting"

    def setup(*args):
        return stage.ask(stage.driver, "--patience", "2", "setup", "-d", "Debian", *args)

    def restarts():
        return sum(line.startswith(("--terminate", "--shutdown")) for line in service.lines())

    with check("exit code 3: reads what waits, stops, opens the session, runs --resume, returns its exit code") as saw, stage.reset():
        windows.codes, windows.waiting = [3, 0], [waits("run-1")]
        answer = setup("--yes")
        equal(answer.code, 0)
        equal(service.lines(), [*begin, f"-d Debian --cd ~ --exec {fake.PROGRAM} setup --yes", ask, "--terminate Debian",
                                "--list --running --quiet", "-d Debian -u dev --exec /bin/true",
                                "--list --running --quiet", f"-d Debian -u root --cd ~ --exec {fake.PROGRAM} setup --resume run-1"])
        equal(service.calls[-1].env, OURS | {"KIND_WSL_RUNNING": "Ubuntu-24.04"})
        lines_of(answer.out, "kind-wsl: wsl.exe --terminate Debian …", "kind-wsl: Debian stopped after", "with a session of dev", "the setup of Debian resumes.")
        saw(answer.out.splitlines()[1])
    with check("scope vm: --shutdown stops the other distributions too"), stage.reset():
        windows.codes, windows.waiting = [3, 42], [waits("run-1", "vm")]
        equal((setup().code, windows.up, service.calls[-1].env["KIND_WSL_RUNNING"]), (42, {"Debian"}, ""))
    with check("the same run still waits after its restart: no loop, exit 3") as saw, stage.reset():
        windows.codes, windows.waiting = [3] * 9, [waits("run-1")] * 9
        answer = setup()
        equal((answer.code, restarts()), (3, 1))
        saw(answer.err.strip())
    with check("three restarts at most"), stage.reset():
        windows.codes, windows.waiting = [3] * 9, [waits(f"run-{n}") for n in range(9)]
        answer = setup()
        equal((answer.code, restarts()), (3, 3))
        expect("still waits after 3 restarts" in answer.err, answer.err)
    with check("--no-restart: exit 3, no question, nothing stopped"), stage.reset():
        windows.codes, windows.waiting = [3], [waits("run-1")]
        equal((setup("--no-restart").code, restarts(), ask in service.lines()), (3, 0, False))
    with check("nothing waits: exit 3, nothing stopped"), stage.reset():
        windows.codes = [3]
        equal((setup().code, restarts()), (3, 0))
    with check("a restart of the computer is needed: a message, nothing stopped"), stage.reset():
        windows.codes, windows.waiting = [3], [waits("run-1", "machine")]
        answer = setup()
        equal((answer.code, restarts()), (3, 0))
        expect("restart of the computer" in answer.err, answer.err)
    with check("an invalid name in the output never reaches a command line") as saw, stage.reset():
        windows.codes, windows.waiting = [3], [waits("run-1", user="dev --exec /bin/sh")]
        answer = setup()
        equal((answer.code, restarts()), (3, 0))
        saw(answer.err.strip())
    with check("a stop that hangs: exit 3, the cause, the commands to run"), stage.reset():
        windows.codes, windows.waiting, service.faults.hang = [3], [waits("run-1", "vm")], {"--shutdown"}
        answer = setup()
        equal(answer.code, 3)
        lines_of(answer.err, "WSL could not be stopped (wsl.exe --shutdown did not end within 2 s).",
                 "    wsl.exe --shutdown", f"    wsl.exe -d Debian --cd ~ --exec {fake.PROGRAM} setup")
    with check("exit code 3 of another command restarts nothing"), stage.reset():
        windows.codes, windows.waiting = [3], [waits("run-1")]
        equal((stage.ask(stage.driver, "plan", "-d", "Debian").code, restarts()), (3, 0))
