#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Whole runs, with routes that measure nothing."""

import contextlib
import io
import json
import pathlib
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import sample  # noqa: E402
from place import Place  # noqa: E402
from point import Point  # noqa: E402
from program import MeasurementError  # noqa: E402
from session import INTERRUPTED, Session  # noqa: E402

READ, WRITE = Point(mebibytes=1), Point(operation="write", mebibytes=1)


class Route:
    def __init__(self, name, measured, error=None):
        self.name = name
        self.measured = measured  # a list that all routes share
        self.error = error

    def measure(self, point, directory, _):
        self.measured.append((self.name, point.operation))
        assert (directory / "bench-0.img").stat().st_size == point.mebibytes << 20
        if self.error is not None and point == WRITE:
            raise self.error
        return sample.figures(point, 10.0)


class Sessions(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.scratch = pathlib.Path(scratch.name)
        self.images = self.scratch / "images"
        self.images.mkdir()
        self.measured = []

    def run_all(self, rounds=1, error=None):
        """The exit code and the report."""
        routes = [Route("native", self.measured), Route("daemon", self.measured, error)]
        file = self.scratch / "report.json"
        places = [Place("ext4", self.images, {READ: ["goals"], WRITE: ["goals", "blocks"]}, [])]
        self.output, self.errors = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(self.output), contextlib.redirect_stderr(self.errors):
            code = Session(routes, rounds, 2, file).run(places)
        self.assertEqual(list(self.scratch.iterdir()).count(file), 1)
        self.assertEqual(list(self.images.iterdir()), [])
        return code, json.loads(file.read_text())

    def test_measures_routes_in_turns(self):
        self.run_all(rounds=2)
        self.assertEqual([route for route, operation in self.measured if operation == "read"],
                         ["native", "daemon", "daemon", "native"])

    def test_writes_everything_down(self):
        code, found = self.run_all(rounds=2)
        self.assertEqual((code, found["complete"], found["rounds"]), (0, True, 2))
        self.assertIn("kernel", found["machine"])
        entry = found["points"][1]
        self.assertEqual((entry["sweeps"], entry["operation"], entry["place"]),
                         (["goals", "blocks"], "write", "ext4"))
        self.assertEqual(entry["routes"]["daemon"]["share"], 1)
        self.assertEqual([list(figures) for figures in entry["rounds"]],
                         [["native", "daemon"]] * 2)

    def test_goes_on_after_a_failure_but_tells(self):
        code, found = self.run_all(error=MeasurementError("no grants left"))
        self.assertEqual((code, found["complete"]), (1, True))
        self.assertEqual(list(found["points"][1]["routes"]), ["native"])
        self.assertIn("no grants left", self.errors.getvalue())

    def test_an_interruption_keeps_what_was_found(self):
        code, found = self.run_all(error=KeyboardInterrupt())
        self.assertEqual((code, found["complete"]), (INTERRUPTED, False))
        self.assertEqual([entry["operation"] for entry in found["points"]], ["read"])

    def test_prints_a_line_a_route(self):
        self.run_all()
        self.assertEqual(len(self.output.getvalue().splitlines()), 1 + 2 * 2)


if __name__ == "__main__":
    unittest.main()
