#!/usr/bin/env python3
"""Requests by their names, from a door through the cell to the origin.

traces_test.py PROGRAM [unittest's arguments]
"""

import json
import os
import pathlib
import sys
import unittest

PROGRAM = os.path.abspath(sys.argv.pop(1))
sys.path.insert(1, str(pathlib.Path(__file__).resolve().parent / "cells"))

from cell import Cell  # noqa: E402
from small_store import SmallStore  # noqa: E402: beside this file

OBJECTS = 16
LATENCY_S = 0.1
ROUNDED_S = 0.01  # of what is told to the millisecond


class Traces(unittest.TestCase):
    def setUp(self):
        self.store = SmallStore({str(n): bytes([n]) * 10000 for n in range(OBJECTS)}, LATENCY_S)
        self.addCleanup(self.store.stop)
        cell = Cell(PROGRAM, 2, ["--dram", "64MiB", "--disk", "0", "--slow-request", "50ms",
                                 "--log-format", "json"])
        self.cell = self.enterContext(cell)
        cell.attach("data", self.store.url)

    def test_a_slow_request_is_found_at_its_origin_and_says_where_its_time_went(self):
        node = self.cell.nodes[1]
        for number in range(OBJECTS):
            node.command("cat", f"/data/{number}")
        asked = [headers["traceparent"].split("-") for headers in self.store.asked]
        self.assertEqual(len(asked), OBJECTS)
        self.assertEqual({tuple(map(len, words)) for words in asked}, {(2, 32, 16, 2)})
        lines = [json.loads(line) for line in node.said().splitlines()]
        slow = [line for line in lines if line["text"].startswith("slow open of ")]
        self.assertEqual({line["text"] for line in slow},
                         {f"slow open of /data/{n}" for n in range(OBJECTS)})
        # Those of names that the other node owns, too, which asked the origin for this one.
        self.assertEqual({line["trace"] for line in slow}, {words[1] for words in asked})
        for line in slow:
            parts = line["queue"] + line["peer"] + line["origin"] + line["disk"]
            self.assertGreaterEqual(parts, LATENCY_S, line)
            self.assertLess(parts, line["took"] + ROUNDED_S, line)
            self.assertEqual(line["peer"] > 0, line["origin"] == 0, line)
        self.assertEqual({line["peer"] > 0 for line in slow}, {True, False})


if __name__ == "__main__":
    unittest.main()
