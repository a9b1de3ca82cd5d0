#!/usr/bin/env python3
"""Copies a small archive into each kind once for every system call that changes a file, killed with SIGKILL at that very
call; then lets a run end, and compares every tile with the source. Enumerates all crash points of the copy, those of its
last step included.

usage: kill_at_every_call.py ARCHIVE.mbtiles

Needs strace (Debian), and Linux.
"""

import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile

from kill_and_resume import build, read, tiles_of

CALLS = ["write", "pwrite64", "rename", "unlink", "ftruncate", "fsync", "fdatasync", "mkdir", "openat"]
# Of one call in one copy.
POINTS_MAX = 1000


def small(source, path):
    """The tiles of the two first zooms."""
    shutil.copy(source, path)
    db = sqlite3.connect(path)
    db.execute("DELETE FROM tiles WHERE zoom_level > 1")
    db.commit()
    db.close()


def torture(copy, source, expected, name, call, folder):
    """Kills at the first, second, … use of one call until the copy ends before; how often it was killed."""
    for point in range(1, POINTS_MAX):
        os.mkdir(folder)
        archive = os.path.join(folder, name)
        # strace counts each call by itself.
        inject = ["strace", "-qq", "-o", "/dev/null", "-e", f"inject={call}:signal=KILL:when={point}"]
        killed = subprocess.run(inject + [copy, source, archive], stdout=subprocess.DEVNULL).returncode != 0
        subprocess.run([copy, source, archive], check=True, stdout=subprocess.DEVNULL)
        left = [entry for entry in os.listdir(folder) if entry != name]
        left += [entry for entry in os.listdir(archive) if entry.startswith(".")] if name == "tree" else []
        assert not left, f"{name}: {left} left behind after a kill at {call} number {point}"
        assert read(copy, archive, folder) == expected, f"{name}: tiles differ after a kill at {call} number {point}"
        shutil.rmtree(folder)
        if not killed:
            return point - 1
    raise AssertionError(f"{name}: more than {POINTS_MAX} uses of {call}; give a smaller archive")


def main():
    if not shutil.which("strace"):
        sys.exit("strace is missing: apt-get install strace")
    copy = build()
    work = tempfile.mkdtemp()
    try:
        source = os.path.join(work, "small.mbtiles")
        small(os.path.abspath(sys.argv[1]), source)
        expected = tiles_of(source)
        for name in ["a.mbtiles", "a.pmtiles", "tree"]:
            points = {call: torture(copy, source, expected, name, call, os.path.join(work, "run")) for call in CALLS}
            print(f"{name}: {sum(points.values())} crash points survived: {points}", flush=True)
    finally:
        shutil.rmtree(work)


if __name__ == "__main__":
    main()
