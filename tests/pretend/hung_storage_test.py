#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The storage of one disk hangs: a frozen file system. Others on its worker are served."""

import pathlib
import unittest

import frozen_storage
import machine

REGION_SECTORS = 64 << 11  # so that many requests go on at a time


@unittest.skipUnless(pathlib.Path("/dev/loop-control").exists(), "there are no loop devices")
@machine.for_each_build
class HungStorage(machine.PretendTest):
    def prepare(self):
        self.daemon = machine.Daemon(self.machine, self.preset,
                                     ("--workers", "1", "--max-queues", "1",
                                      "--arena-mebibytes", "4"))
        self.storage = self.enterContext(frozen_storage.FrozenStorage(self.machine.scratch))
        self.machine.guest("create-domain", domain=2)

    def serve_beside_a_hung_disk(self, **load):
        self.attach(f"aio:{self.storage.make_image('hung.img')}")
        guest = self.machine.start_guest("load", domain=1, requests=0, writes=1, flushes=0,
                                         barriers=0, ring_order=4, region=REGION_SECTORS, **load)
        guest.wait_for_answers(100)
        with self.storage.frozen():
            guest.wait_for_stillness()
            self.attach(f"raw:{self.machine.make_image()}", domain=2)
            self.assert_good(self.machine.guest("load", domain=2, requests=1000, flushes=0.1))
            self.detach(domain=2)
        guest.wait_for_answers(100)
        guest.stop()
        self.assert_good(guest.end())
        self.detach()

    def test_large_requests_take_no_memory_of_others(self):
        self.serve_beside_a_hung_disk(segments=256, depth=200)

    def test_many_requests_take_no_threads_of_others(self):
        self.serve_beside_a_hung_disk(segments=1, depth=400)


if __name__ == "__main__":
    unittest.main()
