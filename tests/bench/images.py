# SPDX-License-Identifier: MIT
"""The image files of a run, and what the place they lie in can do."""

import errno
import mmap
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile

FILLED_AT_ONCE = 1 << 20
SPARE_BYTES = 256 << 20  # of a place, which stay free
SECTOR_BYTES, BLOCK_BYTES = 512, 4096
INTERRUPTIONS = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}


class Images:
    """Files in a directory of their own in `place`, which is gone at the end."""

    def __init__(self, place):
        # Absolute, as a program that measures may run elsewhere.
        place = pathlib.Path(place).resolve()
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="tapring-bench-", dir=place))
        self.mebibytes = None
        self.count = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        # Whoever interrupts us twice is impatient, but wants no files left either.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, INTERRUPTIONS)
        shutil.rmtree(self.directory)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def provide(self, point):
        """Those that the point wants. Kept as long as points want the same size."""
        if point.mebibytes != self.mebibytes:
            for path in self.directory.iterdir():
                path.unlink()
            self.mebibytes, self.count = point.mebibytes, 0
        for number in range(self.count, point.disks):
            fill(self._path(number), point.mebibytes)
        self.count = max(self.count, point.disks)

    def settle(self):
        """Writes out what one route has left in the page cache, before the next is measured."""
        for number in range(self.count):
            descriptor = os.open(self._path(number), os.O_RDWR)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    def _path(self, number):
        return self.directory / f"bench-{number}.img"


def fill(path, mebibytes):
    """Writes it through: a read of what was never written costs less than others."""
    data = os.urandom(FILLED_AT_ONCE)
    with open(path, "wb") as image:
        for _ in range((mebibytes << 20) // FILLED_AT_ONCE):
            image.write(data)
        image.flush()
        os.fsync(image.fileno())


def room_wanted(points):
    """Bytes: only images of one size are there at a time."""
    return max(point.disks * point.mebibytes << 20 for point in points) + SPARE_BYTES


def room_in(place):
    """Bytes. What lies in a tmpfs lies in memory."""
    free = shutil.disk_usage(place).free
    if file_system(place) != "tmpfs":
        return free
    memory = pathlib.Path("/proc/meminfo").read_text(encoding="ascii")
    available = next(line for line in memory.splitlines() if line.startswith("MemAvailable:"))
    return min(free, int(available.split()[1]) << 10)


def file_system(place):
    """The kind: ext4, tmpfs, ..."""
    done = subprocess.run(["df", "--output=fstype", place], capture_output=True, text=True,
                          check=True)
    return done.stdout.split()[-1]


def smallest_direct_bytes(place):
    """The smallest read past the page cache that the place takes, or None if it takes none."""
    with tempfile.NamedTemporaryFile(dir=place, prefix="tapring-bench-") as file:
        file.write(bytes(BLOCK_BYTES))
        file.flush()
        try:
            descriptor = os.open(file.name, os.O_RDONLY | os.O_DIRECT)
        except OSError as error:
            if error.errno == errno.EINVAL:
                return None
            raise
        try:
            return next((size for size in (SECTOR_BYTES, BLOCK_BYTES)
                         if can_read(descriptor, size)), None)
        finally:
            os.close(descriptor)


def can_read(descriptor, size):
    with mmap.mmap(-1, BLOCK_BYTES) as page, memoryview(page) as whole, whole[:size] as part:
        try:
            return os.preadv(descriptor, [part], 0) == size
        except OSError as error:
            if error.errno == errno.EINVAL:
                return False
            raise
