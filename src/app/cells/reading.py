"""Rows of reading and writing while nothing breaks."""

import ctypes
import multiprocessing
import os
import socket
import statistics
import time

import cell as cells
import library
import readers
from several import beside

MIB, GIB = 2**20, 2**30
NODES = 8


def once(setting):
    """Each of 8 nodes reads the same data in an order of its own, cold."""
    table = setting.table
    count, size = setting.by_size((16, 4 * MIB), (32, 32 * MIB))
    flags = ["--dram", setting.by_size("192MiB", "1400MiB"), "--disk", "0"]
    with cells.Cell(setting.program, NODES, flags) as cell:
        folder = cell.folder / "origin"
        cells.make_objects(folder, count, size)
        data = readers.Data(folder, "/set/")
        cell.attach("set", folder, "--freshness", "immutable",
                    *setting.by_size(["--chunk", "1MiB"], []))
        took = readers.read_all(cell.nodes, data)
        figures = [node.figures() for node in cell.nodes]
        total = sum(one["origin"]["bytes"] for one in figures)
        table.info("once: data, and time of 8 readers",
                   f"{data.bytes() / MIB:.0f} MiB {took:.1f} s")
        table.must("once: origin bytes", f"{total / data.bytes():.4f}", "1.00",
                   total == data.bytes())
        asked = sum(one["peer"]["bytes"] for one in figures)
        served = sum(one["peer"]["served_bytes"] for one in figures)
        table.must("once: bytes asked of peers, and served", f"{asked} {served}", "equal",
                   asked == served)
        most = max(one["peer"]["bytes"] + one["origin"]["bytes"] for one in figures)
        table.must("once: most bytes that came to one node", f"{most / data.bytes():.4f}", "1.00",
                   most == data.bytes())
        table.info("once: fallbacks, sent elsewhere",
                   f"{sum(one['peer']['fallbacks'] for one in figures)} "
                   f"{sum(one['peer']['sent_elsewhere'] for one in figures)}")
        one_hop(setting, cell)


def one_hop(setting, cell):
    """When one node alone reads, no other asks a third for it."""
    folder = cell.folder / "alone"
    cells.make_objects(folder, 8, 4 * MIB, seed=2)
    cell.attach("alone", folder, "--chunk", "1MiB")
    before = [node.figures()["peer"]["bytes"] for node in cell.nodes]
    readers.read_all(cell.nodes[:1], readers.Data(folder, "/alone/"))
    after = [node.figures()["peer"]["bytes"] for node in cell.nodes]
    setting.table.must("once: bytes that the asked ones asked of others",
                       f"{sum(after[1:]) - sum(before[1:])} ({after[0] - before[0]} asked)", "0",
                       after[1:] == before[1:] and after[0] > before[0])


# -- From a node that owns nothing

STREAM_BYTES = 2 * GIB


def take_stream(server):
    buffer = bytearray(MIB)
    stream, _ = server.accept()
    left = STREAM_BYTES
    while left > 0:
        left -= stream.recv_into(buffer, MIB, socket.MSG_WAITALL)
    stream.sendall(b"x")
    os._exit(0)


def plain_stream():
    """Bytes a second over one connection of blocking sockets between two processes."""
    server = socket.create_server(("127.0.0.1", 0))
    taker = multiprocessing.get_context("fork").Process(target=take_stream, args=(server,))
    taker.start()
    stream = socket.create_connection(server.getsockname())
    piece = bytes(MIB)
    began = time.monotonic()
    for _ in range(STREAM_BYTES // MIB):
        stream.sendall(piece)
    stream.recv(1)
    took = time.monotonic() - began
    taker.join()
    stream.close()
    server.close()
    return STREAM_BYTES / took


def read_in_order(client, data):
    buffer = ctypes.create_string_buffer(MIB)
    for number in range(len(data)):
        with client.open(data.path(number)) as file:
            for offset in range(0, data.sizes[number], MIB):
                file.read(ctypes.addressof(buffer), MIB, offset)


def look_in_order(client, data):
    """As programs do that want no copy."""
    for number in range(len(data)):
        with client.open(data.path(number)) as file:
            offset = 0
            while offset < data.sizes[number]:
                offset += file.look(MIB, offset)


def remote(setting):
    """Warm at its owners, through a node that owns nothing and has no room for it."""
    table = setting.table
    reader_flags = ["--weight", "0", "--dram", "256MiB", "--disk", "0"]
    with cells.Cell(setting.program, NODES, ["--dram", "400MiB", "--disk", "0"],
                    flags_of={NODES - 1: reader_flags}) as cell:
        folder = cell.folder / "origin"
        cells.make_objects(folder, 4, 256 * MIB)
        data = readers.Data(folder, "/set/")
        cell.attach("set", folder, "--freshness", "immutable")
        cell.nodes[0].command("load", "/set/")
        node = cell.nodes[-1]
        readers.read_all([node], data)  # verified, once
        for way, read in (("read", read_in_order), ("view", look_in_order)):
            remote_way(table, cell, node, data, way, read)


def remote_way(table, cell, node, data, way, read):
    processes = {one.name: one.process.pid for one in cell.nodes}
    ratios, rates, used = [], [], []
    with library.Client(node.unix) as client:
        for _ in range(5):
            theirs = plain_stream()
            before = {name: cells.cpu_s(pid) for name, pid in processes.items()}
            peer = node.figures()["peer"]["bytes"]
            own, began = time.process_time(), time.monotonic()
            read(client, data)
            rates.append(data.bytes() / (time.monotonic() - began))
            own = time.process_time() - own
            cpu = {name: cells.cpu_s(pid) - before[name] for name, pid in processes.items()}
            used.append((own, cpu[node.name], sum(cpu.values()) - cpu[node.name],
                         node.figures()["peer"]["bytes"] - peer))
            ratios.append(rates[-1] / theirs)
    ratio = statistics.median(ratios[1:])
    gb = data.bytes() / 1e9
    table.figure(f"remote, {way}: of a plain stream",
                 f"{ratio:.2f} ({min(ratios[1:]):.2f}..{max(ratios[1:]):.2f})", ">= 0.60",
                 ratio >= 0.6)
    table.info(f"remote, {way}: rate", f"{statistics.median(rates) / 1e9:.2f} GB/s")
    medians = [statistics.median(one) for one in zip(*used)]
    table.info(f"remote, {way}: CPU s a GB: client, node, owners",
               " ".join(f"{seconds / gb:.2f}" for seconds in medians[:3]))
    table.info(f"remote, {way}: of it from peers", f"{medians[3] / data.bytes():.3f}")


# -- Writes

WRITERS = 4


class PutsAndReads:
    """Puts through one node after the other, each read through all others before the next."""

    def __init__(self, cell, number):
        self.cell, self.number = cell, number
        self.old, self.missing, self.slowest = [], [], 0.0

    def run(self, count):
        clients = [library.Client(node.unix) for node in self.cell.nodes]
        for number in range(count):
            self.step(clients, number)
        for client in clients:
            client.close()

    def step(self, clients, number):
        # Every other name is new, and all but its writer have just been told that it is not there;
        # of the others there are five.
        new = number % 2 == 0
        key = f"/box/{self.number}/" + (f"new{number}" if new else f"kept{number % 5}")
        writer = clients[number % NODES]
        others = [client for client in clients if client is not writer]
        for client in others if new else ():
            if client.get(key) is not None:
                self.old.append(f"{key} before it was written")
        content = f"{key} content {number} ".encode() * (1 + number % 50)
        began = time.monotonic()
        writer.put(key, content)
        self.slowest = max(self.slowest, time.monotonic() - began)
        for client in others:
            got = client.get(key)
            if got is None:
                self.missing.append(f"{key} ({number})")
            elif got != content:
                self.old.append(f"{key} ({number}): {got[:40]}")


def writes(setting):
    """A put through one node, then a read through each other node."""
    table = setting.table
    count = setting.by_size(300, 10_000) // WRITERS
    with cells.Cell(setting.program, NODES, ["--dram", "64MiB", "--disk", "0"]) as cell:
        folder = cell.folder / "origin"
        folder.mkdir()
        cell.attach("box", folder)
        parts = [PutsAndReads(cell, number) for number in range(WRITERS)]
        began = time.monotonic()
        beside(*[lambda part=part: part.run(count) for part in parts])
        took = time.monotonic() - began
    old = [one for part in parts for one in part.old]
    missing = [one for part in parts for one in part.missing]
    for one in old[:5] + missing[:5]:
        print("  " + one)
    reads = count * WRITERS * (NODES - 1)
    table.must("writes: old objects after a put", f"{len(old)} of {reads}", "0", not old)
    table.must("writes: missing objects after a put", f"{len(missing)} of {reads}", "0",
               not missing)
    table.info("writes: puts a second with 7 reads each", f"{count * WRITERS / took:.0f}")
    table.info("writes: slowest put", f"{max(part.slowest for part in parts) * 1000:.0f} ms")


# -- One slow owner

OBJECT = 64 * MIB


def slow_owner(setting):
    """7 nodes at once read an object of which a node behind a slow link owns every chunk."""
    if not cells.Networks.possible():
        return setting.table.info("slow_owner", "wants root, ip and tc")
    with cells.Cell(setting.program, NODES, ["--dram", "320MiB", "--disk", "0"],
                    network=cells.Networks(NODES)) as cell:
        folder = cell.folder / "origin"
        cells.make_objects(folder, 32, OBJECT)
        data = readers.Data(folder, "/set/")
        cell.attach("set", folder, "--freshness", "immutable", "--chunk", "64MiB")
        owned = [number for number in range(len(data)) if owner_of(cell, data, number) == "n0"]
        if len(owned) < 2:
            raise RuntimeError("n0 owns fewer than two of 32 objects; run it again")
        alone, together = owned[:2]
        for number in (alone, together):
            read_one(cell.nodes[0], data, number)
        cell.network.limit(0, "200mbit")
        one = read_one(cell.nodes[1], data, alone)
        times = [0.0] * NODES

        def read_at(place):
            times[place] = read_one(cell.nodes[place], data, together)
        beside(*[lambda place=place: read_at(place) for place in range(1, NODES)])
        given = cell.nodes[0].figures()["peer"]["served_bytes"] / OBJECT - 1
        setting.table.info("slow_owner: one alone", f"{one:.2f} s")
        setting.table.figure("slow_owner: 7 at once, of one alone",
                             f"{max(times) / one:.2f} ({max(times):.2f} s)", "<= 2.00",
                             max(times) <= 2 * one)
        setting.table.info("slow_owner: it gave the object", f"{given:.2f} times")
        setting.table.must("slow_owner: origin bytes", f"{cell.total('origin', 'bytes') / OBJECT}",
                           "2.0", cell.total("origin", "bytes") == 2 * OBJECT)


def owner_of(cell, data, number):
    shown = cells.json.loads(cell.nodes[0].command("where", "--json", data.path(number)))
    return shown["chunks"][0]["owner"]


def read_one(node, data, number):
    reader = readers.Reader(node, data, 0)
    began = time.monotonic()
    with library.Client(node.unix) as reader.client:
        reader.read_object(number)
    if reader.wrong:
        raise RuntimeError(reader.wrong[0])
    return time.monotonic() - began


ROWS = {"once": once, "remote": remote, "writes": writes, "slow_owner": slow_owner}
