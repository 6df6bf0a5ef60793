#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The tables and the plot of a small report on formats, by the program that draws them."""

import json
import pathlib
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree

sys.dont_write_bytecode = True
HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import format_sample  # noqa: E402
import sample  # noqa: E402
from format_points import FormatPoint  # noqa: E402

SVG = "{http://www.w3.org/2000/svg}"
BEGIN = "<!-- What follows is by tests/bench/plot, of formats. -->"
END = "<!-- What was by tests/bench/plot, of formats ends here. -->"


class FormatPlot(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.scratch = pathlib.Path(scratch.name)
        self.figures = self.scratch / "figures"

    def plot(self, report, *options, code=0):
        file = self.scratch / "report.json"
        file.write_text(json.dumps(report))
        done = subprocess.run([HERE / "plot", file, "--markdown", "--output", self.figures,
                               *options], capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, code, done.stderr)
        return done

    def test_has_both_sides_of_each_ratio(self):
        text = self.plot(format_sample.report()).stdout
        self.assertIn("| 4k random read, depth 32, allocated | 100000 | 125000 | 0.80 | 10.0 | 8.0 "
                      "| 288 / 640 | 230 / 512 |", text)
        self.assertIn("ratio (goal 0.9)", text)
        self.assertIn("| 128k sequential read, depth 16, compressed, zstd | 100000 | 50000 | 2.00 ",
                      text)

    def test_names_what_is_below_its_goal(self):
        text = self.plot(format_sample.report([FormatPoint()])).stdout
        self.assertIn("Below the goal: 4k random read, depth 32, allocated: 0.80.", text)
        self.assertEqual(text.count("Below"), 1)

    def test_counts_what_was_allocated(self):
        fresh = FormatPoint(operation="write", image="fresh")
        self.assertIn("| 7 of 9 | 7 of 9 |", self.plot(format_sample.report([fresh])).stdout)

    def test_draws_a_bar_a_ratio(self):
        self.plot(format_sample.report())
        self.assertEqual([path.name for path in self.figures.iterdir()], ["formats.svg"])
        svg = (self.figures / "formats.svg").read_text()
        words = {text.text for text in xml.etree.ElementTree.fromstring(svg).iter(f"{SVG}text")}
        self.assertLessEqual({"4k random read, depth 32, compressed, zlib", "goal",
                              "of our raw", "of qemu-nbd's qcow2"}, words)
        for color in ("#000000", "#ffffff", "black", "white"):
            self.assertNotIn(color, svg)

    def test_an_interrupted_run_has_no_plot(self):
        report = format_sample.report()
        report["points"] = []
        self.assertEqual(self.plot(report).stdout, "Nothing was measured.\n")
        self.assertEqual(list(self.figures.iterdir()), [])

    def test_fills_its_own_part_of_a_document(self):
        document = self.scratch / "benchmarks.md"
        document.write_text(f"# Before\n{BEGIN}\nold\n{END}\n# After\n")
        self.plot(format_sample.report(), "--document", document)
        text = document.read_text()
        self.assertNotIn("old", text)
        self.assertIn("](figures/formats.svg)", text)
        self.assertTrue(text.startswith(f"# Before\n{BEGIN}\n\n    "))
        self.assertTrue(text.endswith(f"{END}\n# After\n"))

    def test_leaves_the_part_of_other_benchmarks_alone(self):
        document = self.scratch / "benchmarks.md"
        document.write_text(f"{BEGIN}\nfigures\n{END}\n")
        self.plot(sample.report(["goals"]), "--document", document, code=1)
        self.assertEqual(document.read_text(), f"{BEGIN}\nfigures\n{END}\n")


if __name__ == "__main__":
    unittest.main()
