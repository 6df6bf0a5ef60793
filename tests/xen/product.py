# SPDX-License-Identifier: MIT
"""What is under test, as put into dom0 at boot: nothing of it is part of the cached images."""

import pathlib
import re
import shutil
import subprocess
import tempfile

from image.tree import libraries

_PROGRAMS = ("tapringd", "tapring")
_OTHER_VERSION = "999.0"

_INSTALL_FILES = """\
# Into a running root's place before its init starts. The image's own libraries win: they are the
# same files, from the same host.
cp -n /host/tapring/lib/* /usr/lib/x86_64-linux-gnu/
cp /host/tapring/bin/* /usr/bin/
cp /host/tapring/block-tapring /etc/xen/scripts/
"""

_INSTALL_PACKAGE = """\
dpkg --install /host/tapring/*.deb
"""


class Product:
    """tapring as built in `build`, with what belongs to it in the source tree."""

    def __init__(self, source, build, other_package=None):
        self.source = pathlib.Path(source)
        self.build = pathlib.Path(build)
        self.other_package = other_package

    def missing(self):
        wanted = [self.build / "bin" / name for name in _PROGRAMS]
        wanted.append(self.source / "systemd/block-tapring")
        return [path for path in wanted if not path.exists()]

    def package(self):
        """The newest .deb of the build, or None if there is none since tapringd was linked."""
        def made(path):
            return path.stat().st_mtime
        newest = max(self.build.glob("*.deb"), key=made, default=None)
        return newest if newest and made(newest) >= made(self.build / "bin/tapringd") else None

    def _put_files(self, target):
        for name in ("bin", "lib"):
            (target / name).mkdir()
        for name in _PROGRAMS:
            program = self.build / "bin" / name
            shutil.copy2(program, target / "bin" / name)
            for library in libraries(program):
                shutil.copy2(library, target / "lib")
        shutil.copy2(self.source / "systemd/block-tapring", target)
        (target / "block-tapring").chmod(0o755)

    def _put_other_package(self, target):
        """What a service is upgraded to: the other build, or the same one as another version."""
        if self.other_package:
            shutil.copy2(self.other_package, target)
            return
        with tempfile.TemporaryDirectory() as tree:
            subprocess.run(["dpkg-deb", "--raw-extract", self.package(), tree], check=True)
            control = pathlib.Path(tree, "DEBIAN/control")
            control.write_text(re.sub(r"^Version: .*", f"Version: {_OTHER_VERSION}",
                                      control.read_text(), flags=re.MULTILINE))
            subprocess.run(["dpkg-deb", "--build", "-Znone", tree, target / "other.deb"],
                           check=True, stdout=subprocess.DEVNULL)

    def put(self, variant, share):
        """Fills the share and returns the commands that install it before dom0's init."""
        target = share / "tapring"
        target.mkdir()
        if variant == "systemd":
            shutil.copy2(self.package(), target)
            (share / "other").mkdir()
            self._put_other_package(share / "other")
            return _INSTALL_PACKAGE
        self._put_files(target)
        return _INSTALL_FILES
