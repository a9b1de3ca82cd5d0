"""Ten minutes under load from a server on a bad day: memory stays, and descriptors come back.

    python3 tests/servers/soak.py [MINUTES]

100 tiles a second on schedule, every kind of failure among the answers, and once a minute a server that is not there for five
seconds. After the second minute neither client nor server grows by 1 MiB a minute (a straight line through a sample a second). In each
outage all connections are gone: as many descriptors are left each time; and the server has as many after the run as before."""

import json
import os
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from common import binary, check, check_balance, environment, mock

MINUTES = int(sys.argv[1]) if len(sys.argv) > 1 else 10
WARM_UP_S, GROWTH_MAX_KIB = 120, 1024
OUTAGE_S, OUTAGE_EVERY_S = 5, 60
# A server that asks for a pause with every hundredth answer would get no load.
BAD_DAY = (Path(__file__).parent / "bad_day.toml").read_text().replace('"0.5%"', '"0.02%"')
check(MINUTES >= 4, f"{MINUTES} minutes: the first two do not count, so give 4 or more")


def resident_kib(pid):
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS:")).split()[1])


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def set_faults(server, toml):
    request = urllib.request.Request(f"{server.origin}/__faults", toml.encode(), {"Content-Type": "application/toml"})
    with urllib.request.urlopen(request, timeout=10):
        pass


def growth_kib(samples):
    """How much the straight line through these (minute, KiB) rises in a minute."""
    count = len(samples)
    at, kib = sum(x for x, _ in samples) / count, sum(y for _, y in samples) / count
    return sum((x - at) * (y - kib) for x, y in samples) / sum((x - at) ** 2 for x, _ in samples)


with mock("--synthetic", 8000, "--seed", 7) as server:
    pids = {"server": server.process.pid}
    before = descriptors(server.process.pid)
    command = [binary(), "bench", "--preset", "load", "--duration", f"{MINUTES}m", "--rate", "100/s", "--max-zoom", 6]
    command += ["--retries", 2, "--global-timeout", f"{MINUTES + 1}m", "--timeout", "2s", "--url-template", server.template, "--seed", 7, "--output-format", "json", "--quiet"]
    client = subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, text=True, env=environment())
    pids["client"] = client.pid
    resident = {who: [] for who in pids}
    at_rest, most = [], 0
    started = time.monotonic()
    set_faults(server, BAD_DAY)
    for second in range(MINUTES * 60 - 5):
        time.sleep(max(0, started + second - time.monotonic()))
        check(client.poll() is None, f"the client ended after {second} s with {client.returncode}")
        for who, pid in pids.items():
            resident[who].append((second / 60, resident_kib(pid)))
        most = max(most, descriptors(client.pid))
        since = second % OUTAGE_EVERY_S - OUTAGE_EVERY_S // 2
        if since == 0:
            set_faults(server, f'outage = ["0s..{OUTAGE_S}s:refuse"]\n{BAD_DAY}')
        if since == OUTAGE_S - 2:
            # The least of some: a connection may just be tried.
            looks = []
            for _ in range(20):
                looks.append(descriptors(client.pid))
                time.sleep(0.05)
            at_rest.append(min(looks))
    out, _ = client.communicate(timeout=120)
    check(client.returncode in (0, 1), f"the client ended with {client.returncode}")
    time.sleep(1)
    after, stats = descriptors(server.process.pid), server.settled()

report = json.loads(out)
metrics = report["metrics"]
check_balance("soak", metrics, metrics["requested"])
ended = sum(stats["answered"].values()) + sum(stats["unanswered"].values()) + stats["aborted"]
check(stats["received"] == ended, f"the server received {stats['received']} and ended {ended}")
print(
    f"{metrics['requested']} tiles, {metrics['fetched']} fetched, {metrics['empty']} empty, {metrics['failed']} failed;"
    f" {metrics['attempts']} attempts, of which {sum(report['faults_by_kind'].values())} went wrong"
)
print(f"descriptors of the client: {most} at most, {at_rest} in the outages; of the server: {before} before, {after} after")
for who, samples in resident.items():
    later = [(minute, kib) for minute, kib in samples if minute * 60 >= WARM_UP_S]
    growth = growth_kib(later)
    print(f"memory of the {who}: {later[0][1]} KiB after two minutes, {later[-1][1]} KiB at the end, {growth:+.0f} KiB a minute")
    check(growth < GROWTH_MAX_KIB, f"the {who} grows by {growth:.0f} KiB a minute")
check(len(set(at_rest)) == 1, f"the client's descriptors do not come back: {at_rest}")
check(before == after, f"the server's descriptors do not come back: {before} before, {after} after")
check(metrics["fetched"] > metrics["requested"] / 2, "most tiles were lost, so this was no load")
