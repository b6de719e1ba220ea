#!/usr/bin/env python3
"""The real program in front of real servers of objects, which it starts: Azurite and moto.

origins_test.py PROGRAM SERVERS-FOLDER [unittest's arguments]
"""

import base64
import email.utils
import filecmp
import hashlib
import hmac
import http.server
import json
import os
import pathlib
import random
import re
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import urllib.error
import urllib.parse
import urllib.request

SERVERS = pathlib.Path(sys.argv.pop(2)) if len(sys.argv) > 2 else pathlib.Path("build/servers")

import fault_proxy  # noqa: E402: beside this file
import program_test as program  # noqa: E402: takes the program from the command line
from certificates import Authority  # noqa: E402
from tls_front import TlsFront  # noqa: E402

ACCOUNT = "devstoreaccount1"
# Azurite's own, known to all.
KEY = ("Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==")
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "training", "AWS_SECRET_ACCESS_KEY": "a-secret-of-s3",
               "AZURE_STORAGE_KEY": KEY}
START_TIME_S = 60
TIER = os.environ.get("FOREBAY_TEST_TIER", "quick")


class Server:
    """A server that says where it listens."""

    def __init__(self, folder, *command):
        self.output = open(pathlib.Path(folder) / (pathlib.Path(command[1]).name + ".out"), "wb+")
        self.process = subprocess.Popen(command, stdout=self.output, stderr=self.output)
        self.url = self.await_url()

    def await_url(self):
        until = time.monotonic() + START_TIME_S
        while time.monotonic() < until and self.process.poll() is None:
            said = pathlib.Path(self.output.name).read_text(errors="replace")
            found = re.search(r"(http://127\.0\.0\.1:[1-9][0-9]*)\D*\n", said)
            if found:
                return found[1]
            time.sleep(0.05)
        raise RuntimeError("it did not start: " + said)

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.output.close()


def start_moto(folder):
    return Server(folder, SERVERS / "moto/bin/python", SERVERS / "moto/bin/moto_server",
                  "-H", "127.0.0.1", "-p", "0")


def start_azurite(folder):
    return Server(folder, "node", SERVERS / "azurite/node_modules/.bin/azurite-blob",
                  "--blobHost", "127.0.0.1", "--blobPort", "0", "--silent",
                  "--inMemoryPersistence", "--skipApiVersionCheck", "--disableTelemetry")


def ask_azurite(url, method, path, **query):
    """Signed; gives the body of the answer."""
    date = email.utils.formatdate(usegmt=True)
    text = (method + "\n" * 12 + f"x-ms-date:{date}\nx-ms-version:2021-08-06\n"
            f"/{ACCOUNT}/{ACCOUNT}/{path}"
            + "".join(f"\n{name}:{query[name]}" for name in sorted(query)))
    proof = hmac.new(base64.b64decode(KEY), text.encode(), hashlib.sha256).digest()
    headers = {"x-ms-date": date, "x-ms-version": "2021-08-06", "Content-Length": "0",
               "Authorization": f"SharedKey {ACCOUNT}:{base64.b64encode(proof).decode()}"}
    request = urllib.request.Request(f"{url}/{ACCOUNT}/{path}?{urllib.parse.urlencode(query)}",
                                     method=method, headers=headers)
    with urllib.request.urlopen(request, timeout=10) as answer:
        return answer.read().decode()


def make_container(url, name):
    ask_azurite(url, "PUT", name, restype="container")


class Origins(unittest.TestCase):
    variables = {}  # of the node and of checks

    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory()
        cls.folder = pathlib.Path(cls.temporary.name)
        if not (SERVERS / "moto/bin/moto_server").exists():
            raise RuntimeError(f"there are no servers in {SERVERS}; './dev servers' installs them")
        cls.moto, cls.azurite = start_moto(cls.folder), start_azurite(cls.folder)
        request = urllib.request.Request(cls.moto.url + "/bucket", method="PUT")
        urllib.request.urlopen(request, timeout=10).close()
        make_container(cls.azurite.url, "box")
        (cls.folder / "files").mkdir()
        cls.urls = {"s3": f"s3://bucket/data?endpoint={cls.moto.url}",
                    "azure": f"azure://{ACCOUNT}/box/data?endpoint={cls.azurite.url}/{ACCOUNT}",
                    "file": f"file://{cls.folder}/files"}
        cls.node = program.Node(cls.folder, env=dict(CREDENTIALS, **cls.variables))

    @classmethod
    def tearDownClass(cls):
        cls.node.stop()
        cls.moto.stop()
        cls.azurite.stop()
        cls.temporary.cleanup()

    def ok(self, *arguments, **options):
        done = program.forebay(*arguments, node=self.node.unix, **options)
        self.assertEqual(done.returncode, 0, done)
        return done.stdout

    def requests(self):
        """Without those that were sent twice because the server was late."""
        origin = json.loads(self.ok("status", "--json"))["origin"]
        return origin["requests"] - origin["hedges"] - origin["retries"]

    def check(self, url, env=None, status=0):
        surroundings = dict(self.variables, **(env or CREDENTIALS))
        done = program.forebay("origin", "check", url, env=surroundings)
        self.assertEqual(done.returncode, status, done)
        said = (done.stdout + done.stderr).decode()
        self.assertNotIn(KEY, said)
        self.assertNotIn("a-secret-of-s3", said)
        return said


def make_tree(folder, count):
    """Files of odd names and sizes."""
    chance = random.Random(7)
    printable = [chr(code) for code in range(32, 127) if chr(code) not in "/\\"]
    odd = ["é", "ß", "日本", "🙂", "%2F", "%", "+", "&", "=", "?", "#", " ", "'", '"', "<>", "~", ";"]
    names = ["".join(printable), "a b+c%20d", "-", "--flag", "ends with space ", ".hidden",
             "x" * 200, "é" * 100]
    while len(names) < count:
        parts = ["".join(chance.choices(odd + printable, k=chance.randint(1, 12))).strip(".") or "p"
                 for _ in range(chance.randint(1, 4))]
        # A file and a directory cannot have one name, and here each directory's name ends so.
        names.append("/".join([part + "_" for part in parts[:-1]] + [parts[-1] + f".{len(names)}"]))
    for number, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        size = [0, 1, 4095, 4096, 4097][number % 5] if number % 3 else chance.randint(0, 60_000)
        path.write_bytes(chance.randbytes(size))
    (folder / "large").write_bytes(chance.randbytes(20_000_001))


def files_of(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


class Copies(Origins):
    def test_a_tree_goes_from_one_store_to_the_next_and_comes_back_the_same(self):
        for name, url in self.urls.items():
            self.ok("attach", f"/{name}-copy", url)
        source = self.folder / "source"
        make_tree(source, 1000)
        wanted = files_of(source)
        before = source
        for name in ("s3", "azure", "file"):
            self.ok("put", str(before), f"/{name}-copy/tree/")
            self.ok("evict", f"/{name}-copy/")
            after = self.folder / f"from-{name}"
            self.ok("get", f"/{name}-copy/tree/", str(after))
            self.assertEqual(files_of(after), wanted, name)
            _, different, failed = filecmp.cmpfiles(source, after, wanted, shallow=False)
            self.assertEqual(different + failed, [], name)
            before = after
        print(f"note: {len(wanted)} files through s3, azure and file, all equal")


class Economy(Origins):
    def test_the_second_epoch_of_what_never_changes_asks_nobody(self):
        source = self.folder / "small"
        source.mkdir()
        for number in range(300):
            (source / f"{number:04}").write_bytes(os.urandom(3000))
        for name in ("s3", "azure"):
            self.ok("attach", f"/{name}-fill", self.urls[name])
            self.ok("put", str(source), f"/{name}-fill/small/")
            self.ok("attach", f"/{name}-train", self.urls[name], "--freshness", "immutable")
            before = self.requests()
            for epoch in range(2):
                copy = self.folder / f"{name}-{epoch}"
                self.ok("get", f"/{name}-train/small/", str(copy))
                self.assertEqual(len(files_of(copy)), 300)
                cost = self.requests() - before
                before += cost
                if epoch == 0:
                    # One for each page of names and one for each object, and no HEAD.
                    self.assertLessEqual(cost, 300 + 3, name)
                else:
                    self.assertEqual(cost, 0, name)


class Misbehaviour(Origins):
    """Every fault of the proxy, with both drivers: exact bytes or a clear error."""
    SHARE = 0.25
    READS = 12

    def read_under(self, name, fault, proxy, objects):
        """How many reads were right, and what the others said."""
        proxy.inject(None, 0)
        self.ok("evict", f"/{name}-odd/")
        proxy.inject(fault, self.SHARE)
        right, errors = 0, []
        for number in range(self.READS):
            key, wanted = objects[number % len(objects)]
            done = program.forebay("cat", f"/{name}-odd/{key}", "--timeout", "20",
                                   node=self.node.unix)
            if done.returncode == 0:
                self.assertEqual(done.stdout, wanted, f"{name} under {fault}: wrong bytes")
                right += 1
            else:
                self.assertTrue(wanted.startswith(done.stdout), f"{name} under {fault}")
                said = done.stderr.decode()
                self.assertIn(f"/{name}-odd/{key}", said)
                self.assertNotIn(KEY, said)
                errors.append(said)
            self.ok("evict", f"/{name}-odd/")
        return right, errors

    def test_reads_are_exact_or_refused(self):
        chance = random.Random(3)
        objects = [(f"object-{size}", chance.randbytes(size))
                   for size in (0, 1000, 70_000, 300_000, 3_000_000)]
        proxies = {"s3": fault_proxy.FaultProxy(self.moto.url),
                   "azure": fault_proxy.FaultProxy(self.azurite.url)}
        try:
            for name, proxy in proxies.items():
                server = self.moto.url if name == "s3" else self.azurite.url
                self.ok("attach", f"/{name}-odd", self.urls[name].replace(server, proxy.url))
                for key, contents in objects:
                    self.ok("put", "-", f"/{name}-odd/{key}", data=contents)
            print()
            for fault in fault_proxy.KINDS:
                cells = []
                for name, proxy in proxies.items():
                    right, errors = self.read_under(name, fault, proxy, objects)
                    cells.append(f"{name}: struck {proxy.struck:3}, {right:2} right, "
                                 f"{len(errors):2} refused")
                    self.assertGreater(proxy.struck, 0, fault)
                print(f"note: {fault:24} {'   '.join(cells)}")
        finally:
            for proxy in proxies.values():
                proxy.stop()


class Writing(Origins):
    """Every fault of the proxy, struck on writes: what was acknowledged is there, and what was
    refused is as it was or whole."""
    SHARE = 0.4
    WRITES = 12 if TIER == "full" else 3
    SIZES = (1000, 20_000_001, 0, 300_000)  # one goes in parts

    def see(self, name, key):
        """What the store has, past the proxy and the cache."""
        self.ok("evict", f"/{name}-true/")
        return self.ok("cat", f"/{name}-true/{key}")

    def write_under(self, name, fault, proxy, chance):
        good, refused = 0, 0
        for number in range(self.WRITES):
            size = self.SIZES[number % len(self.SIZES)]
            key = f"written-{size}"
            proxy.inject(None, 0)
            before = chance.randbytes(size // 2 + 1)
            self.ok("put", "-", f"/{name}-faulty/{key}", data=before)
            after = chance.randbytes(size)
            proxy.inject(fault, self.SHARE, fault_proxy.WRITES)
            done = program.forebay("put", "-", f"/{name}-faulty/{key}", "--timeout", "20",
                                   node=self.node.unix, data=after)
            struck = proxy.struck
            proxy.inject(None, 0)
            proxy.struck = struck
            there = self.see(name, key)
            if done.returncode == 0:
                self.assertTrue(there == after, f"{name} under {fault}: acknowledged, not there")
                through = self.ok("cat", f"/{name}-faulty/{key}")
                self.assertTrue(through == after, f"{name} under {fault}: an old object is read")
                good += 1
            else:
                said = done.stderr.decode()
                self.assertTrue(there in (before, after), f"{name} under {fault}: neither whole")
                self.assertIn(f"/{name}-faulty/{key}", said)
                self.assertNotIn(KEY, said)
                refused += 1
            self.struck[name, fault] = self.struck.get((name, fault), 0) + struck
        return good, refused

    def test_what_is_acknowledged_is_there(self):
        chance = random.Random(5)
        self.struck = {}
        proxies = {"s3": fault_proxy.FaultProxy(self.moto.url, seed=2),
                   "azure": fault_proxy.FaultProxy(self.azurite.url, seed=2)}
        try:
            for name, proxy in proxies.items():
                server = self.moto.url if name == "s3" else self.azurite.url
                self.ok("attach", f"/{name}-faulty", self.urls[name].replace(server, proxy.url))
                self.ok("attach", f"/{name}-true", self.urls[name])
            print()
            for fault in fault_proxy.KINDS:
                cells = []
                for name, proxy in proxies.items():
                    good, refused = self.write_under(name, fault, proxy, chance)
                    cells.append(f"{name}: struck {self.struck[name, fault]:3}, {good:2} written, "
                                 f"{refused:2} refused")
                print(f"note: {fault:24} {'   '.join(cells)}")
            self.assertGreater(min(sum(struck for (name, _), struck in self.struck.items()
                                       if name == one) for one in proxies), 0)
        finally:
            for proxy in proxies.values():
                proxy.stop()


def signature_until(seconds):
    """A shared access signature of the container that ends so soon."""
    end = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds))
    fields = ["rl", "", end, f"/blob/{ACCOUNT}/box", "", "", "", "2020-10-02", "c",
              "", "", "", "", "", ""]
    proof = hmac.new(base64.b64decode(KEY), "\n".join(fields).encode(), hashlib.sha256).digest()
    return urllib.parse.urlencode({"sp": "rl", "se": end, "sv": "2020-10-02", "sr": "c",
                                   "sig": base64.b64encode(proof).decode()})


class Renewal(Origins):
    """Proofs that end in the middle of a load, at a server that looks at their end."""
    LIFE_S, RENEWED_S, LOAD_S = 4, 2, 12

    def test_no_read_fails_while_signatures_end_and_are_renewed(self):
        proof = self.folder / "signature"
        proof.write_text(signature_until(self.LIFE_S))
        first = signature_until(self.LIFE_S)
        objects = {f"{number:02}": os.urandom(200_000) for number in range(8)}
        self.ok("attach", "/owner", self.urls["azure"])
        for key, contents in objects.items():
            self.ok("put", "-", f"/owner/renewed/{key}", data=contents)
        self.ok("attach", "/reader", self.urls["azure"] + f"&credentials=file:{proof}")
        until, renewed, reads = time.monotonic() + self.LOAD_S, 0, 0
        renew_at = time.monotonic() + self.RENEWED_S
        while time.monotonic() < until:
            if time.monotonic() > renew_at:
                fresh = self.folder / "signature.new"
                fresh.write_text(signature_until(self.LIFE_S))
                fresh.rename(proof)
                renewed, renew_at = renewed + 1, time.monotonic() + self.RENEWED_S
            key = f"{reads % len(objects):02}"
            self.assertEqual(self.ok("cat", f"/reader/renewed/{key}"), objects[key])
            self.ok("evict", "/reader/")
            reads += 1
        # The one that it began with is worth nothing by now.
        with self.assertRaises(urllib.error.HTTPError):
            urllib.request.urlopen(f"{self.azurite.url}/{ACCOUNT}/box/data/renewed/00?{first}",
                                   timeout=10)
        self.assertGreaterEqual(renewed, 3)
        print(f"note: {reads} cold reads, {renewed} signatures one after the other, 0 failed")


class PageHandler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def say(self, kind, page):
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, *_):
        pass


class EndlessBucket(PageHandler):
    """A bucket of so many keys that none of them need be kept: pages of 1,000 names, made up."""
    KEYS = 50_000 if TIER == "quick" else 1_000_000
    PAGE = 1000
    asked = 0

    @staticmethod
    def key(number):
        return f"train/shard-{number // 1000:04}/sample-{number:07}.jpeg"

    def do_GET(self):
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
        type(self).asked += 1
        after = query.get("continuation-token", query.get("start-after", [""]))[0]
        begin = int(after.rsplit("-", 1)[1].split(".")[0]) + 1 if after else 0
        end = min(begin + self.PAGE, self.KEYS)
        entries = "".join(
            f"<Contents><Key>{self.key(number)}</Key><Size>1000</Size><ETag>&quot;e&quot;</ETag>"
            "<LastModified>2026-01-01T00:00:00.000Z</LastModified></Contents>"
            for number in range(begin, end))
        more = end < self.KEYS
        token = f"<NextContinuationToken>{self.key(end - 1)}</NextContinuationToken>" * more
        page = ("<?xml version='1.0'?><ListBucketResult><Name>endless</Name>"
                f"<IsTruncated>{str(more).lower()}</IsTruncated>{token}{entries}"
                "</ListBucketResult>").encode()
        self.say("application/xml", page)


class LongListing(unittest.TestCase):
    # Of what 1,000,000 names need, with room for what the heap adds; the default is 256 MiB.
    METADATA_MIB = 256
    ROOM_MIB = 128

    def test_a_million_names_stream_with_bounded_memory_and_are_kept(self):
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), EndlessBucket)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        with tempfile.TemporaryDirectory() as folder:
            node = program.Node(folder, "--metadata", f"{self.METADATA_MIB}MiB")
            try:
                url = f"s3://endless?endpoint=http://127.0.0.1:{server.server_port}"
                done = program.forebay("attach", "/endless", url + "&credentials=anonymous",
                                       "--freshness", "immutable", node=node.unix)
                self.assertEqual(done.returncode, 0, done)
                asked, seconds, first_name = [], [], None
                for _ in range(2):
                    before, begin = EndlessBucket.asked, time.monotonic()
                    listing = subprocess.Popen(
                        [program.PROGRAM, "ls", "-r", "/endless/"], stdout=subprocess.PIPE,
                        env=dict(program.CLEAN, FOREBAY_NODE=node.unix))
                    names = 0
                    for line in listing.stdout:
                        if names == 0 and first_name is None:
                            first_name = time.monotonic() - begin
                        self.assertTrue(line.rstrip().endswith(
                            EndlessBucket.key(names).encode()), line)
                        names += 1
                    listing.stdout.close()
                    self.assertEqual(listing.wait(), 0)
                    self.assertEqual(names, EndlessBucket.KEYS)
                    asked.append(EndlessBucket.asked - before)
                    seconds.append(time.monotonic() - begin)
                peak = program.peak_mib(node.process.pid)
                print(f"note: {EndlessBucket.KEYS} names: {seconds[0]:.1f} s and {asked[0]} "
                      f"requests, the first name after {first_name:.2f} s; again "
                      f"{seconds[1]:.1f} s and {asked[1]} requests; the node's memory at most "
                      f"{peak} MiB")
                self.assertLess(first_name, seconds[0] / 2)
                # One a page, and one in twenty twice where the server is late.
                self.assertLessEqual(asked[0], EndlessBucket.KEYS // EndlessBucket.PAGE * 1.05)
                self.assertEqual(asked[1], 0)
                self.assertLess(peak, self.METADATA_MIB + self.ROOM_MIB)
            finally:
                node.stop()
                server.shutdown()
                thread.join()
                server.server_close()


class HtmlPages(PageHandler):
    protocol_version = "HTTP/1.0"

    def do_GET(self):
        self.say("text/html", b"<html><body>Welcome to your router</body></html>")


class Checks(Origins):
    def test_what_is_well_is_told(self):
        for url in self.urls.values():
            said = self.check(url)
            self.assertIn("conditions hold", said)
            self.assertIn("good: forebay attach", said)
        self.assertIn("AZURE_STORAGE_KEY", self.check(self.urls["azure"]))

    def test_a_wrong_key_is_explained(self):
        wrong = dict(CREDENTIALS, AZURE_STORAGE_KEY=base64.b64encode(b"0" * 64).decode())
        said = self.check(self.urls["azure"], env=wrong, status=4)
        self.assertIn("refuses the account key", said)
        self.assertIn("AZURE_STORAGE_KEY", said)

    def test_what_is_not_there_is_named(self):
        self.assertIn("nobucket", self.check(f"s3://nobucket?endpoint={self.moto.url}", status=2))
        self.assertIn("nobox", self.check(
            f"azure://{ACCOUNT}/nobox?endpoint={self.azurite.url}/{ACCOUNT}", status=2))
        said = self.check("s3://bucket?endpoint=http://127.0.0.1:1", status=5)
        self.assertIn("127.0.0.1:1", said)

    def test_an_endpoint_that_speaks_html_is_said_to(self):
        server = http.server.HTTPServer(("127.0.0.1", 0), HtmlPages)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            endpoint = f"http://127.0.0.1:{server.server_port}"
            for url in (f"s3://bucket?endpoint={endpoint}", f"azure://a/box?endpoint={endpoint}"):
                done = program.forebay("origin", "check", url, env=CREDENTIALS)
                self.assertNotEqual(done.returncode, 0, done)
                self.assertIn("does not answer as", done.stderr.decode())
        finally:
            server.shutdown()
            thread.join()
            server.server_close()

    def test_secrets_do_not_get_into_the_url(self):
        said = self.check("s3://AKIA:secret@bucket", status=2)
        self.assertNotIn("AKIA", said)
        done = program.forebay("attach", "/odd-one", "s3://bucket?endpont=x", node=self.node.unix)
        self.assertEqual(done.returncode, 2, done)
        self.assertIn("there is no parameter 'endpont'", done.stderr.decode())


class Tls(Origins):
    """Both stores behind nginx, with certificates that are right or wrong."""
    # This machine may have files of its own there.
    variables = {"SSL_CERT_FILE": "", "AWS_CA_BUNDLE": ""}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.authority = Authority(cls.folder / "authority")
        good = cls.authority.issue("good")
        cls.front = TlsFront(cls.folder / "front", {
            "s3": (*good, cls.moto.url),
            "azure": (*good, cls.azurite.url),
            "other": (*cls.authority.issue("other", "DNS:other.example.org"), cls.moto.url),
            "expired": (*cls.authority.issue("expired", days=-1), cls.moto.url)})

    @classmethod
    def tearDownClass(cls):
        cls.front.stop()
        super().tearDownClass()

    def url_of(self, name, scheme="s3", ca=True, host="localhost"):
        url = self.urls[scheme].replace(self.moto.url, self.front.url(name, host))
        url = url.replace(self.azurite.url, self.front.url(name, host))
        return url + (f"&ca={self.authority.certificate}" if ca else "")

    def test_objects_come_and_go_by_tls(self):
        data = random.Random(4).randbytes(12_000_000)
        for scheme in ("s3", "azure"):
            name = f"/{scheme}-tls"
            self.ok("attach", name, self.url_of(scheme, scheme, ca=False),
                    "--ca", os.path.relpath(self.authority.certificate))
            self.assertIn(f"ca={self.authority.certificate}", self.ok("attachments").decode())
            self.ok("put", "-", f"{name}/large", data=data)
            self.ok("evict", f"{name}/")
            self.assertEqual(self.ok("cat", f"{name}/large"), data, scheme)

    def test_what_is_well_is_told(self):
        for scheme in ("s3", "azure"):
            self.assertIn("conditions hold", self.check(self.url_of(scheme, scheme)))
        for variable in ("AWS_CA_BUNDLE", "SSL_CERT_FILE"):
            trusting = dict(CREDENTIALS, **{variable: str(self.authority.certificate)})
            self.check(self.url_of("s3", ca=False), env=trusting)

    def test_an_authority_that_is_not_known_is_said_to_be(self):
        said = self.check(self.url_of("s3", ca=False), status=5)
        self.assertIn("signed by nobody in the system's authorities", said)
        self.assertIn("ca=FILE", said)
        another = Authority(self.folder / "another").certificate
        said = self.check(self.url_of("s3", ca=False) + f"&ca={another}", status=5)
        self.assertIn(f"signed by nobody in {another}", said)
        said = self.check(self.url_of("s3", ca=False) + "&ca=/none.pem", status=5)
        self.assertIn("no certificates of authorities can be read from /none.pem", said)
        said = self.check(self.url_of("s3", ca=False) + "&ca=here.pem", status=2)
        self.assertIn("the path of a file on the node", said)

    def test_a_certificate_for_another_host_is_said_to_be(self):
        said = self.check(self.url_of("other"), status=5)
        self.assertIn("its certificate is not for localhost", said)

    def test_a_certificate_that_has_expired_is_said_to_have(self):
        self.assertIn("its certificate has expired", self.check(self.url_of("expired"), status=5))

    def test_a_server_without_tls_is_said_to_be(self):
        said = self.check(f"s3://bucket/data?endpoint={self.moto.url}".replace("http:", "https:"),
                          status=5)
        self.assertIn("no TLS comes about", said)

    def test_readers_are_told_too(self):
        self.ok("attach", "/untrusted", self.url_of("s3", ca=False))
        done = program.forebay("cat", "/untrusted/large", "--timeout", "20", node=self.node.unix)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("signed by nobody in", done.stderr.decode())


del Origins  # has no tests of its own

if __name__ == "__main__":
    unittest.main(argv=sys.argv[1:])
