#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What the lab compares."""

import pathlib
import sys
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import backends  # noqa: E402


class Points(unittest.TestCase):
    def test_every_size_is_read_and_written_at_random(self):
        points = backends.points_of(backends.SIZES, 64)
        for size in backends.SIZES:
            found = {(point.operation, point.depth) for point in points
                     if point.block_bytes == size and point.access == "random"}
            self.assertLessEqual({("read", 16), ("write", 16)}, found)

    def test_only_4k_also_in_order_and_one_at_a_time(self):
        self.assertEqual(len(backends.points_of([16384], 64)), 2)
        names = set(map(backends.name_of, backends.points_of([4096], 64)))
        self.assertEqual(names, {
            f"4k-{rest}" for operation in ("read", "write") for rest in
            (f"random-{operation}-16", f"sequential-{operation}-16", f"random-{operation}-1")})

    def test_each_has_a_name_of_its_own(self):
        names = list(map(backends.name_of, backends.points_of(backends.SIZES, 64)))
        self.assertEqual(len(names), len(set(names)))


class Comparisons(unittest.TestCase):
    def test_the_aims_are_one_of_blkback_and_two_of_qdisk(self):
        for pairs in backends.compared(list(backends.DISKS)):
            self.assertEqual(sorted(pairs.goals.values()), [1.0, 2.0])

    def test_only_what_was_measured_is_compared(self):
        [pairs] = backends.compared(["aio", "raw", "loop"])
        self.assertEqual((pairs.ours, pairs.goals), ("raw", {"loop": 1.0}))
        self.assertEqual(list(backends.compared(["qdisk"])), [])

    def test_a_ratio_needs_both(self):
        found = {"aio": {"requests_per_second": 50.0}, "loop": {"requests_per_second": 100.0}}
        self.assertEqual(backends.ratio(found, "aio", "loop"), 0.5)
        self.assertIsNone(backends.ratio(found, "aio", "qdisk"))


if __name__ == "__main__":
    unittest.main()
