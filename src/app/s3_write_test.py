#!/usr/bin/env python3
"""The S3 door of the real program: what is written through it, and how it begins and ends.

s3_write_test.py PROGRAM SERVERS-FOLDER [unittest's arguments]
"""

import base64
import datetime
import hashlib
import io
import random
import socket
import subprocess
import zlib

from s3_base import BOSS, READER, S3, TIME_LIMIT_S, Framed, by_hand, main, program, sign
from botocore import UNSIGNED  # there once s3_base is


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

    def test_bodies_of_which_nobody_says_how_long_they_are(self):
        done = subprocess.run(
            ["curl", "-sSv", "--fail-with-body", "--aws-sigv4", "aws:amz:us-east-1:s3", "--user",
             ":".join(BOSS), "-H", "x-amz-content-sha256: UNSIGNED-PAYLOAD", "-H",
             "Expect: 100-continue", "-T", "-", f"{self.url}/box/framed"],
            input=self.DATA, capture_output=True, check=True, timeout=TIME_LIMIT_S)
        self.assertIn(b"> Transfer-Encoding: chunked", done.stderr)
        self.assertIn(b"< HTTP/1.1 100 Continue", done.stderr)
        self.assertEqual(self.get("framed"), self.DATA)

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

    def test_checksums_are_kept(self):
        def told(key, **options):
            said = self.s3.head_object(Bucket="box", Key=key, ChecksumMode="ENABLED", **options)
            return {name: value for name, value in said.items() if name.startswith("Checksum")}
        sha256 = base64.b64encode(hashlib.sha256(self.DATA).digest()).decode()
        crc32 = base64.b64encode(zlib.crc32(self.DATA).to_bytes(4, "big")).decode()
        whole = {"ChecksumSHA256": sha256, "ChecksumType": "FULL_OBJECT"}
        self.s3.put_object(Bucket="box", Key="framed", Body=self.DATA, ChecksumAlgorithm="SHA256",
                           Metadata={"of": "sums"})
        self.assertEqual(told("framed"), whole)
        self.assertEqual(told("framed", Range="bytes=0-9"), {})
        head = self.s3.head_object(Bucket="box", Key="framed")
        self.assertNotIn("ChecksumSHA256", head)
        self.assertEqual(head["Metadata"], {"of": "sums"})
        self.assertEqual(self.get("framed", ChecksumMode="ENABLED"), self.DATA)
        said = self.s3.get_object_attributes(Bucket="box", Key="framed",
                                             ObjectAttributes=["Checksum"])
        self.assertEqual(said["Checksum"], whole)
        copied = self.s3.copy_object(Bucket="box", Key="copied", CopySource="box/framed")
        self.assertEqual(copied["CopyObjectResult"]["ChecksumSHA256"], sha256)
        self.assertEqual(told("copied"), whole)
        self.s3.copy_object(Bucket="box", Key="copied", CopySource="box/framed",
                            ChecksumAlgorithm="CRC32")
        self.assertEqual(told("copied"), {"ChecksumCRC32": crc32, "ChecksumType": "FULL_OBJECT"})
        # Of what others wrote, nobody said anything.
        (self.origin / "copied").write_bytes(b"by somebody else")
        self.refused("PreconditionFailed", self.s3.get_object, Bucket="box", Key="copied",
                     IfMatch='"0"')
        self.assertEqual(told("copied"), {})

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

    def test_headers_without_an_end_are_not_read(self):
        host, port = self.node.s3.rsplit(":", 1)
        line, sent = b"X: " + b"x" * 8000 + b"\r\n", 0
        with socket.create_connection((host, int(port)), timeout=TIME_LIMIT_S) as stream:
            stream.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n")
            with self.assertRaises((ConnectionResetError, BrokenPipeError)):
                while sent < 2 * 2**30:
                    sent += stream.send(line)
        self.assertLess(sent, 64 * 2**20)  # what lies in the sockets' buffers
        self.assertEqual(self.get("small"), b"hello\n")

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
        for one in listed["Parts"]:
            age = datetime.datetime.now(datetime.timezone.utc) - one["LastModified"]
            self.assertLess(abs(age), datetime.timedelta(hours=1))
        self.assertTrue(listed["IsTruncated"])
        self.assertFalse(self.s3.list_parts(Bucket="box", Key="parts", UploadId=upload,
                                            MaxParts=0)["IsTruncated"])
        self.refused("InvalidPartOrder", complete, upload, [second, first])
        self.refused("InvalidPart", complete, upload, [first, {**second, "PartNumber": 8}])
        self.refused("InvalidPart", complete, upload, [{**first, "ETag": second["ETag"]}])
        self.refused("EntityTooSmall", complete, upload, [first, second, third])
        self.refused("MalformedXML", complete, upload, [])
        self.refused("NotImplemented", complete, upload, [first], ChecksumCRC32="AAAAAA==",
                     ChecksumType="FULL_OBJECT")
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
        self.refused("PreconditionFailed", complete, other, [only], IfMatch='"0"')
        again = begin(Bucket="box", Key="parts")["UploadId"]
        complete(again, [part(again, 1, b"by its etag")], IfMatch=etag)
        self.assertEqual(self.get("parts"), b"by its etag")
        self.s3.abort_multipart_upload(Bucket="box", Key="parts", UploadId=other)
        self.refused("NoSuchUpload", part, other, 2, b"late")
        self.refused("NoSuchUpload", self.s3.abort_multipart_upload, Bucket="box", Key="parts",
                     UploadId=other)
        self.refused("NoSuchUpload", self.s3.list_parts, Bucket="box", Key="parts", UploadId=other)

    def test_parts_without_bytes(self):
        def named(key):
            upload = self.s3.create_multipart_upload(Bucket="box", Key=key)["UploadId"]
            return {"Bucket": "box", "Key": key, "UploadId": upload}
        def part(of, number, body):
            said = self.s3.upload_part(PartNumber=number, Body=body, **of)
            return {"PartNumber": number, "ETag": said["ETag"]}
        alone = named("nothing")
        self.s3.complete_multipart_upload(MultipartUpload={"Parts": [part(alone, 1, b"")]},
                                          **alone)
        self.assertEqual(self.get("nothing"), b"")
        before = named("before")
        parts = [part(before, 1, b""), part(before, 2, b"x")]
        self.refused("EntityTooSmall", self.s3.complete_multipart_upload,
                     MultipartUpload={"Parts": parts}, **before)
        last = named("last")
        parts = [part(last, 1, self.large + bytes(300_000)), part(last, 2, b"")]
        self.s3.complete_multipart_upload(MultipartUpload={"Parts": parts}, **last)
        self.assertEqual(self.get("last"), self.large + bytes(300_000))

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
        none = self.s3.list_multipart_uploads(Bucket="box", MaxUploads=0)
        self.assertEqual((none.get("Uploads"), none["IsTruncated"]), (None, False))
        for key, upload in begun:
            self.s3.abort_multipart_upload(Bucket="box", Key=key, UploadId=upload)
        self.assertEqual(pending(Prefix="p/"), ([], []))

    def test_pages_of_uploads_that_are_aborted_meanwhile(self):
        for own_marker in (True, False):
            for _ in range(5):
                self.s3.create_multipart_upload(Bucket="box", Key="gone")
            page, aborted, where = {"IsTruncated": True}, 0, {}
            while page["IsTruncated"]:
                page = self.s3.list_multipart_uploads(Bucket="box", MaxUploads=2, **where)
                for one in page.get("Uploads", []):
                    self.s3.abort_multipart_upload(Bucket="box", Key="gone",
                                                   UploadId=one["UploadId"])
                    aborted += 1
                    where = {"KeyMarker": "gone", "UploadIdMarker": one["UploadId"]}
                if own_marker and page["IsTruncated"]:
                    where = {"KeyMarker": page["NextKeyMarker"],
                             "UploadIdMarker": page["NextUploadIdMarker"]}
            self.assertEqual(aborted, 5)

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
        for name in ("ab", "Abc", "a_b", "-abc", "abc-", "a..b", "a.-b", "a-.b", "192.168.5.4",
                     "a" * 64):
            status, _, body = self.signed("PUT", "/" + name)
            self.assertEqual((status, b"<Code>InvalidBucketName</Code>" in body), (400, True),
                             name)

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
    main()
