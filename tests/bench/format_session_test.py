#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs on image formats, with routes that measure nothing, and what those that measure are told."""

import contextlib
import io
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest
from unittest import mock

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import format_images  # noqa: E402
import format_points  # noqa: E402
import format_routes  # noqa: E402
import format_sample  # noqa: E402
from format_points import OUR_RAW, OURS, QEMUS, QEMUS_RAW, FormatPoint  # noqa: E402
from format_session import FormatSession  # noqa: E402
from place import Place  # noqa: E402

FULL = FormatPoint(mebibytes=1)
FRESH = FormatPoint(operation="write", image="fresh", mebibytes=1)


class Sessions(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory(dir=pathlib.Path.cwd())
        self.addCleanup(scratch.cleanup)
        self.scratch = pathlib.Path(scratch.name)
        self.measured = []

    def run_all(self, rounds=1):
        routes = [format_sample.Route(name, self.measured) for name in format_sample.MICROSECONDS]
        file, images = self.scratch / "report.json", self.scratch / "images"
        images.mkdir()
        with contextlib.redirect_stdout(io.StringIO()) as output:
            place = Place("ext4", images, {FULL: (), FRESH: ()}, [])
            self.assertEqual(FormatSession(routes, rounds, 2, file).run([place]), 0)
        self.assertEqual(list(images.iterdir()), [])
        self.output = output.getvalue()
        return json.loads(file.read_text())

    def test_measure_each_point_by_the_routes_that_are_compared(self):
        self.run_all()
        self.assertEqual({name for name, point, _ in self.measured if point == FULL},
                         {OURS, OUR_RAW, QEMUS, QEMUS_RAW})
        self.assertEqual({name for name, point, _ in self.measured if point == FRESH},
                         {OURS, QEMUS})

    def test_who_is_first_changes_with_the_round(self):
        self.run_all(rounds=2)
        self.assertEqual([name for name, point, _ in self.measured if point == FRESH],
                         [OURS, QEMUS, QEMUS, OURS])

    def test_have_the_images_that_a_point_wants(self):
        self.run_all()
        self.assertEqual(self.measured[0][2], ["allocated.qcow2", "raw.img"])

    def test_ratios_are_those_of_requests(self):
        found = self.run_all(rounds=2)
        self.assertEqual([(each["ours"], each["other"], each["goal"], each["ratio"])
                          for each in found["points"][0]["ratios"]],
                         [(OURS, OUR_RAW, 0.9, 0.8), (OURS, QEMUS, 1.0, 2.0),
                          (OUR_RAW, QEMUS_RAW, None, 2.0)])
        self.assertEqual(found["points"][1]["routes"][OURS]["clusters"],
                         {"allocated": 7, "total": 9})

    def test_print_both_sides_of_each_ratio(self):
        self.run_all()
        lines = self.output.splitlines()
        self.assertEqual(len(lines), 1 + 3 + 1)
        self.assertEqual(lines[1].split()[-4:], ["100000", "125000", "0.80", "0.9"])


class Points(unittest.TestCase):
    def test_are_each_measured_once(self):
        for quick in (False, True):
            points = format_points.points(quick)
            self.assertEqual(len(points), len(set(points)))
        self.assertEqual({point.image for point in format_points.points()},
                         set(format_points.IMAGES))

    def test_go_through_json(self):
        for entry in format_sample.report()["points"]:
            self.assertIn(format_points.of_json(entry), format_points.points())


class Routes(unittest.TestCase):
    def told(self, route, point):
        with mock.patch.object(format_routes.FormatRoute, "figures", return_value={}) as figures:
            found = route.measure(point, pathlib.Path("/images"), 2)
        options, seconds = figures.call_args.args
        self.assertEqual(seconds, 2)
        return " ".join(map(str, options)), found

    def test_are_told_the_image_of_their_format(self):
        ours, raw, qemu, _ = format_routes.ROUTES
        qemu.aio = "native"
        work = "--operation read --access random --block-bytes 4096 --depth 32"
        self.assertEqual(self.told(ours, FormatPoint(image="half"))[0],
                         f"{work} --format qcow2 --image /images/half.qcow2")
        self.assertEqual(self.told(raw, FULL)[0], f"{work} --format aio --image /images/raw.img")
        self.assertEqual(self.told(qemu, FULL)[0], f"{work} --aio native --connections 2 "
                         "--format qcow2 --image /images/allocated.qcow2")

    def test_qemu_has_no_connection_more_than_it_needs(self):
        qemu = format_routes.ROUTES[2]
        qemu.aio = "native"
        self.assertIn("--connections 1 ", self.told(qemu, FormatPoint(depth=16))[0])

    def test_have_an_empty_image_for_each_measurement(self):
        made = mock.MagicMock()
        made.return_value.__enter__.return_value = pathlib.Path("/images/fresh.qcow2")
        counted = mock.Mock(return_value={"allocated": 1, "total": 2})
        with mock.patch.multiple(format_images, fresh_image=made, allocated_clusters=counted):
            told, found = self.told(format_routes.ROUTES[0], FRESH)
        self.assertTrue(told.endswith("--image /images/fresh.qcow2"))
        self.assertEqual(found, {"clusters": {"allocated": 1, "total": 2}})
        made.return_value.__exit__.assert_called_once()


class CommandLine(unittest.TestCase):
    def test_what_does_not_exist_is_refused_by_name(self):
        command = pathlib.Path(__file__).with_name("formats")
        for arguments, reason in ((["--images", "vhd"], "'vhd' is none of allocated"),
                                  (["--rounds", "0"], "at least 1")):
            done = subprocess.run([sys.executable, command, *arguments], capture_output=True,
                                  text=True, check=False)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn(reason, done.stderr)


if __name__ == "__main__":
    unittest.main()
