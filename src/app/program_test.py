#!/usr/bin/env python3
"""The real program from end to end: nodes on temporary folders and free ports, commands against
them, and what a person may get wrong.

program_test.py PROGRAM [unittest's arguments]
"""

import concurrent.futures
import fcntl
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import termios
import time
import unittest
import urllib.error
import urllib.request

PROGRAM = sys.argv[1] if len(sys.argv) > 1 else "forebay"
TIME_LIMIT_S = 60
SECRET = "00112233445566778899aabbccddeeff"
CLEAN = {key: value for key, value in os.environ.items() if not key.startswith("FOREBAY_")}


def forebay(*arguments, node=None, data=None, env=None, **options):
    """Runs a command; gives its CompletedProcess, with bytes."""
    environment = dict(CLEAN, **(env or {}))
    if node:
        environment["FOREBAY_NODE"] = node
    return subprocess.run([PROGRAM, *arguments], input=data, capture_output=True, check=False,
                          timeout=TIME_LIMIT_S, env=environment, **options)


def peak_mib(pid):
    """The most memory that a process has had."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) // 1024


class Node:
    """A running node in a folder of its own."""

    def __init__(self, folder, *flags, env=None, listen="127.0.0.1:0", s3="none",
                 dram="64MiB"):
        self.folder = pathlib.Path(folder)
        self.errors = open(self.folder / "errors", "ab")
        self.process = subprocess.Popen(
            [PROGRAM, "node", "--data", self.folder / "node", "--socket", self.folder / "sock",
             "--listen", listen, "--http", "127.0.0.1:0", "--s3", s3, "--dram", dram,
             "--disk", "64MiB", *flags], stdout=subprocess.PIPE, stderr=self.errors,
            env=dict(CLEAN, **(env or {})))
        line = self.process.stdout.readline().decode()
        if not line.startswith("ready: "):
            raise RuntimeError(f"said '{line}', and {self.said()}")
        doors = dict(word.split(":", 1) for word in line.split()[1:])
        self.s3 = doors.get("s3")
        self.unix, self.tcp, self.http = "unix:" + doors["unix"], doors["tcp"], doors["http"]

    def said(self):
        return (self.folder / "errors").read_text(errors="replace")

    def page(self, path):
        with urllib.request.urlopen(f"http://{self.http}{path}", timeout=TIME_LIMIT_S) as answer:
            return answer.read().decode()

    def stop(self, how=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(how)
        status = self.process.wait(TIME_LIMIT_S)
        self.process.stdout.close()
        self.errors.close()
        return status


class WithoutNode(unittest.TestCase):
    def refused(self, *arguments, env=None, status=2):
        done = forebay(*arguments, env=env)
        self.assertEqual(done.returncode, status, done)
        self.assertEqual(done.stdout, b"")
        return done.stderr.decode()

    def test_settings_that_are_wrong_are_named_with_where_they_stand(self):
        with tempfile.NamedTemporaryFile("w", suffix=".toml") as file:
            file.write("\ndrum = \"1GiB\"\n")
            file.flush()
            self.assertIn(f"{file.name}:2: unknown key 'drum'; did you mean 'dram'?",
                          self.refused("node", "--config", file.name))
        self.assertIn("variable FOREBAY_DRAM: dram: size 'much'",
                      self.refused("node", env={"FOREBAY_DRAM": "much"}))
        self.assertIn("more than the", self.refused("node", "--dram", "8000TiB"))
        self.assertIn("give it a file of tokens", self.refused("node", "--listen", "0.0.0.0:0"))
        self.assertIn("cannot be read", self.refused("node", "--config", "/nowhere.toml"))
        self.assertIn("--drm", self.refused("node", "--drm", "1GiB"))

    def test_the_effective_configuration_is_printed(self):
        done = forebay("node", "--print-config", "--dram", "256MiB",
                       env={"FOREBAY_WAITING": "7"})
        self.assertEqual(done.returncode, 0, done)
        self.assertRegex(done.stdout.decode(), r'dram = "256MiB" +# flag --dram: 256 MiB')
        self.assertRegex(done.stdout.decode(), r"waiting = 7 +# variable FOREBAY_WAITING")
        self.assertRegex(done.stdout.decode(), r"\nloops = [1-8] +# default")
        self.assertIn("1 to 256 are possible", self.refused("node", "--loops", "0"))

    def test_commands_say_that_there_is_no_node(self):
        with tempfile.TemporaryDirectory() as folder:
            said = self.refused("ls", "/x/", "--node", f"unix:{folder}/sock", "--timeout", "0.5",
                                status=5)
            self.assertIn(f"{folder}/sock", said)

    def test_an_empty_file_of_settings_is_one(self):
        with tempfile.TemporaryDirectory() as folder:
            empty = pathlib.Path(folder) / "empty.toml"
            empty.touch()
            done = forebay("node", "--print-config", "--config", empty)
            self.assertEqual(done.returncode, 0, done)
            for none in (folder, empty.with_name("none")):
                self.assertIn("cannot be read", self.refused(
                    "node", "--print-config", "--config", str(none)))

    def test_what_does_not_arrive_is_said(self):
        for arguments in (["node", "--print-config"], ["--help"], ["completion", "bash"]):
            with open("/dev/full", "wb") as full:
                done = subprocess.run([PROGRAM, *arguments], stdout=full, check=False,
                                      stderr=subprocess.PIPE, timeout=TIME_LIMIT_S, env=CLEAN)
            self.assertEqual((done.returncode, b"No space left" in done.stderr), (1, True), done)

    def test_an_unknown_command_and_no_command_are_wrong_usage(self):
        self.assertIn("frobnicate", self.refused("frobnicate"))
        self.assertIn("Usage", self.refused())

    def test_the_completion_is_a_script(self):
        for shell in ("bash", "zsh"):
            done = forebay("completion", shell)
            self.assertEqual(done.returncode, 0, done)
            self.assertIn(b"attachments", done.stdout)
            subprocess.run(["bash", "-n"], input=done.stdout, check=True)


class Keys(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="forebay-test-"))
        self.addCleanup(shutil.rmtree, self.folder)
        self.file = self.folder / "keys"

    def add(self, *arguments, status=0, env=None):
        named = [] if env else ["--s3-keys", str(self.file)]
        done = forebay("key", "add", *arguments, *named, env=env)
        self.assertEqual(done.returncode, status, done)
        self.assertEqual(bool(done.stdout), status == 0)
        return (done.stdout if status == 0 else done.stderr).decode()

    def test_a_key_is_written_and_told_once(self):
        said = dict(line.split("=") for line in self.add("/box:rl", "*:r").split())
        key, secret = said["AWS_ACCESS_KEY_ID"], said["AWS_SECRET_ACCESS_KEY"]
        self.assertRegex(key, "^[A-Z2-7]{20}$")
        self.assertRegex(secret, "^[A-Za-z0-9]{40}$")
        self.assertEqual(self.file.stat().st_mode & 0o777, 0o600)
        self.assertEqual(self.file.read_text().splitlines()[1:], [f"{key} {secret} /box:rl,*:r"])
        more = self.add("/other:rwl", "--id", "OPERATOR", env={"FOREBAY_S3_KEYS": str(self.file)})
        self.assertIn("AWS_ACCESS_KEY_ID=OPERATOR\n", more)
        self.assertNotIn(secret, more)
        lines = self.file.read_text().splitlines()
        self.assertEqual([line.split()[0] for line in lines], ["#", key, "OPERATOR"])
        self.assertEqual(len({line.split()[1] for line in lines}), 3)

    def test_what_is_wrong_is_refused_and_nothing_written(self):
        self.add("*:rwla", "--id", "TAKEN")
        before = self.file.read_text()
        secret = before.split()[-2]
        for status, fragment, arguments in (
                (6, "has a key 'TAKEN'", ["/box:r", "--id", "TAKEN"]),
                (2, "'x' is no right", ["/box:rx"]),
                (2, "no rights after", ["/box"]),
                (2, "/ATTACHMENT:RIGHTS", ["box:r"]),
                (2, "ACCESS-KEY", ["/box:r", "--id", "a b"]),
                (2, "anonymous is no key", ["/box:r", "--id", "anonymous"]),
                (2, "RIGHTS", [])):
            said = self.add(*arguments, status=status)
            self.assertIn(fragment, said)
            self.assertNotIn(secret, said)
        self.assertEqual(self.file.read_text(), before)
        self.assertEqual(list(self.folder.iterdir()), [self.file])
        self.file.write_text("A secret with spaces /box:r\nnothing of this is a key\n")
        said = self.add("/box:r", status=2)
        self.assertIn("line 1", said)
        self.assertNotIn("secret with", said)
        self.file.unlink()
        self.file.mkdir()
        self.add("/box:r", status=1)

    def test_what_was_there_stays(self):
        meant = self.folder / "meant"
        meant.write_text("# by hand\nHAND secret-by-hand /box:r")
        meant.chmod(0o644)
        self.file.symlink_to(meant)
        self.add("/box:r", "--id", "NEW")
        self.assertTrue(self.file.is_symlink())
        lines = meant.read_text().splitlines()
        self.assertEqual(lines[:2], ["# by hand", "HAND secret-by-hand /box:r"])
        self.assertTrue(lines[2].startswith("NEW "))
        self.assertEqual(meant.stat().st_mode & 0o777, 0o640)

    def test_the_file_may_be_in_the_current_folder(self):
        done = forebay("key", "add", "/box:r", "--s3-keys", "keys", cwd=self.folder)
        self.assertEqual((done.returncode, self.file.exists()), (0, True), done)

    def test_many_at_once_lose_none(self):
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda number: self.add("/box:r", "--id", f"K{number}"), range(24)))
        written = sorted(line.split()[0] for line in self.file.read_text().splitlines())
        self.assertEqual(written, sorted(["#", *[f"K{number}" for number in range(24)]]))


class WithNode(unittest.TestCase):
    flags = ()

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="forebay-test-"))
        self.addCleanup(shutil.rmtree, self.folder)
        self.origin = self.folder / "origin"
        (self.origin / "deep").mkdir(parents=True)
        self.small = b"hello\n"
        self.large = b"".join(i.to_bytes(4, "little") for i in range(1_500_000))
        (self.origin / "small").write_bytes(self.small)
        (self.origin / "deep/large").write_bytes(self.large)
        (self.origin / "deep/empty").write_bytes(b"")
        self.node = Node(self.folder, *self.flags)
        self.addCleanup(lambda: self.node.stop())
        self.ok("attach", "/box", str(self.origin))

    def run_it(self, *arguments, **options):
        options.setdefault("node", self.node.unix)
        return forebay(*arguments, **options)

    def ok(self, *arguments, **options):
        done = self.run_it(*arguments, **options)
        self.assertEqual(done.returncode, 0, done)
        return done.stdout

    def refused(self, status, *arguments, **options):
        done = self.run_it(*arguments, **options)
        self.assertEqual(done.returncode, status, done)
        self.assertTrue(done.stderr.startswith(b"forebay: "), done)
        return done.stderr.decode(errors="replace")

    def status(self):
        return json.loads(self.ok("status", "--json"))


class Commands(WithNode):
    def test_names(self):
        self.assertEqual(self.ok("ls", "/box/"), b"/box/deep/\n/box/small\n")
        self.assertEqual(self.ok("ls", "-r", "/box/").split(),
                         [b"/box/deep/empty", b"/box/deep/large", b"/box/small"])
        self.assertIn(b"6000000", self.ok("ls", "-l", "/box/deep/"))
        self.assertRegex(self.ok("stat", "/box/small").decode(), r"size +6 \(6 B\)")
        self.assertIn(b"/box", self.ok("attachments"))

    def test_bytes_are_those_of_the_files_by_every_way(self):
        for way in ([], ["--no-shared-memory"], ["--node", self.node.tcp]):
            self.assertEqual(self.ok("cat", "/box/small", "/box/deep/large", *way),
                             self.small + self.large, way)
        self.assertEqual(self.ok("cat", "--offset", "5999999", "/box/deep/large"), self.large[-1:])
        self.assertEqual(self.ok("cat", "--size", "1KiB", "/box/deep/large"), self.large[:1024])
        self.assertEqual(self.ok("cat", "/box/deep/empty"), b"")

    def test_get_makes_a_whole_file_or_none(self):
        self.ok("get", "/box/deep/large", str(self.folder))
        self.assertEqual((self.folder / "large").read_bytes(), self.large)
        self.refused(3, "get", "/box/nothing", str(self.folder / "copy"))
        self.assertFalse(list(self.folder.glob("copy*")))
        self.assertEqual(self.ok("get", "/box/small", "-"), self.small)

    def test_get_writes_through_links_pipes_and_devices(self):
        target, link = self.folder / "target", self.folder / "link"
        target.write_bytes(b"old")
        link.symlink_to(target)
        self.ok("get", "/box/small", str(link))
        self.assertEqual((link.is_symlink(), target.read_bytes()), (True, self.small))
        pipe = self.folder / "pipe"
        os.mkfifo(pipe)
        with subprocess.Popen(["cat", pipe], stdout=subprocess.PIPE) as reader:
            self.ok("get", "/box/small", str(pipe))
            self.assertEqual(reader.communicate(timeout=TIME_LIMIT_S)[0], self.small)
        self.assertTrue(pipe.is_fifo())
        with open(target, "ab") as log:
            done = subprocess.run([PROGRAM, "get", "/box/small", "/dev/stdout"], stdout=log,
                                  check=False, timeout=TIME_LIMIT_S,
                                  env=dict(CLEAN, FOREBAY_NODE=self.node.unix))
        self.assertEqual((done.returncode, target.read_bytes()), (0, self.small * 2))

    def test_put_of_a_folder_leaves_nothing_out(self):
        tree, other = self.folder / "tree", self.folder / "other"
        (tree / "deep").mkdir(parents=True)
        other.mkdir()
        (tree / "deep/file").write_bytes(b"1")
        (other / "linked").write_bytes(b"2")
        (tree / "link").symlink_to(other)
        self.ok("put", str(tree), "/box/tree/")
        self.assertEqual(self.ok("ls", "-r", "/box/tree/").split(),
                         [b"/box/tree/deep/file", b"/box/tree/link/linked"])
        for name, target, said in (("none", "nowhere", "leads to nothing"),
                                   ("round", ".", "leads to a folder that it lies in"),
                                   ("device", "/dev/null", "neither a file nor a folder")):
            (tree / "deep" / name).symlink_to(target)
            done = self.run_it("put", str(tree), "/box/again/")
            self.assertIn(f"deep/{name}: {said}", done.stderr.decode())
            self.assertNotEqual(done.returncode, 0)
            (tree / "deep" / name).unlink()
        self.assertEqual(self.ok("ls", "/box/again/"), b"")

    def test_put_that_is_interrupted_writes_nothing(self):
        for ends_first in (True, False):
            reader, writer = os.pipe()
            with subprocess.Popen([PROGRAM, "put", "-", "/box/half"], stdin=reader,
                                  stderr=subprocess.PIPE,
                                  env=dict(CLEAN, FOREBAY_NODE=self.node.unix)) as put:
                os.close(reader)
                os.write(writer, b"the first half")
                while int.from_bytes(fcntl.ioctl(writer, termios.FIONREAD, b"1234"),
                                     sys.byteorder):
                    time.sleep(0.01)
                if ends_first:
                    put.send_signal(signal.SIGSTOP)  # both are there when it goes on
                    os.close(writer)
                put.send_signal(signal.SIGINT)
                put.send_signal(signal.SIGCONT)
                said = put.communicate(timeout=TIME_LIMIT_S)[1]
                self.assertEqual(put.returncode, 130, said)
                self.assertIn(b"nothing was written", said)
            if not ends_first:
                os.close(writer)
        self.assertFalse((self.origin / "half").exists())

    def test_put_is_at_the_origin_when_it_returns(self):
        self.ok("put", "-", "/box/new/one", data=self.large)
        self.assertEqual((self.origin / "new/one").read_bytes(), self.large)
        self.assertEqual(self.ok("cat", "/box/new/one"), self.large)
        self.refused(6, "put", "--if-absent", "-", "/box/new/one", data=b"other")
        self.refused(2, "put", "--if-match", "", "-", "/box/new/one", data=b"other")
        self.ok("put", str(self.origin / "small"), "/box/new/")
        self.assertEqual(self.ok("cat", "/box/new/small"), self.small)
        self.ok("rm", "/box/new/one")
        self.assertFalse((self.origin / "new/one").exists())
        self.refused(3, "rm", "/box/new/one")
        self.ok("rm", "--force", "/box/new/one")
        self.refused(3, "put", "/no/such/file", "/box/x")

    def test_what_is_loaded_needs_no_origin(self):
        self.assertIn(b"3 objects", self.ok("load", "/box/"))
        before = self.status()
        self.assertEqual(self.ok("cat", "/box/deep/large"), self.large)
        after = self.status()
        self.assertEqual(after["origin"]["bytes"], before["origin"]["bytes"])
        self.assertGreater(after["read"]["bytes"], before["read"]["bytes"])
        self.assertRegex(self.ok("where", "/box/deep/large").decode(), r"memory +6000000 \(100%\)")
        self.ok("evict", "/box/")
        self.assertRegex(self.ok("where", "/box/deep/large").decode(), r"memory +0 \(0%\)")
        self.assertEqual(self.ok("cat", "/box/deep/large"), self.large)
        self.assertGreater(self.status()["origin"]["bytes"], after["origin"]["bytes"])
        self.refused(3, "load", "/box/nothing")

    def test_a_reader_that_has_enough_ends_it_quietly(self):
        done = subprocess.run(
            f"'{PROGRAM}' cat /box/deep/large /box/deep/large /box/deep/large | head -c 10",
            shell=True, env=dict(CLEAN, FOREBAY_NODE=self.node.unix), capture_output=True,
            timeout=TIME_LIMIT_S, check=False)
        self.assertEqual((done.stdout, done.stderr), (self.large[:10], b""))

    def test_what_is_not_there_or_no_name_is_said_so(self):
        self.assertIn("nothing", self.refused(3, "cat", "/box/nothing"))
        self.assertIn("absent", self.refused(3, "cat", "/absent/x"))
        self.refused(2, "cat", "/box/../etc/passwd")
        self.refused(2, "cat", "/box/a//b")
        self.refused(2, "cat", "/box/" + "x" * 5000)
        self.refused(2, "cat", b"/box/\xff\xfe")
        self.refused(2, "cat", "no-slash")
        self.refused(2, "attach", "/Not_A_Name", str(self.origin))
        self.refused(6, "attach", "/box", str(self.origin))
        self.refused(2, "attach", "/other", "gopher://x/")
        self.refused(2, "attach", "/other", str(self.origin), "--freshness", "sometimes")
        self.refused(3, "detach", "/absent")
        # Nothing that was cached is lost, and the node goes on.
        self.assertEqual(self.ok("cat", "/box/small"), self.small)

    def test_detached_is_gone(self):
        self.ok("cat", "/box/small")
        self.ok("detach", "/box")
        self.refused(3, "cat", "/box/small")
        self.assertEqual(self.ok("attachments"), b"")
        self.ok("attach", "/box", str(self.origin / "deep"))
        self.refused(3, "cat", "/box/small")

    def test_bench_and_demo_say_how_fast(self):
        said = self.ok("bench", "--seconds", "0.2", "/box/deep/large").decode()
        self.assertEqual(len(said.splitlines()), 4, said)
        (self.origin / "deep/large2").write_bytes(b"also")
        self.assertIn("/box/deep/large2", self.refused(2, "bench", "/box/deep/large"))
        self.assertIn("empty", self.refused(2, "bench", "/box/deep/empty"))
        (self.origin / "deep/large2").unlink()
        said = self.ok("demo", "/box", str(self.origin), "--tcp", self.node.tcp).decode()
        self.assertIn("3 objects, every byte right", said)
        (self.folder / "false").mkdir()
        (self.folder / "false/small").write_bytes(b"HELLO\n")
        self.assertIn("wrong", self.refused(1, "demo", "/box", str(self.folder / "false")))


class Operation(WithNode):
    def test_the_pages(self):
        self.ok("cat", "/box/small")
        self.assertIn("forebay_ready 1\n", self.node.page("/metrics"))
        self.assertRegex(self.node.page("/metrics"), r"forebay_origin_requests_total [1-9]")
        self.assertEqual(self.node.page("/healthz"), "ok\n")
        self.assertEqual(self.node.page("/readyz"), "ready\n")
        by_http = json.loads(self.node.page("/status"))
        self.assertEqual(set(by_http), set(self.status()))
        self.assertGreater(by_http["memory"]["rss_bytes"], 1 << 20)
        with self.assertRaises(urllib.error.HTTPError) as missing:
            self.node.page("/nothing")
        self.assertEqual(missing.exception.code, 404)
        missing.exception.close()

    def test_a_data_directory_has_one_node(self):
        second = forebay("node", "--data", str(self.folder / "node"), "--socket",
                         str(self.folder / "sock2"), "--listen", "none", "--http", "none",
                         "--s3", "none")
        self.assertEqual(second.returncode, 5, second)
        self.assertIn(f"process {self.node.process.pid} uses it", second.stderr.decode())
        self.assertEqual(self.ok("cat", "/box/small"), self.small)

    def test_a_taken_port_is_named(self):
        second = forebay("node", "--data", str(self.folder / "node2"), "--socket", "none",
                         "--listen", self.node.tcp, "--http", "none", "--s3", "none", "--disk", "0")
        self.assertEqual(second.returncode, 5, second)
        self.assertIn(self.node.tcp, second.stderr.decode())

    def test_it_ends_when_asked_and_knows_its_blocks_again(self):
        self.ok("load", "/box/")
        self.assertEqual(self.node.stop(), 0, self.node.said())
        self.assertFalse((self.folder / "sock").exists())
        self.node = Node(self.folder)
        self.assertEqual(self.ok("cat", "/box/deep/large"), self.large)
        self.assertEqual(self.status()["origin"]["bytes"], 0)

    def test_it_starts_again_after_it_was_killed(self):
        self.ok("cat", "/box/small")
        self.node.stop(signal.SIGKILL)
        self.node = Node(self.folder)
        self.assertEqual(self.ok("cat", "/box/small"), self.small)

    def test_every_loop_serves_by_tcp(self):
        self.node.stop()
        self.node = Node(self.folder, "--loops", "3")
        host, port = self.node.tcp.rsplit(":", 1)
        silent = []
        for _ in range(6):  # each connection goes where the fewest are
            self.assertEqual(self.ok("cat", "/box/deep/large", "--node", self.node.tcp), self.large)
            silent.append(socket.create_connection((host, int(port))))
        threads = pathlib.Path(f"/proc/{self.node.process.pid}/task").glob("*/comm")
        names = {thread.read_text().strip() for thread in threads}
        self.assertLessEqual({"loop-1", "loop-2"}, names)
        self.assertNotIn("loop-3", names)
        self.assertEqual(self.node.stop(), 0, self.node.said())
        for one in silent:
            one.close()

    def test_who_connects_and_says_nothing_or_nonsense_does_no_harm(self):
        host, port = self.node.tcp.rsplit(":", 1)
        silent = [socket.create_connection((host, int(port))) for _ in range(20)]
        for one, text in zip(silent, (b"GET / HTTP/1.1\r\n\r\n", b"\0" * 100, b"\xff" * 5000)):
            one.sendall(text)
        self.assertEqual(self.ok("cat", "/box/small", "--node", self.node.tcp), self.small)
        for one in silent:
            one.close()


class Tokens(WithNode):
    def setUp(self):
        self.tokens = pathlib.Path(tempfile.mkstemp()[1])
        self.addCleanup(self.tokens.unlink)
        self.tokens.write_text(f"reader {SECRET} /box:rl\n")
        self.flags = ("--tokens", str(self.tokens))
        super().setUp()
        self.mine = self.folder / "mine"
        self.mine.write_text(f"reader {SECRET}\n")

    def test_by_tcp_a_token_is_needed_and_says_what_is_allowed(self):
        tcp = ("--node", self.node.tcp, "--timeout", "2")
        self.refused(4, "cat", "/box/small", *tcp)
        mine = (*tcp, "--token-file", str(self.mine))
        self.assertEqual(self.ok("cat", "/box/small", *mine), self.small)
        self.refused(4, "put", "-", "/box/x", *mine, data=b"x")
        self.refused(4, "detach", "/box", *mine)
        self.mine.write_text(f"reader {SECRET[::-1]}\n")
        said = self.refused(4, "cat", "/box/small", *mine)
        self.assertNotIn(SECRET[::-1], said)

    def test_tokens_are_read_again(self):
        mine = ("--node", self.node.tcp, "--token-file", str(self.mine), "--timeout", "2")
        self.ok("cat", "/box/small", *mine)
        self.tokens.write_text(f"other {SECRET} /box:rl\n")
        self.node.process.send_signal(signal.SIGHUP)
        for _ in range(200):  # the signal is taken soon
            if self.run_it("cat", "/box/small", *mine).returncode == 4:
                return
        self.fail("the token that is gone still works")


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]])
