#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What fio is told in the lab, and what is read of what it answers."""

import configparser
import json
import pathlib
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import backends  # noqa: E402
import lab_jobs  # noqa: E402
import lab_sample  # noqa: E402
from point import Point  # noqa: E402
from program import MeasurementError  # noqa: E402

READ = Point("read", "random", 4096, 16)
WRITE = Point("write", "random", 4096, 1)


def parsed(text):
    parser = configparser.ConfigParser(interpolation=None, allow_no_value=True)
    parser.read_string(text)
    return parser


class JobFile(unittest.TestCase):
    def test_measures_one_backend_after_the_other(self):
        found = parsed(lab_jobs.job_file(READ, ["raw", "aio"], 4, "title"))
        self.assertEqual(found.sections(), ["global", "raw", "aio"])
        self.assertEqual(found["aio"]["filename"], "/dev/xvda")
        self.assertIn("stonewall", found["global"])

    def test_times_are_short_where_they_count_instructions(self):
        short, usual = (parsed(lab_jobs.job_file(READ, ["aio"], seconds, ""))["global"]
                        for seconds in (0.5, 4))
        self.assertEqual((short["runtime"], short["ramp_time"]), ("500ms", "200ms"))
        self.assertEqual((usual["runtime"], usual["ramp_time"]), ("4000ms", "1000ms"))

    def test_writes_do_not_disturb_what_comes_next(self):
        self.assertEqual(parsed(lab_jobs.job_file(WRITE, ["aio"], 1, ""))["global"]
                         ["exec_postrun"], "sync")
        self.assertNotIn("exec_postrun", parsed(lab_jobs.job_file(READ, ["aio"], 1, ""))["global"])


class JobFiles(unittest.TestCase):
    def sections(self, **arguments):
        return [parsed(text).sections()[1:] for _, text in
                lab_jobs.job_files([READ, WRITE], ["aio", "loop"], 2, 1, **arguments)]

    def test_who_is_first_changes_with_the_round(self):
        self.assertEqual(self.sections(apart=False), [["aio", "loop"]] * 2 + [["loop", "aio"]] * 2)

    def test_apart_each_has_its_own(self):
        first, second = [["aio"], ["loop"]], [["loop"], ["aio"]]
        self.assertEqual(self.sections(apart=True), first * 2 + second * 2)

    def test_what_they_made_fio_write_is_found_again(self):
        for apart in (False, True):
            with tempfile.TemporaryDirectory() as scratch:
                directory = pathlib.Path(scratch)
                files = lab_jobs.job_files([READ, WRITE], ["aio", "loop"], 2, 1, apart)
                for index, (stem, text) in enumerate(files):
                    report = {"jobs": [{"jobname": name} for name in parsed(text).sections()[1:]],
                              "title": text.splitlines()[0]}
                    (directory / f"{index:04}.{stem}.json").write_text(
                        "aio : Saving output of postrun\n" + json.dumps(report))
                    (directory / f"{index:04}.{stem}.fio").write_text(text)
                for point in (READ, WRITE):
                    found = lab_jobs.read_reports(directory, point, 2)
                    for number, reports in enumerate(found):
                        names = [job["jobname"] for report in reports for job in report["jobs"]]
                        self.assertEqual(sorted(names), ["aio", "loop"])
                        self.assertTrue(all(
                            report["title"].startswith(f"# round {number + 1} of 2: {point.work()}")
                            for report in reports))


class Entry(unittest.TestCase):
    def test_has_the_median_of_the_rounds(self):
        reports = [[{"jobs": [lab_sample.fio_job("aio", READ)]}] for _ in range(3)]
        for report, rate in zip(reports, (5, 9, 6)):
            report[0]["jobs"][0]["read"]["iops"] = rate
        entry = lab_jobs.entry_of(READ, ["aio"], reports)
        self.assertEqual(entry["backends"]["aio"]["requests_per_second"], 6)
        self.assertEqual([found["aio"]["requests_per_second"] for found in entry["rounds"]],
                         [5, 9, 6])

    def test_latency_is_in_microseconds(self):
        [figures] = lab_jobs.entry_of(READ, ["aio"], [[{"jobs": [
            lab_sample.fio_job("aio", READ)]}]])["rounds"]
        self.assertAlmostEqual(figures["aio"]["latency_us"]["mean"], 2000)
        self.assertAlmostEqual(figures["aio"]["mebibytes_per_second"], 31.25)

    def test_of_nothing_there_is_none(self):
        job = lab_sample.fio_job("aio", READ)
        job["read"]["total_ios"] = 0
        with self.assertRaisesRegex(MeasurementError, "aio did not end a single request"):
            lab_jobs.entry_of(READ, ["aio"], [[{"jobs": [job]}]])

    def test_the_sample_is_of_all_that_is_measured(self):
        self.assertEqual(set(lab_sample.RATES), set(backends.DISKS))


if __name__ == "__main__":
    unittest.main()
