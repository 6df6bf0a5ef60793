# SPDX-License-Identifier: MIT
"""fio without the libraries of engines the lab never uses.

Debian's fio links Ceph, Gluster, RDMA and persistent memory: 60 MB that every start of fio would
load under emulation. Empty stand-ins with the same symbols satisfy the loader; a call into one
of them would trap."""

import collections
import pathlib
import re
import shutil

from .command import run

PROGRAM = pathlib.Path("/usr/bin/fio")
_UNUSED = re.compile(r"lib(gfapi|nbd|ibverbs|rdmacm|rados|rbd|pmemblk|pmem)\.so\.")


def _symbols(path, wanted):
    """Pairs of name and version of the dynamic symbols whose nm type is in `wanted`."""
    for line in run("nm", "--dynamic", "--with-symbol-versions", path).splitlines():
        kind, symbol = line.split()[-2:]
        if kind in wanted:
            name, _, version = symbol.replace("@@", "@").partition("@")
            yield name, version


def _write_stand_in(soname, symbols, directory):
    versions = collections.defaultdict(list)
    for name, version in symbols:
        versions[version].append(name)
    source = directory / f"{soname}.c"
    source.write_text("".join(f"void {name}(void) {{ __builtin_trap(); }}\n"
                              for name, _ in symbols))
    script = directory / f"{soname}.map"
    script.write_text("".join(f"{version} {{ global: {'; '.join(names)}; }};\n"
                              for version, names in versions.items() if version))
    linked = [f"-Wl,--version-script={script}"] if script.stat().st_size else []
    run("gcc", "-w", "-fno-builtin", "-shared", "-fPIC", "-nostdlib", f"-Wl,-soname,{soname}",
        *linked, source, "-o", directory / soname)


def make_stand_ins(directory):
    """Fills a directory with the stand-ins."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    needed = set(_symbols(PROGRAM, "U"))
    loaded = re.findall(r"(\S+) => (/\S+)", run("ldd", PROGRAM))
    for soname, library in loaded:
        if _UNUSED.match(soname):
            offered = set(_symbols(library, "TWiBDRV"))
            _write_stand_in(soname, sorted(needed & offered), directory)


def add_to(tree, stand_ins):
    target = tree.path(PROGRAM)
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(PROGRAM, target)
    tree.add_libraries(PROGRAM, instead=stand_ins)
