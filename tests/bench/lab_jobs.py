# SPDX-License-Identifier: MIT
"""What fio is told inside the lab, and what is read of what it answers."""

import json

import fio
import rounds
from backends import DISKS, name_of
from program import MeasurementError

MOST_RAMP_SECONDS = 1.0
# What a measurement takes besides: a start of fio, and what it writes to be on the storage.
OVERHEAD_SECONDS = 10


def ramp_seconds(seconds):
    """What is not measured before so long a measurement."""
    return min(MOST_RAMP_SECONDS, seconds / 2.5)


def milliseconds(seconds):
    return f"{seconds * 1000:.0f}ms"


def job_file(point, names, seconds, title):
    """One measurement after the other, of these backends. What one left in the page cache is
    written before the next begins."""
    lines = [f"# {title}", "[global]", "ioengine=libaio", "thread=1", "direct=1",
             "norandommap=1", "time_based=1", f"runtime={milliseconds(seconds)}",
             f"ramp_time={milliseconds(ramp_seconds(seconds))}",
             f"rw={fio.WORDS[point.access, point.operation]}", f"bs={point.block_bytes}",
             f"iodepth={point.depth}", "stonewall", "lat_percentiles=1", "clat_percentiles=0",
             "percentile_list=50:99:99.9"]
    if point.operation == "write":
        lines.append("exec_postrun=sync")
    for name in names:
        lines += [f"[{name}]", f"filename=/dev/{DISKS[name]}"]
    return "\n".join(lines) + "\n"


def job_files(points, names, round_count, seconds, apart):
    """Pairs of a file's name and its text, in the order in which they are to run. In a round a
    point is measured on all backends before the next; who is first changes with the round.
    `apart`: each backend in a file of its own."""
    for number in range(round_count):
        order = rounds.order(names, number)
        for point in points:
            title = f"round {number + 1} of {round_count}: {point.work()}"
            for group in ([[name] for name in order] if apart else [order]):
                stem = f"{number}.{name_of(point)}" + (f".{group[0]}" if apart else "")
                yield stem, job_file(point, group, seconds, title + apart * f", {group[0]}")


def figures_of(job, operation):
    """Of one job of fio's JSON, in the form of tests/bench."""
    done = job[operation]
    if done["total_ios"] == 0:
        raise MeasurementError(f"{job['jobname']} did not end a single request in time")
    latency = done["lat_ns"]
    return {"requests_per_second": done["iops"],
            "mebibytes_per_second": done["bw_bytes"] / (1 << 20),
            "latency_us": {"mean": latency["mean"] / 1e3,
                           **{name: latency["percentile"][key] / 1e3
                              for name, key in fio.PERCENTILES.items()}}}


def entry_of(point, names, reports):
    """A point of our report: `reports` is a list of fio's a round."""
    measured = []
    for of_round in reports:
        jobs = {job["jobname"]: job for report in of_round for job in report["jobs"]}
        measured.append({name: figures_of(jobs[name], point.operation) for name in names})
    return {"operation": point.operation, "access": point.access,
            "block_bytes": point.block_bytes, "depth": point.depth,
            "backends": {name: rounds.median([found[name] for found in measured])
                         for name in names},
            "rounds": measured}


def json_of(text):
    """Before fio's report may come messages."""
    return json.loads(text[text.index("{"):])


def read_reports(directory, point, round_count):
    """What `job_files` made fio write, a list a round."""
    return [[json_of(path.read_text())
             for path in sorted(directory.glob(f"*.{number}.{name_of(point)}.*json"))]
            for number in range(round_count)]
