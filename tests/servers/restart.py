"""A restart in the middle of a server's pause keeps the pause, on real time over loopback.

    python3 tests/servers/restart.py

In its fourth second the server answers with 429 and asks for 15 s of silence. A fetch is interrupted two seconds later and begun
again at once: with --remember nobody asks before the silence is over, and everything arrives. Without it, to show that the
check sees what it should, the new run asks at once. The same once more with a run that is killed."""

import signal
import subprocess
import sys
import time
from pathlib import Path

from common import binary, check, environment, mock, scratch

SILENCE_S, ZOOM_MAX = 15, 4
TILES = sum(4**zoom for zoom in range(ZOOM_MAX + 1))


def waited(folder, how, remember):
    """Interrupts a fetch in the pause, begins another, and says how long after the last 429 the server was asked again."""
    rules = [f"--fault=outage=3s..4s:429:{SILENCE_S}", "--fault=latency=100ms"]
    with mock("--synthetic", 1000, "--seed", 7, *rules) as server:
        command = [binary(), "fetch", "--bbox=-180,-85.06,180,85.06", "--zooms", f"0-{ZOOM_MAX}", "--output", folder / "tiles"]
        command += ["--url-template", server.template, "--max-concurrency", 6, "--preset", "bulk", *remember]
        command = list(map(str, command))
        first = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment())
        refused = until(lambda: server.stats()["answered"].get("429", 0) > 0)
        time.sleep(2)
        check(first.poll() is None, "the first run was over before the pause")
        first.send_signal(how)
        first.wait(timeout=10)
        before = server.stats()["received"]
        second = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment())
        asked = until(lambda: server.stats()["received"] > before)
        check(second.wait(timeout=60) == 0, f"the second run ended with {second.returncode}")
    return asked - refused


def until(happens):
    """The time at which it is first seen to have happened."""
    for _ in range(600):
        if happens():
            return time.monotonic()
        time.sleep(0.05)
    sys.exit("FAILED: it did not happen within half a minute")


for how, name in [(signal.SIGINT, "interrupted"), (signal.SIGKILL, "killed")]:
    with scratch() as folder:
        seconds = waited(Path(folder), how, ["--remember", Path(folder) / "memory.json"])
    print(f"{name}: asked again {seconds:.1f} s after the refusal", flush=True)
    # Jitter adds an eighth at most; the refusal is seen a moment late, and so is the first request.
    check(SILENCE_S - 0.5 <= seconds <= SILENCE_S * 9 / 8 + 2, f"the server asked for {SILENCE_S} s")
with scratch() as folder:
    seconds = waited(Path(folder), signal.SIGINT, [])
print(f"without --remember: {seconds:.1f} s", flush=True)
check(seconds < SILENCE_S / 2, "it waited although it could not know")
