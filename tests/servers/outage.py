"""Half a minute without a server, in the middle of a bulk run over loopback: nothing is lost, and it costs few attempts.

    python3 tests/servers/outage.py [RULE …]     503 and refuse, as in `503`, `reset`, `hang`

5,461 tiles (some of them empty) at a concurrency of 10 from a server that is 5 to 80 ms away and is down from the 5th second to the 35th. What
may fail is bounded: 10 in flight when it begins, 16 that the breaker wants to see, and its probes, of which the open times
(the upper half of 5, 10, 20 and 40 s) leave room for four. So few retries are far within the budget."""

import json
import sys
import time
from pathlib import Path

from common import check, mock, scratch, tidegate

ZOOM_MAX, CONCURRENCY, DOWN_S = 6, 10, 30
CALLS_MIN, PROBES = 16, 4
TILES = sum(4**zoom for zoom in range(ZOOM_MAX + 1))

for rule in sys.argv[1:] or ["503", "refuse"]:
    rules = [f"--fault=outage=5s..{5 + DOWN_S}s:{rule}", "--fault=latency=uniform:5ms..80ms"]
    with mock("--synthetic", 1000, "--seed", 7, *rules) as server, scratch() as folder:
        started = time.monotonic()
        run = tidegate(
            *("fetch", "--bbox=-180,-85.06,180,85.06", "--zooms", f"0-{ZOOM_MAX}", "--output", folder),
            *("--url-template", server.template, "--max-concurrency", CONCURRENCY, "--seed", 7, "--output-format", "json"),
        )
        seconds = time.monotonic() - started
        check(run.returncode == 0, f"{rule}: exit code {run.returncode}")
        metrics, stats = json.loads(run.stdout)["metrics"], server.stats()
        files = sum(1 for path in Path(folder).rglob("*") if path.is_file())
    wasted, empty = metrics["attempts"] - TILES, metrics["empty"]
    print(f"{rule}: {files} tiles and {empty} empty after {seconds:.0f} s, {wasted} attempts in vain", flush=True)
    check(files == metrics["fetched"] and files + empty == TILES, f"{rule}: {TILES} wanted, {metrics}")
    check(seconds > DOWN_S, f"{rule}: it was over before the outage was")
    check(0 < wasted <= CONCURRENCY + CALLS_MIN + PROBES, f"{rule}: {wasted} attempts in vain")
    check(metrics["retries"] == wasted, f"{rule}: {metrics['retries']} retries after {wasted} attempts in vain")
    if rule != "refuse":
        check(metrics["attempts"] == stats["received"], f"{rule}: the server saw {stats['received']} attempts")
