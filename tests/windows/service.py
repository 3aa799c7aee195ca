"""The service behind the double of wsl.exe: parses wsl.exe's command line as the real one does, answers the management commands
itself, and hands the work to a backend. Nothing happens on import.

    service = Service(backend)              # listens on 127.0.0.1:service.port; one thread for each wsl.exe
    prefix.install(wine.double(folder), service.port)
    call = service.wait_for(lambda c: c.args[:1] == ["--shutdown"] and c.done, 30)
    service.faults.stays = 1                # see Faults
    service.close()

A backend is anything with Backend's methods. `execute(request, link)` runs a command and returns its exit code; to join it to a
channel that speaks the same frames (tests/vm/machine.py: Machine.connect), `return link.bridge(socket)`.

What the real one does, and where that is to be seen in the source of WSL: options `WslClient.cpp:1523-1826`; --shutdown `:1112-1124`
(always 0, no output); --terminate `:1199-1206` (-1 for an unknown name, 0 also when it was not running); --list `:777-786`; 67 and 87
become -1 `:686-687`; a client whose machine dies ends with 1, silent, `common/interop.cpp:576-617`; UTF-16LE without BOM, CRLF, or
UTF-8 with WSL_UTF8=1 `:1847-1856`; errors on standard output, warnings on standard error.
"""
import contextlib
import socket
import threading
import time
from dataclasses import dataclass, field

from frames import Died, Link, read_request

# wsl.exe's own failure; a Linux program sees 255.
FAILURE = -1
# Texts as a German Windows has them: no code may match the English ones. Shortened where the exact wording is not to be had.
GERMAN = {
    "unknown": "Es ist keine Distribution mit dem angegebenen Namen vorhanden. \nFehlercode: Wsl/Service/WSL_E_DISTRO_NOT_FOUND\n",
    "none": "Das Windows-Subsystem für Linux hat keine installierten Distributionen.\n",
    "idle": "Es gibt keine ausgeführten Distributionen.\n",
    "done": "Der Vorgang wurde erfolgreich beendet. \n",
    "argument": "Ungültiges Befehlszeilenargument: {}\nVerwenden Sie \"wsl.exe --help\", um eine Liste der unterstützten Argumente zu erhalten.\n",
    "user": "Der Benutzer wurde nicht gefunden. \nFehlercode: Wsl/Service/CreateInstance/WSL_E_USER_NOT_FOUND\n",
    "broken": "Schwerwiegender Fehler. \nFehlercode: Wsl/Service/E_UNEXPECTED\n",
    "title": "Windows-Subsystem für Linux-Distributionen:\n",
    "table": "  NAME            STATUS          VERSION\n",
    "states": ("Wird ausgeführt", "Beendet"),
    "help": "Copyright (c) Microsoft Corporation. Alle Rechte vorbehalten.\n",
    "version": "WSL-Version: {}\nKernelversion: 6.6.87.2-1\n",
    "status": "Standarddistribution: {}\nStandardversion: 2\n",
}


class Backend:
    """What a backend has. Called from several threads at once."""

    version = "2.6.1.0"

    def names(self):
        """Installed distributions, the default one first. Ours is compared without regard to ASCII case."""
        raise NotImplementedError

    def running(self):
        """Those that run now."""
        raise NotImplementedError

    def terminate(self, name):
        """Stops one distribution; returns when it is down."""
        raise NotImplementedError

    def shutdown(self):
        """Stops all of them and the machine; returns when it is down."""
        raise NotImplementedError

    def start(self, name):
        """Another client starts the distribution (only for Faults.returns)."""
        raise NotImplementedError

    def execute(self, request, link):
        """Runs request.argv in request.distribution, which it starts first when it is down. Returns the exit code, or raises Died."""
        raise NotImplementedError


@dataclass
class Request:
    """A command for a distribution."""
    distribution: str  # as installed, whatever case was typed
    argv: list
    user: str = None  # None: the distribution's default user
    directory: str = None  # of --cd: "~", /…, or a Windows path; None: the caller's own directory
    shell: bool = False  # argv is one string for the user's shell: `--` or nothing before the command
    env: dict = field(default_factory=dict)  # what WSLENV brought
    terminal: tuple = None  # (rows, columns), when wsl.exe has a console
    utf8: bool = False


@dataclass
class Call:
    """One run of wsl.exe."""
    number: int
    args: list
    env: dict
    utf8: bool
    terminal: tuple
    began: float  # time.monotonic()
    seconds: float = None
    code: int = None  # None: it runs, or was cut
    done: bool = False
    cut: bool = False  # it ended because its distribution went away
    gone: bool = False  # its wsl.exe was killed

    @property
    def line(self):
        return " ".join(self.args)


@dataclass
class Faults:
    """Switches; each may be set at any time."""
    hang: set = field(default_factory=set)  # {"--shutdown", "--terminate", "--list"}: these never answer
    stays: int = 0  # so many of the next stops have no effect, though they report success
    returns: str = None  # another program starts this distribution as soon as a stop is over
    listing: int = None  # --list says something is wrong and ends with this code
    refuses: int = None  # a stop says that something is wrong, ends with this code, and has no effect
    old: bool = False  # a wsl.exe that does not know WSL_UTF8
    slow: float = 0.0  # a stop takes at least so many seconds
    warning: str = None  # wsl.exe says this on standard error before the next command in a distribution


class Service:
    """Running from its creation to close()."""

    def __init__(self, backend, texts=None):
        self.backend, self.texts, self.faults = backend, texts or GERMAN, Faults()
        self.calls, self.links, self.changed, self.closed = [], {}, threading.Condition(), threading.Event()
        self.before = None  # called with each Call before it is answered
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def close(self):
        """No wsl.exe is answered any more; those that wait end with 1."""
        self.closed.set()
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for _, link in list(self.links.values()):
            link.cut()

    # -- what was asked

    def lines(self, since=0):
        """The command lines so far, in order."""
        with self.changed:
            return [call.line for call in self.calls[since:]]

    def wait_for(self, condition, timeout=30):
        """The first call that satisfies the condition; waits for it, and raises TimeoutError with what was called instead."""
        end = time.monotonic() + timeout
        with self.changed:
            while True:
                for call in self.calls:
                    if condition(call):
                        return call
                left = end - time.monotonic()
                if left <= 0:
                    raise TimeoutError(f"no such call of wsl.exe within {timeout} s; there were: {[c.line for c in self.calls]}")
                self.changed.wait(left)

    def forget(self):
        with self.changed:
            self.calls.clear()

    # -- one wsl.exe

    def accept(self):
        while not self.closed.is_set():
            try:
                connection, _ = self.listener.accept()
            except OSError:
                break
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            args, env, utf8, terminal = read_request(connection)
        except (OSError, EOFError):
            connection.close()
            return
        link = Link(connection, utf8 and not self.faults.old)
        with self.changed:
            call = Call(len(self.calls), args, env, utf8, terminal, time.monotonic())
            self.calls.append(call)
            self.changed.notify_all()
        try:
            if self.before:
                self.before(call)
            code = self.answer(call, link)
            if code in (67, 87):
                link.say(self.texts["user"])
                code = FAILURE
            call.code = code
            link.finish(code)
        except Died:
            call.cut = True
        except Exception as error:  # a test's own mistake: visible, and never a silent success
            link.err(f"the double's service: {type(error).__name__}: {error}\n")
            link.finish(99)
            call.code = 99
            raise
        finally:
            with self.changed:
                call.cut, call.gone = call.cut or link.dead.is_set(), link.gone.is_set() and not link.dead.is_set()
                call.seconds, call.done = time.monotonic() - call.began, True
                self.links.pop(call.number, None)
                self.changed.notify_all()
            link.end()

    def answer(self, call, link):
        args, text = call.args, self.texts
        first = args[0] if args else ""
        if first == "--shutdown":
            return self.stop(link, first, None)
        if first in ("--terminate", "-t"):
            name = self.installed(args[1]) if len(args) > 1 else None
            if name is None:
                return self.complain(link, text["unknown"])
            return self.stop(link, "--terminate", name)
        if first in ("--list", "-l"):
            return self.listing(link, args[1:])
        if first == "--help":
            return self.complain(link, text["help"])
        if first in ("--version", "-v"):
            link.say(text["version"].format(self.backend.version))
            return 0
        if first == "--status":
            link.say(text["status"].format((self.backend.names() or ["-"])[0]))
            return 0
        return self.launch(call, link)

    def complain(self, link, text):
        link.say(text)
        return FAILURE

    def installed(self, name):
        return next((known for known in self.backend.names() if known.lower() == name.lower()), None)

    def hang(self, link):
        """Waits until that wsl.exe is killed or the service closes."""
        while not (link.gone.wait(0.1) or self.closed.is_set()):
            pass
        raise Died

    def stop(self, link, option, name):
        if option in self.faults.hang:
            self.hang(link)
        if self.faults.refuses is not None:
            link.say(self.texts["broken"])
            return self.faults.refuses
        time.sleep(self.faults.slow)
        if self.faults.stays > 0:
            self.faults.stays -= 1
        else:
            if name is None:
                self.backend.shutdown()
            else:
                self.backend.terminate(name)
            for distribution, other in list(self.links.values()):
                if name in (None, distribution):
                    other.cut()
            if self.faults.returns:
                self.backend.start(self.faults.returns)
        if name is not None:
            link.say(self.texts["done"])
        return 0

    def listing(self, link, args):
        if "--list" in self.faults.hang:
            self.hang(link)
        if self.faults.listing is not None:
            link.say(self.texts["broken"])
            return self.faults.listing
        known = {"--running", "--all", "--quiet", "-q", "--verbose", "-v"}
        for arg in args:
            if arg not in known:
                return self.complain(link, self.texts["argument"].format(arg))
        installed, running = self.backend.names(), self.backend.running()
        quiet = "--quiet" in args or "-q" in args
        names = [n for n in installed if n in running] if "--running" in args else installed
        if quiet:
            link.say("".join(f"{n}\n" for n in names))
            return 0
        if not names:
            return self.complain(link, self.texts["idle" if installed else "none"])
        if "--verbose" in args or "-v" in args:
            rows = (f"{'*' if n == installed[0] else ' '} {n:<15} {self.texts['states'][0 if n in running else 1]:<15} 2\n" for n in names)
            link.say(self.texts["table"] + "".join(rows))
        else:
            link.say(self.texts["title"] + "".join(f"{n}{' (Standard)' if n == installed[0] else ''}\n" for n in names))
        return 0

    def launch(self, call, link):
        rest, found = list(call.args), {}
        options = {"-d": "name", "--distribution": "name", "-u": "user", "--user": "user", "--cd": "directory", "--shell-type": "shell"}
        shell = True
        while rest and rest[0].startswith("-"):
            option = rest.pop(0)
            if option in ("--exec", "-e", "--"):
                shell = option == "--"
                break
            if option not in options or not rest:
                return self.complain(link, self.texts["argument"].format(option))
            found[options[option]] = rest.pop(0)
        names = self.backend.names()
        if "name" not in found and not names:
            return self.complain(link, self.texts["none"])
        name = self.installed(found["name"]) if "name" in found else names[0]
        if name is None:
            return self.complain(link, self.texts["unknown"])
        warning, self.faults.warning = self.faults.warning, None
        if warning:
            link.say(f"wsl: {warning}\n", kind=2)
        with self.changed:
            self.links[call.number] = (name, link)
        request = Request(name, rest, found.get("user"), found.get("directory"), shell, call.env, call.terminal, call.utf8)
        code = self.backend.execute(request, link)
        if link.dead.is_set():
            raise Died
        return code
