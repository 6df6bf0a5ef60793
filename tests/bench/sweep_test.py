#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Which points there are, and how a program is told of one."""

import pathlib
import sys
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import sweep  # noqa: E402
from point import Point, size_name  # noqa: E402


class Sweeps(unittest.TestCase):
    def values(self, name, field, quick=False):
        return sorted({getattr(point, field) for point in sweep.points_of([name], ["aio"], quick)})

    def test_goals_are_those_of_the_design(self):
        found = [(point.operation, point.access, point.block_bytes, point.depth)
                 for point in sweep.points_of(["goals"], ["aio"])]
        self.assertEqual(found, [
            ("read", "random", 4096, 32), ("write", "random", 4096, 32),
            ("read", "sequential", 131072, 16), ("write", "sequential", 131072, 16),
            ("read", "random", 4096, 1), ("write", "random", 4096, 1)])

    def test_blocks_are_powers_of_two_from_a_sector_to_a_mebibyte(self):
        sizes = self.values("blocks", "block_bytes")
        self.assertEqual(sizes, [512 << order for order in range(12)])
        self.assertEqual(sizes[-1], 1 << 20)

    def test_depths_queues_and_disks(self):
        self.assertEqual(self.values("depths", "depth"), [1, 2, 4, 8, 16, 32, 64, 128])
        self.assertEqual(self.values("queues", "queues"), [1, 2, 3, 4])
        self.assertEqual(self.values("disks", "disks"), [1, 4, 16, 64, 256])

    def test_hundreds_of_images_are_small(self):
        points = sweep.points_of(["disks"], ["aio"])
        self.assertLessEqual(max(point.disks * point.mebibytes for point in points), 4096)

    def test_patterns_are_all_pairs(self):
        points = sweep.points_of(["patterns"], ["aio"])
        self.assertEqual(len({(point.operation, point.access, point.block_bytes)
                              for point in points}), 3 * 2 * 2)

    def test_quick_has_fewer_of_the_same(self):
        for name in sweep.SWEEPS:
            quick = sweep.points_of([name], ["aio"], quick=True)
            full = sweep.points_of([name], ["aio"])
            self.assertLessEqual(quick.keys(), full.keys())
            self.assertTrue(len(quick) < len(full) or name == "goals", name)

    def test_a_point_of_two_sweeps_is_measured_once(self):
        points = sweep.points_of(["goals", "depths"], ["aio"])
        self.assertEqual(points[Point(depth=1)], ["goals", "depths"])
        self.assertEqual(points[Point(depth=2)], ["depths"])

    def test_each_format_has_every_point(self):
        points = sweep.points_of(["goals"], ["aio", "raw"])
        self.assertEqual([point.format for point in points], ["aio"] * 6 + ["raw"] * 6)

    def test_images_of_one_size_are_together(self):
        sizes = [point.mebibytes for point in sweep.points_of(sweep.SWEEPS, ["aio", "raw"])]
        self.assertEqual(sizes, sorted(sizes, reverse=True))


class Points(unittest.TestCase):
    def test_options_name_every_field(self):
        options = Point(block_bytes=512, disks=4).options()
        self.assertEqual(" ".join(options), "--operation read --access random --block-bytes 512 "
                         "--depth 32 --queues 1 --disks 4 --format aio --mebibytes 512")

    def test_work_leaves_out_what_is_usual(self):
        self.assertEqual(Point().work(), "4k random read, depth 32")
        self.assertEqual(Point(operation="mixed", queues=2, disks=16).work(),
                         "4k random mixed, depth 32, 2 queues, 16 disks")

    def test_size_names(self):
        self.assertEqual([size_name(size) for size in (512, 1024, 131072, 1 << 20)],
                         ["512", "1k", "128k", "1M"])


if __name__ == "__main__":
    unittest.main()
