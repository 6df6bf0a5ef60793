# SPDX-License-Identifier: MIT
"""What is going on and how long the rest will take: a line that changes on a terminal, and now
and then a line elsewhere."""

import shutil
import sys
import time

CLEAR = "\r\x1b[K"
SECONDS_BETWEEN_LINES = 30  # where stderr is no terminal


class Progress:
    def __init__(self, total, stream=None, clock=time.monotonic):
        self.total = total
        self.done = 0
        self.stream = stream or sys.stderr
        self.clock = clock
        self.began = self.shown = clock()

    def show(self, what):
        now = self.clock()
        line = f"{self._left(now)}; {what}"
        if self.stream.isatty():
            columns = shutil.get_terminal_size().columns
            self.stream.write(CLEAR + line[:columns - 1])
        elif now - self.shown >= SECONDS_BETWEEN_LINES:
            self.shown = now
            self.stream.write(line + "\n")
        self.stream.flush()

    def step(self):
        self.done += 1

    def _left(self, now):
        """The time by what the measurements so far took."""
        text = f"{self.done}/{self.total}"
        if self.done == 0:
            return text
        return f"{text}, {duration((now - self.began) / self.done * (self.total - self.done))} left"

    def clear(self):
        """Before something else is written to the terminal."""
        if self.stream.isatty():
            self.stream.write(CLEAR)
            self.stream.flush()


def duration(seconds):
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
