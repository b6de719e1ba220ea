"""A cell of real processes: etcd and N nodes, on loopback or each in a network of its own."""

import json
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import sys
import time

sys.path.insert(1, str(pathlib.Path(__file__).resolve().parent.parent))
from several import free_ports  # noqa: E402: beside this folder

START_S = 60
COMMAND_S = 120
CONVERGE_S = 120
CLEAN = {key: value for key, value in os.environ.items() if not key.startswith("FOREBAY_")}
MIB = 2**20
_TICKS = os.sysconf("SC_CLK_TCK")


def cpu_s(pid):
    words = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(words[11]) + int(words[12])) / _TICKS


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def rss_bytes(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    return 0


def run(*command):
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.decode()}")


class Loopback:
    """All share this machine's own network."""
    root = "127.0.0.1"

    def join(self, number):
        return [], "127.0.0.1:0"

    def remove(self):
        pass


class Networks:
    """A network for each node, on one of two bridges. The first has etcd and this process, too; a
    link joins them, and may be taken down. Wants root."""
    root = "10.249.0.1"

    def __init__(self, first_half):
        self.first_half = first_half
        self.id = f"fb{os.getpid() % 100000:x}"
        self.spaces = []
        self.bridges = [f"{self.id}a", f"{self.id}b"]
        try:
            self._make_bridges()
        except BaseException:
            self.remove()
            raise

    def _make_bridges(self):
        for bridge in self.bridges:
            run("ip", "link", "add", bridge, "type", "bridge")
            run("ip", "link", "set", bridge, "up")
        run("ip", "address", "add", f"{self.root}/16", "dev", self.bridges[0])
        self._pair(f"{self.id}x", f"{self.id}y")
        for end, bridge in zip((f"{self.id}x", f"{self.id}y"), self.bridges):
            run("ip", "link", "set", end, "master", bridge, "up")

    @staticmethod
    def possible():
        """Root of a container may not be allowed to."""
        if os.geteuid() != 0 or not all(shutil.which(tool) for tool in ("ip", "tc")):
            return False
        probe = f"fb{os.getpid() % 100000:x}p"
        tried = [subprocess.run(["ip", *words], capture_output=True, check=False).returncode
                 for words in (("netns", "add", probe), ("link", "add", probe, "type", "bridge"),
                               ("link", "del", probe), ("netns", "del", probe))]
        return not any(tried)

    def _pair(self, here, there):
        run("ip", "link", "add", here, "type", "veth", "peer", "name", there)

    def join(self, number):
        """What to run a node with, and where it listens."""
        space = f"{self.id}n{number}"
        if space not in self.spaces:
            run("ip", "netns", "add", space)
            self.spaces.append(space)
            here, there = f"{space}h", f"{space}t"
            self._pair(here, there)
            bridge = self.bridges[0 if number < self.first_half else 1]
            run("ip", "link", "set", here, "master", bridge, "up")
            run("ip", "link", "set", there, "netns", space)
            inside = ("ip", "-n", space)
            run(*inside, "link", "set", "lo", "up")
            run(*inside, "address", "add", f"10.249.1.{number + 1}/16", "dev", there)
            run(*inside, "link", "set", there, "up")
        return ["ip", "netns", "exec", space], f"10.249.1.{number + 1}:7400"

    def limit(self, number, rate):
        """What a node sends, from now on."""
        space = f"{self.id}n{number}"
        run("tc", "-n", space, "qdisc", "replace", "dev", f"{space}t", "root", "tbf", "rate", rate,
            "burst", "256kb", "latency", "100ms")

    def part(self):
        run("ip", "link", "set", f"{self.id}x", "down")

    def heal(self):
        run("ip", "link", "set", f"{self.id}x", "up")

    def remove(self):
        for space in self.spaces:
            subprocess.run(["ip", "link", "del", f"{space}h"], capture_output=True, check=False)
            subprocess.run(["ip", "netns", "del", space], capture_output=True, check=False)
        for link in (f"{self.id}x", *self.bridges):
            subprocess.run(["ip", "link", "del", link], capture_output=True, check=False)


class Etcd:
    """Keeps its data and its places when it is stopped and started again."""

    def __init__(self, folder, host):
        self.folder = folder
        client, peer = free_ports(2)
        self.address, self.peer = f"{host}:{client}", f"127.0.0.1:{peer}"
        self.process = None

    def start(self):
        with open(self.folder / "etcd.out", "ab") as output:
            self.process = subprocess.Popen(
                ["etcd", "--data-dir", self.folder / "etcd", "--listen-client-urls",
                 f"http://{self.address}", "--advertise-client-urls", f"http://{self.address}",
                 "--listen-peer-urls", f"http://{self.peer}"], stdout=output, stderr=output)

    def stop(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()


class Node:
    def __init__(self, cell, number, flags):
        self.cell, self.number, self.flags = cell, number, flags
        self.name = f"n{number}"
        self.home = cell.folder / self.name
        self.home.mkdir()
        self.unix = f"unix:{self.home}/sock"
        self.program = cell.program
        self.prefix, self.listen = cell.network.join(number)
        self.process = None

    def start(self):
        self.launch()
        self.await_ready()

    def launch(self):
        with open(self.home / "log", "ab") as log:
            self.process = subprocess.Popen(
                [*self.prefix, self.program, "node", "--cell",
                 f"etcd://{self.cell.etcd.address}/rows", "--cell-secret-file", self.cell.secret,
                 "--name", self.name, "--data", self.home / "data", "--socket", self.home / "sock",
                 "--listen", self.listen, "--http", "127.0.0.1:0", "--s3", "none", *self.flags],
                stdout=subprocess.PIPE, stderr=log, env=dict(CLEAN, **self.cell.env))

    def await_ready(self):
        line = self.process.stdout.readline().decode()
        if not line.startswith("ready: "):
            raise RuntimeError(f"{self.name} said '{line}', and {self.said()[-2000:]}")

    def said(self):
        return (self.home / "log").read_text(errors="replace")

    def runs(self):
        return self.process is not None and self.process.poll() is None

    def send(self, what):
        self.process.send_signal(what)

    def stop(self, how=signal.SIGTERM):
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.send_signal(how)
        self.process.wait(START_S)
        self.process.stdout.close()

    def wipe(self):
        """Its disk is replaced by an empty one."""
        shutil.rmtree(self.home / "data", ignore_errors=True)

    def command(self, *arguments):
        done = subprocess.run([self.program, *arguments], capture_output=True, check=False,
                              timeout=COMMAND_S, env=dict(CLEAN, FOREBAY_NODE=self.unix))
        if done.returncode != 0:
            raise RuntimeError(f"{self.name}: {arguments}: {done.stderr.decode()}")
        return done.stdout.decode()

    def figures(self):
        return json.loads(self.command("status", "--json"))


class Cell:
    """`with Cell(program, 8, flags) as cell`: they run, and have one map. `flags_of` has those of
    nodes that are otherwise, by number."""

    def __init__(self, program, count, flags=(), *, network=None, env=None, flags_of=None):
        self.program, self.count = program, count
        self.network = network or Loopback()
        self.env = env or {}
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="forebay-cell-"))
        self.secret = self.folder / "secret"
        self.secret.write_text("5e" * 32 + "\n")
        self.etcd = Etcd(self.folder, self.network.root)
        self.flags, self.flags_of = [str(flag) for flag in flags], flags_of or {}
        self.nodes = []

    def __enter__(self):
        try:
            self.etcd.start()
            self.nodes = [Node(self, number, self.flags_of.get(number, self.flags))
                          for number in range(self.count)]
            for node in self.nodes:
                node.launch()
            for node in self.nodes:
                node.await_ready()
            self.converge(self.count)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for node in self.nodes:
            if node.runs():
                node.send(signal.SIGCONT)
            node.stop(signal.SIGKILL)
        self.etcd.stop()
        self.network.remove()
        if os.environ.get("FOREBAY_KEEP"):
            print(f"kept: {self.folder}")
        else:
            shutil.rmtree(self.folder, ignore_errors=True)

    def attach(self, name, origin, *flags):
        self.nodes[0].command("attach", f"/{name}", str(origin), *flags)
        for node in self.nodes:
            await_true(lambda node=node: f"/{name}" in node.command("attachments"))

    def maps(self, nodes):
        return {(one["epoch"], one["nodes"]) for one in
                (node.figures()["cell"] for node in nodes)}

    def converge(self, live, nodes=None, patience=CONVERGE_S):
        """Until all who run have one map with so many in it; the seconds that it took."""
        began = time.monotonic()
        nodes = nodes or [node for node in self.nodes if node.runs()]

        def agree():
            seen = self.maps(nodes)
            return len(seen) == 1 and seen.pop()[1] == live
        await_true(agree, patience)
        return time.monotonic() - began

    def total(self, group, figure):
        return sum(node.figures()[group][figure] for node in self.nodes if node.runs())


def await_true(what, patience=CONVERGE_S):
    until = time.monotonic() + patience
    while not what():
        if time.monotonic() > until:
            raise RuntimeError("it did not come to that within "
                               f"{patience} s: {getattr(what, '__qualname__', what)}")
        time.sleep(0.1)


def make_objects(folder, count, size, seed=1):
    """Objects of which no two blocks are alike."""
    folder.mkdir(parents=True, exist_ok=True)
    chance = random.Random(seed)
    for number in range(count):
        with open(folder / f"{number}.bin", "wb") as file:
            left = size
            while left > 0:
                piece = chance.randbytes(min(left, 4 * MIB))
                file.write(piece)
                left -= len(piece)
