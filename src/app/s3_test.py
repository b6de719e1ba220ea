#!/usr/bin/env python3
"""The S3 door of the real program, asked by boto3, by curl and by hand, over files.

s3_test.py PROGRAM SERVERS-FOLDER [unittest's arguments]

boto3 comes from the environment of moto in SERVERS-FOLDER ('./dev servers' makes it).
"""

import base64
import datetime
import hashlib
import hmac
import io
import os
import pathlib
import random
import socket
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.error
import urllib.request
import zlib

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
from botocore import UNSIGNED  # noqa: E402
from botocore.config import Config  # noqa: E402
from botocore.exceptions import ClientError  # noqa: E402

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


class S3(unittest.TestCase):
    flags = ()
    keys = KEYS

    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory(prefix="forebay-test-")
        cls.folder = pathlib.Path(cls.temporary.name)
        cls.origin = cls.folder / "origin"
        for directory in ("origin/deep", "open", "buckets"):
            (cls.folder / directory).mkdir(parents=True)
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
        cls.url = f"http://{cls.node.s3}"
        cls.s3 = cls.client()

    @classmethod
    def tearDownClass(cls):
        cls.node.stop()
        cls.temporary.cleanup()

    @classmethod
    def client(cls, key=BOSS, region="us-east-1", **options):
        options.setdefault("retries", {"max_attempts": 0})
        options.setdefault("signature_version", "s3v4")
        return boto3.client("s3", endpoint_url=cls.url, region_name=region,
                            aws_access_key_id=key[0], aws_secret_access_key=key[1],
                            config=Config(**options))

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


class Reading(S3):
    def test_objects_and_all_forms_of_ranges(self):
        self.assertEqual(self.get("deep/large"), self.large)
        for header, begin, end in (("bytes=0-0", 0, 1), ("bytes=5-9", 5, 10),
                                   ("bytes=4999999-", 4_999_999, 5_000_001),
                                   ("bytes=-3", 4_999_998, 5_000_001),
                                   ("bytes=7-99999999", 7, 5_000_001)):
            answer = self.s3.get_object(Bucket="box", Key="deep/large", Range=header)
            self.assertEqual(answer["ResponseMetadata"]["HTTPStatusCode"], 206)
            self.assertEqual(answer["ContentRange"], f"bytes {begin}-{end - 1}/5000001")
            self.assertEqual(answer["Body"].read(), self.large[begin:end])
        for header in ("bytes=9-3", "bytes=a-b", "lines=1-2", "bytes=0-1,3-4", "bytes=-"):
            answer = self.s3.get_object(Bucket="box", Key="small", Range=header)
            self.assertEqual(answer["ResponseMetadata"]["HTTPStatusCode"], 200, header)
        for key, header in (("small", "bytes=6-"), ("small", "bytes=-0"), ("empty", "bytes=0-")):
            said = self.refused("InvalidRange", self.s3.get_object, Bucket="box", Key=key,
                                Range=header)
            self.assertEqual(said["ResponseMetadata"]["HTTPStatusCode"], 416)
        self.assertEqual(self.get("empty"), b"")

    def test_a_head_tells_what_a_get_would(self):
        head = self.s3.head_object(Bucket="box", Key="deep/large")
        got = self.s3.get_object(Bucket="box", Key="deep/large")
        got["Body"].close()
        for field in ("ContentLength", "ETag", "LastModified", "ContentType", "AcceptRanges"):
            self.assertEqual(head[field], got[field], field)
        self.assertRegex(head["ETag"], r'^"[0-9a-f]{32}-1"$')
        modified = (self.origin / "deep/large").stat().st_mtime
        self.assertEqual(int(head["LastModified"].timestamp()), int(modified))
        self.assertEqual(self.refused("404", self.s3.head_object, Bucket="box", Key="nothing")
                         ["ResponseMetadata"]["HTTPStatusCode"], 404)

    def test_conditions(self):
        etag = self.s3.head_object(Bucket="box", Key="small")["ETag"]
        before, after = "Sat, 21 Nov 2020 00:00:00 GMT", "Sat, 21 Nov 2099 00:00:00 GMT"
        def ask(**conditions):
            headers = {name.replace("_", "-"): value for name, value in conditions.items()}
            return self.signed("GET", "/box/small", headers=headers)[0]
        self.assertEqual(ask(If_Match=etag), 200)
        self.assertEqual(ask(If_Match='"else"'), 412)
        self.assertEqual(ask(If_Match='"else", ' + etag), 200)
        self.assertEqual(ask(If_None_Match=etag), 304)
        self.assertEqual(ask(If_None_Match="*"), 304)
        self.assertEqual(ask(If_None_Match='"else"'), 200)
        self.assertEqual(ask(If_Modified_Since=after), 304)
        self.assertEqual(ask(If_Modified_Since=before), 200)
        self.assertEqual(ask(If_Unmodified_Since=before), 412)
        self.assertEqual(ask(If_Unmodified_Since=after), 200)
        # The etag has the last word.
        self.assertEqual(ask(If_Match=etag, If_Unmodified_Since=before), 200)
        self.assertEqual(ask(If_None_Match='"else"', If_Modified_Since=after), 200)
        self.assertEqual(ask(If_Modified_Since="yesterday"), 200)

    def test_a_new_state_is_seen_by_who_names_its_etag(self):
        path = self.origin / "changing"
        path.write_bytes(b"one")
        first = self.s3.head_object(Bucket="box", Key="changing")["ETag"]
        path.write_bytes(b"three")
        self.s3.head_object(Bucket="box", Key="changing")  # may still be the first: it is fresh
        self.refused("PreconditionFailed", self.s3.get_object, Bucket="box", Key="changing",
                     IfMatch='"0"')
        answer = self.s3.get_object(Bucket="box", Key="changing")
        self.assertNotEqual(answer["ETag"], first)
        self.assertEqual(answer["Body"].read(), b"three")

    def test_the_answers_headers_can_be_chosen(self):
        answer = self.s3.get_object(Bucket="box", Key="small", ResponseContentType="text/x",
                                    ResponseCacheControl="no-store",
                                    ResponseContentDisposition="attachment")
        self.assertEqual((answer["ContentType"], answer["CacheControl"],
                          answer["ContentDisposition"]), ("text/x", "no-store", "attachment"))

    def test_attributes_versions_and_settings(self):
        said = self.s3.get_object_attributes(Bucket="box", Key="small",
                                             ObjectAttributes=["ETag", "ObjectSize"])
        self.assertEqual(said["ObjectSize"], 6)
        self.assertEqual(self.get("small", VersionId="null"), b"hello\n")
        self.refused("NoSuchVersion", self.s3.get_object, Bucket="box", Key="small",
                     VersionId="abc")
        self.assertNotIn("Status", self.s3.get_bucket_versioning(Bucket="box"))
        self.assertIsNone(self.s3.get_bucket_location(Bucket="box")["LocationConstraint"])
        self.assertEqual(self.s3.get_bucket_acl(Bucket="box")["Grants"][0]["Permission"],
                         "FULL_CONTROL")
        self.refused("NoSuchBucketPolicy", self.s3.get_bucket_policy, Bucket="box")
        self.refused("NotImplemented", self.s3.put_bucket_policy, Bucket="box", Policy="{}")
        self.refused("NotImplemented", self.s3.get_object_tagging, Bucket="box", Key="small")

    def test_what_is_not_there(self):
        self.refused("NoSuchKey", self.s3.get_object, Bucket="box", Key="nothing")
        self.refused("NoSuchBucket", self.s3.get_object, Bucket="nothing", Key="nothing")
        self.refused("NoSuchBucket", self.s3.list_objects_v2, Bucket="nothing")
        self.refused("404", self.s3.head_bucket, Bucket="nothing")
        self.assertEqual([b["Name"] for b in self.s3.list_buckets()["Buckets"]], ["box", "open"])


class Listing(S3):
    NAMES = ["a b+%", "a0", "a/1", "a/2/x", "a/2/y", "b", "c/1", "c|1", "c|2", "é/ü"]

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for name in cls.NAMES:
            cls.s3.put_object(Bucket="box", Key="l/" + name, Body=name.encode())

    def names(self, call, **options):
        answer = call(Bucket="box", **options)
        entries = answer.get("Contents", answer.get("Versions", []))
        return ([entry["Key"][2:] for entry in entries],
                [entry["Prefix"][2:] for entry in answer.get("CommonPrefixes", [])], answer)

    def test_prefixes_and_delimiters(self):
        for call in (self.s3.list_objects_v2, self.s3.list_objects, self.s3.list_object_versions):
            self.assertEqual(self.names(call, Prefix="l/")[0], sorted(self.NAMES))
            self.assertEqual(self.names(call, Prefix="l/", Delimiter="/")[:2],
                             (["a b+%", "a0", "b", "c|1", "c|2"], ["a/", "c/", "é/"]))
            self.assertEqual(self.names(call, Prefix="l/", Delimiter="|")[:2],
                             (["a b+%", "a/1", "a/2/x", "a/2/y", "a0", "b", "c/1", "é/ü"], ["c|"]))
            self.assertEqual(self.names(call, Prefix="l/a", Delimiter="/2")[:2],
                             (["a b+%", "a/1", "a0"], ["a/2"]))
            self.assertEqual(self.names(call, Prefix="l/none")[:2], ([], []))
            self.assertEqual(self.names(call, Prefix="/l")[:2], ([], []))
            self.assertEqual(self.names(call, Prefix="l//")[:2], ([], []))

    def test_pages_of_every_size_give_each_name_once(self):
        for operation in ("list_objects_v2", "list_objects", "list_object_versions"):
            for delimiter in ("", "/", "|", "2"):
                whole = self.names(getattr(self.s3, operation), Prefix="l/", Delimiter=delimiter)
                for size in (1, 2, 3, 7):
                    names, prefixes = [], []
                    paginator = self.s3.get_paginator(operation)
                    for page in paginator.paginate(Bucket="box", Prefix="l/", Delimiter=delimiter,
                                                   PaginationConfig={"PageSize": size}):
                        found = page.get("Contents", page.get("Versions", []))
                        groups = page.get("CommonPrefixes", [])
                        self.assertLessEqual(len(found) + len(groups), size)
                        names += [entry["Key"][2:] for entry in found]
                        prefixes += [entry["Prefix"][2:] for entry in groups]
                    # V1 tells where to go on only with a delimiter: boto3 takes the last key then.
                    self.assertEqual((names, prefixes), whole[:2], (operation, delimiter, size))

    def test_where_to_begin(self):
        self.assertEqual(self.names(self.s3.list_objects_v2, Prefix="l/", StartAfter="l/b")[0],
                         ["c/1", "c|1", "c|2", "é/ü"])
        self.assertEqual(self.names(self.s3.list_objects, Prefix="l/", Marker="l/c|1")[0],
                         ["c|2", "é/ü"])
        self.assertEqual(self.names(self.s3.list_objects, Prefix="l/", Marker="l/a/1",
                                    Delimiter="/")[1], ["c/", "é/"])
        self.refused("InvalidArgument", self.s3.list_objects_v2, Bucket="box",
                     ContinuationToken="no token")
        _, _, answer = self.names(self.s3.list_objects_v2, ContinuationToken="")
        self.assertEqual(answer["ContinuationToken"], "")

    def test_how_many(self):
        _, _, answer = self.names(self.s3.list_objects_v2, MaxKeys=0)
        self.assertEqual((answer["KeyCount"], answer["IsTruncated"]), (0, False))
        _, _, answer = self.names(self.s3.list_objects_v2, MaxKeys=5000)
        self.assertEqual(answer["MaxKeys"], 1000)
        for wrong in ("-1", "x", "1x", "99999999999"):
            status, _, body = self.signed("GET", f"/box?list-type=2&max-keys={wrong}")
            if wrong != "99999999999":
                self.assertEqual((status, b"InvalidArgument" in body), (400, True), wrong)

    def test_names_can_be_encoded(self):
        body = self.signed("GET", "/box?list-type=2&prefix=l/a%20&encoding-type=url")[2]
        self.assertIn(b"<Key>l/a%20b%2B%25</Key>", body)
        self.assertIn(b"<EncodingType>url</EncodingType>", body)
        status, _, body = self.signed("GET", "/box?list-type=2&encoding-type=base64")
        self.assertEqual((status, b"InvalidArgument" in body), (400, True))

    def test_a_listing_tells_what_a_head_tells(self):
        entry = self.names(self.s3.list_objects_v2, Prefix="l/b")[2]["Contents"][0]
        head = self.s3.head_object(Bucket="box", Key="l/b")
        self.assertEqual((entry["ETag"], entry["Size"]), (head["ETag"], head["ContentLength"]))
        self.assertNotIn("Owner", entry)
        entry = self.names(self.s3.list_objects_v2, Prefix="l/b", FetchOwner=True)[2]
        self.assertIn("Owner", entry["Contents"][0])
        version = self.names(self.s3.list_object_versions, Prefix="l/b")[2]["Versions"][0]
        self.assertEqual((version["VersionId"], version["IsLatest"]), ("null", True))


class Signing(S3):
    def test_keys_and_their_rights(self):
        reader = self.client(READER)
        self.assertEqual([b["Name"] for b in reader.list_buckets()["Buckets"]], ["box"])
        self.assertEqual(reader.get_object(Bucket="box", Key="small")["Body"].read(), b"hello\n")
        for call, options in ((reader.put_object, {"Bucket": "box", "Key": "w", "Body": b""}),
                              (reader.delete_object, {"Bucket": "box", "Key": "small"}),
                              (reader.copy_object, {"Bucket": "box", "Key": "w",
                                                    "CopySource": "box/small"}),
                              (reader.create_multipart_upload, {"Bucket": "box", "Key": "w"}),
                              (reader.get_object, {"Bucket": "open", "Key": "page"})):
            self.refused("AccessDenied", call, **options)
        self.assertFalse((self.origin / "w").exists())

    def test_who_is_not_known_or_signs_wrongly(self):
        self.refused("InvalidAccessKeyId", self.client(("AKIANOBODY", "x")).list_buckets)
        self.refused("SignatureDoesNotMatch", self.client((BOSS[0], "wrong")).list_buckets)
        said = self.refused("AuthorizationHeaderMalformed",
                            self.client(region="eu-west-1").list_buckets)
        self.assertEqual(said["Error"]["Region"], "us-east-1")

    def test_anonymous_gets_what_is_open(self):
        nobody = self.client(signature_version=UNSIGNED)
        self.assertEqual(nobody.get_object(Bucket="open", Key="page")["Body"].read(), b"for all\n")
        self.refused("AccessDenied", nobody.list_objects_v2, Bucket="open")
        self.refused("AccessDenied", nobody.get_object, Bucket="box", Key="small")
        self.refused("AccessDenied", nobody.put_object, Bucket="open", Key="page", Body=b"x")
        self.refused("InvalidRequest", nobody.get_object, Bucket="open", Key="page",
                     ResponseContentType="text/x")

    def test_keys_are_read_again_when_their_file_changes(self):
        new = ("AKIANEW", "a-secret-of-the-new-one")
        self.refused("InvalidAccessKeyId", self.client(new).list_buckets)
        (self.folder / "keys").write_text(KEYS + f"{new[0]} {new[1]} /open:r\n")
        until = time.monotonic() + TIME_LIMIT_S
        while time.monotonic() < until:
            try:
                self.assertEqual(self.client(new).list_buckets()["Buckets"][0]["Name"], "open")
                break
            except ClientError:
                time.sleep(0.1)
        else:
            self.fail("the new key was not read")

    def test_presigned_requests(self):
        for method, options in (("get_object", {}), ("put_object", {"Body": b"x"})):
            url = self.s3.generate_presigned_url(
                method, Params={"Bucket": "box", "Key": "pré/signed +%"}, ExpiresIn=60)
            asked = urllib.request.Request(url, method="PUT", data=b"by url")
            if method == "put_object":
                with urllib.request.urlopen(asked, timeout=TIME_LIMIT_S) as answer:
                    self.assertEqual(answer.status, 200)
        self.assertEqual(self.get("pré/signed +%"), b"by url")
        url = self.s3.generate_presigned_url("get_object", ExpiresIn=60,
                                             Params={"Bucket": "box", "Key": "small"})
        def answer_of(changed):
            with self.assertRaises(urllib.error.HTTPError) as raised:
                urllib.request.urlopen(changed, timeout=TIME_LIMIT_S)
            with raised.exception as error:
                return error.code, error.read()
        self.assertIn(b"SignatureDoesNotMatch", answer_of(url.replace("/small", "/empty"))[1])
        self.assertIn(b"SignatureDoesNotMatch", answer_of(url.replace("s=60", "s=61"))[1])
        self.assertIn(b"AuthorizationQueryParametersError",
                      answer_of(url.replace("s=60", "s=604801"))[1])
        self.assertIn(b"AuthorizationQueryParametersError",
                      answer_of(url.replace("X-Amz-Expires=60&", ""))[1])
        old = (datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(hours=1))
        self.assertIn(b"Request has expired", answer_of(self.presign("/box/small", old, 60))[1])
        with urllib.request.urlopen(self.presign("/box/small", old, 7200)) as answer:
            self.assertEqual(answer.read(), b"hello\n")

    def presign(self, path, moment, seconds):
        """By hand, so that one misunderstanding is not made twice."""
        stamp = moment.strftime("%Y%m%dT%H%M%SZ")
        scope = f"{stamp[:8]}/us-east-1/s3/aws4_request"
        query = (f"X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={BOSS[0]}%2F"
                 + scope.replace("/", "%2F") + f"&X-Amz-Date={stamp}&X-Amz-Expires={seconds}"
                 "&X-Amz-SignedHeaders=host")
        canonical = f"GET\n{path}\n{query}\nhost:{self.node.s3}\n\nhost\nUNSIGNED-PAYLOAD"
        return f"{self.url}{path}?{query}&X-Amz-Signature={sign(stamp, scope, canonical)}"

    def test_clocks_that_are_wrong(self):
        for hours in (-1, 1):
            moment = (datetime.datetime.now(datetime.timezone.utc)
                      + datetime.timedelta(hours=hours))
            status, body = by_hand(self, "GET", "/box/small", {}, EMPTY_HASH, moment=moment)
            self.assertEqual(status, 403)
            self.assertIn(b"<Code>RequestTimeTooSkewed</Code>", body)

    def test_headers_that_are_not_signed(self):
        status, body = by_hand(self, "GET", "/box/small", {}, EMPTY_HASH,
                               unsigned={"x-amz-meta-more": "1"})
        self.assertEqual(status, 403)
        self.assertIn(b"<HeadersNotSigned>x-amz-meta-more</HeadersNotSigned>", body)

    def test_curl_signs_as_it_should(self):
        done = subprocess.run(["curl", "-s", "--aws-sigv4", "aws:amz:us-east-1:s3", "--user",
                               ":".join(BOSS), f"{self.url}/box/deep/large"],
                              capture_output=True, check=True, timeout=TIME_LIMIT_S)
        self.assertEqual(done.stdout, self.large)

    def test_every_route_asks_who_comes(self):
        routes = [("GET", "/"), ("HEAD", "/box"), ("PUT", "/newbox"), ("DELETE", "/box"),
                  ("GET", "/box"), ("GET", "/box?list-type=2"), ("GET", "/box?versions"),
                  ("GET", "/box?uploads"), ("GET", "/box?location"), ("GET", "/box?versioning"),
                  ("GET", "/box?acl"), ("GET", "/box?policy"), ("PUT", "/box?policy"),
                  ("POST", "/box?delete"), ("POST", "/box"), ("GET", "/box/small"),
                  ("HEAD", "/box/small"), ("GET", "/box/small?attributes"),
                  ("GET", "/box/small?acl"), ("PUT", "/box/x"), ("DELETE", "/box/small"),
                  ("POST", "/box/x?uploads"), ("PUT", "/box/x?partNumber=1&uploadId=u"),
                  ("POST", "/box/x?uploadId=u"), ("DELETE", "/box/x?uploadId=u"),
                  ("GET", "/box/x?uploadId=u"), ("PUT", "/box/x?tagging"),
                  ("GET", "/nobox/x"), ("PATCH", "/box/small")]
        for method, path in routes:
            with self.subTest(method=method, path=path):
                # Signed by nobody that is known, or wrongly.
                for key in (("AKIANOBODY", "x"), (BOSS[0], "wrong")):
                    self.assertEqual(self.signed(method, path, key=key)[0], 403)
                query = "&" if "?" in path else "?"
                for target in (path, path + query + "X-Amz-Algorithm=AWS4-HMAC-SHA256"):
                    answer = self.raw(f"{method} {target} HTTP/1.1\r\nHost: x\r\n"
                                      "Content-Length: 0\r\nConnection: close\r\n\r\n".encode())
                    status = int(answer.split()[1])
                    if target != path:
                        self.assertEqual(status, 400)
                    elif path == "/":  # of which nothing is theirs
                        self.assertNotIn(b"<Name>box</Name>", answer)
                    else:
                        self.assertIn(status, (400, 403, 404, 405, 411, 501), answer)
                        self.assertNotIn(b"hello", answer)
        self.assertEqual(self.get("small"), b"hello\n")
        self.assertFalse((self.origin / "x").exists())

    def test_secrets_are_told_nobody(self):
        said = (self.folder / "errors").read_text()
        for _, secret in (BOSS, READER):
            self.assertNotIn(secret, said)


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


class Bodies(S3):
    DATA = random.Random(2).randbytes(200_000)
    PIECES = [DATA[:65536], DATA[65536:131072], DATA[131072:]]

    def put(self, payload, body, **headers):
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        headers.setdefault("x-amz-decoded-content-length", str(len(self.DATA)))
        headers.setdefault("content-encoding", "aws-chunked")
        return by_hand(self, "PUT", "/box/framed", headers, payload, body=body)

    def setUp(self):
        self.s3.delete_object(Bucket="box", Key="framed")

    def wrong(self, code, payload, body, **headers):
        status, said = self.put(payload, body, **headers)
        self.assertIn(f"<Code>{code}</Code>".encode(), said)
        self.assertFalse((self.origin / "framed").exists(), "something was written")
        return status

    def test_chunks_that_are_signed(self):
        streaming = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
        self.assertEqual(self.put(streaming, Framed(self.PIECES)), (200, b""))
        self.assertEqual(self.get("framed"), self.DATA)
        head = self.s3.head_object(Bucket="box", Key="framed")
        self.assertNotIn("ContentEncoding", head)
        self.setUp()
        for spoiled in (0, 1, 2):
            self.wrong("SignatureDoesNotMatch", streaming, Framed(self.PIECES, spoil=spoiled))
        self.wrong("IncompleteBody", streaming, Framed(self.PIECES),
                   x_amz_decoded_content_length="199999")
        self.wrong("IncompleteBody", streaming, Framed(self.PIECES),
                   x_amz_decoded_content_length="200001")
        self.wrong("InvalidRequest", streaming, lambda *_: b"zz\r\nabc")

    def test_trailers(self):
        crc = base64.b64encode(zlib.crc32(self.DATA).to_bytes(4, "big")).decode()
        signed = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
        plain = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
        trailer = "x-amz-checksum-crc32:" + crc
        names = {"x_amz_trailer": "x-amz-checksum-crc32"}
        self.assertEqual(self.put(signed, Framed(self.PIECES, trailer), **names)[0], 200)
        self.assertEqual(self.get("framed"), self.DATA)
        self.setUp()
        def frame(last):
            return lambda *_: b"%x\r\n%s\r\n0\r\n%s\r\n\r\n" % (len(self.DATA), self.DATA,
                                                               last.encode())
        self.assertEqual(self.put(plain, frame(trailer), **names)[0], 200)
        self.setUp()
        self.wrong("BadDigest", plain, frame("x-amz-checksum-crc32:AAAAAA=="), **names)
        self.wrong("InvalidRequest", plain, frame("x-amz-checksum-crc32:AAAA"), **names)
        self.wrong("MalformedTrailerError", plain,
                   lambda *_: b"%x\r\n%s\r\n0\r\n\r\n" % (len(self.DATA), self.DATA), **names)
        self.wrong("BadDigest", signed,
                   Framed(self.PIECES, "x-amz-checksum-crc32:AAAAAA=="), **names)
        self.wrong("InvalidRequest", plain, frame(trailer), x_amz_trailer="x-amz-other")

    def test_every_checksum(self):
        known = {"CRC32": zlib.crc32(b"123456789").to_bytes(4, "big"),
                 # The check values of these two are published with their polynomials.
                 "CRC32C": bytes.fromhex("e3069283"),
                 "CRC64NVME": bytes.fromhex("ae8b14860a799888"),
                 "SHA1": hashlib.sha1(b"123456789").digest(),
                 "SHA256": hashlib.sha256(b"123456789").digest()}
        for name, sum_of in known.items():
            value = base64.b64encode(sum_of).decode()
            header = "x-amz-checksum-" + name.lower()
            status, headers, _ = self.signed("PUT", "/box/framed", b"123456789", {header: value})
            self.assertEqual((status, headers[header]), (200, value), name)
            self.setUp()
            wrong = base64.b64encode(bytes(len(sum_of))).decode()
            status, _, said = self.signed("PUT", "/box/framed", b"123456789", {header: wrong})
            self.assertEqual((status, b"BadDigest" in said), (400, True), name)
            self.assertFalse((self.origin / "framed").exists())

    def test_hashes_of_the_body(self):
        self.refused("BadDigest", self.s3.put_object, Bucket="box", Key="framed", Body=b"abc",
                     ContentMD5=base64.b64encode(hashlib.md5(b"abd").digest()).decode())
        self.refused("InvalidDigest", self.s3.put_object, Bucket="box", Key="framed", Body=b"abc",
                     ContentMD5="YWJj")
        status, said = by_hand(self, "PUT", "/box/framed", {}, hashlib.sha256(b"x").hexdigest(),
                               body=lambda *_: b"y")
        self.assertEqual((status, b"XAmzContentSHA256Mismatch" in said), (400, True))
        self.assertFalse((self.origin / "framed").exists())

    def test_bodies_that_end_early_write_nothing(self):
        def short(*_):
            return b"abc"
        stamp = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
        scope = f"{stamp[:8]}/us-east-1/s3/aws4_request"
        lines = (f"host:{self.node.s3}\nx-amz-content-sha256:UNSIGNED-PAYLOAD\n"
                 f"x-amz-date:{stamp}\n")
        names = "host;x-amz-content-sha256;x-amz-date"
        signature = sign(stamp, scope, f"PUT\n/box/framed\n\n{lines}\n{names}\nUNSIGNED-PAYLOAD")
        head = (f"PUT /box/framed HTTP/1.1\r\nHost: {self.node.s3}\r\nx-amz-date: {stamp}\r\n"
                "x-amz-content-sha256: UNSIGNED-PAYLOAD\r\n"
                f"Authorization: AWS4-HMAC-SHA256 Credential={BOSS[0]}/{scope},"
                f"SignedHeaders={names},Signature={signature}\r\nContent-Length: 10\r\n\r\n")
        host, port = self.node.s3.rsplit(":", 1)
        with socket.create_connection((host, int(port)), timeout=TIME_LIMIT_S) as stream:
            stream.sendall(head.encode() + short())
            stream.shutdown(socket.SHUT_WR)
            self.assertIn(b"IncompleteBody", stream.recv(65536))
        self.assertFalse((self.origin / "framed").exists())

    def test_what_a_smuggler_sends(self):
        both = (f"PUT /box/framed HTTP/1.1\r\nHost: {self.node.s3}\r\nContent-Length: 5\r\n"
                "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /box/small HTTP/1.1\r\n\r\n")
        for text in (both, both.replace("Content-Length: 5\r\nTransfer-Encoding: chunked",
                                        "Content-Length: 5\r\nContent-Length: 6"),
                     both.replace("Content-Length: 5\r\nTransfer-Encoding: chunked",
                                  "Transfer-Encoding: xchunked")):
            answer = self.raw(text.encode())
            self.assertRegex(answer, rb"^HTTP/1.1 (400|501) ")
            self.assertEqual(answer.count(b"HTTP/1.1 "), 1, answer)
        many = b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 100_000 + b"\r\n\r\n"
        self.assertIn(b"HTTP/1.1 431 ", self.raw(many))

    def test_keys_that_are_none(self):
        for path in ("/box/../box/small", "/box/a/%2e%2e/b", "/box/a%2F..%2Fb", "/box/%00",
                     "/box/%ff", "/box/%zz"):
            answer = self.raw(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
                              .encode())
            self.assertIn(b"<Code>InvalidURI</Code>", answer, path)
        self.refused("KeyTooLongError", self.s3.put_object, Bucket="box", Key="k" * 1025, Body=b"")
        self.refused("NoSuchKey", self.s3.get_object, Bucket="box", Key="a//b")
        self.refused("NotImplemented", self.s3.put_object, Bucket="box", Key="a//b", Body=b"")


class Writing(S3):
    flags = ("--s3-bucket-root", "{folder}/buckets")

    def test_what_is_put_is_there_for_all(self):
        self.s3.put_object(Bucket="box", Key="w/new é", Body=self.large)
        self.assertEqual((self.origin / "w/new é").read_bytes(), self.large)
        self.assertEqual(self.get("w/new é"), self.large)
        self.s3.put_object(Bucket="box", Key="w/new é", Body=b"other")
        self.assertEqual(self.get("w/new é"), b"other")
        self.assertEqual(self.s3.list_objects_v2(Bucket="box", Prefix="w/new")["KeyCount"], 1)
        for _ in range(2):
            answer = self.s3.delete_object(Bucket="box", Key="w/new é")
            self.assertEqual(answer["ResponseMetadata"]["HTTPStatusCode"], 204)
        self.refused("NoSuchKey", self.s3.get_object, Bucket="box", Key="w/new é")
        self.assertEqual(self.s3.list_objects_v2(Bucket="box", Prefix="w/new")["KeyCount"], 0)

    def test_conditions(self):
        put = self.s3.put_object
        etag = put(Bucket="box", Key="once", Body=b"1", IfNoneMatch="*")["ETag"]
        self.refused("PreconditionFailed", put, Bucket="box", Key="once", Body=b"2",
                     IfNoneMatch="*")
        second = put(Bucket="box", Key="once", Body=b"2", IfMatch=etag)["ETag"]
        self.refused("PreconditionFailed", put, Bucket="box", Key="once", Body=b"3", IfMatch=etag)
        self.assertEqual(self.s3.get_object(Bucket="box", Key="once")["ETag"], second)
        self.assertEqual(self.get("once"), b"2")
        self.refused("NoSuchKey", put, Bucket="box", Key="never", Body=b"3", IfMatch=etag)

    def test_what_is_said_of_an_object_stays_with_it(self):
        said = {"Metadata": {"color": "red", "n": "1"}, "ContentType": "text/css",
                "CacheControl": "no-cache", "ContentEncoding": "gzip",
                "ContentDisposition": "attachment", "ContentLanguage": "de"}
        self.s3.put_object(Bucket="box", Key="meta", Body=b"x", **said)
        def is_said(key, expected):
            head = self.s3.head_object(Bucket="box", Key=key)
            for name, value in expected.items():
                self.assertEqual(head.get(name), value, (key, name))
        is_said("meta", said)
        self.s3.copy_object(Bucket="box", Key="meta2", CopySource="box/meta")
        is_said("meta2", said)
        self.s3.copy_object(Bucket="box", Key="meta", CopySource="box/meta",
                            MetadataDirective="REPLACE", Metadata={"color": "blue"})
        is_said("meta", {"Metadata": {"color": "blue"}, "ContentType": "binary/octet-stream"})
        self.refused("InvalidRequest", self.s3.copy_object, Bucket="box", Key="meta",
                     CopySource="box/meta")
        # Of other contents nothing was said.
        (self.origin / "meta2").write_bytes(b"written by somebody else")
        etag = '"0"'
        self.refused("PreconditionFailed", self.s3.get_object, Bucket="box", Key="meta2",
                     IfMatch=etag)
        is_said("meta2", {"Metadata": {}, "ContentType": "binary/octet-stream"})
        self.refused("MetadataTooLarge", self.s3.put_object, Bucket="box", Key="meta",
                     Metadata={"much": "x" * 2048})

    def test_the_md5_of_what_was_put_is_its_etag(self):
        def md5(body):
            return f'"{hashlib.md5(body).hexdigest()}"'
        put = self.s3.put_object(Bucket="box", Key="md5/a", Body=b"bar")
        self.assertEqual(put["ETag"], '"37b51d194a7513e45b56f6524f2d51f2"')
        self.assertEqual(put["ETag"], md5(b"bar"))
        copied = self.s3.copy_object(Bucket="box", Key="md5/b", CopySource="box/deep/large")
        self.assertEqual(copied["CopyObjectResult"]["ETag"], md5(self.large))
        (self.origin / "md5/c").write_bytes(b"by somebody else")
        listed = self.s3.list_objects_v2(Bucket="box", Prefix="md5/")["Contents"]
        self.assertEqual([one["ETag"] for one in listed[:2]], [md5(b"bar"), md5(self.large)])
        self.assertRegex(listed[2]["ETag"], r'^"[0-9a-f]{32}-1"$')
        for one in listed:
            head = self.s3.head_object(Bucket="box", Key=one["Key"])
            self.assertEqual((head["ETag"], head["Metadata"]), (one["ETag"], {}))
            said = self.s3.get_object_attributes(Bucket="box", Key=one["Key"],
                                                 ObjectAttributes=["ETag"])
            self.assertEqual(f'"{said["ETag"]}"', one["ETag"])
        self.assertEqual(self.get("md5/a", IfMatch=put["ETag"]), b"bar")
        self.refused("PreconditionFailed", self.s3.put_object, Bucket="box", Key="md5/a",
                     Body=b"x", IfMatch=listed[1]["ETag"])
        self.s3.put_object(Bucket="box", Key="md5/a", Body=b"baz", IfMatch=put["ETag"])
        self.assertEqual(self.s3.head_object(Bucket="box", Key="md5/a")["ETag"], md5(b"baz"))

    def test_copies(self):
        self.s3.copy_object(Bucket="box", Key="copy", CopySource={"Bucket": "box",
                                                                 "Key": "deep/large"})
        self.assertEqual(self.get("copy"), self.large)
        self.refused("NoSuchKey", self.s3.copy_object, Bucket="box", Key="x",
                     CopySource="box/nothing")
        self.refused("NoSuchBucket", self.s3.copy_object, Bucket="box", Key="x",
                     CopySource="nothing/nothing")
        self.refused("PreconditionFailed", self.s3.copy_object, Bucket="box", Key="x",
                     CopySource="box/small", CopySourceIfNoneMatch="*")
        self.assertFalse((self.origin / "x").exists())

    def test_marks_of_folders(self):
        for key in ("dir/", "dir/-", "dir/a", "dir/sub/", "dir.", "dir0"):
            self.s3.put_object(Bucket="box", Key=key, Body=b"")
        self.assertEqual(self.s3.head_object(Bucket="box", Key="dir/")["ContentLength"], 0)
        self.refused("404", self.s3.head_object, Bucket="box", Key="deep/")
        def names(**options):
            keys, groups = [], []
            paginator = self.s3.get_paginator("list_objects")
            for page in paginator.paginate(Bucket="box", PaginationConfig={"PageSize": 1},
                                           **options):
                keys += [entry["Key"] for entry in page.get("Contents", [])]
                groups += [entry["Prefix"] for entry in page.get("CommonPrefixes", [])]
            return keys, groups
        self.assertEqual(names(Prefix="dir"),
                         (["dir.", "dir/", "dir/-", "dir/a", "dir/sub/", "dir0"], []))
        self.assertEqual(names(Prefix="dir", Delimiter="/"), (["dir.", "dir0"], ["dir/"]))
        self.assertEqual(names(Prefix="dir/", Delimiter="/"),
                         (["dir/", "dir/-", "dir/a"], ["dir/sub/"]))
        for key in ("dir/", "dir/-", "dir/a", "dir/sub/", "dir.", "dir0"):
            self.s3.delete_object(Bucket="box", Key=key)
        self.assertEqual(names(Prefix="dir"), ([], []))

    def test_many_are_deleted_at_once(self):
        keys = [f"many/{i}" for i in range(40)]
        for key in keys:
            self.s3.put_object(Bucket="box", Key=key, Body=b"")
        objects = [{"Key": key} for key in [*keys, "many/none"]]
        said = self.s3.delete_objects(Bucket="box", Delete={"Objects": objects})
        self.assertEqual([one["Key"] for one in said["Deleted"]], [o["Key"] for o in objects])
        said = self.s3.delete_objects(Bucket="box", Delete={"Objects": objects, "Quiet": True})
        self.assertNotIn("Deleted", said)
        self.assertEqual(self.s3.list_objects_v2(Bucket="box", Prefix="many/")["KeyCount"], 0)
        self.refused("MalformedXML", self.s3.delete_objects, Bucket="box",
                     Delete={"Objects": [{"Key": "k"}] * 1001})

    def test_uploads_in_parts(self):
        def part(upload, number, body, key="parts"):
            return {"PartNumber": number,
                    "ETag": self.s3.upload_part(Bucket="box", Key=key, UploadId=upload,
                                                PartNumber=number, Body=body)["ETag"]}
        def complete(upload, parts, key="parts", **options):
            return self.s3.complete_multipart_upload(Bucket="box", Key=key, UploadId=upload,
                                                     MultipartUpload={"Parts": parts}, **options)
        begin = self.s3.create_multipart_upload
        upload = begin(Bucket="box", Key="parts", ContentType="text/x")["UploadId"]
        second = part(upload, 7, b"the end")
        part(upload, 1, b"to be replaced")
        first = part(upload, 1, self.large + bytes(300_000))
        said = self.s3.upload_part_copy(Bucket="box", Key="parts", UploadId=upload, PartNumber=9,
                                        CopySource="box/small", CopySourceRange="bytes=1-3")
        third = {"PartNumber": 9, "ETag": said["CopyPartResult"]["ETag"]}
        listed = self.s3.list_parts(Bucket="box", Key="parts", UploadId=upload, MaxParts=2)
        self.assertEqual([p["PartNumber"] for p in listed["Parts"]], [1, 7])
        self.assertTrue(listed["IsTruncated"])
        self.refused("InvalidPartOrder", complete, upload, [second, first])
        self.refused("InvalidPart", complete, upload, [first, {**second, "PartNumber": 8}])
        self.refused("InvalidPart", complete, upload, [{**first, "ETag": second["ETag"]}])
        self.refused("EntityTooSmall", complete, upload, [first, second, third])
        self.refused("MalformedXML", complete, upload, [])
        self.refused("NoSuchUpload", complete, upload, [first], key="else")
        self.refused("NoSuchUpload", complete, "nonsense", [first])
        self.refused("InvalidArgument", part, upload, 10_001, b"")
        self.assertFalse((self.origin / "parts").exists())
        etag = complete(upload, [first, third])["ETag"]
        self.assertEqual(self.get("parts"), self.large + bytes(300_000) + b"ell")
        head = self.s3.head_object(Bucket="box", Key="parts")
        self.assertEqual((head["ETag"], head["ContentType"]), (etag, "text/x"))
        self.refused("NoSuchUpload", complete, upload, [first])
        other = begin(Bucket="box", Key="parts")["UploadId"]
        only = part(other, 1, b"small")
        self.refused("PreconditionFailed", complete, other, [only], IfNoneMatch="*")
        self.s3.abort_multipart_upload(Bucket="box", Key="parts", UploadId=other)
        self.refused("NoSuchUpload", part, other, 2, b"late")
        self.refused("NoSuchUpload", self.s3.abort_multipart_upload, Bucket="box", Key="parts",
                     UploadId=other)
        self.refused("NoSuchUpload", self.s3.list_parts, Bucket="box", Key="parts", UploadId=other)

    def test_uploads_that_are_pending(self):
        begun = [(key, self.s3.create_multipart_upload(Bucket="box", Key=key)["UploadId"])
                 for key in ("p/b/2", "p/a", "p/b/1", "p/a", "q")]
        def pending(**options):
            found, groups = [], []
            for page in self.s3.get_paginator("list_multipart_uploads").paginate(
                    Bucket="box", PaginationConfig={"PageSize": 2}, **options):
                found += [(one["Key"], one["UploadId"]) for one in page.get("Uploads", [])]
                groups += [one["Prefix"] for one in page.get("CommonPrefixes", [])]
            return found, groups
        b2, a1, b1, a2, _ = begun
        self.assertEqual(pending(Prefix="p/"), ([a1, a2, b1, b2], []))
        self.assertEqual(pending(Prefix="p/", Delimiter="/"), ([a1, a2], ["p/b/"]))
        for key, upload in begun:
            self.s3.abort_multipart_upload(Bucket="box", Key=key, UploadId=upload)
        self.assertEqual(pending(Prefix="p/"), ([], []))

    def test_transfers_of_boto(self):
        data = self.large * 4
        self.s3.upload_fileobj(io.BytesIO(data), "box", "transfer")
        into = io.BytesIO()
        self.s3.download_fileobj("box", "transfer", into)
        self.assertEqual(into.getvalue(), data)

    def test_buckets_are_made_and_removed(self):
        self.s3.create_bucket(Bucket="made")
        self.s3.put_object(Bucket="made", Key="a/b", Body=b"x")
        self.refused("BucketAlreadyOwnedByYou", self.s3.create_bucket, Bucket="made")
        self.refused("BucketNotEmpty", self.s3.delete_bucket, Bucket="made")
        self.s3.delete_object(Bucket="made", Key="a/b")
        self.s3.delete_bucket(Bucket="made")
        self.refused("NoSuchBucket", self.s3.list_objects_v2, Bucket="made")
        self.refused("AccessDenied", self.s3.delete_bucket, Bucket="open")
        self.refused("AccessDenied", self.client(READER).create_bucket, Bucket="mine")
        self.refused("NoSuchBucket", self.s3.put_object, Bucket="made", Key="x", Body=b"")

    def test_what_is_not_kept_is_refused_by_name(self):
        put = self.s3.put_object
        for options in ({"ACL": "public-read"}, {"Tagging": "a=b"}, {"StorageClass": "GLACIER"},
                        {"ServerSideEncryption": "AES256"},
                        {"WebsiteRedirectLocation": "/else"}):
            said = self.refused("NotImplemented", put, Bucket="box", Key="refused", Body=b"",
                                **options)
            self.assertIn("x-amz-", said["Error"]["Message"])
        self.assertFalse((self.origin / "refused").exists())
        put(Bucket="box", Key="taken", Body=b"", ACL="private", StorageClass="STANDARD")


class WithoutKeys(S3):
    keys = None

    def test_everybody_on_this_machine_may_use_it_and_nobody_administer_it(self):
        nobody = self.client(signature_version=UNSIGNED)
        nobody.put_object(Bucket="box", Key="w", Body=b"x")
        self.assertEqual(nobody.get_object(Bucket="box", Key="w")["Body"].read(), b"x")
        # Who signs may do so with any key: most clients cannot but sign.
        self.assertEqual(self.get("w"), b"x")
        self.s3.put_object(Bucket="box", Key="w", Body=b"y", ChecksumAlgorithm="SHA256")
        self.assertEqual(self.get("w"), b"y")
        self.refused("NotImplemented", nobody.create_bucket, Bucket="new")

    def test_beyond_this_machine_it_wants_keys(self):
        done = program.forebay("node", "--data", str(self.folder / "other"), "--s3", "0.0.0.0:0")
        self.assertEqual(done.returncode, 2, done)
        self.assertIn("--s3-keys", done.stderr.decode())


class Stopping(S3):
    keys = None

    def test_what_had_begun_is_sent_whole(self):
        (self.origin / "huge").write_bytes(self.large * 8)
        host, port = self.node.s3.rsplit(":", 1)
        with socket.socket() as stream:
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
            stream.settimeout(TIME_LIMIT_S)
            stream.connect((host, int(port)))
            stream.sendall(b"GET /box/huge HTTP/1.1\r\nHost: x\r\n\r\n")
            pieces = [stream.recv(65536)]
            self.node.process.terminate()
            while piece := stream.recv(1 << 20):
                pieces.append(piece)
        head, _, body = b"".join(pieces).partition(b"\r\n\r\n")
        self.assertTrue(head.startswith(b"HTTP/1.1 200 OK"))
        self.assertEqual(body, self.large * 8)
        self.assertEqual(self.node.stop(), 0)


class HostStyle(S3):
    flags = ("--s3-domain", "s3.test")

    def test_hosts_name_buckets(self):
        for host, path in (("box.s3.test", "/small"), ("BOX.S3.TEST:80", "/small"),
                           ("open.s3.test", "/page"), ("s3.test", "/open/page")):
            answer = self.raw(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
                              .encode())
            expected = b"for all\n" if "open" in host + path else b"AccessDenied"
            self.assertIn(expected, answer, host)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]])
