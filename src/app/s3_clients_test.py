#!/usr/bin/env python3
"""The S3 doors of a cell, each asked by the clients that people have: the AWS CLI, s3cmd, rclone,
curl.

s3_clients_test.py PROGRAM SERVERS-FOLDER [unittest's arguments]; the folder has the first two, too
('./dev test --full' installs them and the others).
"""

import os
import random
import re
import shutil
import subprocess

import s3_base  # first: it finds boto3
import s3_cell_test as s3_cells

CLIENTS = s3_base.SERVERS.absolute() / "clients/bin"
TIME_LIMIT_S = 300
LARGE_BYTES = 30 * s3_cells.MIB + 7  # in parts, by all of them
S3CMD = """[default]
access_key = {key}
secret_key = {secret}
host_base = {host}
host_bucket = {host}
use_https = False
multipart_chunk_size_mb = 5
"""


class Cell(s3_cells.Cell):
    """With keys, and a place for the buckets that clients make."""

    def setUp(self):
        super().setUp()
        keys, buckets = self.folder / "keys", self.folder / "buckets"
        keys.write_text(s3_base.KEYS)
        buckets.mkdir()
        self.flags = ("--s3-keys", keys, "--s3-bucket-root", f"file://{buckets}")


class Clients(s3_cells.S3Cell):
    cell_type = Cell

    def setUp(self):
        self.work = self.cell.folder / self.id().rsplit(".", 1)[-1]
        (self.work / "tree/sub").mkdir(parents=True)
        for name in ("one", "two", "sub/a b+\u00fc"):
            (self.work / "tree" / name).write_text(name)
        self.large = random.Random(8).randbytes(LARGE_BYTES)
        (self.work / "large").write_bytes(self.large)
        self.urls = [f"http://{node.s3}" for node in self.cell.nodes.values()]
        self.env = {name: value for name, value in os.environ.items()
                    if not name.startswith("AWS_")}
        self.env.update(AWS_ACCESS_KEY_ID=s3_base.BOSS[0], AWS_SECRET_ACCESS_KEY=s3_base.BOSS[1],
                        AWS_DEFAULT_REGION="us-east-1", HOME=str(self.work))

    def run_client(self, *command, refused=False):
        """Its output."""
        if shutil.which(command[0]) is None:
            raise RuntimeError(f"there is no {command[0]}; './dev test --full' installs it")
        done = subprocess.run([str(one) for one in command], capture_output=True, check=False,
                              cwd=self.work, env=self.env, timeout=TIME_LIMIT_S)
        self.assertEqual(done.returncode != 0, refused, (command, done.stdout, done.stderr))
        return done.stdout.decode()

    def same_tree(self, other):
        def content(folder):
            return {path.relative_to(folder): path.read_bytes()
                    for path in folder.rglob("*") if path.is_file()}
        self.assertEqual(content(self.work / other), content(self.work / "tree"))

    def same_large(self, other):
        self.assertTrue((self.work / other).read_bytes() == self.large, other)

    def test_the_aws_cli(self):
        self.each(self.aws_cli)

    def aws_cli(self, bucket):
        nodes = iter(self.urls * 100)

        def aws(*command, **options):  # through another node each time
            return self.run_client(CLIENTS / "aws", "--endpoint-url", next(nodes), *command,
                                   **options)
        base, own = f"s3://{bucket}/cli", f"{bucket}-back"
        aws("s3", "cp", "large", f"{base}/large")
        aws("s3", "cp", f"{base}/large", f"{base}/copied")
        aws("s3", "cp", f"{base}/copied", own)
        self.same_large(own)
        aws("s3", "sync", "tree", f"{base}/tree")
        self.assertEqual(aws("s3", "sync", "tree", f"{base}/tree"), "")
        aws("s3", "sync", f"{base}/tree", f"{bucket}-tree")
        self.same_tree(f"{bucket}-tree")
        aws("s3", "mv", f"{base}/tree/one", f"{base}/moved")
        listed = aws("s3", "ls", "--recursive", base)
        self.assertEqual([line.split(maxsplit=3)[3] for line in listed.splitlines()],
                         ["cli/copied", "cli/large", "cli/moved", "cli/tree/sub/a b+\u00fc",
                          "cli/tree/two"])
        put = aws("s3api", "put-object", "--bucket", bucket, "--key", "cli/sum", "--body",
                  "tree/one", "--checksum-algorithm", "SHA256", "--metadata", "color=red")
        self.assertIn("ChecksumSHA256", put)
        self.assertIn('"color": "red"', aws("s3api", "head-object", "--bucket", bucket, "--key",
                                            "cli/sum"))
        aws("s3", "rm", "--recursive", base)
        aws("s3", "ls", base, refused=True)  # how it says that there is nothing

    def test_buckets_by_the_aws_cli(self):
        def aws(*command, **options):
            return self.run_client(CLIENTS / "aws", "--endpoint-url", self.urls[1], *command,
                                   **options)
        aws("s3", "mb", "s3://made-by-cli")
        aws("s3", "cp", "tree/one", "s3://made-by-cli/one")
        aws("s3", "rb", "s3://made-by-cli", refused=True)
        aws("s3", "rb", "--force", "s3://made-by-cli")
        self.assertNotIn("made-by-cli", aws("s3", "ls"))

    def test_s3cmd(self):
        config = self.work / "s3cfg"
        config.write_text(S3CMD.format(key=s3_base.BOSS[0], secret=s3_base.BOSS[1],
                                       host=self.urls[0].removeprefix("http://")))

        def s3cmd(*command, **options):
            return self.run_client(CLIENTS / "s3cmd", "-c", config, "--no-progress", *command,
                                   **options)
        s3cmd("mb", "s3://made-by-s3cmd")
        s3cmd("put", "large", "s3://made-by-s3cmd/large")
        s3cmd("cp", "s3://made-by-s3cmd/large", "s3://file/s3cmd")
        s3cmd("get", "s3://file/s3cmd", "back")
        self.same_large("back")
        s3cmd("sync", "tree/", "s3://made-by-s3cmd/tree/")
        self.assertNotIn("upload:", s3cmd("sync", "tree/", "s3://made-by-s3cmd/tree/"))
        s3cmd("sync", "s3://made-by-s3cmd/tree/", "back-tree/")
        self.same_tree("back-tree")
        self.assertIn("forebay: FULL_CONTROL", s3cmd("info", "s3://made-by-s3cmd/large"))
        s3cmd("modify", "--add-header=x-amz-meta-color:red", "s3://made-by-s3cmd/tree/one")
        s3cmd("mv", "s3://made-by-s3cmd/tree/one", "s3://made-by-s3cmd/moved")
        head = self.s3[2].head_object(Bucket="made-by-s3cmd", Key="moved")
        self.assertEqual(head["Metadata"]["color"], "red")
        s3cmd("rb", "s3://made-by-s3cmd", refused=True)
        s3cmd("del", "--recursive", "--force", "s3://made-by-s3cmd")
        s3cmd("rb", "s3://made-by-s3cmd")

    def test_rclone(self):
        settings = {"TYPE": "s3", "PROVIDER": "Other", "ENV_AUTH": "true", "CHUNK_SIZE": "5M",
                    "UPLOAD_CUTOFF": "8M", "COPY_CUTOFF": "10M", "ENDPOINT": self.urls[2]}
        self.env.update({f"RCLONE_CONFIG_F_{name}": value for name, value in settings.items()})

        def rclone(*command, **options):
            return self.run_client("rclone", *command, **options)
        rclone("mkdir", "f:made-by-rclone")
        rclone("copyto", "large", "f:made-by-rclone/large")
        rclone("copyto", "f:made-by-rclone/large", "f:azure/rclone")
        rclone("copyto", "f:azure/rclone", "back")
        self.same_large("back")
        rclone("sync", "tree", "f:made-by-rclone/tree")
        rclone("check", "--download", "tree", "f:made-by-rclone/tree")
        rclone("moveto", "f:made-by-rclone/tree/one", "f:made-by-rclone/moved")
        listed = rclone("lsf", "-R", "--files-only", "f:made-by-rclone").splitlines()
        self.assertEqual(sorted(listed), ["large", "moved", "tree/sub/a b+\u00fc", "tree/two"])
        self.assertEqual(rclone("cat", "--offset", "1", "--count", "2", "f:made-by-rclone/moved"),
                         "ne")
        link = rclone("link", "f:made-by-rclone/moved").strip()
        self.assertEqual(self.run_client("curl", "-sSf", link), "one")
        rclone("purge", "f:made-by-rclone")

    def test_curl(self):
        def curl(path, *options, node=0):
            return self.run_client("curl", "-sS", "--fail-with-body", "--aws-sigv4",
                                   "aws:amz:us-east-1:s3", "--user", ":".join(s3_base.BOSS), "-H",
                                   "x-amz-content-sha256: UNSIGNED-PAYLOAD", *options,
                                   self.urls[node] + path)
        curl("/file/curl%20x", "-T", "large")
        curl("/file/curl%20x", "-o", "back", node=1)
        self.same_large("back")
        self.assertEqual(curl("/file/one", "-T", "tree/one", node=2), "")
        self.assertEqual(curl("/file/one", "-r", "1-"), "ne")
        self.assertTrue(re.search("(?i)content-length: 3\\b", curl("/file/one", "-I")))
        self.assertIn("<Key>curl x</Key>", curl("/file?list-type=2", node=1))
        for path in ("/file/one", "/file/curl%20x"):
            curl(path, "-X", "DELETE")
        self.assertNotIn("<Key>", curl("/file?list-type=2", node=2))


if __name__ == "__main__":
    s3_base.main()
