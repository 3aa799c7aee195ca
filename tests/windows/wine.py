"""Windows, as far as wine plays it: prefixes, the programs in them, and the building of Windows programs. No side effects on import.

    prefix = Prefix(folder / "prefix", template=folder / "template")  # the template is made when it is not there
    prefix.up()
    prefix.install(double(folder), service.port)
    result = prefix.run([program, "look"]); result.code, result.out, result.err
    prefix.end()
"""
import contextlib
import os
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
LOADER, SERVER = "/usr/lib/wine/wine64", "/usr/lib/wine/wineserver64"
# What runs in every prefix as long as anything does; all else is ours.
OWN = ("wineserver", "services.exe", "winedevice.exe", "plugplay.exe", "svchost.exe", "rpcss.exe", "explorer.exe", "conhost.exe", "start.exe",
       "wineboot.exe", "rundll32.exe")


def compile_windows(source, target):
    """A small Windows program of one source file, by Debian's compiler. Rebuilt if the source is newer."""
    target = Path(target)
    if not target.exists() or target.stat().st_mtime < Path(source).stat().st_mtime:
        target.parent.mkdir(parents=True, exist_ok=True)
        options = "--edition 2021 -O -D warnings -C strip=symbols -C panic=abort -C linker=x86_64-w64-mingw32-gcc --target x86_64-pc-windows-gnu"
        subprocess.run(["/usr/bin/rustc", *options.split(), "-o", str(target), str(source)], check=True)
    return target


def double(folder):
    """The double of wsl.exe, built into `folder`. Returns its path."""
    return compile_windows(HERE / "double/wsl.rs", Path(folder) / "wsl.exe")


@dataclass
class Result:
    code: int  # as Unix shows it: 0 to 255
    out: str
    err: str
    seconds: float


@dataclass
class Owner:
    """Whose processes a prefix's are. wine takes the Windows user's name from $USER when the uid has no passwd entry."""
    name: str
    uid: int


class Prefix:
    """One Windows. Its C: drive is `drive`. `owner`: run as that uid, which needs root; else as this process's user."""

    def __init__(self, folder, template=None, owner=None):
        self.folder, self.owner, self.display = Path(folder), owner, None
        self.drive = self.folder / "drive_c"
        self.system32 = self.drive / "windows/system32"
        self.user = owner.name if owner else os.environ.get("USER") or "root"
        if not (self.folder / "system.reg").exists():  # which is there once a prefix is whole
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder.parent.mkdir(parents=True, exist_ok=True)
            if template:
                self.copy(Path(template))
            else:
                self.create()
                self.end()

    def up(self):
        """Turns this Windows on. Without it the first program would do so and hand its own pipes to wine's services, which keep them open;
        and with the last program the services would go."""
        self.as_owner([SERVER, "-p"], stderr=subprocess.DEVNULL)  # it would list, at its end, what it had to clean up
        if self.start(["cmd", "/c", "exit"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).wait(timeout=120):
            raise RuntimeError(f"wine does not start a program in {self.folder}")

    def create(self):
        """A fresh prefix: 693 MB of plain files, some seven seconds."""
        self.folder.mkdir()
        if self.owner:
            os.chown(self.folder, self.owner.uid, self.owner.uid)
        made = self.start(["wineboot", "--init"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if made.wait(timeout=180):
            raise RuntimeError(f"wineboot ended with {made.returncode} in {self.folder}")

    def copy(self, template):
        """Its own copy of the registry and of drive_c, hard links for Windows' own files: no process writes into those; a changed file is replaced."""
        Prefix(template, owner=self.owner)
        script = ('mkdir "$2" "$2/drive_c" && cp -a "$1/dosdevices" "$2/" && '
                  'cp -al "$1/drive_c/windows" "$2/drive_c/" && '
                  'for part in "$1"/drive_c/*; do [ "${part##*/}" = windows ] || cp -a "$part" "$2/drive_c/" || exit; done; '
                  'cp -p "$1/.update-timestamp" "$1"/*.reg "$2/"')
        self.as_owner(["/bin/sh", "-c", script, "sh", str(template), str(self.folder)])

    # -- programs

    @property
    def env(self):
        """What every program of this Windows is started with. Without `display` there are no windows, console windows included."""
        home = str(self.folder)
        return {"PATH": "/usr/bin:/bin", "HOME": home, "USER": self.user, "LOGNAME": self.user, "LC_ALL": "C.UTF-8", "LANG": "C.UTF-8", "WINEPREFIX": home,
                "WINEDEBUG": os.environ.get("WINEDEBUG", "-all"), "WINEDLLOVERRIDES": "mscoree,mshtml,winemenubuilder.exe=", "WINESERVER": SERVER} | ({"DISPLAY": self.display} if self.display else {})

    def identity(self):
        return {"user": self.owner.uid, "group": self.owner.uid, "extra_groups": []} if self.owner else {}

    def as_owner(self, argv, check=True, stderr=None):
        return subprocess.run(argv, env=self.env, check=check, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=stderr, cwd="/", **self.identity())

    def start(self, argv, env=None, cwd=None, **pipes):
        """Starts a program: a Windows path, a path of the host, or a name that Windows finds. Returns its Popen."""
        first = str(argv[0])
        return subprocess.Popen([LOADER, self.windows(first) if first.startswith("/") else first, *map(str, argv[1:])], env=self.env | (env or {}),
                                cwd=str(cwd or self.folder), **self.identity(), **pipes)

    def run(self, argv, stdin=b"", env=None, cwd=None, timeout=60):
        """Runs a program to its end, and to the end of its output. Ended by its id after `timeout`, with TimeoutExpired raised.
        Standard error is a file: wine hands descriptor 2 down to every process, whatever Windows would inherit."""
        begin = time.monotonic()
        with tempfile.TemporaryFile() as errors:
            process = self.start(argv, env, cwd, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors)
            try:
                out, _ = process.communicate(stdin, timeout)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                process.stdout.close()  # not read to its end: whoever else has it may live on
                raise
            errors.seek(0)
            return Result(process.returncode, out.decode(errors="replace"), errors.read().decode(errors="replace"), time.monotonic() - begin)

    def processes(self):
        """{pid: command line} of everything that runs in this prefix but what wine itself keeps."""
        found, mark = {}, f"WINEPREFIX={self.folder}".encode()
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                if entry.name.isdigit() and mark in (entry / "environ").read_bytes().split(b"\0"):
                    words = (entry / "cmdline").read_bytes().rstrip(b"\0").split(b"\0")
                    line = " ".join(w.decode(errors="replace") for w in words)
                    if line and not any(name in line.lower() for name in OWN):
                        found[int(entry.name)] = line
        return found

    def end(self, patience=20):
        """Turns this Windows off: ends everything in it, and nothing else. Waits until it is gone and the registry is on the disk."""
        self.as_owner([SERVER, "-k"], check=False)
        self.as_owner([SERVER, "-w"], check=False)
        limit = time.monotonic() + patience
        while self.processes():
            if time.monotonic() > limit:
                raise RuntimeError(f"still running in {self.folder}: {self.processes()}")
            time.sleep(0.05)

    # -- files

    def windows(self, path):
        """The Windows path of a path of the host."""
        path = Path(path)
        inside = path.is_relative_to(self.drive)
        return ("C:" if inside else "Z:") + "\\" + str(path.relative_to(self.drive) if inside else path).lstrip("/").replace("/", "\\")

    def host(self, path):
        """The host's path of a Windows path on C: or Z:."""
        root = {"c": self.drive, "z": Path("/")}[path[0].lower()]
        return root.joinpath(*[part for part in path[2:].split("\\") if part])

    @property
    def profile(self):
        return self.drive / "users" / self.user

    def put(self, source, path):
        """Copies a file of the host into this Windows, its owner's as everything there. `path` is the host's; a file there is replaced."""
        path = Path(path)
        self.as_owner(["mkdir", "-p", str(path.parent)])
        with open(source, "rb") as content:  # opened here: the owner may not be able to
            subprocess.run(["/bin/sh", "-c", 'rm -f "$1" && cat > "$1" && chmod 755 "$1"', "sh", str(path)], stdin=content, env=self.env, check=True, **self.identity())
        return path

    def install(self, program, port):
        """Puts the double of wsl.exe where Windows has wsl.exe, and tells it its service's port."""
        self.put(program, self.system32 / "wsl.exe")
        (self.system32 / "wsl.exe.port").write_text(f"{port}\n")

    def uninstall(self):
        """A Windows without WSL."""
        (self.system32 / "wsl.exe").unlink(missing_ok=True)
