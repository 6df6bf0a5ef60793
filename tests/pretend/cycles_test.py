#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A thousand disks come and go, and nothing of them is left."""

import unittest

import machine

WARM_UP = 30
CYCLES = 1000
# KiB; the sanitizers' own memory counts too
MOST_GROWTH = {"debug": 8 << 10, "tsan": 24 << 10, "coverage": 8 << 10}


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
        self.assertEqual(self.run_cycles(CYCLES), 8 * CYCLES)
        after, memory = self.daemon.holdings_when_quiet()
        self.assertEqual(after, before)
        self.assertLess(memory - memory_before, MOST_GROWTH[self.preset])


if __name__ == "__main__":
    unittest.main()
