"""A tile server that nobody here wrote, tileserver-gl-light, and a whole archive mirrored from it into each kind.

    python3 tests/servers/real_server.py [ARCHIVE.mbtiles [FOLDER]]

Without an archive: the tiles that the command carries in itself. The server is installed with npm into FOLDER (target/tileserver
where absent) unless it is there: once, for some minutes, since its SQLite is compiled.

It packs tiles anew, so they are compared unpacked. In the first run it is killed and started again: what it does not answer then
comes with the next tries."""

import contextlib
import gzip
import json
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

from common import EMBEDDED, ROOT, check, check_balance, found, scratch, tidegate, tiles_of

PACKAGE = "tileserver-gl-light"
VERSION = "5.6.0"

archive = Path(sys.argv[1] if len(sys.argv) > 1 else EMBEDDED).resolve()
home = Path(sys.argv[2] if len(sys.argv) > 2 else ROOT / "target/tileserver").resolve()


def install():
    """The server's program."""
    program = home / f"node_modules/{PACKAGE}/src/main.js"
    built = home / "node_modules/sqlite3/build/Release/node_sqlite3.node"
    check(shutil.which("npm"), "npm is missing: apt-get install npm")
    if not (program.exists() and built.exists()):
        home.mkdir(parents=True, exist_ok=True)
        quiet = ("--no-audit", "--no-fund", "--loglevel=error")
        subprocess.run(["npm", "install", "--prefix", home, *quiet, f"{PACKAGE}@{VERSION}"], check=True, timeout=3600)
    return program


class Server:
    def __init__(self, program, folder):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        data = {"mbtiles": str(archive)}
        paths = {"root": str(folder), "mbtiles": str(archive.parent)}
        config = folder / "config.json"
        config.write_text(json.dumps({"options": {"paths": paths}, "data": {"tiles": data}}))
        self.command = ["node", program, "--config", config, "--port", str(self.port), "--bind", "127.0.0.1"]
        self.log = open(folder / "server.log", "w")
        self.start()

    def start(self):
        self.process = subprocess.Popen(self.command, stdout=self.log, stderr=self.log)
        for _ in range(600):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            check(self.process.poll() is None, f"the server did not start: {Path(self.log.name).read_text()}")
            time.sleep(0.1)
        check(False, "the server did not listen within a minute")

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def restart_after(self, seconds):
        """Kills it in the middle of a run; it is back two seconds later."""

        def restart():
            time.sleep(seconds)
            self.kill()
            time.sleep(2)
            self.start()

        thread = threading.Thread(target=restart)
        thread.start()
        return thread


def unpacked(tiles):
    return {at: gzip.decompress(tile) if tile[:2] == b"\x1f\x8b" else tile for at, tile in tiles.items()}


expected = unpacked(dict(tiles_of(archive)))
zoom_max = max(zoom for zoom, _, _ in expected)
world = sum(4**zoom for zoom in range(zoom_max + 1))
program = install()
with scratch() as folder:
    folder = Path(folder)
    server = Server(program, folder)
    with contextlib.ExitStack() as at_end:
        at_end.callback(lambda: server.kill())
        origin = f"http://127.0.0.1:{server.port}/data/tiles"
        sources = {
            "tree": ("--url-template", f"{origin}/{{z}}/{{x}}/{{y}}.pbf"),
            "a.mbtiles": ("--url-template", f"{origin}.json", "--scheme", "tilejson"),
            "a.pmtiles": ("--url-template", f"{origin}/{{z}}/{{x}}/{{y}}.pbf", "--max-concurrency", 50),
        }
        for name, source in sources.items():
            restart = server.restart_after(0.5) if name == "tree" else None
            run = tidegate(
                *("fetch", "--bbox=-180,-85.06,180,85.06", "--zooms", f"0-{zoom_max}", "--output", folder / name),
                *(*source, "--output-format", "json", "--quiet"),
            )
            if restart:
                restart.join()
            check(run.returncode == 0, f"{name}: exit code {run.returncode}")
            metrics = json.loads(run.stdout)["metrics"]
            check_balance(name, metrics, world)
            check(metrics["fetched"] == len(expected), f"{name}: {metrics}")
            check(unpacked(found(folder / name)) == expected, f"{name}: the tiles differ from the source")
            check(tidegate("verify", folder / name).returncode == 0, f"{name}: verify finds fault")
            check(not restart or metrics["retries"] > 0, f"{name}: it was over before the server was killed")
            extra = f", {metrics['retries']} retries while it was down" if restart else ""
            print(f"{name}: {len(expected)} tiles identical, {metrics['empty']} empty{extra}", flush=True)
