import contextlib
import importlib.util
import io
import pathlib
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
spec = importlib.util.spec_from_file_location("results", HERE / "results.py")
results = importlib.util.module_from_spec(spec)
spec.loader.exec_module(results)

JUNIT = """<?xml version="1.0" encoding="UTF-8"?>
<testsuite name="x">
 <testcase name="Good" status="run"><system-out>x
note: torn writes: 7
a note: no
</system-out></testcase>
 <testcase name="Bad" status="fail"><failure message="Failed"/></testcase>
 <testcase name="Skip" status="notrun"><skipped message="SKIP_REGULAR_EXPRESSION_MATCHED"/>
  <system-out>a_test.cc:3: Skipped
no such device

[  SKIPPED ] Skip (0 ms)</system-out></testcase>
 <testcase name="Gone_NOT_BUILT" status="notrun"><skipped message="Unable to find executable"/>
 </testcase>
 <testcase name="Off" status="disabled"/>
</testsuite>
"""


def summary(lines):
    with tempfile.NamedTemporaryFile("w") as file, io.StringIO() as out:
        file.write("".join(f"{line}\n" for line in lines))
        file.flush()
        with contextlib.redirect_stdout(out):
            status = results.summary(file.name)
        return status, out.getvalue().splitlines()


class Junit(unittest.TestCase):
    def test_each_verdict(self):
        with tempfile.NamedTemporaryFile("w") as file:
            file.write(JUNIT)
            file.flush()
            lines = list(results.junit_lines("asan", file.name))
        self.assertEqual(lines, [
            "passed\tasan: Good\t", "note\tasan: Good\ttorn writes: 7",
            "failed\tasan: Bad\tFailed",
            "skipped\tasan: Skip\tno such device",
            "failed\tasan: Gone_NOT_BUILT\tdid not run: Unable to find executable",
            "skipped\tasan: Off\tdisabled in the source"])

    def test_a_missing_file_is_an_error(self):
        with contextlib.redirect_stderr(io.StringIO()):
            self.assertEqual(results.main(["junit", "x", "no/such/file"]), 1)


class Summary(unittest.TestCase):
    def test_counts_are_the_last_line(self):
        status, lines = summary(["passed\ta\t", "passed\tb\t", "skipped\tc\tno disk"])
        self.assertEqual(status, 0)
        self.assertEqual(lines, ["not run: c: no disk", "2 passed, 0 failed, 1 skipped"])

    def test_notes_are_told_but_not_counted(self):
        _, lines = summary(["passed\trelease: a\t", "note\trelease: a\ttorn writes: 7"])
        self.assertEqual(lines, ["note: a (release): torn writes: 7",
                                 "1 passed, 0 failed, 0 skipped"])

    def test_failures_and_empty_runs_fail(self):
        status, lines = summary(["passed\ta\t", "failed\tb\tsee above"])
        self.assertEqual(status, 1)
        self.assertEqual(lines, ["FAILED: b: see above", "1 passed, 1 failed, 0 skipped"])
        self.assertEqual(summary([])[0], 1)

    def test_the_same_skip_in_several_builds_is_told_once_and_counted_each_time(self):
        _, lines = summary(["passed\ta\t", "skipped\tasan: T\tno disk",
                            "skipped\ttsan: T\tno disk"])
        self.assertEqual(lines, ["not run: T (asan, tsan): no disk",
                                 "1 passed, 0 failed, 2 skipped"])


if __name__ == "__main__":
    unittest.main()
