# SPDX-License-Identifier: MIT
"""A report as tests/bench/run writes it, with figures that nobody measured."""

import dataclasses

import rounds
import sweep


def figures(point, microseconds, own=True):
    """Of a route that needs so long for a request. `own`: one of ours, which counts more."""
    rate = 1e6 / microseconds
    in_flight = point.depth * point.queues * point.disks
    mean = microseconds * in_flight
    return {"requests_per_second": rate,
            "mebibytes_per_second": rate * point.block_bytes / (1 << 20),
            "latency_us": {"mean": mean, "p50": mean * 0.9, "p99": mean * 2, "p99.9": mean * 3},
            "cpu_us_per_request": microseconds,
            "system_calls_per_request": 1 / point.depth if own else None,
            "memory_kib": 1024 if own else None}


def entry(point, sweeps, place="ext4"):
    """Native takes 10 us, and we take 12.5."""
    measured = [{"native": figures(point, 10.0, own=False), "data path": figures(point, 12.5)}]
    return {"place": place, "sweeps": sweeps, **dataclasses.asdict(point),
            "routes": rounds.summary(measured), "rounds": measured}


def report(names=tuple(sweep.SWEEPS), formats=("aio",)):
    machine = {"date": "2026-01-02T03:04:05+00:00", "command": "tests/bench/run", "commit": "abc",
               "kernel": "6.1", "processor": "Some processor", "cores": 2, "fio": "fio-3.33",
               "memory_mebibytes": 4096, "system": "Debian", "virtual": None}
    points = sweep.points_of(names, formats, quick=True)
    return {"machine": machine, "rounds": 1, "seconds": 2, "complete": True,
            "points": [entry(point, sweeps) for point, sweeps in points.items()]}
