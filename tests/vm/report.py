"""One line a check, as it ends; the closing line counts them."""
import contextlib
import threading
import time

from machine import Failed


class StoryEnds(Exception):
    """A condition of the rest of the story is not met."""


class Report:
    def __init__(self):
        self.begin, self.passed, self.lock = time.time(), 0, threading.Lock()
        self.failures = []

    def line(self, story, text):
        with self.lock:
            print(f"{time.time() - self.begin:6.0f}s {story:<24} {text}", flush=True)

    def story(self, name):
        return Story(self, name)

    def fail(self, story, why):
        with self.lock:
            self.failures.append(f"{story}: {why}")

    def close(self):
        """The failures once more, since often only the end of a log is kept, and the closing line."""
        for failure in self.failures:
            print(f"FAILED {failure}", flush=True)
        print(f"{self.passed} passed, {len(self.failures)} failed", flush=True)
        return 1 if self.failures or not self.passed else 0


class Story:
    """The checks of one machine, in their order."""

    def __init__(self, report, name):
        self.report, self.name = report, name

    def say(self, text):
        """Further lines about the check that runs: figures, and what is listed rather than judged."""
        for line in text.rstrip().splitlines():
            self.report.line(self.name, f"       {line}")

    @contextlib.contextmanager
    def on(self, machine):
        """The checks on a machine, which ends with them. If a condition is not met, the rest is left out."""
        try:
            yield
        except StoryEnds:
            self.say(f"the rest of this machine's checks was not reached; its console ends:\n{machine.console()[-600:]}")
        finally:
            machine.end()

    @contextlib.contextmanager
    def check(self, what, needed=False):
        """A check: passes unless its block raises. `needed`: the story cannot continue without it."""
        begin = time.time()
        try:
            yield
        except Exception as error:  # a check's own mistake counts as a failed check, and shows
            why = str(error) if isinstance(error, Failed) else f"{type(error).__name__}: {error}"
            self.report.fail(self.name, f"{what}\n{why.rstrip()}")
            self.report.line(self.name, f"FAILED {what} ({time.time() - begin:.1f} s)")
            self.say(why)
            if needed:
                raise StoryEnds(what) from error
        else:
            with self.report.lock:
                self.report.passed += 1
            self.report.line(self.name, f"ok     {what} ({time.time() - begin:.1f} s)")


def expect(holds, otherwise):
    if not holds:
        raise Failed(otherwise)
