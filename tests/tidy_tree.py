# SPDX-License-Identifier: MIT
"""What the rules of tests/tidy.py look at, and what they find."""

import dataclasses
import functools
import pathlib
import re
import subprocess


@dataclasses.dataclass(frozen=True, order=True)
class Finding:
    path: str
    line: int
    text: str

    def __str__(self):
        return f"{self.path}:{self.line}: {self.text}"


class Tree:
    """The files of a directory: those that git knows if it is a checkout, else all. Without the
    inputs of fuzzers, which are any bytes."""

    def __init__(self, root):
        self.root = pathlib.Path(root)
        self.paths = sorted(path for path in self._list() if (self.root / path).is_file()
                            and not path.startswith("tests/fuzz/corpus/"))

    def _list(self):
        listed = subprocess.run(["git", "-C", self.root, "ls-files", "-z"], capture_output=True,
                                text=True, check=False)
        if listed.returncode == 0:
            return [path for path in listed.stdout.split("\0") if path]
        found = (path.relative_to(self.root).as_posix() for path in self.root.rglob("*"))
        return [path for path in found if not re.match(r"(build|\.git)/", path)]

    @functools.cache
    def text(self, path):
        return (self.root / path).read_text(encoding="utf-8", errors="replace")

    def lines(self, path):
        """Pairs of line number and line."""
        return enumerate(self.text(path).splitlines(), 1)

    def kind(self, path):
        """"cc" (sources and headers), "py", "sh", "cmake", "conf", "doc", or "" for the rest."""
        name = path.rsplit("/", 1)[-1]
        suffix = pathlib.PurePosixPath(path).suffix
        if name == "CMakeLists.txt":
            return "cmake"
        known = {".cc": "cc", ".h": "cc", ".py": "py", ".sh": "sh", ".cmake": "cmake",
                 ".md": "doc", ".8": "man", ".service": "conf", ".conf": "conf", ".toml": "conf"}
        if suffix in known:
            return known[suffix]
        first = self.text(path).split("\n", 1)[0]
        if first.startswith("#!"):
            return "py" if "python" in first else "sh"
        return ""

    def of_kind(self, *kinds):
        return [path for path in self.paths if self.kind(path) in kinds]

    def headers(self):
        return [path for path in self.paths if path.endswith(".h")]

    @functools.cache
    def code(self, path):
        """C++ text with comments and literals blanked out, lines kept."""
        def blank(match):
            return re.sub(r"[^\n]", " ", match.group())
        # A quote between digits separates them.
        literals = (r'R"(\w*)\((?:.|\n)*?\)\1"|"(?:\\.|[^"\\\n])*"|(?<!\d)\'(?:\\.|[^\'\\\n])+\''
                    r"|//[^\n]*|/\*(?:.|\n)*?\*/")
        return re.sub(literals, blank, self.text(path))


def line_of(text, position):
    return text.count("\n", 0, position) + 1
