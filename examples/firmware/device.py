"""The emulated board, and the server that it asks, as the scripts here see them."""

import contextlib
import json
import pathlib
import re
import signal
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.request
import zlib

HERE = pathlib.Path(__file__).resolve().parent
ARCHIVE = HERE / "../../std-runtime/lab/data/world-z4.mbtiles"
# Exit codes of the firmware, as in app/src/report.rs.
COMPLETE, TOO_LATE = 0, 5


def check(holds, complaint):
    if not holds:
        sys.exit(f"FAILED: {complaint}")


class Tools:
    """The programs that take part."""

    def __init__(self, elf, decoder, tidegate):
        self.elf, self.decoder, self.tidegate = (str(pathlib.Path(path).resolve()) for path in (elf, decoder, tidegate))


class Device:
    """The board while it runs, in a folder of its own, which holds its flash. Its log is printed as it comes."""

    def __init__(self, tools, folder, words):
        command = [str(HERE / "emulate"), "network", "lm3s6965evb", tools.elf]
        command += [f"{key}={value}" for key, value in words.items()]
        self.board = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=folder, start_new_session=True)
        self.log = subprocess.Popen(
            [tools.decoder, "-e", tools.elf], stdin=self.board.stdout, stdout=subprocess.PIPE, text=True
        )
        self.board.stdout.close()
        self.flash = pathlib.Path(folder) / "flash.bin"
        self.lines = []
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.log.stdout:
            print("  " + line, end="", flush=True)
            self.lines.append(line)

    def saves(self):
        """Waits until something is in its flash."""
        until = time.monotonic() + 30
        while not self.flash.exists():
            check(time.monotonic() < until and self.board.poll() is None, "the device saved nothing")
            time.sleep(0.01)

    def reset(self):
        """Power is gone, without notice."""
        with contextlib.suppress(ProcessLookupError):
            # The group: `emulate` has become a `timeout`, and the emulator is its child.
            subprocess.run(["kill", "-KILL", "--", f"-{self.board.pid}"], check=True)
        self._end()

    def finish(self):
        """The exit code, once it has ended by itself."""
        self._end()
        return self.board.returncode

    def _end(self):
        self.board.wait()
        self.log.wait()
        self.reader.join()

    def counts(self):
        """The numbers of the summary, by name."""
        return {key: int(value) for key, value in re.findall(r"\b(\w+)=(\d+)\b", "".join(self.lines[-3:]))}

    def tiles(self):
        """Size and CRC-32 of each tile that it logged."""
        found = re.findall(r"size: (\d+), inflated: \d+, crc32: (\d+)", "".join(self.lines))
        return sorted((int(size), int(crc)) for size, crc in found)


class Mock:
    """A running `tidegate mock`."""

    def __init__(self, address):
        self.address = address
        self.port = int(address.rsplit(":", 1)[1])

    def stats(self):
        with urllib.request.urlopen(f"{self.address}/__stats", timeout=10) as answer:
            return json.load(answer)

    def quiet(self):
        """The counts, once nothing is in flight."""
        for _ in range(500):
            stats = self.stats()
            if stats["in_flight"] == 0:
                return stats
            time.sleep(0.01)
        sys.exit("FAILED: the server still has requests in flight")


@contextlib.contextmanager
def mock(tools, *faults):
    """A mock on a free port that serves the embedded world with these faults."""
    command = [tools.tidegate, "mock", "--port", "0", "--seed", "7", *(f"--fault={fault}" for fault in faults)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        line = process.stdout.readline()
        check(line.startswith("serving "), f"the mock did not start: {line!r}")
        yield Mock(line.split()[1].split("/{z}")[0])
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()


def archived(route):
    """Size and CRC-32 of each tile there is on a route, as the archive has it."""
    zoom, first, columns = route["zoom"], route["row"], route["columns"]
    with contextlib.closing(sqlite3.connect(f"file:{ARCHIVE}?mode=ro", uri=True)) as database:
        rows = database.execute("select tile_column, tile_row, tile_data from tiles where zoom_level = ?", (zoom,))
        return sorted(
            (len(data), zlib.crc32(data))
            for column, south, data in rows
            if column < columns and first <= (1 << zoom) - 1 - south < first + route["rows"]
        )
