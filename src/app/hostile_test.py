#!/usr/bin/env python3
"""The real program and clients that break the protocol, lie, or say nothing, at both its doors.

hostile_test.py PROGRAM [unittest's arguments]
"""

import os
import pathlib
import random
import re
import socket
import struct
import sys
import tempfile
import time
import unittest

import program_test as program  # takes the program from the command line

MAGIC = 0x59414246
HELLO, WELCOME, AUTH, READY, REFUSED, OPEN = 1, 2, 3, 4, 5, 18
UNSUPPORTED, UNAUTHENTICATED = 15, 6
PATIENCE_S = 100  # not a measure: a machine may be very busy

CRC_TABLE = []
for byte in range(256):
    for _ in range(8):
        byte = byte >> 1 ^ (0x82f63b78 if byte & 1 else 0)
    CRC_TABLE.append(byte)


def crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc = crc >> 8 ^ CRC_TABLE[(crc ^ byte) & 255]
    return crc ^ 0xffffffff


def header(kind, meta_size, meta_crc, data_size=0, request=0, flags=0):
    head = struct.pack("<IIQBBHHBBI", meta_size, data_size, request, kind, flags, 0, 0, 0, 0,
                       meta_crc)
    return head + struct.pack("<I", crc32c(head))


def frame(kind, meta, request=0):
    return header(kind, len(meta), crc32c(meta), request=request) + meta


def text(words):
    return struct.pack("<H", len(words)) + words


def hello(lowest=1, highest=1, magic=MAGIC):
    return frame(HELLO, struct.pack("<IHH", magic, lowest, highest) + bytes(32) +
                 struct.pack("<Q", 0) + text(b"hostile"))


def auth(method=1, name=b"", proof=bytes(32)):
    return frame(AUTH, struct.pack("<B", method) + text(name) + proof)


def vectors(prefix):
    """The requests of docs/PROTOCOL.md's test vectors whose names begin so: their frames."""
    path = pathlib.Path(__file__).parent.parent / "wire/testing/vectors.txt"
    found = re.findall(rf"^name ({prefix}\w*)\nhex (\w+)$", path.read_text(), re.MULTILINE)
    return {name: bytes.fromhex(frame) for name, frame in found if not name.endswith("Answer")}


class Connection:
    def __init__(self, address):
        if address.startswith("unix:"):
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.connect(address.removeprefix("unix:"))
        else:
            host, port = address.rsplit(":", 1)
            self.socket = socket.create_connection((host, int(port)))
        self.socket.settimeout(PATIENCE_S)

    def send(self, data):
        try:
            self.socket.sendall(data)
        except OSError:
            pass  # it has been ended already, which is what the answers say

    def bytes(self, count):
        """None where the connection ends before."""
        data = b""
        while len(data) < count:
            try:
                more = self.socket.recv(count - len(data))
            except ConnectionError:
                return None
            if not more:
                return None
            data += more
        return data

    def frame(self):
        """Type and meta of the next one; None at the end."""
        head = self.bytes(32)
        if head is None:
            return None
        meta_size, data_size, _, kind = struct.unpack_from("<IIQB", head)
        meta = self.bytes(meta_size)
        self.bytes(data_size)
        return kind, meta

    def refusal(self):
        """Status and words of the Refused that comes next and last."""
        kind, meta = self.frame()
        assert kind == REFUSED, kind
        status, _, _, size = struct.unpack_from("<HHHH", meta)
        assert self.frame() is None
        return status, meta[8:8 + size].decode()

    def close(self):
        self.socket.close()


class Doors(program.WithNode):
    flags = ("--loops", "2")

    def doors(self):
        return self.node.tcp, self.node.unix

    def connect(self, address, *said):
        connection = Connection(address)
        self.addCleanup(connection.close)
        for one in said:
            connection.send(one)
        return connection

    def tearDown(self):
        """Whatever was done to it: it serves, at both doors, and has let go of all connections."""
        for address in self.doors():
            self.assertEqual(self.ok("cat", "/box/small", "--node", address), self.small)
        self.assertIsNone(self.node.process.poll())


class Hostile(Doors):
    def test_versions_that_it_does_not_speak(self):
        for address in self.doors():
            for version in (0, 9):
                self.assertEqual(
                    self.connect(address, hello(version, version)).refusal(),
                    (UNSUPPORTED, f"the client speaks protocol versions {version} to {version}, "
                     "this node 1 to 2: use releases that have one in common"))
            self.assertEqual(self.connect(address, hello(0, 9)).frame()[0], WELCOME)

    def test_what_is_no_protocol_ends_the_connection(self):
        meta = bytes(100)
        large = header(HELLO, 0xffffffff, 0)
        for address in self.doors():
            for said in (b"GET / HTTP/1.1\r\nHost: forebay\r\n\r\n", bytes(100), b"\xff" * 5000,
                         large, header(HELLO, 100, 0) + meta, hello(magic=7), auth(),
                         frame(OPEN, meta, request=1), frame(200, b"")):
                connection = self.connect(address, said)
                answer = connection.frame()
                self.assertTrue(answer is None or answer[0] == REFUSED, said[:40])
                self.assertIsNone(connection.frame())
        self.assertGreaterEqual(self.status()["door"]["protocol_errors"], 18)

    def test_what_nodes_ask_one_another_is_refused_to_others(self):
        asked = vectors("Peer")
        self.assertIn("PeerLoad", asked)
        for address in self.doors():
            connection = self.connect(address, hello(1, 2), auth())
            self.assertEqual([connection.frame()[0] for _ in range(2)], [WELCOME, READY])
            for name, request in asked.items():
                connection.send(request)
                self.assertIn(b"is no node of this cell", connection.frame()[1], name)

    def test_garbage_after_the_handshake(self):
        chance = random.Random(11)
        for address in self.doors():
            for attempt in range(20):
                connection = self.connect(address, hello(), auth())
                self.assertEqual([connection.frame()[0] for _ in range(2)], [WELCOME, READY])
                connection.send(header(OPEN, 1 << 30, 0, request=1) if attempt == 0
                                else chance.randbytes(chance.randrange(32, 5000)))
                while connection.frame() is not None:
                    pass

    def test_who_says_nothing_or_half_is_ended(self):
        half = hello()[:20]
        waiting = [self.connect(address, said) for address in self.doors() for said in (b"", half)]
        for connection in waiting:
            answer = connection.frame()
            self.assertTrue(answer is None or answer[0] == REFUSED)

    def test_connections_leave_nothing_behind(self):
        descriptors = pathlib.Path(f"/proc/{self.node.process.pid}/fd")
        self.ok("cat", "/box/small", "--node", self.node.tcp)
        before = len(list(descriptors.iterdir()))
        for address in self.doors():
            for said in ((), (hello(),), (hello(), auth()), (hello()[:7],), (b"\0" * 64,)):
                for _ in range(20):
                    self.connect(address, *said).close()
        until = time.monotonic() + PATIENCE_S
        while len(list(descriptors.iterdir())) > before:
            self.assertLess(time.monotonic(), until)
            time.sleep(0.05)


class WithoutToken(Doors):
    def setUp(self):
        handle, self.tokens = tempfile.mkstemp()
        self.addCleanup(os.unlink, self.tokens)
        with open(handle, "w", encoding="utf-8") as file:
            file.write(f"reader {program.SECRET} /box:rl\n")
        self.flags = (*Doors.flags, "--tokens", self.tokens)
        super().setUp()

    def doors(self):
        return (self.node.unix,)

    def test_who_does_not_prove_a_token_is_refused_alike(self):
        wrong = "the token's name or its proof is not right"
        for said, words in ((auth(1), "this node asks for another proof of who you are"),
                            (auth(2, b"reader"), wrong), (auth(2, b"nobody"), wrong),
                            (auth(2, b"reader", os.urandom(32)), wrong)):
            connection = self.connect(self.node.tcp, hello())
            self.assertEqual(connection.frame()[0], WELCOME)
            connection.send(said)
            self.assertEqual(connection.refusal(), (UNAUTHENTICATED, words))


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]])
