"""A server that accepts and never answers: the run ends in time, with no more in flight and hardly any threads.

    python3 tests/servers/silent.py"""

import re
import subprocess
import time
from pathlib import Path

from common import binary, check, environment, mock

# The main thread, the tasks, the timers, async-io's own, progress, signals, name lookups: none for each request under way.
THREADS_MAX = 8

with mock("--fault=hang=100%") as server:
    command = [binary(), "bench", "--timeout", "1", "--max-concurrency", "10", "--tile-count", "100", "--retries", "2"]
    started = time.monotonic()
    process = subprocess.Popen([*command, "--url-template", server.template], stdout=subprocess.DEVNULL, env=environment())
    threads = 0
    while process.poll() is None:
        check(time.monotonic() - started < 36, "still running after 36 s")
        status = Path(f"/proc/{process.pid}/status")
        if status.exists() and (count := re.search(r"Threads:\s+(\d+)", status.read_text())):
            threads = max(threads, int(count.group(1)))
        time.sleep(0.05)
    stats = server.stats()

check(process.returncode == 3, f"exit code {process.returncode}: nothing was fetched")
check(stats["max_in_flight"] <= 10, f"the server saw {stats['max_in_flight']} in flight")
check(threads <= THREADS_MAX, f"{threads} threads")
print(f"ended after {time.monotonic() - started:.1f} s; {stats['max_in_flight']} in flight, {threads} threads at most")
