"""Tells how a test run ended.

A results file has a line a check: verdict, name and reason, separated by tabs. `junit PREFIX FILE`
turns what ctest wrote into such lines; `summary FILE` prints what failed and what did not run, and
last the line of counts. What a test prints behind `note: ` at the start of a line is told, too.
"""

import re
import sys
import xml.etree.ElementTree as ElementTree


def skip_reason(output):
    """What GTEST_SKIP() was given: the line after the one that names the place."""
    found = re.search(r": Skipped\n(.+)", output)
    return found.group(1).strip() if found else "says no reason"


def verdict(case):
    """(verdict, reason) of one <testcase>. Only a test that ran to its end has passed."""
    status = case.get("status")
    if status == "run":
        return "passed", ""
    if status == "disabled":
        return "skipped", "disabled in the source"
    if status == "notrun":
        skipped = case.find("skipped")
        message = skipped.get("message", "") if skipped is not None else ""
        if message.startswith("SKIP_"):  # by regular expression or return code, not by absence
            return "skipped", skip_reason(case.findtext("system-out") or "")
        return "failed", f"did not run: {message or 'no reason given'}"
    failure = case.find("failure")
    return "failed", failure.get("message", "") if failure is not None else ""


def junit_lines(prefix, path):
    for case in ElementTree.parse(path).getroot().iter("testcase"):
        result, reason = verdict(case)
        reason = " ".join(reason.split())
        yield f"{result}\t{prefix}: {case.get('name')}\t{reason}"
        for note in re.findall(r"^note: (.+)", case.findtext("system-out") or "", re.MULTILINE):
            yield f"note\t{prefix}: {case.get('name')}\t{' '.join(note.split())}"


def told(results, wanted):
    """The lines for one verdict; the same check skipped for the same reason is told once."""
    groups = {}
    for result, name, reason in results:
        if result == wanted:
            prefix, _, test = name.rpartition(": ")
            groups.setdefault((test, reason), []).append(prefix)
    for (test, reason), prefixes in groups.items():
        where = ", ".join(prefix for prefix in prefixes if prefix)
        yield test + (f" ({where})" if where else "") + (f": {reason}" if reason else "")


def summary(path):
    """Prints the end of a run and returns its exit status."""
    with open(path, encoding="utf-8") as file:
        results = [line.rstrip("\n").split("\t") for line in file]
    for line in told(results, "note"):
        print(f"note: {line}")
    for line in told(results, "skipped"):
        print(f"not run: {line}")
    for line in told(results, "failed"):
        print(f"FAILED: {line}")
    counts = {kind: sum(result[0] == kind for result in results)
              for kind in ("passed", "failed", "skipped")}
    print(", ".join(f"{count} {kind}" for kind, count in counts.items()))
    return 0 if counts["passed"] > 0 and counts["failed"] == 0 else 1


def main(arguments):
    if arguments[:1] == ["junit"] and len(arguments) == 3:
        try:
            for line in junit_lines(arguments[1], arguments[2]):
                print(line)
            return 0
        except (OSError, ElementTree.ParseError) as error:
            print(f"results: {error}", file=sys.stderr)
            return 1
    if arguments[:1] == ["summary"] and len(arguments) == 2:
        return summary(arguments[1])
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
