#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The plot of a small report of the lab, by the program that draws it."""

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

import lab_sample  # noqa: E402
import sample  # noqa: E402

SVG = "{http://www.w3.org/2000/svg}"


class LabPlot(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.scratch = pathlib.Path(scratch.name)

    def plot(self, *reports):
        """What it prints, and the texts of the files that it makes by name."""
        files = []
        for index, report in enumerate(reports):
            files.append(self.scratch / f"{index}.json")
            files[-1].write_text(json.dumps(report))
        output = self.scratch / "figures"
        done = subprocess.run([HERE / "plot", *files, "--markdown", "--output", output],
                              capture_output=True, text=True, check=True)
        return done.stdout, {path.name: path.read_text() for path in output.iterdir()}

    def test_draws_ratios_with_their_aims(self):
        printed, drawn = self.plot(lab_sample.report())
        self.assertEqual(list(drawn), ["lab-counted.svg"])
        root = xml.etree.ElementTree.fromstring(drawn["lab-counted.svg"])
        words = {element.text for element in root.iter(f"{SVG}text")}
        self.assertLessEqual({"of loop-direct", "of loop", "of qdisk", "aim", "read", "write",
                              "Past the page cache: aio", "1M"}, words)
        self.assertIn("lab-counted.svg)", printed)

    def test_timed_and_counted_are_told_apart(self):
        drawn = self.plot(lab_sample.report(), lab_sample.report(repeatable=False))[1]
        self.assertEqual(sorted(drawn), ["lab-counted.svg", "lab-timed.svg"])

    def test_what_has_no_pair_is_not_drawn(self):
        self.assertEqual(self.plot(lab_sample.report(names=["loop", "qdisk"]))[1], {})

    def test_goes_along_with_other_reports(self):
        printed, drawn = self.plot(lab_sample.report(), sample.report(["depths"]))
        self.assertIn("lab-counted.svg", drawn)
        self.assertIn("share-ext4-aio.svg", drawn)
        self.assertIn("share of native's requests", printed.replace("shares", "share"))


if __name__ == "__main__":
    unittest.main()
