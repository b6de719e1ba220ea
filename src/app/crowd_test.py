#!/usr/bin/env python3
"""The real program and as many connections as it takes.

crowd_test.py PROGRAM [unittest's arguments]
crowd_test.py dial ADDRESS COUNT     one of the processes that it starts
"""

import pathlib
import resource
import struct
import subprocess
import sys
import time
import unittest

if len(sys.argv) > 1 and sys.argv[1] == "dial":
    DIAL = sys.argv[2:]
    sys.argv[1:] = []

import hostile_test as hostile  # takes the program from the command line
import program_test as program

PROCESSES = 4
MOST = 10_000
SPARE_DESCRIPTORS = 300
OVERLOADED = 7
PATIENCE_S = 100  # not a measure: a machine may be very busy


def ping(request):
    return hostile.frame(16, bytes(20), request=request)


def raise_limit():
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def dial(address, count):
    """Opens the connections, then asks each of them something for every line of standard input."""
    raise_limit()
    greeting = hostile.hello() + hostile.auth() + ping(1)
    connections = [hostile.Connection(address) for _ in range(int(count))]
    for connection in connections:
        connection.send(greeting)
    for connection in connections:
        kinds = [(connection.frame() or (None,))[0] for _ in range(3)]
        assert kinds == [hostile.WELCOME, hostile.READY, 16], kinds
    print("there", flush=True)
    again = ping(2)
    for _ in sys.stdin:
        for connection in connections:
            connection.send(again)
        for connection in connections:
            assert connection.frame()[0] == 16
        print("answered", flush=True)


class Crowd(program.WithNode):
    def setUp(self):
        self.count = min(MOST, raise_limit() - SPARE_DESCRIPTORS) // PROCESSES * PROCESSES
        self.flags = ("--connections", str(self.count))
        super().setUp()

    def rss(self):
        pages = pathlib.Path(f"/proc/{self.node.process.pid}/statm").read_text().split()[1]
        return int(pages) * resource.getpagesize()

    def descriptors(self):
        return len(list(pathlib.Path(f"/proc/{self.node.process.pid}/fd").iterdir()))

    def dial(self):
        processes = [subprocess.Popen([sys.executable, "-B", __file__, "dial", self.node.tcp,
                                       str(self.count // PROCESSES)], stdin=subprocess.PIPE,
                                      stdout=subprocess.PIPE) for _ in range(PROCESSES)]
        for process in processes:
            self.addCleanup(process.stdout.close)
            self.assertEqual(process.stdout.readline(), b"there\n")
        return processes

    def hang_up(self, processes, descriptors):
        for process in processes:
            process.stdin.close()
            self.assertEqual(process.wait(PATIENCE_S), 0)
        until = time.monotonic() + PATIENCE_S
        while self.descriptors() > descriptors:
            self.assertLess(time.monotonic(), until)
            time.sleep(0.05)

    def test_all_are_answered_and_one_more_is_refused(self):
        self.ok("cat", "/box/small", "--node", self.node.tcp)
        descriptors, before = self.descriptors(), self.rss()
        processes = self.dial()
        during = self.rss()
        for process in processes:
            process.stdin.write(b"all of you\n")
            process.stdin.flush()
        for process in processes:
            self.assertEqual(process.stdout.readline(), b"answered\n")
        one_more = hostile.Connection(self.node.tcp)
        one_more.send(hostile.hello())
        status, words = one_more.refusal()
        one_more.close()
        self.assertEqual(status, OVERLOADED)
        self.assertIn(str(self.count), words)
        self.hang_up(processes, descriptors)
        after = self.rss()
        self.assertEqual(self.ok("cat", "/box/small", "--node", self.node.tcp), self.small)
        # What the first crowd left in the allocator's hands must do for the second.
        processes = self.dial()
        again = self.rss()
        self.hang_up(processes, descriptors)
        each = (during - before) / self.count / 1024
        print(f"\nnote: {self.count} connections: {each:.1f} KiB of memory each; "
              f"{before >> 20} MiB before, {during >> 20} with them, {after >> 20} after, "
              f"{again >> 20} with as many anew", flush=True)
        self.assertLess(again - before, (during - before) * 1.5 + (8 << 20))


if __name__ == "__main__":
    if "DIAL" in globals():
        dial(*DIAL)
    else:
        unittest.main(argv=[sys.argv[0], *sys.argv[2:]])
