# SPDX-License-Identifier: MIT
"""tapringd as it is released, on a machine with a pretend Xen, and a guest that measures it."""

import contextlib
import os
import pathlib
import sys
import time

import images

SOURCE = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(SOURCE / "tests/pretend"))
import machine  # noqa: E402 pylint: disable=wrong-import-position

PRESET = "release"
DOMAIN = 1
PATIENCE = 120  # seconds for all that is not measured


def why_not():
    """What is to be done before anything here runs; None if nothing."""
    tools = machine.BUILD / PRESET
    needed = [tools / "bin/tapringd", tools / "bin/pretend_guest",
              tools / "pretend/libpretend_xenstored.so", pathlib.Path(machine.XENSTORED)]
    missing = [str(path) for path in needed if not path.exists()]
    if not missing:
        return None
    return (f"missing: {', '.join(missing)}: tests/setup build && cmake --preset release && "
            "cmake --build --preset release --target pretend")


def make_images(directory, count, mebibytes):
    """Paths of files of that size, made where they are missing."""
    return [make_image(directory, f"bench-{number}.img", mebibytes) for number in range(count)]


def make_image(directory, name, mebibytes):
    path = pathlib.Path(directory).resolve() / name
    if not path.exists() or path.stat().st_size != mebibytes << 20:
        images.fill(path, mebibytes)
    return path


@contextlib.contextmanager
def serving(queues=1, options=()):
    """A tapringd that serves, with the settings of a new installation but `options`, on a machine
    with a guest. By default a disk may have as many rings as there are processors."""
    with machine.Machine(PRESET) as xen:
        xen.guest("create-domain", domain=DOMAIN)
        daemon = machine.Daemon(xen, PRESET,
                                ["--max-queues", str(max(queues, os.cpu_count())), *options])
        daemon.start()
        yield daemon


def bench_options(daemon, point, paths):
    """As `pretend_guest bench` takes them."""
    return {"domain": DOMAIN, "backend_process": daemon.process.pid, "operation": point.operation,
            "access": point.access, "block_bytes": point.block_bytes, "depth": point.depth,
            "queues": point.queues, "seconds": point.seconds,
            "polls": point.polls,
            "params": [f"{point.format}:{path}" for path in paths]}


def cpu_seconds(pid):
    """Of all threads of a process, to the nanosecond: its clock, by the number that
    clock_getcpuclockid(3) gives."""
    return time.clock_gettime(~pid << 3 | 2)


def holdings(pid):
    """What a process has at this moment. The pages of a guest are not its own on Xen."""
    proc = pathlib.Path("/proc", str(pid))
    status = dict(line.split(":", 1) for line in (proc / "status").read_text().splitlines())
    return {"memory_kib": sum(int(status[name].split()[0]) for name in ("RssAnon", "RssFile")),
            "descriptors": len(list((proc / "fd").iterdir())),
            "threads": int(status["Threads"])}


def figures_of(end, block_bytes):
    """The figures of a point, of what the guest said at its end."""
    if end["failed"] > 0:
        raise AssertionError(f"{end['failed']} requests failed")
    rate = end["requests"] / end["seconds"]
    calls = end["system_calls_per_request"]
    return {
        "requests_per_second": rate,
        "mebibytes_per_second": rate * block_bytes / (1 << 20),
        "latency_us": end["latency_us"],
        "cpu_us_per_request": end["backend_cpu_seconds"] * 1e6 / end["requests"],
        # What is a system call on Xen, but none here, is one.
        "system_calls_per_request":
            None if calls is None else calls + end["free_calls_per_request"],
        "memory_kib": end["backend_resident_kib"],
    }
