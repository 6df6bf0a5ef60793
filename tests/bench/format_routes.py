# SPDX-License-Identifier: MIT
"""Who serves an image: our data path, or qemu-nbd."""

import format_images
from format_points import OUR_RAW, OURS, QEMUS, QEMUS_RAW
from program import Program

MOST_OF_A_CONNECTION = 16  # requests at a time that qemu-nbd takes of one


class FormatRoute(Program):
    def __init__(self, name, program, image_format):
        super().__init__(name, f"build/release/bin/{program}", program)
        self.format = image_format

    def measure(self, point, directory, seconds):
        if point.image != "fresh":
            kind = point.image if self.format == "qcow2" else "raw"
            return self._figures(point, format_images.path_of(directory, kind), seconds)
        with format_images.fresh_image(directory, seconds) as path:
            found = self._figures(point, path, seconds)
            return {**found, "clusters": format_images.allocated_clusters(path)}

    def _figures(self, point, path, seconds):
        options = [*point.options(), *self.options(point), "--format", self.format, "--image", path]
        return self.figures(options, seconds)

    def options(self, _point):
        return []


class QemuRoute(FormatRoute):
    def __init__(self, name, image_format):
        super().__init__(name, "bench_nbd", image_format)
        self.aio = None  # to be set before it measures

    def options(self, point):
        connections = -(-point.depth // MOST_OF_A_CONNECTION)
        return ["--aio", self.aio, "--connections", str(connections)]


ROUTES = [FormatRoute(OURS, "bench_data_path", "qcow2"),
          FormatRoute(OUR_RAW, "bench_data_path", "aio"),
          QemuRoute(QEMUS, "qcow2"), QemuRoute(QEMUS_RAW, "raw")]
