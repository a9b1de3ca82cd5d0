"""A whole archive survives: fetched into each kind through a failing server, killed with SIGKILL twenty times a kind at
random moments and gone on with, its dead letters replayed to none, and every tile compared with the source.

    python3 tests/servers/whole_archive.py [ARCHIVE.mbtiles [SEED]]

Without an archive: the tiles that the command carries in itself. Where a run ends before all kills were dealt, the archive
is begun again elsewhere."""

import json
import random
import signal
import subprocess
import sys
from pathlib import Path

from common import EMBEDDED, binary, check, environment, found, mock, scratch, tidegate, tiles_of

KILLS = 20
REPLAYS_MAX = 20
FAULTS = ("503=10%", "reset=5%", "truncate=5%", "html=2%", "latency=20ms")

archive = sys.argv[1] if len(sys.argv) > 1 else EMBEDDED
seed = int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(1 << 32)
expected = dict(tiles_of(archive))
zoom_max = max(zoom for zoom, _, _ in expected)
print(f"seed {seed}")


def killed_at_random(name, folder, server, rng):
    """Fetches until all kills were dealt; returns the archive that the last one hit and its dead letters."""
    kills = rounds = 0
    while True:
        rounds += 1
        target = Path(folder) / str(rounds) / name
        letters = target.parent / "dead.ndjson"
        target.parent.mkdir()
        arguments = ("fetch", "--bbox=-180,-85.06,180,85.06", "--zooms", f"0-{zoom_max}", "--output", target, "--quiet")
        further = ("--url-template", server.template, "--dead-letter", letters, "--retries", 1, "--max-concurrency", 16)
        ended = False
        while kills < KILLS and not ended:
            command = [binary(), *map(str, (*arguments, *further))]
            run = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment())
            try:
                check(run.wait(timeout=rng.uniform(0.02, 0.5)) in (0, 1), f"{name}: exit code {run.returncode}")
                ended = True
            except subprocess.TimeoutExpired:
                run.send_signal(signal.SIGKILL)
                run.wait()
                kills += 1
        if kills == KILLS:
            last = tidegate(*arguments, *further, "--output-format", "json")
            check(last.returncode in (0, 1), f"{name}: exit code {last.returncode} at the end")
            return target, letters, rounds, json.loads(last.stdout)["metrics"]


for name in ("tree", "world.mbtiles", "world.pmtiles"):
    with mock("--tiles", archive, "--seed", seed, *(f"--fault={rule}" for rule in FAULTS)) as server, scratch() as folder:
        target, letters, rounds, last = killed_at_random(name, folder, server, random.Random(seed))
        given_up = sum(1 for _ in open(letters))
        replays = 0
        while replays < REPLAYS_MAX and letters.stat().st_size > 0:
            replays += 1
            run = tidegate("replay", letters, "--output", target, "--url-template", server.template, "--quiet")
            check(run.returncode in (0, 1, 3), f"{name}: a replay ended with exit code {run.returncode}")
        check(letters.stat().st_size == 0, f"{name}: dead letters are left after {replays} replays")
        check(found(target) == expected, f"{name}: the tiles differ from the source")
        check(tidegate("verify", target).returncode == 0, f"{name}: verify finds fault")
        left = [entry.name for entry in target.parent.iterdir() if entry not in (target, letters)]
        check(not left, f"{name}: left behind: {left}")
    print(
        f"{name}: {KILLS} kills in {rounds} runs; at the end {last['revalidated']} tiles were there, {given_up} given up and"
        f" replayed in {replays}; {len(expected)} tiles identical"
    )
