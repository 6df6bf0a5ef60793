# SPDX-License-Identifier: MIT
"""A program that measures, run to its end; none survives us."""

import json
import pathlib
import shutil
import signal
import subprocess

SOURCE = pathlib.Path(__file__).resolve().parents[2]
PATIENCE_SECONDS = 120  # that one may take besides the time it measures
END_SECONDS = 15  # that one may take to clean up after itself


class MeasurementError(Exception):
    pass


def run(command, seconds, directory=None, text=""):
    """What it prints. Throws MeasurementError if it fails. When we are interrupted, so is it: it
    has a session of its own, so that it hears of that once, from us."""
    limit = seconds + PATIENCE_SECONDS
    with subprocess.Popen(list(map(str, command)), cwd=directory, text=True,
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          start_new_session=True) as process:
        try:
            output, errors = process.communicate(text, timeout=limit)
        except subprocess.TimeoutExpired:
            end(process)
            raise MeasurementError(f"{command[0]} takes more than {limit} s") from None
        except BaseException:
            end(process)
            raise
    if process.returncode != 0:
        last = "\n".join((errors.strip() or output.strip()).splitlines()[-5:])
        raise MeasurementError(f"{command[0]} ended with {process.returncode}: {last}")
    return output


def end(process):
    process.send_signal(signal.SIGINT)
    try:
        process.communicate(timeout=END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()


def missing_command(name, remedy):
    """None, or what to tell the user."""
    return None if shutil.which(name) else f"there is no {name}: {remedy}"


class Program:
    """A route: a program of this project, which takes a point's options and prints its figures
    as JSON."""

    def __init__(self, name, path, target, needs=()):
        """`target` builds the program, or what else it `needs`."""
        self.name = name
        self.path = SOURCE / path
        self.target = target
        self.needs = [self.path, *(SOURCE / need for need in needs)]

    def missing(self):
        missing = [str(path) for path in self.needs if not path.exists()]
        if not missing:
            return None
        return (f"there is no {', '.join(missing)}: cmake --preset release && "
                f"cmake --build --preset release --target {self.target}")

    def measure(self, point, directory, seconds):
        return self.figures([*point.options(), "--directory", directory], seconds)

    def figures(self, options, seconds):
        output = run([self.path, *options, "--seconds", seconds], seconds)
        try:
            return json.loads(output)
        except json.JSONDecodeError as error:
            raise MeasurementError(f"{self.path} prints no JSON: {error}") from None
