#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Figures as text."""

import io
import pathlib
import sys
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import progress  # noqa: E402
import report  # noqa: E402
import sample  # noqa: E402
from point import Point  # noqa: E402


class Rows(unittest.TestCase):
    def test_each_route_has_a_line_under_its_column(self):
        lines = report.rows(sample.entry(Point(), ["goals"])).splitlines()
        self.assertEqual(len(lines), 2)
        self.assertEqual(lines[0].split()[:8], ["ext4", "aio", "4k", "random", "read,", "depth",
                                                "32", "native"])
        self.assertEqual(lines[1].split()[2:5], ["80000", "312", "0.80"])
        end = report.HEADER.index("share") + len("share")
        self.assertEqual(lines[1][:end].split()[-1], "0.80")

    def test_what_was_not_counted_is_a_dash(self):
        native, ours = report.rows(sample.entry(Point(), ["goals"])).splitlines()
        self.assertEqual(native.split()[-2:], ["-", "-"])
        self.assertEqual(ours.split()[-2:], ["0.03", "1.0"])


class Markdown(unittest.TestCase):
    def test_a_table_a_sweep(self):
        text = report.markdown([sample.report(["goals", "depths"])])
        self.assertEqual([line for line in text.splitlines() if line.startswith("#")],
                         ["### The goals", "### By requests in flight"])
        self.assertIn("| 4k random read, depth 32 | ext4 aio | 100000 | 0.80 | 10.00 | 12.50 |",
                      text)

    def test_depth_one_shows_what_is_added(self):
        text = report.markdown([sample.report(["goals"])])
        self.assertIn("| 4k random read, depth 1 | ext4 aio | 9.0 / 20.0 | 11.2 / 25.0 | 2.5 |",
                      text)

    def test_several_disks_show_their_memory(self):
        self.assertIn("| 12.50 | 1.0 |", report.markdown([sample.report(["disks"])]))
        self.assertNotIn("MiB", report.markdown([sample.report(["depths"])]))

    def test_has_the_sweeps_of_all_runs(self):
        text = report.markdown([sample.report(["depths"]), sample.report(["goals"])])
        self.assertLess(text.index("### The goals"), text.index("### By requests in flight"))
        self.assertEqual(text.count("    tests/bench/run\n"), 2)

    def test_rows_of_a_table_have_as_many_cells_as_its_head(self):
        found = sample.report()
        del found["points"][0]["routes"]["native"]
        for part in report.markdown([found]).split("\n\n"):
            if part.startswith("|"):
                self.assertEqual(len({line.count("|") for line in part.splitlines()}), 1)

    def test_entries_are_in_the_order_of_their_sweep(self):
        points = [Point(depth=8), Point(depth=1), Point(depth=32)]
        entries = [sample.entry(point, ["depths"], place) for point in points
                   for place in ("ext4", "tmpfs")]
        found = [(entry["place"], entry["depth"]) for entry in
                 report.entries_of(entries, "depths")]
        self.assertEqual(found, [(place, depth) for place in ("ext4", "tmpfs")
                                 for depth in (1, 8, 32)])

    def test_lines_are_as_short_as_those_of_the_tree(self):
        found = sample.report(["goals"])
        found["machine"]["command"] = "tests/bench/run" + " --directory /srv/somewhere" * 9
        lines = report.markdown([found]).splitlines()
        self.assertLessEqual(max(len(line) for line in lines if not line.startswith("|")), 100)
        self.assertTrue(lines[0].endswith(" \\"))

    def test_names_the_machine_and_the_figures(self):
        text = report.markdown([sample.report(["goals"])], [("Share", "figures/share.svg")])
        self.assertIn("Some processor, 2 cores, Linux 6.1", text)
        self.assertIn("![Share](figures/share.svg)", text)


class Terminal(io.StringIO):
    def isatty(self):
        return True


class ProgressLine(unittest.TestCase):
    def written(self, stream, *times):
        """By a progress that is shown at each of the times, with one more of four steps done."""
        clock = iter([0, *times])
        shown = progress.Progress(4, stream, lambda: next(clock))
        for _ in times:
            shown.step()
            shown.show("native")
        return stream.getvalue()

    def test_says_how_long_the_rest_takes(self):
        self.assertEqual(self.written(Terminal(), 300),
                         progress.CLEAR + "1/4, 15 min left; native")

    def test_is_written_into_files_now_and_then(self):
        self.assertEqual(self.written(io.StringIO(), 20, 40, 60),
                         "2/4, 40 s left; native\n")

    def test_durations(self):
        self.assertEqual([progress.duration(seconds) for seconds in (5, 600, 9000)],
                         ["5 s", "10 min", "2.5 h"])


if __name__ == "__main__":
    unittest.main()
