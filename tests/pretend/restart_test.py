#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""tapringd is restarted, or killed and started again, below guests that go on."""

import os
import shutil
import signal
import unittest

import machine

RESTARTS = 3
KILLS = 20


@machine.for_each_build
class Restart(machine.PretendTest):
    def test_under_load(self):
        self.attach(f"aio:{self.machine.make_image()}")
        guest = self.machine.start_guest("load", domain=1, queues=2)
        for _ in range(RESTARTS):
            guest.wait_for_answers(100)
            self.daemon.stop()
            self.daemon.start()
        guest.wait_for_answers(100)
        guest.stop()
        self.assert_good(guest.end())
        self.detach()

    def wait_for_connections(self, count):
        """So many since the first start."""
        machine.wait_until("the disk to be taken up",
                           lambda: self.daemon.text().count(": connected: ") == count)

    def test_killed_while_a_disk_is_idle(self):
        self.attach(f"aio:{self.machine.make_image()}")
        guest = self.machine.start_guest("load", domain=1, requests=400, pause_at=200)
        guest.wait_for_event("pause")
        for restart in range(1, RESTARTS + 1):
            self.daemon.kill()
            self.daemon.start()
            self.wait_for_connections(1 + restart)
        guest.stop()
        end = guest.end()
        self.assert_good(end)
        self.assertEqual(end["answered"], 400)
        self.detach()

    def test_killed_under_load(self):
        """What was in flight is done by the next, or done again: no guest loses anything."""
        self.attach(f"aio:{self.machine.make_image()}")
        guest = self.machine.start_guest("load", domain=1, queues=2)
        for _ in range(KILLS):
            guest.wait_for_answers(100)
            self.daemon.kill()
            self.daemon.start()
        guest.wait_for_answers(100)
        guest.stop()
        self.assert_good(guest.end())
        self.detach()
        self.assertEqual(os.listdir(self.machine.scratch / "run/journal"), [])

    def test_killed_without_its_journal(self):
        """The disk is refused, as what became of its requests is not known; others are served."""
        self.machine.guest("create-domain", domain=2)
        image = self.machine.make_image()
        self.attach(f"aio:{image}")
        self.attach(f"aio:{self.machine.make_image()}", domain=2)
        busy = self.machine.start_guest("load", domain=1)
        idle = self.machine.start_guest("load", domain=2, requests=400, pause_at=200)
        idle.wait_for_event("pause")
        busy.wait_for_answers(100)
        # From here on the guest's requests are not answered, so some are under way.
        self.daemon.process.send_signal(signal.SIGSTOP)
        busy.wait_for_stillness()
        self.daemon.kill()
        shutil.rmtree(self.machine.scratch / "run/journal")
        self.daemon.start()
        machine.wait_until("the refusal", lambda: "requests unanswered" in self.daemon.text())
        self.wait_for_connections(3)
        idle.stop()
        self.assert_good(idle.end())
        busy.process.kill()
        self.machine.guest("destroy-domain", domain=1)
        self.machine.guest("detach", domain=1)
        self.machine.guest("create-domain", domain=3)
        self.attach(f"aio:{image}", domain=3)
        self.detach(domain=3)
        self.assertEqual(self.daemon.text().count("requests unanswered"), 1)


if __name__ == "__main__":
    unittest.main()
