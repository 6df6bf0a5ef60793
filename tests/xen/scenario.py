# SPDX-License-Identifier: MIT
"""The scenarios, and what each says about itself in comments `# key: value`."""

import dataclasses
import pathlib
import re

DIRECTORY = pathlib.Path(__file__).resolve().parent / "scenarios"
_SETTING = re.compile(r"^# (variant|seconds|control|boot|named): (\S+)$", re.M)


@dataclasses.dataclass
class Scenario:
    name: str
    variant: str  # the dom0 it runs in: small or systemd
    seconds: int  # its limit, on a machine that is busy with other things too
    control: bool  # whether it means anything against xen-blkback alone
    own_boot: bool  # whether nothing may have run in its dom0 before
    if_named: bool  # whether it runs only if it is named


def load(path):
    said = dict(_SETTING.findall(path.read_text()))
    return Scenario(path.stem, said.get("variant", "small"), int(said.get("seconds", 180)),
                    said.get("control", "yes") == "yes", said.get("boot") == "own",
                    said.get("named") == "only")


def all_scenarios():
    return [load(path) for path in sorted(DIRECTORY.glob("*.sh"))]


def choose(names):
    """Those with these names, in this order; without names all but those that want to be named."""
    known = {scenario.name: scenario for scenario in all_scenarios()}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise SystemExit(f"no such scenario: {' '.join(unknown)}; --list names them")
    return [known[name] for name in names] or [
        scenario for scenario in known.values() if not scenario.if_named]
