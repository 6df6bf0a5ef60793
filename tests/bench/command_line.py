# SPDX-License-Identifier: MIT
"""What the command lines of several benchmarks have in common."""

import argparse
import signal

import images


def some_of(known):
    """A type for argparse: names out of `known`, with commas between them."""
    def names(text):
        chosen = text.split(",")
        for name in chosen:
            if name not in known:
                raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(known)}")
        return chosen
    return names


def positive(text):
    if int(text) < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return int(text)


def be_interruptible():
    """By what nohup does not ignore; by SIGINT always, or the programs we run would ignore it."""
    for number in images.INTERRUPTIONS:
        if number == signal.SIGINT or signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler)
