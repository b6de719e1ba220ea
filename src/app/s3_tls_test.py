#!/usr/bin/env python3
"""The S3 door of the real program behind TLS: boto3, curl, openssl, and who does as nobody should.

s3_tls_test.py PROGRAM SERVERS-FOLDER [unittest's arguments]
"""

import concurrent.futures
import io
import os
import pathlib
import random
import signal
import socket
import ssl
import subprocess
import tempfile
import time
import unittest
import urllib.request

from s3_base import BOSS, S3, TIME_LIMIT_S, client_of, main, program
from boto3.s3.transfer import TransferConfig  # there once s3_base is

from certificates import Authority, openssl

MIB = 1 << 20


def await_true(what, condition):
    until = time.monotonic() + TIME_LIMIT_S
    while not condition():
        if time.monotonic() > until:
            raise RuntimeError(f"still not so: {what}")
        time.sleep(0.1)


class Secure(S3):
    scheme = "https"
    flags = ("--s3-tls-cert", "{folder}/door.pem", "--s3-tls-key", "{folder}/door.key")

    @classmethod
    def prepare(cls):
        cls.authority = Authority(cls.folder / "authority")
        cls.put_in_place(*cls.authority.issue("door"))

    @classmethod
    def put_in_place(cls, certificate, key):
        for source, name in ((certificate, "door.pem"), (key, "door.key")):
            new = cls.folder / (name + ".new")
            new.write_bytes(pathlib.Path(source).read_bytes())
            new.chmod(0o600)
            os.replace(new, cls.folder / name)

    @classmethod
    def client(cls, key=BOSS, region="us-east-1", **options):
        return client_of(cls.url, key, region, verify=str(cls.authority.certificate), **options)

    def context(self):
        return ssl.create_default_context(cafile=self.authority.certificate)

    def plain(self):
        host, port = self.node.s3.rsplit(":", 1)
        return socket.create_connection((host, int(port)), timeout=TIME_LIMIT_S)

    def connect(self, context=None):
        return (context or self.context()).wrap_socket(
            self.plain(), server_hostname="localhost", suppress_ragged_eofs=False)

    def presigned(self, method, key, **params):
        return self.s3.generate_presigned_url(
            method, Params={"Bucket": "box", "Key": key, **params}, ExpiresIn=600)

    def curl(self, *arguments, status=0):
        done = subprocess.run(["curl", "-sS", "--cacert", self.authority.certificate, *arguments],
                              capture_output=True, check=False, timeout=TIME_LIMIT_S)
        self.assertEqual(done.returncode, status, done)
        return done

    def s_client(self, *arguments, data=b""):
        done = subprocess.run(["openssl", "s_client", "-connect", self.node.s3, "-CAfile",
                               self.authority.certificate, *arguments], input=data,
                              capture_output=True, check=False, timeout=TIME_LIMIT_S)
        return (done.stdout + done.stderr).decode(errors="replace")


class Tls(Secure):
    def test_what_boto3_does(self):
        self.assertEqual(self.get("deep/large"), self.large)
        for header, begin, end in (("bytes=0-0", 0, 1), ("bytes=-3", 4_999_998, 5_000_001),
                                   ("bytes=70000-3000000", 70_000, 3_000_001)):
            answer = self.s3.get_object(Bucket="box", Key="deep/large", Range=header)
            self.assertEqual(answer["Body"].read(), self.large[begin:end])
        for size in (0, 1, 16384, 3_000_000):
            data = random.Random(size).randbytes(size)
            self.s3.put_object(Bucket="box", Key=f"put-{size}", Body=data)
            self.assertEqual(self.get(f"put-{size}"), data)
            self.assertEqual((self.origin / f"put-{size}").read_bytes(), data)
        self.assertIn("small", [entry["Key"] for entry in
                                self.s3.list_objects_v2(Bucket="box")["Contents"]])
        self.refused("NoSuchKey", self.s3.get_object, Bucket="box", Key="nothing")

    def test_an_upload_in_parts(self):
        data = random.Random(5).randbytes(17 * MIB + 3)
        self.s3.upload_fileobj(io.BytesIO(data), "box", "parts",
                               Config=TransferConfig(multipart_threshold=5 * MIB,
                                                     multipart_chunksize=5 * MIB))
        self.assertEqual(self.get("parts"), data)
        upload = self.s3.create_multipart_upload(Bucket="box", Key="one-part")["UploadId"]
        part = self.s3.upload_part(Bucket="box", Key="one-part", UploadId=upload, PartNumber=1,
                                   Body=b"all of it")
        done = self.s3.complete_multipart_upload(
            Bucket="box", Key="one-part", UploadId=upload,
            MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]})
        self.assertEqual(done["Location"], f"{self.url}/box/one-part")

    def test_sixteen_at_a_time(self):
        def one(number):
            data = random.Random(number).randbytes(700_000 + number)
            client = self.client()
            client.put_object(Bucket="box", Key=f"of-{number}", Body=data)
            got = client.get_object(Bucket="box", Key=f"of-{number}")["Body"].read()
            large = client.get_object(Bucket="box", Key="deep/large")["Body"].read()
            return got == data and large == self.large
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            self.assertTrue(all(pool.map(one, range(16))))

    def test_what_curl_does_by_both_versions(self):
        url = self.presigned("get_object", "deep/large")
        for version in (["--tls-max", "1.2"], ["--tlsv1.3"]):
            self.assertEqual(self.curl(*version, url).stdout, self.large)
            self.assertEqual(self.curl(*version, "-r", "5-9", url).stdout, self.large[5:10])
        # On one connection, with nothing of HTTP/2.
        said = self.curl("-v", "--http2", url, url, "-o", os.devnull, "-o", os.devnull)
        self.assertIn(b"Re-using existing connection", said.stderr)
        self.assertIn(b"ALPN: server accepted http/1.1", said.stderr)
        self.assertNotIn(b"unexpected eof", said.stderr)

    def test_what_openssl_sees(self):
        for version in ("-tls1_2", "-tls1_3"):
            said = self.s_client(version, "-alpn", "http/1.1")
            self.assertIn("Verify return code: 0 (ok)", said)
            self.assertIn("ALPN protocol: http/1.1", said)
        self.assertRegex(self.s_client("-alpn", "h2"), "no application protocol")
        self.assertRegex(self.s_client("-tls1_1", "-cipher", "ALL:@SECLEVEL=0"),
                         "alert protocol version")
        self.assertRegex(self.s_client("-tls1_2", "-cipher", "AES128-SHA"), "handshake failure")

    def test_tickets_save_a_handshake(self):
        for version, context in (("TLSv1.2", ssl.TLSVersion.TLSv1_2),
                                 ("TLSv1.3", ssl.TLSVersion.TLSv1_3)):
            trusting = self.context()
            trusting.maximum_version = trusting.minimum_version = context
            session = None
            for again in (False, True):
                stream = trusting.wrap_socket(self.plain(), server_hostname="localhost",
                                              session=session)
                with stream:
                    stream.sendall(b"GET /box/nothing HTTP/1.1\r\nHost: x\r\n\r\n")
                    answer = b""
                    while b"</Error>" not in answer:
                        answer += stream.recv(65536)
                    self.assertEqual(stream.version(), version)
                    self.assertEqual(stream.session_reused, again)
                    session = stream.session
                    stream.unwrap()  # by which the session counts as sound

    def test_an_end_is_said(self):
        with self.connect() as stream:
            stream.sendall(b"GET /box/small HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            answer = b""
            while piece := stream.recv(65536):  # raises where the end is only a broken connection
                answer += piece
        self.assertIn(b"403", answer.splitlines()[0])

    def test_a_body_that_is_cut_writes_nothing(self):
        url = self.presigned("put_object", "cut").split(self.node.s3, 1)[1]
        with self.connect() as stream:
            stream.sendall(f"PUT {url} HTTP/1.1\r\nHost: {self.node.s3}\r\n"
                           "Content-Length: 100\r\n\r\n".encode() + b"half of it")
            stream.shutdown(socket.SHUT_WR)
            try:
                self.assertNotIn(b" 200 ", stream.recv(65536))
            except (ssl.SSLError, OSError):
                pass
        self.assertFalse((self.origin / "cut").exists())


class Strangers(Secure):
    def still_serves(self):
        self.assertEqual(self.get("small"), b"hello\n")

    def await_line(self, text, cause):
        """One failure of ten seconds has a line of its own."""
        def logged():
            cause()
            return text in self.node.said()
        await_true(f"'{text}' is in the log", logged)

    def answer_to(self, text):
        with self.plain() as stream:
            stream.sendall(text)
            answer = b""
            try:
                while piece := stream.recv(65536):
                    answer += piece
            except ConnectionResetError:
                pass
            return answer

    def test_plain_http_is_told_where_it_is(self):
        answer = self.answer_to(b"GET /box/small HTTP/1.1\r\nHost: x\r\n\r\n")
        self.assertTrue(answer.startswith(b"HTTP/1.1 400 "), answer)
        self.assertIn(b"https://", answer)
        said = self.curl(f"http://{self.node.s3}/box/small")
        self.assertIn(b"this port speaks TLS", said.stdout)
        self.await_line("plain text came", lambda: self.answer_to(b"GET / HTTP/1.1\r\n\r\n"))
        self.still_serves()

    def test_garbage_ends_the_connection(self):
        chance = random.Random(9)
        for _ in range(50):
            garbage = bytes([chance.choice([0, 0x16, 0x17, 0x80, 0xff])]) + chance.randbytes(300)
            self.answer_to(garbage + bytes(20_000))
        hello = bytes.fromhex("1603010200010001fc0303")
        for size in range(1, len(hello)):
            with self.plain() as stream:
                stream.sendall(hello[:size])
        self.still_serves()

    def test_handshakes_that_never_end_are_ended_and_hold_nobody_up(self):
        waiting = [self.plain() for _ in range(64)]
        for number, stream in enumerate(waiting):
            if number % 2:
                stream.sendall(bytes.fromhex("1603010200010001fc0303"))
        self.still_serves()
        for stream in waiting:
            try:
                # An alert may come first.
                while stream.recv(100):
                    pass
            except ConnectionResetError:
                pass
            stream.close()
        self.still_serves()

    def test_a_client_that_does_not_trust_us_is_named_in_the_log(self):
        another = Authority(self.folder / "another").certificate
        self.await_line("does not trust the certificate",
                        lambda: self.curl("--cacert", another, self.url, status=60))


class Renewal(Secure):
    def name_shown(self):
        with self.connect() as stream:
            return dict(pair[0] for pair in stream.getpeercert()["subject"])["commonName"]

    def test_new_files_are_for_new_connections(self):
        old = self.connect()
        self.assertEqual(self.name_shown(), "door")
        self.put_in_place(*self.authority.issue("renewed"))
        await_true("the new certificate", lambda: self.name_shown() == "renewed")
        old.sendall(b"GET /box/small HTTP/1.1\r\nHost: x\r\n\r\n")
        self.assertIn(b"403", old.recv(65536))
        old.close()
        # What is wrong stays out.
        certificate, _ = self.authority.issue("wrong")
        self.put_in_place(certificate, self.authority.key)
        await_true("the error", lambda: "it does not belong to the certificate"
                   in self.node.said())
        self.assertIn("the old ones stay in force", self.node.said())
        self.assertEqual(self.name_shown(), "renewed")
        self.node.process.send_signal(signal.SIGHUP)
        self.put_in_place(*self.authority.issue("last"))
        await_true("the last certificate", lambda: self.name_shown() == "last")
        self.put_in_place(*self.authority.issue("late", days=-1))
        await_true("the warning", lambda: "has expired: clients will refuse it"
                   in self.node.said())


class PlainDoor(S3):
    def test_tls_at_a_plain_door_ends_at_once(self):
        done = subprocess.run(["curl", "-sS", f"https://{self.node.s3}/"], capture_output=True,
                              check=False, timeout=TIME_LIMIT_S)
        self.assertEqual(done.returncode, 35, done)
        self.assertIn(b"wrong version number", done.stderr)
        with urllib.request.urlopen(self.s3.generate_presigned_url(
                "get_object", Params={"Bucket": "box", "Key": "small"}),
                timeout=TIME_LIMIT_S) as answer:
            self.assertEqual(answer.read(), b"hello\n")


class Settings(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory(prefix="forebay-test-")
        self.addCleanup(temporary.cleanup)
        self.folder = pathlib.Path(temporary.name)
        self.certificate, self.key = Authority(self.folder).issue("door")

    def refused(self, certificate, key, *fragments):
        tls = [*(["--s3-tls-cert", certificate] if certificate else []),
               *(["--s3-tls-key", key] if key else [])]
        done = program.forebay("node", "--data", self.folder / "node", "--socket",
                               self.folder / "sock", "--listen", "none", "--http", "none",
                               "--s3", "127.0.0.1:0", "--dram", "64MiB", "--disk", "0", *tls)
        self.assertNotEqual(done.returncode, 0, done)
        for fragment in fragments:
            self.assertIn(str(fragment), done.stderr.decode())

    def test_what_is_wrong_with_the_files_is_said(self):
        other = self.folder / "other"
        self.refused(self.certificate, None, "flag --s3-tls-cert", "go together")
        self.refused(None, self.key, "flag --s3-tls-key", "go together")
        self.refused(other, self.key, f"certificate {other}: cannot be read")
        self.refused(self.certificate, other, f"key {other}: cannot be read")
        self.refused(self.key, self.key, f"certificate {self.key}: none in it")
        other.write_bytes(self.certificate.read_bytes())
        other.chmod(0o600)
        self.refused(self.certificate, other, "no private key can be read")
        other.write_text("garbage\n")
        self.refused(other, self.key, "-----BEGIN CERTIFICATE-----")
        self.refused(self.certificate, other, f"key {other}: no private key")
        _, another = Authority(self.folder / "b").issue("door")
        self.refused(self.certificate, another, f"key {another}: it does not belong")
        openssl("pkey", "-in", self.key, "-out", other, "-aes128", "-passout", "pass:x")
        self.refused(self.certificate, other, "encrypted with a passphrase")
        self.key.chmod(0o644)
        self.refused(self.certificate, self.key, f"key {self.key}", "mode 644", "chmod 600")


del S3, Secure  # have no tests of their own

if __name__ == "__main__":
    main()
