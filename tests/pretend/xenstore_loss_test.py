#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""xenstored goes away below a tapringd that serves disks: by its connection, by its death, or
because it does not answer any more."""

import os
import socket
import time
import unittest

import machine
import xenstored_proxy

LOSSES = 5


class XenstoreLoss(machine.PretendTest):
    def prepare(self):
        path = self.machine.scratch / "proxy" / "socket"
        path.parent.mkdir()
        self.machine.remove_lock_of(path.parent)
        self.proxy = xenstored_proxy.XenstoredProxy(path, self.machine.directory / "socket")
        self.addCleanup(self.proxy.refuse)
        self.daemon.environment["XENSTORED_PATH"] = str(path)

    def wait_for_line(self, text, count=1):
        machine.wait_until(f"'{text}' in the log",
                           lambda: self.daemon.text().count(text) >= count)

    def problems(self):
        return self.daemon.ask_json("list")["troubles"]

    def start_load(self, domain=1):
        self.attach(f"aio:{self.machine.make_image()}", domain=domain)
        guest = self.machine.start_guest("load", domain=domain, queues=2)
        guest.wait_for_answers(100)
        return guest

    def serve_another(self, domain):
        """From its attach to its detach."""
        self.machine.guest("create-domain", domain=domain)
        self.attach(f"aio:{self.machine.make_image()}", domain=domain)
        guest = self.machine.start_guest("load", domain=domain, requests=200)
        self.assert_good(guest.end())
        self.detach(domain=domain)


@machine.for_each_build
class LostConnection(XenstoreLoss):
    def test_again_and_again(self):
        guest = self.start_load()
        before = self.daemon.holdings_when_quiet()[0]
        for loss in range(1, LOSSES + 1):
            self.proxy.drop()
            self.wait_for_line("xenstore: connected again", loss)
            guest.wait_for_answers(100)
        self.assertEqual(self.daemon.holdings_when_quiet()[0], before)
        self.assertEqual(self.problems(), [])
        self.serve_another(domain=2)
        guest.stop()
        self.assert_good(guest.end())
        self.detach()

    def test_for_a_while(self):
        guest = self.start_load()
        self.machine.guest("create-domain", domain=2)
        self.proxy.refuse()
        self.wait_for_line("until xenstore is there")
        self.assertIn("xenstore is away", self.problems()[0])
        guest.wait_for_answers(1000)
        attach = self.machine.start(self.machine.command(
            "attach", domain=2, params=f"aio:{self.machine.make_image()}",
            script="/etc/xen/scripts/block-tapring"))
        time.sleep(1)  # only so that it has begun
        self.proxy.listen()
        self.assertEqual(attach.wait(machine.LIMIT), 0)
        waiting = self.machine.start_guest("load", domain=2, requests=200)
        self.assert_good(waiting.end())
        guest.stop()
        self.assert_good(guest.end())
        self.detach(domain=2)
        self.detach()


@machine.for_each_build
class LostByTheControlProcess(XenstoreLoss):
    """Its workers begin anew, and set no watch that is set."""

    def prepare(self):
        super().prepare()
        self.daemon.options = ("--isolation", "guest", "--workers", "1")

    def test_again_and_again(self):
        guest = self.start_load()
        for loss in range(1, LOSSES + 1):
            self.proxy.drop()
            self.wait_for_line("xenstore: connected again", loss)
            guest.wait_for_answers(100)
        guest.stop()
        self.assert_good(guest.end())
        self.detach()
        errors = [line for line in self.daemon.text().splitlines()
                  if " error " in line and "xenstore is there" not in line]
        self.assertEqual(errors, [])


@machine.for_each_build
class DeadXenstored(XenstoreLoss):
    def test_it_begins_anew(self):
        """Nothing is left of what it knew; connected disks are served on all the same."""
        guest = self.start_load()
        self.machine.xenstored.kill()
        self.machine.xenstored.wait()
        self.wait_for_line("until xenstore is there")
        guest.wait_for_answers(1000)
        self.machine.start_xenstored()
        self.wait_for_line("xenstore has lost what was in it: 1 connected disk(s)")
        guest.wait_for_answers(1000)
        self.serve_another(domain=2)
        guest.wait_for_answers(1000)
        disk = self.daemon.ask_json("list")["disks"][0]
        self.assertEqual(disk["state"], "connected")
        self.assertIn("served on until tapringd ends", disk["reason"])
        guest.process.kill()


@machine.for_each_build
class SilentXenstored(XenstoreLoss):
    def prepare(self):
        super().prepare()
        self.manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(self.manager.close)
        path = self.machine.scratch / "manager"
        self.manager.bind(str(path))
        self.manager.setblocking(False)
        self.daemon.environment.update(NOTIFY_SOCKET=str(path), WATCHDOG_USEC="30000000")

    def beats(self):
        """Since the last time."""
        count = 0
        try:
            while True:
                count += b"WATCHDOG=1" in self.manager.recv(4096)
        except BlockingIOError:
            return count

    def test_it_neither_stops_the_beats_nor_is_waited_for_without_end(self):
        image = self.machine.make_image()
        self.attach(f"aio:{image}")
        guest = self.machine.start_guest("load", domain=1)
        guest.wait_for_answers(100)
        self.proxy.silent = True
        os.truncate(image, 32 << 20)  # of which the guest is to be told
        self.beats()
        beats = []

        def is_given_up():
            beats.append(self.beats())  # a manager that takes none holds up who beats
            return "Connection timed out" in self.daemon.text()

        machine.wait_until("the end of the waiting", is_given_up)
        self.assertGreater(sum(beats), 2)
        guest.wait_for_answers(100)
        self.proxy.silent = False
        self.proxy.drop()
        self.wait_for_line("xenstore: connected again")
        self.wait_for_line("grown from")
        guest.stop()
        self.assert_good(guest.end())
        self.detach()


if __name__ == "__main__":
    unittest.main()
