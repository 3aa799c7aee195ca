"""One WSL machine: a disk, a Windows drive (a host folder), and QEMU while it is up.

    machine = Machine("debian-12", "classic", folder)
    machine.start(); machine.run("id -un").out; machine.wsl_shutdown()
"""
import concurrent.futures
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

import images
from channel import Channel, Failed

# The version that each layout's WSL reports. `isolated` existed in pre-releases 2.9.8 to 2.9.12 only.
LAYOUTS = {"classic": "2.2.4.0", "modern": "2.6.1.0", "isolated": "2.9.11.0", "isolated-poor": "2.9.11.0",
           "namespaced": "3.0.1.0", "namespaced-poor": "3.0.1.0"}
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


class Machine(Channel):
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
            settings = self.windows_conf()
            self.words = settings.get("wsl2.kernelcommandline", "")
            # WslCoreConfig.cpp reads true, false, 1 and 0 in any case
            safe, isolate = (str(settings.get(key, default).lower() in ("true", "1")).lower() for key, default in [("wsl2.safemode", "false"), ("wsl2.isolatedistrocgroup", "true")])
            interop = f"vm.interop={self.windows.port} " if self.windows else ""
            append = f"console=ttyS0 quiet loglevel=5 panic=-1 vm.layout={self.layout} vm.wsl={self.wsl} vm.safe={safe} vm.isolate={isolate} {interop}{self.words}"
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
        while time.time() - begin < 180:
            if self.qemu.poll() is not None:
                raise Failed(f"QEMU ended: {(self.folder / 'qemu.log').read_text()[-600:]}")
            try:
                # the guest's network takes the connection before the guest listens: short waits first, longer ones on a busy host
                if self.exec(["/bin/true"], user="root", raw=True, timeout=1 + (time.time() - begin) / 10).code == 0:
                    self.there = True
                    return time.time() - begin
            except (OSError, Failed):
                time.sleep(0.2)
        raise Failed(f"the machine did not come up in 180 s; the end of its console:\n{self.console()[-1500:]}")

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
        # long enough for a busy host: the disk has no journal that could repair it after a kill
        with socket.create_connection(("127.0.0.1", self.control), timeout=300) as link:
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

    def settle(self):
        """Waits until systemd's own start is over. On a busy host the user's manager, for which WSL waits only so long, may else not come in time beside it."""
        self.root("systemctl is-system-running --wait || true", timeout=600)

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

    def write_wslconfig(self, content):
        """What a user does in an editor on Windows."""
        file = self.profile / ".wslconfig"
        file.write_bytes(content)
        os.chown(file, UID, UID)

    def console(self):
        return self.serial.read_text(errors="replace") if self.serial.exists() else ""

    def warnings(self):
        """What WSL said at this start."""
        return [line.split("wsl: ", 1)[1].strip() for line in self.console()[self.console_from:].splitlines() if "wsl: " in line]


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
