#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What fio is told, and what is read of what it answers."""

import configparser
import pathlib
import sys
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import fio  # noqa: E402
import program  # noqa: E402
from point import Point  # noqa: E402

# The parts that are read of what fio 3.33 printed for two jobs of one second.
REPORT = {"jobs": [{
    "mixed": {"bw_bytes": 2625196236, "iops": 640917.1, "total_ios": 641558,
              "lat_ns": {"mean": 99403.0, "percentile": {
                  "50.000000": 82432, "99.000000": 195584, "99.900000": 4751360}}},
    "job_runtime": 2002, "usr_cpu": 20.0, "sys_cpu": 30.0}]}


def job(fixed=False, **fields):
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string(fio.job_file(Point(**fields), "/images", 3, fixed))
    return parser


class JobFile(unittest.TestCase):
    def test_a_job_a_disk_and_a_thread_a_queue(self):
        found = job(disks=2, queues=3, depth=8)
        self.assertEqual(found.sections(), ["global", "disk-0", "disk-1"])
        self.assertEqual(found["disk-1"]["filename"], "/images/bench-1.img")
        self.assertEqual((found["global"]["numjobs"], found["global"]["iodepth"]), ("3", "8"))

    def test_a_colon_is_part_of_a_name(self):
        self.assertIn("filename=/a\\:b/bench-0.img\n", fio.job_file(Point(), "/a:b", 3, False))

    def test_only_aio_goes_past_the_page_cache(self):
        self.assertEqual(job(format="aio")["global"]["direct"], "1")
        self.assertEqual(job(format="raw")["global"]["direct"], "0")

    def test_every_workload_has_a_word(self):
        words = {job(operation=operation, access=access)["global"]["rw"]
                 for operation in ("read", "write", "mixed")
                 for access in ("random", "sequential")}
        self.assertEqual(words, {"randread", "randwrite", "randrw", "read", "write", "rw"})

    def test_only_fixed_registers_files_and_buffers(self):
        self.assertNotIn("fixedbufs", job()["global"])
        self.assertEqual(job(fixed=True)["global"]["fixedbufs"], "1")
        self.assertEqual(job(fixed=True)["global"]["registerfiles"], "1")

    def test_queues_share_a_disk_that_is_read_in_order(self):
        found = job(access="sequential", queues=4, mebibytes=512)["global"]
        self.assertEqual((found["size"], found["offset_increment"]), ("128M", "128M"))
        self.assertNotIn("size", job(access="sequential")["global"])

    def test_no_line_has_what_fio_takes_for_a_comment(self):
        text = fio.job_file(Point(), "/images", 3, True)
        self.assertNotRegex(text, "[;#]")


class Figures(unittest.TestCase):
    def test_are_read_in_our_units(self):
        found = fio.figures_of(REPORT)
        self.assertAlmostEqual(found["mebibytes_per_second"], 2503.58, places=2)
        self.assertEqual(found["requests_per_second"], 640917.1)
        self.assertEqual(found["latency_us"],
                         {"mean": 99.403, "p50": 82.432, "p99": 195.584, "p99.9": 4751.36})
        self.assertIsNone(found["system_calls_per_request"])

    def test_cpu_is_of_all_threads_and_of_the_kernels_workers(self):
        # Half of 2.002 s for 641558 requests.
        self.assertAlmostEqual(fio.figures_of(REPORT)["cpu_us_per_request"], 1.560, places=3)
        found = fio.figures_of(REPORT, worker_seconds=1.001)
        self.assertAlmostEqual(found["cpu_us_per_request"], 3.121, places=3)

    def test_of_nothing_there_are_none(self):
        idle = {"jobs": [{"mixed": {"total_ios": 0}}]}
        with self.assertRaisesRegex(program.MeasurementError, "not end a single request"):
            fio.figures_of(idle)


class Workers(unittest.TestCase):
    def test_count_once_and_alone(self):
        listing = ("/proc/9/task/9/comm:fio\n/proc/9/task/10/comm:iou-wrk-9\n"
                   "/proc/9/task/11/comm:iou-wrk-9\n/proc/9/task/9/schedstat:7000000000 1 2\n"
                   "/proc/9/task/10/schedstat:{} 5 6\n/proc/9/task/11/schedstat:1000000000 7 8\n")
        listings = [listing.format(1500000000), listing.format(2000000000)]
        self.assertEqual(fio.worker_seconds_of(listings), 3.0)
        self.assertEqual(fio.worker_seconds_of([]), 0)


if __name__ == "__main__":
    unittest.main()
