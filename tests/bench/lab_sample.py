# SPDX-License-Identifier: MIT
"""A report as tests/xen/bench writes it, with figures that nobody measured."""

import backends
import lab_jobs

# Requests a second at 4k; one of 1 MiB takes 256 times as long.
RATES = {"aio": 8000, "loop-direct": 10000, "raw": 12000, "loop": 10000, "qdisk": 5000}


def fio_job(name, point):
    """What fio reports of it."""
    rate = RATES[name] * 4096 / point.block_bytes
    latency = point.depth / rate * 1e9
    done = {"total_ios": 100, "iops": rate, "bw_bytes": rate * point.block_bytes,
            "lat_ns": {"mean": latency, "percentile": {
                "50.000000": latency, "99.000000": 2 * latency, "99.900000": 3 * latency}}}
    return {"jobname": name, point.operation: done}


def report(names=tuple(backends.DISKS), sizes=tuple(backends.SIZES), repeatable=True):
    points = backends.points_of(sizes, 64)
    machine = {"date": "2026-01-02T03:04:05+00:00", "command": "tests/xen/bench", "commit": "abc",
               "fio": "fio-3.33"}
    lab = {"backends": list(names), "repeatable": repeatable, "kernel": "6.1", "xen": "4.17",
           "qemu": "QEMU 7.2"}
    return {"machine": machine, "lab": lab, "rounds": 1, "seconds": 0.5, "points": [
        lab_jobs.entry_of(point, names, [[{"jobs": [fio_job(name, point) for name in names]}]])
        for point in points]}
