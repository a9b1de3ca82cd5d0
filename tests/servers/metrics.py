"""What /metrics and /healthz say, read by Prometheus' own parser and held against what the server counted; and hostile
scrapers, while a run goes on.

    python3 tests/servers/metrics.py [values|hostile]

Values: two sources, one of which fails in several ways. When nothing ends any more, the attempts that ended and those in
flight are the requests that the servers received, each kind of fault is as often there as here, and the histogram has them
all. `promtool check metrics` has a look as well where it is installed.

Hostile: 200 connections that say nothing, a byte a second, huge heads, garbage, bodies, answers that nobody reads, pipelines.
While they go on a run takes hardly longer, holds hardly more memory and at most 16 further descriptors, and an honest scraper
has its answer within a second."""

import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from common import binary, check, environment, mock


@contextlib.contextmanager
def listening(*arguments):
    """A run with its pages: the process and where they are. Ends whatever happens."""
    command = [binary(), *map(str, arguments), "-v", "--log-format", "json", "--listen", "127.0.0.1:0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment())
    try:
        address = None
        while address is None:
            line = process.stderr.readline()
            check(line, "it ended without a word")
            address = json.loads(line).get("address") if "serving health" in line else None
        threading.Thread(target=lambda: [None for _ in process.stderr], daemon=True).start()
        yield process, address
    finally:
        process.kill()
        process.wait()


def get(address, path):
    with urllib.request.urlopen(f"http://{address}{path}", timeout=10) as answer:
        return answer.read().decode()


def scrape(address):
    """Every sample by name and labels, in order of the labels' names."""
    text = get(address, "/metrics")
    families = list(text_string_to_metric_families(text))
    check(len({family.name for family in families}) == len(families), "a family is there twice")
    samples = {}
    for family in families:
        check(family.documentation and family.type != "unknown", f"{family.name} lacks its help or type")
        check(re.fullmatch("(tidegate|process)_[a-z_]+", family.name), f"{family.name}: a strange name")
        for sample in family.samples:
            key = sample.name, *sorted(sample.labels.items())
            check(key not in samples, f"{key} is there twice")
            check(sample.value >= 0, f"{key} is {sample.value}")
            check(family.type != "counter" or sample.name.endswith("_total"), f"{key} is a counter and no total")
            samples[key] = sample.value
    return samples, text


def total(samples, name, **labels):
    """The sum of all samples of a name with these labels."""
    wanted = set(labels.items())
    return sum(value for (other, *of), value in samples.items() if other == name and wanted <= set(of))


def values():
    rules = ["503=10%", "429=3%", "reset=4%", "truncate=4%", "latency=uniform:1ms..60ms", "seed=5"]
    ill = ["--fault=" + rule for rule in rules]
    with mock(*ill) as first, mock("--fault=latency=5ms") as second:
        flags = ["bench", "--preset", "bulk", "--tile-count", 1_000_000, "--retries", 254, "--timeout", "5m", "--seed", 3]
        with listening(*flags, "--url-template", first.template, "--mirror", second.template) as (process, address):
            health = json.loads(get(address, "/healthz"))
            check(set(health) == {"status", "uptime_seconds", "stats"}, f"{health}")
            before = None
            for _ in range(8):
                time.sleep(0.5)
                now, _ = scrape(address)
                falling = [key for key in now if key[0].endswith(("_total", "_bucket", "_count")) and before and now[key] < before.get(key, 0)]
                check(not falling, f"counters that fell: {falling}")
                before = now
            for server in (first, second):
                request = urllib.request.Request(f"{server.origin}/__faults", data=b"hang=100%", method="POST")
                urllib.request.urlopen(request, timeout=10).close()
            time.sleep(2)
            samples, text = scrape(address)
            health = json.loads(get(address, "/healthz"))
            stats = [first.stats(), second.stats()]
            check(process.poll() is None, "it ended by itself")
    for source, server in enumerate(stats):
        of = {"source": str(source)}
        ended = total(samples, "tidegate_attempts_total", **of)
        in_flight = total(samples, "tidegate_in_flight", **of)
        print(f"source {source}: {ended:.0f} attempts ended, {in_flight:.0f} in flight; the server received {server['received']}")
        check(ended + in_flight == server["received"], "attempts and requests differ")
        succeeded = total(samples, "tidegate_attempts_total", outcome="succeeded", **of)
        well = sum(server["answered"].get(status, 0) for status in ("200", "204", "404"))
        spoilt = sum(server["injected"].get(fault, 0) for fault in ("truncate",))
        check(succeeded in (well, well - spoilt), f"{succeeded} successes, {well} good answers, {spoilt} of them spoilt: {server}")
        for kind, theirs in [
            ("status 503", server["answered"].get("503", 0)),
            ("status 429", server["answered"].get("429", 0)),
            ("connection reset", server["injected"].get("reset", 0)),
            ("incomplete body", server["injected"].get("truncate", 0)),
        ]:
            ours = total(samples, "tidegate_attempt_faults_total", kind=kind, **of)
            check(ours == theirs, f"{kind}: {ours} here and {theirs} there")
        faults, failed = total(samples, "tidegate_attempt_faults_total", **of), total(samples, "tidegate_attempts_total", outcome="failed", **of)
        check(faults == failed, f"{faults} faults and {failed} failed attempts")
        buckets = [value for (name, *labels), value in samples.items() if name.endswith("duration_seconds_bucket") and ("source", str(source)) in labels]
        check(buckets == sorted(buckets), "the buckets do not add up")
        counted = total(samples, "tidegate_attempt_duration_seconds_count", **of)
        check(buckets[-1] == counted == succeeded + failed, f"{buckets[-1]}, {counted}, {succeeded + failed}")
        state = {label: total(samples, "tidegate_breaker_state", state=label, **of) for label in ("closed", "open", "half_open")}
        check(sum(state.values()) == 1, f"{state}")
        for name in ("limit", "rate_per_second", "interval_seconds", "retries_available", "pause_seconds", "rate_cuts_total", "limit_cuts_total"):
            check((f"tidegate_{name}", ("source", str(source))) in samples, f"no {name} of source {source}")
    for name in ("tidegate_connections", "process_open_fds", "process_max_fds", "tidegate_uptime_seconds"):
        check(total(samples, name) > 0, f"{name} says nothing")
    check(("tidegate_requests_under_way",) in samples, "no requests under way")
    succeeded = total(samples, "tidegate_attempts_total", outcome="succeeded")
    failed = total(samples, "tidegate_attempts_total", outcome="failed")
    said = health["stats"]
    check((said["requests_successful"], said["requests_failed"]) == (succeeded, failed), f"{said}")
    check(said["requests_total"] == succeeded + failed and said["avg_latency_ms"] > 0, f"{said}")
    check(said["current_concurrency"] == total(samples, "tidegate_in_flight"), f"{said}")
    if shutil.which("promtool"):
        linted = subprocess.run(["promtool", "check", "metrics"], input=text, text=True, capture_output=True)
        print(f"promtool: {(linted.stdout + linted.stderr).strip() or 'nothing to complain of'}")
        check(linted.returncode == 0, "promtool does not like it")
    print(f"{len(samples)} samples, all as the servers counted")


class Attack(threading.Thread):
    """Bad clients, a bounded number of them, until they are told to stop."""

    def __init__(self, address):
        super().__init__(daemon=True)
        host, port = address.rsplit(":", 1)
        self.to, self.over, self.made = (host, int(port)), threading.Event(), 0
        self.kept = []

    def open(self, say=b"", keep=False, small=False):
        bad = socket.socket()
        bad.settimeout(1)
        if small:
            bad.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        with contextlib.suppress(OSError):
            bad.connect(self.to)
            self.made += 1
            bad.sendall(say)
        if keep:
            self.kept.append(bad)
        else:
            bad.close()

    def run(self):
        get = b"GET /metrics HTTP/1.1\r\nhost: x\r\n"
        ways = [
            dict(keep=True),
            dict(say=get + b"x-long: " + b"x" * 65536 + b"\r\n\r\n"),
            dict(say=os.urandom(4096)),
            dict(say=b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
            dict(say=b"POST /metrics HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\r\n" + b"x" * 65536, keep=True),
            dict(say=b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nfffffffff\r\n", keep=True),
            dict(say=get + b"\r\n", keep=True, small=True),
            dict(say=(get + b"\r\n") * 200, keep=True, small=True),
            dict(say=b"GET /metrics HTTP/1.1\r\n", keep=True),
        ]
        for _ in range(200):
            self.open(keep=True)
        while not self.over.is_set():
            for way in ways:
                self.open(**way)
                if self.over.wait(0.01):
                    break
            while len(self.kept) > 400:
                self.kept.pop(0).close()
            # A byte a second, of those that say something.
            if self.made % 90 < 9:
                for slow in self.kept[-40:]:
                    with contextlib.suppress(OSError):
                        slow.send(b"x")
        for bad in self.kept:
            bad.close()


def measured(server, attacked):
    """How long a run takes, and what it holds meanwhile; and how long an honest scraper waits."""
    flags = ["bench", "--tile-count", 3000, "--max-concurrency", 10, "--seed", 3, "--url-template", server.template]
    with listening(*flags, "--output-format", "json") as (process, address):
        attack = Attack(address) if attacked else None
        if attack:
            attack.start()
        held, descriptors, waits = 0, 0, []
        while process.poll() is None:
            status = Path(f"/proc/{process.pid}/status")
            with contextlib.suppress(OSError):
                resident = re.search(r"VmRSS:\s+(\d+) kB", status.read_text())
                held = max(held, int(resident[1]) if resident else 0)
                descriptors = max(descriptors, len(os.listdir(f"/proc/{process.pid}/fd")))
            before = time.monotonic()
            with contextlib.suppress(OSError):
                check("tidegate_limit" in get(address, "/metrics"), "a strange answer")
                waits.append(time.monotonic() - before)
            time.sleep(0.2)
        if attack:
            attack.over.set()
            attack.join(timeout=10)
        report = json.loads(process.stdout.read())
    check(process.returncode == 0, f"it ended with {process.returncode}")
    seconds = report["wall_seconds"]
    print(
        f"{'attacked' if attacked else 'alone   '}: {seconds:.2f} s, {held / 1024:.1f} MiB, {descriptors} descriptors; "
        f"{len(waits)} honest scrapes, the slowest {1000 * max(waits):.0f} ms"
        + (f"; {attack.made} bad connections" if attack else ""),
        flush=True,
    )
    return seconds, held, descriptors, waits


def hostile():
    with mock("--fault=latency=20ms") as server:
        alone = measured(server, False)
        attacked = measured(server, True)
    check(attacked[0] < 1.3 * alone[0] + 0.5, "the run took longer")
    check(attacked[1] < alone[1] + 16 * 1024, "it held more memory")
    check(attacked[2] <= alone[2] + 17, "it held more descriptors")
    check(len(attacked[3]) / attacked[0] > 0.5 * len(alone[3]) / alone[0], "honest scrapers were kept out")
    check(max(attacked[3]) < 1, "an honest scraper had to wait")


for part in sys.argv[1:] or ["values", "hostile"]:
    {"values": values, "hostile": hostile}[part]()
