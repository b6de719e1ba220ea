import contextlib
import importlib.machinery
import importlib.util
import io
import pathlib
import unittest

HERE = pathlib.Path(__file__).resolve().parent
loader = importlib.machinery.SourceFileLoader("run_docs", str(HERE / "run_docs"))
run_docs = importlib.util.module_from_spec(importlib.util.spec_from_loader("run_docs", loader))
loader.exec_module(run_docs)


def verdicts(text):
    with contextlib.redirect_stderr(io.StringIO()):
        return list(run_docs.check_page("page.md", text))


def block(commands, language="sh"):
    return f"```{language}\n{commands}\n```\n"


class RunDocs(unittest.TestCase):
    def test_runs_blocks_and_names_the_line_of_one_that_fails(self):
        self.assertEqual(verdicts("# A page\n\n" + block("true") + block("false\ntrue")),
                         [("passed", "page.md:3", ""), ("failed", "page.md:6", "exit status 1")])

    def test_any_command_of_a_pipe_may_fail_it(self):
        self.assertEqual(verdicts(block("false | true"))[0][0], "failed")
        self.assertEqual(verdicts(block("echo $no_such_variable"))[0][0], "failed")

    def test_runs_in_the_root(self):
        self.assertEqual(verdicts(block("test -f tools/run_docs"))[0][0], "passed")

    def test_an_excuse_holds_for_the_next_block_only(self):
        text = "<!-- not run: needs a cluster -->\n" + block("false") + block("true")
        self.assertEqual(verdicts(text), [("skipped", "page.md:2", "needs a cluster"),
                                          ("passed", "page.md:5", "")])
        self.assertEqual(verdicts("<!-- not run: -->\n" + block("false"))[0][0], "failed")
        self.assertEqual(verdicts("<!-- not run: why -->\ntext\n" + block("false"))[0][0], "failed")

    def test_other_languages_are_not_run_but_other_shells_are_refused(self):
        self.assertEqual(verdicts(block("false", "text") + block("false", "")), [])
        self.assertEqual(verdicts(block("true", "bash"))[0][0], "failed")


if __name__ == "__main__":
    unittest.main()
