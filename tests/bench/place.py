# SPDX-License-Identifier: MIT
"""A directory to measure in, and what is measured there."""

import dataclasses
import pathlib

import images


class Refusal(Exception):
    pass


@dataclasses.dataclass
class Place:
    name: str  # its file system or, where others have the same, its path
    directory: pathlib.Path
    points: dict  # of Point: the names of its sweeps
    left_out: list  # points that its file system cannot do


def places_of(directories, points):
    """Throws Refusal if a directory cannot be used."""
    for directory in directories:
        if not directory.is_dir():
            raise Refusal(f"{directory}: there is no such directory")
    kinds = [images.file_system(directory) for directory in directories]
    return [place_in(kind if kinds.count(kind) == 1 else str(directory), directory, points)
            for kind, directory in zip(kinds, directories)]


def place_in(name, directory, points):
    room, wanted = images.room_in(directory), images.room_wanted(points)
    if room < wanted:
        raise Refusal(f"{directory} has room for {room >> 20} MiB, and {wanted >> 20} MiB are "
                      "needed")
    smallest = images.smallest_direct_bytes(directory)
    if smallest is None and any(point.format == "aio" for point in points):
        raise Refusal(f"{directory}: its file system takes no O_DIRECT, which the format aio "
                      "needs; --formats raw does without")
    left_out = [point for point in points
                if point.format == "aio" and point.block_bytes < smallest]
    return Place(name, directory, {point: names for point, names in points.items()
                                   if point not in left_out}, left_out)
