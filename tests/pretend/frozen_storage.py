# SPDX-License-Identifier: MIT
"""A file system on a loop device that can be made to hang."""

import contextlib
import subprocess


class FrozenStorage(contextlib.ExitStack):
    """Mounted below `scratch` for as long as its context lasts."""

    def __init__(self, scratch):
        super().__init__()
        self.mounted = scratch / "mounted"
        self.storage = scratch / "storage"

    def __enter__(self):
        super().__enter__()
        self.mounted.mkdir()
        with self.storage.open("wb") as file:
            file.truncate(300 << 20)
        subprocess.run(["/usr/sbin/mkfs.xfs", "-q", self.storage], check=True)
        subprocess.run(["mount", "-o", "loop", self.storage, self.mounted], check=True)
        self.callback(subprocess.run, ["umount", "--lazy", self.mounted], check=True)
        return self

    def make_image(self, name, mebibytes=64):
        image = self.mounted / name
        with image.open("wb") as file:
            file.truncate(mebibytes << 20)
        return image

    @contextlib.contextmanager
    def frozen(self):
        """Writes to it wait until the context is left."""
        subprocess.run(["/usr/sbin/fsfreeze", "--freeze", self.mounted], check=True)
        try:
            yield
        finally:
            subprocess.run(["/usr/sbin/fsfreeze", "--unfreeze", self.mounted], check=True)
