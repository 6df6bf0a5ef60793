#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The plots and tables of a small report, by the program that draws them."""

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

import sample  # noqa: E402

SVG = "{http://www.w3.org/2000/svg}"
MOST_BYTES = 64 << 10  # of a plot


def plot(report, *arguments, code=0):
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(report, file)
        file.flush()
        done = subprocess.run([HERE / "plot", file.name, *arguments], capture_output=True,
                              text=True, check=False)
    if done.returncode != code:
        raise AssertionError(f"exit code {done.returncode}: {done.stderr}")
    return done


def draw(report, directory):
    """The text of the plots by name."""
    plot(report, "--output", directory)
    return {path.name: path.read_text() for path in directory.iterdir()}


class Plot(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        """What all sweeps look like, drawn twice."""
        scratch = tempfile.TemporaryDirectory()
        cls.addClassCleanup(scratch.cleanup)
        report = sample.report()
        cls.drawn, cls.drawn_again = (draw(report, pathlib.Path(scratch.name, name))
                                      for name in ("one", "two"))

    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.scratch = pathlib.Path(scratch.name)

    def test_draws_each_kind_as_svg_with_its_text(self):
        self.assertEqual(sorted(self.drawn), [f"{kind}-ext4-aio.svg" for kind in
                                              ("calls", "cpu", "latency", "patterns", "share")])
        for name, svg in self.drawn.items():
            root = xml.etree.ElementTree.fromstring(svg)
            self.assertEqual(root.tag, f"{SVG}svg")
            words = {element.text for element in root.iter(f"{SVG}text")}
            self.assertIn("data path", words, name)
            self.assertLess(len(svg), MOST_BYTES, name)

    def test_draws_only_what_was_measured(self):
        found = draw(sample.report(["depths"], ["raw"]), self.scratch)
        self.assertEqual(sorted(found), ["calls-ext4-raw.svg", "cpu-ext4-raw.svg",
                                         "latency-ext4-raw.svg", "share-ext4-raw.svg"])

    def test_draws_no_plot_of_the_goals(self):
        self.assertEqual(draw(sample.report(["goals"]), self.scratch), {})

    def test_the_same_report_gives_the_same_bytes(self):
        self.assertEqual(self.drawn, self.drawn_again)

    def test_nothing_is_black_or_white(self):
        for name, svg in self.drawn.items():
            for color in ("#000000", "#ffffff", "black", "white"):
                self.assertNotIn(color, svg, name)

    def test_every_line_is_as_the_tree_wants_it(self):
        for svg in self.drawn.values():
            self.assertTrue(all(line == line.rstrip() for line in svg.splitlines()))
            self.assertNotIn("\t", svg)

    def test_fills_a_document_between_its_markers(self):
        document = self.scratch / "benchmarks.md"
        begin, end = ("<!-- What follows is by tests/bench/plot. -->",
                      "<!-- What was by tests/bench/plot ends here. -->")
        document.write_text(f"# Before\n\n{begin}\nold\n{end}\n\n# After\n")
        arguments = ["--output", self.scratch / "figures", "--document", document]
        plot(sample.report(["depths"]), *arguments)
        once = document.read_text()
        self.assertNotIn("old", once)
        self.assertIn("](figures/share-ext4-aio.svg)", once)
        self.assertTrue(once.startswith("# Before\n") and once.endswith(f"{end}\n\n# After\n"))
        plot(sample.report(["depths"]), *arguments)
        self.assertEqual(document.read_text(), once)

    def test_leaves_a_document_without_markers_alone(self):
        document = self.scratch / "benchmarks.md"
        document.write_text("# Something else\n")
        done = plot(sample.report(["goals"]), "--document", document, code=1)
        self.assertIn("lacks the lines", done.stderr)
        self.assertEqual(document.read_text(), "# Something else\n")


if __name__ == "__main__":
    unittest.main()
