# SPDX-License-Identifier: MIT
"""The figures of the lab as text: tables for the terminal and for docs/benchmarks.md."""

import textwrap

import backends
from point import size_name
from report import COLUMNS_OF_TEXT, command_of, markdown_table, number


def work_of(entry):
    return (f"{size_name(entry['block_bytes'])} {entry['access']} {entry['operation']}, "
            f"depth {entry['depth']}")


def rows(entries, pairs):
    """The head and the lines of one comparison, as cells."""
    head = ["requests a second", pairs.ours]
    for other, goal in pairs.goals.items():
        head += [other, f"ratio (aim {goal:.1f})"]
    lines = []
    for entry in entries:
        found = entry["backends"]
        cells = [work_of(entry), number(found[pairs.ours]["requests_per_second"])]
        for other in pairs.goals:
            cells += [number(found[other]["requests_per_second"]),
                      number(backends.ratio(found, pairs.ours, other), 2)]
        lines.append(cells)
    return head, lines


def misses(entries, pairs):
    """What is below its aim, in words, as exact as it is shown."""
    found = []
    for other, goal in pairs.goals.items():
        for entry in entries:
            shown = number(backends.ratio(entry["backends"], pairs.ours, other), 2)
            if float(shown) < goal:
                found.append(f"{work_of(entry)}: {shown} of {other}, not {goal:.1f}")
    return found


def names_of(report):
    return report["lab"]["backends"]


def text(report):
    """For the terminal."""
    parts = []
    for pairs in backends.compared(names_of(report)):
        head, lines = rows(report["points"], pairs)
        widths = [max(map(len, column)) for column in zip(head, *lines)]
        parts.append(pairs.title + "\n" + "\n".join("  ".join(
            cell.rjust(width) if index else cell.ljust(width)
            for index, (cell, width) in enumerate(zip(cells, widths))) for cells in [head, *lines]))
        below = misses(report["points"], pairs)
        parts.append("\n".join(["Below the aim:", *(f"  {line}" for line in below)]) if below
                     else "Nothing is below the aim.")
    return "\n\n".join(parts) + "\n"


def mode_of(report):
    return "counted instructions" if report["lab"]["repeatable"] else "measured time"


def origin(report):
    """Where the figures come from."""
    machine, lab = report["machine"], report["lab"]
    words = (f"Xen {lab['xen']} in QEMU without KVM, Linux {lab['kernel']} in dom0, {lab['qemu']}, "
             f"{machine['fio']}; commit `{machine['commit']}`, {machine['date'][:10]}; rounds: "
             f"{report['rounds']}, each measurement {report['seconds']} s long.")
    return command_of(report) + "\n\n" + textwrap.fill(words, COLUMNS_OF_TEXT)


def markdown(report, figures=()):
    """All tables of a run, and its figures: pairs of a title and a path."""
    parts = [f"### In the lab, by {mode_of(report)}", origin(report),
             *(f"![{title}]({path})" for title, path in figures)]
    for pairs in backends.compared(names_of(report)):
        head, lines = rows(report["points"], pairs)
        below = misses(report["points"], pairs)
        parts += [f"{pairs.title}:", markdown_table(head, lines, words=1)]
        if below:
            parts.append(textwrap.fill(f"Below the aim: {'; '.join(below)}.", COLUMNS_OF_TEXT))
    return "\n\n".join(parts) + "\n"
