#!/usr/bin/env python3
"""Many nodes of the real program as one cache, in an etcd that the test starts.

cell_test.py PROGRAM [unittest's arguments]
"""

import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest

from several import beside, free_ports

import program_test as program  # takes the program from the command line

TIER = os.environ.get("FOREBAY_TEST_TIER", "quick")
FILES = 8
FILE_BYTES = 4 * 2**20 + 13
START_TIME_S = 60
# The map follows within 20 s on a machine that has time for it; a loaded one gets more.
CONVERGE_S = 90


class Etcd:
    def __init__(self, folder):
        client, peer = free_ports(2)
        self.address = f"127.0.0.1:{client}"
        self.output = open(folder / "etcd.out", "wb")
        self.process = subprocess.Popen(
            ["etcd", "--data-dir", folder / "etcd", "--listen-client-urls",
             f"http://{self.address}", "--advertise-client-urls", f"http://{self.address}",
             "--listen-peer-urls", f"http://127.0.0.1:{peer}"],
            stdout=self.output, stderr=self.output)

    def signal(self, what):
        self.process.send_signal(what)

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.output.close()


class CellNode(program.Node):
    """One of many, on a folder that it keeps over its lives."""

    def __init__(self, cell, name, *flags, **options):
        self.home = cell.folder / name
        self.home.mkdir(exist_ok=True)
        super().__init__(self.home, "--cell", f"etcd://{cell.etcd.address}/test", "--name", name,
                         "--cell-secret-file", cell.secret, "--loops", "1", *flags, **options)
        self.name = name

    def figures(self):
        done = program.forebay("status", "--json", node=self.unix)
        return json.loads(done.stdout)


class Cell(unittest.TestCase):
    NODES = 3

    def setUp(self):
        if shutil.which("etcd") is None:
            raise RuntimeError("there is no etcd: install etcd-server")
        self.temporary = tempfile.TemporaryDirectory()
        self.folder = pathlib.Path(self.temporary.name)
        self.secret = self.folder / "secret"
        self.secret.write_text("5e" * 32 + "\n")
        self.etcd = Etcd(self.folder)
        self.nodes = {}
        self.data = self.folder / "data"
        self.data.mkdir()
        chance = random.Random(5)
        self.content = {f"{i}.bin": chance.randbytes(FILE_BYTES) for i in range(FILES)}
        for name, content in self.content.items():
            (self.data / name).write_bytes(content)

    def tearDown(self):
        for node in self.nodes.values():
            if not node.errors.closed:
                node.stop(signal.SIGKILL)
        self.etcd.stop()
        self.temporary.cleanup()

    def start(self):
        for i in range(self.NODES):
            self.nodes[f"n{i}"] = CellNode(self, f"n{i}")
        self.ok("n0", "attach", "/data", f"file://{self.data}")
        self.converge(self.NODES)
        for name in self.nodes:
            self.await_true(lambda node=name: "/data" in self.ok(node, "attachments").decode())

    def ok(self, name, *arguments, **options):
        done = program.forebay(*arguments, node=self.nodes[name].unix, **options)
        self.assertEqual(done.returncode, 0, done)
        return done.stdout

    def await_true(self, what, patience=CONVERGE_S):
        until = time.monotonic() + patience
        while not what():
            self.assertLess(time.monotonic(), until, "it did not come to that")
            time.sleep(0.1)

    def converge(self, live):
        """Until all who run have one map with so many in it; the seconds that it took."""
        began = time.monotonic()
        running = [node for node in self.nodes.values() if node.process.poll() is None]

        def agree():
            seen = {(one["epoch"], one["nodes"])
                    for one in (node.figures()["cell"] for node in running)}
            return len(seen) == 1 and seen.pop()[1] == live
        self.await_true(agree)
        return time.monotonic() - began

    def total(self, group, name):
        return sum(node.figures()[group][name] for node in self.nodes.values()
                   if node.process.poll() is None)

    def read(self, name, key):
        self.assertTrue(self.ok(name, "cat", f"/data/{key}") == self.content[key],
                        f"{name} gave other bytes of {key}")

    def read_in_own_order(self, name):
        keys = list(self.content)
        random.Random(name).shuffle(keys)
        for key in keys:
            self.read(name, key)

    def readers(self, names, over):
        """Tasks that read objects by chance until `over`; and what they count."""
        count = {"reads": 0, "longest": 0.0}

        def task(name):
            chance = random.Random(name)
            while not over.is_set():
                began = time.monotonic()
                self.read(name, chance.choice(list(self.content)))
                count["longest"] = max(count["longest"], time.monotonic() - began)
                count["reads"] += 1
        return [lambda name=name: task(name) for name in names], count


class OneCache(Cell):
    def test_the_origin_gives_each_byte_once(self):
        self.start()
        beside(*[lambda name=name: self.read_in_own_order(name) for name in self.nodes])
        asked = FILES * FILE_BYTES
        given = self.total("origin", "bytes")
        print(f"origin bytes {given / asked:.4f} of the data, by peers "
              f"{self.total('peer', 'bytes') / asked:.2f}")
        self.assertEqual(given, asked)
        self.assertEqual(self.total("peer", "fallbacks"), 0)

    def test_a_write_is_seen_through_every_node(self):
        self.start()
        names = list(self.nodes)
        writes = 40 if TIER == "quick" else 400
        for number in range(writes):
            key, text = f"/data/written{number % 5}", f"content {number}".encode()
            writer = names[number % len(names)]
            self.ok(writer, "put", "-", key, data=text)
            for name in names:
                self.assertEqual(self.ok(name, "cat", key), text, f"{writer} wrote, {name} read")
        print(f"{writes} writes, each read through {len(names)} nodes")

    def test_people_see_the_cell(self):
        self.start()
        listed = self.ok("n1", "nodes").decode()
        for name in self.nodes:
            self.assertRegex(listed, rf"(?m)^{name} .* live ")
        shown = json.loads(self.ok("n2", "map", "--json"))
        self.assertEqual([node["name"] for node in shown["nodes"]], list(self.nodes))
        self.assertIn(shown["controller"], self.nodes)
        self.assertIn("3 live of 3", self.ok("n0", "map").decode())


class Commands(Cell):
    """What people ask of a whole cell. Small chunks, so that every file has several owners."""
    CHUNK = 2**20
    BYTES = FILES * FILE_BYTES

    def start(self):
        super().start()
        self.ok("n0", "attach", "/small", f"file://{self.data}", "--chunk", "1MiB")
        for name in self.nodes:
            self.await_true(lambda node=name: "/small" in self.ok(node, "attachments").decode())

    def where(self, node, key):
        return json.loads(self.ok(node, "where", "--json", f"/small/{key}"))

    def peer_bytes(self, name):
        return self.nodes[name].figures()["peer"]["bytes"]

    def test_a_load_is_done_by_the_owners(self):
        self.start()
        said = self.ok("n0", "load", "/small/").decode()
        self.assertIn("3 nodes", said)
        self.assertEqual(self.total("origin", "bytes"), self.BYTES)
        self.assertEqual([self.peer_bytes(name) for name in self.nodes], [0, 0, 0])
        # Every chunk is at its owner, and nowhere else.
        owners = dict.fromkeys(self.nodes, 0)
        for key in self.content:
            shown = [self.where(name, key) for name in self.nodes]
            for chunks in zip(*[one["chunks"] for one in shown]):
                self.assertEqual(len({chunk["owner"] for chunk in chunks}), 1)
                owner = chunks[0]["owner"]
                owners[owner] += chunks[0]["size"]
                for name, chunk in zip(self.nodes, chunks):
                    held = chunk["size"] if name == owner else 0
                    self.assertEqual(chunk["here"]["memory_bytes"], held, f"{name} {key} {chunk}")
                    self.assertEqual(chunk["at_owner"]["memory_bytes"], chunk["size"])
        # Whoever reads now asks no origin.
        beside(*[lambda name=name: [self.assertEqual(self.ok(name, "cat", f"/small/{key}"),
                                                     content)
                                    for key, content in self.content.items()]
                 for name in self.nodes])
        self.assertEqual(self.total("origin", "bytes"), self.BYTES)
        print(f"loaded: origin bytes {self.total('origin', 'bytes') / self.BYTES:.4f} of the data, "
              f"peer bytes at the loader 0, owners {owners}: {said.strip()}")

    def test_a_load_passes_over_an_owner_that_died(self):
        self.start()
        self.nodes["n1"].stop(signal.SIGKILL)
        done = program.forebay("load", "/small/", node=self.nodes["n0"].unix)
        self.assertEqual(done.returncode, 0, done)
        self.assertIn("n1 did not answer", done.stderr.decode())
        self.assertEqual(self.total("origin", "bytes"), self.BYTES)
        self.assertEqual(self.peer_bytes("n0"), 0)
        for key in self.content:
            for chunk in self.where("n0", key)["chunks"]:
                if chunk["owner"] != "n1":
                    self.assertEqual(chunk["at_owner"]["memory_bytes"], chunk["size"])

    def test_where_people_see_owners(self):
        self.start()
        self.ok("n1", "cat", "/small/0.bin")
        shown = self.ok("n1", "where", "/small/0.bin").decode()
        self.assertRegex(shown, r"(?m)^memory  4194317 \(100%\)$")
        self.assertRegex(shown, r"(?m)^chunks  5 of 1 MiB")
        owners = [chunk["owner"] for chunk in self.where("n2", "0.bin")["chunks"]]
        for number, owner in enumerate(owners):
            self.assertRegex(shown, rf"(?m)^{number} +\S+ \S+ +{owner} +100% memory")
        self.nodes["n0"].stop(signal.SIGKILL)
        if "n0" in owners:
            self.assertIn("n0 did not answer", self.ok("n1", "where", "/small/0.bin").decode())

    def top(self, name):
        shown = json.loads(self.ok(name, "top", "--once", "--json"))
        return {node["name"]: node for node in shown["nodes"]}

    def test_top_shows_every_node(self):
        self.start()
        self.ok("n0", "load", "/small/")
        before = self.top("n2")
        self.assertEqual([node["state"] for node in before.values()], ["live"] * 3)
        self.assertEqual(sum(node["status"]["origin"]["bytes"] for node in before.values()),
                         self.BYTES)
        over = threading.Event()
        tasks, _ = self.readers(["n1"], over)

        def look():
            try:
                self.await_true(lambda: self.top("n0")["n1"]["hits_per_s"] > 0)
            finally:
                over.set()
        beside(look, *tasks)
        table = self.ok("n0", "top", "--once").decode()
        self.assertRegex(table, r"(?m)^all +3 ")
        self.nodes["n1"].process.send_signal(signal.SIGSTOP)
        try:
            began = time.monotonic()
            shown = self.top("n0")
            took = time.monotonic() - began
            self.assertEqual(shown["n1"]["state"], "silent")
            self.assertNotIn("status", shown["n1"])
            self.assertEqual(shown["n2"]["state"], "live")
        finally:
            self.nodes["n1"].process.send_signal(signal.SIGCONT)
        print(f"top with one silent of three took {took:.1f} s, of which 1 s is the second")

    def test_ctrl_c_ends_a_load_at_all_owners(self):
        self.start()
        large = self.data / "large"
        large.mkdir()
        for number in range(200):
            with open(large / f"{number}", "wb") as file:
                file.truncate(32 * 2**20)
        loading = subprocess.Popen(
            [program.PROGRAM, "load", "/small/large/"], stderr=subprocess.PIPE,
            stdout=subprocess.PIPE, env=dict(program.CLEAN, FOREBAY_NODE=self.nodes["n0"].unix))
        self.await_true(lambda: self.total("origin", "bytes") > 0)
        loading.send_signal(signal.SIGINT)
        said = loading.communicate(timeout=program.TIME_LIMIT_S)[1].decode()
        self.assertEqual(loading.returncode, 130, said)
        self.assertIn("run it again to go on", said)

        def still():
            before = self.total("origin", "bytes")
            time.sleep(0.5)
            return self.total("origin", "bytes") == before
        self.await_true(still)
        print(f"interrupted after {self.total('origin', 'bytes') / 2**20:.0f} of 6400 MiB")
        self.assertLess(self.total("origin", "bytes"), 200 * 32 * 2**20)


class Losses(Cell):
    def test_an_owner_that_is_killed_costs_no_read(self):
        self.start()
        over = threading.Event()
        tasks, count = self.readers(["n0", "n2"], over)
        took = []

        def kill():
            try:
                self.await_true(lambda: count["reads"] >= 10)
                self.nodes["n1"].stop(signal.SIGKILL)
                took.append(self.converge(2))
                self.nodes["n1"] = CellNode(self, "n1")
                took.append(self.converge(3))
                self.read_in_own_order("n1")
            finally:
                over.set()
        beside(kill, *tasks)
        print(f"killed: {count['reads']} reads, none failed, the longest {count['longest']:.2f} s, "
              f"out of the map after {took[0]:.1f} s, back after {took[1]:.1f} s")

    def test_an_owner_that_is_stopped_costs_no_read_and_gives_no_old_byte(self):
        self.start()
        self.ok("n0", "put", "-", "/data/name", data=b"old")
        for name in self.nodes:
            self.assertEqual(self.ok(name, "cat", "/data/name"), b"old")
        over = threading.Event()
        tasks, count = self.readers(["n0", "n2"], over)

        def pause():
            try:
                self.await_true(lambda: count["reads"] >= 10)
                self.nodes["n1"].process.send_signal(signal.SIGSTOP)
                self.ok("n2", "put", "-", "/data/name", data=b"new")
                # Its lease runs out, and the others leave it out.
                self.await_true(lambda: self.nodes["n0"].figures()["cell"]["nodes"] == 2)
            finally:
                self.nodes["n1"].process.send_signal(signal.SIGCONT)
                over.set()
        beside(pause, *tasks)
        self.assertEqual(self.ok("n1", "cat", "/data/name"), b"new")
        self.converge(3)
        for name in self.nodes:
            self.assertEqual(self.ok(name, "cat", "/data/name"), b"new")
        print(f"stopped: {count['reads']} reads, none failed, the longest {count['longest']:.2f} s")

    def test_without_etcd_reading_goes_on(self):
        self.start()
        over = threading.Event()
        tasks, count = self.readers(list(self.nodes), over)

        def stop_etcd():
            try:
                self.await_true(lambda: count["reads"] >= 10)
                self.etcd.signal(signal.SIGSTOP)
                before = count["reads"]
                time.sleep(15 if TIER == "quick" else 60)
                self.assertGreater(count["reads"], before)
            finally:
                self.etcd.signal(signal.SIGCONT)
                over.set()
        beside(stop_etcd, *tasks)
        self.converge(3)
        self.ok("n1", "attach", "/more", f"file://{self.data}")
        self.await_true(lambda: "/more" in self.ok("n2", "attachments").decode())
        print(f"without etcd: {count['reads']} reads, none failed, the longest "
              f"{count['longest']:.2f} s")


class Leaving(Cell):
    """Nodes that go because somebody wants them to."""

    def state(self, name):
        lines = self.ok("n0", "nodes").decode().splitlines()
        return next(line.split()[2] for line in lines if line.split()[0] == name)

    def test_a_drained_node_hands_over_what_it_owned(self):
        self.start()
        self.ok("n0", "load", "/data/")
        said = self.ok("n1", "drain").decode()
        self.assertIn("handed over", said)
        self.assertNotIn("failed", said)
        self.assertEqual(self.state("n1"), "leaving")
        self.nodes["n1"].stop()
        self.converge(2)
        before = self.total("origin", "bytes")
        for name in ("n0", "n2"):
            self.read_in_own_order(name)
        self.assertEqual(self.total("origin", "bytes"), before, "what it had is lost")
        print(f"drained: {said.splitlines()[0]}")

    def test_the_last_owner_stays(self):
        self.start()
        self.ok("n1", "drain", "--budget", "0")
        self.ok("n2", "drain", "--budget", "0")
        done = program.forebay("drain", node=self.nodes["n0"].unix)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("the last node of the cell", done.stderr.decode())
        self.ok("n1", "drain", "--undo")
        self.await_true(lambda: self.state("n1") == "live")
        self.ok("n0", "drain", "--budget", "0")
        self.read_in_own_order("n0")

    def test_all_are_restarted_one_after_the_other(self):
        self.start()
        over = threading.Event()
        # Whoever reads has a node that runs: a command that finds none says so.
        tasks, count = self.readers(["n0", "n1"], over)
        later, others = self.readers(["n2"], over)

        def restart(name, reads):
            before = reads["reads"]
            self.await_true(lambda: reads["reads"] >= before + 10)
            self.nodes[name].stop()
            self.nodes[name] = CellNode(self, name)
            self.converge(self.NODES)

        def restart_all():
            try:
                for name in ("n0", "n1"):
                    restart(name, others)
            finally:
                over.set()
        beside(restart_all, *later)
        over.clear()

        def restart_last():
            try:
                restart("n2", count)
            finally:
                over.set()
        beside(restart_last, *tasks)
        count = {"reads": count["reads"] + others["reads"],
                 "longest": max(count["longest"], others["longest"])}
        for name in self.nodes:
            self.read_in_own_order(name)
        before = self.total("origin", "bytes")
        for name in self.nodes:
            self.read_in_own_order(name)
        self.assertEqual(self.total("origin", "bytes"), before)
        print(f"restarted: {count['reads']} reads, none failed, the longest "
              f"{count['longest']:.2f} s; afterwards all are hits")


class Refusals(Cell):
    NODES = 1

    def refused(self, *flags):
        home = self.folder / "refused"
        home.mkdir(exist_ok=True)
        with self.assertRaises(RuntimeError) as caught:
            program.Node(home, *flags)
        return str(caught.exception)

    def test_what_cannot_be_is_told(self):
        self.start()
        cell = ["--cell", f"etcd://{self.etcd.address}/test"]
        secret = ["--cell-secret-file", str(self.secret)]
        self.assertIn("--cell-secret-file", self.refused(*cell))
        self.assertIn("a node named n0 lives at", self.refused(*cell, *secret, "--name", "n0"))
        self.assertIn("node name", self.refused(*cell, *secret, "--name", "a b"))
        short = self.folder / "short"
        short.write_text("abc\n")
        self.assertIn("openssl rand -hex 32",
                      self.refused(*cell, "--cell-secret-file", str(short)))
        port = free_ports(1)[0]
        self.assertIn(str(port), self.refused("--cell", f"etcd://127.0.0.1:{port}/test", *secret))
        done = program.forebay("nodes", node=self.nodes["n0"].unix)
        self.assertEqual(done.returncode, 0, done)

    def test_a_node_with_another_secret_reads_for_itself(self):
        self.start()
        home = self.folder / "other"
        home.mkdir()
        other = self.folder / "other-secret"
        other.write_text("0f" * 32 + "\n")
        node = program.Node(home, "--cell", f"etcd://{self.etcd.address}/test", "--name", "other",
                            "--cell-secret-file", other)
        self.nodes["other"] = node
        self.await_true(lambda: "/data" in self.ok("other", "attachments").decode())
        self.read_in_own_order("other")
        self.read_in_own_order("n0")
        figures = json.loads(self.ok("other", "status", "--json"))
        self.assertEqual(figures["peer"]["bytes"], 0)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]])
