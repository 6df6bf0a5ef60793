# SPDX-License-Identifier: MIT
"""A root directory filled with the host's own files, and whatever libraries they load."""

import os
import pathlib
import re
import shutil
import subprocess

from .command import run

_TOP_LINKS = ("bin", "sbin", "lib", "lib64")
_DIRECTORIES = """usr/bin usr/sbin usr/lib usr/lib64 bb proc sys dev run tmp etc root mnt host
    opt/xen var/lib/xen var/log/xen/console""".split()
_LIBRARY = re.compile(r"(?:=> )?(/\S+) \(0x")


def libraries(program, library_path=None):
    """The files the loader would map for an ELF file, itself excluded."""
    environment = dict(os.environ)
    if library_path:
        environment["LD_LIBRARY_PATH"] = str(library_path)
    listed = subprocess.run(["ldd", program], capture_output=True, text=True, env=environment)
    if " not found" in listed.stdout:
        raise SystemExit(f"{program}: a library is missing:\n{listed.stdout}")
    return [os.path.normpath(path) for path in _LIBRARY.findall(listed.stdout)]


def is_elf(path):
    with open(path, "rb") as file:
        return file.read(4) == b"\x7fELF"


class Tree:
    """A root under construction. Every path given is a path of the host; /bin, /sbin, /lib and
    /lib64 lead into /usr, as on Debian 12."""

    def __init__(self, root):
        self.root = pathlib.Path(root)
        shutil.rmtree(self.root, ignore_errors=True)
        for name in _DIRECTORIES:
            (self.root / name).mkdir(parents=True)
        for name in _TOP_LINKS:
            (self.root / name).symlink_to(f"usr/{name}")
        (self.root / "var/run").symlink_to("../run")
        (self.root / "var/lock").symlink_to("../run/lock")

    def path(self, host_path):
        """Where a path of the host lies in this tree."""
        parts = pathlib.PurePath(host_path).parts[1:]
        if parts and parts[0] in _TOP_LINKS:
            parts = ("usr",) + parts
        return self.root.joinpath(*parts)

    def add(self, host_path):
        """Copies a file with its libraries, a link with its target, or a whole directory."""
        host_path = pathlib.Path(os.path.normpath(host_path))
        target = self.path(host_path)
        if os.path.lexists(target):
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        if host_path.is_symlink():
            target.symlink_to(os.readlink(host_path))
            self.add(host_path.parent / os.readlink(host_path))
        elif host_path.is_dir():
            target.mkdir()
            for entry in host_path.iterdir():
                self.add(entry)
        else:
            shutil.copy2(host_path, target)
            if is_elf(host_path):
                self.add_libraries(host_path)

    def add_libraries(self, program, instead=None):
        """Copies what a program loads; libraries found in `instead` stand in for the host's."""
        for library in libraries(program, instead):
            if instead and library.startswith(f"{instead}/"):
                place = self.path("/usr/lib/x86_64-linux-gnu") / pathlib.Path(library).name
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(library, place)
            else:
                self.add(library)

    def add_program(self, name):
        found = shutil.which(name, path="/usr/bin:/usr/sbin:/bin:/sbin")
        if not found:
            raise SystemExit(f"{name} is missing on this host; see tests/xen/packages")
        self.add(found)

    def add_busybox(self):
        """Busybox fills in last: its applets are links in /bb, the end of the lab's PATH."""
        self.add("/bin/busybox")
        for applet in run("busybox", "--list").split():
            (self.root / "bb" / applet).symlink_to("/bin/busybox")

    def add_text(self, host_path, text):
        target = self.path(host_path)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)

    def add_script(self, source, host_path):
        target = self.path(host_path)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)
        target.chmod(0o755)

    def pack_cpio(self, archive):
        """Writes the tree as an initramfs; uncompressed, since unpacking is slow under TCG."""
        names = run("find", ".", cwd=self.root)
        with open(archive, "wb") as output:
            subprocess.run(["cpio", "--create", "--format=newc", "--quiet", "--owner=0:0"],
                           input=names.encode(), stdout=output, cwd=self.root, check=True)


def pack_ext4(root, image, megabytes):
    """Makes a file system image of a directory. No journal: each boot starts from a snapshot."""
    image.unlink(missing_ok=True)
    with open(image, "wb") as file:
        file.truncate(megabytes << 20)
    run("mke2fs", "-q", "-t", "ext4", "-O", "^has_journal",
        "-E", "lazy_itable_init=1,root_owner=0:0", "-d", root, image)
