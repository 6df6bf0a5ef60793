# SPDX-License-Identifier: MIT
"""What tapringd did for a request inside the lab, by what was counted before and after."""

import collections
import json
import re

CALL = re.compile(r"common_pid:\s*(\d+), id: (?:sys_)?(\S+)\s*\[\s*\d+\] \} hitcount:\s*(\d+)")


def totals(text):
    """The sums of all disks' counters, of `tapring list --json`."""
    found = collections.Counter()
    for disk in json.loads(text)["disks"]:
        found.update(disk["counters"])
    return found


def switches(text):
    """By thread, how often it slept or was taken off the processor."""
    found = collections.Counter()
    for thread, value in re.findall(r"/task/(\d+)/status:\w+ctxt_switches:\s*(\d+)", text):
        found[thread] += int(value)
    return found


def workers(text):
    """The threads that serve disks, out of the names of all."""
    return {thread for thread, name in re.findall(r"/task/(\d+)/comm:(\S+)", text)
            if name.startswith("worker")}


def per_request(before, after, calls):
    """`before` and `after` are dictionaries of the texts that inside/bench.sh wrote."""
    counted = totals(after["list"])
    counted.subtract(totals(before["list"]))
    requests = counted["reads"] + counted["writes"]
    if requests == 0:
        return None
    chosen = workers(after["names"])
    slept = switches(after["switches"])
    slept.subtract(switches(before["switches"]))
    made = collections.Counter()
    for thread, call, number in CALL.findall(calls):
        if thread in chosen:
            made[call] += int(number)
    return {"requests": requests, "wakeups": counted["wakeups"] / requests,
            "notifications": counted["notifications"] / requests,
            "context switches": sum(slept[thread] for thread in chosen) / requests,
            "system calls": {call: number / requests for call, number in made.most_common()}}


def read(directory):
    """By the name of a job file, of those in which tapringd served anything."""
    found = {}
    for calls in sorted(directory.glob("*.calls")):
        texts = [{kind: calls.with_suffix(f".{when}.{kind}").read_text()
                  for kind in ("list", "names", "switches")} for when in ("before", "after")]
        figures = per_request(*texts, calls.read_text())
        if figures:
            found[calls.stem.partition(".")[2]] = figures
    return found


def text(counters):
    """For the terminal."""
    lines = ["tapringd, for each request:"]
    for name, figures in counters.items():
        calls = figures["system calls"]
        lines.append(f"  {name}, {figures['requests']} requests")
        lines += [f"    {kind:<18}{figures[kind]:8.3f}"
                  for kind in ("wakeups", "notifications", "context switches")]
        lines.append(f"    {'system calls':<18}{sum(calls.values()):8.3f}  "
                     + ", ".join(f"{call} {number:.3f}" for call, number in calls.items()))
    return "\n".join(lines) + "\n"
