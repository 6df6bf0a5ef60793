# SPDX-License-Identifier: MIT
"""Figures as text: the table of a run, and the tables of docs/benchmarks.md."""

import point

COLUMNS = ["on", "work", "route", "requests/s", "MiB/s", "share", "p50 us", "p99 us", "p99.9 us",
           "CPU us", "calls", "MiB"]
WIDTHS = [10, 36, 13, 11, 8, 6, 9, 9, 9, 7, 6, 6]
LEFT = 3  # so many columns are words
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
        latency, memory = figures["latency_us"], figures["memory_kib"]
        lines.append(line([
            *first, route, number(figures["requests_per_second"]),
            number(figures["mebibytes_per_second"]), number(figures["share"], 2),
            *(number(latency[name], 1) for name in ("p50", "p99", "p99.9")),
            number(figures["cpu_us_per_request"], 2),
            number(figures["system_calls_per_request"], 2),
            number(None if memory is None else memory / 1024, 1)]))
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


def table(entries):
    """Markdown: native's requests a second, what share of them the other routes have, and the CPU
    time of all."""
    routes = routes_of(entries)
    others = [route for route in routes if route != "native"]
    head = ["work", "on", "native /s", *others, *(f"{route} CPU us" for route in routes)]
    lines = [head, ["---", "---", *["---:"] * (len(head) - 2)]]
    for entry in entries:
        lines.append([
            point.of_json(entry).work(), f"{entry['place']} {entry['format']}",
            cell(entry, "native", "requests_per_second", 0),
            *(cell(entry, route, "share", 2) for route in others),
            *(cell(entry, route, "cpu_us_per_request", 2) for route in routes)])
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def latency_table(entries):
    """Markdown: the latencies of what has one request in flight, and how much longer than native
    it takes."""
    routes = routes_of(entries)
    head = ["work", "on", *(f"{route} p50/p99 us" for route in routes),
            *(f"{route} adds us" for route in routes if route != "native")]
    lines = [head, ["---", "---", *["---:"] * (len(head) - 2)]]
    for entry in entries:
        latencies = [entry["routes"].get(route, {}).get("latency_us") for route in routes]
        lines.append([
            point.of_json(entry).work(), f"{entry['place']} {entry['format']}",
            *(f"{found['p50']:.1f} / {found['p99']:.1f}" if found else "-"
              for found in latencies),
            *(cell(entry, route, "added_latency_us", 1) for route in routes
              if route != "native")])
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def markdown(report, figures=()):
    """All tables of a run, and its figures: pairs of a title and a path."""
    machine = report["machine"]
    parts = [f"    {machine['command']}",
             f"{machine['processor']}, {machine['cores']} cores, Linux {machine['kernel']}, "
             f"{machine['system']}, {machine['fio']}; commit `{machine['commit']}`, "
             f"{machine['date'][:10]}; medians of {report['rounds']} rounds of "
             f"{report['seconds']} s. The columns of routes are their shares of native's "
             "requests a second."]
    parts += [f"![{title}]({path})" for title, path in figures]
    for sweep, title in TITLES.items():
        entries = entries_of(report["points"], sweep)
        if entries:
            parts += [f"### {title}", table(entries)]
        single = [entry for entry in entries if entry["depth"] == 1]
        if sweep == "goals" and single:
            parts.append(latency_table(single))
    return "\n\n".join(parts) + "\n"
