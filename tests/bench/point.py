# SPDX-License-Identifier: MIT
"""One workload: what every program that measures is told."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Point:
    operation: str = "read"  # read, write, or mixed: half and half
    access: str = "random"  # or sequential
    block_bytes: int = 4096
    depth: int = 32  # requests in flight in each queue
    queues: int = 1  # of each disk
    disks: int = 1
    format: str = "aio"  # past the page cache, or raw: through it
    mebibytes: int = 512  # of each image

    def options(self):
        """As the programs of this directory take them."""
        return [word for name, value in dataclasses.asdict(self).items()
                for word in (f"--{name.replace('_', '-')}", str(value))]

    def work(self):
        """What a reader of a table wants to know; what is usual is left out."""
        parts = [f"{size_name(self.block_bytes)} {self.access} {self.operation}",
                 f"depth {self.depth}"]
        if self.queues > 1:
            parts.append(f"{self.queues} queues")
        if self.disks > 1:
            parts.append(f"{self.disks} disks")
        return ", ".join(parts)


def of_json(entry):
    """The point of an entry of a report, which has more in it."""
    return Point(**{field.name: entry[field.name] for field in dataclasses.fields(Point)})


def size_name(size_bytes):
    if size_bytes % (1 << 20) == 0:
        return f"{size_bytes >> 20}M"
    if size_bytes % 1024 == 0:
        return f"{size_bytes >> 10}k"
    return str(size_bytes)
