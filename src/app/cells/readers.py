"""Those who read through a cell meanwhile, believe no byte, and note how long they waited."""

import ctypes
import mmap
import os
import random
import threading
import time

import library

PIECE = 2**20


class Data:
    """Objects of a folder, as they must be read."""

    def __init__(self, folder, prefix):
        self.prefix, self.maps, self.at, self.sizes = prefix, [], [], []
        for number in range(len(os.listdir(folder))):
            with open(folder / f"{number}.bin", "rb") as file:
                view = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
            self.maps.append(view)
            self.at.append(ctypes.addressof(ctypes.c_char.from_buffer(view)))
            self.sizes.append(len(view))

    def __len__(self):
        return len(self.sizes)

    def bytes(self):
        return sum(self.sizes)

    def path(self, number):
        return f"{self.prefix}{number}.bin"


class Reader(threading.Thread):
    """One process's worth of reading through one node, object after object in an order of its
    own. A read that fails is counted, and said; a wrong byte ends it."""

    def __init__(self, node, data, seed, over=None, rounds=None, verify=True, timeout_s=30.0,
                 shared_memory=True):
        super().__init__(daemon=True)
        self.node, self.data, self.over, self.rounds = node, data, over, rounds
        self.chance = random.Random(seed)
        self.verify, self.timeout_s, self.shared_memory = verify, timeout_s, shared_memory
        self.bytes, self.reads, self.longest, self.longest_at = 0, 0, 0.0, 0.0
        self.failed, self.wrong = [], []
        self.since = None  # what is in progress now
        self.buffer = ctypes.create_string_buffer(PIECE)
        self.client = None

    def run(self):
        done = 0
        while not self.ended() and (self.rounds is None or done < self.rounds):
            order = list(range(len(self.data)))
            self.chance.shuffle(order)
            for number in order:
                if self.ended():
                    break
                self.attempt(number)
            done += 1
        if self.client is not None:
            self.client.close()

    def ended(self):
        return bool(self.wrong) or (self.over is not None and self.over.is_set())

    def attempt(self, number):
        try:
            if self.client is None:
                self.client = self.timed(lambda: library.Client(
                    self.node.unix, self.timeout_s, self.shared_memory))
            self.read_object(number)
        except library.Failed as error:
            self.failed.append((time.monotonic(), f"{self.node.name}: {error}"))
            time.sleep(0.05)

    def timed(self, call):
        self.since = began = time.monotonic()
        try:
            return call()
        finally:
            took = time.monotonic() - began
            self.since = None
            if took > self.longest:
                self.longest, self.longest_at = took, began

    def read_object(self, number):
        size, into = self.data.sizes[number], ctypes.addressof(self.buffer)
        with self.timed(lambda: self.client.open(self.data.path(number))) as file:
            for offset in range(0, size, PIECE):
                if self.ended():
                    return
                want = min(PIECE, size - offset)
                got = self.timed(lambda: file.read(into, PIECE, offset))
                right = got == want and (not self.verify or library.same(
                    into, self.data.at[number] + offset, want))
                if not right:
                    self.wrong.append(f"{self.node.name}: {self.data.path(number)} at {offset}: "
                                      f"{got} bytes, of which some are wrong")
                    return
                self.bytes += got
                self.reads += 1


class Load:
    """Readers at all of some nodes: `with Load(...) as load`, until the block ends."""

    def __init__(self, nodes, data, seed=7, **options):
        self.over = threading.Event()
        self.readers = [Reader(node, data, f"{seed} {node.name}", self.over, **options)
                        for node in nodes]

    def __enter__(self):
        for reader in self.readers:
            reader.start()
        return self

    def __exit__(self, *_):
        self.end()

    def end(self, patience=100):
        self.over.set()
        until = time.monotonic() + patience
        for reader in self.readers:
            reader.join(max(0.0, until - time.monotonic()))
        hung = [reader.node.name for reader in self.readers if reader.is_alive()]
        if hung:
            raise RuntimeError(f"readers of {hung} still wait for an answer")

    def bytes(self):
        return sum(reader.bytes for reader in self.readers)

    def reads(self):
        return sum(reader.reads for reader in self.readers)

    def longest(self):
        """Since the last call; what is in progress counts, too."""
        now = time.monotonic()
        longest = max([reader.longest for reader in self.readers]
                      + [now - since for since in (reader.since for reader in self.readers)
                         if since is not None])
        for reader in self.readers:
            reader.longest = 0.0
        return longest

    def failed(self):
        return [one for reader in self.readers for one in reader.failed]

    def wrong(self):
        return [one for reader in self.readers for one in reader.wrong]

    def rate(self, seconds):
        """Bytes a second, from now on."""
        bytes_before, began = self.bytes(), time.monotonic()
        time.sleep(seconds)
        return (self.bytes() - bytes_before) / (time.monotonic() - began)

    def hold(self, table, line):
        """What every load must show when it is over."""
        failed, wrong = self.failed(), self.wrong()
        for one in [what for _, what in failed[:5]] + wrong[:5]:
            print("  " + one)
        table.must(f"{line}: failed reads", f"{len(failed)} of {self.reads()}", "0", not failed)
        table.must(f"{line}: wrong bytes", f"{len(wrong)}", "0", not wrong)


def read_all(nodes, data, **options):
    """Once, at all of them; the seconds that it took."""
    load = Load(nodes, data, rounds=1, **options)
    began = time.monotonic()
    for reader in load.readers:
        reader.start()
    for reader in load.readers:
        reader.join()
    took = time.monotonic() - began
    problems = load.wrong() + [what for _, what in load.failed()]
    if problems:
        raise RuntimeError(problems[0])
    return took
