#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What whole_daemon.py makes of a guest's figures, and of files."""

import mmap
import os
import pathlib
import tempfile
import time
import unittest

import whole_daemon
from whole_daemon import machine

END = {"requests": 3000, "seconds": 1.5, "failed": 0,
       "latency_us": {"mean": 1.0, "p50": 1.0, "p99": 2.0, "p99.9": 3.0},
       "backend_cpu_seconds": 0.006, "backend_resident_kib": 4000,
       "system_calls_per_request": 0.25, "free_calls_per_request": 0.5}


class Figures(unittest.TestCase):
    def test_are_by_request(self):
        self.assertEqual(whole_daemon.figures_of(END, 1 << 19), {
            "requests_per_second": 2000, "mebibytes_per_second": 1000,
            "latency_us": END["latency_us"], "cpu_us_per_request": 2,
            "system_calls_per_request": 0.75, "memory_kib": 4000})

    def test_have_no_system_calls_where_nobody_may_count_them(self):
        figures = whole_daemon.figures_of({**END, "system_calls_per_request": None}, 4096)
        self.assertIsNone(figures["system_calls_per_request"])

    def test_are_none_if_requests_failed(self):
        with self.assertRaisesRegex(AssertionError, "7 requests failed"):
            whole_daemon.figures_of({**END, "failed": 7}, 4096)


class Process(unittest.TestCase):
    def test_clock_is_that_of_its_threads(self):
        before, own = whole_daemon.cpu_seconds(os.getpid()), time.process_time()
        sum(range(1_000_000))
        grown = whole_daemon.cpu_seconds(os.getpid()) - before
        self.assertGreater(grown, 0)
        self.assertLessEqual(grown, time.process_time() - own + 1e-3)

    def test_holds_descriptors_and_memory_of_its_own(self):
        before = whole_daemon.holdings(os.getpid())
        with open("/dev/null", "rb"), mmap.mmap(-1, 32 << 20) as shared:
            shared.write(b"x" * len(shared))
            after = whole_daemon.holdings(os.getpid())
        self.assertEqual(after["descriptors"], before["descriptors"] + 1)
        self.assertLess(after["memory_kib"], before["memory_kib"] + (16 << 10), "no shared")


class Options(unittest.TestCase):
    def test_of_a_command_of_the_guest(self):
        words = machine.Machine("any").command("bench", params=["a", "b"], block_bytes=512,
                                               pause=True, polls=False)
        self.assertEqual(words[1:], ["bench", "--params", "a", "b", "--block-bytes", "512",
                                     "--pause"])


class Images(unittest.TestCase):
    def test_are_kept_if_they_have_the_size(self):
        with tempfile.TemporaryDirectory() as name:
            directory = pathlib.Path(name).resolve()
            paths = whole_daemon.make_images(directory, 2, 2)
            self.assertEqual(paths, [directory / "bench-0.img", directory / "bench-1.img"])
            self.assertEqual([path.stat().st_size for path in paths], [2 << 20, 2 << 20])
            kept = bytes(2 << 20)
            paths[0].write_bytes(kept)
            paths[1].write_bytes(b"too short")
            whole_daemon.make_images(directory, 2, 2)
            self.assertEqual(paths[0].read_bytes(), kept)
            self.assertEqual(paths[1].stat().st_size, 2 << 20)
            self.assertNotIn(b"\0" * 4096, paths[1].read_bytes())


if __name__ == "__main__":
    unittest.main()
