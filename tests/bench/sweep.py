# SPDX-License-Identifier: MIT
"""Which points are measured: a sweep varies one thing of a workload."""

import dataclasses

from point import Point

SMALL_MEBIBYTES = 16  # of an image where there are hundreds
LARGE_BYTES, LARGE_DEPTH = 128 << 10, 16


def read_and_write(**rest):
    return [Point(operation=operation, **rest) for operation in ("read", "write")]


def goals(_quick):
    return [*read_and_write(), *large("sequential"), *read_and_write(depth=1)]


def large(access):
    return read_and_write(access=access, block_bytes=LARGE_BYTES, depth=LARGE_DEPTH)


def blocks(quick):
    sizes = [512 << order for order in ((0, 3, 7, 11) if quick else range(12))]
    return [point for size in sizes for point in read_and_write(block_bytes=size)]


def depths(quick):
    chosen = [1, 8, 32, 128] if quick else [1 << order for order in range(8)]
    return [point for depth in chosen for point in read_and_write(depth=depth)]


def queues(quick):
    chosen = [1, 4] if quick else [1, 2, 3, 4]
    return [point for count in chosen for point in read_and_write(queues=count)]


def disks(quick):
    chosen = [1, 16] if quick else [1, 4, 16, 64, 256]
    return [point for count in chosen
            for point in read_and_write(disks=count, mebibytes=SMALL_MEBIBYTES)]


def patterns(quick):
    sizes = [{}] if quick else [{}, {"block_bytes": LARGE_BYTES, "depth": LARGE_DEPTH}]
    return [Point(operation=operation, access=access, **size) for size in sizes
            for operation in ("read", "write", "mixed") for access in ("random", "sequential")]


SWEEPS = {sweep.__name__: sweep for sweep in (goals, blocks, depths, queues, disks, patterns)}


def points_of(names, formats, quick=False):
    """The points of these sweeps, in each of the formats: a dictionary of the names of the sweeps
    that a point is in. None is there twice; those with images of one size are together."""
    found = {}
    for image_format in formats:
        for name in names:
            for point in SWEEPS[name](quick):
                of_format = dataclasses.replace(point, format=image_format)
                found.setdefault(of_format, []).append(name)
    return dict(sorted(found.items(), key=lambda item: -item[0].mebibytes))
