#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Programs that measure: what becomes of one that fails, lasts too long or is interrupted."""

import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from unittest import mock

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import program  # noqa: E402
from point import Point  # noqa: E402


class Run(unittest.TestCase):
    def setUp(self):
        # Whatever started the tests may ignore it, for us and those we start.
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        self.addCleanup(signal.signal, signal.SIGINT, before)

    def test_gives_what_is_printed(self):
        self.assertEqual(program.run(["cat"], 1, text="figures"), "figures")

    def test_a_failure_has_its_reason(self):
        with self.assertRaisesRegex(program.MeasurementError, "ended with 3: no room"):
            program.run(["sh", "-c", "echo no room >&2; exit 3"], 1)

    def test_one_that_lasts_too_long_is_ended(self):
        with mock.patch.object(program, "PATIENCE_SECONDS", 0.1):
            with self.assertRaisesRegex(program.MeasurementError, "takes more than"):
                program.run(["sleep", "1000"], 0)

    def test_an_interrupted_one_cleans_up(self):
        with tempfile.TemporaryDirectory() as directory:
            started, left = pathlib.Path(directory, "started"), pathlib.Path(directory, "left")
            script = (f"trap 'rm {left}; exit 1' INT; touch {left}; touch {started}; "
                      "while :; do sleep 0.01; done")
            threading.Thread(target=interrupt_us_when, args=(started,)).start()
            with self.assertRaises(KeyboardInterrupt):
                program.run(["sh", "-c", script], 60)
            self.assertTrue(started.exists())
            self.assertFalse(left.exists())


def interrupt_us_when(file):
    while not file.exists():
        time.sleep(0.005)
    os.kill(os.getpid(), signal.SIGINT)


class Programs(unittest.TestCase):
    def measure(self, script):
        with tempfile.TemporaryDirectory() as directory:
            path = pathlib.Path(directory, "bench")
            path.write_text(f"#!/bin/sh\n{script}\n")
            path.chmod(0o755)
            return program.Program("bench", path, None).measure(Point(), "/images", 2)

    def test_are_told_the_point_and_print_figures(self):
        found = self.measure("""echo "{\\"told\\": \\"$*\\"}" """)
        self.assertEqual(found["told"], " ".join(Point().options())
                         + " --directory /images --seconds 2")

    def test_print_json_or_have_failed(self):
        with self.assertRaisesRegex(program.MeasurementError, "no JSON"):
            self.measure("echo done")

    def test_what_is_not_built_is_named_with_how_to_build_it(self):
        known = program.Program("run", "tests/bench/run", "all", ["build/nowhere/tapringd"])
        self.assertRegex(known.missing(), "^there is no [^ ]*/nowhere/tapringd: .* --target all$")
        self.assertIsNone(program.Program("run", "tests/bench/run", "all").missing())


class CommandLine(unittest.TestCase):
    def refusal(self, *arguments):
        run = pathlib.Path(__file__).with_name("run")
        done = subprocess.run([sys.executable, run, *arguments], capture_output=True, text=True,
                              check=False)
        self.assertNotEqual(done.returncode, 0)
        return done.stderr

    def test_what_does_not_exist_is_refused_by_name(self):
        self.assertIn("no sweep 'speed'", self.refusal("speed"))
        self.assertIn("'qcow9' is none of aio, raw", self.refusal("--formats", "qcow9"))
        self.assertIn("'blkback' is none of native", self.refusal("--routes", "blkback"))
        self.assertIn("at least 1", self.refusal("--rounds", "0"))
        self.assertIn("no such directory", self.refusal("--routes", "native", "--directory",
                                                        "/nowhere/at/all"))


if __name__ == "__main__":
    unittest.main()
