# SPDX-License-Identifier: MIT
"""fio with io_uring on the image itself: what "native" means."""

import json
import pathlib
import re
import tempfile

import program

WORDS = {("random", "read"): "randread", ("random", "write"): "randwrite",
         ("random", "mixed"): "randrw", ("sequential", "read"): "read",
         ("sequential", "write"): "write", ("sequential", "mixed"): "rw"}
PERCENTILES = {"p50": "50.000000", "p99": "99.000000", "p99.9": "99.900000"}
# What the kernel's worker threads of fio's io_uring cost, which fio does not count: they do what
# cannot be done at once, such as most buffered writes. fio cuts a line at a semicolon, and takes
# the output for itself.
ASK_WORKERS = ("grep . /proc/$PPID/task/*/comm /proc/$PPID/task/*/schedstat > workers.$$"
               " 2>/dev/null || true")


def job_file(point, directory, seconds, fixed):
    """A job a disk, with a thread a queue; each queue has its own part of a sequential disk.

    `fixed`: registered files and buffers. Half of what mixed jobs do is reading."""
    lines = ["[global]", "ioengine=io_uring", "thread=1", "norandommap=1", "randrepeat=0",
             "time_based=1", f"runtime={seconds}", f"rw={WORDS[point.access, point.operation]}",
             f"bs={point.block_bytes}", f"iodepth={point.depth}", f"numjobs={point.queues}",
             f"direct={int(point.format == 'aio')}",
             "invalidate=0",  # all routes are to find the page cache as it is
             "group_reporting=1", "unified_rw_reporting=mixed", "lat_percentiles=1",
             "clat_percentiles=0", "percentile_list=50:99:99.9"]
    if fixed:
        lines += ["fixedbufs=1", "registerfiles=1"]
    if point.access == "sequential" and point.queues > 1:
        part = point.mebibytes // point.queues
        lines += [f"size={part}M", f"offset_increment={part}M"]
    # A colon would begin another file.
    place = str(directory).replace(":", r"\:")
    for disk in range(point.disks):
        lines += [f"[disk-{disk}]", f"filename={place}/bench-{disk}.img"]
        if disk == 0:
            lines.append(f"exec_postrun={ASK_WORKERS}")
    return "\n".join(lines) + "\n"


def figures_of(report, worker_seconds=0.0):
    """What fio's JSON says of all its jobs, in the form of tests/bench. Latency is fio's total
    latency, from before the submission to the completion."""
    job = report["jobs"][0]
    done = job["mixed"]
    if done["total_ios"] == 0:
        raise program.MeasurementError("fio did not end a single request in time")
    latency = done["lat_ns"]
    # Shares of the time of all threads together, which is in milliseconds.
    cpu_seconds = (job["usr_cpu"] + job["sys_cpu"]) / 100 * job["job_runtime"] / 1e3
    return {
        "requests_per_second": done["iops"],
        "mebibytes_per_second": done["bw_bytes"] / (1 << 20),
        "latency_us": {"mean": latency["mean"] / 1e3,
                       **{name: latency["percentile"][key] / 1e3
                          for name, key in PERCENTILES.items()}},
        "cpu_us_per_request": (cpu_seconds + worker_seconds) * 1e6 / done["total_ios"],
        "system_calls_per_request": None,
        "memory_kib": None,
    }


def worker_seconds_of(listings):
    """CPU seconds of the io_uring workers in what ASK_WORKERS lists, perhaps several times."""
    workers, nanoseconds = set(), {}
    for listing in listings:
        for thread, name, value in re.findall(r"/task/(\d+)/(\w+):(\S+)", listing):
            if name == "comm" and value.startswith("iou-wrk"):
                workers.add(thread)
            elif name == "schedstat":
                nanoseconds[thread] = max(int(value), nanoseconds.get(thread, 0))
    return sum(nanoseconds.get(thread, 0) for thread in workers) / 1e9


class Fio:
    """A route: the jobs above."""

    def __init__(self, name, fixed):
        self.name = name
        self.fixed = fixed

    def missing(self):
        return program.missing_command("fio", "tests/setup build installs it")

    def measure(self, point, directory, seconds):
        with tempfile.TemporaryDirectory(prefix="tapring-bench-") as scratch:
            output = program.run(["fio", "--output-format=json", "-"], seconds, directory=scratch,
                                 text=job_file(point, directory, seconds, self.fixed))
            listings = [path.read_text() for path in pathlib.Path(scratch).glob("workers.*")]
        # Before the report may come messages.
        return figures_of(json.loads(output[output.index("{"):]), worker_seconds_of(listings))
