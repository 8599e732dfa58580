#!/usr/bin/env python3
"""Computes p99 of response time and processing lag, and recovery, from an exported run.

    ackproof export runs/latest --out run.csv && python3 docs/recompute.py run.csv runs/latest/result.json

It shares no code with ackproof: of result.json it takes only when the faults struck and when the load ended."""
import bisect, csv, json, math, sys

rows, run = list(csv.DictReader(open(sys.argv[1]))), json.load(open(sys.argv[2]))
at = lambda row, key: float(row[key]) if row[key] else math.inf           # not seen to end: later than all
p99 = lambda values: sorted(values)[math.ceil(0.99 * len(values) - 1e-6) - 1] if values else None
warm = [r for r in rows if r["warmup"] != "true"]
acked = lambda r: at(r, "done_ms") if r["outcome"] == "acknowledged" else math.inf
due, end = [at(r, "due_ms") for r in rows], run["phases"][-1]["to_ms"]
offered = lambda a, b: (bisect.bisect_left(due, b) - bisect.bisect_left(due, a)) / (b - a) if b > a else 0

lives = [(min(acked(r), at(r, "committed_ms")), at(r, "processed_ms")) for r in rows]
steps = sorted([(a, 1) for a, b in lives if a < b] + [(b, -1) for a, b in lives if a < b < math.inf])
times, levels = [t for t, _ in steps], [0]
for i, (t, d) in enumerate(steps):                                        # levels[i]: before the i-th change
    levels.append(levels[-1] + d)
after = lambda t: bisect.bisect_right(times, t)
most = lambda a, b: max([levels[after(a)]] + [levels[i + 1] for i in range(after(a), b) if i + 1 == len(times) or times[i + 1] > times[i]])

windows = []
for a, b in sorted((f["at_ms"], f["at_ms"] + f["for_ms"]) for f in run["faults"]):
    if windows and a <= windows[-1][1]: windows[-1][1] = max(windows[-1][1], b)   # faults at once are one
    else: windows.append([a, b])
def recovery(a, b):
    base, normal = offered(max(0, a - 5000), a), most(max(0, a - 5000), bisect.bisect_left(times, a)) if a > 0 else 0
    for t in sorted({b, max(b, end)} | {t for t, d in steps if d < 0 and t > b}):
        bound = normal * offered(t, min(t + 1000, end)) / base if t < end and base else 0
        if most(t, after(t + 1000)) <= bound + 1e-6: return t - b
bounded = lambda v: v if v is not None and v < math.inf else None
print(json.dumps({"response_p99": bounded(p99([at(r, "response_time_ms") for r in warm])),
                  "lag_p99": bounded(p99([at(r, "processing_lag_ms") for r in warm if r["outcome"] == "acknowledged" and r["verdict"] != "superseded"])),
                  "recovery": [recovery(a, b) for a, b in windows]}))
