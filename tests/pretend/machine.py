# SPDX-License-Identifier: MIT
"""A machine with a pretend Xen, for tests and benches: Debian's xenstored, one tapringd as it was
built, and guests. All of it is gone afterwards, whatever happened."""

import contextlib
import json
import os
import pathlib
import queue
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

SOURCE = pathlib.Path(__file__).resolve().parents[2]
BUILD = SOURCE / "build"
# The builds whose tapringd is tested. The first has all else: the pretend Xen, guests, `tapring`.
PRESETS = os.environ.get("TAPRING_PRESETS", "debug tsan").split()
XENSTORED = "/usr/lib/xen-4.17/bin/xenstored"
# Ends with its parent, even if that is killed.
BOUND = ["setpriv", "--pdeathsig", "KILL", "--"]
LIMIT = 60  # seconds that anything may take, unless it says otherwise

# By preset; others need nothing. A report ends up in a file of its own.
ENVIRONMENTS = {
    "debug": {
        "LD_PRELOAD": str(BUILD / "debug/pretend/libpretend_exit.so"),
        "ASAN_OPTIONS": "log_path={log}:verify_asan_link_order=0:quarantine_size_mb=4",
        "UBSAN_OPTIONS": "log_path={log}:print_stacktrace=1",
    },
    "tsan": {"TSAN_OPTIONS": "log_path={log}:second_deadlock_stack=1:suppressions="
                             f"{SOURCE}/tests/pretend/libxenstore.supp"},
    # Counted in the file itself (%c): tapringd ends without the handlers that would write it.
    "coverage": {"LLVM_PROFILE_FILE": str(BUILD / "coverage/profiles/pretend-%p-%m%c.profraw")},
}

# Sanitizers ask the kernel for more than walls around a worker allow: LeakSanitizer looks for leaks
# from a process of its own. The release build has its walls in the lab.
OPTIONS = {"debug": ["--sandbox", "off"], "tsan": ["--sandbox", "off"]}


def for_each_build(case):
    """Makes of a test case one for each tapringd."""
    module = sys.modules[case.__module__]
    for preset in PRESETS:
        name = case.__name__ + preset.capitalize()
        members = {"preset": preset, "__module__": case.__module__, "__qualname__": name}
        setattr(module, name, type(name, (case,), members))


def wait_until(what, condition, limit=LIMIT):
    deadline = time.monotonic() + limit
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {limit} s for {what}")
        time.sleep(0.005)


def thread_names(proc):
    for task in (proc / "task").iterdir():
        try:
            yield (task / "comm").read_text()
        except OSError:
            pass  # it has ended


def descriptors(proc):
    """What they lead to, without the pipes to its children. What is gone meanwhile is left out."""
    def links(process):
        for link in (process / "fd").iterdir():
            with contextlib.suppress(OSError):
                yield os.readlink(link)

    pipes_of_children = set()
    for thread in (proc / "task").iterdir():
        with contextlib.suppress(OSError):
            for child in (thread / "children").read_text().split():
                pipes_of_children.update(link for link in links(pathlib.Path("/proc", child))
                                         if link.startswith("pipe:"))
    return [link for link in links(proc) if link not in pipes_of_children]


class Guest:
    """A pretend_guest that runs on while the test does other things."""

    def __init__(self, process):
        self.process = process
        self.events = queue.Queue()
        self.seen = []
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self.events.put(json.loads(line))
        self.events.put(None)

    def wait_for(self, what, condition):
        """The first event from now on that `condition` holds for."""
        deadline = time.monotonic() + LIMIT
        while True:
            try:
                event = self.events.get(timeout=max(0, deadline - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"waited {LIMIT} s for a guest's {what}") from None
            if event is None:
                raise AssertionError(f"a guest ended before its {what}: {self._errors()}")
            self.seen.append(event)
            if condition(event):
                return event

    def wait_for_event(self, name):
        return self.wait_for(name, lambda event: event["event"] == name)

    def wait_for_answers(self, count):
        """So many more than there were when this was called."""
        before = self.wait_for_event("progress")["answered"]
        self.wait_for("answers", lambda event: event.get("answered", 0) >= before + count)

    def wait_for_stillness(self):
        """No answer between some reports: what is under way stays so."""
        answered = []
        while len(answered) < 4 or len(set(answered[-4:])) > 1:
            answered.append(self.wait_for_event("progress")["answered"])

    def stop(self):
        self.process.send_signal(signal.SIGTERM)

    def end(self):
        """Its last event, when it is done."""
        return self.wait_for_event("end")

    def _errors(self):
        code = self.process.wait(LIMIT)
        return f"exit code {code}: {self.process.stderr.read()}"


class Daemon:
    """tapringd, which may be stopped, killed and started again."""

    def __init__(self, machine, preset, options=("--workers", "2", "--max-queues", "4")):
        self.machine = machine
        self.preset = preset
        self.options = options
        self.log = machine.scratch / "tapringd.log"
        self.environment = {}
        self.process = None
        machine.callback(self.kill_workers)

    def start(self):
        before = self.text().count("serving\n")
        with self.log.open("a", encoding="utf-8") as log:
            self.process = self.machine.start(
                [BUILD / self.preset / "bin/tapringd", "--config", "/dev/null",
                 "--run-dir", self.machine.scratch / "run", *OPTIONS.get(self.preset, []),
                 *self.options],
                environment={"LD_LIBRARY_PATH": str(self.machine.libraries),
                             **self._environment(self.preset), **self.environment},
                stdout=log, stderr=subprocess.STDOUT)
        wait_until("tapringd to serve", lambda: self._serves(before))

    def ask(self, *command):
        """What `tapring` prints."""
        tools = self.machine.tools
        done = subprocess.run([tools / "bin/tapring", "--run-dir", self.machine.scratch / "run",
                               *command], timeout=LIMIT, text=True, capture_output=True,
                              env={**os.environ, **self._environment(tools.name)}, check=False)
        if done.returncode != 0:
            raise AssertionError(f"tapring {command}: {done.stdout}{done.stderr}")
        return done.stdout

    def ask_json(self, *command):
        return json.loads(self.ask(*command, "--json"))

    def _environment(self, preset):
        return {name: value.format(log=self.machine.scratch / "report")
                for name, value in ENVIRONMENTS.get(preset, {}).items()}

    def _serves(self, before):
        if self.process.poll() is not None:
            raise AssertionError(f"tapringd ended with {self.process.returncode}:\n{self.text()}"
                                 + "".join(self.reports()))
        return self.text().count("serving\n") > before

    @property
    def workers(self):
        """The number of each worker process, by its name. They outlive a killed tapringd."""
        found = {}
        for lock in sorted((self.machine.scratch / "run/workers").glob("*.lock")):
            pid = int(lock.read_text() or 0)
            if pid and pathlib.Path("/proc", str(pid), "exe").exists():
                found[lock.stem] = pid
        return found

    def kill_workers(self):
        for pid in self.workers.values():
            os.kill(pid, signal.SIGKILL)

    def stop(self):
        """As systemd does; nothing may have leaked then."""
        self.process.terminate()
        code = self.process.wait(LIMIT)
        if code != 0:
            raise AssertionError(f"tapringd ended with {code}:\n{self.text()}"
                                 + "".join(self.reports()))

    def kill(self):
        self.process.kill()
        self.process.wait(LIMIT)

    def text(self):
        return self.log.read_text(encoding="utf-8") if self.log.exists() else ""

    def reports(self):
        """What the sanitizers found."""
        return [path.read_text(errors="replace")
                for path in self.machine.scratch.glob("report.*")]

    def holdings(self):
        """What grows if something is not given back, and its memory in KiB. Of what is mapped,
        what others see too: guests' pages, io_uring's rings, journals. A sanitizer maps memory
        and, to name what it found and leaves out, programs as it likes, or runs one, to which it
        has pipes. The kernel's own threads for io_uring are not in it."""
        proc = pathlib.Path("/proc", str(self.process.pid))
        status = dict(line.split(":", 1) for line in (proc / "status").read_text().splitlines())
        xen = self.machine.status()
        counts = {"descriptors": len(descriptors(proc)),
                  "shared mappings": sum(
                      line.split()[1].endswith("s")
                      for line in (proc / "maps").read_text().splitlines()),
                  "threads": sum(not name.startswith("iou-") for name in thread_names(proc)),
                  "granted pages": xen["mapped"], "event channels": xen["ports"]}
        return counts, int(status["VmRSS"].split()[0])

    def holdings_when_quiet(self):
        """When they have been the same for a while: the threads that close images end a moment
        after the images are closed."""
        found = [self.holdings()]
        while [counts for counts, _ in found[-4:]].count(found[-1][0]) < 4:
            time.sleep(0.1)
            found.append(self.holdings())
        return found[-1]


class Machine(contextlib.ExitStack):
    """Domain 0 with xenstored, by the tools of a build. Nothing of it is left when its context is
    left."""

    def __init__(self, preset):
        super().__init__()
        self.tools = BUILD / preset
        self.libraries = self.tools / "pretend"

    def __enter__(self):
        super().__enter__()
        with contextlib.ExitStack() as failed:
            failed.push(self)
            self._start_all()
            failed.pop_all()
        return self

    def _start_all(self):
        self.directory = self._make_directory("/dev/shm")
        self.remove_lock_of(self.directory)
        self.scratch = self._make_directory(None)
        self.environment = {**os.environ, "TAPRING_PRETEND_MACHINE": str(self.directory),
                            "XENSTORED_RUNDIR": str(self.directory),
                            "XENSTORED_PATH": str(self.directory / "socket")}
        self.images = 0
        self.guest("create")
        self.start_xenstored()

    def remove_lock_of(self, directory):
        """At the end: what tapringd leaves of a xenstored whose socket is in `directory`."""
        place = directory.stat()
        lock = pathlib.Path(f"/run/tapring/xenstore-{place.st_dev}-{place.st_ino}.lock")
        self.callback(lock.unlink, missing_ok=True)

    def start_xenstored(self):
        """With nothing in it but what domain 0 begins with."""
        self.xenstored = self.start(
            [XENSTORED, "--no-fork", "--internal-db=on"],
            {"LD_LIBRARY_PATH": str(self.libraries),
             "LD_PRELOAD": str(self.libraries / "libpretend_xenstored.so")})
        wait_until("xenstored", self._xenstored_answers)
        self.guest("start")

    def _xenstored_answers(self):
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(str(self.directory / "socket")) == 0

    def _make_directory(self, place):
        return pathlib.Path(self.enter_context(
            tempfile.TemporaryDirectory(prefix="tapring-pretend-", dir=place)))

    def start(self, command, environment=None, **streams):
        process = subprocess.Popen([*BOUND, *command], stdin=subprocess.DEVNULL,
                                   env={**self.environment, **(environment or {})}, **streams)
        self.callback(self._end, process)
        return process

    @staticmethod
    def _end(process):
        process.kill()
        process.wait()
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()

    def command(self, name, **options):
        """A list gives its option several values, a truth value says whether it is there."""
        arguments = [self.tools / "bin/pretend_guest", name]
        for option, value in options.items():
            if value is False:
                continue
            values = value if isinstance(value, list) else [] if value is True else [value]
            arguments += ["--" + option.replace("_", "-"), *map(str, values)]
        return arguments

    def guest(self, name, limit=LIMIT, **options):
        """Runs a command of pretend_guest to its end. Its last event, if it has any."""
        done = subprocess.run([*BOUND, *self.command(name, **options)], timeout=limit, text=True,
                              capture_output=True, env=self.environment, check=False)
        if done.returncode != 0:
            raise AssertionError(f"pretend_guest {name} {options}: {done.stdout}{done.stderr}")
        lines = done.stdout.splitlines()
        return json.loads(lines[-1]) if lines else None

    def start_guest(self, name, **options):
        return Guest(self.start(self.command(name, **options), stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True))

    def status(self):
        return self.guest("status")

    def make_image(self, mebibytes=16):
        self.images += 1
        path = self.scratch / f"disk-{self.images}.img"
        with path.open("wb") as image:
            image.truncate(mebibytes << 20)
        return path


class PretendTest(unittest.TestCase):
    """A machine with a guest, domain 1, and a tapringd that must end without a report."""

    preset = None

    def setUp(self):
        self.machine = self.enterContext(Machine(PRESETS[0]))
        self.machine.guest("create-domain", domain=1)
        self.daemon = Daemon(self.machine, self.preset)
        self.prepare()
        self.addCleanup(self._show_log)
        self.daemon.start()

    def prepare(self):
        """What is to be done before the first tapringd begins."""

    def _show_log(self):
        """pytest prints it only of a test that failed."""
        print(f"the log of tapringd:\n{self.daemon.text()}", file=sys.stderr)

    def tearDown(self):
        if self.daemon.process.poll() is None:
            self.daemon.stop()
        self.assertEqual(self.daemon.reports(), [])

    def attach(self, image, domain=1, device=51712, **options):
        """Over the script of ours, as libxl does it."""
        self.machine.guest("attach", domain=domain, device=device, params=image,
                           script="/etc/xen/scripts/block-tapring", **options)

    def detach(self, domain=1, device=51712):
        self.machine.guest("detach", domain=domain, device=device)

    def assert_good(self, end):
        """A guest's last event tells of a disk without a fault."""
        faults = {key: end[key] for key in ("failed", "mismatches", "violations")}
        self.assertEqual(faults, {"failed": 0, "mismatches": [], "violations": []})
