"""tests/windows/run: both Windows programs under wine, against the double of wsl.exe; and the unit tests of their crate."""
import argparse
import concurrent.futures
import os
import re
import shutil
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path

import driver_checks
import helper_checks
import logon_checks
import rescue_checks
import window_checks
import wine
from report import Report
from stage import OWNER, Display, Stage

PROJECT = wine.HERE.parents[1]


def prepare(made):
    """Builds the programs and what the tests need, and a Windows to copy: two things at a time."""
    programs = [lambda: subprocess.run(["nice", str(PROJECT / "windows/build"), str(made)], check=True)]
    programs += [lambda: wine.double(made)]
    programs += [lambda name=name: wine.compile_windows(wine.HERE / f"double/{name}.rs", made / f"{name}.exe") for name in ("in_job", "screen")]
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(part) for part in [*programs, lambda: wine.Prefix(made / "template", owner=OWNER)]]:
            done.result()


def unit_tests(report, folder):
    """The crate's own tests, on this host: what is pure in it. Counted one by one."""
    cargo = shutil.which("cargo") or str(Path.home() / ".cargo/bin/cargo")
    done = subprocess.run(["nice", cargo, "test", "--manifest-path", str(PROJECT / "windows/Cargo.toml"), "--target-dir", str(folder), "--lib"],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    results = re.findall(r"^test (\S+)(?: - should panic)? \.\.\. (ok|FAILED)$", done.stdout, re.MULTILINE)
    failed = [name for name, verdict in results if verdict != "ok"]
    report.count(len(results) - len(failed), len(failed) if results else 1)
    report.line("crate", f"{'FAILED' if failed or not results else 'ok    '} {len(results)} unit tests{': ' + ', '.join(failed) if failed else ''}")
    if done.returncode:
        report.line("crate", done.stdout[-3000:])


def on_stage(report, folder, made, name, tell, display=None):
    stage = Stage(folder, name, made, display.name if display else None)
    try:
        tell(report, stage, *([display] if display else []))
    finally:
        stage.close()


def windows(report, folder, made):
    display = Display()
    try:
        on_stage(report, folder, made, "window", window_checks.tell, display)
    finally:
        display.close()


def main():
    parser = argparse.ArgumentParser(prog="tests/windows/run", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help="only these: crate, helper, logon, driver, rescue, window")
    parser.add_argument("--made", metavar="DIR", help="keep what is built there, and take what is there already (not the two programs: they are always built)")
    args = parser.parse_args()
    report = Report()
    with tempfile.TemporaryDirectory(prefix="kind-wsl-windows-") as temporary:
        folder = Path(temporary)
        os.chmod(folder, 0o777)  # wine runs as another user
        made = Path(args.made or folder / "made").absolute()
        made.mkdir(parents=True, exist_ok=True)
        os.chmod(made, 0o777)
        prepare(made)
        sizes = ", ".join(f"{name} {(made / name).stat().st_size // 1024} KiB" for name in ("kind-wsl-helper.exe", "kind-wsl.exe"))
        report.line("", f"everything is built: {sizes}")
        parts = {
            "helper": lambda: on_stage(report, folder, made, "helper", helper_checks.tell),
            "logon": lambda: on_stage(report, folder, made, "logon", logon_checks.tell),
            "driver": lambda: on_stage(report, folder, made, "driver", driver_checks.tell),
            "rescue": lambda: on_stage(report, folder, made, "rescue", rescue_checks.tell),
            "window": lambda: windows(report, folder, made),
            "crate": lambda: unit_tests(report, made / "target"),
        }
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            for done in [pool.submit(part) for name, part in parts.items() if not args.parts or name in args.parts]:
                if done.exception():
                    report.count(0, 1)
                    traceback.print_exception(done.exception())
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
