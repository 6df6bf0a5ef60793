#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Which directories are measured in, and which are refused."""

import pathlib
import sys
import tempfile
import unittest
from unittest import mock

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import images  # noqa: E402
import place  # noqa: E402
from point import Point  # noqa: E402

POINTS = {Point(block_bytes=512): ["blocks"], Point(): ["blocks"],
          Point(block_bytes=512, format="raw"): ["blocks"]}


class Places(unittest.TestCase):
    def setUp(self):
        self.facts = {"room_in": 1 << 40, "file_system": "ext4", "smallest_direct_bytes": 512}
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = pathlib.Path(directory.name)

    def places(self, *directories):
        facts = {name: mock.Mock(return_value=value) for name, value in self.facts.items()}
        with mock.patch.multiple(images, **facts):
            return place.places_of(directories or [self.directory], POINTS)

    def test_take_every_point(self):
        found = self.places()[0]
        self.assertEqual((found.name, found.points, found.left_out), ("ext4", POINTS, []))

    def test_leave_out_what_is_smaller_than_blocks(self):
        self.facts["smallest_direct_bytes"] = 4096
        found = self.places()[0]
        self.assertEqual(found.left_out, [Point(block_bytes=512)])
        self.assertEqual(list(found.points), [Point(), Point(block_bytes=512, format="raw")])

    def test_of_one_file_system_are_named_by_path(self):
        (self.directory / "other").mkdir()
        found = self.places(self.directory, self.directory / "other")
        self.assertEqual([each.name for each in found],
                         [str(self.directory), str(self.directory / "other")])

    def test_without_room_are_refused(self):
        self.facts["room_in"] = 700 << 20
        with self.assertRaisesRegex(place.Refusal, "room for 700 MiB, and 768 MiB are needed"):
            self.places()

    def test_without_direct_io_are_refused_for_aio(self):
        self.facts["smallest_direct_bytes"] = None
        with self.assertRaisesRegex(place.Refusal, "no O_DIRECT"):
            self.places()

    def test_that_do_not_exist_are_refused(self):
        with self.assertRaisesRegex(place.Refusal, "no such directory"):
            self.places(self.directory / "nowhere")


if __name__ == "__main__":
    unittest.main()
