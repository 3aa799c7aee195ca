"""A verified download of 1 GiB over TLS from loopback: our library against `curl | sha256sum`.

Both are measured in turn, round after round, against the same server in the same minute, and each round gives one ratio:
what else the machine does then weighs on both. The server is a Rust program (tests/bench/download.rs) that encrypts one
block of memory again and again, so that it is not the slowest of the three.
"""

import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

ROUNDS = int(os.environ.get("ROUNDS", "7"))
SIZE = 1 << 30
GOAL_RATIO = 1.0
GOAL_MIB = 20.0
ROOT = pathlib.Path(__file__).resolve().parents[2]


def build():
    """Builds the example as the program itself is built, and says where it is."""
    command = ["cargo", "build", "--locked", "--release", "--example", "bench-download", "--message-format", "json"]
    done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    messages = map(json.loads, done.stdout.splitlines())
    return next(m["executable"] for m in messages if m.get("target", {}).get("name") == "bench-download")


def ours(program, url, sha256, roots):
    """Seconds, and the peak of memory in KiB."""
    start = time.monotonic()
    command = [program, "get", url, sha256, str(SIZE)]
    env = {**os.environ, "SSL_CERT_FILE": roots, "NO_PROXY": "localhost"}
    done = subprocess.run(command, env=env, check=True, stdout=subprocess.PIPE, text=True)
    return time.monotonic() - start, int(done.stdout)


def theirs(url, sha256, certificate):
    """Seconds."""
    start = time.monotonic()
    curl = ["curl", "-s", "--noproxy", "*", "--cacert", certificate, url]
    fetching = subprocess.Popen(curl, stdout=subprocess.PIPE)
    hashed = subprocess.run(["sha256sum"], stdin=fetching.stdout, check=True, stdout=subprocess.PIPE, text=True)
    fetching.stdout.close()
    if fetching.wait() != 0 or hashed.stdout.split()[0] != sha256:
        sys.exit("curl did not get the file")
    return time.monotonic() - start


def main():
    program = build()
    with tempfile.TemporaryDirectory() as directory:
        server = subprocess.Popen([program, "serve", directory, str(SIZE)], stdout=subprocess.PIPE, text=True)
        try:
            port, sha256 = server.stdout.readline().split()
            url, certificate = f"https://localhost:{port}/file", f"{directory}/root.pem"
            # With a system's own roots beside it, as in earnest: they are most of the memory that differs.
            system = pathlib.Path("/etc/ssl/certs/ca-certificates.crt")
            roots = pathlib.Path(directory, "roots.pem")
            roots.write_bytes(pathlib.Path(certificate).read_bytes() + (system.read_bytes() if system.exists() else b""))
            rounds = []
            for number in range(ROUNDS):
                if number % 2:
                    them, (us, peak) = theirs(url, sha256, certificate), ours(program, url, sha256, str(roots))
                else:
                    (us, peak), them = ours(program, url, sha256, str(roots)), theirs(url, sha256, certificate)
                rounds.append((us, them, peak))
                print(f"  round {number + 1}: ours {us:.2f} s, curl | sha256sum {them:.2f} s, ratio {us / them:.2f}", flush=True)
        finally:
            server.kill()
            server.wait()
    us, them = (statistics.median(r[i] for r in rounds) for i in (0, 1))
    ratio = statistics.median(us / them for us, them, _ in rounds)
    peak = max(peak for _, _, peak in rounds) / 1024
    print(
        f"download: ratio {ratio:.2f} (goal: at most {GOAL_RATIO:.2f}), peak memory {peak:.1f} MiB (goal: at most {GOAL_MIB:.0f}); "
        f"1 GiB in {us:.2f} s, curl | sha256sum {them:.2f} s, medians of {ROUNDS} rounds"
    )
    return 0 if ratio <= GOAL_RATIO and peak <= GOAL_MIB else 1


sys.exit(main())
