# SPDX-License-Identifier: MIT
"""A booted lab: a real Xen and its dom0 in an emulated PC, and commands run in that dom0."""

import ctypes
import itertools
import pathlib
import shlex
import shutil
import signal
import subprocess
import time

import cache as lab_cache

_BOOT_SECONDS = 300
_POLL_SECONDS = 0.1
# The agent's own time around a command, on a loaded machine.
_AGENT_SECONDS = 30
# Between a command's limit and its end by force.
_KILL_SECONDS = 15

# Each departure from the defaults was a failure first:
#   -smap, -smep   QEMU 7.2 reads an IRET frame with kernel access: a PV dom0 dies at once
#   -rdtscp        Xen cannot tell the length of the emulated instruction: a PVH guest dies
#   eager-fpu      lazy FPU switching corrupts registers under TCG once a guest runs
# And norandmaps halves the time a program takes to start: translated code is found again.
_CPU = "max,-smap,-smep,-rdtscp"
_XEN = ("com1=115200,8n1 console=com1 loglvl=warning guest_loglvl=warning bootscrub=0 "
        "dom0_mem=1536M,max:1536M dom0_max_vcpus=2 ucode=no spec-ctrl=no,eager-fpu xpti=0")
_LINUX = ("console=hvc0 rdinit=/init loglevel=4 mitigations=off nokaslr norandmaps "
          "cryptomgr.notests audit=0 systemd.show_status=error")
_TIMED = ["-accel", "tcg,thread=multi,tb-size=1024"]
# Each instruction takes 2 ns, whichever it is. The virtual processors take turns in one thread.
_COUNTED = ["-accel", "tcg,thread=single,tb-size=1024", "-icount", "shift=1"]
# A second of dom0 takes 13 of them on an idle machine.
_COUNTED_PATIENCE = 60
_PR_SET_PDEATHSIG = 1


class LabError(Exception):
    """The lab itself failed: it did not boot, or it no longer answers."""


def _die_with_parent():
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


class _GrowingFile:
    """A file that another process appends to; hands each new piece to `follow`."""

    def __init__(self, path, follow):
        self._path = path
        self._follow = follow or (lambda text: None)
        self._seen = 0

    def read(self):
        """Everything that is in the file by now."""
        text = self._path.read_text(errors="replace") if self._path.exists() else ""
        if len(text) > self._seen:
            self._follow(text[self._seen:])
            self._seen = len(text)
        return text


class Lab:
    """One boot of a variant, from its context's entry to its end. Nothing written in dom0
    survives: the disk is a snapshot. `product` (see product.py) is installed before dom0's init,
    `files` are copied into the share. If `repeatable`, dom0's clock counts instructions, so that
    its seconds are not those of the host."""

    def __init__(self, variant, product=None, files=(), repeatable=False):
        self.variant = variant
        self.product = product
        self.files = files
        self.repeatable = repeatable
        self.cache = lab_cache.directory()
        self.directory = self.cache / "boot"
        self.share = self.directory / "share"
        self.boot_seconds = None
        self._numbers = itertools.count()
        self._lock = None
        self._qemu = None

    def __enter__(self):
        self._lock = lab_cache.lock(self.cache)
        try:
            self._prepare_share()
            self._start()
            self._wait_until_ready()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_):
        self.stop()

    @property
    def console_log(self):
        return self.directory / "console.log"

    def _prepare_share(self):
        shutil.rmtree(self.directory, ignore_errors=True)
        (self.share / "commands").mkdir(parents=True)
        for path in map(pathlib.Path, self.files):
            copy = shutil.copytree if path.is_dir() else shutil.copy2
            copy(path, self.share / path.name)
        if self.product:
            commands = self.product.put(self.variant, self.share)
            (self.share / "before-init.sh").write_text(
                f"export PATH=/usr/sbin:/usr/bin:/sbin:/bin:/bb\nset -e\n{commands}")

    def _start(self):
        base = self.cache / "base"
        root = (f"file={self.cache / self.variant / 'root.img'},format=raw,if=virtio,"
                "snapshot=on,cache=unsafe")
        command = [
            "qemu-system-x86_64", *(_COUNTED if self.repeatable else _TIMED), "-cpu", _CPU,
            "-smp", "2", "-m", "3072", "-machine", "pc", "-nodefaults", "-no-user-config",
            "-display", "none", "-no-reboot", "-serial", f"file:{self.console_log}",
            "-virtfs", f"local,path={self.share},mount_tag=labshare,security_model=none,"
                       "multidevs=remap",
            # dom0's root, and the same once more for a driver domain.
            "-drive", root, "-drive", root,
            "-kernel", base / "xen", "-append", _XEN,
            "-initrd", f"{base / 'vmlinuz'} {_LINUX},{base / 'dom0.cpio'}",
        ]
        with open(self.directory / "qemu.log", "w") as log:
            self._started = time.monotonic()
            # QEMU inherits the lock: no second lab beside one that was left behind.
            self._qemu = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                pass_fds=[self._lock.fileno()], preexec_fn=_die_with_parent)

    def _wait_until_ready(self):
        self._wait_for(self.share / "ready", _BOOT_SECONDS * (4 if self.repeatable else 1),
                       "the boot")
        self.boot_seconds = time.monotonic() - self._started
        if self.product and (self.share / "before-init.rc").read_text().strip() != "0":
            raise LabError("installing tapring failed:\n"
                           + (self.share / "before-init.log").read_text())

    def _wait_for(self, path, seconds, what, meanwhile=lambda: None):
        deadline = time.monotonic() + seconds
        while not path.exists():
            meanwhile()
            if self._qemu.poll() is not None:
                raise LabError(f"QEMU ended during {what}\n{self.console_tail()}")
            if time.monotonic() > deadline:
                raise LabError(f"no answer within {seconds} s from {what}\n{self.console_tail()}")
            time.sleep(_POLL_SECONDS)

    def console_tail(self, lines=30):
        log = self.console_log
        text = log.read_text(errors="replace") if log.exists() else ""
        qemu = (self.directory / "qemu.log").read_text(errors="replace")
        return "\n".join(qemu.splitlines()[-5:] + text.splitlines()[-lines:])

    def run(self, command, seconds=60, follow=None):
        """Runs a bash command line in dom0; returns its exit code (124 if it took longer than
        `seconds` by dom0's clock) and what it printed, which `follow` gets piece by piece as it
        comes. Raises LabError if dom0 no longer answers."""
        place = self.share / "commands" / str(next(self._numbers))
        output = _GrowingFile(place.with_suffix(".out"), follow)
        script = place.with_suffix(".new")
        script.write_text(
            f"timeout --kill-after={_KILL_SECONDS} {seconds} bash -c {shlex.quote(command)}\n")
        script.rename(place.with_suffix(".sh"))
        limit = seconds + _KILL_SECONDS + _AGENT_SECONDS
        if self.repeatable:
            limit *= _COUNTED_PATIENCE
        try:
            self._wait_for(place.with_suffix(".rc"), limit, f"'{command}'", output.read)
        except LabError as failure:
            raise LabError(f"{output.read()}{failure}") from None
        return int(place.with_suffix(".rc").read_text()), output.read()

    def stop(self):
        """Ends QEMU, and only the one started here; the disk is a snapshot, so nothing is lost."""
        if self._qemu:
            self._qemu.kill()
            self._qemu.wait()
            self._qemu = None
        if self._lock:
            self._lock.close()
            self._lock = None
