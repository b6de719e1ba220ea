"""What the tests of the S3 door share: a node with it in front of folders, boto3, signing by hand.

Who imports it takes the arguments PROGRAM SERVERS-FOLDER [unittest's arguments]. boto3 comes from
the environment of moto in SERVERS-FOLDER ('./dev servers' makes it).
"""

import datetime
import hashlib
import hmac
import os
import pathlib
import random
import socket
import sys
import tempfile
import unittest
import urllib.error
import urllib.request

SERVERS = pathlib.Path(sys.argv[2]) if len(sys.argv) > 2 else pathlib.Path("build/servers")
PYTHON = SERVERS / "moto/bin/python"
try:
    import boto3
except ImportError:
    if not PYTHON.exists():
        raise RuntimeError(f"there is no boto3 in {SERVERS}; './dev servers' installs it") from None
    os.execv(PYTHON, [str(PYTHON), "-B", *sys.argv])
del sys.argv[2:3]

import botocore.auth  # noqa: E402: it is known to be there only now
import botocore.awsrequest  # noqa: E402
import botocore.credentials  # noqa: E402
from botocore.config import Config  # noqa: E402
from botocore.exceptions import BotoCoreError, ClientError  # noqa: E402, F401: for tests

import program_test as program  # noqa: E402: takes the program from the command line

TIME_LIMIT_S = 60
BOSS = ("AKIABOSS", "a-secret-of-the-boss")
READER = ("AKIAREADER", "a-secret-of-the-reader")
KEYS = f"""# who may come
{BOSS[0]} {BOSS[1]} *:rwla
{READER[0]} {READER[1]} /box:rl
anonymous /open:r
"""
EMPTY_HASH = hashlib.sha256(b"").hexdigest()


def client_of(url, key=BOSS, region="us-east-1", verify=None, **options):
    options.setdefault("retries", {"max_attempts": 0})
    if options.setdefault("signature_version", "s3v4") is None:
        del options["signature_version"]  # what boto3 does by itself
    return boto3.client("s3", endpoint_url=url, region_name=region, aws_access_key_id=key[0],
                        aws_secret_access_key=key[1], verify=verify, config=Config(**options))


class S3(unittest.TestCase):
    flags = ()
    keys = KEYS
    scheme = "http"

    @classmethod
    def prepare(cls):
        """What has to be in cls.folder before the node starts."""

    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory(prefix="forebay-test-")
        cls.folder = pathlib.Path(cls.temporary.name)
        cls.origin = cls.folder / "origin"
        for directory in ("origin/deep", "open", "buckets"):
            (cls.folder / directory).mkdir(parents=True)
        cls.prepare()
        flags = [flag.format(folder=cls.folder) for flag in cls.flags]
        if cls.keys:
            (cls.folder / "keys").write_text(cls.keys)
            flags += ["--s3-keys", str(cls.folder / "keys")]
        cls.large = random.Random(1).randbytes(5_000_001)
        (cls.origin / "deep/large").write_bytes(cls.large)
        (cls.origin / "small").write_bytes(b"hello\n")
        (cls.origin / "empty").write_bytes(b"")
        (cls.folder / "open/page").write_bytes(b"for all\n")
        cls.node = program.Node(cls.folder, *flags, s3="127.0.0.1:0")
        for name, directory in (("/box", "origin"), ("/open", "open")):
            program.forebay("attach", name, str(cls.folder / directory), node=cls.node.unix)
        cls.url = f"{cls.scheme}://{cls.node.s3}"
        cls.s3 = cls.client()

    @classmethod
    def tearDownClass(cls):
        cls.node.stop()
        cls.temporary.cleanup()

    @classmethod
    def client(cls, key=BOSS, region="us-east-1", **options):
        return client_of(cls.url, key, region, **options)

    def refused(self, code, call, *arguments, **options):
        with self.assertRaises(ClientError) as raised:
            call(*arguments, **options)
        self.assertEqual(raised.exception.response["Error"]["Code"], code,
                         raised.exception.response)
        return raised.exception.response

    def get(self, key, bucket="box", **options):
        return self.s3.get_object(Bucket=bucket, Key=key, **options)["Body"].read()

    def raw(self, text, until=None):
        """Sends bytes as they are; gives what comes until the door closes, or `until` is in it."""
        host, port = self.node.s3.rsplit(":", 1)
        with socket.create_connection((host, int(port)), timeout=TIME_LIMIT_S) as stream:
            stream.sendall(text)
            answer = b""
            while until is None or until not in answer:
                try:
                    piece = stream.recv(65536)
                except ConnectionResetError:
                    break
                if not piece:
                    break
                answer += piece
            return answer

    def signed(self, method, path, body=b"", headers=None, key=BOSS):
        """A request as botocore signs it; gives status, headers and body."""
        request = botocore.awsrequest.AWSRequest(method=method, url=self.url + path, data=body,
                                                 headers=headers or {})
        credentials = botocore.credentials.Credentials(*key)
        botocore.auth.S3SigV4Auth(credentials, "s3", "us-east-1").add_auth(request)
        prepared = request.prepare()
        asked = urllib.request.Request(prepared.url, method=method, headers=dict(prepared.headers),
                                       data=body if body else None)
        try:
            with urllib.request.urlopen(asked, timeout=TIME_LIMIT_S) as answer:
                return answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.headers, error.read()


def hmac_of(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def signing_key(scope, secret):
    key = ("AWS4" + secret).encode()
    for part in scope.split("/"):
        key = hmac_of(key, part)
    return key


def sign(stamp, scope, canonical, secret=BOSS[1]):
    text = (f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n"
            + hashlib.sha256(canonical.encode()).hexdigest())
    return hmac_of(signing_key(scope, secret), text).hex()


def by_hand(test, method, path, headers, payload, moment=None, unsigned=None, body=None):
    """`body(signature, stamp, scope)` makes the body, which may go on signing."""
    stamp = (moment or datetime.datetime.now(datetime.timezone.utc)).strftime("%Y%m%dT%H%M%SZ")
    scope = f"{stamp[:8]}/us-east-1/s3/aws4_request"
    headers = {"host": test.node.s3, "x-amz-content-sha256": payload, "x-amz-date": stamp,
               **headers}
    names = ";".join(sorted(headers))
    lines = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers))
    signature = sign(stamp, scope, f"{method}\n{path}\n\n{lines}\n{names}\n{payload}")
    headers["authorization"] = (f"AWS4-HMAC-SHA256 Credential={BOSS[0]}/{scope}, "
                                f"SignedHeaders={names}, Signature={signature}")
    data = body(signature, stamp, scope) if body else None
    if data is not None:
        headers["content-length"] = str(len(data))
    text = f"{method} {path} HTTP/1.1\r\n"
    text += "".join(f"{n}: {v}\r\n" for n, v in {**headers, **(unsigned or {})}.items())
    answer = test.raw(text.encode() + b"connection: close\r\n\r\n" + (data or b""))
    head, _, rest = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), rest


class Framed:
    """A body of aws-chunked."""

    def __init__(self, pieces, trailer="", spoil=None):
        self.pieces, self.trailer, self.spoil = pieces, trailer, spoil

    def __call__(self, signature, stamp, scope):
        key, body = signing_key(scope, BOSS[1]), b""
        for number, piece in enumerate([*self.pieces, b""]):
            text = (f"AWS4-HMAC-SHA256-PAYLOAD\n{stamp}\n{scope}\n{signature}\n{EMPTY_HASH}\n"
                    + hashlib.sha256(piece).hexdigest())
            signature = hmac_of(key, text).hex()
            if number == self.spoil:
                piece = b"X" + piece[1:]
            body += f"{len(piece):x};chunk-signature={signature}\r\n".encode() + piece
            body += b"\r\n" if piece else b""
        if self.trailer:
            text = (f"AWS4-HMAC-SHA256-TRAILER\n{stamp}\n{scope}\n{signature}\n"
                    + hashlib.sha256((self.trailer + "\n").encode()).hexdigest())
            last = hmac_of(key, text).hex()
            body += f"{self.trailer}\r\nx-amz-trailer-signature:{last}\r\n".encode()
        return body + b"\r\n"


def main():
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]])
