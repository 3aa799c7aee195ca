"""How a command gets into a machine that runs: the other end of guest/channel.rs.

    Channel(port).run("id -un").out

A Machine is one of these. It needs nothing but the port, so that a program of its own, such as ansible's connection, can use it too.
"""
import os
import select
import socket
import struct
import sys
import termios
import time
import tty
from dataclasses import dataclass


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


class Channel:
    def __init__(self, port):
        self.port = port

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
