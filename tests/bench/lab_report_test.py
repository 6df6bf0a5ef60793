#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The lab's figures as text."""

import pathlib
import sys
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import lab_report  # noqa: E402
import lab_sample  # noqa: E402


class Text(unittest.TestCase):
    def test_each_of_ours_beside_those_that_treat_a_file_alike(self):
        lines = lab_report.text(lab_sample.report(sizes=[16384])).splitlines()
        self.assertRegex(lines[1], r"^requests a second\s+aio\s+loop-direct\s+ratio \(aim 1\.0\)"
                                   r"\s+qdisk\s+ratio \(aim 2\.0\)$")
        self.assertEqual(lines[2].split(), ["16k", "random", "read,", "depth", "16", "2000",
                                            "2500", "0.80", "1250", "1.60"])

    def test_names_what_misses_its_aim_and_nothing_else(self):
        text = lab_report.text(lab_sample.report(sizes=[16384]))
        past, through = text.split("Through the page cache")
        self.assertIn("16k random write, depth 16: 0.80 of loop-direct, not 1.0", past)
        self.assertIn("16k random write, depth 16: 1.60 of qdisk, not 2.0", past)
        self.assertIn("Nothing is below the aim.", through)

    def test_what_is_shown_as_the_aim_is_no_miss(self):
        report = lab_sample.report(names=["aio", "loop-direct"], sizes=[16384])
        for entry, rate in zip(report["points"], (99.6, 99.4)):
            entry["backends"]["aio"]["requests_per_second"] = rate
            entry["backends"]["loop-direct"]["requests_per_second"] = 100.0
        self.assertEqual(lab_report.text(report).split("aim:\n")[1],
                         "  16k random write, depth 16: 0.99 of loop-direct, not 1.0\n")

    def test_without_ours_there_is_nothing_to_compare(self):
        self.assertEqual(lab_report.text(lab_sample.report(names=["loop", "qdisk"])), "\n")


class Markdown(unittest.TestCase):
    def test_says_where_figures_come_from_and_links_to_the_plots(self):
        text = lab_report.markdown(lab_sample.report(), [("Title", "figures/a.svg")])
        self.assertTrue(text.startswith("### In the lab, by counted instructions\n\n"
                                        "    tests/xen/bench\n\nXen 4.17 in QEMU"))
        self.assertIn("![Title](figures/a.svg)", text)
        self.assertIn("| 4k random read, depth 1 | 8000 | 10000 | 0.80 | 5000 | 1.60 |", text)
        self.assertIn("|---|---:|---:|---:|---:|---:|", text.replace(" ", ""))

    def test_tells_time_from_instructions(self):
        text = lab_report.markdown(lab_sample.report(repeatable=False))
        self.assertIn("by measured time", text)


if __name__ == "__main__":
    unittest.main()
