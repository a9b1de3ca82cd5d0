"""What this machine can do to a run, over loopback: too few descriptors, a full disk, a wall clock that jumps by years.

    python3 tests/servers/machine.py [descriptors|disk|clock …]

Whatever happens, the run says so and ends by itself, its ledger balances, what it counts as fetched is in the archive, and the
same command goes on with exactly the rest once the trouble is over.

Needs faketime (Debian). The disk is a tmpfs in a namespace of its own, which the script moves into first."""

import contextlib
import glob
import json
import os
import resource
import subprocess
import sys
import threading
import time
from pathlib import Path

from common import EMBEDDED, binary, check, check_balance, environment, found, mock, scratch, tidegate, tiles_of

EXPECTED = dict(tiles_of(EMBEDDED))
NAMES = ("tree", "a.mbtiles", "a.pmtiles")
YEAR_S = 365 * 86_400


def fetch_arguments(folder, name, server, *further):
    area = folder / "wanted"
    area.write_text("".join(f"{z}/{x}/{y}\n" for z, x, y in EXPECTED))
    arguments = ("fetch", "--list", area, "--output", folder / name / name, "--url-template", server.template, "--quiet")
    (folder / name).mkdir(exist_ok=True)
    return (*arguments, "--output-format", "json", "--max-concurrency", 50, *further)


def metrics_of(name, run):
    """The figures of a run, if it came so far as to have any; nothing then was asked for."""
    check("panicked" not in run.stderr, f"{name}: {run.stderr}")
    check(run.returncode == 0 or run.stderr.startswith("tidegate: "), f"{name}: {run.returncode} and no word: {run.stderr}")
    if not run.stdout:
        return {"fetched": 0}
    metrics = json.loads(run.stdout)["metrics"]
    check_balance(name, metrics, len(EXPECTED))
    return metrics


def go_on(name, folder, server, arguments, fetched):
    """Runs the same command again, which finds what was fetched and fetches the rest."""
    before = server.settled()["received"]
    run = tidegate(*arguments, timeout=60)
    check(run.returncode == 0, f"{name}: it did not go on, but ended with {run.returncode}")
    metrics = json.loads(run.stdout)["metrics"]
    check(metrics["revalidated"] == fetched, f"{name}: {fetched} counted as fetched, {metrics['revalidated']} were there")
    asked = server.settled()["received"] - before
    check(asked == metrics["fetched"] == len(EXPECTED) - fetched, f"{name}: {asked} asked for again, {metrics}")
    target = arguments[arguments.index("--output") + 1]
    check(found(Path(target)) == EXPECTED, f"{name}: it is not the source")
    left = [entry.name for entry in target.parent.iterdir() if entry != target]
    check(not left, f"{name}: left behind: {left}")


def descriptors():
    """Few, fewer, and not enough to begin with."""
    for most in (5, 8, 12, 16, 24):
        with mock("--fault=latency=10ms", stderr=subprocess.DEVNULL) as server, scratch() as folder:
            said = []
            for name in NAMES:
                arguments = fetch_arguments(Path(folder), name, server)
                run = tidegate(
                    *(*arguments, "--global-timeout", "4s"),
                    **dict(timeout=60, stderr=subprocess.PIPE),
                    preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (most, most)),
                )
                case = f"{name} with {most} descriptors"
                check(run.returncode in (0, 4, 5), f"{case}: exit code {run.returncode}: {run.stderr}")
                check(run.returncode != 4 or "open" in run.stderr, f"{case}: {run.stderr}")
                fetched = metrics_of(case, run)["fetched"]
                said.append(f"{fetched} tiles into {name}")
                go_on(case, folder, server, arguments, fetched)
        print(f"{most} descriptors: {', '.join(said)}, and then the rest", flush=True)


@contextlib.contextmanager
def small_disk(kib):
    with scratch() as folder:
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={kib}k", "tmpfs", folder], check=True)
        try:
            yield Path(folder)
        finally:
            subprocess.run(["umount", folder], check=True)


def disk():
    """A disk that is full after a few tiles, after many, and when the archive is built."""
    for kib in (100, 300, 500):
        said = []
        for name in NAMES:
            with mock("--fault=latency=1ms", stderr=subprocess.DEVNULL) as server, small_disk(kib) as folder:
                arguments = fetch_arguments(folder, name, server)
                run = tidegate(*arguments, timeout=60, stderr=subprocess.PIPE)
                case = f"{name} on a disk of {kib} KiB"
                check(run.returncode in (0, 4), f"{case}: exit code {run.returncode}: {run.stderr}")
                check(run.returncode == 0 or "is full" in run.stderr, f"{case}: {run.stderr}")
                fetched = metrics_of(case, run)["fetched"]
                said.append(f"{fetched} tiles into {name}")
                subprocess.run(["mount", "-o", "remount,size=64m", folder], check=True)
                go_on(case, folder, server, arguments, fetched)
        print(f"a disk of {kib} KiB: {', '.join(said)}, and then the rest", flush=True)


def clock():
    """The wall clock jumps ten times a second, forward and back. Nothing waits by it: only what is dated shows it."""
    library = next(iter(glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")), None)
    check(library, "libfaketime is missing: apt-get install faketime")
    # A pause in seconds, one up to a date, an attempt that runs out of time, a tile that is given up, and some noise.
    rules = ("0/0/0=429:2,200", "1/0/0=429:date+3,200", "2/1/1=hang,200", "4/8/5=400", "latency=uniform:5ms..20ms")
    with mock("--seed", 7, *(f"--fault={rule}" for rule in rules)) as server, scratch() as folder:
        folder = Path(folder)
        letters, stamp = folder / "dead.ndjson", folder / "stamp"
        faked = {"LD_PRELOAD": library, "FAKETIME_TIMESTAMP_FILE": str(stamp)}
        faked |= {"FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
        jumps = [f"+{YEAR_S}", f"-{YEAR_S}", "+7200", "-7200", f"-{20 * YEAR_S}"]
        stamp.write_text(jumps[0])
        arguments = fetch_arguments(folder, "tree", server, "--dead-letter", letters, "--timeout", "1s", "--seed", 7)
        arguments = [*arguments, "--global-timeout", "40s"]
        ended = threading.Event()

        def jump():
            while not ended.wait(0.1):
                jumps.append(jumps.pop(0))
                # In one step: half a number would be a time of its own.
                (folder / "next").write_text(jumps[0])
                (folder / "next").rename(stamp)

        thread = threading.Thread(target=jump)
        thread.start()
        started = time.monotonic()
        command = [binary(), *map(str, arguments)]
        run = subprocess.run(command, stdout=-1, stderr=-1, text=True, env=environment() | faked, timeout=60)
        seconds = time.monotonic() - started
        ended.set()
        thread.join()
        check(run.returncode == 1, f"clock: exit code {run.returncode}: {run.stderr}")
        report, stats = json.loads(run.stdout), server.settled()
        metrics = report["metrics"]
        check_balance("clock", metrics, len(EXPECTED))
        check(metrics["failed"] == 1, f"clock: {metrics}")
        check(metrics["attempts"] == stats["received"], f"clock: {metrics['attempts']}, {stats['received']} seen")
        # The pauses in a row are 2 s and 3 s; what a date says counts from the date of its answer.
        check(3 <= seconds <= 20, f"clock: {seconds:.1f} s for pauses of 2 s and 3 s")
        check(seconds - 1 <= report["wall_seconds"] <= seconds, f"clock: {report['wall_seconds']} s reported of {seconds}")
        there = found(folder / "tree/tree")
        check(there == {at: tile for at, tile in EXPECTED.items() if at != (4, 8, 5)}, "clock: it is not the source")
        at = json.loads(letters.read_text())["at_unix_s"]
        check(abs(at - time.time()) > 3600, "clock: the run never saw the clock jump, so nothing was tested")
    print(f"a clock that jumps by years: {metrics['fetched']} tiles in {seconds:.1f} s, pauses and timeouts kept")


PARTS = {"descriptors": descriptors, "disk": disk, "clock": clock}


def main():
    chosen = sys.argv[1:] or list(PARTS)
    check(set(chosen) <= set(PARTS), f"there are {', '.join(PARTS)}")
    if "disk" in chosen and "TIDEGATE_INSIDE" not in os.environ:
        os.environ["TIDEGATE_INSIDE"] = "1"
        os.execvp("unshare", ["unshare", "--mount", "--map-root-user", sys.executable, *sys.argv])
    for part in chosen:
        PARTS[part]()


main()
