#!/usr/bin/env python3
"""The S3 door of the real program: copies, and what is asked of objects that change meanwhile.

s3_copies_test.py PROGRAM SERVERS-FOLDER [unittest's arguments]
"""

import os

from s3_base import S3, main


class Copies(S3):
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
        status, _, said = self.signed("PUT", "/box/x", headers={
            "x-amz-copy-source": "/box/small", "x-amz-copy-source-range": "bytes=0-2"})
        self.assertEqual((status, b"<Code>InvalidArgument</Code>" in said), (400, True), said)
        self.assertFalse((self.origin / "x").exists())
        self.s3.copy_object(Bucket="box", Key="untagged", CopySource="box/small",
                            TaggingDirective="REPLACE")


class Changed(S3):
    """Another program puts a new file in the place of one that the node knows."""

    def change(self, key, old=True):
        path = self.origin / key
        path.write_bytes(b"as it was")
        if old:
            os.utime(path, (1e9, 1e9))  # more is known of it then, without asking
        self.s3.head_object(Bucket="box", Key=key)
        fresh = path.with_name("fresh")
        fresh.write_bytes(b"as it is now")
        fresh.rename(path)
        return b"as it is now"

    def test_it_is_copied_as_it_is_now(self):
        now = self.change("copied")
        self.s3.copy_object(Bucket="box", Key="copy", CopySource="box/copied")
        self.assertEqual(self.get("copy"), now)
        now = self.change("part")
        whole = {"Bucket": "box", "Key": "parts"}
        upload = dict(whole, UploadId=self.s3.create_multipart_upload(**whole)["UploadId"])
        said = self.s3.upload_part_copy(PartNumber=1, CopySource="box/part", **upload)
        self.s3.complete_multipart_upload(MultipartUpload={"Parts": [
            {"PartNumber": 1, "ETag": said["CopyPartResult"]["ETag"]}]}, **upload)
        self.assertEqual(self.get("parts"), now)

    def test_its_attributes_are_those_of_now(self):
        now = self.change("told", old=False)
        said = self.s3.get_object_attributes(Bucket="box", Key="told",
                                             ObjectAttributes=["ETag", "ObjectSize"])
        self.assertEqual(said["ObjectSize"], len(now))

    def test_what_is_gone_is_told_by_its_key(self):
        self.change("going", old=False)
        (self.origin / "going").unlink()
        said = self.refused("NoSuchKey", self.s3.copy_object, Bucket="box", Key="none",
                            CopySource="box/going")
        self.assertEqual(said["Error"]["Key"], "going")

    def test_a_condition_on_what_it_was_does_not_hold(self):
        path = self.origin / "guarded"
        path.write_bytes(b"first")
        etag = self.s3.head_object(Bucket="box", Key="guarded")["ETag"]
        self.change("guarded")
        self.refused("PreconditionFailed", self.s3.copy_object, Bucket="box", Key="none",
                     CopySource="box/guarded", CopySourceIfMatch=etag)
        self.assertFalse((self.origin / "none").exists())


if __name__ == "__main__":
    main()
