# SPDX-License-Identifier: MIT
"""Figures as text: the table of a run, and the tables of docs/benchmarks.md."""

import textwrap

import point

COLUMNS = ["on", "work", "route", "requests/s", "MiB/s", "share", "p50 us", "p99 us", "p99.9 us",
           "CPU us", "calls", "MiB"]
WIDTHS = [10, 36, 13, 11, 8, 6, 9, 9, 9, 7, 6, 6]
LEFT = 3  # so many columns are words
COLUMNS_OF_TEXT = 100  # of a line in docs/
TITLES = {"goals": "The goals", "blocks": "By block size", "depths": "By requests in flight",
          "queues": "By queues of a disk", "disks": "By disks", "patterns": "By pattern"}
# What the entries of a sweep are sorted by.
KEYS = {"blocks": ["block_bytes"], "depths": ["depth"], "queues": ["queues"], "disks": ["disks"],
        "patterns": ["block_bytes", "access"]}


def line(cells):
    return " ".join(cell.ljust(width) if index < LEFT else cell.rjust(width)
                    for index, (cell, width) in enumerate(zip(cells, WIDTHS))).rstrip()


HEADER = line(COLUMNS)


def number(value, digits=0):
    return "-" if value is None else f"{value:.{digits}f}"


def rows(entry):
    """The lines of one point; each route has one."""
    first = [f"{entry['place']} {entry['format']}", point.of_json(entry).work()]
    lines = []
    for route, figures in entry["routes"].items():
        latency = figures["latency_us"]
        lines.append(line([
            *first, route, number(figures["requests_per_second"]),
            number(figures["mebibytes_per_second"]), number(figures["share"], 2),
            *(number(latency[name], 1) for name in ("p50", "p99", "p99.9")),
            number(figures["cpu_us_per_request"], 2),
            number(figures["system_calls_per_request"], 2), mebibytes(entry, route)]))
        first = ["", ""]
    return "\n".join(lines)


def entries_of(entries, sweep):
    """Those of a sweep: those of one place and format together, in the sweep's order."""
    runs = list(dict.fromkeys(run_of(entry) for entry in entries))

    def key(entry):
        return [runs.index(run_of(entry)), *(entry[name] for name in KEYS.get(sweep, []))]
    return sorted((entry for entry in entries if sweep in entry["sweeps"]), key=key)


def run_of(entry):
    return entry["place"], entry["format"]


def routes_of(entries):
    return list(dict.fromkeys(route for entry in entries for route in entry["routes"]))


def cell(entry, route, name, digits):
    figures = entry["routes"].get(route)
    return number(figures[name] if figures else None, digits)


def mebibytes(entry, route):
    memory = entry["routes"].get(route, {}).get("memory_kib")
    return number(None if memory is None else memory / 1024, 1)


def markdown_table(head, lines, words=2):
    """So many columns are words."""
    ruler = [*["---"] * words, *["---:"] * (len(head) - words)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [head, ruler, *lines])


def words_of(entry):
    return [point.of_json(entry).work(), f"{entry['place']} {entry['format']}"]


def table(entries):
    """Native's requests a second, what share of them the other routes have, and the CPU time of
    all. With several disks the memory too, of the routes that know it."""
    routes = routes_of(entries)
    others = [route for route in routes if route != "native"]
    counting = [route for route in routes if any(mebibytes(entry, route) != "-"
                                                 for entry in entries if entry["disks"] > 1)]
    head = ["work", "on", "native /s", *others, *(f"{route} CPU us" for route in routes),
            *(f"{route} MiB" for route in counting)]
    return markdown_table(head, [[
        *words_of(entry), cell(entry, "native", "requests_per_second", 0),
        *(cell(entry, route, "share", 2) for route in others),
        *(cell(entry, route, "cpu_us_per_request", 2) for route in routes),
        *(mebibytes(entry, route) for route in counting)] for entry in entries])


def latency_table(entries):
    """The latencies of what has one request in flight, and how much longer than native it
    takes."""
    routes = routes_of(entries)
    others = [route for route in routes if route != "native"]
    head = ["work", "on", *(f"{route} p50/p99 us" for route in routes),
            *(f"{route} adds us" for route in others)]
    return markdown_table(head, [[
        *words_of(entry), *(latency_cell(entry, route) for route in routes),
        *(cell(entry, route, "added_latency_us", 1) for route in others)] for entry in entries])


def latency_cell(entry, route):
    figures = entry["routes"].get(route)
    if figures is None:
        return "-"
    latency = figures["latency_us"]
    return f"{latency['p50']:.1f} / {latency['p99']:.1f}"


def origin(report):
    """Where figures come from."""
    machine = report["machine"]
    text = (f"{machine['processor']}, {machine['cores']} cores, Linux {machine['kernel']}, "
            f"{machine['system']}, {machine['fio']}; commit `{machine['commit']}`, "
            f"{machine['date'][:10]}; medians of rounds: {report['rounds']}, each measurement "
            f"{report['seconds']} s long.")
    return command_of(report) + "\n\n" + textwrap.fill(text, COLUMNS_OF_TEXT)


def command_of(report):
    """The command that measured, as a block."""
    words = textwrap.wrap(report["machine"]["command"], COLUMNS_OF_TEXT - 8,
                          break_long_words=False, break_on_hyphens=False)
    return "    " + " \\\n      ".join(words)


def markdown(reports, figures=()):
    """All tables of some runs, and their figures: pairs of a title and a path."""
    points = [entry for report in reports for entry in report["points"]]
    parts = [*map(origin, reports),
             "The columns of routes are their shares of native's requests a second."]
    parts += [f"![{title}]({path})" for title, path in figures]
    for sweep, title in TITLES.items():
        entries = entries_of(points, sweep)
        if entries:
            parts += [f"### {title}", table(entries)]
        single = [entry for entry in entries if entry["depth"] == 1]
        if sweep == "goals" and single:
            parts.append(latency_table(single))
    return "\n\n".join(parts) + "\n"
