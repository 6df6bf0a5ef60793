#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The hotplug script systemd/block-tapring, with a directory for xenstore and stand-ins for the
few functions it uses of Xen's block-common.sh (which set errexit and an ERR trap, as here)."""

import os
import pathlib
import shutil
import subprocess
import tempfile
import threading
import time
import unittest

SCRIPT = pathlib.Path(__file__).resolve().parents[2] / "systemd" / "block-tapring"
BACKEND = "backend/vbd/0/51712"

BLOCK_COMMON = r"""
set -e
command=$1
log() { echo "$@" >&2; }
fatal() {
  xenstore-write "$XENBUS_PATH/hotplug-error" "$*" "$XENBUS_PATH/hotplug-status" error
  exit 1
}
success() { xenstore-write "$XENBUS_PATH/hotplug-status" connected; }
xenstore_read_default() { xenstore-read "$1" 2>/dev/null || echo "$2"; }
canonicalise_mode() {
  if ! expr index "$1" 'w' >/dev/null; then echo r
  elif ! expr index "$1" '!' >/dev/null; then echo w
  else echo '!'; fi
}
sigerr() { fatal "$0 failed; error detected."; }
trap sigerr ERR
"""

# Both as Xen's (tools/xenstore/xs_lib.c: sanitise_value, unsanitise_value).
XENSTORE_READ = r"""#!/usr/bin/perl
my %short = ("\t" => "t", "\n" => "n", "\r" => "r", "\\" => "\\");
open(my $key, "<:raw", "$ENV{XENSTORE}/$ARGV[0]") or exit 1;
my $value = do { local $/; <$key> };
chomp $value;
$value =~ s{([^ -\[\]-~])}
           {"\\" . ($short{$1} // sprintf(ord($1) < 8 ? "%03o" : "x%02x", ord($1)))}ge;
print "$value\n";
"""
XENSTORE_WRITE = r"""#!/usr/bin/perl
use File::Basename;
use File::Path;
my %short = ("t" => "\t", "n" => "\n", "r" => "\r", "\\" => "\\");
while (my ($key, $value) = splice(@ARGV, 0, 2)) {
  $value =~ s{\\(?:x([0-9a-f]{2})|([0-7]{3})|(.))}
             {defined $1 ? chr(hex($1)) : defined $2 ? chr(oct($2)) : $short{$3}}ge;
  File::Path::make_path(dirname("$ENV{XENSTORE}/$key"));
  open(my $file, ">:raw", "$ENV{XENSTORE}/$key") or exit 1;
  print $file "$value\n";
}
"""


def write_script(path, text):
    path.write_text(text)
    path.chmod(0o755)


class Hotplug(unittest.TestCase):
    def setUp(self):
        self.directory = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.directory)
        (self.directory / "block-common.sh").write_text(BLOCK_COMMON)
        self.script = self.directory / "block-tapring"
        # Seconds are too many for a test; the script is otherwise the real one.
        write_script(self.script, SCRIPT.read_text().replace("verdict_seconds=30",
                                                             "verdict_seconds=2"))
        write_script(self.directory / "xenstore-read", XENSTORE_READ)
        write_script(self.directory / "xenstore-write", XENSTORE_WRITE)
        self.store = self.directory / "store"
        self.image = self.directory / "a.img"
        self.image.write_bytes(bytes(4096))
        self.set("state", "2")
        self.set("mode", "w")
        self.set("params", f"aio:{self.image}")

    def set(self, key, value):
        path = self.store / BACKEND / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(value + "\n")

    def get(self, key):
        path = self.store / BACKEND / key
        return path.read_text().strip() if path.exists() else None

    def run_script(self, command="add"):
        environment = dict(os.environ, XENSTORE=str(self.store), XENBUS_PATH=BACKEND,
                           PATH=f"{self.directory}:{os.environ['PATH']}")
        return subprocess.run([self.script, command], env=environment, timeout=60,
                              capture_output=True, text=True).returncode

    def assert_refused(self, text):
        self.assertEqual(self.run_script(), 1)
        self.assertEqual(self.get("hotplug-status"), "error")
        self.assertIn(text, self.get("hotplug-error"))

    def test_connects_once_tapringd_is_ready(self):
        self.set("tapring-status", "ready")
        self.assertEqual(self.run_script(), 0)
        self.assertEqual(self.get("hotplug-status"), "connected")
        self.assertIsNone(self.get("hotplug-error"))

    def test_waits_for_tapringd(self):
        later = threading.Timer(0.5, self.set, ("tapring-status", "ready"))
        later.start()
        self.addCleanup(later.join)
        started = time.monotonic()
        self.assertEqual(self.run_script(), 0)
        self.assertGreaterEqual(time.monotonic() - started, 0.4)
        self.assertEqual(self.get("hotplug-status"), "connected")

    def test_passes_a_refusal_on(self):
        self.set("tapring-status", "refused: a.img: in use by another program")
        self.assert_refused("tapringd refused it: a.img: in use by another program")

    def test_says_who_has_the_image_where_tapringd_cannot_see_it(self):
        write_script(self.directory / "tapring",
                     '#!/bin/sh\nprintf "%s, pid 7\\nqemu-nbd, pid 8\\n" "$1 $2"\n')
        self.set("tapring-status", "refused: /a b.img is in use by a process of this host: "
                 "tapring holder /a b.img")
        self.assert_refused("tapring holder /a b.img (holder /a b.img, pid 7;qemu-nbd, pid 8)")

    def test_a_refusal_stands_though_nobody_can_say_more(self):
        write_script(self.directory / "tapring", "#!/bin/sh\nexit 1\n")
        reason = "/a.img is in use by a process of this host: tapring holder /a.img"
        self.set("tapring-status", f"refused: {reason}")
        self.assert_refused(reason)

    def test_a_refusal_counts_more_than_the_state_after_it(self):
        self.set("tapring-status", "refused: a.img: is empty")
        self.set("state", "6")
        self.assert_refused("tapringd refused it: a.img: is empty")

    def test_a_silent_tapringd_ends_in_an_error(self):
        self.assert_refused("systemctl status tapringd")

    def test_a_path_without_a_format_goes_on(self):
        self.set("params", str(self.image))
        self.set("tapring-status", "ready")
        self.assertEqual(self.run_script(), 0)

    def test_formats_may_be_stacked(self):
        self.set("params", f"aio:raw:{self.image}")
        self.set("tapring-status", "ready")
        self.assertEqual(self.run_script(), 0)

    def test_a_path_may_hold_spaces_and_colons(self):
        image = self.directory / "an image: one.img"
        shutil.copy(self.image, image)
        self.set("params", f"raw:{image}")
        self.set("tapring-status", "ready")
        self.assertEqual(self.run_script(), 0)

    def test_a_path_may_hold_any_character(self):
        for name in ("Bücher.img", "back\\slash.img", "tab\t.img", "\x01\x7f.img", "日本 %s.img"):
            image = self.directory / name
            shutil.copy(self.image, image)
            self.set("params", f"raw:{image}")
            self.set("tapring-status", "ready")
            self.assertEqual(self.run_script(), 0, self.get("hotplug-error"))

    def test_a_path_that_is_not_utf_8_goes_on(self):
        image = os.fsencode(self.directory) + b"/\xfc.img"
        shutil.copy(self.image, image)
        (self.store / BACKEND / "params").write_bytes(b"raw:" + image + b"\n")
        self.set("tapring-status", "ready")
        self.assertEqual(self.run_script(), 0, self.get("hotplug-error"))

    def test_a_reason_keeps_its_characters(self):
        self.set("params", f"raw:{self.directory}/Bü\\cher.img")
        self.assert_refused(f"{self.directory}/Bü\\cher.img does not exist")
        (self.directory / "Bü\\cher.img").write_bytes(bytes(512))
        self.set("tapring-status", "refused: Bü\\cher.img: in use")
        self.assert_refused("tapringd refused it: Bü\\cher.img: in use")

    def test_the_holder_is_asked_for_with_the_path_as_it_is(self):
        write_script(self.directory / "tapring", '#!/bin/sh\nprintf "%s\\n" "$2"\n')
        self.set("tapring-status", "refused: it is in use: tapring holder /ü\\b.img")
        self.assert_refused("tapring holder /ü\\b.img (/ü\\b.img)")

    def test_a_target_that_is_not_last_is_refused_with_what_to_write(self):
        self.set("params", f"aio:{self.image},vdev=xvda,access=rw")
        self.assert_refused("write it last")
        self.set("params", f"aio:{self.image},xvda,w")
        self.assert_refused("write it last")

    def test_other_words_before_the_path_are_left_to_tapringd(self):
        for words in ("tap:aio:", "file:", "QCOW2:"):
            self.set("params", f"{words}{self.image}")
            self.set("tapring-status", "refused: write target=aio:...")
            self.assert_refused("tapringd refused it: write target=aio:...")

    def test_a_relative_path_is_refused(self):
        self.set("params", "aio:images/a.img")
        self.assert_refused("is not FORMAT:/absolute/path")

    def test_no_target_is_refused(self):
        self.set("params", "")
        self.assert_refused("has no target")

    def test_a_missing_image_is_refused(self):
        self.image.unlink()
        self.assert_refused("does not exist")

    def test_a_snapshot_of_a_qcow2_image_goes_on(self):
        self.set("params", f"qcow2:{self.image}@before")
        self.set("tapring-status", "ready")
        self.assertEqual(self.run_script(), 0)

    def test_a_qcow_image_with_formats_of_its_backing_files_goes_on(self):
        self.set("params", f"qcow:{self.image}@qcow@raw")
        self.set("tapring-status", "ready")
        self.assertEqual(self.run_script(), 0)

    def test_a_missing_image_is_refused_by_its_whole_name(self):
        self.image.unlink()
        self.set("params", f"qcow2:{self.image}@before")
        self.assert_refused(f"{self.image} does not exist")

    def test_other_formats_have_no_snapshots(self):
        self.set("params", f"raw:{self.image}@before")
        self.assert_refused("@before does not exist")

    def test_a_dangling_link_is_refused(self):
        self.image.unlink()
        self.image.symlink_to("nowhere")
        self.assert_refused("symbolic link to nothing")

    def test_a_directory_is_refused(self):
        self.set("params", f"aio:{self.directory}")
        self.assert_refused("is a directory")

    def test_an_empty_image_is_refused(self):
        self.image.write_bytes(b"")
        self.assert_refused("is empty")

    def test_a_character_device_is_refused(self):
        self.set("params", "raw:/dev/null")
        self.assert_refused("neither a regular file nor a block device")

    def test_a_read_only_image_is_refused_for_writing(self):
        self.image.chmod(0o444)
        self.assert_refused("cannot be written")

    def test_a_read_only_image_may_be_read(self):
        self.image.chmod(0o444)
        self.set("mode", "r")
        self.set("tapring-status", "ready")
        self.assertEqual(self.run_script(), 0)

    def test_a_closing_disk_is_not_connected(self):
        self.set("state", "5")
        self.assert_refused("was removed")

    def test_a_removed_disk_does_not_come_back(self):
        (self.store / BACKEND / "state").unlink()
        self.assertEqual(self.run_script(), 1)
        self.assertIsNone(self.get("hotplug-status"))

    def test_remove_changes_nothing(self):
        before = sorted(p.name for p in (self.store / BACKEND).iterdir())
        self.assertEqual(self.run_script("remove"), 0)
        self.assertEqual(sorted(p.name for p in (self.store / BACKEND).iterdir()), before)


if __name__ == "__main__":
    unittest.main()
