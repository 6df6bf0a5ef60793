# SPDX-License-Identifier: MIT
"""Kernel modules: the few the lab needs, with those they depend on."""

import pathlib
import shutil

from .command import run

XEN = ["xen-evtchn", "xen-gntdev", "xen-gntalloc", "xen-privcmd", "xenfs",
       "xen-blkfront", "xen-blkback"]
DISK = ["virtio_pci", "virtio_blk", "ext4", "crc32c_generic", "crc32c-intel"]
SHARE = ["9p", "9pnet_virtio"]


def _name(path):
    return pathlib.Path(path).name.split(".ko")[0].replace("-", "_")


class Modules:
    """The module directory of an unpacked kernel package."""

    def __init__(self, kernel_root):
        [self.directory] = (kernel_root / "lib/modules").iterdir()
        self.version = self.directory.name
        # depmod -b insists on a merged /usr, a kernel package alone does not have one.
        (kernel_root / "usr").mkdir(exist_ok=True)
        if not (kernel_root / "usr/lib").exists():
            (kernel_root / "usr/lib").symlink_to("../lib")
        run("depmod", "-b", kernel_root, self.version)
        lines = (self.directory / "modules.dep").read_text().splitlines()
        self._needs = {path: needs.split() for path, needs in
                       (line.split(":") for line in lines)}
        self._by_name = {_name(path): path for path in self._needs}

    def install(self, root, names):
        """Copies modules into a root and indexes them there."""
        target = root / "usr/lib/modules" / self.version
        for name in names:
            self._copy(self._by_name[_name(name)], target)
        for index in ("modules.order", "modules.builtin", "modules.builtin.modinfo"):
            shutil.copy2(self.directory / index, target / index)
        run("depmod", "-b", root, self.version)

    def _copy(self, path, target):
        if (target / path).exists():
            return
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(self.directory / path, target / path)
        for need in self._needs[path]:
            self._copy(need, target)
