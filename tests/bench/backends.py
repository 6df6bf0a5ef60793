# SPDX-License-Identifier: MIT
"""The backends that the lab's benchmark compares, and what it asks of them.

Two of them are tapringd's formats. Each is compared with the loop device that treats a file as it
does: past dom0's page cache, where a write that was answered was given to the storage; or through
it, where the write is in dom0's memory. There is one qdisk, through the page cache, for both: for
disk lines with direct-io-safe QEMU wants Linux AIO, which Debian's QEMU for Xen is built without,
and such a disk never connects."""

import dataclasses

from point import Point, size_name

# By backend, the disk of dom0 that it serves.
DISKS = {"aio": "xvda", "loop-direct": "xvdb", "raw": "xvdc", "loop": "xvdd", "qdisk": "xvde"}
SIZES = [4096, 16 << 10, 64 << 10, 128 << 10, 512 << 10, 1 << 20]
DEPTH = 16


@dataclasses.dataclass(frozen=True)
class Pairs:
    """One of ours, and what share of others' requests a second it is to have."""
    title: str
    ours: str
    goals: dict


COMPARISONS = [
    Pairs("Past the page cache", "aio", {"loop-direct": 1.0, "qdisk": 2.0}),
    Pairs("Through the page cache", "raw", {"loop": 1.0, "qdisk": 2.0}),
]


def points_of(sizes, mebibytes):
    """Random reads and writes of each size. With 4k also in order, and one at a time."""
    points = [Point(operation, "random", size, DEPTH, mebibytes=mebibytes)
              for size in sizes for operation in ("read", "write")]
    if 4096 in sizes:
        points += [Point(operation, access, 4096, depth, mebibytes=mebibytes)
                   for access, depth in (("sequential", DEPTH), ("random", 1))
                   for operation in ("read", "write")]
    return points


def name_of(point):
    """Of a point's files."""
    return f"{size_name(point.block_bytes)}-{point.access}-{point.operation}-{point.depth}"


def compared(backends):
    """The comparisons that can be made of these."""
    for pairs in COMPARISONS:
        goals = {name: goal for name, goal in pairs.goals.items() if name in backends}
        if pairs.ours in backends and goals:
            yield Pairs(pairs.title, pairs.ours, goals)


def ratio(found, ours, other):
    """Of requests a second; None where one is missing."""
    if ours not in found or other not in found:
        return None
    return found[ours]["requests_per_second"] / found[other]["requests_per_second"]
