"""Prints, for each trial of a trials.jsonl, how long its slowest pair of pods took to connect.

Usage: python3 read.py standard/trials.jsonl. SCHEMA.md says what the fields are. Seconds from when
the client's process runs and the peer is Ready; ">": censored; "?": not all clocks are one.
"""
import json, sys
from datetime import datetime

def unix_ns(text):
    whole, _, fraction = text.rstrip("Z").partition(".")
    seconds = int(datetime.fromisoformat(whole + "+00:00").timestamp())
    return seconds * 10**9 + int(fraction.ljust(9, "0") or 0)

def ready(run, pod, started, published_early):
    """When the peer was Ready, on the runner's clock; its process runs before that."""
    own = set(pod.get("ips") or []) | set(started[1].get("addresses") or [])
    host = "%s-%d" % (started[1]["job"], pod["index"])
    first = []
    for e in run["events"]:
        if e.get("uid") == pod["uid"] and e["what"] == ("addressed" if published_early else "ready"):
            first.append(e["t"])
        for end in e.get("endpoints") or []:
            if not published_early and end["ready"] and end.get("hostname") == host and own & set(end["addrs"]):
                first.append(e["t"])
    if published_early:
        return min(first + [started[0]])
    return max(min(first), started[0]) if first else None

def slowest(trial):
    run, arm, starts = trial["run"], trial["plan"]["arm"], {}
    for pod in run["pods"]:
        start = next((line["start"] for line in pod["lines"] if "start" in line), None)
        if start is None or start.get("boot") != run.get("boot"):
            return "?"
        starts[pod["index"]] = (start["wall"] - unix_ns(run["zero"]), start)
    worst = (-1, False)
    uids = {pod["uid"]: pod["index"] for pod in run["pods"]}
    for client in run["pods"]:
        began, end, joined = starts[client["index"]][0], 0, {}
        for line in client["lines"]:
            end = line["t"] if "done" in line else end
            dial = line.get("dial")
            if dial and dial["outcome"] == "connected" and uids.get((dial.get("who") or {}).get("uid")) == dial["peer"]:
                joined.setdefault(dial["peer"], line["t"])
        solo = arm["observer"] == "solo"
        for peer in run["pods"]:
            i = peer["index"]
            if i == client["index"] or solo and (i != 0 or client["index"] == 0):
                continue
            there = ready(run, peer, starts[i], arm.get("publish_not_ready"))
            lag = 0 if there is None else began + joined.get(i, end) - max(began, there)
            worst = max(worst, (max(lag, 0), i not in joined))
    return (">" if worst[1] else "") + "%.3f" % (worst[0] / 1e9)

if __name__ == "__main__":
    for line in open(sys.argv[1], encoding="utf-8"):
        t = json.loads(line)
        arm = t["plan"]["arm"]
        print(t["plan"]["id"], t["status"], arm["dns"], arm["names"], arm["extra"], arm["observer"], slowest(t))
