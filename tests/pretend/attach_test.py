#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Disks are attached, used by guests that check what they read, and detached."""

import json
import subprocess
import unittest

import machine


@machine.for_each_build
class Attach(machine.PretendTest):
    def use(self, params, **options):
        self.attach(params)
        end = self.machine.guest("load", domain=1, requests=2000, **options)
        self.assert_good(end)
        self.assertEqual(end["answered"], 2000)
        self.detach()

    def test_aio(self):
        self.use(f"aio:{self.machine.make_image()}")

    def test_raw(self):
        self.use(f"raw:{self.machine.make_image()}")

    def test_qcow2(self):
        image = self.machine.scratch / "image.qcow2"
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", image, "8M"], check=True)
        self.use(f"qcow2:{image}")

    def test_several_queues_and_ring_pages(self):
        self.use(f"aio:{self.machine.make_image()}", queues=4, ring_order=2, depth=64)

    def test_large_requests(self):
        self.use(f"aio:{self.machine.make_image()}", segments=256, depth=8)

    def test_guest_of_32_bits(self):
        self.use(f"aio:{self.machine.make_image()}", protocol="x86_32-abi")

    def test_two_disks_at_a_time(self):
        guests = []
        for device, kind in ((51712, "aio"), (51728, "raw")):
            self.attach(f"{kind}:{self.machine.make_image()}", device=device)
            guests.append(self.machine.start_guest("load", domain=1, device=device, requests=1500,
                                                   queues=2, seed=device))
        for guest in guests:
            self.assert_good(guest.end())
        for device in (51712, 51728):
            self.detach(device=device)

    def test_read_only(self):
        self.attach(f"aio:{self.machine.make_image()}", mode="r")
        self.assert_good(self.machine.guest("load", domain=1, requests=300))
        self.detach()

    def test_image_that_is_not_there_is_refused(self):
        with self.assertRaisesRegex(AssertionError, "refused: .*/nowhere.img"):
            self.attach("aio:/nowhere.img")
        self.detach()

    def test_image_that_a_disk_has_is_refused_by_qemu(self):
        image = self.machine.make_image()
        self.attach(f"aio:{image}")
        guest = self.machine.start_guest("connect", domain=1)
        guest.wait_for_event("connected")
        copy = subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", "raw", image, "/dev/null"],
                              capture_output=True, text=True, check=False)
        self.assertIn("lock", copy.stderr)
        self.assertRegex(self.daemon.ask("holder", str(image)), r"^tapringd, pid \d+: disk 1/xvda$")
        self.detach()
        self.assert_good(guest.end())
        self.assertEqual(self.daemon.ask("holder", str(image)).strip(), "nobody")

    def test_stub_domain_shares_the_image(self):
        image = self.machine.scratch / "shared.qcow2"
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", image, "16M"], check=True)
        self.machine.guest("create-domain", domain=2, target=1)
        for domain in (1, 2):
            self.attach(f"qcow2:{image}", domain=domain)
        stub = self.machine.start_guest("connect", domain=2)
        stub.wait_for_event("connected")
        guest = self.machine.start_guest("load", domain=1, requests=3000, queues=2)
        guest.wait_for_answers(200)
        self.daemon.kill()
        self.daemon.start()
        self.assert_good(guest.end())
        self.assertEqual([disk["state"] for disk in self.daemon.ask_json("list")["disks"]][1],
                         "connected")
        for domain in (1, 2):
            self.detach(domain=domain)
        self.assert_good(stub.end())
        # A kill may leak clusters, which is 3.
        check = subprocess.run(["qemu-img", "check", "-q", image], check=False)
        self.assertIn(check.returncode, (0, 3))

    def test_image_that_qemu_has_is_refused(self):
        image = self.machine.make_image()
        with subprocess.Popen(["qemu-io", "-f", "raw", image], stdin=subprocess.PIPE,
                              stdout=subprocess.DEVNULL) as qemu:
            holder = f"qemu-io, pid {qemu.pid}"
            machine.wait_until("qemu-io to open the image",
                               lambda: holder in self.daemon.ask("holder", str(image)))
            with self.assertRaisesRegex(AssertionError, f"refused: {image} is in use by {holder}"):
                self.attach(f"aio:{image}")
            qemu.stdin.close()
        self.detach()

    def test_tapring_tells_of_it(self):
        image = self.machine.make_image()
        self.attach(f"raw:{image}")
        guest = self.machine.start_guest("connect", domain=1, queues=2)
        guest.wait_for_event("connected")
        disk, = json.loads(self.daemon.ask("list", "--json"))["disks"]
        self.assertEqual((disk["disk"], disk["path"], disk["state"], disk["workers"]),
                         ("1/xvda", str(image), "connected", [0, 1]))
        self.assertIn(str(image), self.daemon.ask("list"))
        self.detach()
        self.assert_good(guest.end())

    def test_detached_while_connected(self):
        self.attach(f"aio:{self.machine.make_image()}")
        guest = self.machine.start_guest("connect", domain=1)
        guest.wait_for_event("connected")
        self.detach()
        self.assert_good(guest.end())

    def test_domain_dies_under_load(self):
        self.attach(f"aio:{self.machine.make_image()}")
        guest = self.machine.start_guest("load", domain=1)
        guest.wait_for_answers(100)
        guest.process.kill()
        self.machine.guest("destroy-domain", domain=1)
        self.detach()
        self.assertEqual(self.machine.status()["mapped"], 0)


if __name__ == "__main__":
    unittest.main()
