#!/usr/bin/env python3
"""The S3 door through every node of a cell, asked by boto3: over files, over S3 (moto), over Azure
(Azurite).

s3_cell_test.py PROGRAM SERVERS-FOLDER [unittest's arguments]
"""

import queue
import random
import re
import signal
import sys
import threading
import unittest
import urllib.request

import s3_base  # first: it finds boto3
from several import beside

import cell_test as cells

sys.argv.insert(2, str(s3_base.SERVERS))  # which s3_base took, and the next one takes again
import origins_test as origins  # noqa: E402

BUCKETS = ("file", "moto", "azure")
MIB = 2**20
PART_BYTES = 6 * MIB
PARTS = 171 if cells.TIER == "full" else 9
# Room for all that is read back. moto reads all of an object, here a gigabyte, for each range, one
# after the other: few may be asked for at one time, or it has no sign of life for the last of them.
ROOM = "1400MiB" if cells.TIER == "full" else "64MiB"
FEW = ("--origin-requests", "2") if cells.TIER == "full" else ()


class S3CellNode(cells.CellNode):
    """With the door, at a place that it keeps over its lives."""

    def __init__(self, cell, name):
        self.s3_place = cell.places.setdefault(name, f"127.0.0.1:{cells.free_ports(1)[0]}")
        super().__init__(cell, name, *FEW, *cell.flags, dram=ROOM, s3=self.s3_place,
                         env=origins.CREDENTIALS)


class Cell(cells.Cell):
    """Three nodes, and a bucket over an origin of each kind."""

    flags = ()

    def runTest(self):
        """It is only what tests share."""

    def setUp(self):
        super().setUp()
        self.places = {}
        self.servers = []
        self.addCleanup(lambda: [server.stop() for server in self.servers])
        if not (s3_base.SERVERS / "moto/bin/moto_server").exists():
            raise RuntimeError(f"there are no servers in {s3_base.SERVERS}; './dev servers' "
                               "installs them")
        moto, azurite = origins.start_moto(self.folder), origins.start_azurite(self.folder)
        self.moto, self.azurite = moto, azurite
        self.servers += [moto, azurite]
        request = urllib.request.Request(moto.url + "/bucket", method="PUT")
        urllib.request.urlopen(request, timeout=10).close()
        origins.make_container(azurite.url, "box")
        self.files = self.folder / "files"
        self.files.mkdir()
        account = origins.ACCOUNT
        self.urls = {"file": f"file://{self.files}",
                     "moto": f"s3://bucket/data?endpoint={moto.url}",
                     "azure": f"azure://{account}/box/data?endpoint={azurite.url}/{account}"}

    def start(self):
        for i in range(self.NODES):
            self.nodes[f"n{i}"] = S3CellNode(self, f"n{i}")
        for name in BUCKETS:
            self.ok("n0", "attach", "/" + name, self.urls[name])
        self.converge(self.NODES)
        for node in self.nodes:
            self.await_true(lambda node=node: all(
                "/" + name in self.ok(node, "attachments").decode() for name in BUCKETS))

    def restart(self, name, how=signal.SIGTERM):
        self.nodes[name].stop(how)
        self.nodes[name] = S3CellNode(self, name)
        self.await_true(lambda: all("/" + bucket in self.ok(name, "attachments").decode()
                                    for bucket in BUCKETS))


class S3Cell(unittest.TestCase):
    """One cell for all tests of a suite."""

    cell_type = Cell

    @classmethod
    def setUpClass(cls):
        cls.cell = cls.cell_type()
        cls.cell.setUp()
        try:
            cls.cell.start()
        except BaseException:
            cls.tearDownClass()
            raise
        cls.s3 = [s3_base.client_of(f"http://{node.s3}") for node in cls.cell.nodes.values()]

    @classmethod
    def tearDownClass(cls):
        cls.cell.tearDown()
        cls.cell.doCleanups()

    def refused(self, code, call, **options):
        with self.assertRaises(s3_base.ClientError) as raised:
            call(**options)
        self.assertEqual(raised.exception.response["Error"]["Code"], code,
                         raised.exception.response)

    def each(self, check):
        """For each kind of origin, side by side: they wait for different servers."""
        def task(bucket):
            try:
                check(bucket)
            except BaseException as error:
                raise AssertionError(f"over {bucket}") from error
        beside(*[lambda bucket=bucket: task(bucket) for bucket in BUCKETS])

    def seen(self, bucket, key, body, **said):
        """All nodes give it now: no waiting, no second try."""
        for number, s3 in enumerate(self.s3):
            where = f"{key} through n{number}"
            listed = s3.list_objects_v2(Bucket=bucket, Prefix=key).get("Contents", [])
            if body is None:
                self.refused("404", s3.head_object, Bucket=bucket, Key=key)
                self.refused("NoSuchKey", s3.get_object, Bucket=bucket, Key=key)
                self.assertEqual(listed, [], where)
                continue
            head = s3.head_object(Bucket=bucket, Key=key)
            got = s3.get_object(Bucket=bucket, Key=key)
            self.assertEqual(got["Body"].read(), body, where)
            self.assertEqual(head["ContentLength"], len(body), where)
            self.assertEqual({head["ETag"], got["ETag"]}, {listed[0]["ETag"]}, where)
            for name, value in said.items():
                self.assertEqual(head[name], value, where)

    def part(self, s3, bucket, key, upload, number, body):
        said = s3.upload_part(Bucket=bucket, Key=key, UploadId=upload, PartNumber=number, Body=body)
        return {"PartNumber": number, "ETag": said["ETag"]}

    def complete(self, s3, bucket, key, upload, parts, **options):
        return s3.complete_multipart_upload(Bucket=bucket, Key=key, UploadId=upload,
                                            MultipartUpload={"Parts": parts}, **options)


class Uploads(S3Cell):
    def test_an_upload_goes_on_through_every_node_and_after_restarts(self):
        one, two, three = self.s3
        body = {number: random.Random(number).randbytes(5 * MIB + number) for number in (1, 2, 3)}
        begun, parts = {}, {}

        def begin(bucket):
            begun[bucket] = one.create_multipart_upload(Bucket=bucket, Key="a/b")["UploadId"]
            parts[bucket] = [self.part(two, bucket, "a/b", begun[bucket], 1, body[1]),
                             self.part(three, bucket, "a/b", begun[bucket], 2, body[2])]

        def end(bucket):
            upload = begun[bucket]
            parts[bucket].append(self.part(two, bucket, "a/b", upload, 3, body[3]))
            for s3 in self.s3:
                listed = s3.list_parts(Bucket=bucket, Key="a/b", UploadId=upload)
                self.assertEqual([(p["PartNumber"], p["ETag"], p["Size"])
                                  for p in listed["Parts"]],
                                 [(p["PartNumber"], p["ETag"], len(body[p["PartNumber"]]))
                                  for p in parts[bucket]])
                self.listed_are(s3, bucket, [("a/b", upload)])
            self.complete(one, bucket, "a/b", upload, parts[bucket])
            self.seen(bucket, "a/b", b"".join(body.values()))
            for s3 in self.s3:
                self.refused("NoSuchUpload", s3.list_parts, Bucket=bucket, Key="a/b",
                             UploadId=upload)
                self.listed_are(s3, bucket, [])
        self.each(begin)
        self.cell.restart("n0")
        self.cell.restart("n1", signal.SIGKILL)
        self.each(end)

    def listed_are(self, s3, bucket, uploads):
        listed = s3.list_multipart_uploads(Bucket=bucket).get("Uploads", [])
        self.assertEqual([one["Key"] for one in listed], [key for key, _ in uploads])
        if bucket != "azure":  # whose ids have more in them when they are new: docs/S3.md
            self.assertEqual([one["UploadId"] for one in listed], [upload for _, upload in uploads])

    def test_two_uploads_of_one_key_never_mix(self):
        self.each(self.never_mix)

    def never_mix(self, bucket):
        one, two, three = self.s3
        first, second = (s3.create_multipart_upload(Bucket=bucket, Key="same")["UploadId"]
                         for s3 in (one, two))
        self.assertNotEqual(first, second)
        def body(upload, number):
            return (b"first " if upload == first else b"second ") * MIB + bytes([number])
        # The same numbers, in turns, each through another node; one part again.
        sent = {first: [], second: []}
        for number in (1, 2):
            for upload, s3 in ((first, three), (second, one)):
                self.part(s3, bucket, "same", upload, number, b"to be replaced")
                sent[upload].append(self.part(two, bucket, "same", upload, number,
                                              body(upload, number)))
        for upload, s3 in ((first, one), (second, three)):
            listed = s3.list_parts(Bucket=bucket, Key="same", UploadId=upload)["Parts"]
            self.assertEqual([p["Size"] for p in listed], [len(body(upload, n)) for n in (1, 2)])
        # Parts of one are none of the other.
        stolen = [sent[second][0], sent[first][1]]
        self.refused("InvalidPart", one.complete_multipart_upload, Bucket=bucket, Key="same",
                     UploadId=first, MultipartUpload={"Parts": stolen})
        self.complete(two, bucket, "same", second, sent[second])
        self.seen(bucket, "same", body(second, 1) + body(second, 2))
        if bucket != "azure":
            self.complete(three, bucket, "same", first, sent[first])
            self.seen(bucket, "same", body(first, 1) + body(first, 2))
            return
        # Azure drops all blocks of a blob that were not committed when others are.
        self.refused("InvalidPart", three.complete_multipart_upload, Bucket=bucket, Key="same",
                     UploadId=first, MultipartUpload={"Parts": sent[first]})
        again = [self.part(two, bucket, "same", first, n, body(first, n)) for n in (1, 2)]
        self.complete(three, bucket, "same", first, again)
        self.seen(bucket, "same", body(first, 1) + body(first, 2))

    def test_an_upload_that_nobody_here_began(self):
        self.each(self.foreign)

    def foreign(self, bucket):
        one, two, _ = self.s3
        upload = one.create_multipart_upload(Bucket=bucket, Key="mine")["UploadId"]
        proof, _, own = upload.partition(".")
        other = one.create_multipart_upload(Bucket=bucket, Key="other")["UploadId"]
        forged = [other, own, "0" * len(proof) + "." + own, proof[::-1] + "." + own,
                  other.partition(".")[0] + "." + own, upload + "0", upload[:-1], proof + ".", "x"]
        for one_id in forged:
            named = {"Bucket": bucket, "Key": "mine", "UploadId": one_id}
            parts = {"Parts": [{"PartNumber": 1, "ETag": '"0"'}]}
            self.refused("NoSuchUpload", two.upload_part, PartNumber=1, Body=b"x", **named)
            self.refused("NoSuchUpload", two.list_parts, **named)
            self.refused("NoSuchUpload", two.abort_multipart_upload, **named)
            self.refused("NoSuchUpload", two.complete_multipart_upload, MultipartUpload=parts,
                         **named)
        # The same id in another bucket, which may lie over the same origin.
        elsewhere = "moto" if bucket == "file" else "file"
        self.refused("NoSuchUpload", two.list_parts, Bucket=elsewhere, Key="mine", UploadId=upload)
        for key, known in (("mine", upload), ("other", other)):
            two.abort_multipart_upload(Bucket=bucket, Key=key, UploadId=known)
            self.refused("NoSuchUpload", one.list_parts, Bucket=bucket, Key=key, UploadId=known)

    def test_two_completes_at_once_make_one_object(self):
        self.each(self.complete_at_once)

    def complete_at_once(self, bucket):
        body = random.Random(7).randbytes(6 * MIB)
        upload = self.s3[0].create_multipart_upload(Bucket=bucket, Key="twice")["UploadId"]
        parts = [self.part(self.s3[1], bucket, "twice", upload, 1, body)]
        told = []

        def complete(s3):
            try:
                told.append(self.complete(s3, bucket, "twice", upload, parts)["ETag"])
            except s3_base.ClientError as error:
                told.append(error.response["Error"]["Code"])
        beside(*[lambda s3=s3: complete(s3) for s3 in self.s3])
        self.seen(bucket, "twice", body)
        etag = self.s3[0].head_object(Bucket=bucket, Key="twice")["ETag"]
        self.assertIn(etag, told)
        # Who came late hears that it is over; never of another object.
        self.assertLessEqual(set(told), {etag, "NoSuchUpload", "InvalidPart",
                                         "ServiceUnavailable"}, told)


class Deaths(S3Cell):
    """A node is killed while parts go through it; whoever sent one sends it again elsewhere."""

    def test_an_upload_outlasts_a_node_that_is_killed(self):
        nodes = self.cell.nodes
        dying = threading.Event()
        sent = queue.Queue()

        def kill():
            for _ in range(len(BUCKETS) * PARTS // 2):
                sent.get(timeout=cells.START_TIME_S)
            dying.set()
            nodes["n2"].stop(signal.SIGKILL)
        beside(kill, lambda: self.each(lambda bucket: self.upload(bucket, sent, dying)))
        self.assertEqual(nodes["n2"].process.poll(), -signal.SIGKILL)
        self.cell.restart("n2")
        for bucket in BUCKETS:
            self.is_whole(bucket)
        self.nothing_is_left()
        print("nothing is left at the origins")

    def nothing_is_left(self):
        for s3 in self.s3:
            for bucket in BUCKETS:
                self.assertNotIn("Uploads", s3.list_multipart_uploads(Bucket=bucket))
        # What the dead node had begun is gone with its next start.
        left = [path for path in (self.cell.files / ".forebay-tmp").rglob("*")
                if path.is_file() and path.stat().st_size > 0]
        self.assertEqual(left, [])
        moto = s3_base.client_of(self.cell.moto.url, ("training", "a-secret-of-s3"))
        self.assertNotIn("Uploads", moto.list_multipart_uploads(Bucket="bucket"))
        names = [one["Key"] for one in moto.list_objects_v2(Bucket="bucket")["Contents"]]
        self.assertEqual(names, ["data/big"])
        url = self.cell.azurite.url
        listed = origins.ask_azurite(url, "GET", "box", restype="container", comp="list",
                                     include="uncommittedblobs")
        self.assertEqual(re.findall("<Name>(.*?)</Name>", listed), ["data/big"])
        blocks = origins.ask_azurite(url, "GET", "box/data/big", comp="blocklist",
                                     blocklisttype="uncommitted")
        self.assertIn("<UncommittedBlocks", blocks)
        self.assertNotIn("<Block>", blocks)

    def body(self, bucket, number):
        return random.Random(f"{bucket} {number}").randbytes(PART_BYTES)

    def upload(self, bucket, sent, dying):
        upload = self.s3[0].create_multipart_upload(Bucket=bucket, Key="big")["UploadId"]
        parts, lost = {}, []

        def send(through):
            for number in range(through + 1, PARTS + 1, len(self.s3)):
                body = self.body(bucket, number)
                try:
                    part = self.part(self.s3[through], bucket, "big", upload, number, body)
                except (s3_base.ClientError, s3_base.BotoCoreError):
                    self.assertTrue(dying.is_set() or through == 2)
                    lost.append(number)
                    part = self.part(self.s3[0], bucket, "big", upload, number, body)
                parts[number] = part
                sent.put(number)
        beside(*[lambda through=through: send(through) for through in range(3)])
        print(f"{bucket}: {PARTS} parts of {PART_BYTES // MIB} MiB, {len(lost)} sent again")
        self.complete(self.s3[1], bucket, "big", upload, [parts[n] for n in sorted(parts)])
        self.refused("NoSuchUpload", self.s3[0].list_parts, Bucket=bucket, Key="big",
                     UploadId=upload)

    def is_whole(self, bucket):
        for s3 in self.s3:
            got = s3.get_object(Bucket=bucket, Key="big")
            self.assertEqual(got["ContentLength"], PARTS * PART_BYTES)
            for number in range(1, PARTS + 1):
                came = got["Body"].read(PART_BYTES)
                self.assertEqual(len(came), PART_BYTES, f"part {number} of {bucket} broke off")
                self.assertTrue(came == self.body(bucket, number), f"part {number} of {bucket}")
        print(f"{bucket}: read back through {len(self.s3)} nodes")


class Writes(S3Cell):
    def test_what_was_acknowledged_is_what_every_node_reads(self):
        self.each(self.all_see)

    def all_see(self, bucket):
        one, two, three = self.s3
        self.seen(bucket, "k", None)
        for number, s3 in enumerate((one, two, three, one)):
            body = f"state {number}".encode() * (number * 300_000 + 1)
            s3.put_object(Bucket=bucket, Key="k", Body=body)
            self.seen(bucket, "k", body)
        two.copy_object(Bucket=bucket, Key="copied", CopySource=f"{bucket}/k")
        self.seen(bucket, "copied", body)
        three.put_object(Bucket=bucket, Key="k", Body=b"after the copy")
        one.copy_object(Bucket=bucket, Key="copied", CopySource=f"{bucket}/k")
        self.seen(bucket, "copied", b"after the copy")
        upload = one.create_multipart_upload(Bucket=bucket, Key="copied")["UploadId"]
        parts = [self.part(two, bucket, "copied", upload, 1, b"in one part")]
        self.complete(three, bucket, "copied", upload, parts)
        self.seen(bucket, "copied", b"in one part")
        three.delete_object(Bucket=bucket, Key="copied")
        self.seen(bucket, "copied", None)
        keys = [f"many/{number}" for number in range(5)]
        for key in keys:
            two.put_object(Bucket=bucket, Key=key, Body=key.encode())
        for key in keys:
            self.seen(bucket, key, key.encode())
        one.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key} for key in keys]})
        for key in keys:
            self.seen(bucket, key, None)
        self.assertEqual(three.list_objects_v2(Bucket=bucket, Prefix="many/")["KeyCount"], 0)

    def test_what_was_said_of_the_same_bytes_is_seen_too(self):
        for bucket in BUCKETS:
            for number, s3 in enumerate([*self.s3, self.s3[0]]):
                said = {"Metadata": {"number": str(number)}, "ContentType": f"text/{number}"}
                if number == 0:
                    s3.put_object(Bucket=bucket, Key="said", Body=b"same", **said)
                else:
                    s3.copy_object(Bucket=bucket, Key="said", CopySource=f"{bucket}/said",
                                   MetadataDirective="REPLACE", **said)
                self.seen(bucket, "said", b"same", **said)

    def test_conditions_hold_between_nodes(self):
        self.each(self.one_wins)

    def one_wins(self, bucket):
        won = []

        def create(number):
            try:
                self.s3[number].put_object(Bucket=bucket, Key="once", Body=bytes([number]),
                                           IfNoneMatch="*")
                won.append(number)
            except s3_base.ClientError as error:
                code = error.response["Error"]["Code"]
                self.assertIn(code, ("PreconditionFailed", "ConditionalRequestConflict"))
        beside(*[lambda number=number: create(number) for number in range(3)])
        self.assertEqual(len(won), 1, bucket)
        self.seen(bucket, "once", bytes(won))
        etag = self.s3[0].head_object(Bucket=bucket, Key="once")["ETag"]
        self.s3[1].put_object(Bucket=bucket, Key="once", Body=b"second", IfMatch=etag)
        self.refused("PreconditionFailed", self.s3[2].put_object, Bucket=bucket, Key="once",
                     Body=b"third", IfMatch=etag)
        self.seen(bucket, "once", b"second")


if __name__ == "__main__":
    s3_base.main()
