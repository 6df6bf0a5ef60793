#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A worker process for each guest: what happens to one reaches no other."""

import os
import signal
import unittest

import frozen_storage
import machine

KILLS = 10


@machine.for_each_build
class WorkerProcess(machine.PretendTest):
    def prepare(self):
        self.daemon = machine.Daemon(self.machine, self.preset,
                                     ("--isolation", "guest", "--workers", "1"))
        self.machine.guest("create-domain", domain=2)

    @property
    def workers(self):
        return self.daemon.workers

    def worker(self, name):
        return machine.wait_until(f"the worker {name}", lambda: self.workers.get(name))

    def attach_and_load(self, domain):
        return self.load_on(self.machine.make_image(), domain)

    def load_on(self, image, domain):
        self.attach(f"aio:{image}", domain=domain)
        guest = self.machine.start_guest("load", domain=domain)
        guest.wait_for_answers(100)
        return guest

    def wait_for_states(self, states):
        machine.wait_until(f"the states {states}", lambda: self.states() == states)

    def states(self):
        return {disk["domain"]: disk["state"] for disk in self.daemon.ask_json("list")["disks"]}

    def end_well(self, guest, domain):
        guest.wait_for_answers(100)
        guest.stop()
        self.assert_good(guest.end())
        self.detach(domain=domain)

    def wait_for_workers(self, *names):
        machine.wait_until(f"the workers {names}", lambda: set(self.workers) == set(names))

    def test_each_guest_has_one_as_long_as_it_has_disks(self):
        self.assertEqual(self.workers, {})
        first = self.attach_and_load(domain=1)
        second = self.attach_and_load(domain=2)
        self.assertEqual(set(self.workers), {"domain-1", "domain-2"})
        self.assertEqual(self.states(), {1: "connected", 2: "connected"})
        self.end_well(first, domain=1)
        self.wait_for_workers("domain-2")
        self.end_well(second, domain=2)
        self.wait_for_workers()

    def test_the_death_of_one_is_not_felt_by_another(self):
        first = self.attach_and_load(domain=1)
        second = self.attach_and_load(domain=2)
        other = self.workers["domain-2"]
        for _ in range(KILLS):
            os.kill(self.worker("domain-1"), signal.SIGKILL)
            first.wait_for_answers(100)
        self.assertEqual(self.workers["domain-2"], other)
        self.end_well(first, domain=1)
        self.end_well(second, domain=2)

    def test_they_serve_on_without_the_control_process(self):
        guests = {domain: self.attach_and_load(domain) for domain in (1, 2)}
        before = self.workers
        for _ in range(KILLS):
            self.daemon.kill()
            for guest in guests.values():
                guest.wait_for_answers(100)
            self.daemon.start()
        self.assertEqual(self.workers, before)
        for domain, guest in guests.items():
            self.end_well(guest, domain)
        self.wait_for_workers()

    def test_the_death_of_one_that_was_left_by_an_earlier_control_process(self):
        guest = self.attach_and_load(domain=1)
        for _ in range(KILLS):
            self.daemon.kill()
            self.daemon.start()
            os.kill(self.worker("domain-1"), signal.SIGKILL)
            guest.wait_for_answers(100)
        self.end_well(guest, domain=1)

    def test_both_die(self):
        guest = self.attach_and_load(domain=1)
        for _ in range(KILLS):
            self.daemon.kill()
            self.daemon.kill_workers()
            self.daemon.start()
            guest.wait_for_answers(100)
        self.end_well(guest, domain=1)

    def test_one_that_was_stopped_meanwhile_hears_the_last_of_many_control_processes(self):
        guest = self.attach_and_load(domain=1)
        pid = self.workers["domain-1"]
        self.daemon.kill()  # whose end would have the kernel continue it: setpgid(2)
        os.kill(pid, signal.SIGSTOP)
        try:
            self.daemon.start()
            for _ in range(2 * KILLS):
                self.daemon.kill()
                self.daemon.start()
            self.wait_for_states({1: "hanging"})
        finally:
            os.kill(pid, signal.SIGCONT)
        self.wait_for_states({1: "connected"})
        self.end_well(guest, domain=1)

    def test_a_stop_ends_them_and_the_next_start_takes_the_disks_up(self):
        guest = self.attach_and_load(domain=1)
        self.daemon.stop()
        self.assertEqual(self.workers, {})
        self.daemon.start()
        self.end_well(guest, domain=1)

    def test_a_start_with_one_process_for_all_takes_the_disks_from_them(self):
        guest = self.attach_and_load(domain=1)
        self.daemon.kill()
        self.daemon.options = ("--isolation", "host", "--workers", "1")
        self.daemon.start()
        self.assertEqual(self.workers, {})
        self.end_well(guest, domain=1)

    def test_one_whose_storage_hangs_does_not_keep_others_from_the_next_start(self):
        """A process that waits for its storage cannot be killed, and keeps what it has."""
        storage = self.enterContext(frozen_storage.FrozenStorage(self.machine.scratch))
        hung = self.load_on(storage.make_image("hung.img"), domain=1)
        healthy = self.attach_and_load(domain=2)
        with storage.frozen():
            hung.wait_for_stillness()
            self.daemon.kill()
            self.daemon.kill_workers()
            self.daemon.start()
            healthy.wait_for_answers(100)
            self.wait_for_states({1: "hanging", 2: "connected"})
        self.wait_for_states({1: "connected", 2: "connected"})
        self.end_well(hung, domain=1)
        self.end_well(healthy, domain=2)


if __name__ == "__main__":
    unittest.main()
