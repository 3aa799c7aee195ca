"""The Windows that a machine runs on: wine on the machine's own drive C, the service behind wsl.exe, which drives the machine, and the
other end of interop. Nothing but `Machine(…, windows=True)` needs to know this.

    machine.windows.started      what Linux started by interop: [Started]
    machine.windows.commands     what wsl.exe ran in the distribution: [Ran], with its output
    machine.windows.service      tests/windows/service.py: every call of wsl.exe, faults
"""
import base64
import contextlib
import ctypes
import functools
import hashlib
import inspect
import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import images
from machine import Failed, launch

sys.path.append(str(images.HERE.parent / "windows"))
import frames  # noqa: E402
import service  # noqa: E402
import wine  # noqa: E402

WINDOWS = images.HERE.parents[1] / "windows"
# Everything on the drive is of the distribution's first user, whoever makes it, as drvfs shows it: QEMU and wine run as that uid.
UID = 1000
NAME = "Debian"
CLONE_NEWNS, MS_BIND, MS_REC, MS_PRIVATE = 0x20000, 0x1000, 0x4000, 0x40000


@functools.cache
def programs():
    """The folder of the Windows programs: ours, and the test's doubles."""
    sources = [f for f in sorted(WINDOWS.rglob("*")) if f.is_file() and "target" not in f.parts]
    sources += [wine.HERE / "double/wsl.rs", images.HERE / "host/wslhost.rs"]
    digest = hashlib.sha256(b"\0".join(f.read_bytes() for f in sources)).hexdigest()[:12]

    def build(into, _scratch):
        wine.double(into)
        wine.compile_windows(images.HERE / "host/wslhost.rs", into / "wslhost.exe")
        subprocess.run(["nice", str(WINDOWS / "build"), str(into)], check=True, stdout=subprocess.DEVNULL)
    return images.built(images.CACHE / f"windows-{digest}", build)


def template():
    """A fresh Windows with the user dev."""
    version = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", "wine64"], stdout=subprocess.PIPE, check=True).stdout
    digest = hashlib.sha256(version + inspect.getsource(template).encode()).hexdigest()[:12]

    def build(into, _scratch):
        scratch = Path("/tmp") / f"{into.name}.{os.getpid()}"
        try:
            scratch.mkdir(mode=0o755)
            passwd(scratch)
            prefix = DevsPrefix(scratch / "windows")
            # as Windows has it: capital letters, and the user's folders are folders, not links to the host's
            (prefix.drive / "users").rename(prefix.drive / "Users")
            for name, real in [("Windows", "windows"), ("windows/System32", "system32")]:  # wine itself asks for these as they are
                (prefix.drive / name).symlink_to(real)
            for file in prefix.folder.glob("*.reg"):
                file.write_bytes(file.read_bytes().replace(rb"C:\\users", rb"C:\\Users"))
            for link in [p for p in prefix.profile.rglob("*") if p.is_symlink()]:
                link.unlink()
                link.mkdir()
                os.chown(link, UID, UID)
            shutil.move(prefix.folder, into / "windows")
        finally:
            shutil.rmtree(scratch)
    return images.built(images.CACHE / f"wine-{digest}", build) / "windows"


def passwd(folder):
    """wine looks up its user by the UID, which another account of this host may have."""
    file = folder / "passwd"
    file.write_text(f"dev:x:{UID}:{UID}::{folder}:/bin/sh\n")
    return file


class DevsPrefix(wine.Prefix):
    """A prefix whose Windows user is dev, with the uid of the distribution's first user."""

    def __init__(self, folder):
        if not folder.exists():
            os.makedirs(folder.parent, exist_ok=True)
            os.chown(folder.parent, UID, UID)
        self.passwd = str(folder.parent / "passwd").encode()
        super().__init__(folder, owner=wine.Owner("dev", UID))

    @property
    def profile(self):
        return self.drive / "Users/dev"

    def identity(self):
        libc = ctypes.CDLL(None, use_errno=True)

        def become():
            os.umask(0o022)
            if libc.unshare(CLONE_NEWNS) or libc.mount(None, b"/", None, MS_REC | MS_PRIVATE, None) or libc.mount(self.passwd, b"/etc/passwd", None, MS_BIND, None):
                raise OSError(ctypes.get_errno(), "a view of /etc/passwd for wine")
            os.setgroups([])
            os.setresgid(UID, UID, UID)
            os.setresuid(UID, UID, UID)
        return {"preexec_fn": become}


@dataclass
class Started:
    """A Windows program that Linux started."""
    program: str
    args: list
    job: bool  # by the distribution's own socket
    code: int = None  # None: it runs, or Linux went away first


class Ran:
    """A command that wsl.exe ran in the distribution."""

    def __init__(self, request):
        self.argv, self.user, self.terminal, self.output, self.code = request.argv, request.user, request.terminal, bytearray(), None

    @property
    def text(self):
        return self.output.decode(errors="replace")


class Backend(service.Backend):
    """WSL's service: one distribution, in the machine."""

    def __init__(self, machine, commands):
        self.machine, self.commands, self.version = machine, commands, machine.wsl

    def names(self):
        return [NAME]

    def running(self):
        return [NAME] if self.machine.up else []

    def terminate(self, name):
        self.machine.terminate()

    def shutdown(self):
        self.machine.stop()

    def start(self, name):
        self.machine.ensure()

    def execute(self, request, link):
        ran = Ran(request)
        self.commands.append(ran)
        pass_on = link.frame

        def frame(kind, data):
            ran.output += data if kind in (1, 2) else b""
            pass_on(kind, data)

        link.frame = frame
        argv = ["/bin/bash", "-c", request.argv[0]] if request.shell and request.argv else request.argv or ["/bin/bash", "-l"]
        directory = {None: "/mnt/c/Users/dev", "~": None}.get(request.directory, linux_path(request.directory))
        try:
            channel = self.machine.ensure(lambda: self.machine.connect(argv, request.user or "dev", directory, request.env, terminal=request.terminal))
        except (OSError, EOFError, Failed):  # Failed: the distribution does not start
            raise frames.Died from None
        ran.code = link.bridge(channel)
        return ran.code


def linux_path(path):
    return "/mnt/" + path[0].lower() + path[2:].replace("\\", "/") if path and path[1:2] == ":" else path


class Windows:
    def __init__(self, machine):
        """Makes the machine's drive. Runs until end()."""
        self.machine, self.programs = machine, programs()
        folder, source = machine.folder / "windows", template()
        subprocess.run(["cp", "-a", str(source), str(folder)] if source.stat().st_dev != machine.folder.stat().st_dev else
                       ["/bin/sh", "-ec", 'mkdir "$2"; cp -a "$1"/*.reg "$1/.update-timestamp" "$1/dosdevices" "$2/"; mkdir "$2/drive_c"; cd "$1/drive_c"; cp -al windows "$2/drive_c/"; '
                        'for part in *; do [ "$part" = windows ] || cp -a "$part" "$2/drive_c/"; done; chown --reference="$1" "$2" "$2/drive_c"', "sh", str(source), str(folder)], check=True)
        passwd(machine.folder)
        self.prefix, self.wslhost = DevsPrefix(folder), folder / "wslhost.exe"
        self.started, self.commands, self.jobs = [], [], []
        self.service, self.listener = service.Service(Backend(machine, self.commands)), socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.prefix.install(self.programs / "wsl.exe", self.service.port)
        shutil.copy(self.programs / "wslhost.exe", self.wslhost)
        # a virtual screen: without one wine has no console windows
        self.screen = launch(["setpriv", "--pdeathsig", "KILL", "Xvfb", "-displayfd", "1", "-screen", "0", "1024x768x24", "-nolisten", "tcp"],
                             stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.prefix.display = f":{self.screen.stdout.readline().decode().strip()}"
        try:
            self.prefix.up()
        except Exception:
            self.end()
            raise
        threading.Thread(target=self.accept, daemon=True).start()

    def end(self):
        """Ends all that runs in this Windows, and nothing else."""
        self.service.close()
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.distribution_ended()
        self.prefix.end()
        self.screen.terminate()
        self.screen.wait()

    def distribution_ended(self):
        """The programs in its job end with it."""
        while self.jobs:
            hang_up(self.jobs.pop())

    # -- interop

    def accept(self):
        while True:
            try:
                linux, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(linux,), daemon=True).start()

    def serve(self, linux):
        """One program that Linux starts: joins /init of the machine to a wslhost.exe."""
        with linux, contextlib.suppress(OSError, EOFError):
            parts = [frames.read_exactly(linux, frames.read_number(linux)) for _ in range(frames.read_number(linux))]
            words = [p.decode().partition("=")[::2] for p in parts]
            started = Started(next(v for k, v in words if k == "exe"), [v for k, v in words if k == "a"], ("job", "") in words)
            self.started.append(started)
            host = self.host(started.job)
            path = self.program(started.program)
            parts = [b"exe=" + path.encode() if p.startswith(b"exe=") else p for p in parts]
            host.sendall(struct.pack("<I", len(parts)) + b"".join(struct.pack("<I", len(p)) + p for p in parts))
            if started.job:
                self.jobs.append(host)
            threading.Thread(target=feed, args=(linux, host), daemon=True).start()
            try:
                while started.code is None:
                    kind, data = frames.read_frame(host)
                    if kind == 3:
                        started.code = struct.unpack("<i", data)[0]
                    linux.sendall(struct.pack("<BI", kind, len(data)) + data)
            finally:
                if not started.job:
                    hang_up(host)
                if path != started.program:
                    self.prefix.host(path).unlink()

    def program(self, path):
        """Where wine finds it. What lies on the distribution's disk is on a network drive for Windows; here it is fetched."""
        share = "\\\\wsl.localhost\\Debian"
        if not path.startswith(share):
            return path
        inside = path.removeprefix(share).replace("\\", "/")
        with tempfile.NamedTemporaryFile(dir=self.prefix.folder, prefix="share-", suffix="-" + inside.rsplit("/", 1)[1], delete=False) as file:
            fetched = self.machine.exec(["/usr/bin/base64", inside], user="root", raw=True)
            file.write(base64.b64decode(fetched.out))
        os.chmod(file.name, 0o755)
        return self.prefix.windows(file.name)

    def host(self, job):
        """A new wslhost.exe, and the connection to it."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.settimeout(30)
            process = self.prefix.start([self.wslhost, listener.getsockname()[1], *(["job"] if job else [])], cwd=self.prefix.drive,
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            threading.Thread(target=process.wait, daemon=True).start()
            host, _ = listener.accept()
        host.settimeout(None)
        return host

    # -- for the checks

    def folder(self):
        """Where kind-wsl's own files on Windows are."""
        return self.prefix.profile / "AppData/Local/kind-wsl"

    def result(self):
        """{key: value} of the newest result file of the helper; empty when there is none."""
        files = sorted(self.folder().glob("*.result"), key=lambda f: f.stat().st_mtime)
        return dict(line.split("=", 1) for line in files[-1].read_text().splitlines() if "=" in line) if files else {}

    def wait_for_state(self, state, timeout):
        """Waits until the helper's result says so."""
        end = time.monotonic() + timeout
        while (now := self.result().get("state")) != state:
            if time.monotonic() > end or now in ("abandoned", "hung", "failed"):
                raise TimeoutError(f"the helper's state never was {state}: {self.result()}\n{self.logs()}")
            time.sleep(0.2)
        return self.result()

    def running(self):
        """{pid: command line} of the programs that run, but for the test's own."""
        return {pid: line for pid, line in self.prefix.processes().items() if "wslhost.exe" not in line}

    def logs(self):
        return "\n".join(f"{f.name}:\n{f.read_text(errors='replace')[-2000:]}" for f in self.folder().glob("*.log"))

    def press_enter(self, title):
        """In the window of this title, if there is one by now."""
        def xdotool(*words):
            return subprocess.run(["xdotool", *words], env={"DISPLAY": self.prefix.display, "PATH": "/usr/bin:/bin"}, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout.split()

        for window in xdotool("search", "--name", f"^{title}$"):
            xdotool("windowfocus", "--sync", window)
            xdotool("key", "Return")

    def stops(self):
        """The stops that wsl.exe was asked for."""
        return [line for line in self.service.lines() if line.split(" ")[0] in ("--shutdown", "--terminate", "-t")]

    def files(self):
        """{path: what} of everything on the drive outside Windows' own folder."""
        found = {}
        for path in self.prefix.drive.rglob("*"):
            name = str(path.relative_to(self.prefix.drive))
            if not name.startswith("windows/"):
                state = path.lstat()
                found[name] = (state.st_mode, state.st_uid, hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() and not path.is_symlink() else "")
        return found


def feed(linux, host):
    """What Linux sends, and word of its going away."""
    with contextlib.suppress(OSError):
        try:
            while True:
                kind, data = frames.read_frame(linux)
                host.sendall(struct.pack("<BI", kind, len(data)) + data)
        except (OSError, EOFError):
            host.sendall(struct.pack("<BI", 9, 0))


def hang_up(connection):
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()
