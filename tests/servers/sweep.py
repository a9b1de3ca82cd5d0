"""A sweep against servers whose answer is known: 16 workers of 20 ms, and 20 ms for everybody.

    python3 tests/servers/sweep.py"""

import json

from common import check, tidegate

# A machine that is busy with something else may be unsure; then it says so, and is asked again.
TRIES = 3


def sweep(rules):
    for attempt in range(TRIES):
        swept = tidegate("sweep", "--quiet", "--fault", rules, "--output-format", "json", "--seed", attempt)
        check(swept.returncode == 0, f"the sweep ended with {swept.returncode}")
        report = json.loads(swept.stdout)
        if report["advice"]["confidence"] != "low":
            break
        print(f"unsure: {report['advice']['sentence']}")
    print(report["advice"]["sentence"])
    return report


workers = sweep("pool=16,service=20ms,queue=1000")
recommended = workers["advice"]["recommendation"].get("concurrency", 0)
check(12 <= recommended <= 24, f"{recommended} in flight for 16 workers")
check(workers["little"]["verdict"]["is"] in ("agrees", "off"), f"gauge and clocks contradict: {workers['little']}")

flat = sweep("latency=20ms")
kind = flat["advice"]["recommendation"]["kind"]
check(kind == "still_rising", f"{kind} where every request takes 20 ms")
check("50 is not yet the optimum" in flat["advice"]["sentence"], "the sentence does not say so")
