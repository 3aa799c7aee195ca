"""doctor on a pretended machine, beside the same programs that it asks, asked one after the other.

There every program answers at once: what is measured is what doctor itself takes, on top of podman, systemctl and the rest.
What podman takes on a real machine is podman's; `tests/bench/run whole` has doctor beside the real `podman info`.
"""

import os
import pathlib
import shlex
import sys
import tempfile

from _common import in_turn, median, pretended, program, ratio, timed

ROUNDS = int(os.environ.get("ROUNDS", "21"))
GOAL_MS = 1000.0


def main():
    ours = program()
    with tempfile.TemporaryDirectory() as folder:
        machine = pretended(f"{folder}/machine", "modern")
        log = pathlib.Path(machine, "fake/commands")
        asked = [ours, "--root", machine, "--user", "dev", "doctor"]
        log.write_text("")
        timed(asked, codes=(0, 4))
        lines = log.read_text().splitlines()
        if not lines:
            sys.exit("doctor asked no program at all")
        words = [line.split(" ") for line in lines]
        script = "\n".join(f"{shlex.join([f'{machine}/usr/bin/{name}', *args])} >/dev/null 2>&1" for name, *args in words) + "\ntrue"
        by_hand = ["/bin/sh", "-c", script]
        given = in_turn(ROUNDS, {
            "doctor": lambda: timed(asked, codes=(0, 4)),
            "by hand": lambda: timed(by_hand, env={**os.environ, "KIND_WSL_ROOT": machine}),
        })
    us, them = given["doctor"], given["by hand"]
    own = median(a - b for a, b in zip(us, them))
    print(
        f"doctor: {median(us):.0f} ms where every program answers at once (goal: at most {GOAL_MS:.0f}); the same {len(lines)} programs one after the other "
        f"{median(them):.0f} ms, ratio {ratio(us, them):.2f}, {own:.0f} ms of its own; medians of {ROUNDS} rounds"
    )
    return 0 if median(us) <= GOAL_MS else 1


if __name__ == "__main__":
    sys.exit(main())
