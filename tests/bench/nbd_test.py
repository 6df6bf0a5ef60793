#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The clients of benchmarks read and write what they say, on images as qemu-img makes them: over
NBD as bench_nbd does, and on our data path as bench_data_path does. BENCH_NBD and
BENCH_DATA_PATH name the two programs."""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import format_images  # noqa: E402

SIZE_BYTES = 16 << 20
CONTENT = 0x5A  # of what a benchmark writes
BENCH_NBD, BENCH_DATA_PATH = os.environ["BENCH_NBD"], os.environ["BENCH_DATA_PATH"]
SERVED = {"over NBD": ([BENCH_NBD, "--aio", "threads", "--connections", "2"], "raw"),
          "on the data path": ([BENCH_DATA_PATH], "aio")}


def done(command, *options):
    return subprocess.run([*command, "--seconds", "0.2", *map(str, options)], capture_output=True,
                          text=True, check=False, timeout=60)


class Clients(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory(dir=pathlib.Path.cwd())
        self.addCleanup(scratch.cleanup)
        self.scratch = pathlib.Path(scratch.name)
        self.raw, self.qcow2 = self.scratch / "raw.img", self.scratch / "image.qcow2"
        format_images.fill(self.raw, SIZE_BYTES >> 20)
        format_images.convert(self.raw, self.qcow2)

    def measure(self, command, *options):
        found = done(command, *options)
        self.assertEqual(found.returncode, 0, found.stderr)
        figures = json.loads(found.stdout)
        self.assertGreater(figures["requests_per_second"], 0)
        self.assertGreater(figures["cpu_us_per_request"], 0)
        self.assertGreater(figures["latency_us"]["p50"], 0)
        return figures

    def content(self):
        """What a reader finds in the qcow2 image."""
        target = self.scratch / "content.img"
        format_images.command("qemu-img", "convert", "-f", "qcow2", "-O", "raw", self.qcow2, target)
        return target.read_bytes()

    def test_write_every_block_in_turn(self):
        for name, (command, raw) in SERVED.items():
            for kind in (raw, "qcow2"):
                with self.subTest(name, kind=kind):
                    self.setUp()
                    path = self.qcow2 if kind == "qcow2" else self.raw
                    self.measure(command, "--format", kind, "--image", path, "--operation",
                                 "write", "--access", "sequential", "--block-bytes", 1 << 20)
                    found = path.read_bytes() if path == self.raw else self.content()
                    self.assertEqual(found, bytes([CONTENT]) * SIZE_BYTES)

    def test_write_whole_blocks_by_chance(self):
        for name, (command, _) in SERVED.items():
            with self.subTest(name):
                self.setUp()
                self.measure(command, "--format", "qcow2", "--image", self.qcow2,
                             "--operation", "write", "--depth", 4)
                before, after = self.raw.read_bytes(), self.content()
                written = [begin for begin in range(0, SIZE_BYTES, 4096)
                           if after[begin:begin + 4096] != before[begin:begin + 4096]]
                self.assertGreater(len(written), 1)
                self.assertTrue(all(after[begin:begin + 4096] == bytes([CONTENT]) * 4096
                                    for begin in written))

    def test_reads_change_nothing(self):
        for name, (command, _) in SERVED.items():
            with self.subTest(name):
                before = self.qcow2.read_bytes()
                self.measure(command, "--format", "qcow2", "--image", self.qcow2)
                self.assertEqual(self.qcow2.read_bytes(), before)

    def test_a_failed_request_fails_the_measurement(self):
        """Of clusters that cannot be decompressed."""
        format_images.fill_with_specks(self.raw, SIZE_BYTES >> 20)
        format_images.convert(self.raw, self.qcow2, "-c")
        data = bytearray(self.qcow2.read_bytes())
        begin = len(data) // 2
        data[begin:begin + (1 << 20)] = b"\xff" * (1 << 20)
        self.qcow2.write_bytes(data)
        for name, (command, _) in SERVED.items():
            with self.subTest(name):
                found = done(command, "--format", "qcow2", "--image", self.qcow2)
                self.assertEqual(found.returncode, 1, found.stdout)
                self.assertIn("requests failed", found.stderr)

    def test_what_cannot_be_served_is_told(self):
        for name, (command, _) in SERVED.items():
            with self.subTest(name):
                found = done(command, "--format", "qcow2", "--image", self.raw)
                self.assertEqual(found.returncode, 1)
                self.assertRegex(found.stderr, "(?i)not in qcow2 format|qcow2")


if __name__ == "__main__":
    unittest.main()
