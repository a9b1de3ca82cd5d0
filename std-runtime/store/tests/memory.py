#!/usr/bin/env python3
"""Copies 1,000 and 100,000 tiles into each kind of archive and compares the peak memory of the two: the larger may take
1.2 times as much at the most.

usage: memory.py

Runs the example copy_archive, which it builds. Needs Linux, which tells a process its peak.
"""

import os
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile

from kill_and_resume import build

RATIO_MAX = 1.2


def generate(path, count):
    """An MBTiles of `count` different tiles of one zoom, of 200 to 3,000 bytes."""
    rng = random.Random(count)
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE metadata (name text, value text)")
    db.execute("CREATE TABLE tiles (zoom_level integer, tile_column integer, tile_row integer, tile_data blob)")
    db.execute("CREATE UNIQUE INDEX tile_index ON tiles (zoom_level, tile_column, tile_row)")
    db.execute("INSERT INTO metadata VALUES ('format', 'png')")
    tiles = ((9, n % 512, n // 512, b"\x89PNG\r\n\x1a\n" + rng.randbytes(rng.randrange(200, 3000))) for n in range(count))
    db.executemany("INSERT INTO tiles VALUES (?, ?, ?, ?)", tiles)
    db.commit()
    db.close()


def peak_kib(copy, source, target):
    """The peak memory of one copy. Told by the copy itself: what the system tells its parent counts the parent as well."""
    return int(subprocess.run([copy, source, target], check=True, capture_output=True, text=True).stdout.split()[1])


def main():
    copy = build()
    work = tempfile.mkdtemp()
    failed = False
    try:
        few, many = os.path.join(work, "few.mbtiles"), os.path.join(work, "many.mbtiles")
        generate(few, 1_000)
        generate(many, 100_000)
        for name in ["a.mbtiles", "a.pmtiles", "tree"]:
            # The least of five: noise only adds.
            small = min(peak_kib(copy, few, os.path.join(work, f"{n}{name}")) for n in range(5))
            large = peak_kib(copy, many, os.path.join(work, name))
            failed |= large > RATIO_MAX * small
            print(f"{name}: {small} KiB for 1,000 tiles, {large} KiB for 100,000: {large / small:.2f} times as much")
    finally:
        shutil.rmtree(work)
    sys.exit("memory grows with the number of tiles" if failed else 0)


if __name__ == "__main__":
    main()
