#!/usr/bin/env python3
"""The real program while its origins vanish, hang, and come back.

lost_origins_test.py PROGRAM STOPPABLE-FILES [unittest's arguments]
"""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

STOPPABLE_FILES = sys.argv.pop(2) if len(sys.argv) > 2 else "forebay_stoppable_files"
CANNOT_RUN = 77  # what ctest takes for skipped

import program_test as program  # noqa: E402: takes the program from the command line
from small_store import SmallStore  # noqa: E402: beside this file

SHORT = ("--timeout", "2")  # of calls that must end by it


class WithOrigin(unittest.TestCase):
    flags = ()

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="forebay-test-"))
        self.addCleanup(shutil.rmtree, self.folder)
        self.origin = self.folder / "origin"
        self.origin.mkdir()
        self.bytes = {name: os.urandom(size) for name, size in
                      (("warm", 3_000_000), ("cold", 2_000_000), ("other", 10))}
        for name, contents in self.bytes.items():
            (self.origin / name).write_bytes(contents)

    def start(self):
        self.node = program.Node(self.folder, *self.flags)
        self.addCleanup(lambda: self.node.stop(signal.SIGKILL))

    def ok(self, *arguments, **options):
        done = program.forebay(*arguments, node=self.node.unix, **options)
        self.assertEqual(done.returncode, 0, done)
        return done.stdout

    def refused(self, status, *arguments, **options):
        done = program.forebay(*arguments, node=self.node.unix, **options)
        self.assertEqual(done.returncode, status, done)
        return done.stderr.decode()

    def reads(self, path):
        """True where the bytes are right."""
        return self.ok("cat", path) == self.bytes[path.rsplit("/", 1)[1]]

    def status(self):
        return json.loads(self.ok("status", "--json"))

    def await_disk(self, blocks):
        until = time.monotonic() + program.TIME_LIMIT_S
        while sum(disk["blocks"] for disk in self.status()["disks"]) < blocks:
            self.assertLess(time.monotonic(), until, self.status())
            time.sleep(0.05)


class Vanishing(WithOrigin):
    def setUp(self):
        super().setUp()
        self.start()
        self.ok("attach", "/box", str(self.origin))
        self.assertTrue(self.reads("/box/warm"))

    def go(self):
        self.origin.rename(self.folder / "away")

    def come(self):
        (self.folder / "away").rename(self.origin)

    def says_so(self, said):
        self.assertIn(f"origin file://{self.origin}", said)
        self.assertIn("there is no directory", said)

    def test_what_is_cached_is_read_and_all_else_names_the_origin(self):
        self.go()
        self.assertTrue(self.reads("/box/warm"))
        for words in (("cat", "/box/cold"), ("load", "/box/"), ("ls", "/box/"),
                      ("put", "-", "/box/new"), ("rm", "/box/other")):
            self.says_so(self.refused(5, *words, data=b"x"))
        self.assertTrue(self.reads("/box/warm"))
        self.come()
        for name in self.bytes:
            self.assertTrue(self.reads(f"/box/{name}"), name)

    def test_a_load_that_loses_its_origin_says_so_and_goes_on_later(self):
        for number in range(3000):
            (self.origin / f"{number:04}").write_bytes(b"x" * 5000)
        loading = subprocess.Popen(
            [program.PROGRAM, "load", "/box/"], stderr=subprocess.PIPE, stdout=subprocess.PIPE,
            env=dict(program.CLEAN, FOREBAY_NODE=self.node.unix))
        while self.status()["origin"]["bytes"] < 3_500_000 and loading.poll() is None:
            pass
        self.go()
        said = loading.communicate(timeout=program.TIME_LIMIT_S)[1].decode()
        if loading.returncode != 0:  # it had not ended before
            self.assertEqual(loading.returncode, 5, said)
            self.says_so(said)
        self.assertTrue(self.reads("/box/warm"))
        self.come()
        self.ok("load", "/box/")
        self.assertEqual(self.ok("cat", "/box/2999"), b"x" * 5000)

    def test_a_restart_without_the_origin_loses_nothing(self):
        self.await_disk(3)
        self.go()
        self.node.stop()
        self.start()
        self.says_so(self.refused(5, "cat", "/box/warm"))  # names are not kept: ORIGINS.md
        self.assertEqual(self.ok("attachments").split()[0], b"/box")
        self.come()
        self.assertTrue(self.reads("/box/warm"))
        self.assertEqual(self.status()["origin"]["bytes"], 0)


class Hanging(WithOrigin):
    """A file server that hangs."""
    flags = ("--grace", "1s")

    def setUp(self):
        super().setUp()
        self.mount = self.folder / "mount"
        self.mount.mkdir()
        self.server = subprocess.Popen([STOPPABLE_FILES, self.origin, self.mount],
                                       stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        mounted = self.server.stdout.readline()
        if mounted != b"mounted\n":
            print(f"note: no file system can be mounted here: {mounted}", flush=True)
            os._exit(CANNOT_RUN)
        self.addCleanup(self.unmount)
        self.near = self.folder / "near"
        self.near.mkdir()
        for number in range(4):
            (self.near / str(number)).write_bytes(b"near")
        self.start()
        self.ok("attach", "/far", str(self.mount))
        self.ok("attach", "/near", str(self.near))
        self.assertTrue(self.reads("/far/warm"))

    def unmount(self):
        self.server.kill()
        self.server.wait()
        self.server.stdout.close()
        subprocess.run(["umount", "--lazy", self.mount], check=False)

    def hang(self):
        # Not in the middle of an operation, which the kernel would wait for even after SIGKILL.
        before = None
        while before != self.status()["origin"]:
            before = self.status()["origin"]
            time.sleep(0.3)
        self.server.send_signal(signal.SIGSTOP)

    def come_back(self):
        self.server.send_signal(signal.SIGCONT)

    def all_hang(self):
        """More than threads of the node, of all kinds."""
        silent = f"origin file://{self.mount} had not answered when the deadline passed"
        self.assertIn(f"/far/cold: {silent}", self.refused(5, "cat", "/far/cold", *SHORT))
        self.assertIn(silent, self.refused(5, "ls", "/far/", *SHORT))
        waiting = [subprocess.Popen([program.PROGRAM, *words, *SHORT], stdin=subprocess.DEVNULL,
                                    stderr=subprocess.DEVNULL,
                                    env=dict(program.CLEAN, FOREBAY_NODE=self.node.unix))
                   for words in [("cat", f"/far/none-{number}") for number in range(24)]
                   + [("put", "-", "/far/new"), ("rm", "/far/other")]]
        for one in waiting:
            self.assertEqual(one.wait(program.TIME_LIMIT_S), 5)

    def test_readers_get_their_deadline_and_others_their_bytes(self):
        self.hang()
        self.assertTrue(self.reads("/far/warm"))
        self.all_hang()
        self.assertTrue(self.reads("/far/warm"))
        for number in range(4):
            self.assertEqual(self.ok("cat", f"/near/{number}"), b"near")
        self.ok("put", "-", "/near/new", data=b"new")
        self.assertEqual(self.ok("cat", "/near/new"), b"new")
        self.come_back()
        for name in ("warm", "cold"):
            self.assertTrue(self.reads(f"/far/{name}"), name)

    def test_the_node_stops_and_starts_and_has_what_was_cached(self):
        self.await_disk(3)
        self.hang()
        self.all_hang()
        self.assertEqual(self.node.stop(), 1)
        self.assertIn("something hangs that cannot be given up", self.node.said())
        self.start()
        self.assertEqual(self.ok("cat", "/near/0"), b"near")
        self.refused(5, "cat", "/far/warm", *SHORT)
        self.come_back()
        self.assertTrue(self.reads("/far/warm"))
        self.assertEqual(self.status()["origin"]["bytes"], len(b"near"))
        self.assertEqual(self.node.stop(), 0, self.node.said())


class HangingByEpoll(Hanging):
    flags = (*Hanging.flags, "--io", "epoll")


class Silent(WithOrigin):
    """A store that takes requests and never answers."""

    def test_readers_get_their_deadline_and_the_node_stops(self):
        store = SmallStore(self.bytes)
        self.addCleanup(store.stop)
        self.start()
        self.ok("attach", "/store", store.url)
        self.assertTrue(self.reads("/store/warm"))
        store.speaks.clear()
        self.assertTrue(self.reads("/store/warm"))
        said = self.refused(5, "cat", "/store/cold", *SHORT)
        self.assertIn("origin s3://bucket", said)
        self.assertIn("had not answered when the deadline passed", said)
        self.refused(5, "ls", "/store/", *SHORT)
        store.speaks.set()
        self.assertTrue(self.reads("/store/cold"))
        store.speaks.clear()
        self.refused(5, "cat", "/store/other", *SHORT)
        self.assertEqual(self.node.stop(), 0, self.node.said())


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]])
