#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Many disks come and go, and nothing of them is left."""

import unittest

import machine

WARM_UP = 30
# ThreadSanitizer is slow, and what is left behind is left by any build.
CYCLES = {"debug": 1000, "tsan": 200, "coverage": 1000}
# KiB; the sanitizers' own memory counts too
MOST_GROWTH = {"debug": 12 << 10, "tsan": 24 << 10, "coverage": 8 << 10}


@machine.for_each_build
class Cycles(machine.PretendTest):
    def run_cycles(self, count):
        end = self.machine.guest(
            "cycles", limit=300, domain=1, cycles=count, queues=2, depth=4, segments=11,
            params=f"aio:{self.machine.make_image()}", script="/etc/xen/scripts/block-tapring")
        self.assert_good(end)
        return end["answered"]

    def test_leave_nothing_behind(self):
        self.run_cycles(WARM_UP)
        before, memory_before = self.daemon.holdings_when_quiet()
        cycles = CYCLES[self.preset]
        self.assertEqual(self.run_cycles(cycles), 8 * cycles)
        after, memory = self.daemon.holdings_when_quiet()
        self.assertEqual(after, before)
        self.assertLess(memory - memory_before, MOST_GROWTH[self.preset])


if __name__ == "__main__":
    unittest.main()
