"""`kind-wsl-helper.exe port`, and the entry that starts a distribution at logon, in wine's own registry."""
import contextlib
import http.server
import socket
import threading

from report import Failed, equal, expect
from stage import PROFILE, refused

PART = "logon"
RUN = "HKCU\\Software\\Microsoft\\Windows\\CurrentVersion\\Run"
APPROVED = "HKCU\\Software\\Microsoft\\Windows\\CurrentVersion\\Explorer\\StartupApproved\\Run"
INSTALLED = PROFILE + "\\AppData\\Local\\kind-wsl\\kind-wsl-helper.exe"


def tell(report, stage):
    for group in (ports, entries, starts):
        group(lambda what: report.check(PART, what), stage)
    with report.check(PART, "nothing of it is left running"):
        stage.quiet()


class Quiet(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass


@contextlib.contextmanager
def server(handle):
    """A TCP server on a free port of 127.0.0.1; each connection is handled in turn."""
    listener = socket.create_server(("127.0.0.1", 0))

    def accept():
        with contextlib.suppress(OSError):
            while True:
                handle(listener.accept()[0])

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def ports(check, stage):
    def answer(port):
        result = stage.ask(stage.helper, "port", port)
        equal((result.code, result.err), (0, ""))
        return result.out, result.seconds

    with check("port reports a server that answers"), stage.reset():
        web = http.server.HTTPServer(("127.0.0.1", 0), Quiet)
        thread = threading.Thread(target=web.handle_request)
        thread.start()
        try:
            equal(answer(web.server_port)[0], "answer=yes\n")
        finally:
            thread.join()
            web.server_close()
    with check("port reports a relay that accepts and closes"), stage.reset():
        def close(connection):
            connection.recv(64)
            connection.close()
        with server(close) as port:
            equal(answer(port)[0], "answer=closed\n")
    with check("port reports a server that stays silent, within its bound") as saw, stage.reset():
        kept = []
        with server(kept.append) as port:
            out, seconds = answer(port)
            equal(out, "answer=silent\n")
            expect(2.5 < seconds < 8, seconds)
            saw(f"{seconds:.1f} s")
        for connection in kept:
            connection.close()
    with check("port reports a port on which nothing listens") as saw, stage.reset():
        with server(lambda connection: connection.close()) as port:
            pass
        out, seconds = answer(port)
        expect(out in ("answer=refused\n", "answer=timeout\n"), out)
        saw(f"{out.strip()}, {seconds:.1f} s")


def registry(stage, *args):
    return stage.prefix.run(["reg", *args])


def values(stage):
    """{name: data} of the Run key, as reg.exe exports it: byte for byte."""
    file = stage.prefix.drive / "run.reg"
    file.unlink(missing_ok=True)
    registry(stage, "export", RUN, "C:\\run.reg", "/y")
    found = {}
    for line in file.read_text(encoding="utf-16").splitlines() if file.exists() else []:
        if line.startswith('"') and "=" in line:
            name, data = line[1:].split('"=', 1)
            found[name] = data.strip('"').replace('\\"', '"').replace("\\\\", "\\")
    return found


def entries(check, stage):
    helper = stage.prefix.put(stage.made / "kind-wsl-helper.exe", stage.folder / "kind-wsl-helper.exe")

    def logon(*args):
        result = stage.ask(helper, "logon", *args)
        equal((result.code, result.err), (0, ""))
        return result.out

    debian = ["--distro", "Debian"]
    command = f'"{INSTALLED}" start --distro Debian --user dev'
    registry(stage, "add", RUN, "/v", "Other", "/t", "REG_SZ", "/d", "C:\\other.exe", "/f")
    with check("an entry is made, read, listed and removed; the other values of the key stay as they are") as saw, stage.reset():
        before = values(stage)
        equal((logon("list"), logon("get", *debian)), ("", "\n"))
        equal(logon("add", *debian, "--user", "dev"), "")
        equal(values(stage), before | {"kind-wsl Debian": command})
        equal((logon("list"), logon("get", *debian)), ("entry=Debian works\n", "dev\n"))
        equal(logon("remove", *debian), "")
        equal(values(stage), before)
        equal(logon("remove", *debian), "")
        saw(command)
    with check("an entry that is made twice is one entry, with the user of the second call"), stage.reset():
        for user in ("dev", "eve"):
            logon("add", *debian, "--user", user)
        equal((logon("list"), logon("get", *debian)), ("entry=Debian works\n", "eve\n"))
    with check("each distribution has an entry of its own"), stage.reset():
        logon("add", "--distro", "Ubuntu-24.04", "--user", "dev")
        equal(sorted(logon("list").splitlines()), ["entry=Debian works", "entry=Ubuntu-24.04 works"])
        logon("remove", "--distro", "Ubuntu-24.04")
        equal(logon("list"), "entry=Debian works\n")
    with check("an entry whose distribution is not installed anymore is listed as such"), stage.reset():
        stage.windows.installed.remove("Debian")
        equal(logon("list"), "entry=Debian no-distribution\n")
    with check("an entry that Task Manager disabled is listed as such"), stage.reset():
        registry(stage, "add", APPROVED, "/v", "kind-wsl Debian", "/t", "REG_BINARY", "/d", "030000001122334455667788", "/f")
        equal(logon("list"), "entry=Debian disabled\n")
        registry(stage, "delete", APPROVED, "/v", "kind-wsl Debian", "/f")
    with check("an entry whose program does not exist anymore is listed as such, and read as a foreign text"), stage.reset():
        moved = helper.with_name("moved.exe")
        helper.rename(moved)
        try:
            result = stage.ask(stage.helper, "logon", "list")
            equal(result.out, "entry=Debian no-program\n")
            expect(INSTALLED in stage.ask(stage.helper, "logon", "get", *debian).out, "the text of the entry is not shown")
        finally:
            moved.rename(helper)
        logon("remove", *debian)
    with check("a value of that name by another program is neither replaced nor removed") as saw, stage.reset():
        registry(stage, "add", RUN, "/v", "kind-wsl Debian", "/t", "REG_SZ", "/d", "calc.exe", "/f")
        before = values(stage)
        for args in (["add", *debian, "--user", "dev"], ["remove", *debian]):
            saw(refused(stage.ask(helper, "logon", *args), 16, "Another program wrote", "calc.exe"))
        equal((logon("list"), logon("get", *debian)), ("entry=Debian foreign\n", "calc.exe\n"))
        equal(values(stage), before)
        registry(stage, "delete", RUN, "/v", "kind-wsl Debian", "/f")
    with check("a name that is an option, a path or two words is refused before the registry is touched"), stage.reset():
        before = values(stage)
        for name in ("--shutdown", "a b", 'a"b', "..\\x"):
            refused(stage.ask(helper, "logon", "add", "--distro", name, "--user", "dev"), 2, "is not")
        for user in ("-u", "a b", 'dev" & calc'):
            refused(stage.ask(helper, "logon", "add", *debian, "--user", user), 2, "is not")
        equal(values(stage), before)


def starts(check, stage):
    service, windows = stage.service, stage.windows
    with check("the command of the entry starts the distribution, with the user's session and without a console"), stage.reset():
        stage.ask(stage.folder / "kind-wsl-helper.exe", "logon", "add", "--distro", "Debian", "--user", "dev")
        windows.up.clear()
        command = values(stage)["kind-wsl Debian"]
        program, _, rest = command.removeprefix('"').partition('" ')
        result = stage.prefix.run([program, *rest.split()])
        equal((result.code, result.out, result.err), (0, "", ""))
        equal((service.lines(), windows.up), (["-d Debian -u dev --exec /bin/true"], {"Debian"}))
        stage.ask(stage.folder / "kind-wsl-helper.exe", "logon", "remove", "--distro", "Debian")
    with check("a distribution that does not start is tried three times, then the program ends") as saw, stage.reset():
        windows.up.clear()
        windows.broken.add("Debian")
        result = stage.ask(stage.helper, "start", "--distro", "Debian", "--user", "dev")
        equal(service.lines(), ["-d Debian -u dev --exec /bin/true"] * 3)
        if not result.err.startswith("Distribution Debian did not start (exit code -1"):
            raise Failed(result.err)
        saw(f"{result.seconds:.1f} s")
