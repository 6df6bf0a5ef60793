# SPDX-License-Identifier: MIT
"""Who may include whom: rules of tests/tidy.py."""

import pathlib
import re

from tidy_tree import Finding

MAY_INCLUDE = {
    "ring": {"ring"},
    "formats": {"formats", "ring"},
    "daemon": {"daemon", "formats", "ring"},
    "tests": {"daemon", "formats", "ring", "tests"},
}
# The wings of daemon/, each with those below it that it may include. The processes stand above all:
# files of daemon/ itself.
WINGS = {
    "host": set(),
    "xenstore": {"host"},
    "datapath": {"host"},
    "config": {"datapath", "host"},
    "vbd": {"config", "datapath", "xenstore", "host"},
    "control": {"vbd", "config", "datapath", "xenstore", "host"},
    "cli": {"control", "vbd", "config", "datapath", "host"},
}
PROCESSES = {"main", "disk_service", "worker_main"}
# The rooms of formats/, each with those that it may include besides itself; the files of formats/
# that are in no room may include all, and all but the bytes may include them.
ROOMS = {
    "formats/qcow2/bytes": set(),
    "formats/clusters": {"formats/qcow2/bytes"},
    "formats/qcow2/offline": {"formats/clusters", "formats/qcow2/bytes"},
    "formats/qcow2": {"formats/qcow2/offline", "formats/clusters", "formats/qcow2/bytes"},
    "formats/qcow": {"formats/qcow2/offline", "formats/clusters", "formats/qcow2/bytes"},
}
OF_BYTES = "formats/qcow2/bytes"
BYTES_MAY_INCLUDE = re.compile(
    r"<[a-z_]+>|\"(formats/(qcow2/bytes/.*|extent\.h|printable\.h)|ring/sizes\.h)\"")
# The layers of ring/, the lowest first, each with its files.
RING_LAYERS = {
    "base": "error executor frame_pool poll_window shared_memory sizes task unique_fd",
    "loop": "loop memory_registry offload waiting",
    "memory": "arena buffers growing_arena scratch_pages",
    "file": "aligned_file direct_io file file_lock lock_holders open_file queue_limit",
    "uring": "registered_memory uring uring_file uring_loop uring_transfers",
    "xen": "event_channel grant_batch grants persistent_grants xen_event_channel xen_grants",
    "blkif": "back_ring blkif journal journaled_ring request",
}


def include_direction(tree):
    for path in tree.of_kind("cc"):
        allowed = MAY_INCLUDE.get(path.split("/")[0], set())
        for number, line in tree.lines(path):
            match = re.match(r'\s*#\s*include\s+"([^"]+)"', line)
            if match and match.group(1).split("/")[0] not in allowed:
                yield Finding(path, number, f'may include only {", ".join(sorted(allowed))}, '
                              f"not {match.group(1)}")


def wings(tree):
    for path in tree.of_kind("cc"):
        folder, _, name = path.removeprefix("daemon/").partition("/")
        if not path.startswith("daemon/") or folder.split(".")[0] in PROCESSES:
            continue
        if folder not in WINGS or not name:
            yield Finding(path, 1, f"is in no wing of daemon/: {', '.join(WINGS)}")
            continue
        for number, line in tree.lines(path):
            match = re.match(r'#include "daemon/([^"/]+)', line)
            if match and match.group(1) not in WINGS[folder] | {folder}:
                yield Finding(path, number, f"daemon/{folder} may not include "
                              f"daemon/{match.group(1)}")


def rooms(tree):
    """Those of formats/, and that no two of its files have one name."""
    seen = {}
    for path in tree.of_kind("cc"):
        if not path.startswith("formats/"):
            continue
        folder, _, name = path.rpartition("/")
        if seen.setdefault(name, path) != path:
            yield Finding(path, 1, f"has the name of {seen[name]}")
        if folder == "formats":
            continue
        if folder not in ROOMS:
            yield Finding(path, 1, f"is in no room of formats/: {', '.join(ROOMS)}")
            continue
        for number, line in tree.lines(path):
            match = re.match(r'#include (["<].*)', line)
            if match and not may_include(folder, match.group(1)):
                yield Finding(path, number, f"{folder} may not include {match.group(1)}")


def may_include(room, header):
    if room == OF_BYTES:
        return BYTES_MAY_INCLUDE.fullmatch(header)
    of = header.strip('"').rpartition("/")[0]
    return not of.startswith("formats/") or of in ROOMS[room] | {room}


def ring_layers(tree):
    """A file of ring/ includes only files of its own layer and of those below."""
    level = {name: number for number, names in enumerate(RING_LAYERS.values())
             for name in names.split()}
    for path in tree.of_kind("cc"):
        if not path.startswith("ring/"):
            continue
        own = level.get(pathlib.PurePosixPath(path).stem)
        if own is None:
            yield Finding(path, 1, f"is in no layer of ring/: {', '.join(RING_LAYERS)}")
            continue
        for number, line in tree.lines(path):
            match = re.match(r'#include "ring/(\w+)\.h"', line)
            if match and level.get(match.group(1), own) > own:
                yield Finding(path, number, f"the layer {list(RING_LAYERS)[own]} may not include "
                              f"ring/{match.group(1)}.h, which is above it")
