#!/usr/bin/env python3
"""The real program is killed and started again while processes read through it.

kills_test.py PROGRAM STEADY-READER [unittest's arguments]
"""

import json
import os
import pathlib
import random
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import unittest

READER = sys.argv.pop(2) if len(sys.argv) > 2 else "forebay_steady_reader"

import program_test as program  # noqa: E402: takes the program from the command line

READERS = 16
OBJECTS, OBJECT_BYTES = 6, (3 << 20) + 77
KILLS = {"quick": 8, "ci": 60, "full": 2000}[os.environ.get("FOREBAY_TEST_TIER", "quick")]
READS_A_ROUND = 20  # of each reader between two kills
PATIENCE_S = 100  # not a measure: a machine may be very busy


def stable_port():
    """A free port which no client is ever given for its own end: who dials a port of 127.0.0.1 at
    which nobody listens may otherwise be connected to himself, and so take it."""
    first = int(pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    while True:
        port = random.randrange(first // 2, first)
        with socket.socket() as taken:
            try:
                taken.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


class Reader:
    """One reading process; the first 8 go by shared memory, 4 by Unix socket, 4 by TCP."""

    def __init__(self, number, folder, node):
        self.number = number
        self.progress = folder / f"progress-{number}"
        self.errors = open(folder / f"reader-{number}", "wb+")
        extra = ["no-shared-memory"] if number >= 8 else []
        address = node.tcp if number >= 12 else node.unix
        self.process = subprocess.Popen(
            [READER, "read", "/box/", str(OBJECTS), str(OBJECT_BYTES), str(number), self.progress,
             *extra], stdin=subprocess.PIPE, stderr=self.errors,
            env=dict(program.CLEAN, FOREBAY_NODE=address))

    def reads(self):
        try:
            return struct.unpack("=Q", self.progress.read_bytes())[0]
        except (OSError, struct.error):
            return 0  # it has not come so far

    def said(self):
        return pathlib.Path(self.errors.name).read_text(errors="replace")

    def stop(self):
        self.process.stdin.close()
        status = self.process.wait(PATIENCE_S)
        self.errors.close()
        return status


class Kills(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="forebay-test-"))
        self.addCleanup(shutil.rmtree, self.folder)
        self.origin = self.folder / "origin"
        self.origin.mkdir()
        subprocess.run([READER, "make", self.origin, str(OBJECTS), str(OBJECT_BYTES)], check=True)
        self.listen = f"127.0.0.1:{stable_port()}"
        self.node = program.Node(self.folder, listen=self.listen)
        self.addCleanup(lambda: self.node.stop())
        done = program.forebay("attach", "/box", self.origin, node=self.node.unix)
        self.assertEqual(done.returncode, 0, done)

    def kill_and_start(self):
        self.node.stop(signal.SIGKILL)
        self.node = program.Node(self.folder, listen=self.listen)

    def status(self):
        done = program.forebay("status", "--json", node=self.node.unix)
        self.assertEqual(done.returncode, 0, done)
        return json.loads(done.stdout)

    def await_reads(self, readers):
        """Until each has read so much more; none may have ended."""
        wanted = [(reader, reader.reads() + READS_A_ROUND) for reader in readers]
        until = time.monotonic() + PATIENCE_S
        while wanted:
            for reader, _ in wanted:
                self.assertIsNone(reader.process.poll(), f"{reader.number}: {reader.said()}")
            wanted = [pair for pair in wanted if pair[0].reads() < pair[1]]
            self.assertLess(time.monotonic(), until, [pair[0].number for pair in wanted])
            time.sleep(0.01)

    def test_sixteen_processes_read_on(self):
        readers = [Reader(number, self.folder, self.node) for number in range(READERS)]
        try:
            for _ in range(KILLS):
                self.await_reads(readers)
                time.sleep(random.random() * 0.05)  # the moment is anybody's guess
                self.kill_and_start()
            self.await_reads(readers)
        finally:
            ended = [(reader, reader.stop()) for reader in readers]
        self.assertEqual([f"{reader.number}: {reader.said()}" for reader, status in ended
                          if status != 0], [])
        print(f"\nnote: {READERS} processes made {sum(reader.reads() for reader in readers)} reads "
              f"by shared memory, Unix socket and TCP over {KILLS} kills of their node; every byte "
              "was right", flush=True)

    def test_what_was_on_disk_is_a_hit_after_the_kill(self):
        program.forebay("load", "/box/", node=self.node.unix)
        blocks = OBJECTS * -(-OBJECT_BYTES // (1 << 20))
        until = time.monotonic() + PATIENCE_S
        while sum(disk["blocks"] for disk in self.status()["disks"]) < blocks:
            self.assertLess(time.monotonic(), until, self.status())
            time.sleep(0.05)
        self.kill_and_start()
        for number in range(OBJECTS):
            done = program.forebay("cat", f"/box/{number}", node=self.node.unix)
            self.assertEqual(done.returncode, 0, done)
            self.assertTrue(done.stdout == (self.origin / str(number)).read_bytes())
        self.assertEqual(self.status()["origin"]["bytes"], 0)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]])
