#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What the package installs beside the programs: the unit, the example configuration and the
manual pages agree with the programs, which TAPRINGD and TAPRING name."""

import os
import pathlib
import re
import subprocess
import tempfile
import tomllib
import unittest

SOURCE = pathlib.Path(__file__).resolve().parents[2]
UNIT = SOURCE / "systemd/tapringd.service"
MANUALS = {name: SOURCE / f"docs/{name}.8" for name in ("tapringd", "tapring")}
# Tenths; `systemd-analyze security` calls this "safe". Two are for worker_cpus (sched_setaffinity).
MAX_EXPOSURE = 8


def output_of(*command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise AssertionError(f"{command}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def program(name):
    return os.environ[name.upper()]


def default_configuration():
    return tomllib.loads(output_of(program("tapringd"), "--config", "/dev/null", "--dump-config"))


class Unit(unittest.TestCase):
    def test_systemd_accepts_it(self):
        with tempfile.TemporaryDirectory() as directory:
            copy = pathlib.Path(directory, "tapringd.service")
            copy.write_text(UNIT.read_text().replace("/usr/sbin/tapringd", "/bin/true"))
            done = subprocess.run(["systemd-analyze", "verify", "--man=no", copy], text=True,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
            about_it = [line for line in done.stdout.splitlines() if "tapringd" in line]
            self.assertEqual((about_it, done.returncode), ([], 0))

    def test_sandbox_is_as_tight_as_it_was(self):
        output_of("systemd-analyze", "security", "--offline=true", "--no-pager",
                  f"--threshold={MAX_EXPOSURE}", UNIT)

    def test_it_starts_in_a_driver_domain_too(self):
        # There /proc/xen is empty. This device every domain has, from its kernel's start.
        self.assertIn("ConditionPathExists=/dev/xen/xenbus\n", UNIT.read_text())

    def test_a_wrong_configuration_is_not_tried_again(self):
        done = subprocess.run([program("tapringd"), "--log-level", "loud"], capture_output=True,
                              check=False)
        self.assertIn(f"RestartPreventExitStatus={done.returncode}\n", UNIT.read_text())


class ExampleConfiguration(unittest.TestCase):
    TEXT = (SOURCE / "systemd/tapringd.toml").read_text()

    def test_shows_every_key_with_its_default(self):
        shown = re.sub(r"^#(\w+ = )", r"\1", self.TEXT, flags=re.MULTILINE)
        self.assertEqual(tomllib.loads(shown), default_configuration())

    def test_sets_nothing(self):
        self.assertEqual(tomllib.loads(self.TEXT), {})


def roff_text(line):
    """A line of mdoc as a reader sees it, as far as the lists of our manual pages need it."""
    line = re.sub(r"\b(Va|No|Ar|Cm) ", "", line)
    quoted = re.sub(r"Qq (\S+)|Qo (\S+) Qc", lambda found: f'"{found[1] or found[2]}"', line)
    return re.sub(r"\s*,\s*", ", ", re.sub(r"\[ ", "[", re.sub(r" \]", "]", quoted)))


class Manuals(unittest.TestCase):
    def test_they_render_without_a_warning(self):
        for page in MANUALS.values():
            done = subprocess.run(["man", "--warnings", "--local-file", page],
                                  capture_output=True, text=True, check=False,
                                  env=dict(os.environ, MANWIDTH="80", LC_ALL="C.UTF-8"))
            self.assertEqual((done.stderr, done.returncode), ("", 0))

    def test_tapringd_8_has_every_key_with_its_default(self):
        items = re.findall(r"^\.It Va (\w+ No = .*)$", MANUALS["tapringd"].read_text(),
                           re.MULTILINE)
        shown = tomllib.loads("\n".join(roff_text(item) for item in items))
        self.assertEqual(shown, default_configuration())

    def helps_of(self, name, *words):
        """The output of --help by command, the commands of commands too."""
        text = output_of(program(name), *words, "--help")
        helps = {" ".join(words): text}
        commands = re.search(r"^Subcommands:\n((?: +.*\n?)+)", text, re.MULTILINE)
        for command in re.findall(r"^  (\w+)", commands[1] if commands else "", re.MULTILINE):
            helps.update(self.helps_of(name, *words, command))
        return helps

    def options_of(self, name):
        """Long options of --help, also after each command, and those that the manual page has an
        entry for."""
        helps = self.helps_of(name)
        in_help = re.findall(r"^ +(?:-\w,\s*)?--([\w-]+)", "\n".join(helps.values()),
                             re.MULTILINE)
        entries = re.findall(r"^\.It .*$", MANUALS[name].read_text(), re.MULTILINE)
        in_manual = re.findall(r"Fl Fl ([\w-]+)", "\n".join(entries))
        return set(in_help), set(in_manual)

    def test_tapringd_8_has_every_option(self):
        in_help, in_manual = self.options_of("tapringd")
        keys = {key.replace("_", "-") for key in default_configuration()}
        self.assertEqual(in_manual, in_help - keys)

    def test_tapring_8_has_every_command(self):
        in_help = list(self.helps_of("tapring"))[1:]
        in_manual = re.findall(r"^\.It Cm ([a-z]+(?: [a-z]+)?)", MANUALS["tapring"].read_text(),
                               re.MULTILINE)
        self.assertEqual(in_manual, in_help)
        self.assertNotEqual(in_help, [])

    def test_tapring_8_has_every_option(self):
        in_help, in_manual = self.options_of("tapring")
        self.assertEqual(in_manual, in_help)


if __name__ == "__main__":
    unittest.main()
