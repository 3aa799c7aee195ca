"""What the benchmarks share: the program as it is released, a pretended machine, runs that are timed, and pairs in alternation."""

import functools
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
TREE = ROOT / "tests/fleet/tree"


def cargo(*words):
    """{name: file} of the programs that cargo builds."""
    command = ["cargo", "build", "--locked", "--quiet", *words, "--message-format", "json"]
    done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    messages = map(json.loads, done.stdout.splitlines())
    return {m["target"]["name"]: m["executable"] for m in messages if m.get("executable")}


def program():
    """The program as it is released, but for the seam that lets the scripts of a fake machine run; KIND_WSL_BIN names another."""
    return os.environ.get("KIND_WSL_BIN") or cargo("--release", "--features", "test-seams", "--bin", "kind-wsl")["kind-wsl"]


@functools.cache
def tools():
    return cargo("--example", "fake-tools")["fake-tools"]


def pretended(folder, layout):
    """A pretended machine of tests/fleet, whose programs answer at once. What is the user's is read as the user, who has to get there."""
    subprocess.run([TREE, folder, layout, tools()], check=True)
    pathlib.Path(folder).parent.chmod(0o755)
    return str(folder)


def timed(command, codes=(0,), **how):
    """Milliseconds by the clock."""
    start = time.monotonic()
    code = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False, **how).returncode
    took = (time.monotonic() - start) * 1000
    if code not in codes:
        sys.exit(f"{' '.join(map(str, command))} ended with {code}")
    return took


def peak(command, codes=(0,)):
    """The peak of memory in MiB. By a small program: what a process was before exec counts too, and this one is larger than ours."""
    with tempfile.NamedTemporaryFile("r") as said:
        timed(["/usr/bin/time", "-q", "-f", "%M", "-o", said.name, *command], codes)
        return int(said.read()) / 1024


def in_turn(rounds, ways):
    """{way: [what each round gave]}; `ways`: {way: function}. Each round begins with another one, so that none is always the first."""
    given = {way: [] for way in ways}
    order = list(ways)
    for _ in range(rounds):
        for way in order:
            given[way].append(ways[way]())
        order.append(order.pop(0))
    return given


def ratio(ours, theirs):
    """The median of the rounds' own ratios: what else the machine does then weighs on both."""
    return statistics.median(us / them for us, them in zip(ours, theirs))


median = statistics.median
