# SPDX-License-Identifier: MIT
"""One run of the benchmarks: all points at all places, and the report of them."""

import dataclasses
import json
import sys

import facts
import report
import rounds
from images import Images
from program import MeasurementError
from progress import Progress

INTERRUPTED = 130  # the exit code that a shell gives to what SIGINT ended


class Session:
    header = report.HEADER
    images = Images

    def __init__(self, routes, round_count, seconds, file=None):
        self.routes = routes
        self.round_count = round_count
        self.seconds = seconds
        self.file = file
        self.found = {"machine": facts.machine(sys.argv), "rounds": round_count,
                      "seconds": seconds, "complete": False, "points": []}
        self.failures = 0

    def run(self, places):
        """The exit code. What was found before an interruption is kept."""
        self.progress = Progress(self.round_count * sum(
            len(self.routes_of(point)) for place in places for point in place.points))
        self._write()  # if that cannot be, now rather than later
        print(self.header, flush=True)
        try:
            for place in places:
                self._measure_place(place)
        except KeyboardInterrupt:
            self.progress.clear()
            print("interrupted", file=sys.stderr)
            return INTERRUPTED
        self.found["complete"] = True
        self._write()
        self.progress.clear()
        return 1 if self.failures else 0

    def routes_of(self, _point):
        """Those that a point is measured by."""
        return self.routes

    def summary(self, _point, measured):
        """What an entry says of its rounds."""
        return {"routes": rounds.summary(measured)}

    def rows(self, entry):
        """The lines of one point."""
        return report.rows(entry)

    def _measure_place(self, place):
        for point in place.left_out:
            print(f"{place.name}: not {point.work()}, for which its blocks are too large",
                  file=sys.stderr)
        with self.images(place.directory) as files:
            for point, names in place.points.items():
                self.progress.show(f"{place.name} {point.format}, {point.work()}: images")
                files.provide(point)
                self._measure_point(place, files, point, names)

    def _measure_point(self, place, files, point, names):
        measured = [self._measure_round(place, files, point, number)
                    for number in range(self.round_count)]
        entry = {"place": place.name, "sweeps": names, **dataclasses.asdict(point),
                 **self.summary(point, measured), "rounds": measured}
        self.found["points"].append(entry)
        self.progress.clear()
        print(self.rows(entry), flush=True)
        self._write()

    def _measure_round(self, place, files, point, number):
        """Figures by route, without those that failed."""
        figures = {}
        routes = self.routes_of(point)
        for route in rounds.order(routes, number):
            self.progress.show(f"{place.name} {point.format}, {point.work()}: round {number + 1}"
                               f" of {self.round_count}, {route.name}")
            try:
                figures[route.name] = route.measure(point, files.directory, self.seconds)
            except MeasurementError as error:
                self.failures += 1
                self.progress.clear()
                print(f"{route.name}, {point}: {error}", file=sys.stderr)
            if point.operation != "read":
                files.settle()
            self.progress.step()
        # In one order, whoever was first.
        return {route.name: figures[route.name] for route in routes if route.name in figures}

    def _write(self):
        """All that was found so far or, if something goes wrong, what was there before."""
        if self.file is None:
            return
        text = json.dumps(rounded(self.found), indent=1) + "\n"
        new = self.file.with_name(self.file.name + ".new")
        try:
            new.write_text(text, encoding="utf-8")
            new.replace(self.file)
        finally:
            new.unlink(missing_ok=True)


def rounded(value):
    """Numbers as exact as they are worth."""
    if isinstance(value, dict):
        return {name: rounded(part) for name, part in value.items()}
    if isinstance(value, list):
        return [rounded(part) for part in value]
    return round(value, 4) if isinstance(value, float) else value
