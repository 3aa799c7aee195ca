"""One WSL machine: a disk, a Windows drive (a host folder), and QEMU while it is up.

    machine = Machine("debian-12", "classic", folder)
    machine.start(); machine.run("id -un").out; machine.wsl_shutdown()
"""
import concurrent.futures
import os
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import termios
import threading
import time
import tty
from dataclasses import dataclass
from pathlib import Path

import images

# The version that each layout's WSL says it has; the isolated ones are of WSL's next release.
LAYOUTS = {"classic": "2.2.4.0", "modern": "2.6.1.0", "isolated": "2.9.11.0", "isolated-poor": "2.9.11.0"}
# One processor: with two the emulated kernel locked up once in some sixty starts, each waiting for the other's answer
# to a TLB flush. Two machines run side by side, so nothing is lost.
QEMU = ("qemu-system-x86_64 -M q35,hpet=off -accel tcg,thread=multi,tb-size=512 -cpu max -smp 1 -m 4G -nodefaults -no-user-config "
        "-display none -no-reboot -device virtio-rng-pci").split()

# All files of the drive are the first user's, whoever in the machine makes them, as drvfs shows them: QEMU runs as that uid.
# It may still read what the cache holds, wherever that is; and it ends with the test.
UID = 1000
OWNER = f"{UID}:{UID}"
AS_OWNER = f"setpriv --reuid {UID} --regid {UID} --clear-groups --inh-caps +dac_read_search --ambient-caps +dac_read_search --pdeathsig KILL".split()

LAUNCHER = concurrent.futures.ThreadPoolExecutor(1)


class Failed(Exception):
    """A command of a check ended otherwise than expected, or a check's condition does not hold."""


@dataclass
class Result:
    code: int
    out: str
    err: str
    seconds: float

    @property
    def text(self):
        return self.out + self.err


class Machine:
    def __init__(self, system, layout, folder, wsl=None, warm=True, disk=None, windows=False):
        """A new machine in `folder`; `disk`: a disk to start from instead of the distribution's own; `windows`: with Windows programs and interop."""
        self.layout, self.wsl, self.qemu, self.words = layout, wsl or LAYOUTS[layout], None, ""
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.disk, self.drive, self.serial = self.folder / "disk.img", self.folder / "c", self.folder / "serial.log"
        self.program, self.kernel, self.initrd = images.guest(), images.kernel(), images.initrd()
        copy_sparse(disk or images.disk(system, warm), self.disk)
        self.lock, self.there, self.console_from, self.windows = threading.RLock(), False, 0, None
        if windows:
            from windows import Windows
            self.windows = Windows(self)
            self.drive = self.windows.prefix.drive
        else:
            (self.drive / "Windows/System32/Wbem").mkdir(parents=True, exist_ok=True)
        self.profile = self.drive / "Users/dev"
        (self.profile / "AppData/Local/Microsoft/WindowsApps").mkdir(parents=True, exist_ok=True)
        subprocess.run(["chown", "-R", OWNER, str(self.profile), str(self.disk)], check=True)
        subprocess.run(["chown", OWNER, str(self.drive), str(self.folder)], check=True)

    # -- up and down

    @property
    def up(self):
        """Whether the distribution runs."""
        return self.there and self.qemu.poll() is None

    def start(self):
        """What Windows does for the first wsl.exe: reads .wslconfig, starts the virtual machine. Returns the seconds until a command runs."""
        with self.lock:
            self.port, self.control = free_port(), free_port()
            self.words = self.windows_conf().get("wsl2.kernelcommandline", "")
            interop = f"vm.interop={self.windows.port} " if self.windows else ""
            append = f"console=ttyS0 quiet loglevel=5 panic=-1 vm.layout={self.layout} vm.wsl={self.wsl} {interop}{self.words}"
            shares = ["-fsdev", f"local,id=c,path={self.drive},security_model=none,multidevs=remap", "-device", "virtio-9p-pci,fsdev=c,mount_tag=C:\\",
                      "-fsdev", f"local,id=m,path={self.kernel / 'modules'},security_model=none,readonly=on", "-device", "virtio-9p-pci,fsdev=m,mount_tag=modules"]
            forwards = f"hostfwd=tcp:127.0.0.1:{self.port}-:2222,hostfwd=tcp:127.0.0.1:{self.control}-:2223"
            self.console_from = 0
            self.serial.write_bytes(b"")
            os.chown(self.serial, UID, UID)
            self.qemu = launch(
                [*AS_OWNER, *QEMU, "-kernel", str(self.kernel / "vmlinuz"), "-initrd", str(self.initrd), "-append", append, "-serial", f"file:{self.serial}",
                 "-drive", f"if=none,id=d,file={self.disk},format=raw,cache=unsafe,discard=unmap", "-device", "virtio-blk-pci,drive=d",
                 "-netdev", f"user,id=n,{forwards}", "-device", "virtio-net-pci,netdev=n,romfile=", *shares],
                stdin=subprocess.DEVNULL, stdout=open(self.folder / "qemu.log", "ab"), stderr=subprocess.STDOUT)
            return self.wait_for_channel()

    def wait_for_channel(self):
        begin = time.time()
        while time.time() - begin < 90:
            if self.qemu.poll() is not None:
                raise Failed(f"QEMU ended: {(self.folder / 'qemu.log').read_text()[-600:]}")
            try:
                # the guest's network takes the connection before the guest listens: short waits, then again
                if self.exec(["/bin/true"], user="root", raw=True, timeout=1).code == 0:
                    self.there = True
                    return time.time() - begin
            except (OSError, Failed):
                time.sleep(0.2)
        raise Failed(f"the machine did not come up in 90 s; the end of its console:\n{self.console()[-1500:]}")

    def ensure(self, then=lambda: None):
        """What every wsl.exe does first: starts what is down. `then` is done before anybody can stop it again."""
        with self.lock:
            if not self.up:
                if self.qemu and self.qemu.poll() is None:
                    self.order("start")
                    self.wait_for_channel()
                else:
                    self.start()
            return then()

    def terminate(self):
        """`wsl.exe --terminate`: ends the distribution; the virtual machine lives on."""
        with self.lock:
            if self.up:
                self.there = False
                self.console_from = len(self.console())
                answer = self.order("terminate")
                if answer != "stopped":
                    raise Failed(f"the distribution did not stop: {answer}")
                self.distribution_ended()

    def order(self, word):
        """To the virtual machine's own first process."""
        with socket.create_connection(("127.0.0.1", self.control), timeout=60) as link:
            link.sendall(f"{word}\n".encode())
            return link.makefile().readline().strip()

    def distribution_ended(self):
        self.there = False
        if self.windows:
            self.windows.distribution_ended()

    def stop(self):
        """Ends the machine in order: its processes, then its disk, then the virtual machine."""
        with self.lock:
            self.there = False
            if self.qemu and self.qemu.poll() is None:
                try:
                    self.order("halt")
                except OSError:
                    pass
            self.cut()

    def cut(self):
        """The power goes."""
        with self.lock:
            if self.qemu and self.qemu.poll() is None:
                self.qemu.send_signal(signal.SIGKILL)
                self.qemu.wait()
            self.distribution_ended()

    def end(self):
        """Machine and Windows, for good."""
        self.cut()
        if self.windows:
            self.windows.end()

    def wsl_shutdown(self):
        """`wsl.exe --shutdown`, then the next wsl.exe. Returns the seconds until a command runs."""
        self.stop()
        return self.start()

    def save(self, path):
        """Keeps the disk of this machine, which is down."""
        copy_sparse(self.disk, path)

    # -- what can be seen from Windows

    def windows_conf(self):
        """What the Windows service takes from .wslconfig: {section.key: value}."""
        file = self.profile / ".wslconfig"
        if not file.exists():
            return {}
        lines = subprocess.run([str(self.program), "conf", str(file), "wslconfig"], stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()
        return dict(line.split("=", 1) for line in lines[:-1])

    def console(self):
        return self.serial.read_text(errors="replace") if self.serial.exists() else ""

    def warnings(self):
        """What WSL said at this start."""
        return [line.split("wsl: ", 1)[1].strip() for line in self.console()[self.console_from:].splitlines() if "wsl: " in line]

    # -- commands

    def connect(self, argv, user="dev", cwd=None, env=None, raw=False, terminal=None, timeout=600):
        parts = [f"u={user}"] + ([f"d={cwd}"] if cwd else []) + (["raw="] if raw else []) + ([f"t={terminal[0]}x{terminal[1]}"] if terminal else [])
        parts += [f"e={k}={v}" for k, v in (env or {}).items()] + [f"a={a}" for a in argv]
        link = socket.create_connection(("127.0.0.1", self.port), timeout=min(timeout, 10))
        link.settimeout(timeout)
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        link.sendall(struct.pack("<I", len(parts)) + b"".join(block(p.encode()) for p in parts))
        return link

    def exec(self, argv, user="dev", cwd=None, env=None, stdin=b"", raw=False, timeout=600):
        """A command as `wsl.exe -u USER --exec ARGV` starts it: outside any login session, standard output and error apart."""
        begin, streams = time.time(), {1: bytearray(), 2: bytearray()}
        try:
            with self.connect(argv, user, cwd, env, raw, None, timeout) as link:
                link.sendall((b"\0" + block(stdin) if stdin else b"") + b"\0" + block(b""))
                while True:
                    if time.time() - begin > timeout:
                        raise TimeoutError
                    kind, data = read_frame(link)
                    if kind == 3:
                        code = struct.unpack("<i", data)[0]
                        break
                    streams[kind] += data
        except TimeoutError:
            tail = (streams[1] + streams[2])[-800:].decode(errors="replace")
            raise Failed(f"no end within {timeout} s: {' '.join(argv)}\n{tail}") from None
        return Result(code, streams[1].decode(errors="replace"), streams[2].decode(errors="replace"), time.time() - begin)

    def run(self, script, **how):
        """A shell command line."""
        return self.exec(["/bin/sh", "-c", script], **how)

    def must(self, script, **how):
        """`run` that fails the check when the command does."""
        result = self.run(script, **how)
        if result.code:
            raise Failed(f"exit {result.code}: {script}\n{result.text[-1500:]}")
        return result

    def root(self, script, **how):
        """The test's own look into the machine; not something that wsl.exe starts."""
        return self.must(script, user="root", raw=True, **how)

    def terminal(self, argv, size=(24, 80), **how):
        return Terminal(self.connect(argv, terminal=size, **how))


class Terminal:
    """A command on a terminal of the machine."""

    def __init__(self, link):
        self.link, self.seen, self.code, self.cut = link, "", None, False

    def type(self, text):
        self.link.sendall(b"\0" + block(text.encode()))

    def expect(self, text, timeout=120):
        """Waits until `text` appears in what has not been waited for yet; returns what was there up to and with it."""
        end = time.time() + timeout
        while text not in self.seen:
            if self.code is not None or time.time() > end:
                raise Failed(f"the terminal never showed {text!r}; it showed:\n{self.seen[-1500:]}")
            self.read(end - time.time())
        at = self.seen.index(text) + len(text)
        shown, self.seen = self.seen[:at], self.seen[at:]
        return shown

    def finish(self, timeout=600):
        """Waits for the end; returns what was not waited for yet. The exit code is in `code`."""
        end = time.time() + timeout
        while self.code is None:
            if time.time() > end:
                raise Failed(f"the command on the terminal did not end; it showed:\n{self.seen[-1500:]}")
            self.read(end - time.time())
        return self.seen

    def read(self, patience):
        ready, _, _ = select.select([self.link], [], [], max(0.05, patience))
        if ready:
            try:
                kind, data = read_frame(self.link)
            except (Failed, OSError):
                self.code, self.cut = 1, True  # the machine went down: what wsl.exe says then
                return
            if kind == 3:
                self.code = struct.unpack("<i", data)[0]
            else:
                self.seen += data.decode(errors="replace")

    def attach(self):
        """This process's own terminal becomes the machine's, until the command ends. Returns its exit code."""
        there = os.isatty(0)
        old = termios.tcgetattr(0) if there else None
        try:
            if there:
                tty.setraw(0)
                cols, rows = os.get_terminal_size()
                self.link.sendall(b"\1" + block(struct.pack("<HH", rows, cols)))
            while True:
                ready, _, _ = select.select([self.link] + ([0] if there else []), [], [])
                if 0 in ready:
                    self.link.sendall(b"\0" + block(os.read(0, 4096)))
                if self.link in ready:
                    try:
                        kind, data = read_frame(self.link)
                    except (Failed, OSError):
                        self.cut = True
                        return 1
                    if kind == 3:
                        return struct.unpack("<i", data)[0]
                    sys.stdout.buffer.write(data)
                    sys.stdout.buffer.flush()
        finally:
            if there:
                termios.tcsetattr(0, termios.TCSADRAIN, old)


def block(data):
    return struct.pack("<I", len(data)) + data


def read_frame(link):
    kind, length = struct.unpack("<BI", read_exactly(link, 5))
    return kind, read_exactly(link, length)


def read_exactly(link, count):
    data = b""
    while len(data) < count:
        more = link.recv(count - len(data))
        if not more:
            raise Failed("the machine closed the channel (did it go down?)")
        data += more
    return data


def launch(argv, **how):
    """A process that ends with the test. The kernel sees to that when the thread ends that started it: hence one that stays."""
    return LAUNCHER.submit(subprocess.Popen, argv, **how).result()


def copy_sparse(source, target):
    subprocess.run(["cp", "--sparse=always", "--reflink=auto", str(source), str(target)], check=True)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def throw_away(folder):
    shutil.rmtree(folder, ignore_errors=True)
