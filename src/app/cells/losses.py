"""Rows of what is lost while others read."""

import pathlib
import signal
import sys
import threading
import time

import cell as cells
import library
import readers

sys.path.insert(1, str(pathlib.Path(__file__).resolve().parent.parent))
import hostile_test as hostile  # noqa: E402: beside this folder

MIB = 2**20
NODES = 8
# Memory for a quarter of the data each: together for all of it, and who reads must ask others.
FLAGS = ["--dram", "128MiB", "--disk", "192MiB"]
CONVERGED_S = 20
NEXT_VERSION = 3  # forebay_next
STALL_S = 1.0


class Scene:
    """8 nodes in front of data that they have read, and a box that is written to."""

    def __init__(self, setting, network=None, flags=FLAGS):
        self.setting, self.table = setting, setting.table
        self.cell = cells.Cell(setting.program, NODES, flags, network=network)

    def __enter__(self):
        cell = self.cell.__enter__()
        try:
            origin = cell.folder / "origin"
            cells.make_objects(origin, 64, self.setting.by_size(MIB, 8 * MIB))
            (cell.folder / "box").mkdir()
            self.data = readers.Data(origin, "/set/")
            cell.attach("set", origin, "--chunk", "1MiB")
            cell.attach("box", cell.folder / "box")
            cell.nodes[0].command("load", "/set/")
        except BaseException:
            cell.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.cell.__exit__()

    def settle(self, load, seconds):
        """Its rate, once it has gone on for a while; stalls count from now on."""
        time.sleep(2)
        rate = load.rate(seconds)
        load.longest()
        return rate


class Writer:
    """Puts ever newer contents through some nodes, and reads them back through others."""

    def __init__(self, nodes):
        self.nodes, self.over = nodes, threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.count, self.slowest, self.stale, self.failed = 0, 0.0, [], []
        self.newest = {}

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()

    def run(self):
        clients = [library.Client(node.unix) for node in self.nodes]
        while not self.over.is_set():
            try:
                self.step(clients)
            except library.Failed as error:
                self.failed.append(str(error))
            time.sleep(0.02)
        for client in clients:
            client.close()

    def step(self, clients):
        key = f"/box/{self.count % 20}"
        content = f"{key} content {self.count}".encode()
        began = time.monotonic()
        clients[self.count % len(clients)].put(key, content)
        self.slowest = max(self.slowest, time.monotonic() - began)
        self.newest[key] = content
        got = clients[(self.count + 1) % len(clients)].get(key)
        if got != content:
            self.stale.append(f"{key}: {got}, not {content}")
        self.count += 1

    def check(self, nodes):
        """What each of them says now."""
        for node in nodes:
            with library.Client(node.unix) as client:
                for key, content in self.newest.items():
                    got = client.get(key)
                    if got != content:
                        self.stale.append(f"{node.name}: {key}: {got}, not {content}")

    def hold(self, table, line):
        for one in self.stale[:5] + self.failed[:5]:
            print("  " + one)
        table.must(f"{line}: old or missing of what was put", f"{len(self.stale)} of {self.count}",
                   "0", not self.stale)
        table.must(f"{line}: failed puts and reads of them", f"{len(self.failed)}", "0",
                   not self.failed)
        table.info(f"{line}: slowest put", f"{self.slowest:.2f} s")


def stall(table, line, load):
    longest = load.longest()
    table.figure(f"{line}: longest stall", f"{longest:.2f} s", f"<= {STALL_S} s",
                 longest <= STALL_S)


def converged(table, line, took):
    table.figure(f"{line}: map converged after", f"{took:.1f} s", f"<= {CONVERGED_S} s",
                 took <= CONVERGED_S)


def kill(setting):
    """kill -9 of an owner in the middle of reading."""
    table = setting.table
    with Scene(setting) as scene:
        victim, others = scene.cell.nodes[-1], scene.cell.nodes[:-1]
        with readers.Load(others, scene.data) as load:
            scene.settle(load, 3)
            victim.stop(signal.SIGKILL)
            origin = scene.cell.total("origin", "bytes")
            converged(table, "kill", scene.cell.converge(NODES - 1))
            time.sleep(2)
            stall(table, "kill", load)
            origin = scene.cell.total("origin", "bytes") - origin
            table.info("kill: origin bytes without it, of all data",
                       f"{origin / scene.data.bytes():.2f}")
            victim.start()
            converged(table, "kill, started again", scene.cell.converge(NODES))
            time.sleep(2)
            stall(table, "kill, started again", load)
            load.end()
            load.hold(table, "kill")


def pause(setting):
    """SIGSTOP of an owner for 30 s, then SIGCONT, while others write."""
    table = setting.table
    with Scene(setting) as scene:
        victim, others = scene.cell.nodes[-1], scene.cell.nodes[:-1]
        with readers.Load(others, scene.data) as load, Writer(others) as writer:
            scene.settle(load, 3)
            began = time.monotonic()
            victim.send(signal.SIGSTOP)
            converged(table, "pause", scene.cell.converge(NODES - 1, others))
            time.sleep(max(0.0, 30 - (time.monotonic() - began)))
            stall(table, "pause", load)
            victim.send(signal.SIGCONT)
            # What it says at once is as good as what it says later.
            writer_until = time.monotonic() + 5
            writer.over.set()
            writer.thread.join()
            writer.check([victim])
            converged(table, "pause, continued", scene.cell.converge(NODES))
            time.sleep(max(0.0, writer_until - time.monotonic()))
            stall(table, "pause, continued", load)
            writer.check(scene.cell.nodes)
            load.end()
        load.hold(table, "pause")
        writer.hold(table, "pause")
        readers.read_all([victim], scene.data)


def etcd(setting):
    """etcd is stopped for 60 s under load, and started again."""
    table = setting.table
    away = setting.by_size(15, 60)
    with Scene(setting) as scene:
        with readers.Load(scene.cell.nodes, scene.data) as load:
            before = scene.settle(load, setting.by_size(5, 20))
            scene.cell.etcd.stop()
            during = load.rate(away)
            stall(table, "etcd", load)
            scene.cell.etcd.start()
            cells.await_true(lambda: attaches(scene.cell), 60)
            converged(table, "etcd", scene.cell.converge(NODES))
            load.end()
        load.hold(table, "etcd")
        ratio = during / before
        table.figure(f"etcd: throughput in the {away} s without it", f"{ratio:.2f}", ">= 0.90",
                     ratio >= 0.9)
        frozen = sum(node.figures()["cell"]["frozen"] for node in scene.cell.nodes)
        table.must("etcd: left frozen", str(frozen), "0", frozen == 0)


def attaches(cell):
    """The registry can be written to again."""
    try:
        cell.nodes[0].command("attach", "/later", str(cell.folder / "box"))
        return True
    except RuntimeError as error:
        return "exists" in str(error)


def partition(setting):
    """Half the cell is cut off from the other half and from etcd; both reach the origin."""
    table = setting.table
    if not cells.Networks.possible():
        return table.info("partition", "wants root, ip and tc")
    half = NODES // 2
    with Scene(setting, network=cells.Networks(half)) as scene:
        cell = scene.cell
        with readers.Load(cell.nodes, scene.data) as load:
            scene.settle(load, 2)
            cell.network.part()
            time.sleep(setting.by_size(12, 40))
            table.info("partition: longest stall", f"{load.longest():.2f} s")
            reads = [reader.reads for reader in load.readers]
            time.sleep(2)
            still = [name for name, before, reader in
                     zip("01234567", reads, load.readers) if reader.reads == before]
            table.must("partition: nodes through which nobody reads", str(len(still)), "0",
                       not still)
            cell.network.heal()
            converged(table, "partition, healed", cell.converge(NODES))
            load.end()
        load.hold(table, "partition")
        readers.read_all(cell.nodes, scene.data)


def hit_ratio(cell, load, seconds):
    """Of what was read, what needed no origin."""
    origin, read = cell.total("origin", "bytes"), load.bytes()
    time.sleep(seconds)
    return 1 - (cell.total("origin", "bytes") - origin) / max(1, load.bytes() - read)


def speaks(node, version):
    """Whether it takes up a conversation in this version of the protocol and no other."""
    connection = hostile.Connection(node.unix)
    connection.send(hostile.hello(version, version))
    kind, _ = connection.frame()
    connection.close()
    return kind == hostile.WELCOME


def restart(setting):
    """All 8 nodes, one after the other, while processes read through all of them; with a program of
    the next version of the protocol, where there is one."""
    table = setting.table
    with Scene(setting) as scene:
        cell = scene.cell
        with readers.Load(cell.nodes, scene.data) as load:
            scene.settle(load, setting.by_size(3, 10))
            before = hit_ratio(cell, load, setting.by_size(3, 10))
            origin, began = cell.total("origin", "bytes"), time.monotonic()
            load.longest()
            speak = []
            for node in cell.nodes:
                origin_of = node.figures()["origin"]["bytes"]
                node.stop()
                node.program = setting.next or node.program
                node.start()
                cell.converge(NODES)
                origin -= origin_of
                if setting.next:
                    speak.append(sum(speaks(one, NEXT_VERSION) for one in cell.nodes))
            took = time.monotonic() - began
            table.info("restart: all 8 took", f"{took:.1f} s")
            if setting.next:
                table.must(f"restart: nodes that speak version {NEXT_VERSION}",
                           " ".join(map(str, speak)), "1 2 3 ... 8",
                           speak == list(range(1, NODES + 1)))
            table.info("restart: longest stall, own node away", f"{load.longest():.2f} s")
            table.info("restart: origin bytes meanwhile, of all data",
                       f"{(cell.total('origin', 'bytes') - origin) / scene.data.bytes():.3f}")
            time.sleep(setting.by_size(2, 20))
            after = hit_ratio(cell, load, setting.by_size(3, 10))
            load.end()
        load.hold(table, "restart")
        table.figure("restart: hit ratio after, of before", f"{after:.3f} of {before:.3f}",
                     ">= 0.95", after >= 0.95 * before)


ROWS = {"kill": kill, "pause": pause, "etcd": etcd, "partition": partition, "restart": restart}
