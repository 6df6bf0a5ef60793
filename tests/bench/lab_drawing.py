# SPDX-License-Identifier: MIT
"""The plots of what the lab's benchmark found, in the manner of drawing.py."""

from matplotlib import lines, ticker

import backends
from drawing import STYLES, new_figure, place_legend, svg_of
from lab_report import mode_of, names_of
from point import size_name

COLORS = {"loop-direct": "#1f83d6", "loop": "#b8860b", "qdisk": "#d9480f"}
GRAY = "#7a7a7a"


def swept(entries):
    """Those that differ in block size only."""
    return sorted((entry for entry in entries
                   if (entry["access"], entry["depth"]) == ("random", backends.DEPTH)),
                  key=lambda entry: entry["block_bytes"])


def draw_comparison(axes, entries, pairs):
    """Ours as a multiple of the others, by block size; dotted lines are the aims."""
    sizes = sorted({entry["block_bytes"] for entry in entries})
    for other, goal in pairs.goals.items():
        for operation, style in STYLES.items():
            chosen = [entry for entry in entries if entry["operation"] == operation]
            axes.plot([sizes.index(entry["block_bytes"]) for entry in chosen],
                      [backends.ratio(entry["backends"], pairs.ours, other) for entry in chosen],
                      color=COLORS[other], **style)
        axes.axhline(goal, color=COLORS[other], linewidth=1, linestyle=":")
    axes.set_xticks(range(len(sizes)), map(size_name, sizes))
    axes.set_xlabel("block size")
    axes.set_title(f"{pairs.title}: {pairs.ours}")
    axes.grid(axis="x", visible=False)
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(ticker.FormatStrFormatter("%g"))
    axes.yaxis.set_minor_locator(ticker.NullLocator())
    lowest, highest = axes.get_ylim()
    axes.set_ylim(min(lowest, 0.5), max(highest, 2.5))


def draw_ratios(report):
    """A panel a comparison; None if there is nothing to compare by size."""
    entries = swept(report["points"])
    comparisons = list(backends.compared(names_of(report)))
    if not entries or not comparisons:
        return None
    figure, grid = new_figure(1, len(comparisons))
    for axes, pairs in zip(grid.flat, comparisons):
        draw_comparison(axes, entries, pairs)
    figure.supylabel("requests/s, as a multiple of the other's", fontsize=9)
    others = dict.fromkeys(other for pairs in comparisons for other in pairs.goals)
    handles = [lines.Line2D([], [], color=COLORS[name], label=f"of {name}") for name in others]
    handles += [lines.Line2D([], [], color=GRAY, label=name, **style)
                for name, style in STYLES.items()]
    handles.append(lines.Line2D([], [], color=GRAY, linewidth=1, linestyle=":", label="aim"))
    place_legend(figure, handles)
    return svg_of(figure)


def plots(report):
    """Triples of a file's name, a title, and SVG."""
    svg = draw_ratios(report)
    if svg is not None:
        kind = "counted" if report["lab"]["repeatable"] else "timed"
        yield f"lab-{kind}.svg", f"tapringd beside blkback and qdisk, {mode_of(report)}", svg
