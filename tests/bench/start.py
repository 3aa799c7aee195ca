"""How soon the program is there: `--version`, `explain cgroup`, `status` beside `/bin/true`, and beside kind and podman where they are installed.

Also the size of the program, and the peak of memory of what it does most: `--version`, `plan`, `doctor`.
"""

import os
import shutil
import sys
import tempfile

from _common import in_turn, median, peak, pretended, program, ratio, timed

ROUNDS = int(os.environ.get("ROUNDS", "41"))
# Beside a program that does nothing at all: its start is the kernel's and the loader's.
GOAL_MS_MORE = 5.0
# A program on disk that is fetched once; what is published is smaller (.ci/dist).
GOAL_SIZE_MIB = 12.0
GOAL_MIB = 20.0


def main():
    ours = program()
    with tempfile.TemporaryDirectory() as folder:
        machine = pretended(f"{folder}/machine", "modern")
        at = [ours, "--root", machine, "--user", "dev"]
        # 4: something there is not as it should be, which is what status and doctor of a fresh machine say.
        ways = {
            "/bin/true": lambda: timed(["/bin/true"]),
            "--version": lambda: timed([ours, "--version"]),
            "explain cgroup": lambda: timed([*at, "explain", "cgroup"]),
            "status": lambda: timed([*at, "status"], codes=(0, 4)),
        }
        for other, words in [("kind", ["version"]), ("podman", ["--version"])]:
            if path := shutil.which(other):
                ways[f"{other} {words[0]}"] = lambda path=path, words=words: timed([path, *words])
        ms = in_turn(ROUNDS, ways)
        peaks = {what: max(peak([*at, what], codes=(0, 4)) for _ in range(3)) for what in ("--version", "plan", "doctor")}
    for way, rounds in ms.items():
        print(f"  {way:15} {median(rounds):6.1f} ms, at best {min(rounds):5.1f}; {ratio(rounds, ms['/bin/true']):5.2f} of /bin/true", flush=True)
    # So short a time is the host's more than ours, and what else it does can only add.
    more = min(ms["--version"]) - min(ms["/bin/true"])
    size = os.path.getsize(ours) / (1 << 20)
    print(
        f"start: {more:.1f} ms more than /bin/true at best (goal: at most {GOAL_MS_MORE:.0f}), {size:.1f} MiB on disk (goal: at most {GOAL_SIZE_MIB:.0f}), "
        f"peak memory {', '.join(f'{what} {mib:.1f} MiB' for what, mib in peaks.items())} (goal: at most {GOAL_MIB:.0f}); {ROUNDS} rounds"
    )
    return 0 if more <= GOAL_MS_MORE and size <= GOAL_SIZE_MIB and max(peaks.values()) <= GOAL_MIB else 1


if __name__ == "__main__":
    sys.exit(main())
