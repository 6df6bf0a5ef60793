# SPDX-License-Identifier: MIT
"""One run of the benchmarks of image formats."""

import dataclasses

import format_report
import rounds
from format_images import FormatImages
from format_points import pairs_of
from session import Session


class FormatSession(Session):
    header = format_report.HEADER
    images = FormatImages

    def __init__(self, routes, round_count, seconds, file=None):
        super().__init__(routes, round_count, seconds, file)
        self.found["formats"] = {}

    def routes_of(self, point):
        wanted = {name for pair in pairs_of(point.image) for name in (pair.ours, pair.other)}
        return [route for route in self.routes if route.name in wanted]

    def summary(self, point, measured):
        names = dict.fromkeys(name for figures in measured for name in figures)
        return {"routes": {name: rounds.median([figures.get(name) for figures in measured])
                           for name in names},
                "ratios": [{**dataclasses.asdict(pair), "ratio": rounds.compared(
                    measured, pair.ours, rounds.share, base=pair.other)}
                    for pair in pairs_of(point.image)]}

    def rows(self, entry):
        return format_report.rows(entry)
