# SPDX-License-Identifier: MIT
"""What both variants boot alike: hypervisor, kernel, dom0's initramfs and the guest's."""

import gzip
import lzma
import shutil

from . import debian, fio, modules
from .tree import Tree

_XZ_MAGIC = b"\xfd7zXZ\x00"


def _write_hypervisor(unpacked, target):
    """QEMU's multiboot loader takes Xen's ELF file, not the gzip around it."""
    with gzip.open(unpacked / "boot/xen-4.17-amd64.gz") as packed:
        target.write_bytes(packed.read())


def _write_uncompressed_kernel(vmlinuz, target):
    """libxl would unpack a guest's kernel at every start, 15 s under TCG."""
    image = vmlinuz.read_bytes()
    payload = image[image.index(_XZ_MAGIC):]
    target.write_bytes(lzma.LZMADecompressor().decompress(payload))


def _write_initramfs(base, inside, module_source):
    """dom0's initramfs only finds the root; the rest lies there."""
    tree = Tree(base / "initramfs")
    tree.add_busybox()
    tree.path("/bin/sh").symlink_to("/bin/busybox")
    tree.add_script(inside / "initramfs-init.sh", "/init")
    module_source.install(tree.root, modules.DISK + modules.SHARE)
    tree.pack_cpio(base / "dom0.cpio")


def _write_guest(base, inside, module_source):
    tree = Tree(base / "guest")
    tree.add_busybox()
    tree.path("/bin/sh").symlink_to("/bin/busybox")
    tree.add_script(inside / "guest-init.sh", "/init")
    fio.add_to(tree, base / "stand-ins")
    # fio's threads end through it, by dlopen.
    tree.add("/usr/lib/x86_64-linux-gnu/libgcc_s.so.1")
    module_source.install(tree.root, ["xen-blkfront", "ext4", "crc32c_generic", "crc32c-intel"])
    tree.pack_cpio(base / "guest.cpio")


def build(cache, inside):
    base = cache / "base"
    shutil.rmtree(base, ignore_errors=True)
    base.mkdir(parents=True)
    debian.unpack(debian.HYPERVISOR, cache / "downloads", base / "hypervisor")
    debian.unpack(debian.kernel_package(), cache / "downloads", base / "kernel")
    _write_hypervisor(base / "hypervisor", base / "xen")
    [vmlinuz] = (base / "kernel/boot").glob("vmlinuz-*")
    shutil.copy(vmlinuz, base / "vmlinuz")
    _write_uncompressed_kernel(vmlinuz, base / "vmlinux")
    fio.make_stand_ins(base / "stand-ins")
    module_source = modules.Modules(base / "kernel")
    _write_initramfs(base, inside, module_source)
    _write_guest(base, inside, module_source)
