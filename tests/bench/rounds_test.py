#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The arithmetic of rounds."""

import pathlib
import sys
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import rounds  # noqa: E402


def figures(rate, mean=100.0, calls=None):
    return {"requests_per_second": rate, "latency_us": {"mean": mean},
            "system_calls_per_request": calls}


class Order(unittest.TestCase):
    def test_each_route_is_at_each_place_as_often_as_the_others(self):
        routes = ["a", "b", "c"]
        places = list(zip(*(rounds.order(routes, number) for number in range(6))))
        for at_this_place in places:
            self.assertEqual(sorted(at_this_place), ["a", "a", "b", "b", "c", "c"])


class Median(unittest.TestCase):
    def test_goes_into_what_is_nested(self):
        found = rounds.median([figures(1, 7), figures(5, 9), figures(3, 8)])
        self.assertEqual(found, figures(3, 8))

    def test_leaves_out_what_was_not_counted(self):
        found = rounds.median([figures(1, calls=None), figures(1, calls=2), figures(1, calls=4)])
        self.assertEqual(found["system_calls_per_request"], 3)
        self.assertIsNone(rounds.median([None, None]))


class Summary(unittest.TestCase):
    def test_share_is_the_median_of_the_shares_in_each_round(self):
        # The medians themselves are 110 and 90.
        measured = [{"native": figures(100), "daemon": figures(80)},
                    {"native": figures(200), "daemon": figures(90)},
                    {"native": figures(110), "daemon": figures(99)}]
        found = rounds.summary(measured)["daemon"]
        self.assertEqual(found["requests_per_second"], 90)
        self.assertAlmostEqual(found["share"], 0.8)

    def test_added_latency(self):
        found = rounds.summary([{"native": figures(100, 20.0), "daemon": figures(80, 26.5)}])
        self.assertAlmostEqual(found["daemon"]["added_latency_us"], 6.5)
        self.assertEqual(found["native"]["added_latency_us"], 0)
        self.assertEqual(found["native"]["share"], 1)

    def test_a_route_that_failed_in_a_round_is_compared_in_the_others(self):
        found = rounds.summary([{"native": figures(100)},
                                {"native": figures(100), "daemon": figures(50)}])
        self.assertEqual(found["daemon"]["share"], 0.5)

    def test_without_native_there_is_no_share(self):
        found = rounds.summary([{"daemon": figures(80)}])
        self.assertIsNone(found["daemon"]["share"])
        self.assertEqual(found["daemon"]["requests_per_second"], 80)

    def test_nothing_measured(self):
        self.assertEqual(rounds.summary([{}, {}]), {})


if __name__ == "__main__":
    unittest.main()
