#!/usr/bin/env python3
"""The S3 door of the real program, asked by boto3, by curl and by hand: reading, and who may.

s3_test.py PROGRAM SERVERS-FOLDER [unittest's arguments]
"""

import datetime
import subprocess
import time
import urllib.error
import urllib.request

from s3_base import (BOSS, EMPTY_HASH, KEYS, READER, S3, TIME_LIMIT_S, ClientError, by_hand, main,
                     program, sign)
from botocore import UNSIGNED  # there once s3_base is


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
        answer = self.raw(f"HEAD /open/page HTTP/1.1\r\nHost: {self.node.s3}\r\n"
                          "Connection: close\r\nIf-Match: \"else\"\r\nIf-Match: *\r\n"
                          "\r\n".encode())
        self.assertTrue(answer.startswith(b"HTTP/1.1 200"), answer)

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
        self.refused("NotImplemented", self.s3.put_bucket_tagging, Bucket="box",
                     Tagging={"TagSet": [{"Key": "a", "Value": "b"}]})
        # Clients that copy ask for the tags first: there are none, unless there is no object.
        self.assertEqual(self.s3.get_object_tagging(Bucket="box", Key="small")["TagSet"], [])
        self.refused("NoSuchKey", self.s3.get_object_tagging, Bucket="box", Key="nothing")

    def test_an_owner_that_is_expected(self):
        owner = self.s3.list_buckets()["Owner"]["ID"]
        self.assertEqual(self.get("small", ExpectedBucketOwner=owner), b"hello\n")
        for call, options in ((self.s3.get_object, {"Key": "small"}),
                              (self.s3.list_objects_v2, {}),
                              (self.s3.put_object, {"Key": "owned", "Body": b""})):
            self.refused("AccessDenied", call, Bucket="box", ExpectedBucketOwner="123456789012",
                         **options)
        self.refused("AccessDenied", self.s3.copy_object, Bucket="box", Key="owned",
                     CopySource="box/small", ExpectedSourceBucketOwner="123456789012")
        self.assertFalse((self.origin / "owned").exists())

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
            for prefix in (".", "..", "l/.", "l/..", "./", "../", "l/../", "../origin/"):
                self.assertEqual(self.names(call, Prefix=prefix)[:2], ([], []), prefix)

    def test_prefixes_that_end_in_dots(self):
        for name in (".profile", "..data"):
            self.s3.put_object(Bucket="box", Key="dots/" + name, Body=b"")
        for prefix, there in (("dots/.", ["..data", ".profile"]), ("dots/..", ["..data"])):
            entries = self.s3.list_objects_v2(Bucket="box", Prefix=prefix)["Contents"]
            self.assertEqual([entry["Key"] for entry in entries],
                             ["dots/" + name for name in there])

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
        # Another secret of the same key makes the old one worthless, though it was right just now.
        other = (new[0], "another-secret-of-the-new-one")
        for key in (new, other):
            (self.folder / "keys").write_text(KEYS + f"{key[0]} {key[1]} /open:r\n")
            until = time.monotonic() + TIME_LIMIT_S
            while time.monotonic() < until:
                try:
                    self.assertEqual(self.client(key).list_buckets()["Buckets"][0]["Name"], "open")
                    break
                except ClientError:
                    time.sleep(0.1)
            else:
                self.fail("the new key was not read")
        self.refused("SignatureDoesNotMatch", self.client(new).list_buckets)

    def test_a_key_that_was_added_may_come(self):
        done = program.forebay("key", "add", "/box:rl", "--s3-keys", str(self.folder / "keys"))
        self.assertEqual(done.returncode, 0, done)
        said = dict(line.split("=") for line in done.stdout.decode().split())
        added = self.client(list(said.values()))
        until = time.monotonic() + TIME_LIMIT_S
        while True:
            try:
                self.assertEqual([b["Name"] for b in added.list_buckets()["Buckets"]], ["box"])
                break
            except ClientError as error:
                self.assertEqual(error.response["Error"]["Code"], "InvalidAccessKeyId")
                self.assertLess(time.monotonic(), until, "the new key was not read")
                time.sleep(0.1)
        self.refused("AccessDenied", added.put_object, Bucket="box", Key="w", Body=b"")

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

    def opened(self, url, data=None, **headers):
        """Status and body, whatever they are."""
        asked = urllib.request.Request(url, data=data, headers=headers,
                                       method="GET" if data is None else "PUT")
        try:
            with urllib.request.urlopen(asked, timeout=TIME_LIMIT_S) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()

    def test_presigned_requests_of_version_2(self):
        """What boto3 presigns by unless told otherwise."""
        usual = self.client(signature_version=None)
        def url_of(method, key, seconds=60, **parameters):
            url = usual.generate_presigned_url(
                method, Params={"Bucket": "box", "Key": key, **parameters}, ExpiresIn=seconds)
            self.assertIn("AWSAccessKeyId=", url)
            return url
        plain = {"Content-Type": ""}
        key = "two/signed +%é"
        self.assertEqual(self.opened(url_of("put_object", key), b"by url", **plain)[0], 200)
        self.assertEqual(self.opened(url_of("get_object", key)), (200, b"by url"))
        # What the URL says of the object is kept with it.
        url = url_of("put_object", key, Metadata={"colour": "red"}, ContentType="text/x")
        self.assertEqual(self.opened(url, b"red", **{"Content-Type": "text/x"})[0], 200)
        head = self.s3.head_object(Bucket="box", Key=key)
        self.assertEqual((head["ContentType"], head["Metadata"]), ("text/x", {"colour": "red"}))
        status, body = self.opened(url, b"red", **{"Content-Type": "text/y"})
        self.assertEqual((status, b"SignatureDoesNotMatch" in body), (403, True))
        self.assertIn(b"SignatureDoesNotMatch", self.opened(url.replace("=red", "=blue"), b"x",
                                                            **{"Content-Type": "text/x"})[1])
        url = url_of("get_object", "small", ResponseContentType="text/x y")
        with urllib.request.urlopen(url, timeout=TIME_LIMIT_S) as answer:
            self.assertEqual(answer.headers["Content-Type"], "text/x y")
        self.assertIn(b"SignatureDoesNotMatch", self.opened(url.replace("/small", "/empty"))[1])
        self.assertIn(b"SignatureDoesNotMatch", self.opened(url.replace("x%20y", "x"))[1])
        self.assertIn(b"InvalidAccessKeyId", self.opened(url.replace(BOSS[0], "AKIANOBODY"))[1])
        self.assertIn(b"Request has expired", self.opened(url_of("get_object", "small", -1))[1])
        reader = self.client(READER, signature_version=None)
        url = reader.generate_presigned_url("put_object", Params={"Bucket": "box", "Key": "w"})
        self.assertIn(b"AccessDenied", self.opened(url, b"x", **plain)[1])

    def test_requests_that_are_signed_by_version_2(self):
        old = self.client(signature_version="s3")
        old.put_object(Bucket="box", Key="old/one", Body=b"old", Metadata={"a": "b  c"})
        answer = old.get_object(Bucket="box", Key="old/one")
        self.assertEqual((answer["Body"].read(), answer["Metadata"]), (b"old", {"a": "b  c"}))
        self.assertEqual([one["Key"] for one in
                          old.list_objects(Bucket="box", Prefix="old/")["Contents"]], ["old/one"])
        upload = old.create_multipart_upload(Bucket="box", Key="old/two")["UploadId"]
        old.abort_multipart_upload(Bucket="box", Key="old/two", UploadId=upload)
        self.refused("SignatureDoesNotMatch",
                     self.client((BOSS[0], "wrong"), signature_version="s3").list_buckets)
        self.refused("InvalidAccessKeyId",
                     self.client(("AKIANOBODY", "x"), signature_version="s3").list_buckets)

    def test_a_presigned_url_brings_headers_in_its_query(self):
        """As the SDKs for JavaScript make them, with the checksum of no body."""
        now = datetime.datetime.now(datetime.timezone.utc)
        url = self.presign("/box/hoisted", now, 60, method="PUT",
                           further="&x-amz-checksum-crc32=AAAAAA%3D%3D&x-amz-meta-colour=green"
                                   "&x-amz-sdk-checksum-algorithm=CRC32")
        self.assertEqual(self.opened(url, b"x")[0], 200)
        self.assertEqual(self.s3.head_object(Bucket="box", Key="hoisted")["Metadata"],
                         {"colour": "green"})
        self.assertIn(b"SignatureDoesNotMatch", self.opened(url.replace("green", "blue"), b"x")[1])

    def presign(self, path, moment, seconds, method="GET", further=""):
        """By hand, so that one misunderstanding is not made twice."""
        stamp = moment.strftime("%Y%m%dT%H%M%SZ")
        scope = f"{stamp[:8]}/us-east-1/s3/aws4_request"
        query = (f"X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={BOSS[0]}%2F"
                 + scope.replace("/", "%2F") + f"&X-Amz-Date={stamp}&X-Amz-Expires={seconds}"
                 f"&X-Amz-SignedHeaders=host{further}")
        canonical = f"{method}\n{path}\n{query}\nhost:{self.node.s3}\n\nhost\nUNSIGNED-PAYLOAD"
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
                  ("GET", "/box/small?acl"), ("GET", "/box/small?tagging"), ("PUT", "/box/x"),
                  ("DELETE", "/box/small"), ("POST", "/box/x?uploads"),
                  ("PUT", "/box/x?partNumber=1&uploadId=u"), ("POST", "/box/x?uploadId=u"),
                  ("DELETE", "/box/x?uploadId=u"), ("GET", "/box/x?uploadId=u"),
                  ("PUT", "/box/x?tagging"), ("GET", "/nobox/x"), ("PATCH", "/box/small")]
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


if __name__ == "__main__":
    main()
