#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A guest that breaks every rule neither harms tapringd nor the disk of another guest."""

import unittest

import machine

MOST_LINES = 100  # of the log, for all that a guest did


@machine.for_each_build
class Hostile(machine.PretendTest):
    def test_beside_a_good_guest(self):
        self.machine.guest("create-domain", domain=2)
        self.attach(f"aio:{self.machine.make_image()}")
        self.attach(f"aio:{self.machine.make_image()}", domain=2)
        good = self.machine.start_guest("load", domain=1, queues=2)
        good.wait_for_event("connected")
        for seed in range(2):
            self.machine.guest("hostile", domain=2, seed=seed)
        good.wait_for_answers(100)
        good.stop()
        self.assert_good(good.end())
        self.detach(domain=2)
        self.detach()
        lines = [line for line in self.daemon.text().splitlines() if " 2/xvda" in line]
        self.assertLess(len(lines), MOST_LINES, "\n".join(lines))
        self.assertEqual(self.machine.status()["mapped"], 2, "beside the rings of xenstored")


if __name__ == "__main__":
    unittest.main()
