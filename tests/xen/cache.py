# SPDX-License-Identifier: MIT
"""Where the lab is kept, and the lock that allows one user of it at a time."""

import fcntl
import os
import pathlib


def directory():
    """The lab's cache directory; everything in it can be made again by tests/xen/build."""
    named = os.environ.get("TAPRING_LAB")
    if named:
        return pathlib.Path(named).absolute()
    caches = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    return pathlib.Path(caches) / "tapring" / "xen"


def lock(cache):
    """Waits until nobody else builds or runs this lab. The lock ends with the returned file
    and with every process that inherited it, so a QEMU left behind still holds it."""
    cache.mkdir(parents=True, exist_ok=True)
    held = open(cache / "lock", "w")
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print(f"waiting for another user of {cache}", flush=True)
        fcntl.flock(held, fcntl.LOCK_EX)
    return held
