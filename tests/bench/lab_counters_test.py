#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What tapringd did for a request, of what the kernel and the daemon count."""

import json
import pathlib
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import lab_counters  # noqa: E402

NAMES = "/proc/7/task/7/comm:tapringd\n/proc/7/task/9/comm:worker-0\n"
CALLS = """# event histogram
{ common_pid:          9, id: sys_io_uring_enter            [426] } hitcount:         50
{ common_pid:          9, id: sys_ioctl                     [ 16] } hitcount:        200
{ common_pid:          7, id: sys_read                      [  0] } hitcount:        999
"""


def texts(reads, writes, slept):
    """As inside/bench.sh writes them."""
    disk = {"counters": {"reads": reads, "writes": writes, "wakeups": writes // 2,
                         "notifications": writes // 4}}
    return {"list": json.dumps({"disks": [disk, {"counters": {"reads": 5, "writes": 0}}]}),
            "names": NAMES,
            "switches": f"/proc/7/task/9/status:voluntary_ctxt_switches:\t{slept}\n"
                        "/proc/7/task/9/status:nonvoluntary_ctxt_switches:\t3\n"
                        f"/proc/7/task/7/status:voluntary_ctxt_switches:\t{slept * 7}\n"}


class PerRequest(unittest.TestCase):
    def test_counts_between_of_worker_threads_alone(self):
        found = lab_counters.per_request(texts(2, 0, 10), texts(2, 100, 35), CALLS)
        self.assertEqual(found, {
            "requests": 100, "wakeups": 0.5, "notifications": 0.25, "context switches": 0.25,
            "system calls": {"ioctl": 2.0, "io_uring_enter": 0.5}})

    def test_of_no_request_there_is_nothing(self):
        self.assertIsNone(lab_counters.per_request(texts(2, 4, 1), texts(2, 4, 9), CALLS))

    def test_is_read_from_the_files_of_a_measurement(self):
        with tempfile.TemporaryDirectory() as scratch:
            stem = pathlib.Path(scratch, "0003.0.4k-random-write-16.aio")
            for when, found in (("before", texts(0, 0, 0)), ("after", texts(0, 100, 10))):
                for kind, text in found.items():
                    stem.with_name(f"{stem.name}.{when}.{kind}").write_text(text)
            stem.with_name(f"{stem.name}.calls").write_text(CALLS)
            found = lab_counters.read(pathlib.Path(scratch))
        self.assertEqual(list(found), ["0.4k-random-write-16.aio"])
        text = lab_counters.text(found)
        self.assertIn("0.4k-random-write-16.aio, 100 requests", text)
        self.assertRegex(text, r"system calls\s+2\.500  ioctl 2\.000, io_uring_enter 0\.500")


if __name__ == "__main__":
    unittest.main()
