# SPDX-License-Identifier: MIT
"""The small dom0: the host's own Xen tools and their libraries, a shell script as init."""

import shutil

from . import fio, modules
from .tree import Tree, pack_ext4

_PROGRAMS = """awk basename bash blkid blockdev cat chattr chmod choom chown cmp comm cp cut date dd
    dirname dmesg dmsetup e2fsck env flock fsck.ext4 grep head insmod jq kmod ldd ln logger losetup
    ls lsblk lsmod mkdir mkfifo mkfs.ext4 mknod modprobe mount mv prlimit qemu-img readlink
    realpath resize2fs rm rmmod sed setpriv setsid sh sha256sum sleep sort stat strace stty sync
    tail timeout touch tr truncate umount uname wc xenstore xenstore-exists xenstore-list
    xenstore-ls xenstore-read xenstore-rm xenstore-watch xenstore-write xl""".split()
_FILES = ["/usr/lib/xen-4.17", "/usr/lib/xen-common", "/etc/xen",
          # The stock QEMU for qdisk; it wants a keymap even with -vnc none.
          "/usr/libexec/xen-qemu-system-i386", "/usr/share/qemu/keymaps",
          "/usr/lib/x86_64-linux-gnu/libgcc_s.so.1",
          "/etc/nsswitch.conf", "/etc/mke2fs.conf", "/etc/ld.so.conf", "/etc/ld.so.conf.d"]


def build(cache, inside):
    base, variant = cache / "base", cache / "small"
    tree = Tree(variant / "root")
    tree.add_busybox()
    for program in _PROGRAMS:
        tree.add_program(program)
    for path in _FILES:
        tree.add(path)
    fio.add_to(tree, base / "stand-ins")
    tree.add_text("/etc/passwd", "root:x:0:0:root:/root:/bin/bash\n")
    tree.add_text("/etc/group", "root:x:0:\n")
    tree.add_script(inside / "dom0-init.sh", "/init")
    tree.add_script(inside / "agent.sh", "/usr/local/sbin/lab-agent")
    tree.add_script(inside / "driver-domain-init.sh", "/usr/local/sbin/driver-domain-init")
    shutil.copy(base / "vmlinux", tree.path("/opt/xen/vmlinux"))
    shutil.copy(base / "guest.cpio", tree.path("/opt/xen/guest.cpio"))
    modules.Modules(base / "kernel").install(
        tree.root, modules.XEN + modules.DISK + modules.SHARE + ["loop", "dm-mod"])
    pack_ext4(tree.root, variant / "root.img", megabytes=3072)
    shutil.rmtree(tree.root)
