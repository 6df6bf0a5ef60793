# SPDX-License-Identifier: MIT
"""Figures of image formats as text: the table of a run, and the tables of docs/benchmarks.md."""

import textwrap

import format_points
from format_points import BESIDE_QEMU, BESIDE_RAW, RAW_BESIDE_QEMU
from report import COLUMNS_OF_TEXT, command_of, markdown_table, number

WIDTHS = [65, 15, 15, 9, 9, 6, 5]
TITLES = {
    BESIDE_RAW: "qcow2 beside a raw image, both ours",
    BESIDE_QEMU: "qcow2 beside qemu-nbd's",
    RAW_BESIDE_QEMU: "A raw image beside qemu-nbd's",
}


def line(cells):
    return " ".join(cell.rjust(width) if index > 2 else cell.ljust(width)
                    for index, (cell, width) in enumerate(zip(cells, WIDTHS))).rstrip()


HEADER = line(["work", "ours", "other", "ours/s", "other/s", "ratio", "goal"])


def rate(entry, route):
    return number(entry["routes"].get(route, {}).get("requests_per_second"))


def rows(entry):
    """The lines of one point; each ratio has one."""
    first = format_points.of_json(entry).work()
    lines = []
    for found in entry["ratios"]:
        ours, other = found["ours"], found["other"]
        lines.append(line([first, ours, other, rate(entry, ours), rate(entry, other),
                           number(found["ratio"], 2), number(found["goal"], 1)]))
        first = ""
    return "\n".join(lines)


def ratio_of(entry, pair):
    """None where the pair was not measured."""
    return next((found["ratio"] for found in entry["ratios"]
                 if (found["ours"], found["other"]) == (pair.ours, pair.other)), None)


def processor(entry, route):
    return number(entry["routes"].get(route, {}).get("cpu_us_per_request"), 1)


def latency(entry, route):
    found = entry["routes"].get(route)
    if found is None:
        return "-"
    return f"{found['latency_us']['p50']:.0f} / {found['latency_us']['p99']:.0f}"


def table(entries, pair):
    names = [pair.ours, pair.other]
    head = ["work", *(f"{name} /s" for name in names), f"ratio{aim(pair)}",
            *(f"{name} CPU us" for name in names), *(f"{name} p50 / p99 us" for name in names)]
    return markdown_table(head, [[
        format_points.of_json(entry).work(), *(rate(entry, name) for name in names),
        number(ratio_of(entry, pair), 2), *(processor(entry, name) for name in names),
        *(latency(entry, name) for name in names)] for entry in entries], words=1)


def aim(pair):
    return "" if pair.goal is None else f" (goal {pair.goal})"


def misses(entries, pair):
    """What is below the goal."""
    return [f"{format_points.of_json(entry).work()}: {ratio_of(entry, pair):.2f}"
            for entry in entries if ratio_of(entry, pair) is not None and pair.goal is not None
            and ratio_of(entry, pair) < pair.goal]


def clusters(entries):
    """How full the images were that were written to for the first time."""
    lines = [[format_points.of_json(entry).work(), *(of_all(entry, name) for name in
                                                     (BESIDE_QEMU.ours, BESIDE_QEMU.other))]
             for entry in entries if entry["image"] == "fresh"]
    head = ["work", *(f"clusters by {name}" for name in (BESIDE_QEMU.ours, BESIDE_QEMU.other))]
    return markdown_table(head, lines, words=1) if lines else None


def of_all(entry, route):
    found = entry["routes"].get(route, {}).get("clusters")
    return f"{found['allocated']:.0f} of {found['total']:.0f}" if found else "-"


def origin(report):
    """Where the figures come from."""
    machine = report["machine"]
    words = (f"{machine['processor']}, {machine['cores']} cores, Linux {machine['kernel']}, "
             f"{machine['system']}, {report['points'][0]['place']}; {machine['qemu']}, with "
             f"`--cache=none --aio={report['formats']['aio']}`; commit `{machine['commit']}`, "
             f"{machine['date'][:10]}; medians of rounds: {report['rounds']}, each measurement "
             f"{report['seconds']} s long.")
    return command_of(report) + "\n\n" + textwrap.fill(words, COLUMNS_OF_TEXT)


def markdown(report, figures=()):
    """All tables of a run, and its figures: pairs of a title and a path."""
    if not report["points"]:
        return "Nothing was measured.\n"
    parts = [origin(report), *(f"![{title}]({path})" for title, path in figures)]
    for pair, title in TITLES.items():
        entries = [entry for entry in report["points"] if ratio_of(entry, pair) is not None]
        if not entries:
            continue
        parts += [f"### {title}", table(entries, pair)]
        below = misses(entries, pair)
        if below:
            parts.append(textwrap.fill(f"Below the goal: {'; '.join(below)}.", COLUMNS_OF_TEXT))
    counted = clusters(report["points"])
    if counted:
        parts += ["What the writes into an empty image allocated:", counted]
    return "\n\n".join(parts) + "\n"
