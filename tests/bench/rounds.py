# SPDX-License-Identifier: MIT
"""The arithmetic of rounds. In a round each route is measured once, one after the other; the
routes are compared within a round, as what else a machine does changes from one to the next."""

import statistics

BASE = "native"


def order(routes, number):
    """The routes in the order of round `number`: each is first as often as the others."""
    first = number % len(routes)
    return routes[first:] + routes[:first]


def median(figures):
    """Of figures of one form, number by number. None where none has a number."""
    known = [figure for figure in figures if figure is not None]
    if not known:
        return None
    if isinstance(known[0], dict):
        return {name: median([figure.get(name) for figure in known]) for name in known[0]}
    return statistics.median(known)


def compared(rounds, route, comparison, base=BASE):
    """The median of what `comparison` makes of this route and `base` in each round. None if they
    were never measured together."""
    pairs = [(figures[route], figures[base]) for figures in rounds
             if route in figures and base in figures]
    return statistics.median(comparison(*pair) for pair in pairs) if pairs else None


def share(ours, native):
    return ours["requests_per_second"] / native["requests_per_second"]


def added_latency_us(ours, native):
    return ours["latency_us"]["mean"] - native["latency_us"]["mean"]


def summary(rounds):
    """By route the medians of `rounds`, each a dictionary of figures by route; with them `share`,
    of native's requests a second, and `added_latency_us`, of the mean."""
    routes = dict.fromkeys(route for figures in rounds for route in figures)
    return {route: {**median([figures.get(route) for figures in rounds]),
                    "share": compared(rounds, route, share),
                    "added_latency_us": compared(rounds, route, added_latency_us)}
            for route in routes}
