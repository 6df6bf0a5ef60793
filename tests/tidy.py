#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The rules of the source tree that a program can check; prints what breaks them.

A rule is a function from a Tree to findings. tests/tidy_test.py shows each rule fail on a small
tree of its own, and holds this tree to all of them."""

import ast
import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys
import tomllib

from tidy_layers import include_direction, ring_layers, rooms, wings
from tidy_tree import Finding, Tree, line_of

MAX_COLUMNS = 100
MAX_FUNCTION_LINES = 70
MAX_FILE_LINES = 450
FOLDERS = {"ring", "formats", "daemon", "tests", "systemd", "docs", ".ci"}
TOP_FILES = {"CMakeLists.txt", "CMakePresets.json", "LICENSE", "README.md"}
SPDX_LINE = re.compile(r"(?://|#|\.\\\") SPDX-License-Identifier: MIT")
NAMES_OF_NOTHING = {"common", "helper", "helpers", "misc", "stuff", "types", "util", "utils"}
# In two parts each, or this file would break its own rules.
LEFT_OVER = re.compile(r"\b(?:TO" r"DO|FIX" r"ME|X" r"XX|HA" r"CK)\b")
OUTSIDE = re.compile(r"\.\./sh" r"ared|/wo" r"rk/")


def folders(tree):
    """Only the agreed folders, nothing else beside them, and no file names that say nothing."""
    for path in tree.paths:
        if "/" not in path and path not in TOP_FILES and not path.startswith("."):
            yield Finding(path, 1, f"the files beside them are {', '.join(sorted(TOP_FILES))}")
        if "/" in path and path.split("/")[0] not in FOLDERS:
            yield Finding(path, 1, f"the folders are {', '.join(sorted(FOLDERS))}")
        if pathlib.PurePosixPath(path).stem in NAMES_OF_NOTHING:
            yield Finding(path, 1, "the name of a file says what is in it")


def license_line(tree):
    for path in tree.of_kind("cc", "py", "sh", "cmake", "conf", "man"):
        if not any(map(SPDX_LINE.fullmatch, tree.text(path).split("\n")[:3])):
            yield Finding(path, 1, "the first three lines have no SPDX line of its own")


def line_length(tree):
    for path in tree.of_kind("cc", "py", "sh", "cmake", "conf", "doc", "man"):
        for number, line in tree.lines(path):
            if len(line) > MAX_COLUMNS and not (path.endswith(".md") and line.startswith("|")):
                yield Finding(path, number, f"{len(line)} columns, at most {MAX_COLUMNS}")


def white_space(tree):
    for path in tree.paths:
        for number, line in tree.lines(path):
            if line != line.rstrip():
                yield Finding(path, number, "white space at the end")
            elif "\t" in line:
                yield Finding(path, number, "a tab")


def file_length(tree):
    for path in tree.of_kind("cc", "py", "sh", "cmake"):
        count = len(tree.text(path).splitlines())
        if count > MAX_FILE_LINES:
            yield Finding(path, 1, f"{count} lines, at most {MAX_FILE_LINES}")


def cc_functions(code):
    """First and last line of each outermost function body of blanked-out C++ text."""
    stack, start, depth_of_body = [], 0, None
    for match in re.finditer(r"[{};]", code):
        if match.group() == "{":
            head = code[start:match.start()]
            is_body = (depth_of_body is None and "(" in head
                       and not re.search(r"\b(namespace|class|struct|enum|union)\b[^()]*$", head)
                       and not re.search(r"=\s*$", head))
            if is_body:
                depth_of_body = len(stack)
                first = line_of(code, match.start() - len(head) + len(head) - len(head.lstrip()))
            stack.append(match.start())
        elif match.group() == "}" and stack:
            stack.pop()
            if depth_of_body == len(stack):
                depth_of_body = None
                yield first, line_of(code, match.start())
        start = match.end()


def py_functions(text):
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node.lineno, node.end_lineno


def sh_functions(text):
    for match in re.finditer(r"^[\w-]+\(\) \{.*?^\}", text, re.MULTILINE | re.DOTALL):
        yield line_of(text, match.start()), line_of(text, match.end())


def function_length(tree):
    for path in tree.of_kind("cc", "py", "sh"):
        kind = tree.kind(path)
        found = {"cc": lambda path: cc_functions(tree.code(path)),
                 "py": lambda path: py_functions(tree.text(path)),
                 "sh": lambda path: sh_functions(tree.text(path))}[kind](path)
        for first, last in found:
            if last - first >= MAX_FUNCTION_LINES:
                yield Finding(path, first, f"a function of {last - first + 1} lines, "
                              f"at most {MAX_FUNCTION_LINES}")


def own_header_first(tree):
    """So compiling x.cc shows that x.h needs no include before it."""
    for path in tree.paths:
        header = path.removesuffix(".cc") + ".h"
        if not path.endswith(".cc") or header not in tree.paths:
            continue
        first = re.search(r'#\s*include\s+[<"]([^>"]+)[>"]', tree.text(path))
        if first is None or first.group(1) != header:
            yield Finding(path, 1, f"{header} is to be its first include")


def pragma_once(tree):
    for path in tree.headers():
        if not re.search(r"^#pragma once$", tree.text(path), re.MULTILINE):
            yield Finding(path, 1, "#pragma once is missing")


def listed_in_cmake(tree):
    """A source that is not built is not tested. That of a fuzzer is listed without its .cc."""
    for path in tree.paths:
        if not path.endswith(".cc"):
            continue
        parts = path.split("/")
        for depth in range(len(parts)):
            lists = "/".join([*parts[:depth], "CMakeLists.txt"])
            name = re.escape("/".join(parts[depth:]).removesuffix(".cc"))
            if lists in tree.paths and re.search(rf"(?<![\w/]){name}(\.cc)?(?![\w/.])",
                                                 tree.text(lists)):
                break
        else:
            yield Finding(path, 1, "is in no CMakeLists.txt")


def matching_parenthesis(code, opening):
    depth = 0
    for position in range(opening, len(code)):
        depth += {"(": 1, ")": -1}.get(code[position], 0)
        if depth == 0:
            return position
    return len(code)


def await_in_macro(tree):
    """g++ 12 runs such an await twice."""
    for path in tree.of_kind("cc"):
        code = tree.code(path)
        for match in re.finditer(r"\b(EXPECT_\w+|ASSERT_\w+|assert|static_assert)\s*\(", code):
            if "co_await" in code[match.start():matching_parenthesis(code, match.end() - 1)]:
                yield Finding(path, line_of(code, match.start()),
                              f"co_await inside {match.group(1)}: await into a variable before")


def expression_before(code, end):
    """What of the statement in which `end` lies is before it and not in brackets or arguments that
    have ended by then, its innermost part first."""
    depth, in_argument, parts = 0, False, []
    for at in range(end - 1, -1, -1):
        char, after = code[at], code[at + 1:end].lstrip()[:1]
        if char in ")]" or (char == "}" and (depth > 0 or after in set("?:&|,)."))):
            depth += 1
        elif depth > 0:
            depth -= char in "([{"
        elif char in ";}" or (char == "{" and not re.match(r"[\w>]", code[at - 1])):
            break
        elif char in "([{":
            in_argument = False
            parts.append(re.search(r"\w*\s*$", code[:at]).group() + char)
        else:
            in_argument = in_argument or char == ","
            parts.append(" " if in_argument else char)
    return parts


def await_in_condition(tree):
    """g++ 12 runs such an await whatever the condition says, or destroys its values twice."""
    for path in tree.of_kind("cc"):
        code = tree.code(path)
        for match in re.finditer(r"\bco_await\b", code):
            parts = expression_before(code, match.start())
            heads = any(re.fullmatch(r"(if|while|for|switch)\s*\(", part) for part in parts)
            chosen = re.search(r"\?|\|\||&&(?!\s*\w+ = )", "".join(reversed(parts)))
            if heads or chosen:
                yield Finding(path, line_of(code, match.start()),
                              "co_await in a condition, or if one holds: a statement of its own")


def capture_all(tree):
    for path in tree.of_kind("cc"):
        for match in re.finditer(r"\[\s*=\s*[\],]", tree.code(path)):
            yield Finding(path, line_of(tree.code(path), match.start()),
                          "a lambda names what it copies")


def loop_over_value(tree):
    """Up to C++20 the temporary that value() is called on dies before the loop's first turn."""
    for path in tree.of_kind("cc", "h"):
        for match in re.finditer(r"\bfor \([^;()]*:[^;{]*\)\s*\.value\(\)\)", tree.code(path)):
            yield Finding(path, line_of(tree.code(path), match.start()),
                          "a loop over .value() of a temporary: give the value a name before")


def one_class_a_name(tree):
    """Two classes of one name and namespace in one program are one to the linker, without a word:
    what destroys the one may be what was made for the other."""
    first = {}
    for path in tree.of_kind("cc"):
        namespaces = []
        for number, line in tree.lines(path):
            if opened := re.match(r"namespace ([\w:]*) ?\{", line):
                namespaces.append(opened[1])
            elif re.match(r"\}  // namespace", line) and namespaces:
                namespaces.pop()
            defined = re.match(r"(?:struct|class|enum(?: class)?) (\w+)(?: final)?(?: :[^:].*)? \{",
                               line)
            if not defined or not namespaces or "" in namespaces:
                continue
            name = "::".join([*namespaces, defined[1]])
            if name in first:
                yield Finding(path, number, f"{first[name]} has a {name} too")
            first.setdefault(name, path)


def left_over(tree):
    for path in tree.paths:
        for number, line in tree.lines(path):
            if LEFT_OVER.search(line):
                yield Finding(path, number, "what is left to do is an issue, not a comment")


def stands_alone(tree):
    for path in tree.paths:
        for number, line in tree.lines(path):
            if OUTSIDE.search(line):
                yield Finding(path, number, "names something outside of this repository")


def links(tree):
    """Links between documents lead somewhere."""
    for path in tree.of_kind("doc"):
        for number, line in tree.lines(path):
            for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", line):
                if not re.match(r"[a-z]+:", target) and not (
                        tree.root / pathlib.PurePosixPath(path).parent / target).exists():
                    yield Finding(path, number, f"{target} does not exist")


def proofs_of_features(tree):
    """A feature's proof is a test, or a scenario, that there is."""
    page = "docs/features.md"
    if page not in tree.paths:
        return
    sources = "\n".join(tree.text(path) for path in tree.of_kind("cc"))
    known = {f"{suite}.{name}" for suite, name in
             re.findall(r"^TEST(?:_[FP])?\((\w+), (\w+)\)", sources, re.MULTILINE)}
    known |= {pathlib.PurePosixPath(path).stem for path in tree.paths
              if path.startswith("tests/xen/scenarios/")}
    for number, line in tree.lines(page):
        if not line.startswith("| ") or line.startswith("| Feature"):
            continue
        for proof in re.findall(r"`([^`]+)`", line.rstrip("| ").rpartition("|")[2]):
            if proof not in known:
                yield Finding(page, number, f"there is no test {proof}")


def mutants(tree):
    """Each can be made."""
    table = "tests/mutants/mutants.toml"
    if table not in tree.paths:
        return
    known = tomllib.loads(tree.text(table))["mutant"]
    for mutant in known:
        line = line_of(tree.text(table), tree.text(table).index(f'name = "{mutant["name"]}"'))
        count = tree.text(mutant["file"]).count(mutant["old"])
        if count != 1:
            yield Finding(table, line, f"its old text is {count} times in {mutant['file']}")


def compiler_findings(commands, tree):
    """What these programs, which run beside each other, say of files."""
    def says(command):
        done = subprocess.run(command, cwd=tree.root, capture_output=True, text=True, check=False)
        return done.stdout + done.stderr

    with concurrent.futures.ThreadPoolExecutor() as pool:
        output = "".join(pool.map(says, commands))
    for match in re.finditer(r"^([^:\n]+):(\d+):\d+: (?:fatal )?(?:error|warning): (.*)$",
                             output, re.MULTILINE):
        yield Finding(match.group(1), int(match.group(2)), match.group(3))


def headers_compile_alone(tree):
    """Those without a source of their own; for the others see own_header_first."""
    alone = [path for path in tree.headers() if path.removesuffix(".h") + ".cc" not in tree.paths]
    shares = [alone[i::os.cpu_count()] for i in range(os.cpu_count())]
    yield from compiler_findings(
        [["clang++-19", "-std=c++23", "-fsyntax-only", "-Wno-pragma-once-outside-header", "-I.",
          "-x", "c++", *share] for share in shares if share], tree)


def shell_scripts(tree):
    scripts = tree.of_kind("sh")
    if scripts:  # in one call, as they share what they source
        yield from compiler_findings(
            [["shellcheck", "--format=gcc", "--severity=warning", "--exclude=SC2187", *scripts]],
            tree)


RULES = [folders, license_line, line_length, white_space, file_length, function_length,
         include_direction, wings, rooms, ring_layers, own_header_first, pragma_once,
         listed_in_cmake, await_in_macro, await_in_condition, capture_all, loop_over_value,
         one_class_a_name, left_over, stands_alone, links, proofs_of_features, mutants,
         headers_compile_alone, shell_scripts]


def main():
    tree = Tree(pathlib.Path(__file__).resolve().parents[1])
    findings = sorted(finding for rule in RULES for finding in rule(tree))
    for finding in findings:
        print(finding)
    sys.exit(1 if findings else 0)


if __name__ == "__main__":
    main()
