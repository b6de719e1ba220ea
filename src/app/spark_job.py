"""What spark_test.py lets Spark do, in Spark's own Python.

spark_job.py OPTIONS.json: a list of steps, [NAME, ARGUMENTS...]; prints for each a line of JSON
with its seconds and what it came to.
"""

import hashlib
import json
import sys
import time

from pyspark.sql import SparkSession, functions as f

ROWS = 400_000
FILES = 200
GROUPS = 97


def make(spark, folder):
    """Rows in so many files of Parquet, and a small table beside them in CSV."""
    rows = spark.range(ROWS).select(
        "id", (f.col("id") % GROUPS).alias("group"),
        f.sha1(f.col("id").cast("string")).alias("text"))
    rows.repartitionByRange(FILES, "id").write.mode("overwrite").parquet(folder + "/rows")
    names = spark.range(GROUPS).select(
        f.col("id").alias("group"), f.concat(f.lit("name, \"of\" "), "id").alias("name"))
    names.coalesce(3).write.mode("overwrite").csv(folder + "/names", header=True)


def work(spark, folder, into):
    """Reads all of both, and writes what it makes of them in both formats."""
    rows = spark.read.parquet(folder + "/rows")
    names = spark.read.csv(folder + "/names", header=True,
                           schema="group long, name string")
    joined = rows.join(f.broadcast(names), "group")
    sums = joined.groupBy("name").agg(f.count("*").alias("count"), f.max("text").alias("last"),
                                      f.sum("id").alias("sum"))
    joined.filter("id % 10 = 3").repartition(8).write.mode("overwrite").parquet(into + "/tenth")
    sums.coalesce(2).write.mode("overwrite").csv(into + "/sums", header=True)


def digest(spark, into):
    """Of all rows of both results, in order."""
    hashes = []
    tenth = spark.read.parquet(into + "/tenth").select("id", "group", "text", "name")
    sums = spark.read.csv(into + "/sums", header=True).select("name", "count", "last", "sum")
    for frame in (tenth, sums):
        lines = sorted("|".join(str(value) for value in row) for row in frame.collect())
        hashes.append([len(lines), hashlib.sha256("\n".join(lines).encode()).hexdigest()])
    return hashes


def main():
    options = json.load(open(sys.argv[1], encoding="utf-8"))
    builder = SparkSession.builder.master("local[2]")
    for name, value in options["conf"].items():
        builder = builder.config(name, value)
    spark = builder.getOrCreate()
    for step, *arguments in options["steps"]:
        began = time.monotonic()
        result = {"make": make, "work": work, "digest": digest}[step](spark, *arguments)
        print(json.dumps({"step": step, "seconds": time.monotonic() - began, "result": result}),
              flush=True)
    spark.stop()


main()
