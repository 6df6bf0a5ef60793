#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Each rule of tests/tidy.py fails where it must and not where it must not; and this source tree
keeps to all of them."""

import pathlib
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import tidy  # noqa: E402

SPDX = "// SPDX-License-Identifier: MIT\n"
BODY = "int {}() {{\n" + "  step();\n" * 68 + "}}\n"


class Rule(unittest.TestCase):
    def check(self, rule, files):
        """The findings of one rule, as "path:line", in a tree of these files."""
        with tempfile.TemporaryDirectory() as root:
            for path, text in files.items():
                file = pathlib.Path(root, path)
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(text)
            return [f"{found.path}:{found.line}" for found in rule(tidy.Tree(root))]

    def test_folders(self):
        files = {"lib/a.cc": "", "ring/a.cc": "", "README.md": "", ".gitignore": "", "data": "",
                 "ring/utils.h": ""}
        self.assertEqual(self.check(tidy.folders, files),
                         ["data:1", "lib/a.cc:1", "ring/utils.h:1"])

    def test_license_line(self):
        files = {"ring/a.cc": "", "ring/b.cc": SPDX, "run": "#!/bin/sh\n",
                 "a.sh": "#!/bin/sh\n# SPDX-License-Identifier: MIT\n", "README.md": "",
                 "ring/c.cc": SPDX.strip() + " What is in it.\n"}
        self.assertEqual(self.check(tidy.license_line, files),
                         ["ring/a.cc:1", "ring/c.cc:1", "run:1"])

    def test_line_length(self):
        files = {"ring/a.cc": "x" * 100 + "\n" + "x" * 101, "docs/a.md": "|" + "x" * 101}
        self.assertEqual(self.check(tidy.line_length, files), ["ring/a.cc:2"])

    def test_white_space(self):
        files = {"ring/a.cc": "a\nb \n\tc\n", "tests/fuzz/corpus/ring/any-bytes": "a \n"}
        self.assertEqual(self.check(tidy.white_space, files), ["ring/a.cc:2", "ring/a.cc:3"])

    def test_file_length(self):
        files = {"ring/a.cc": "\n" * 451, "ring/b.cc": "\n" * 450, "docs/a.md": "\n" * 999}
        self.assertEqual(self.check(tidy.file_length, files), ["ring/a.cc:1"])

    def test_function_length_of_cc(self):
        short, long = BODY.format("f"), BODY.format("g").replace("{\n", "{\n\n", 1)
        inside = "namespace n {\nstruct S {\n" + short + long + "};\n}\n"
        self.assertEqual(self.check(tidy.function_length, {"ring/a.cc": inside}),
                         ["ring/a.cc:73"])
        table = "const int kTable[] = {\n" + "  f(1),\n" * 99 + "};\n"
        self.assertEqual(self.check(tidy.function_length, {"ring/a.cc": table}), [])

    def test_function_length_sees_through_comments_and_literals(self):
        text = BODY.format("f").replace("step();", "step('{', \"{\");  // {", 1)
        self.assertEqual(self.check(tidy.function_length, {"ring/a.cc": text + text}), [])

    def test_function_length_of_scripts(self):
        files = {"a.py": "def f():\n" + "    g()\n" * 70,
                 "a.sh": "f() {\n" + "  g\n" * 70 + "}\n"}
        self.assertEqual(self.check(tidy.function_length, files), ["a.py:1", "a.sh:1"])

    def test_include_direction(self):
        files = {"ring/a.cc": '#include "formats/image.h"\n#include "ring/a.h"\n',
                 "formats/a.cc": '#include "daemon/disk.h"\n#include "ring/a.h"\n',
                 "daemon/a.cc": '#include "formats/image.h"\n#include "tests/sim/world.h"\n',
                 "tests/a.cc": '#include "daemon/disk.h"\n#include "disk.h"\n'}
        self.assertEqual(self.check(tidy.include_direction, files),
                         ["daemon/a.cc:2", "formats/a.cc:1", "ring/a.cc:1", "tests/a.cc:2"])

    def test_wings(self):
        files = {"daemon/main.cc": '#include "daemon/cli/a.h"\n', "daemon/a.cc": "",
                 "daemon/host/a.cc": '#include "daemon/host/a.h"\n#include "daemon/config/a.h"\n',
                 "daemon/vbd/a.h": '#include "daemon/config/a.h"\n#include "daemon/cli/a.h"\n'}
        self.assertEqual(self.check(tidy.wings, files),
                         ["daemon/a.cc:1", "daemon/host/a.cc:2", "daemon/vbd/a.h:2"])

    def test_rooms(self):
        files = {"formats/a.cc": '#include "formats/qcow/b.h"\n', "formats/new/c.cc": "",
                 "formats/qcow2/bytes/d.h": '#include <span>\n#include <unistd.h>\n'
                                            '#include "formats/printable.h"\n'
                                            '#include "ring/sizes.h"\n'
                                            '#include "ring/file.h"\n',
                 "formats/clusters/e.h": '#include "formats/image.h"\n'
                                         '#include "formats/qcow2/bytes/d.h"\n'
                                         '#include "formats/qcow2/offline/f.h"\n',
                 "formats/qcow2/offline/a.cc": '#include "formats/clusters/e.h"\n'}
        self.assertEqual(self.check(tidy.rooms, files),
                         ["formats/clusters/e.h:3", "formats/new/c.cc:1",
                          "formats/qcow2/bytes/d.h:2", "formats/qcow2/bytes/d.h:5",
                          "formats/qcow2/offline/a.cc:1"])

    def test_ring_layers(self):
        files = {"ring/error.h": "", "ring/loop.h": '#include "ring/error.h"\n',
                 "ring/task.h": '#include "ring/error.h"\n#include "ring/loop.h"\n',
                 "ring/new.h": ""}
        self.assertEqual(self.check(tidy.ring_layers, files), ["ring/new.h:1", "ring/task.h:2"])

    def test_own_header_first(self):
        files = {"ring/a.h": "", "ring/a.cc": '#include <vector>\n#include "ring/a.h"\n',
                 "ring/b.h": "", "ring/b.cc": '#include "ring/b.h"\n#include <vector>\n'}
        self.assertEqual(self.check(tidy.own_header_first, files), ["ring/a.cc:1"])

    def test_pragma_once(self):
        files = {"ring/a.h": "", "ring/b.h": SPDX + "#pragma once\n"}
        self.assertEqual(self.check(tidy.pragma_once, files), ["ring/a.h:1"])

    def test_listed_in_cmake(self):
        files = {"ring/CMakeLists.txt": "add_library(ring a.cc old_b.cc)",
                 "ring/a.cc": "", "ring/b.cc": "",
                 "tests/CMakeLists.txt": "tapring_fuzzer(ring/a_test ring)",
                 "tests/ring/a_test.cc": "", "tests/ring/a_test_more.cc": ""}
        self.assertEqual(self.check(tidy.listed_in_cmake, files),
                         ["ring/b.cc:1", "tests/ring/a_test_more.cc:1"])

    def test_await_in_macro(self):
        text = "EXPECT_EQ(f(),\n  co_await g());\nEXPECT_EQ(1, 1); co_await g();\n"
        self.assertEqual(self.check(tidy.await_in_macro, {"tests/a.cc": text}), ["tests/a.cc:1"])

    def test_await_in_condition(self):
        wrong = ["e = a ? b : co_await c();", "e = a ?\n b : f(d, co_await c());",
                 "e = a ? B{} : co_await c();", "e = a ? B{co_await c()} : b;",
                 "f(a || co_await c());", "if (!a && co_await c()) b();", "if (co_await c()) b();",
                 "while (f(co_await c())) b();", "co_return a ? b : !(co_await c());"]
        right = ["if (a && b) e = co_await c();", "e = co_await c(a ? b : d);",
                 "while (a || b()) { co_await c(); }", "co_return co_await c() ? a : b;",
                 "f(a ? b : d, co_await c());", "auto&& e = co_await c();",
                 "a ? b : d; co_await c();", "if (a ? b : d) f([&]() -> E { co_await c(); });",
                 "(a ? b : d).f(co_await c());",
                 "switch (a) { case B::b: e = co_await c(); }", "// a ? b : co_await c()"]
        for text in wrong:
            self.assertEqual(len(self.check(tidy.await_in_condition, {"ring/a.cc": text})), 1, text)
        for text in right:
            self.assertEqual(self.check(tidy.await_in_condition, {"ring/a.cc": text}), [], text)

    def test_capture_all(self):
        text = "a = [=] {};\nb = [=, &c] {};\n// [=]\nd[i] = [&] {};\n"
        self.assertEqual(self.check(tidy.capture_all, {"ring/a.cc": text}),
                         ["ring/a.cc:1", "ring/a.cc:2"])

    def test_loop_over_value(self):
        text = ("for (int a : read(b, c()).value()) d();\nfor (int a : b.value()) d();\n"
                "auto e = read().value();\nfor (int a : e) d();\n")
        self.assertEqual(self.check(tidy.loop_over_value, {"ring/a.cc": text}), ["ring/a.cc:1"])

    def test_one_class_a_name(self):
        files = {"ring/a.h": "namespace n {\nclass A final : public B {\n};\n}  // namespace n\n",
                 "ring/b.cc": "namespace n {\nnamespace {\nstruct A {\n};\n}  // namespace\n"
                              "class A;\nstruct A::B {\n};\n}  // namespace n\n",
                 "ring/c.h": "namespace m {\nstruct A {\n};\n}  // namespace m\n",
                 "tests/a.h": "namespace n {\nenum class A : int {\n};\n}  // namespace n\n"}
        self.assertEqual(self.check(tidy.one_class_a_name, files), ["tests/a.h:2"])

    def test_left_over(self):
        text = "// TO" "DO: more\nmktemp XX" "XXXX\n"
        self.assertEqual(self.check(tidy.left_over, {"ring/a.cc": text}), ["ring/a.cc:1"])

    def test_stands_alone(self):
        text = "ring/shared\n../sh" "ared/design.md\n"
        self.assertEqual(self.check(tidy.stands_alone, {"docs/a.md": text}), ["docs/a.md:2"])

    def test_links(self):
        text = "[a](a.md) [b](b.md#part)\n[c](https://example.org/) [r](../README.md)\n"
        self.assertEqual(self.check(tidy.links, {"docs/a.md": text, "README.md": ""}),
                         ["docs/a.md:1"])

    def test_proofs_of_features(self):
        tree = {"docs/features.md": "| Feature | Shown by |\n|---|---|\n"
                                    "| `x` | `A.One`, `boot` |\n| y | `A.Two` |\n",
                "tests/a_test.cc": "TEST_P(A, One) {}\n", "tests/xen/scenarios/boot.sh": ""}
        self.assertEqual(self.check(tidy.proofs_of_features, tree),
                         ["docs/features.md:4"])

    def test_mutants(self):
        mutant = '[[mutant]]\nname = "{}"\nwhat = "w"\nfile = "ring/a.cc"\nold = "f"\nnew = "g"\n'
        files = {"tests/mutants/mutants.toml": mutant.format("m") + mutant.format("n"),
                 "ring/a.cc": "f\n"}
        self.assertEqual(self.check(tidy.mutants, files), [])
        self.assertEqual(self.check(tidy.mutants, {**files, "ring/a.cc": "f f\n"}),
                         ["tests/mutants/mutants.toml:2", "tests/mutants/mutants.toml:8"])

    def test_headers_compile_alone(self):
        files = {"ring/a.h": "#pragma once\ninline std::string f() { return {}; }\n",
                 "ring/b.h": "#pragma once\ninline int f() { return 0; }\n",
                 "ring/c.h": "#pragma once\nstd::string f();\n", "ring/c.cc": ""}
        self.assertEqual(self.check(tidy.headers_compile_alone, files), ["ring/a.h:2"])

    def test_shell_scripts(self):
        files = {"a.sh": "#!/bin/sh\ncd \"$1\"\n", "b.sh": "#!/bin/sh\ncd \"$1\" || exit\n"}
        self.assertEqual(self.check(tidy.shell_scripts, files), ["a.sh:2"])

    def test_every_rule_is_tested_here(self):
        own = pathlib.Path(__file__).read_text()
        self.assertEqual([rule.__name__ for rule in tidy.RULES
                          if f"tidy.{rule.__name__}, " not in own], [])


class SourceTree(unittest.TestCase):
    """One test a rule, so that a failure names it."""


def add_tree_test(rule):
    def test(self):
        findings = sorted(rule(self.tree))
        if findings:
            self.fail("\n" + "\n".join(map(str, findings)))
    setattr(SourceTree, f"test_{rule.__name__}", test)


SourceTree.tree = tidy.Tree(HERE.parent)
for tidy_rule in tidy.RULES:
    add_tree_test(tidy_rule)

if __name__ == "__main__":
    unittest.main()
