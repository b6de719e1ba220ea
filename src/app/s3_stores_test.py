#!/usr/bin/env python3
"""The S3 door of the real program over stores that are not its own machine's: moto and Azurite.

s3_stores_test.py PROGRAM SERVERS-FOLDER [unittest's arguments]
"""

import base64
import hashlib
import pathlib
import random
import sys
import tempfile
import unittest
import urllib.request

import s3_base  # first: it finds boto3
import program_test as program

sys.argv.insert(2, str(s3_base.SERVERS))  # which s3_base took, and the next one takes again
import origins_test as origins  # noqa: E402

MIB = 2**20
BUCKETS = ("file", "moto", "azure")


def md5(body):
    return f'"{hashlib.md5(body).hexdigest()}"'


class Stores(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory(prefix="forebay-test-")
        cls.folder = pathlib.Path(cls.temporary.name)
        cls.addClassCleanup(cls.temporary.cleanup)
        if not (s3_base.SERVERS / "moto/bin/moto_server").exists():
            raise RuntimeError(f"there are no servers in {s3_base.SERVERS}; './dev servers' "
                               "installs them")
        cls.moto, cls.azurite = origins.start_moto(cls.folder), origins.start_azurite(cls.folder)
        cls.addClassCleanup(cls.moto.stop)
        cls.addClassCleanup(cls.azurite.stop)
        request = urllib.request.Request(cls.moto.url + "/bucket", method="PUT")
        urllib.request.urlopen(request, timeout=10).close()
        origins.make_container(cls.azurite.url, "box")
        (cls.folder / "files").mkdir()
        account = origins.ACCOUNT
        urls = {"file": f"file://{cls.folder}/files",
                "moto": f"s3://bucket/data?endpoint={cls.moto.url}",
                "azure": f"azure://{account}/box/data?endpoint={cls.azurite.url}/{account}"}
        keys = cls.folder / "keys"
        keys.write_text(s3_base.KEYS)
        cls.node = program.Node(cls.folder, "--s3-keys", str(keys), s3="127.0.0.1:0",
                                env=origins.CREDENTIALS)
        cls.addClassCleanup(cls.node.stop)
        for name in BUCKETS:
            program.forebay("attach", "/" + name, urls[name], node=cls.node.unix)
        cls.s3 = s3_base.client_of(f"http://{cls.node.s3}")
        # Beside the door: what others do.
        cls.raw = s3_base.client_of(cls.moto.url, ("training", "a-secret-of-s3"))

    def each(self, check, buckets=BUCKETS):
        for bucket in buckets:
            with self.subTest(bucket=bucket):
                check(bucket)

    def refused(self, code, call, **options):
        with self.assertRaises(s3_base.ClientError) as raised:
            call(**options)
        self.assertEqual(raised.exception.response["Error"]["Code"], code,
                         raised.exception.response)

    def is_said(self, bucket, key, body, **expected):
        """By everything that tells of an object."""
        head = self.s3.head_object(Bucket=bucket, Key=key)
        got = self.s3.get_object(Bucket=bucket, Key=key)
        self.assertEqual(got["Body"].read(), body)
        listed = self.s3.list_objects_v2(Bucket=bucket, Prefix=key)["Contents"][0]
        self.assertEqual({head["ETag"], got["ETag"]}, {listed["ETag"]})
        for name, value in expected.items():
            self.assertEqual(head.get(name), value, name)
            self.assertEqual(got.get(name), value, name)

    def is_md5(self, bucket, etag, body):
        if bucket == "moto" and len(body) > 8 * MIB:  # which our driver puts there in parts
            self.assertRegex(etag, r'^"[0-9a-f]{32}-[0-9]+"$')
        else:
            self.assertEqual(etag, md5(body))

    def test_what_is_said_of_an_object_stays_with_it(self):
        self.each(self.said)

    def said(self, bucket):
        said = {"Metadata": {"color": "red", "my-key.2": "x  y", "2nd": "=", "hdi_isfolder": "true",
                             "forebay_x": "a%20b", "forebaymd5": "me"},
                "ContentType": "text/css", "CacheControl": "no-cache", "ContentEncoding": "gzip",
                "ContentDisposition": "attachment; filename=\"a b\"", "ContentLanguage": "de"}
        for size in (0, 1, 20 * MIB):  # none, in one request, in blocks
            body = random.Random(size).randbytes(size)
            etag = self.s3.put_object(Bucket=bucket, Key="meta", Body=body, **said)["ETag"]
            self.is_md5(bucket, etag, body)
            self.is_said(bucket, "meta", body, ETag=etag, **said)
        copied = self.s3.copy_object(Bucket=bucket, Key="meta2", CopySource=f"{bucket}/meta")
        etag = copied["CopyObjectResult"]["ETag"]
        self.is_md5(bucket, etag, body)
        self.is_said(bucket, "meta2", body, ETag=etag, **said)
        self.s3.copy_object(Bucket=bucket, Key="meta", CopySource=f"{bucket}/meta",
                            MetadataDirective="REPLACE", Metadata={"color": "blue"})
        self.is_said(bucket, "meta", body, ETag=etag, Metadata={"color": "blue"},
                     ContentType="binary/octet-stream", CacheControl=None)
        # From one kind of store to the other.
        other = BUCKETS[BUCKETS.index(bucket) - 1]
        self.s3.copy_object(Bucket=other, Key="from", CopySource=f"{bucket}/meta2")
        self.is_said(other, "from", body, **said)

    def test_checksums_are_kept_where_the_store_is_told_last(self):
        self.each(self.checksums)

    def checksums(self, bucket):
        sha256 = base64.b64encode(hashlib.sha256(b"sum of it").digest()).decode()
        self.s3.put_object(Bucket=bucket, Key="summed", Body=b"sum of it", ChecksumSHA256=sha256)
        self.s3.copy_object(Bucket=bucket, Key="summed2", CopySource=f"{bucket}/summed")
        for key in ("summed", "summed2"):
            got = self.s3.get_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED")
            self.assertEqual(got["Body"].read(), b"sum of it")
            self.assertEqual(got.get("ChecksumSHA256"), None if bucket == "moto" else sha256)
            self.assertEqual(got["Metadata"], {})
        # Kept or not, it is nothing that another store is told of.
        other = BUCKETS[BUCKETS.index(bucket) - 1]
        self.s3.copy_object(Bucket=other, Key="summed3", CopySource=f"{bucket}/summed")
        self.is_said(other, "summed3", b"sum of it", Metadata={})

    def test_uploads_in_parts_keep_what_was_said(self):
        self.each(self.in_parts)

    def in_parts(self, bucket):
        said = {"Metadata": {"color": "red", "my-key": "x" * 1500}, "ContentType": "text/css",
                "CacheControl": "no-cache"}
        where = {"Bucket": bucket, "Key": "parts"}
        upload = self.s3.create_multipart_upload(**where, **said)["UploadId"]
        body, parts = random.Random(3).randbytes(9 * MIB), []
        for number, piece in ((1, body[:5 * MIB]), (2, body[5 * MIB:])):
            etag = self.s3.upload_part(**where, UploadId=upload, PartNumber=number,
                                       Body=piece)["ETag"]
            parts.append({"PartNumber": number, "ETag": etag})
        listed = self.s3.list_parts(**where, UploadId=upload)["Parts"]
        self.assertEqual(len(listed), 2)
        self.assertGreater(listed[0]["LastModified"].year, 2020)
        done = self.s3.complete_multipart_upload(**where, UploadId=upload,
                                                 MultipartUpload={"Parts": parts})
        self.assertRegex(done["ETag"], r'^"[0-9a-f]{32}-[0-9]+"$')
        self.is_said(bucket, "parts", body, ETag=done["ETag"], **said)

    def test_etags_are_conditions(self):
        self.each(self.conditions)

    def conditions(self, bucket):
        first = self.s3.put_object(Bucket=bucket, Key="once", Body=b"1", IfNoneMatch="*")["ETag"]
        self.refused("PreconditionFailed", self.s3.put_object, Bucket=bucket, Key="once",
                     Body=b"2", IfNoneMatch="*")
        second = self.s3.put_object(Bucket=bucket, Key="once", Body=b"2", IfMatch=first)["ETag"]
        self.refused("PreconditionFailed", self.s3.put_object, Bucket=bucket, Key="once",
                     Body=b"3", IfMatch=first)
        self.refused("PreconditionFailed", self.s3.delete_object, Bucket=bucket, Key="once",
                     IfMatch=first)
        self.s3.delete_object(Bucket=bucket, Key="once", IfMatch=second)

    def test_marks_of_folders(self):
        self.each(self.marks)

    def marks(self, bucket):
        keys = ("dir.", "dir/", "dir/-", "dir/a", "dir/sub/", "dir0")
        for key in keys:
            self.s3.put_object(Bucket=bucket, Key=key, Body=b"", Metadata={"of": key})
        self.is_said(bucket, "dir/", b"", ETag=md5(b""), Metadata={"of": "dir/"})
        self.refused("404", self.s3.head_object, Bucket=bucket, Key="deep/")

        def names(**options):
            found, groups = [], []
            paginator = self.s3.get_paginator("list_objects")
            for page in paginator.paginate(Bucket=bucket, PaginationConfig={"PageSize": 1},
                                           **options):
                found += [entry["Key"] for entry in page.get("Contents", [])]
                groups += [entry["Prefix"] for entry in page.get("CommonPrefixes", [])]
            return found, groups
        self.assertEqual(names(Prefix="dir"), (list(keys), []))
        self.assertEqual(names(Prefix="dir", Delimiter="/"), (["dir.", "dir0"], ["dir/"]))
        self.assertEqual(names(Prefix="dir/", Delimiter="/"),
                         (["dir/", "dir/-", "dir/a"], ["dir/sub/"]))
        if bucket == "moto":  # others see it as they make it themselves, and we see theirs
            self.assertEqual(self.raw.head_object(Bucket="bucket", Key="data/dir/")["Metadata"],
                             {"of": "dir/"})
            self.raw.put_object(Bucket="bucket", Key="data/dir/theirs/", Body=b"")
            self.raw.put_object(Bucket="bucket", Key="data/", Body=b"")
            self.assertEqual(self.s3.head_object(Bucket=bucket, Key="dir/theirs/")["ETag"],
                             md5(b""))
            self.raw.delete_object(Bucket="bucket", Key="data/dir/theirs/")
            self.raw.delete_object(Bucket="bucket", Key="data/")
        # Who lists without this door is not bothered with them.
        told = program.forebay("ls", f"/{bucket}/dir/", node=self.node.unix).stdout
        self.assertNotIn(b"forebay-folder", told)
        self.s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key} for key in keys]})
        self.assertEqual(names(Prefix="dir"), ([], []))

    def test_uploads_that_are_pending(self):
        self.each(self.pending)

    def pending(self, bucket):
        begun = [(key, self.s3.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"])
                 for key in ("p/b/2", "p/a", "p/b/", "p/a", "q")]

        def listed(**options):
            found, groups = [], []
            for page in self.s3.get_paginator("list_multipart_uploads").paginate(
                    Bucket=bucket, PaginationConfig={"PageSize": 2}, **options):
                found += [(one["Key"], one["UploadId"]) for one in page.get("Uploads", [])]
                groups += [one["Prefix"] for one in page.get("CommonPrefixes", [])]
            return found, groups
        b2, a1, b1, a2, _ = begun
        found, groups = listed(Prefix="p/")
        self.assertEqual((sorted(found), groups), (sorted([a1, a2, b1, b2]), []))
        self.assertEqual([key for key, _ in found], ["p/a", "p/a", "p/b/", "p/b/2"])
        self.assertEqual(listed(Prefix="p/", Delimiter="/")[1], ["p/b/"])
        for key, upload in begun:
            self.s3.abort_multipart_upload(Bucket=bucket, Key=key, UploadId=upload)
        self.assertEqual(listed(Prefix="p/"), ([], []))

    def test_what_others_wrote_is_opaque(self):
        (self.folder / "files/theirs").write_bytes(b"x")
        program.forebay("put", "-", "/azure/theirs", node=self.node.unix, data=b"x")
        for bucket in ("file", "azure"):
            listed = self.s3.list_objects_v2(Bucket=bucket, Prefix="theirs")["Contents"][0]
            self.assertRegex(listed["ETag"], r'^"[0-9a-f]{32}-1"$')
            self.is_said(bucket, "theirs", b"x", ETag=listed["ETag"], Metadata={})


if __name__ == "__main__":
    s3_base.main()
