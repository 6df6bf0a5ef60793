# SPDX-License-Identifier: MIT
"""Running a program of the build host."""

import subprocess


class CommandFailed(Exception):
    pass


def run(*argv, **options):
    """Runs a program and returns its standard output; a failure shows what it said."""
    done = subprocess.run([str(arg) for arg in argv], text=True, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)
    if done.returncode != 0:
        raise CommandFailed(f"{' '.join(map(str, argv))}: exit code {done.returncode}\n"
                            f"{done.stdout}{done.stderr}".rstrip())
    return done.stdout
