# SPDX-License-Identifier: MIT
"""Images by qemu-img, one of a kind, for what is measured on formats."""

import contextlib
import json
import os
import subprocess

from images import Images, fill
from program import MeasurementError

CLUSTER_BYTES = 64 << 10
SPECK_BYTES = 2 << 10  # of bytes by chance and of zeros, in turns, in what is compressed
COMPRESSIONS = ("zlib", "zstd")
# An image that is written to for the first time, for each second: of the guest, and of the storage
# that a second may take.
FRESH_MEBIBYTES, FRESH_ROOM_MEBIBYTES = 8192, 2048
LIMIT_SECONDS = 300  # of a command


class FormatImages(Images):
    """In a directory of their own, which is gone at the end. Those that nothing changes but what
    their guest would are made once."""

    def provide(self, point):
        if point.image != "fresh":
            self._make(point.image, point.mebibytes)
        if point.image == "allocated":
            self._make("raw", point.mebibytes)

    def settle(self):
        for path in self.directory.iterdir():
            descriptor = os.open(path, os.O_RDWR)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    def _make(self, kind, mebibytes):
        path = path_of(self.directory, kind)
        if path.exists():
            return
        if kind == "raw":
            fill(path, mebibytes)
        elif kind == "allocated":
            self._make("raw", mebibytes)
            convert(path_of(self.directory, "raw"), path)
        elif kind in COMPRESSIONS:
            source = self.directory / "source.img"
            fill_with_specks(source, mebibytes)
            convert(source, path, "-c", "-o", f"compression_type={kind}")
            source.unlink()
        else:
            self._make("allocated", mebibytes)
            make_overlay(path_of(self.directory, "allocated"), path)
            if kind == "half":
                write_every_other_cluster(path, mebibytes)


def path_of(directory, kind):
    return directory / ("raw.img" if kind == "raw" else f"{kind}.qcow2")


def command(*words, text=None):
    """What it prints. Throws MeasurementError if it fails."""
    try:
        done = subprocess.run([*map(str, words)], input=text, capture_output=True, text=True,
                              check=False, timeout=LIMIT_SECONDS)
    except subprocess.TimeoutExpired:
        raise MeasurementError(f"{words[0]} takes more than {LIMIT_SECONDS} s") from None
    if done.returncode != 0:
        raise MeasurementError(f"{words[0]} {words[1]}: {(done.stderr or done.stdout).strip()}")
    return done.stdout


def convert(source, target, *options):
    command("qemu-img", "convert", "-f", "raw", "-O", "qcow2", "-T", "none", "-t", "none",
            *options, source, target)


def make_overlay(base, path):
    command("qemu-img", "create", "-q", "-f", "qcow2", "-b", base, "-F", "qcow2", path)


def write_every_other_cluster(path, mebibytes):
    """From the second on."""
    clusters = (mebibytes << 20) // CLUSTER_BYTES
    writes = "".join(f"write {cluster * CLUSTER_BYTES} {CLUSTER_BYTES}\n"
                     for cluster in range(1, clusters, 2))
    printed = command("qemu-io", "-f", "qcow2", "-t", "none", path, text=writes)
    if printed.count("wrote") != clusters // 2:
        raise MeasurementError(f"qemu-io did not write all of {path}")


def fill_with_specks(path, mebibytes):
    """What a compressor halves, in every cluster."""
    with open(path, "wb") as image:
        for _ in range(mebibytes):
            chance = os.urandom(1 << 19)
            image.write(b"".join(chance[begin:begin + SPECK_BYTES] + bytes(SPECK_BYTES)
                                 for begin in range(0, len(chance), SPECK_BYTES)))


def room_wanted(points, seconds):
    """Bytes, of all at once."""
    kinds = {point.image for point in points} | {"raw", "source"}
    fresh = FRESH_ROOM_MEBIBYTES * (seconds + 1) if "fresh" in kinds else 0
    largest = max(point.mebibytes for point in points)
    return (len(kinds) * largest + fresh) << 20


@contextlib.contextmanager
def fresh_image(directory, seconds):
    """An empty one, which is gone at the end."""
    path = path_of(directory, "fresh")
    command("qemu-img", "create", "-q", "-f", "qcow2", path, f"{FRESH_MEBIBYTES * (seconds + 1)}M")
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def allocated_clusters(path):
    """How many, of those that the guest could write. Throws MeasurementError for an image with
    errors, and for a full one, where not every write was to a new cluster."""
    found = json.loads(command("qemu-img", "check", "-f", "qcow2", "--output=json", path))
    allocated, total = found.get("allocated-clusters", 0), found["total-clusters"]
    if allocated >= total:
        raise MeasurementError("the empty image is full: measure for fewer seconds")
    return {"allocated": allocated, "total": total}


def aio_of_qemu(directory):
    """How QEMU is to do its I/O: as we do, where it and the kernel can."""
    path = directory / "aio.img"
    fill(path, 1)
    try:
        command("qemu-img", "bench", "-f", "raw", "-t", "none", "-i", "io_uring", "-c", "16", path)
    except MeasurementError:
        return "native"
    finally:
        path.unlink()
    return "io_uring"
