# SPDX-License-Identifier: MIT
"""The plots of figures. Text and lines are to be read on white and on dark pages: nothing is
black, white or filled. The same figures give the same bytes."""

import io
import re

import matplotlib

from point import size_name
from report import entries_of, run_of

matplotlib.use("svg")
matplotlib.rcParams.update({
    "svg.hashsalt": "tapring", "svg.fonttype": "none", "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Arial"], "xtick.bottom": False, "ytick.left": False,
    "font.size": 9, "axes.titlesize": 10, "axes.spines.top": False, "axes.spines.right": False,
    "legend.frameon": False, "lines.linewidth": 1.6,
    "lines.markersize": 4, "axes.grid": True, "grid.alpha": 0.25,
    **{name: "#7a7a7a" for name in ("text.color", "axes.labelcolor", "axes.edgecolor",
                                    "xtick.color", "ytick.color", "grid.color")},
})

from matplotlib import lines, pyplot, ticker  # noqa: E402  # after what they go by

COLORS = {"native": "#7a7a7a", "native fixed": "#b8860b", "data path": "#1f83d6",
          "daemon": "#d9480f"}
STYLES = {"read": {"linestyle": "-", "marker": "o"},
          "write": {"linestyle": "--", "marker": "s", "markerfacecolor": "none"}}
# Of each sweep: what varies, and how its values are called.
AXES = {"blocks": ("block_bytes", "block size", size_name), "depths": ("depth", "depth", str),
        "queues": ("queues", "queues of a disk", str), "disks": ("disks", "disks", str)}
MEASURES = {"share": "requests/s, as a share of native's", "cpu_us_per_request": "CPU us a request",
            "system_calls_per_request": "system calls a request"}
PERCENTILES = ["p50", "p99", "p99.9"]
MOST_LABELS = 8  # of an axis
WIDTH, PANEL_HEIGHT, BAR_HEIGHT, LEGEND_HEIGHT = 8, 2.6, 0.35, 0.35  # inches


def svg_of(figure):
    """Without a date, and without what only makes it longer: digits that nobody sees, spaces,
    rotations by nothing."""
    text = io.StringIO()
    figure.savefig(text, format="svg", transparent=True,
                   metadata={"Date": None, "Creator": "tests/bench/plot"})
    pyplot.close(figure)
    short = re.sub(r"(\.\d\d)\d+", r"\1", text.getvalue())
    short = re.sub(r' transform="rotate\(-0 [^"]*"', "", short)
    return "".join(line.strip() + "\n" for line in short.splitlines())


def value_of(figures, measure):
    return figures["latency_us"][measure] if measure in PERCENTILES else figures[measure]


def curves(entries, sweep, measure):
    """Pairs of x and y by route and operation."""
    field = AXES[sweep][0]
    found = {}
    for entry in entries:
        for route, figures in entry["routes"].items():
            value = value_of(figures, measure)
            if value is not None and not (route == "native" and measure == "share"):
                found.setdefault((route, entry["operation"]), []).append((entry[field], value))
    return found


def draw_panel(axes, entries, sweep, measure):
    """The routes and operations that are in it."""
    field, label, name = AXES[sweep]
    values = sorted({entry[field] for entry in entries})
    found = curves(entries, sweep, measure)
    for (route, operation), pairs in found.items():
        axes.plot([values.index(x) for x, _ in pairs], [y for _, y in pairs],
                  color=COLORS[route], **STYLES[operation])
    labelled = range(len(values))[::-1 if len(values) <= MOST_LABELS else -2]
    axes.set_xticks(labelled, [name(values[index]) for index in labelled])
    axes.set_xlabel(label)
    axes.grid(axis="x", visible=False)
    if measure in PERCENTILES or (sweep, measure) == ("blocks", "cpu_us_per_request"):
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter(ticker.FormatStrFormatter("%g"))
        axes.yaxis.set_minor_locator(ticker.NullLocator())
    else:
        axes.set_ylim(bottom=0)
    if measure == "share":
        axes.axhline(1, color=COLORS["native"], linewidth=1, linestyle=":")
    return list(found)


def add_legend(figure, drawn):
    routes = [route for route in COLORS if any(route == other for other, _ in drawn)]
    operations = [name for name in STYLES if any(name == other for _, other in drawn)]
    handles = [lines.Line2D([], [], color=COLORS[route], label=route) for route in routes]
    handles += [lines.Line2D([], [], color="#7a7a7a", label=name, **STYLES[name])
                for name in operations]
    place_legend(figure, handles)


def place_legend(figure, handles):
    """Above the panels, in one line."""
    room = LEGEND_HEIGHT / figure.get_figheight()
    figure.set_layout_engine("constrained", rect=(0, 0, 1, 1 - room))
    figure.legend(handles=handles, loc="upper center", ncols=len(handles))


def new_figure(rows, columns):
    return pyplot.subplots(rows, columns, squeeze=False,
                           figsize=(WIDTH, PANEL_HEIGHT * rows + LEGEND_HEIGHT))


def draw_measure(entries, measure):
    """A panel a sweep; None if no sweep was measured."""
    sweeps = [sweep for sweep in AXES if curves(entries_of(entries, sweep), sweep, measure)]
    if not sweeps:
        return None
    columns = min(2, len(sweeps))
    figure, grid = new_figure(-(-len(sweeps) // columns), columns)
    drawn = []
    for axes, sweep in zip(grid.flat, sweeps):
        drawn += draw_panel(axes, entries_of(entries, sweep), sweep, measure)
    for axes in list(grid.flat)[len(sweeps):]:
        axes.set_axis_off()
    figure.supylabel(MEASURES[measure])
    add_legend(figure, drawn)
    return svg_of(figure)


def draw_latency(entries):
    """Percentiles by depth, of reads above those of writes; None if depths were not measured."""
    chosen = entries_of(entries, "depths")
    operations = [name for name in STYLES if any(entry["operation"] == name for entry in chosen)]
    if not operations:
        return None
    figure, grid = new_figure(len(operations), len(PERCENTILES))
    drawn = []
    for row, operation in zip(grid, operations):
        of_operation = [entry for entry in chosen if entry["operation"] == operation]
        for axes, percentile in zip(row, PERCENTILES):
            drawn += draw_panel(axes, of_operation, "depths", percentile)
            axes.set_title(f"{operation}, {percentile}")
    figure.supylabel("latency, us")
    add_legend(figure, drawn)
    return svg_of(figure)


def draw_patterns(entries):
    """Shares as bars; None if patterns were not measured."""
    chosen = entries_of(entries, "patterns")
    routes = [route for route in COLORS if route != "native"
              and any(route in entry["routes"] for entry in chosen)]
    if not routes:
        return None
    figure, grid = new_figure(1, 1)
    axes = grid[0][0]
    height = 0.8 / len(routes)
    for index, route in enumerate(routes):
        shares = [entry["routes"].get(route, {}).get("share") or 0 for entry in chosen]
        axes.barh([row + (index - (len(routes) - 1) / 2) * height for row in range(len(chosen))],
                  shares, height=height * 0.9, color=COLORS[route], label=route)
    axes.axvline(1, color=COLORS["native"], linewidth=1, linestyle=":")
    axes.set_yticks(range(len(chosen)), [
        f"{size_name(entry['block_bytes'])} {entry['access']} {entry['operation']}"
        for entry in chosen])
    axes.invert_yaxis()
    axes.grid(axis="y", visible=False)
    axes.set_xlabel(MEASURES["share"])
    figure.set_figheight(0.5 + BAR_HEIGHT * len(chosen) + LEGEND_HEIGHT)
    place_legend(figure, axes.get_legend_handles_labels()[0])
    return svg_of(figure)


PLOTS = {
    "share": ("Share of native", lambda entries: draw_measure(entries, "share")),
    "cpu": ("CPU time", lambda entries: draw_measure(entries, "cpu_us_per_request")),
    "calls": ("System calls", lambda entries: draw_measure(entries, "system_calls_per_request")),
    "latency": ("Latency by depth", draw_latency),
    "patterns": ("Patterns", draw_patterns),
}


def plots(points):
    """Triples of a file's name, a title, and SVG; one of each kind for each place and format."""
    for place, image_format in dict.fromkeys(map(run_of, points)):
        entries = [entry for entry in points if run_of(entry) == (place, image_format)]
        for kind, (title, draw) in PLOTS.items():
            svg = draw(entries)
            if svg is not None:
                name = f"{kind}-{place.strip('/').replace('/', '-')}-{image_format}.svg"
                yield name, f"{title}, {image_format} on {place}", svg
