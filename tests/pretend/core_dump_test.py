#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What a core dump of tapringd would hold of what guests have on their disks: its memory is looked
through as the kernel would dump it (core(5), proc_pid_smaps(5))."""

import pathlib
import re
import signal
import subprocess
import unittest

import machine

SECTOR = 512
PAGE = 4096
ENTRY = 8  # bytes of a page's in pagemap
PAGES_AT_ONCE = 1 << 20
PRESENT = re.compile(rb"[\x40-\xff]")  # or swapped: the highest bits of an entry
MAPPING = re.compile(r"([0-9a-f]+)-([0-9a-f]+) (....) \S+ \S+ \d+ *(.*)")


def dumped_areas(pid):
    """What is anonymous, not left out, and not only reserved: begin and end of each."""
    area = None
    for line in pathlib.Path(f"/proc/{pid}/smaps").read_text(encoding="ascii").splitlines():
        match = MAPPING.fullmatch(line)
        if match:
            begin, end, flags, path = match.groups()
            of_a_file = path.startswith("/") and flags[3] == "s"
            area = None if of_a_file else (int(begin, 16), int(end, 16))
        elif line.split() == ["Rss:", "0", "kB"]:
            area = None
        elif line.startswith("VmFlags:") and area and not {"dd", "io"} & set(line.split()):
            yield area


def pages_in(pid, begin, end):
    """Those that are there; sanitizers reserve far more."""
    with open(f"/proc/{pid}/pagemap", "rb") as pagemap, open(f"/proc/{pid}/mem", "rb") as memory:
        for first in range(begin // PAGE, end // PAGE, PAGES_AT_ONCE):
            pagemap.seek(first * ENTRY)
            entries = pagemap.read(min(PAGES_AT_ONCE, end // PAGE - first) * ENTRY)
            for there in PRESENT.finditer(entries[ENTRY - 1::ENTRY]):
                memory.seek((first + there.start()) * PAGE)
                yield memory.read(PAGE)


def found_in_dump(pid, sectors):
    """Which of the sectors, whole and where a sector would lie in a buffer."""
    wanted = set(sectors)
    found = set()
    for area in dumped_areas(pid):
        for page in pages_in(pid, *area):
            found |= wanted & {page[at:at + SECTOR] for at in range(0, len(page), SECTOR)}
    return found


class CoreDump(machine.PretendTest):
    def sectors_of(self, image, image_format):
        """What a guest has written, by qemu-img."""
        raw = self.machine.scratch / "raw"
        subprocess.run(["qemu-img", "convert", "-U", "-f", image_format, "-O", "raw", image, raw],
                       check=True)
        data = raw.read_bytes()
        sectors = {data[at:at + SECTOR] for at in range(0, len(data), SECTOR)}
        return sectors - {bytes(SECTOR)}

    def found_under_writes(self, image, image_format):
        """How many sectors of the disk a dump would hold that is made while a guest writes."""
        self.attach(f"{image_format}:{image}")
        guest = self.machine.start_guest("load", domain=1, queues=2, writes=1)
        guest.wait_for_answers(1000)
        self.daemon.process.send_signal(signal.SIGSTOP)
        try:
            sectors = self.sectors_of(image, image_format)
            found = found_in_dump(self.daemon.process.pid, sectors)
        finally:
            self.daemon.process.send_signal(signal.SIGCONT)
        self.assertGreater(len(sectors), 100)
        guest.stop()
        self.assert_good(guest.end())
        self.detach()
        return len(found)


@machine.for_each_build
class DefaultCoreDump(CoreDump):
    def test_holds_nothing_of_a_raw_disk(self):
        self.assertEqual(self.found_under_writes(self.machine.make_image(), "raw"), 0)

    def test_holds_nothing_of_a_qcow2_disk(self):
        """Whose writes copy the rest of their clusters from a compressed base."""
        base = self.machine.make_image()
        base.write_bytes(bytes(range(1, 256)) * (base.stat().st_size // 255))
        packed, top = self.machine.scratch / "packed", self.machine.scratch / "top"
        for command in (["convert", "-c", "-f", "raw", "-O", "qcow2", base, packed],
                        ["create", "-q", "-f", "qcow2", "-b", packed, "-F", "qcow2", top]):
            subprocess.run(["qemu-img", *command], check=True)
        self.assertEqual(self.found_under_writes(top, "qcow2"), 0)


@machine.for_each_build
class FullCoreDump(CoreDump):
    """What is looked for above is found where it may be."""

    def prepare(self):
        self.daemon.options += ("--core-dumps", "full")

    def test_holds_some_of_a_raw_disk(self):
        self.assertGreater(self.found_under_writes(self.machine.make_image(), "raw"), 0)


if __name__ == "__main__":
    unittest.main()
