# SPDX-License-Identifier: MIT
"""What figures depend on besides the program."""

import datetime
import os
import pathlib
import platform
import re
import shlex
import subprocess

SOURCE = pathlib.Path(__file__).resolve().parents[2]


def output_of(*command):
    """Or None, if there is no such command or it fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def first_line(text):
    return text.splitlines()[0] if text else None


def first_in(path, pattern):
    match = re.search(pattern, pathlib.Path(path).read_text(encoding="utf-8"), re.MULTILINE)
    return match.group(1) if match else None


def machine(command_line):
    """Without the machine's name, which is nobody's business."""
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "command": shlex.join(command_line),
        "commit": output_of("git", "-C", str(SOURCE), "describe", "--always", "--dirty"),
        "kernel": platform.release(),
        "processor": first_in("/proc/cpuinfo", r"^model name\s*: (.*)$") or platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_mebibytes": int(first_in("/proc/meminfo", r"^MemTotal:\s*(\d+)")) >> 10,
        "system": first_in("/etc/os-release", r'^PRETTY_NAME="(.*)"$'),
        "virtual": output_of("systemd-detect-virt", "--vm"),
        "fio": output_of("fio", "--version"),
        "qemu": first_line(output_of("qemu-nbd", "--version")),
    }
