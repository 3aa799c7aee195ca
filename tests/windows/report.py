"""One line a check, as it ends, with what was seen; the closing line counts them."""
import contextlib
import threading
import time


class Failed(Exception):
    """A check's condition does not hold."""


class Report:
    def __init__(self):
        self.begin, self.passed, self.failed, self.lock = time.monotonic(), 0, 0, threading.Lock()

    def line(self, part, text):
        with self.lock:
            print(f"{time.monotonic() - self.begin:6.1f}s {part:<8} {text}", flush=True)

    def count(self, passed, failed):
        with self.lock:
            self.passed, self.failed = self.passed + passed, self.failed + failed

    @contextlib.contextmanager
    def check(self, part, what):
        """A check: passes unless its block raises. What it saw is given to the function that it gets."""
        begin, seen = time.monotonic(), []
        try:
            yield seen.append
        except Exception as error:  # a check's own mistake is a failed check too, and shows
            self.count(0, 1)
            self.line(part, f"FAILED {what} ({time.monotonic() - begin:.1f} s)")
            for line in (str(error) if isinstance(error, Failed) else f"{type(error).__name__}: {error}").splitlines():
                self.line(part, f"       {line}")
        else:
            self.count(1, 0)
            self.line(part, f"ok     {what}{': ' if seen else ''}{'; '.join(map(str, seen))} ({time.monotonic() - begin:.1f} s)")

    def close(self):
        print(f"{self.passed} passed, {self.failed} failed", flush=True)
        return 1 if self.failed or not self.passed else 0


def expect(holds, otherwise):
    if not holds:
        raise Failed(str(otherwise))


def equal(found, expected):
    if found != expected:
        raise Failed(f"found    {found!r}\nexpected {expected!r}")


def until(condition, what, timeout=20):
    """Waits for what must come: polls, bounded. Returns the condition's value."""
    end = time.monotonic() + timeout
    while not (value := condition()):
        if time.monotonic() > end:
            raise Failed(f"within {timeout} s there was not: {what}")
        time.sleep(0.02)
    return value
