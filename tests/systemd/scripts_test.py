#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The package's maintainer scripts, with stand-ins for the programs that they call. Each stand-in
notes its call, and ends with the exit code that a file of its name says."""

import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

SCRIPTS = pathlib.Path(__file__).resolve().parents[2] / "systemd" / "debian"

STAND_IN = """#!/bin/sh
echo "${0##*/} $*" >>"$CALLS"
cat "$0.says" >&2 2>/dev/null
exit "$(cat "$0.code" 2>/dev/null || echo 0)"
"""
# Keys that exist are files below a directory.
XENSTORE_EXISTS = '#!/bin/sh\n[ -e "$STORE/$1" ]\n'


class Scripts(unittest.TestCase):
    def setUp(self):
        self.directory = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.directory)
        self.bin = self.directory / "bin"
        self.bin.mkdir()
        self.run_dir = self.directory / "run/tapring"
        self.store = self.directory / "store"
        (self.directory / "run/systemd/system").mkdir(parents=True)
        for name in ("tapringd", "systemctl", "deb-systemd-helper", "deb-systemd-invoke"):
            self.write(name, STAND_IN)
        self.write("xenstore-exists", XENSTORE_EXISTS)
        self.store.mkdir()
        (self.store / "domid").touch()

    def write(self, name, text):
        (self.bin / name).write_text(text)
        (self.bin / name).chmod(0o755)

    def ends_with(self, name, code, text):
        (self.bin / f"{name}.code").write_text(str(code))
        (self.bin / f"{name}.says").write_text(text)

    def add_disk(self, name, in_use=True):
        """With two rings."""
        for ring in range(2):
            journal = self.run_dir / "journal" / f"{name}.{ring}"
            journal.parent.mkdir(parents=True, exist_ok=True)
            journal.touch()
        if in_use:
            node = self.store / "backend" / name.replace("-", "/")
            node.mkdir(parents=True)
            (node / "frontend").touch()

    def run_script(self, script, *arguments, **variables):
        """The exit code; what was printed and called is kept."""
        text = (SCRIPTS / script).read_text().replace("/run/", f"{self.directory}/run/")
        calls = self.directory / "calls"
        calls.write_text("")
        done = subprocess.run(["sh", "-c", text, script, *arguments], timeout=60, text=True,
                              capture_output=True, check=False,
                              env={"PATH": f"{self.bin}:{os.environ['PATH']}",
                                   "CALLS": str(calls), "STORE": str(self.store), **variables})
        self.printed = done.stdout + done.stderr
        self.calls = calls.read_text().splitlines()
        return done.returncode

    def journals(self):
        return sorted(path.name for path in self.run_dir.glob("journal/*"))


class Installing(Scripts):
    def test_the_first_time_starts_it(self):
        self.assertEqual(self.run_script("postinst", "configure"), 0)
        self.assertIn("deb-systemd-invoke start tapringd.service", self.calls)

    def test_an_upgrade_restarts_it(self):
        """What is down is started: after a removal, and after a start that failed."""
        self.assertEqual(self.run_script("postinst", "configure", "0.1.0"), 0)
        self.assertIn("deb-systemd-invoke restart tapringd.service", self.calls)

    def test_a_configuration_that_is_refused_leaves_the_running_one_alone(self):
        self.ends_with("tapringd", 2, "tapringd: there is no key max_disk")
        for version in (), ("0.1.0",):
            self.assertEqual(self.run_script("postinst", "configure", *version), 0)
            self.assertFalse([call for call in self.calls if "invoke" in call])
            self.assertIn("NOT restarted", self.printed)
            self.assertIn("there is no key max_disk", self.printed)

    def test_a_program_that_does_not_run_leaves_the_running_one_alone(self):
        self.ends_with("tapringd", 127, "error while loading shared libraries")
        self.assertEqual(self.run_script("postinst", "configure", "0.1.0"), 0)
        self.assertFalse([call for call in self.calls if "invoke" in call])
        self.assertIn("shared libraries", self.printed)

    def test_a_restart_that_fails_does_not_fail_the_package(self):
        self.ends_with("deb-systemd-invoke", 1, "Job for tapringd.service failed")
        self.assertEqual(self.run_script("postinst", "configure", "0.1.0"), 0)


class Removing(Scripts):
    def test_stops_it(self):
        self.assertEqual(self.run_script("prerm", "remove"), 0)
        self.assertIn("deb-systemd-invoke stop tapringd.service", self.calls)

    def test_is_refused_while_disks_are_in_use(self):
        self.add_disk("vbd-1-51712")
        self.add_disk("vbd3-2-51728")
        self.add_disk("vbd-3-51712", in_use=False)
        self.assertEqual(self.run_script("prerm", "remove"), 1)
        self.assertEqual(self.calls, [])
        for text in ("  vbd-1-51712\n  vbd3-2-51728\n", "tapring release --all", "TAPRING_REMOVE"):
            self.assertIn(text, self.printed)
        self.assertNotIn("vbd-3-51712", self.printed)

    def test_is_refused_where_xenstore_does_not_say(self):
        self.add_disk("vbd-1-51712", in_use=False)
        for code in (1, 2):
            self.write("xenstore-exists", f"#!/bin/sh\nexit {code}\n")
            self.assertEqual(self.run_script("prerm", "remove"), 1)

    def test_may_be_insisted_on(self):
        self.add_disk("vbd-1-51712")
        self.assertEqual(self.run_script("prerm", "remove", TAPRING_REMOVE="anyway"), 0)
        self.assertIn("deb-systemd-invoke stop tapringd.service", self.calls)

    def test_is_not_what_an_upgrade_does(self):
        self.add_disk("vbd-1-51712")
        self.assertEqual(self.run_script("prerm", "upgrade", "0.2.0"), 0)
        self.assertEqual(self.calls, [])


class Purging(Scripts):
    def test_leaves_nothing(self):
        self.add_disk("vbd-1-51712", in_use=False)
        self.assertEqual(self.run_script("postrm", "purge"), 0)
        self.assertFalse(self.run_dir.exists())
        self.assertEqual(self.run_script("postrm", "purge"), 0)

    def test_keeps_the_journals_of_disks_in_use(self):
        self.add_disk("vbd-1-51712")
        self.add_disk("vbd-2-51712", in_use=False)
        self.assertEqual(self.run_script("postrm", "purge"), 0)
        self.assertEqual(self.journals(), ["vbd-1-51712.0", "vbd-1-51712.1"])

    def test_keeps_all_journals_where_xenstore_does_not_say(self):
        self.add_disk("vbd-1-51712", in_use=False)
        self.write("xenstore-exists", "#!/bin/sh\nexit 1\n")
        self.assertEqual(self.run_script("postrm", "purge"), 0)
        self.assertEqual(self.journals(), ["vbd-1-51712.0", "vbd-1-51712.1"])


if __name__ == "__main__":
    unittest.main()
