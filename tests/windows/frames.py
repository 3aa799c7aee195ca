"""The connection between the double of wsl.exe and its service: frames of input, output and exit code."""
import contextlib
import queue
import socket
import struct
import threading


class Died(Exception):
    """The machine of a running command went away: its wsl.exe ends with 1, without a message."""


class Link:
    """The connection to one wsl.exe."""

    def __init__(self, connection, utf8):
        self.connection, self.utf8, self.lock = connection, utf8, threading.Lock()
        self.input, self.gone, self.dead = queue.Queue(), threading.Event(), threading.Event()
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        try:
            while True:
                _, data = read_frame(self.connection)
                self.input.put(data)
        except (OSError, EOFError):
            self.gone.set()
            self.input.put(None)

    def read(self, timeout=None):
        """The next piece of standard input; b"" at its end; None when wsl.exe is gone (or the time is over)."""
        try:
            return self.input.get(timeout=timeout)
        except queue.Empty:
            return None

    def read_all(self):
        """Standard input to its end."""
        pieces = []
        while piece := self.read():
            pieces.append(piece)
        return b"".join(pieces)

    def frame(self, kind, data):
        with self.lock, contextlib.suppress(OSError):
            self.connection.sendall(struct.pack("<BI", kind, len(data)) + data)

    def out(self, data):
        """What the Linux command writes: bytes as they are; text in UTF-8."""
        self.frame(1, data.encode() if isinstance(data, str) else data)

    def err(self, data):
        self.frame(2, data.encode() if isinstance(data, str) else data)

    def say(self, text, kind=1):
        """wsl.exe's own text: UTF-16LE without BOM unless WSL_UTF8=1; CRLF."""
        self.frame(kind, text.replace("\n", "\r\n").encode("utf-8" if self.utf8 else "utf-16-le"))

    def finish(self, code):
        self.frame(3, struct.pack("<i", code))

    def end(self):
        """Nothing more comes. Closed only when the client has read all: what it still sends to a closed connection would throw away what it has
        not read yet."""
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_WR)
        self.gone.wait(10)
        self.close()

    def cut(self):
        """The machine dies under this client."""
        self.dead.set()
        self.close()

    def close(self):
        self.input.put(None)
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)
        with contextlib.suppress(OSError):
            self.connection.close()

    def bridge(self, channel):
        """Joins this wsl.exe to a channel of a machine that speaks the same frames (in: 0; out: 1, 2, 3). Returns the exit code; raises Died
        when the channel breaks. When wsl.exe goes away the channel is closed, and the command with it."""

        def feed():
            with contextlib.suppress(OSError):
                while (data := self.read()) is not None:
                    channel.sendall(struct.pack("<BI", 0, len(data)) + data)
                channel.shutdown(socket.SHUT_RDWR)

        channel.settimeout(None)
        threading.Thread(target=feed, daemon=True).start()
        try:
            while True:
                kind, data = read_frame(channel)
                if kind == 3:
                    return struct.unpack("<i", data)[0]
                self.frame(kind, data)
        except (OSError, EOFError):
            raise Died from None
        finally:
            channel.close()


def read_request(connection):
    args, env, utf8, terminal = [], {}, False, None
    for _ in range(read_number(connection)):
        key, _, value = read_exactly(connection, read_number(connection)).decode().partition("=")
        if key == "arg":
            args.append(value)
        elif key == "env":
            name, _, content = value.partition("=")
            env[name] = content
        elif key == "utf8":
            utf8 = value == "1"
        elif key == "tty":
            rows, columns = value.split("x")
            terminal = (int(rows), int(columns))
    return args, env, utf8, terminal


def read_frame(connection):
    kind, length = struct.unpack("<BI", read_exactly(connection, 5))
    return kind, read_exactly(connection, length)


def read_number(connection):
    return struct.unpack("<I", read_exactly(connection, 4))[0]


def read_exactly(connection, count):
    data = bytearray()
    while len(data) < count:
        more = connection.recv(count - len(data))
        if not more:
            raise EOFError
        data += more
    return bytes(data)
