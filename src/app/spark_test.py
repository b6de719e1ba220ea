#!/usr/bin/env python3
"""Spark through the S3 doors of a cell of three nodes, by s3a and its magic committer.

spark_test.py PROGRAM SERVERS-FOLDER [unittest's arguments]; the folder has Spark, too ('./dev test
--full' makes it).
"""

import json
import os
import pathlib
import re
import subprocess

import s3_base  # first: it finds boto3
import s3_cell_test as s3_cells

SPARK = s3_base.SERVERS / "spark"
TIME_LIMIT_S = 1800
FIRST, SECOND = "first run", "second run"


class Spark(s3_cells.S3Cell):
    def options_of(self, endpoints):
        """One endpoint a bucket."""
        conf = {
            "spark.jars": ",".join(str(jar) for jar in sorted((SPARK / "jars").glob("*.jar"))),
            "spark.driver.memory": "1g", "spark.ui.enabled": "false",
            "spark.driver.bindAddress": "127.0.0.1", "spark.driver.host": "127.0.0.1",
            "spark.sql.shuffle.partitions": "4", "spark.local.dir": str(self.cell.folder / "spark"),
            "spark.hadoop.fs.s3a.access.key": s3_base.BOSS[0],
            "spark.hadoop.fs.s3a.secret.key": s3_base.BOSS[1],
            "spark.hadoop.fs.s3a.path.style.access": "true",
            "spark.hadoop.fs.s3a.connection.ssl.enabled": "false",
            "spark.hadoop.fs.s3a.endpoint.region": "us-east-1",
            "spark.hadoop.fs.s3a.committer.name": "magic",
            "spark.hadoop.fs.s3a.committer.magic.enabled": "true",
            "spark.hadoop.mapreduce.outputcommitter.factory.scheme.s3a":
                "org.apache.hadoop.fs.s3a.commit.S3ACommitterFactory",
            "spark.sql.sources.commitProtocolClass":
                "org.apache.spark.internal.io.cloud.PathOutputCommitProtocol",
            "spark.sql.parquet.output.committer.class":
                "org.apache.spark.internal.io.cloud.BindingParquetOutputCommitter"}
        for bucket, endpoint in endpoints.items():
            conf[f"spark.hadoop.fs.s3a.bucket.{bucket}.endpoint"] = endpoint
        return conf

    def spark(self, endpoints, *steps):
        """What the steps came to, in order."""
        options = self.cell.folder / "options.json"
        options.write_text(json.dumps({"conf": self.options_of(endpoints), "steps": steps}))
        log = self.cell.folder / "spark.log"
        job = pathlib.Path(__file__).with_name("spark_job.py")
        python = str(SPARK / "venv/bin/python")
        with open(log, "wb") as errors:
            done = subprocess.run([python, "-B", job, options], check=False, stderr=errors,
                                  stdout=subprocess.PIPE, timeout=TIME_LIMIT_S,
                                  env=dict(os.environ, PYSPARK_PYTHON=python))
        said = log.read_text(errors="replace")
        self.assertEqual(done.returncode, 0, said[-5000:])
        return [json.loads(line) for line in done.stdout.decode().splitlines()]

    def gets(self):
        """What moto was asked for so far: GETs of objects, and other requests."""
        asked = pathlib.Path(self.moto.output.name).read_text(errors="replace")
        lines = re.findall(r'([A-Z]+) (/\S*) HTTP\S*" ([0-9]+)', asked)
        # What gets no bytes is a question for a name: directories are asked for like objects.
        data = sum(1 for method, path, status in lines
                   if method == "GET" and "/bucket/data/" in path and status in ("200", "206"))
        return data, len(lines) - data

    def measured(self, what, endpoints, *steps):
        data, others = self.gets()
        came = self.spark(endpoints, *steps)
        now = self.gets()
        print(f"note: spark {what}: {came[0]['seconds']:.1f} s, {now[0] - data} GETs of data and "
              f"{now[1] - others} other requests at the origin")
        return now[0] - data

    def test_a_job_gives_what_it_gives_on_files(self):
        self.moto = next(server for server in self.cell.servers if "moto" in server.output.name)
        one, two, three = (f"http://{node.s3}" for node in self.cell.nodes.values())
        direct = {"bucket": self.moto.url}
        local = f"file://{self.cell.folder}"
        source, plain = f"{local}/source", f"{local}/plain"
        expected = self.spark({}, ["make", source], ["work", source, plain], ["digest", plain])[2]
        self.assertGreater(expected["result"][0][0], 10_000)
        self.spark(direct, ["make", "s3a://bucket/data/source"])
        for run in (FIRST, SECOND):
            self.measured(f"without Forebay, {run}", direct,
                          ["work", "s3a://bucket/data/source", f"{local}/direct"])
        cell = {"moto": one, "file": two}
        asked = {run: self.measured(f"with Forebay, {run}", cell,
                                    ["work", "s3a://moto/source", "s3a://file/result"])
                 for run in (FIRST, SECOND)}
        self.assertGreater(asked[FIRST], 0)
        self.assertEqual(asked[SECOND], 0, "the second run asked the origin for data")
        got = self.spark({"file": three}, ["digest", "s3a://file/result"])[0]
        self.assertEqual(got["result"], expected["result"])
        # The committer leaves nothing pending and nothing of its own.
        self.assertNotIn("Uploads", self.s3[0].list_multipart_uploads(Bucket="file"))
        names = [one["Key"] for one in
                 self.s3[1].list_objects_v2(Bucket="file", Prefix="result/")["Contents"]]
        self.assertFalse([name for name in names if "__magic" in name], names)


if __name__ == "__main__":
    s3_base.main()
