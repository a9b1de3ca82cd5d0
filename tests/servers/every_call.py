"""A fetch that is killed, or told that the disk is full or broken, at every single call that changes a file.

    python3 tests/servers/every_call.py [--short]     --short: every ninth call

For each kind of archive and each system call: once for its first use, once for its second, … until a run has no further one. A
run that is told of an error ends with 0, 1 or 4 and a balance, and what it counted as fetched is there. After every one of them the
same command goes on: it fetches what is missing, the archive is the source, and nothing else is left behind. A tile that the
server refuses is among them, so that dead letters are written too, and what hosts ask for is remembered.

Needs strace (Debian), and Linux."""

import json
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from common import EMBEDDED, binary, check, check_balance, environment, found, mock, scratch, tidegate, tiles_of

STRIDE = 9 if "--short" in sys.argv[1:] else 1
# Of one call in one run.
POINTS_MAX = 2000
CHANGING = ("write", "pwrite64", "rename", "unlink", "ftruncate", "fsync", "fdatasync", "mkdir")
REFUSED = (1, 1, 1)
WANTED = {at: tile for at, tile in tiles_of(EMBEDDED) if at[0] <= 1}
EXPECTED = {at: tile for at, tile in WANTED.items() if at != REFUSED}


def injections(name):
    """What strace is told to do, without at which use: kills everywhere, and errors where only files are written."""
    for call in (*CHANGING, "openat"):
        yield call, "signal=KILL", ()
    for call in ("rename", "ftruncate", "fsync", "fdatasync", "mkdir"):
        yield call, "error=ENOSPC", ()
    # Nothing but SQLite writes at a place.
    for error in ("ENOSPC", "EIO") if name.endswith(".mbtiles") else ():
        yield "pwrite64", f"error={error}", ()
    for file in (f"{name}.log", f"{name}.new") if name.endswith(".pmtiles") else ():
        yield "write", "error=ENOSPC", ("-P", file)
    yield "write", "error=ENOSPC", ("-P", "dead.ndjson")


def one(name, server, folder, injection, point):
    """Breaks one run at one point and goes on; whether there was such a point."""
    call, what, paths = injection
    case = f"{name}, {what} at {call} number {point}"
    target, letters, wanted = folder / name, folder / "dead.ndjson", folder.parent / "wanted"
    arguments = ("fetch", "--list", wanted, "--output", target, "--url-template", server.template, "--quiet")
    arguments += ("--dead-letter", letters, "--remember", folder / "memory", "--output-format", "json")
    strace = ["strace", "-qq", "-o", folder.parent / f"{name}.trace"]
    strace += [str(folder / part) if part != "-P" else part for part in paths]
    strace += ["-e", f"trace={call}", "-e", f"inject={call}:{what}:when={point}"]
    run = subprocess.run(
        list(map(str, [*strace, binary(), *arguments])), stdout=-1, stderr=-1, text=True, env=environment(), timeout=60
    )
    injected = "(INJECTED)" in strace_said(folder, name) or run.returncode < 0 or run.returncode == 137
    check("panicked" not in run.stderr, f"{case}: {run.stderr}")
    there = None
    if "error" in what:
        check(run.returncode in (1, 4), f"{case}: exit code {run.returncode}: {run.stderr}")
        there = 0
        if run.stdout:
            metrics = json.loads(run.stdout)["metrics"]
            check_balance(case, metrics, len(WANTED))
            there = metrics["fetched"]
    again = tidegate(*arguments, timeout=60, stderr=subprocess.DEVNULL)
    # The one that is refused is given up each time.
    check(again.returncode == 1, f"{case}: it did not go on, but ended with {again.returncode}")
    metrics = json.loads(again.stdout)["metrics"]
    check(there in (None, metrics["revalidated"]), f"{case}: {there} counted as fetched, {metrics['revalidated']} were there")
    check(found(target) == EXPECTED, f"{case}: it is not the source")
    check(letters.read_text().count('"class"') >= 1, f"{case}: the dead letter is missing")
    left = {entry.name for entry in folder.iterdir()} - {target.name, letters.name, "memory"}
    left |= {entry.name for entry in folder.rglob(".*")}
    check(not left, f"{case}: left behind: {left}")
    return injected


def strace_said(folder, name):
    return (folder.parent / f"{name}.trace").read_text()


def play(name, server, work):
    total = 0
    for injection in injections(name):
        for point in range(1, POINTS_MAX, STRIDE):
            folder = work / name.replace(".", "-") / "run"
            folder.mkdir(parents=True)
            (folder.parent / "wanted").write_text("".join(f"{z}/{x}/{y}\n" for z, x, y in WANTED))
            injected = one(name, server, folder, injection, point)
            shutil.rmtree(folder)
            if not injected:
                check(point > 1 or not injection[2], f"{name}: there is no {injection[0]} to {injection[2]}: nothing was tested")
                break
            total += 1
        else:
            check(False, f"{name}: more than {POINTS_MAX} uses of {injection[0]}")
    print(f"{name}: {total} points at which a call was killed or failed, and the next run went on", flush=True)
    return total


def main():
    check(shutil.which("strace"), "strace is missing: apt-get install strace")
    refused = "{}/{}/{}=400".format(*REFUSED)
    with mock(f"--fault={refused}", stderr=subprocess.DEVNULL) as server, scratch() as work, ThreadPoolExecutor(3) as pool:
        names = ("tree", "a.mbtiles", "a.pmtiles")
        points = list(pool.map(lambda name: play(name, server, Path(work)), names))
    check(min(points) > 20 // STRIDE, f"hardly anything was injected: {points}")


main()
