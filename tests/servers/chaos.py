"""Everything that a server can do wrong, one after the other, and then everything at once. Nothing is lost and nothing made up:

    python3 tests/servers/chaos.py [--short] [NAME …]     --short: a sixth of the tiles; NAME: only these

For each fault of the mock a fetch into one of the three kinds of archive, of tiles that all exist: every tile is accounted for
once, the server saw the attempts that were counted, what arrived is the source's to the byte, and each tile given up has a dead
letter. Then the server gets well: the replay and another run fetch exactly what is missing, and the archive is the source."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from common import EMBEDDED, check, check_balance, found, mock, scratch, tidegate, tiles_of

AT_ONCE = 6
BAD_DAY = Path(__file__).parent / "bad_day.toml"
NAMES = ("tree", "a.mbtiles", "a.pmtiles")

# What the mock calls it, the rules, and what else is special:
#   uncounted    the server cannot know of every attempt, or counts one that did not get to it whole
#   mild         no fault at all, or one that who heeds what the server says does not meet
#   unnoticed    nobody can tell: what arrives is a good tile, only not that one
#   empty        the server says that there is nothing, and is believed until the next run
CASES = [
    *((code, [f"{code}=30%"], "") for code in ("500", "502", "503", "504", "503:1", "408", "400", "304", "301", "299")),
    *((code, [f"{code}=30%"], "empty") for code in ("404", "410", "204")),
    ("429 in seconds", ["429:1=10%"], ""),
    ("429 by date", ["429:date+2=10%"], ""),
    ("429 in the past", ["429:date-3600=10%"], ""),
    ("429 without a hint", ["429=10%"], ""),
    ("429 with nonsense", ['429:"soon"=10%'], ""),
    ("429 for a century", ["429:3153600000=10%"], ""),
    ("403", ["403=10%"], ""),
    ("everything is refused", ["403=100%"], ""),
    ("everything fails", ["500=100%"], ""),
    *((fault, [f"{fault}=30%"], "") for fault in ("truncate", "short", "chunk", "html", "empty", "magic", "gzip", "reset-body")),
    *((fault, [f"{fault}=30%"], "") for fault in ("close", "reset")),
    ("hang", ["hang=10%"], ""),
    ("wrong-tile", ["wrong-tile=30%"], "unnoticed"),
    ("drip", ["drip:64/5ms=50%"], ""),
    ("drip for ever", ["drip:1/2s=10%"], ""),
    ("bandwidth", ["bandwidth=40KiB/s"], "mild"),
    ("latency", ["latency=pareto:10ms/1.1"], "mild"),
    ("rate", ["rate=10/s,burst=2"], ""),
    ("rate by date", ["rate=10/s,burst=2,retry-after=date"], ""),
    ("rate without a hint", ["rate=10/1s,kind=sliding,retry-after=none"], ""),
    ("rate, told", ["rate=40/s,burst=20,headers=draft"], "mild"),
    ("rate, told of old", ["rate=50/1s,kind=fixed,headers=legacy"], "mild"),
    ("pool", ["pool=1,service=80ms,queue=0"], ""),
    ("few connections", ["latency=80ms", "connections=1"], "uncounted"),
    ("few connections, 503", ["latency=80ms", "connections=1,excess=503"], "uncounted"),
    ("few connections, silence", ["latency=80ms", "connections=1,excess=wait"], "mild"),
    ("outage", ["latency=20ms", "outage=100ms..2s:503"], ""),
    ("outage, no listener", ["latency=20ms", "outage=100ms..2s:refuse"], "uncounted"),
    ("outage, resets", ["latency=20ms", "outage=100ms..2s:reset"], "uncounted"),
    ("outage, silence", ["latency=20ms", "outage=100ms..1s:hang"], ""),
    ("each tile fails once", ["script=503,200"], ""),
    ("bad day", [], ""),
]


def play(case, number, tiles, folder):
    """One case; returns what there is to say about it."""
    name, rules, special = case
    target = folder / NAMES[number % len(NAMES)]
    letters, wanted = folder / "dead.ndjson", folder / "tiles"
    wanted.write_text("".join(f"{z}/{x}/{y}\n" for z, x, y in tiles))
    faults = ["--faults-file", BAD_DAY] if name == "bad day" else [f"--fault={rule}" for rule in rules]
    with mock("--seed", number, *faults, stderr=subprocess.DEVNULL) as server:
        common = ("--output", target, "--url-template", server.template, "--seed", number, "--output-format", "json")
        common += ("--timeout", "1s", "--max-concurrency", 16, "--quiet")
        fetch = ("fetch", "--list", wanted, *common, "--dead-letter", letters)
        # What asks for a longer pause than there is time, or for patience without end, is cut off.
        run = tidegate(*fetch, "--retries", 3, "--global-timeout", "10s", timeout=60, stderr=subprocess.PIPE)
        check(run.returncode in (0, 1, 3, 5), f"{name}: exit code {run.returncode}: {run.stderr}")
        first, stats = json.loads(run.stdout)["metrics"], server.settled()
        check_balance(name, first, len(tiles))
        check((run.returncode == 0) == (first["failed"] + first["cancelled"] == 0), f"{name}: {run.returncode}, {first}")
        check("panicked" not in run.stderr, f"{name}: {run.stderr}")
        if special != "uncounted":
            check(first["attempts"] == stats["received"], f"{name}: {first['attempts']} attempts, {stats['received']} seen")
        done = stats["injected"] or stats["connections"]["turned_away"]
        check(done or special == "mild", f"{name}: the server did nothing wrong: {stats}")
        there = found(target)
        check(len(there) == first["fetched"], f"{name}: {first['fetched']} fetched, {len(there)} in {target.name}")
        wrong = sum(there[at] != tiles.get(at) for at in there)
        check(wrong == 0 or special == "unnoticed", f"{name}: {wrong} tiles differ from the source")
        check(special == "empty" or first["empty"] == 0, f"{name}: {first['empty']} tiles are said to be empty")
        lines = letters.read_text().count("\n")
        check(lines == first["failed"], f"{name}: {first['failed']} given up, {lines} dead letters")

        server.set_faults("")
        left = lines
        if lines:
            left = replay(name, letters, common, server, first)
        rest = again(name, fetch, server, first, left, tiles, special == "unnoticed")
        check(found(target) == tiles, f"{name}: {target.name} is not the source")
        check(tidegate("verify", target).returncode == 0, f"{name}: verify finds fault")
    return f"{first['fetched']} fetched, {first['failed']} failed, {first['cancelled']} not come to, {rest} later"


def replay(name, letters, common, server, first):
    """Tries the dead letters again; returns how many have to wait."""
    run = tidegate("replay", letters, *common, timeout=60)
    metrics, stats = json.loads(run.stdout)["metrics"], server.settled()
    left = letters.read_text().count("\n")
    check(run.returncode == (5 if left else 0), f"{name}: the replay ended with {run.returncode}, {left} are left")
    check_balance(name, metrics, first["failed"] - left)
    check(metrics["attempts"] == stats["received"] == metrics["fetched"] == first["failed"] - left, f"{name}: {metrics}")
    server.set_faults("")
    return left


def again(name, fetch, server, first, left, tiles, whole):
    """Runs the same command again, which fetches exactly what is missing, or everything; returns how much that was."""
    run = tidegate(*fetch, *(["--no-resume"] if whole else []), timeout=60)
    check(run.returncode == 0, f"{name}: the last run ended with {run.returncode}")
    metrics, stats = json.loads(run.stdout)["metrics"], server.settled()
    check_balance(name, metrics, len(tiles))
    missing = len(tiles) if whole else first["empty"] + first["cancelled"] + left
    check(metrics["fetched"] == missing == stats["received"], f"{name}: {missing} are missing, {metrics}, {stats['received']} seen")
    return missing + first["failed"] - left


def main():
    chosen = [argument for argument in sys.argv[1:] if argument != "--short"]
    tiles = dict(tiles_of(EMBEDDED))
    if "--short" in sys.argv[1:]:
        tiles = dict(list(tiles.items())[::6])

    def one(numbered):
        number, case = numbered
        with scratch() as folder:
            said = play(case, number, tiles, Path(folder))
        print(f"{case[0]}: {said}", flush=True)

    cases = [(number, case) for number, case in enumerate(CASES) if not chosen or case[0] in chosen]
    check(cases, f"none of these: {', '.join(name for name, _, _ in CASES)}")
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(one, cases))
    print(f"{len(cases)} kinds of failure with {len(tiles)} tiles each: nothing lost, nothing made up, and whole in the end")


main()
