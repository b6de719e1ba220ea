"""Everything at once: nodes die, hang, lose their disks and one another, etcd goes away, the origin
errs; and every byte that is read is right."""

import collections
import pathlib
import random
import re
import select
import signal
import subprocess
import sys
import threading
import time

import cell as cells
import library
import readers

sys.path.insert(1, str(pathlib.Path(__file__).resolve().parent.parent))
import fault_proxy  # noqa: E402: beside this folder

MIB = 2**20
NODES = 8
MOST_AWAY = 3
KEYS = 24
# How long a node that was cut off may believe what it knew (docs/CELL.md), and then some.
BELIEF_S = 15
SETTLE_S = 90
# Connections of those who vanished without a word end after a minute of silence.
VANISHED_S = 75
SAMPLE_S = 10
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "SOAK", "AWS_SECRET_ACCESS_KEY": "a-secret-of-the-soak"}
FLAGS = ["--dram", "48MiB", "--disk", "64MiB", "--grace", "2s", "--metadata", "16MiB"]


class Origin:
    """An S3 server that errs when it is told to: a node that stands alone, behind a proxy."""

    def __init__(self, program, folder, host, seed):
        self.folder = folder
        (folder / "keys").write_text(
            f"{CREDENTIALS['AWS_ACCESS_KEY_ID']} {CREDENTIALS['AWS_SECRET_ACCESS_KEY']} *:rwla\n")
        self.log = open(folder / "log", "wb")
        self.process = subprocess.Popen(
            [program, "node", "--data", folder / "data", "--socket", folder / "sock", "--listen",
             "127.0.0.1:0", "--http", "127.0.0.1:0", "--s3", "127.0.0.1:0", "--s3-keys",
             folder / "keys", "--dram", "400MiB", "--disk", "0"],
            stdout=subprocess.PIPE, stderr=self.log, env=cells.CLEAN)
        line = self.process.stdout.readline().decode()
        doors = dict(word.split(":", 1) for word in line.split()[1:])
        for name in ("set", "box"):
            subprocess.run([program, "attach", f"/{name}", folder / name], check=True,
                           capture_output=True,
                           env=dict(cells.CLEAN, FOREBAY_NODE=f"unix:{folder}/sock"))
        self.proxy = fault_proxy.FaultProxy(f"http://{doors['s3']}", seed, host)

    def stop(self):
        self.proxy.stop()
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.log.close()


class Box:
    """Names that are written all the time, and what each of them may say."""

    def __init__(self, seed):
        self.chance, self.lock = random.Random(seed), threading.Lock()
        self.attempted = [0] * KEYS
        self.acknowledged = [collections.deque(maxlen=1000) for _ in range(KEYS)]  # (time, number)
        self.unknown = [set() for _ in range(KEYS)]  # puts that failed may come to pass later
        self.wrong, self.failed, self.puts, self.gets = [], 0, 0, 0

    @staticmethod
    def content(key, number):
        return f"key {key} number {number};".encode() * (1 + number * 7919 % 3000)

    def put(self, client):
        key = self.chance.randrange(KEYS)
        with self.lock:
            self.attempted[key] += 1
            number = self.attempted[key]
            self.unknown[key].add(number)
        try:
            client.put(f"/box/{key}", self.content(key, number))
        except library.Failed:
            self.failed += 1
            return
        with self.lock:
            self.unknown[key].discard(number)
            self.acknowledged[key].append((time.monotonic(), number))
        self.puts += 1

    def get(self, client, where, slack=BELIEF_S):
        key = self.chance.randrange(KEYS)
        with self.lock:
            known = [number for at, number in self.acknowledged[key]
                     if at < time.monotonic() - slack]
            unknown = set(self.unknown[key])
        try:
            got = client.get(f"/box/{key}")
        except library.Failed:
            self.failed += 1
            return
        self.gets += 1
        if got is None:
            if known:
                self.wrong.append(f"{where}: key {key} is missing, {known[-1]} was acknowledged")
            return
        found = re.match(rb"key (\d+) number (\d+);", got)
        number = int(found[2]) if found else -1
        if got != self.content(key, number):
            found = {(int(of), int(n)) for of, n in re.findall(rb"key (\d+) number (\d+);", got)}
            self.wrong.append(f"{where}: key {key}: what nobody wrote: {len(got)} bytes, "
                              f"{len(self.content(key, number))} of {number} expected, keys and "
                              f"numbers in it {sorted(found)}, written {self.attempted[key]}")
        elif known and number < known[-1] and number not in unknown:
            self.wrong.append(f"{where}: key {key} says {number}, though {known[-1]} was "
                              f"acknowledged {slack} s before")


class Faults:
    """What goes wrong, by chance; each ends after a while."""

    def __init__(self, cell, origin, seed):
        self.cell, self.origin, self.chance = cell, origin, random.Random(seed)
        self.under_way = []  # (when it ends, what ends it, of what)
        self.counts = collections.Counter()
        self.kinds = ["kill", "kill", "wipe", "pause", "pause", "err", "err", "etcd"]
        if isinstance(cell.network, cells.Networks):
            self.kinds += ["partition", "partition"]

    def busy(self, what):
        return any(of == what for _, _, of in self.under_way)

    def step(self):
        self.undo(time.monotonic())
        if self.chance.random() < 0.4:
            kind = self.chance.choice(self.kinds)
            begun = getattr(self, kind)()
            if begun:
                seconds, undo, of = begun
                self.counts[kind] += 1
                self.under_way.append((time.monotonic() + seconds, undo, of))

    def undo(self, now):
        for one in [one for one in self.under_way if one[0] <= now]:
            self.under_way.remove(one)
            one[1]()

    def end(self):
        """All that is under way, and then what comes of it: who died anew is started again."""
        self.undo(float("inf"))
        until = time.monotonic() + SETTLE_S
        while self.under_way and time.monotonic() < until:
            time.sleep(0.2)
            self.undo(time.monotonic())

    def victim(self, first):
        """The first node lives through all of it, so that one can see what it has come to."""
        away = [of for _, _, of in self.under_way if isinstance(of, int)]
        left = [node for node in self.cell.nodes[first:] if node.number not in away]
        return self.chance.choice(left) if len(away) < MOST_AWAY else None

    def kill(self, wipe=False):
        node = self.victim(1)
        if node is None:
            return None
        node.stop(signal.SIGKILL)
        if wipe:
            node.wipe()
        return self.chance.uniform(0, 15), lambda: self.start(node), node.number

    def start(self, node):
        node.launch()
        self.watch(node)

    def watch(self, node):
        self.under_way.append((time.monotonic() + 0.5, lambda: self.look_after(node), node.number))

    def look_after(self, node):
        """Without etcd or a way to it a node gives up after a while: it is started again."""
        if not node.runs():
            node.process.stdout.close()
            self.start(node)
        elif select.select([node.process.stdout], [], [], 0)[0]:
            if not node.process.stdout.readline().startswith(b"ready: "):
                self.watch(node)  # it is about to end
        else:
            self.watch(node)

    def wipe(self):
        return self.kill(wipe=True)

    def pause(self):
        node = self.victim(0)
        if node is None or not node.runs():
            return None
        node.send(signal.SIGSTOP)
        return self.chance.uniform(0.2, 20), lambda: node.send(signal.SIGCONT), node.number

    def partition(self):
        if self.busy("network"):
            return None
        self.cell.network.part()
        return self.chance.uniform(1, 25), self.cell.network.heal, "network"

    def etcd(self):
        if self.busy("etcd"):
            return None
        self.cell.etcd.stop()
        return self.chance.uniform(0, 15), self.cell.etcd.start, "etcd"

    def err(self):
        """The origin does one thing to a share of what it is asked."""
        if self.busy("origin"):
            return None
        proxy = self.origin.proxy
        proxy.inject(self.chance.choice(fault_proxy.KINDS), self.chance.choice((0.1, 0.5, 1)))
        return self.chance.uniform(1, 10), lambda: proxy.inject(None, 0), "origin"


class Soak:
    def __init__(self, setting):
        self.setting, self.table = setting, setting.table
        self.minutes = setting.minutes or setting.by_size(0.3, 30)
        self.over = threading.Event()
        self.at_begin, self.samples = None, []

    def run(self):
        network = cells.Networks(NODES // 2) if cells.Networks.possible() else cells.Loopback()
        with cells.Cell(self.setting.program, NODES, FLAGS, network=network,
                        env=CREDENTIALS) as cell:
            self.cell = cell
            cells.make_objects(cell.folder / "set", 48, 4 * MIB)
            (cell.folder / "box").mkdir()
            self.data = readers.Data(cell.folder / "set", "/set/")
            self.origin = Origin(self.setting.program, cell.folder, network.root,
                                 self.setting.seed)
            try:
                for name in ("set", "box"):
                    cell.attach(name, f"s3://{name}", "--endpoint", self.origin.proxy.url,
                                "--chunk", "1MiB")
                self.break_things()
                self.see_it_whole()
            finally:
                self.origin.stop()

    def break_things(self):
        cell, box = self.cell, Box(self.setting.seed)
        faults = Faults(cell, self.origin, self.setting.seed)
        load = readers.Load(cell.nodes, self.data, self.setting.seed, timeout_s=10)
        with load:
            writing = [threading.Thread(target=self.write_and_read, args=(box, number),
                                        daemon=True) for number in range(4)]
            for thread in writing:
                thread.start()
            time.sleep(self.setting.by_size(4, 10))
            self.at_begin = self.measure()
            began = time.monotonic()
            until = began + self.minutes * 60
            while time.monotonic() < until and not load.wrong() and not box.wrong:
                faults.step()
                if time.monotonic() > began + SAMPLE_S * len(self.samples):
                    self.samples.append(self.measure())
                time.sleep(0.5)
            faults.end()
            time.sleep(3)
            self.over.set()
            for thread in writing:
                thread.join(60)
            load.end()
        self.report(load, box, faults)

    def write_and_read(self, box, number):
        chance, clients = random.Random(f"{self.setting.seed} {number}"), {}
        while not self.over.is_set():
            node = chance.choice(self.cell.nodes)
            try:
                if node.name not in clients:
                    clients[node.name] = library.Client(node.unix, 5)
                if chance.random() < 0.3:
                    box.put(clients[node.name])
                else:
                    box.get(clients[node.name], node.name)
            except library.Failed:
                box.failed += 1
            time.sleep(0.02)
        for client in clients.values():
            client.close()

    def measure(self):
        """Of the node that lives through all of it."""
        pid = self.cell.nodes[0].process.pid
        return cells.rss_bytes(pid), cells.descriptors(pid)

    def report(self, load, box, faults):
        table = self.table
        for one in load.wrong()[:5] + box.wrong[:5]:
            print("  " + one)
        table.info("soak: minutes, seed", f"{self.minutes:g} {self.setting.seed}")
        for kind, count in sorted(faults.counts.items()):
            table.info(f"soak: {kind}", str(count))
        table.info("soak: requests that the origin spoilt", str(self.origin.proxy.struck_in_all))
        table.must("soak: wrong bytes", f"{len(load.wrong())} of {load.reads()} reads", "0",
                   not load.wrong())
        table.must("soak: written names: old, missing, mixed",
                   f"{len(box.wrong)} of {box.gets} gets", "0", not box.wrong)
        table.info("soak: puts; puts and gets that failed", f"{box.puts} {box.failed}")
        table.info("soak: reads that failed while it was broken", str(len(load.failed())))
        reasons = collections.Counter(re.sub(r"[0-9]+", "N", what)[:110]
                                      for _, what in load.failed())
        for reason, count in reasons.most_common(5):
            print(f"  {count} x {reason}")

    def see_it_whole(self):
        """What was broken is whole again by itself."""
        cell, table = self.cell, self.table
        took = cell.converge(NODES)
        table.must("soak: one map again", f"{took:.1f} s", f"<= {cells.CONVERGE_S} s", True)
        load = readers.Load(cell.nodes, self.data, rounds=1)
        for reader in load.readers:
            reader.start()
        for reader in load.readers:
            reader.join(100)
        hung = [reader.node.name for reader in load.readers if reader.is_alive()]
        table.must("soak: readers that still wait", str(len(hung)), "0", not hung)
        load.hold(table, "soak: afterwards")
        time.sleep(3)
        (rss, files), (rss_now, files_now) = self.at_begin, self.measure()
        until = time.monotonic() + VANISHED_S
        while files_now > files + 16 and time.monotonic() < until:
            time.sleep(1)
            files_now = self.measure()[1]
        count = len(self.samples)
        quarters = [self.samples[n * count // 4:(n + 1) * count // 4] for n in range(4)]
        for what, number, unit in (("MiB", 0, MIB), ("descriptors", 1, 1)):
            most = [max((one[number] // unit for one in part), default="-") for part in quarters]
            table.info(f"soak: {what} of it, most of each quarter", " ".join(map(str, most)))
        table.figure("soak: memory of a node, of at its begin",
                     f"{rss_now / rss:.2f} ({rss_now / MIB:.0f} MiB)", "<= 1.25",
                     rss_now <= 1.25 * rss)
        table.figure("soak: descriptors of it, before and after", f"{files} {files_now}",
                     "<= 16 more", files_now <= files + 16)


def soak(setting):
    """Random kills, pauses, partitions, disk wipes, origin faults."""
    Soak(setting).run()


ROWS = {"soak": soak}
