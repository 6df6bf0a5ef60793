#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The file system of an image is full: a guest waits until there is room."""

import json
import subprocess
import unittest

import machine

REGION_SECTORS = 8 << 11  # more than there is room for


@machine.for_each_build
class FullDisk(machine.PretendTest):
    def setUp(self):
        super().setUp()
        self.small = self.machine.scratch / "small"
        self.small.mkdir()
        self.mount("size=2m", "tmpfs")
        self.addCleanup(subprocess.run, ["umount", "--lazy", self.small], check=True)
        self.image = self.small / "disk.img"
        with self.image.open("wb") as image:
            image.truncate(16 << 20)

    def mount(self, options, source):
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, source, self.small], check=True)

    def disk(self, domain=1):
        disks = json.loads(self.daemon.ask("list", "--json"))["disks"]
        return next(disk for disk in disks if disk["domain"] == domain)

    def fill(self):
        """A guest whose disk is paused."""
        self.attach(f"raw:{self.image}")
        guest = self.machine.start_guest("load", domain=1, queues=2, writes=0.8, flushes=0.05,
                                         region=REGION_SECTORS)
        machine.wait_until("the pause", lambda: self.disk()["state"] == "paused")
        return guest

    def test_guest_waits_and_goes_on(self):
        self.machine.guest("create-domain", domain=2)
        self.attach(f"raw:{self.machine.make_image()}", domain=2)
        guest = self.fill()
        self.assertIn("paused: no space", self.daemon.ask("list"))
        self.assert_good(self.machine.guest("load", domain=2, requests=1000))
        self.assertEqual(self.disk()["state"], "paused")
        self.mount("remount,size=32m", "tmpfs")
        machine.wait_until("the end of the pause", lambda: self.disk()["state"] == "connected")
        guest.wait_for_answers(500)
        guest.stop()
        self.assert_good(guest.end())
        self.assertEqual(self.disk()["counters"]["errors"], 0)
        machine.wait_until("the line of that", lambda: "1/xvda: goes on" in self.daemon.text())
        self.detach()
        self.detach(domain=2)

    def test_guest_is_told_when_somebody_says_so(self):
        guest = self.fill()
        self.daemon.ask("policy", "1/51712", "--on-no-space", "report")
        guest.wait_for_answers(100)
        guest.stop()
        end = guest.end()
        self.assertGreater(end["failed"], 0)
        self.assertEqual((end["mismatches"], end["violations"]), ([], []))
        self.detach()

    def test_daemon_stops_while_a_guest_waits(self):
        guest = self.fill()
        self.daemon.stop()
        guest.process.kill()
        self.assertNotIn("requests unanswered: their storage hangs", self.daemon.text())
        self.assertIn("1 disk(s) and their guests wait for the next tapringd", self.daemon.text())


if __name__ == "__main__":
    unittest.main()
