"""A limit that the server does not tell: the adaptive rate finds it, on real time over loopback.

    python3 tests/servers/hidden_limit.py [REQUESTS_PER_SECOND …]

For each limit: latencies of 5 to 80 ms, concurrency 50, 429 without a hint, always the same settings. Over the 60 s after
the first 10 s at least 0.84 of the limit is accepted and less than 5 % refused. The report says what was found: within a
fifth of the limit, with high confidence."""

import json
import subprocess
import sys
import time

from common import binary, check, environment, mock

WARM_UP_S, MEASURED_S = 10, 60

for limit in [int(argument) for argument in sys.argv[1:]] or [20, 50, 200]:
    rules = [f"--fault=rate={limit}/s,burst=5,retry-after=none", "--fault=latency=uniform:5ms..80ms"]
    with mock("--synthetic", 1000, *rules) as server:
        command = [binary(), "bench", "--preset", "bulk", "--max-concurrency", 50, "--max-zoom", 12]
        command += ["--tile-count", limit * 300, "--retries", 254, "--url-template", server.template, "--seed", 7, "--output-format", "json"]
        command += ["--global-timeout", WARM_UP_S + MEASURED_S + 2]
        client = subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, text=True, env=environment())
        time.sleep(WARM_UP_S)
        before, started = server.stats(), time.monotonic()
        time.sleep(MEASURED_S)
        after, seconds = server.stats(), time.monotonic() - started
        check(client.poll() is None, f"the client ended early with {client.returncode}")
        report, _ = client.communicate(timeout=60)
    gained = {status: after["answered"].get(status, 0) - before["answered"].get(status, 0) for status in ("200", "429")}
    accepted, refused = gained["200"] / seconds, gained["429"] / max(1, sum(gained.values()))
    print(f"limit {limit}/s: {accepted:.1f}/s accepted ({accepted / limit:.2f} of it), {100 * refused:.1f} % refused", flush=True)
    found = json.loads(report)["found"][0]["rate_per_second"]
    print(f"found by itself: {found}", flush=True)
    check(accepted >= 0.84 * limit, "less than 0.84 of the limit was accepted")
    check(refused < 0.05, "5 % or more were refused")
    check(found["state"] == "found" and abs(found["value"] / limit - 1) < 0.2, "something else than the limit was found")
    check(found["confidence"] == "high", "it is not sure of what it found")
