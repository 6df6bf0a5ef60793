#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The image files of a run."""

import contextlib
import pathlib
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import images  # noqa: E402
from point import Point  # noqa: E402


class ImageFiles(unittest.TestCase):
    def setUp(self):
        place = tempfile.TemporaryDirectory()
        self.addCleanup(place.cleanup)
        self.place = pathlib.Path(place.name)

    def sizes(self):
        return {path.name: path.stat().st_size >> 20
                for path in sorted(self.place.glob("tapring-bench-*/*"))}

    def test_are_of_the_size_and_number_that_a_point_wants(self):
        with images.Images(self.place) as files:
            files.provide(Point(disks=2, mebibytes=1))
            self.assertEqual(self.sizes(), {"bench-0.img": 1, "bench-1.img": 1})
            files.provide(Point(disks=1, mebibytes=2))
            self.assertEqual(self.sizes(), {"bench-0.img": 2})

    def test_are_found_from_everywhere(self):
        with contextlib.chdir(self.place), images.Images(pathlib.Path(".")) as files:
            self.assertEqual(files.directory.parent, self.place.resolve())

    def test_have_no_holes(self):
        with images.Images(self.place) as files:
            files.provide(Point(mebibytes=2))
            status = (files.directory / "bench-0.img").stat()
            self.assertGreaterEqual(status.st_blocks * 512, 2 << 20)

    def test_are_kept_for_the_next_point(self):
        with images.Images(self.place) as files:
            files.provide(Point(mebibytes=1))
            path = files.directory / "bench-0.img"
            path.write_bytes(b"as a route left it".ljust(1 << 20))
            files.provide(Point(disks=2, mebibytes=1))
            files.settle()
            self.assertTrue(path.read_bytes().startswith(b"as a route left it"))

    def test_are_gone_after_an_interruption(self):
        with self.assertRaises(KeyboardInterrupt):
            with images.Images(self.place) as files:
                files.provide(Point(mebibytes=1))
                raise KeyboardInterrupt
        self.assertEqual(list(self.place.iterdir()), [])


class FileSystem(unittest.TestCase):
    def test_room_wanted_is_that_of_the_largest_point(self):
        points = [Point(disks=1, mebibytes=512), Point(disks=256, mebibytes=16)]
        self.assertEqual(images.room_wanted(points), (4096 << 20) + images.SPARE_BYTES)

    def test_room_in_a_tmpfs_is_bounded_by_memory(self):
        memory = pathlib.Path("/proc/meminfo").read_text(encoding="ascii")
        total = int(memory.split("MemTotal:")[1].split()[0]) << 10
        self.assertEqual(images.file_system("/dev/shm"), "tmpfs")
        self.assertLessEqual(images.room_in("/dev/shm"), total)

    def test_the_smallest_direct_read_leaves_nothing_behind(self):
        with tempfile.TemporaryDirectory() as place:
            self.assertIn(images.smallest_direct_bytes(place), (512, 4096, None))
            self.assertEqual(list(pathlib.Path(place).iterdir()), [])

    def test_a_whole_page_can_be_read(self):
        with tempfile.TemporaryFile() as file:
            file.write(bytes(4096))
            file.flush()
            self.assertTrue(images.can_read(file.fileno(), 4096))


if __name__ == "__main__":
    unittest.main()
