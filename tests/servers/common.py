"""What the checks against real servers share: the binary, a mock server, and the tiles of an archive."""

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import pmtiles_reader

ROOT = Path(__file__).resolve().parents[2]
EMBEDDED = ROOT / "std-runtime/lab/data/world-z4.mbtiles"


def tidegate(*arguments, **options):
    """Runs the command and returns it, finished; a run that hangs is a failure."""
    options.setdefault("timeout", 600)
    return subprocess.run([binary(), *map(str, arguments)], stdout=subprocess.PIPE, text=True, env=environment(), **options)


def binary():
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    built = target / "release/tidegate"
    if not built.exists():
        sys.exit(f"{built} is missing: run `cargo build --release` first")
    return str(built)


def environment():
    """Without the variables that change what the command does."""
    ours = ("TILE_BASE_URL", "MAX_CONCURRENCY", "TIMEOUT_SECONDS", "RETRIES")
    return {name: value for name, value in os.environ.items() if name not in ours}


class Mock:
    """A running `tidegate mock`."""

    def __init__(self, process, template):
        self.process, self.template = process, template
        self.origin = template.split("/{z}")[0]

    def ask(self, path, body=None):
        """What the mock answers at this path. Its limit of connections holds for whoever asks too, until the last client has left."""
        for attempts_left in reversed(range(100)):
            try:
                with urllib.request.urlopen(f"{self.origin}/{path}", data=body, timeout=10) as answer:
                    return answer.read()
            except OSError as error:
                reason = getattr(error, "reason", error)
                if not isinstance(reason, ConnectionError) or not attempts_left:
                    raise
                time.sleep(0.05)

    def stats(self):
        return json.loads(self.ask("__stats"))

    def settled(self):
        """The counters once nothing is in flight: what a client gave up may still be worked on for a moment."""
        for _ in range(100):
            stats = self.stats()
            if stats["in_flight"] == 0:
                break
            time.sleep(0.05)
        return stats

    def set_faults(self, rules):
        """Puts these rules in force, one a line, and counts from zero."""
        self.ask("__faults", rules.encode())
        self.ask("__reset", b"")


@contextlib.contextmanager
def mock(*arguments, **options):
    """Starts a mock on a free port and ends it whatever happens."""
    command = [binary(), "mock", "--port", "0", *map(str, arguments)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment(), **options)
    try:
        line = process.stdout.readline()
        check(line.startswith("serving "), f"the mock did not start: {line!r}")
        yield Mock(process, line.split()[1])
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()


def tiles_of(archive):
    """Each tile of an MBTiles file as (zoom, column, row from the north) and bytes."""
    with contextlib.closing(sqlite3.connect(f"file:{archive}?mode=ro", uri=True)) as database:
        for z, x, row, data in database.execute("select zoom_level, tile_column, tile_row, tile_data from tiles"):
            yield (z, x, (1 << z) - 1 - row), data


def found(path):
    """Each whole tile of an archive of any kind, by (zoom, column, row from the north)."""
    if path.suffix == ".mbtiles":
        return dict(tiles_of(path))
    if path.suffix == ".pmtiles":
        return dict(pmtiles_reader.tiles(path)) if path.exists() else {}
    # A temporary file is no tile.
    files = (file for file in path.rglob("*") if file.is_file() and not file.name.startswith("."))
    return {(int(file.parts[-3]), int(file.parts[-2]), int(file.stem)): file.read_bytes() for file in files}


def check_balance(name, metrics, wanted):
    """Every tile asked for is accounted for, once."""
    outcomes = ("fetched", "revalidated", "stale", "from_parent", "empty", "failed", "cancelled")
    counts = {outcome: metrics[outcome] for outcome in outcomes if metrics.get(outcome)}
    check(metrics["requested"] == wanted == sum(counts.values()), f"{name}: {wanted} tiles asked for, {counts}")


def check_directory(folder, archive, extension):
    """Every tile of the archive is a file with the same bytes, and there is nothing else."""
    expected = 0
    for (z, x, y), data in tiles_of(archive):
        expected += 1
        path = Path(folder) / f"{z}/{x}/{y}.{extension}"
        check(path.exists() and path.read_bytes() == data, f"a tile of zoom {z} is missing or differs")
    found = sum(1 for path in Path(folder).rglob("*") if path.is_file())
    check(found == expected, f"{found} files where the archive has {expected} tiles")
    return expected


def scratch():
    return tempfile.TemporaryDirectory(prefix="tidegate-")


def check(condition, message):
    if not condition:
        sys.exit(f"FAILED: {message}")
