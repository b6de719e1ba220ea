#!/usr/bin/env python3
"""What a cell of 8 real nodes shows: a table of line, figure and what is wanted.

rows.py PROGRAM LIBRARY [--next PROGRAM] [--size ci|full] [--seed N] [--minutes N] [ROW...]

Without a ROW all that belong to the size. A figure that falls short is said; what must hold on
every machine (no wrong byte, no failed read) makes the exit status 1.
"""

import argparse
import os
import signal
import sys

import library
import losses
import reading
import soak
from table import Table

ROWS = {**reading.ROWS, **losses.ROWS, **soak.ROWS}
CI = ("once", "writes", "partition", "soak")
SKIPPED = 77  # to a person's tests these rows are too long


class Setting:
    """What each row is given."""

    def __init__(self, arguments):
        self.program = os.path.abspath(arguments.program)
        self.next = arguments.next and os.path.abspath(arguments.next)
        self.full = arguments.size == "full"
        self.seed = arguments.seed
        self.minutes = arguments.minutes
        self.table = Table()

    def by_size(self, small, full):
        return full if self.full else small


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("library")
    parser.add_argument("--next", metavar="PROGRAM", help="of a version of the protocol to come")
    tier = os.environ.get("FOREBAY_TEST_TIER", "full")
    parser.add_argument("--size", choices=("quick", "ci", "full"), default=tier)
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(4), "big"))
    parser.add_argument("--minutes", type=float, help="of the soak")
    parser.add_argument("rows", nargs="*", metavar="ROW", help=", ".join(ROWS))
    arguments = parser.parse_intermixed_args()
    unknown = set(arguments.rows) - set(ROWS)
    if unknown:
        parser.error(f"no row {sorted(unknown)}; there are {', '.join(ROWS)}")
    if arguments.size == "quick" and not arguments.rows:
        sys.exit(SKIPPED)
    # Whoever ends it early leaves no node and no network behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))
    library.load(arguments.library)
    setting = Setting(arguments)
    print(f"seed {setting.seed}", flush=True)
    for name in arguments.rows or (ROWS if setting.full else CI):
        ROWS[name](setting)
    sys.exit(setting.table.end())


if __name__ == "__main__":
    main()
