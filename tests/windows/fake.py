"""A backend without machines: distributions that are names, and one Linux program that answers as it is told."""
import subprocess
import threading
from pathlib import Path

import service

PROGRAM = "/usr/local/bin/kind-wsl"


class Windows(service.Backend):
    """Two distributions, both up. `bin`: the folder of the host that plays /usr/local/bin."""

    def __init__(self, folder):
        self.bin, self.lock = Path(folder), threading.RLock()
        self.bin.mkdir(parents=True, exist_ok=True)
        self.new()

    def new(self):
        """As at the beginning."""
        self.installed, self.up = ["Ubuntu-24.04", "Debian"], {"Ubuntu-24.04", "Debian"}
        self.codes, self.waiting, self.reply, self.inspect = [], [], None, None
        self.broken, self.config = set(), None
        # The virtual machine; None: it does not run. It keeps what it read from .wslconfig when it started (LxssUserSession.cpp:2884-2897).
        self.safe_mode = False
        self.input_limit = None
        self.program("0.1.0")

    def program(self, version):
        """Which Linux program is in the distributions; None: none."""
        file = self.bin / "kind-wsl"
        file.unlink(missing_ok=True)
        if version:
            file.write_text(f"#!/bin/sh\necho 'kind-wsl {version}'\n")
            file.chmod(0o755)

    # -- what wsl.exe manages

    def names(self):
        return list(self.installed)

    def running(self):
        return set(self.up)

    def start(self, name):
        """Whether it starts. In safe mode everything does: systemd, fstab and the boot command are off."""
        if self.safe_mode is None:
            self.safe_mode = self.reads_safe_mode()
        if name in self.broken and not self.safe_mode:
            return False
        self.up.add(name)
        return True

    def reads_safe_mode(self):
        """`[wsl2] safeMode` of .wslconfig: the first one counts, in UTF-16LE with its mark or in UTF-8 (configfile.cpp:187-198)."""
        if not self.config or not self.config.exists():
            return False
        content = self.config.read_bytes()
        text = content[2:].decode("utf-16-le", "replace") if content.startswith(b"\xff\xfe") else content.decode("utf-8-sig", "replace")
        section = ""
        for line in (line.strip() for line in text.splitlines()):
            if line.startswith("[") and line.endswith("]"):
                section = line[1:-1].lower()
            key, _, value = (part.strip().lower() for part in line.partition("="))
            if (section, key) == ("wsl2", "safemode"):
                return value == "true"
        return False

    def terminate(self, name):
        self.look(f"--terminate {name}")
        self.up.discard(name)

    def shutdown(self):
        self.look("--shutdown")
        self.up.clear()
        self.safe_mode = None

    def look(self, what):
        if self.inspect:
            self.inspect(what)

    # -- commands

    def execute(self, request, link):
        if not self.start(request.distribution):
            link.say(service.GERMAN["broken"])
            return service.FAILURE
        self.look(" ".join(request.argv))
        argv = request.argv
        if argv == ["/bin/true"]:
            return 0
        if argv[0] == "/bin/sh":
            return self.shell(request, link)
        if argv[:2] == [PROGRAM, "--version"]:
            return self.version(link)
        if argv[:3] == [PROGRAM, "status", "--waiting"]:
            link.out(self.waiting.pop(0) if self.waiting else "")
            return 0
        if self.reply:
            return self.reply(request, link)
        return self.codes.pop(0) if self.codes else 0

    def version(self, link):
        file = self.bin / "kind-wsl"
        if not file.exists():
            link.err(f"<3>WSL (123 - Relay) ERROR: CreateProcessCommon:798: execvpe({PROGRAM}) failed: No such file or directory\n")
            return 1
        done = subprocess.run(["/bin/sh", str(file), "--version"], stdout=subprocess.PIPE, check=False)
        link.out(done.stdout)
        return done.returncode

    def shell(self, request, link):
        """The real shell, with its /usr/local/bin elsewhere."""
        words = [word.replace("/usr/local/bin", str(self.bin)).replace("/var/lib/kind-wsl", str(self.bin)) for word in request.argv]
        content = b"" if "WSL_DISTRO_NAME" in words[2] else link.read_all()[: self.input_limit]
        done = subprocess.run(words, input=content, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False,
                              env={"PATH": "/usr/bin:/bin", "WSL_DISTRO_NAME": request.distribution})
        link.out(done.stdout.replace(str(self.bin).encode(), b"/usr/local/bin"))
        link.err(done.stderr)
        return done.returncode
