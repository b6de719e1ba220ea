"""Plants a violation of each rule of tools/tidy and expects it to be caught, and only it."""

import importlib.machinery
import importlib.util
import pathlib
import subprocess
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
loader = importlib.machinery.SourceFileLoader("tidy", str(HERE / "tidy"))
tidy = importlib.util.module_from_spec(importlib.util.spec_from_loader("tidy", loader))
loader.exec_module(tidy)

FILES = {"src/base/a.h", "src/base/test_tier.h", "src/runtime/b.h", "src/core/c.h", "src/store/d.h",
         "src/registry/e.h", "src/platform/linux/f.h", "sim/g.h", "src/app/h.h"}


def rules(path, text):
    return [violation.rule for violation in tidy.check_file(path, text, FILES)]


def include(target):
    return f'#include "{target}"\n'


class Includes(unittest.TestCase):
    def test_down_is_allowed(self):
        self.assertEqual(rules("src/store/x.cc", include("src/runtime/b.h")), [])
        self.assertEqual(rules("src/core/x.cc", include("src/base/a.h")), [])
        self.assertEqual(rules("src/app/x.cc", include("src/platform/linux/f.h")), [])
        self.assertEqual(rules("bench/x.cc", include("src/platform/linux/f.h")), [])

    def test_up_and_sideways_are_not(self):
        for path, target in (("src/base/x.cc", "src/runtime/b.h"),
                             ("src/core/x.h", "src/runtime/b.h"),
                             ("src/origin/x.cc", "src/registry/e.h"),
                             ("src/store/x.cc", "src/platform/linux/f.h"),
                             ("src/store/x.cc", "sim/g.h"),
                             ("src/platform/linux/x.cc", "src/store/d.h"),
                             ("sim/x.cc", "src/platform/linux/f.h"),
                             ("src/store/x.cc", "src/app/h.h")):
            text = ("#pragma once\n" if path.endswith(".h") else "") + include(target)
            self.assertEqual(rules(path, text), ["include-direction"], f"{path} -> {target}")

    def test_tests_may_use_platform_and_simulator(self):
        self.assertEqual(rules("src/store/x_test.cc", include("sim/g.h")), [])
        self.assertEqual(rules("src/store/x_test.cc", include("src/platform/linux/f.h")), [])
        self.assertEqual(rules("src/core/x_test.cc", include("src/store/d.h")),
                         ["include-direction"])

    def test_test_tier_is_for_tests(self):
        self.assertEqual(rules("src/store/x.cc", include("src/base/test_tier.h")),
                         ["include-direction"])
        self.assertEqual(rules("src/store/x_test.cc", include("src/base/test_tier.h")), [])

    def test_ours_is_named_from_the_root(self):
        self.assertEqual(rules("src/base/x.cc", include("a.h")), ["include-path"])

    def test_libraries_below_the_seams(self):
        self.assertEqual(rules("src/store/x.cc", "#include <liburing.h>\n"), ["liburing"])
        self.assertEqual(rules("src/platform/linux/x.cc", "#include <liburing.h>\n"), [])
        self.assertEqual(rules("src/origin/x.cc", "#include <curl/curl.h>\n"), ["curl"])
        self.assertEqual(rules("src/store/x.cc", "#include <sys/socket.h>\n"), ["world-header"])
        self.assertEqual(rules("src/store/x_test.cc", "#include <thread>\n"), [])


class Bans(unittest.TestCase):
    def test_each_is_caught(self):
        planted = {
            "std-hash": "size_t h = std::hash<int>()(1);",
            "std-shuffle": "std::ranges::shuffle(v, g);",
            "std-random": "std::uniform_int_distribution<int> d(0, 1);",
            "rand": "int x = rand();",
            "unordered": "std::unordered_map<int, int> m;",
            "detach": "thread.detach();",
            "wall-clock": "auto now = std::chrono::steady_clock::now();",
            "sleep": "std::this_thread::sleep_for(1s);",
            "throw": "throw 1;",
            "coroutine-lambda": "auto f = [&x](int y) -> Task<int> { co_return x + y; };",
        }
        for rule, line in planted.items():
            self.assertEqual(rules("src/store/x.cc", line + "\n"), [rule], line)

    def test_variants(self):
        for rule, line in (("wall-clock", "time(nullptr)"), ("wall-clock", "::time(&t)"),
                           ("sleep", "usleep(5)"), ("rand", "srand(1)"),
                           ("std-random", "std::random_device r"),
                           ("coroutine-lambda", "[this] -> Task<void> {}"),
                           ("coroutine-lambda", "[=, &a](F (*f)(int)) mutable -> forebay::Task<>")):
            self.assertEqual(rules("src/store/x_test.cc", line + ";\n"), [rule], line)

    def test_innocent_code_passes(self):
        for line in ("// std::hash, sleep_for and rand() are banned", 'Say("rand() throw");',
                     "auto f = [](int x) -> Task<int> { co_return x; };", "clock.Sleep(ttl);",
                     "operand(1); strand(2); run_time(0); span.time(0);",
                     "[[nodiscard]] Task<int> Run();", "auto s = R\"x(throw \")x\";",
                     "int n = 1'000'000; char c = '\"';"):
            self.assertEqual(rules("src/store/x.cc", line + "\n"), [], line)

    def test_where_they_do_not_hold(self):
        self.assertEqual(rules("src/platform/linux/x.cc", "steady_clock::now();\n"), [])
        self.assertEqual(rules("src/store/x_test.cc", "std::unordered_set<int> s;\n"), [])
        self.assertEqual(rules("bench/x.cc", "std::unordered_map<int, int> peer;\n"), [])


class Sizes(unittest.TestCase):
    @staticmethod
    def function(lines):
        return "int F(int a) {\n" + "  ++a;\n" * (lines - 2) + "}\n"

    def test_function(self):
        self.assertEqual(rules("src/base/x.cc", self.function(70)), [])
        self.assertEqual(rules("src/base/x.cc", self.function(71)), ["function-length"])

    def test_function_inside_namespace_and_class(self):
        for opening, closing in (("namespace a {\n", "}\n"), ("class A : B<int> {\n", "};\n"),
                                 ("namespace {\nstruct A {\n", "};\n}\n")):
            text = opening + self.function(71) + closing
            self.assertEqual(rules("src/base/x.cc", text), ["function-length"], opening)

    def test_long_types_and_tables_are_no_functions(self):
        body = "  int a;\n" * 100
        self.assertEqual(rules("src/base/x.cc", "struct A {\n" + body + "};\n"), [])
        self.assertEqual(rules("src/base/x.cc", "int a[] = {\n" + "  1,\n" * 100 + "};\n"), [])

    def test_the_line_is_that_of_the_signature(self):
        text = "int x;\n\n// A comment.\n" + self.function(80)
        self.assertEqual(tidy.check_file("src/base/x.cc", text, FILES)[0].line, 4)

    def test_file(self):
        self.assertEqual(rules("src/base/x.cc", "\n" * 800), [])
        self.assertEqual(rules("src/base/x.cc", "\n" * 801), ["file-length"])
        self.assertEqual(rules("src/base/x.h", "#pragma once\n" * 251), ["file-length"])


class Text(unittest.TestCase):
    def test_lines(self):
        self.assertEqual(rules("src/base/x.cc", "x" * 100 + "\n"), [])
        self.assertEqual(rules("src/base/x.cc", "x" * 101 + "\n"), ["line-width"])
        self.assertEqual(rules("docs/x.md", "x" * 101 + "\n"), [])
        self.assertEqual(rules("dev", "#!/bin/sh\n" + "x" * 101 + "\n"), ["line-width"])
        self.assertEqual(rules("docs/x.md", "x \n"), ["trailing-space"])
        self.assertEqual(rules("docs/x.md", "x"), ["last-line"])
        self.assertEqual(rules("docs/x.md", "see /ho" + "me/me/x\n"), ["machine-path"])

    def test_pragma_once(self):
        self.assertEqual(rules("src/base/x.h", "int a;\n"), ["pragma-once"])

    def test_reasons(self):
        for bad, good in (("GTEST_SKIP();", 'GTEST_SKIP() << "no fuse here";'),
                          ("f();  // NO" + "LINT", "f();  // NO" + "LINT(bugprone-x): it is not"),
                          ("// TO" + "DO fix", "// TO" + "DO(#12): fix")):
            self.assertEqual(rules("src/base/x_test.cc", bad + "\n"), ["reason"])
            self.assertEqual(rules("src/base/x_test.cc", good + "\n"), [])

    def test_exceptions_need_a_reason(self):
        self.assertEqual(rules("src/base/x.cc", "throw 1;  // tidy: allow throw: C needs it\n"), [])
        self.assertEqual(rules("src/base/x.cc", "// tidy: allow throw: why\nthrow 1;\n"), [])
        self.assertEqual(rules("src/base/x.cc", "throw 1;  // tidy: allow throw:\n"), ["throw"])
        self.assertEqual(rules("src/base/x.cc", "throw 1;  // tidy: allow rand: why\n"), ["throw"])


class Tree(unittest.TestCase):
    def test_reads_what_git_would_add_and_wants_readmes(self):
        with tempfile.TemporaryDirectory() as root:
            subprocess.run(["git", "init", "-q", root], check=True)
            folder = pathlib.Path(root, "src", "base")
            folder.mkdir(parents=True)
            (folder / "x.cc").write_text("throw 1;\n")
            (folder / "ignored.cc").write_text("throw 1;\n")
            pathlib.Path(root, ".gitignore").write_text("ignored.cc\n")
            found = [(violation.path, violation.rule) for violation in tidy.check_tree(root)]
            self.assertEqual(found, [("src/base", "readme"), ("src/base/x.cc", "throw")])
            (folder / "README.md").write_text("# base\n")
            (folder / "x.cc").write_text("int x;\n")
            self.assertEqual(tidy.check_tree(root), [])


if __name__ == "__main__":
    unittest.main()
