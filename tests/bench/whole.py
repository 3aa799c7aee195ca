"""A setup in a virtual machine: `kind-wsl setup` compared with the manual steps; and doctor compared with its podman commands.

Each pair starts two fresh machines and takes ten minutes and more, so that `tests/bench/run` runs it only by its name: tests/bench/run whole.
It needs what tests/vm/run needs: a Debian 12 host and root. ROUNDS says how many pairs.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile

from _common import ROOT, median, program, ratio

ROUNDS = int(os.environ.get("ROUNDS", "1"))
# What a person's own commands take, and no more: what is checked besides has to be gained elsewhere.
GOAL_RATIO = 1.0
# A machine that is emulated is some ten times slower than a real one.
GOAL_NOOP_S = 1.0
GOAL_DOCTOR_S = 1.0


def main():
    env = os.environ | {"KIND_WSL_BIN": program()}
    rounds = []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(ROUNDS):
            figures = pathlib.Path(folder, f"{number}.json")
            done = subprocess.run([ROOT / "tests/vm/run", "--whole", "--figures", figures], env=env, check=False)
            if done.returncode or not figures.exists():
                sys.exit("a machine did not come to its end; what it said is above")
            rounds.append(json.loads(figures.read_text()))
    us, them = ([r[way] for r in rounds] for way in ("Setup", "ByHand"))
    whole = ratio([u["seconds"] for u in us], [t["seconds"] for t in them])
    noop, doctor, podman = (median(s for r in rounds for s in r["beside"][what]) for what in ("setup", "doctor", "podman"))
    more = median(d - p for r in rounds for d, p in zip(r["beside"]["doctor"], r["beside"]["podman"]))
    print(
        f"whole: {median(u['seconds'] for u in us):.0f} s and {us[0]['typed']} things to type, by hand {median(t['seconds'] for t in them):.0f} s and {them[0]['typed']} "
        f"({them[0]['characters']} characters), ratio {whole:.2f} (goal: at most {GOAL_RATIO:.2f}); nothing to do {noop:.2f} s (goal: at most {GOAL_NOOP_S:.0f}); "
        f"doctor {doctor:.2f} s, what it asks podman {podman:.2f} s, {more:.2f} s more (goal: at most {GOAL_DOCTOR_S:.0f}); {ROUNDS} pair(s) of emulated machines"
    )
    return 0 if whole <= GOAL_RATIO and noop <= GOAL_NOOP_S and more <= GOAL_DOCTOR_S else 1


if __name__ == "__main__":
    sys.exit(main())
