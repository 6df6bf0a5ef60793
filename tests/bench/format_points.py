# SPDX-License-Identifier: MIT
"""The workloads on image formats, and beside whom we do them."""

import dataclasses

from point import Point

OURS, OUR_RAW = "tapring qcow2", "tapring aio"
QEMUS, QEMUS_RAW = "qemu-nbd qcow2", "qemu-nbd raw"
MEBIBYTES = 256  # of what an image holds
SMALL = {"block_bytes": 4096, "access": "random", "depth": 32}
MIDDLE = {"block_bytes": 64 << 10, "access": "random", "depth": 32}
LARGE = {"block_bytes": 128 << 10, "access": "sequential", "depth": 16}
# An image, and what a reader of a table is told of it.
IMAGES = {"allocated": "allocated", "fresh": "into an empty image", "overlay": "empty overlay",
          "half": "overlay with every other cluster", "zlib": "compressed, zlib",
          "zstd": "compressed, zstd"}


@dataclasses.dataclass(frozen=True)
class FormatPoint(Point):
    format: str = "qcow2"
    mebibytes: int = MEBIBYTES
    image: str = "allocated"

    def options(self):
        return ["--operation", self.operation, "--access", self.access,
                "--block-bytes", str(self.block_bytes), "--depth", str(self.depth)]

    def work(self):
        return f"{super().work()}, {IMAGES[self.image]}"


def of_json(entry):
    return FormatPoint(**{field.name: entry[field.name]
                          for field in dataclasses.fields(FormatPoint)})


@dataclasses.dataclass(frozen=True)
class Pair:
    """Two routes that one table compares."""
    ours: str
    other: str
    goal: float | None  # of the ratio of their requests a second


BESIDE_RAW = Pair(OURS, OUR_RAW, 0.9)
BESIDE_QEMU = Pair(OURS, QEMUS, 1.0)
RAW_BESIDE_QEMU = Pair(OUR_RAW, QEMUS_RAW, None)
PAIRS = [BESIDE_RAW, BESIDE_QEMU, RAW_BESIDE_QEMU]


def pairs_of(image):
    return PAIRS if image == "allocated" else [BESIDE_QEMU]


def points(quick=False):
    both = [FormatPoint(operation=operation, **work) for work in (SMALL, LARGE)
            for operation in ("read", "write")]
    writes = [FormatPoint(operation="write", image="fresh", **work)
              for work in ([SMALL] if quick else [SMALL, MIDDLE, LARGE])]
    reads = [FormatPoint(image=image, **work)
             for image in (["overlay", "zlib"] if quick else ["overlay", "half", "zlib", "zstd"])
             for work in (SMALL, LARGE)]
    return [*both, *writes, *reads]
