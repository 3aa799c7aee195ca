"""tests/vm/run: the whole-machine test, the demonstration, and a shell in such a machine."""
import argparse
import base64
import concurrent.futures
import json
import os
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path

import comeback
import deep_dive
import disk
import faults
import fleet
import images
import poor
import prepared
import providers
import rescue
import users
import whole
import windows
from checks import NODE, Subject, tell
from interop import ByHand, FromWindows, Typed
from machine import LAYOUTS, Machine, throw_away
from report import Report, expect
from server import Releases

PROJECT = images.HERE.parents[1]
VERDICTS = PROJECT / "tests/data/wsl-config-verdicts.jsonl"
# (layout, warm, with kind, the way through the restart). Two of Debian 12's machines create a cluster: one with v1 at first, one of today's WSL.
# One starts with an empty apt cache.
STORIES = {
    "debian-12": [("classic", False, True, Typed), ("namespaced", True, True, ByHand), ("two-users", True, True, None), ("isolated-poor", True, False, FromWindows),
                  ("modern", True, False, Typed), ("namespaced-poor", True, False, None), ("isolated", True, False, ByHand), ("rescue", True, False, None)],
    "debian-11": [("modern", True, True, ByHand)],
    "debian-13": [("modern", True, True, Typed)],
}
# Machines with a story of their own. Those that are not in STORIES are run by name only.
OWN = {"namespaced-poor": poor.tell, "rescue": rescue.tell, "two-users": users.tell, "faults": faults.tell,
       "used": prepared.Used.tell, "guide": prepared.Guide.tell, "killed": prepared.Killed.tell, "comeback": comeback.tell}
# Of these, those that are not on cgroup v1 at first.
ON_V2 = {"used": "modern", "killed": "modern", "comeback": "namespaced"}


def program(system):
    """The binary under test: KIND_WSL_BIN, or built here; for Debian 11 one that asks for no newer glibc than 2.31."""
    ready = os.environ.get("KIND_WSL_BIN")
    if ready:
        return Path(ready).resolve()
    cargo = ["nice", "cargo"]
    target = Path(json.loads(subprocess.run(["cargo", "metadata", "--format-version=1", "--no-deps"], cwd=PROJECT, stdout=subprocess.PIPE, check=True).stdout)["target_directory"])
    if system != "debian-11":
        subprocess.run([*cargo, "build", "--release", "--quiet"], cwd=PROJECT, check=True)
        return target / "release/kind-wsl"
    tools = images.artifact("zigbuild", "zigbuild.sh")
    env = os.environ | {"PATH": f"{tools}/venv/bin:{os.environ['PATH']}"}
    subprocess.run([*cargo, "zigbuild", "--release", "--quiet", "--target", "x86_64-unknown-linux-gnu.2.31"], cwd=PROJECT, env=env, check=True)
    return target / "x86_64-unknown-linux-gnu/release/kind-wsl"


def grammar(report):
    """The machine reads wsl.conf and .wslconfig as WSL's own parser did, so that it is not kinder than WSL."""
    story = report.story("the machine itself")
    with story.check("reads configuration files as WSL does"):
        cases = [json.loads(line) for line in VERDICTS.read_text().splitlines()]
        wrong = []
        with tempfile.NamedTemporaryFile() as file:
            for case in cases:
                Path(file.name).write_bytes(base64.b64decode(case["input_base64"]))
                lines = subprocess.run([str(images.guest()), "conf", file.name, case["dialect"]], stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()
                values = sorted(tuple(line.split("=", 1)) for line in lines[:-1])
                last = f"complete={str(case['complete']).lower()} warnings={case['warnings']}"
                if values != sorted(map(tuple, case["values"])) or lines[-1] != last:
                    wrong.append(case["name"])
        expect(not wrong, f"{len(wrong)} of {len(cases)} differ: {wrong[:5]}")
        story.say(f"{len(cases)} cases")


def prepare(system, stories):
    """Builds what the machines need, two things at a time; returns the program."""
    parts = [lambda: images.disk(system, True), images.node_store, images.crun, images.kind, images.initrd, windows.programs, windows.template]
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        made = [pool.submit(part) for part in parts]
        binary = program(system)
        for part in made:
            part.result()
    return binary


def test(system, layouts, keep):
    report = Report()
    stories = [s for s in STORIES[system] if not layouts or s[0] in layouts]
    stories += [(layout, True, True, ByHand) for layout in layouts if layout not in [s[0] for s in stories]]
    binary = prepare(system, stories)
    report.line("", f"everything is built; {binary}")
    releases = Releases()
    if VERDICTS.exists():
        grammar(report)
    folder = Path(tempfile.mkdtemp(prefix="kind-wsl-vm-"))
    folder.chmod(0o711)  # QEMU and wine run as the user of the drive

    def one(story):
        layout, warm, with_kind, way = story
        machine = Machine(system, layout if layout in LAYOUTS else ON_V2.get(layout, "classic"), folder / layout, warm=warm, windows=True)
        lines = report.story(f"{system} {layout}")
        try:
            if layout in OWN:
                OWN[layout](machine, releases, binary, lines)
            else:
                tell(machine, system, layout, releases, binary, lines, with_kind, way)
        finally:
            if not keep:
                throw_away(machine.folder)

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for story, done in [(story, pool.submit(one, story)) for story in stories]:
            error = done.exception()
            if error:
                report.fail(f"{system} {story[0]}", "".join(traceback.format_exception(error)).rstrip())
                traceback.print_exception(error)
    if keep:
        report.line("", f"the machines' disks and consoles are in {folder}")
    else:
        throw_away(folder)
    return report.close()


def one_machine(name, tell):
    """The story of one machine of Debian 12."""
    return lambda folder, releases, binary, report: tell(Machine("debian-12", "modern", folder / name), releases, binary, report.story(f"debian-12 {name}"))


def told(story, keep):
    """A story of its own on Debian 12: `story(folder, releases, binary, report)`."""
    report = Report()
    binary, releases = prepare("debian-12", []), Releases()
    folder = Path(tempfile.mkdtemp(prefix="kind-wsl-vm-"))
    folder.chmod(0o711)
    story(folder, releases, binary, report)
    if keep:
        report.line("", f"the machines' disks and consoles are in {folder}")
    else:
        throw_away(folder)
    return report.close()


def machine_for_person(system, layout, folder):
    binary, releases = prepare(system, []), Releases()
    Path(folder).chmod(0o711)
    machine = Machine(system, layout, Path(folder) / "machine", windows=True)
    subject = Subject(machine, releases, binary, system)
    machine.start()
    subject.install()
    return machine, subject


def type_line(machine, line):
    """Shows a line as typed at the machine's prompt, runs it on this terminal, returns its exit code."""
    print(f"\r\n\033[1;32mdev@{machine.layout}\033[0m:\033[1;34m~\033[0m$ {line}", flush=True)
    return machine.terminal(["/bin/bash", "-c", line]).attach()


def demo(system, layout):
    """What a user sees who types `kind-wsl setup` on WSL: the setup, the restart, the helper's window."""
    with tempfile.TemporaryDirectory(prefix="kind-wsl-vm-") as folder:
        machine, subject = machine_for_person(system, layout, folder)
        try:
            code = type_line(machine, f"kind-wsl setup {'' if sys.stdin.isatty() else '--yes '}{subject.flags}")
            if code == 1 and machine.windows.result():
                print("\r\n\033[1;33mthe helper's window\033[0m (played: it shows here when it has ended)", flush=True)
                code = int(machine.windows.wait_for_state("ended", 900).get("exit", 1))
                print(next(ran.text for ran in machine.windows.commands if "--resume" in ran.argv), flush=True)
            type_line(machine, "kind-wsl status")
            return code
        finally:
            machine.end()


def dive(system, layout):
    """Takes the outputs of docs/explanation/deep-dive.md in a machine with a cluster, and puts them in."""
    with tempfile.TemporaryDirectory(prefix="kind-wsl-vm-") as folder:
        machine, subject = machine_for_person(system, layout, folder)
        try:
            subject.call(f"setup --yes --no-restart {subject.flags}", code=3, timeout=1500)
            machine.wsl_shutdown()
            subject.call(f"setup --yes {subject.flags}", timeout=1500)
            machine.must("sudo tar -C ~/.local/share/containers/storage -xf /mnt/c/store.tar")
            subject.call(f"kind create cluster --image {NODE}")
            deep_dive.take(machine)
        finally:
            machine.end()
    return deep_dive.fill()


def shell(system, layout):
    with tempfile.TemporaryDirectory(prefix="kind-wsl-vm-") as folder:
        machine, subject = machine_for_person(system, layout, folder)
        print(f"A {layout} WSL machine. The flags of setup for the test's release server:\r\n  kind-wsl setup {subject.flags}\r\n"
              "`exit 42` plays wsl.exe --shutdown and starts it again; any other exit ends it.\r", flush=True)
        try:
            while machine.terminal(["/bin/bash", "-l"]).attach() == 42:
                machine.wsl_shutdown()
            return 0
        finally:
            machine.end()


def main():
    parser = argparse.ArgumentParser(prog="tests/vm/run", description=__doc__)
    parser.add_argument("system", nargs="?", default="debian-12", choices=list(images.SUITES))
    parser.add_argument("layouts", nargs="*", metavar="LAYOUT", help=f"only these: {', '.join(dict.fromkeys([*LAYOUTS, *OWN]))}")
    parser.add_argument("--demo", action="store_true", help="show the setup on this terminal, as its user sees it")
    parser.add_argument("--shell", action="store_true", help="a shell of the user in such a machine")
    parser.add_argument("--build", action="store_true", help="build what the machines are made of, and nothing more")
    parser.add_argument("--keep", action="store_true", help="keep the machines' disks and consoles")
    parser.add_argument("--deep-dive", action="store_true", help="renew the outputs in docs/explanation/deep-dive.md")
    parser.add_argument("--docker", action="store_true", help="the story of the provider docker on Debian 12")
    parser.add_argument("--disk", action="store_true", help="the journal on a disk that fails")
    parser.add_argument("--fleet", action="store_true", help="machines set up by kind-wsl and by its exports: are they equal?")
    parser.add_argument("--whole", action="store_true", help="the duration of a setup and of the manual steps (tests/bench/run whole)")
    parser.add_argument("--figures", metavar="FILE", help="with --whole: the figures as JSON")
    args = parser.parse_args()
    known = [*LAYOUTS, *(name for name in OWN if name not in LAYOUTS)]
    unknown = [layout for layout in args.layouts if layout not in known]
    if unknown:
        parser.error(f"unknown layout {unknown[0]}; there are {', '.join(known)}")
    if args.build:
        return print(prepare(args.system, [])) or 0
    if args.demo or args.shell:
        layout = (args.layouts or ["classic" if args.system == "debian-12" else "modern"])[0]
        return (demo if args.demo else shell)(args.system, layout)
    if args.deep_dive:
        return dive(args.system, (args.layouts or ["modern"])[0])
    if args.docker:
        return told(one_machine("docker", providers.tell), args.keep)
    if args.disk:
        return told(one_machine("disk", disk.tell), args.keep)
    if args.fleet:
        return told(fleet.Fleet((args.layouts or ["classic"])[0]).tell, args.keep)
    if args.whole:
        return told(whole.Whole(args.figures).tell, args.keep)
    return test(args.system, args.layouts, args.keep)


if __name__ == "__main__":
    sys.exit(main())
