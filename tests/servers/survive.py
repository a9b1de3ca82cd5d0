"""Everything arrives, whatever the server does: an archive fetched whole through 10 % 503, 5 % resets, 5 % truncated
bodies and 0.5 % 429 with Retry-After, at concurrency 50 with the bulk preset.

    python3 tests/servers/survive.py [ARCHIVE.mbtiles]

Without an archive: the tiles that the command carries in itself."""

import json
import sys

from common import EMBEDDED, check, check_directory, mock, scratch, tidegate, tiles_of

archive = sys.argv[1] if len(sys.argv) > 1 else EMBEDDED
zoom_max = max(tile[0] for tile, _ in tiles_of(archive))
faults = [f"--fault={rule}" for rule in ("503=10%", "reset=5%", "truncate=5%", "429:1=0.5%")]
world = sum(4**zoom for zoom in range(zoom_max + 1))

with mock("--tiles", archive, "--seed", 7, *faults) as server, scratch() as folder:
    run = tidegate(
        *("fetch", "--bbox=-180,-85.06,180,85.06", "--zooms", f"0-{zoom_max}", "--output", folder),
        *("--url-template", server.template, "--max-concurrency", 50, "--output-format", "json"),
    )
    check(run.returncode == 0, f"exit code {run.returncode}")
    metrics, stats = json.loads(run.stdout)["metrics"], server.stats()
    tiles = check_directory(folder, archive, server.template.rsplit(".", 1)[-1])

check(metrics["fetched"] == tiles, f"{metrics['fetched']} fetched of {tiles}")
check(metrics["empty"] == world - tiles, f"{metrics['empty']} empty, not {world - tiles}")
check(metrics["failed"] == 0, f"{metrics['failed']} failed")
check(metrics["attempts"] == stats["received"], f"{metrics['attempts']} attempts, the server saw {stats['received']}")
check(stats["max_in_flight"] <= 50, f"the server saw {stats['max_in_flight']} in flight")
print(f"{tiles} tiles identical, {world - tiles} empty, 0 failed; {stats['received']} attempts on both sides")
