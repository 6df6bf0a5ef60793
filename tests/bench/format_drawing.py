# SPDX-License-Identifier: MIT
"""The plot of what tests/bench/formats found, in the manner of drawing.py."""

from matplotlib import lines

import format_points
from drawing import BAR_HEIGHT, LEGEND_HEIGHT, new_figure, place_legend, svg_of
from format_points import BESIDE_QEMU, BESIDE_RAW
from format_report import ratio_of

COLORS = {BESIDE_RAW: "#1f83d6", BESIDE_QEMU: "#d9480f"}
LABELS = {BESIDE_RAW: "of our raw", BESIDE_QEMU: "of qemu-nbd's qcow2"}
GRAY = "#7a7a7a"
AXIS_HEIGHT = 0.5  # inches


def draw_bars(axes, entries):
    """A bar a ratio; dotted lines are the goals."""
    for index, pair in enumerate(COLORS):
        found = [(row, ratio_of(entry, pair)) for row, entry in enumerate(entries)]
        known = [(row, ratio) for row, ratio in found if ratio is not None]
        axes.barh([row + (index - 0.5) * 0.4 for row, _ in known], [ratio for _, ratio in known],
                  height=0.36, color=COLORS[pair])
        axes.axvline(pair.goal, color=COLORS[pair], linewidth=1, linestyle=":")
    axes.set_yticks(range(len(entries)),
                    [format_points.of_json(entry).work() for entry in entries])
    axes.invert_yaxis()
    axes.grid(axis="y", visible=False)
    axes.set_xlabel("requests/s of our qcow2, as a multiple of the other's")


def draw_ratios(report):
    entries = [entry for entry in report["points"] if ratio_of(entry, BESIDE_QEMU) is not None]
    if not entries:
        return None
    figure, grid = new_figure(1, 1)
    draw_bars(grid[0][0], entries)
    figure.set_figheight(AXIS_HEIGHT + BAR_HEIGHT * len(entries) + LEGEND_HEIGHT)
    handles = [lines.Line2D([], [], color=COLORS[pair], linewidth=6, label=LABELS[pair])
               for pair in COLORS]
    handles.append(lines.Line2D([], [], color=GRAY, linewidth=1, linestyle=":", label="goal"))
    place_legend(figure, handles)
    return svg_of(figure)


def plots(report):
    """Triples of a file's name, a title, and SVG."""
    svg = draw_ratios(report)
    if svg is not None:
        yield "formats.svg", "Our qcow2 beside our raw and qemu-nbd's qcow2", svg
