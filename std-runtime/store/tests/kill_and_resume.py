#!/usr/bin/env python3
"""Copies an archive into each kind while it is killed with SIGKILL at random moments, twenty times a kind; then lets a
run end, and compares every tile with the source.

usage: kill_and_resume.py ARCHIVE.mbtiles [SEED]

Runs the example copy_archive, which it builds. A copy that ends before all kills were dealt is begun again elsewhere.
"""

import contextlib
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time

KILLS = 20
HERE = os.path.dirname(os.path.abspath(__file__))


def build():
    """The path of the example, built in release."""
    command = ["cargo", "build", "--release", "--quiet", "--example", "copy_archive"]
    subprocess.run(command, cwd=HERE, check=True)
    metadata = subprocess.run(
        ["cargo", "metadata", "--format-version", "1", "--no-deps"], cwd=HERE, check=True, capture_output=True, text=True
    )
    return json.loads(metadata.stdout)["target_directory"] + "/release/examples/copy_archive"


def tiles_of(mbtiles):
    query = "SELECT zoom_level, tile_column, tile_row, tile_data FROM tiles"
    with contextlib.closing(sqlite3.connect(mbtiles)) as db:
        # A run that was killed at once has not made its tables yet.
        if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'tiles'").fetchone():
            return {}
        return {(z, x, y): data for z, x, y, data in db.execute(query)}


def read(copy, archive, work):
    """The tiles of an archive of any kind, whole or not."""
    if archive.endswith(".mbtiles"):
        return tiles_of(archive)
    if archive.endswith(".pmtiles"):
        back = os.path.join(work, "back.mbtiles")
        subprocess.run([copy, archive, back], check=True, stdout=subprocess.DEVNULL)
        tiles = tiles_of(back)
        os.remove(back)
        return tiles
    tiles = {}
    for folder, _, names in os.walk(archive):
        for name in names:
            # A temporary file is no tile, and the next run sweeps it.
            if not name.startswith("."):
                z, x = map(int, folder.split(os.sep)[-2:])
                y = (1 << z) - 1 - int(name.split(".")[0])
                with open(os.path.join(folder, name), "rb") as file:
                    tiles[z, x, y] = file.read()
    return tiles


def torture(copy, source, expected, name, work, rng):
    kills = rounds = 0
    archive = None
    while kills < KILLS:
        if archive is None:
            rounds += 1
            archive = os.path.join(work, str(rounds), name)
            os.mkdir(os.path.join(work, str(rounds)))
        run = subprocess.Popen([copy, source, archive], stdout=subprocess.DEVNULL)
        time.sleep(rng.uniform(0.001, 0.03))
        run.send_signal(signal.SIGKILL)
        if run.wait() == -signal.SIGKILL:
            kills += 1
            # What a killed run leaves is whole already; of PMTiles only the log is there until it is finished.
            if not name.endswith(".pmtiles") and os.path.exists(archive) and kills % 4 == 0:
                torn = [at for at, data in read(copy, archive, work).items() if data != expected[at]]
                assert not torn, f"{len(torn)} torn tiles after kill {kills}"
        else:
            assert run.returncode == 0, f"the copy failed with {run.returncode}"
            archive = None
    if archive is None:
        archive = os.path.join(work, str(rounds), name)
    out = subprocess.run([copy, source, archive], check=True, capture_output=True, text=True).stdout.split()[0]
    left = [entry for entry in os.listdir(os.path.dirname(archive)) if entry != name]
    left += [entry for entry in os.listdir(archive) if entry.startswith(".")] if os.path.isdir(archive) else []
    assert not left, f"left behind: {left}"
    assert read(copy, archive, work) == expected, "tiles differ from the source"
    print(f"{name}: {kills} kills in {rounds} copies; the last run copied {out} of {len(expected)}; all tiles identical")


def main():
    source = os.path.abspath(sys.argv[1])
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(1 << 32)
    print(f"seed {seed}")
    copy, expected, rng = build(), tiles_of(source), random.Random(seed)
    for name in ["a.mbtiles", "a.pmtiles", "tree"]:
        work = tempfile.mkdtemp()
        try:
            torture(copy, source, expected, name, work, rng)
        finally:
            shutil.rmtree(work)


if __name__ == "__main__":
    main()
