#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The images that formats are measured on, as qemu-img sees them."""

import json
import pathlib
import sys
import tempfile
import unittest
import zlib

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import format_images  # noqa: E402
from format_images import CLUSTER_BYTES, FormatImages  # noqa: E402
from format_points import FormatPoint  # noqa: E402
from program import MeasurementError  # noqa: E402

MEBIBYTES = 4


class Images(unittest.TestCase):
    def setUp(self):
        place = tempfile.TemporaryDirectory(dir=pathlib.Path.cwd())
        self.addCleanup(place.cleanup)
        files = self.enterContext(FormatImages(place.name))
        self.provide = lambda kind: files.provide(FormatPoint(image=kind, mebibytes=MEBIBYTES))
        self.directory = files.directory
        self.settle = files.settle

    def image(self, kind):
        self.provide(kind)
        self.settle()
        return format_images.path_of(self.directory, kind)

    def told(self, command, path):
        return json.loads(format_images.command("qemu-img", command, "--output=json", "-f",
                                                "qcow2", path))

    def own_bytes(self, kind):
        """Of the guest's, that the image itself has."""
        return sum(part["length"] for part in self.told("map", self.image(kind))
                   if part["data"] and part["depth"] == 0)

    def test_of_an_allocated_one_every_cluster_is_there(self):
        self.assertEqual(self.own_bytes("allocated"), MEBIBYTES << 20)
        self.assertEqual((self.directory / "raw.img").stat().st_size, MEBIBYTES << 20)

    def test_overlays_state_the_format_of_what_they_lie_on(self):
        for kind in ("overlay", "half"):
            info = self.told("info", self.image(kind))
            self.assertEqual(info["backing-filename-format"], "qcow2")
            self.assertEqual(pathlib.Path(info["full-backing-filename"]),
                             self.directory / "allocated.qcow2")

    def test_overlays_have_nothing_or_every_other_cluster(self):
        self.assertEqual(self.own_bytes("overlay"), 0)
        self.assertEqual(self.own_bytes("half"), MEBIBYTES << 19)
        depths = [(part["start"] // CLUSTER_BYTES, part["depth"])
                  for part in self.told("map", self.image("half"))]
        self.assertEqual(depths[:4], [(0, 1), (1, 0), (2, 1), (3, 0)])

    def test_compressed_ones_are_half_as_large(self):
        for kind in format_images.COMPRESSIONS:
            path = self.image(kind)
            info = self.told("info", path)
            self.assertEqual(info["format-specific"]["data"]["compression-type"], kind)
            check = self.told("check", path)
            self.assertEqual(check["compressed-clusters"], check["total-clusters"])
            self.assertAlmostEqual(path.stat().st_size / (MEBIBYTES << 20), 0.5, delta=0.1)

    def test_specks_are_in_every_cluster(self):
        path = self.directory / "specks"
        format_images.fill_with_specks(path, 1)
        data = path.read_bytes()
        self.assertEqual(len(data), 1 << 20)
        for begin in range(0, len(data), CLUSTER_BYTES):
            compressed = len(zlib.compress(data[begin:begin + CLUSTER_BYTES]))
            self.assertAlmostEqual(compressed / CLUSTER_BYTES, 0.5, delta=0.05)

    def test_are_made_once(self):
        before = self.image("zlib").stat().st_ino
        self.assertEqual(self.image("zlib").stat().st_ino, before)
        self.assertFalse((self.directory / "source.img").exists())

    def test_an_empty_one_is_of_its_own_and_counted(self):
        with format_images.fresh_image(self.directory, 1) as path:
            self.assertEqual(format_images.allocated_clusters(path)["allocated"], 0)
            format_images.command("qemu-io", "-f", "qcow2", "-c", "write 0 128k", path)
            found = format_images.allocated_clusters(path)
            self.assertEqual(found["allocated"], 2)
            self.assertEqual(found["total"], (2 * format_images.FRESH_MEBIBYTES << 20)
                             // CLUSTER_BYTES)
        self.assertFalse(path.exists())

    def test_a_full_one_says_so(self):
        with self.assertRaisesRegex(MeasurementError, "is full"):
            format_images.allocated_clusters(self.image("allocated"))

    def test_a_command_that_fails_has_its_reason(self):
        with self.assertRaisesRegex(MeasurementError, "qemu-img info: .*nowhere"):
            format_images.command("qemu-img", "info", self.directory / "nowhere")

    def test_the_probe_of_qemu_leaves_nothing(self):
        self.assertIn(format_images.aio_of_qemu(self.directory), ("io_uring", "native"))
        self.assertEqual(list(self.directory.iterdir()), [])


class Room(unittest.TestCase):
    def test_is_for_all_images_at_once(self):
        reads = [FormatPoint(image="zlib"), FormatPoint(image="overlay")]
        self.assertEqual(format_images.room_wanted(reads, 1), 4 * 256 << 20)
        fresh = [FormatPoint(image="fresh", operation="write")]
        self.assertEqual(format_images.room_wanted(fresh, 3),
                         (3 * 256 + 4 * format_images.FRESH_ROOM_MEBIBYTES) << 20)


if __name__ == "__main__":
    unittest.main()
