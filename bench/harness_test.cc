#include "bench/harness.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "bench/output.h"

namespace forebay::bench {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

/// Returns `values` one after the other and writes `side` into `log` at every call.
Measure Script(std::string& log, char side, std::vector<double> values) {
  return [&log, side, values, next = size_t{0}]() mutable -> Result<double> {
    log += side;
    return values.at(next++);
  };
}

Measure Always(double value) {
  return [value]() -> Result<double> { return value; };
}

TEST(Report, AlternatesPairsDropsTheFirstAndTakesTheMedianOfRatios) {
  Report report;
  std::string log;
  report.Compare("echo", "1/s", Goal::kAtLeast, 1.0,
                 Script(log, 'o', {1, 20, 30, 10, 20, 20, 20, 20}),
                 Script(log, 't', {100, 10, 10, 10, 10, 10, 10, 10}));
  EXPECT_EQ(log, "otototototototot");
  ASSERT_EQ(report.rows().size(), 1u);
  const Row& row = report.rows()[0];
  EXPECT_THAT(row.runs, ElementsAre(2, 3, 1, 2, 2, 2, 2));
  EXPECT_EQ(row.ratio, 2);
  EXPECT_EQ(row.ours, 20);
  EXPECT_EQ(row.baseline, 10);
  EXPECT_TRUE(row.ok) << row.reason;
}

TEST(Report, MissesByTheSideThatTheGoalNames) {
  Report report;
  report.Compare("rate", "1/s", Goal::kAtLeast, 0.9, Always(8), Always(10));
  report.Compare("cost", "ns", Goal::kAtMost, 0.1, Always(2), Always(10));
  report.Figure("space", "share", Goal::kAtLeast, 0.93, 0.95);
  report.Figure("index", "bytes", Goal::kAtMost, 64, 65);
  EXPECT_FALSE(report.rows()[0].ok);
  EXPECT_THAT(report.rows()[0].reason, HasSubstr("0.8 is below the target 0.9"));
  EXPECT_FALSE(report.rows()[1].ok);
  EXPECT_TRUE(report.rows()[2].ok);
  EXPECT_FALSE(report.rows()[3].ok);
}

TEST(Report, ErrorsAndTooFewPairsAreNeverOk) {
  Report report({.pairs = 3});
  report.Compare("few", "1/s", Goal::kAtLeast, 0.5, Always(1), Always(1));
  const Measure broken = []() -> Result<double> { return Fail(Code::kUnavailable, "no fio"); };
  report.Compare("peer", "1/s", Goal::kAtLeast, 0.5, Always(1), broken);
  report.Compare("zero", "1/s", Goal::kAtLeast, 0.5, Always(1), Always(0));
  report.Missing("gone", "no such device");
  for (const Row& row : report.rows()) EXPECT_FALSE(row.ok) << row.name;
  EXPECT_THAT(report.rows()[0].reason, HasSubstr("2 counted pairs"));
  EXPECT_THAT(report.rows()[1].reason, HasSubstr("no fio"));
}

TEST(Report, OnlySkipsRowsWithoutRunningThem) {
  Report report({.only = "echo"});
  std::string log;
  report.Compare("stream", "B/s", Goal::kAtLeast, 1, Script(log, 'o', {}), Script(log, 't', {}));
  report.Info("loopback echo", "1/s", 5);
  EXPECT_EQ(log, "");
  ASSERT_EQ(report.rows().size(), 1u);
  EXPECT_EQ(report.rows()[0].name, "loopback echo");
}

TEST(Median, OfOddAndEvenCounts) {
  EXPECT_EQ(Median({3, 1, 2}), 2);
  EXPECT_EQ(Median({4, 1, 2, 3}), 2.5);
}

TEST(Output, TableAlignsAndSaysWhyARowMissed) {
  Report report;
  report.Compare("a", "1/s", Goal::kAtLeast, 2, Always(1), Always(1));
  report.Info("a longer name", "GiB", 12.5, "beside");
  const std::string table = ToTable(report.rows());
  EXPECT_THAT(table, HasSubstr("figure         unit"));
  EXPECT_THAT(table, HasSubstr("MISS: 1 is below the target 2"));
  EXPECT_THAT(table, HasSubstr("info: beside"));
  EXPECT_THAT(table, HasSubstr("1.000..1.000"));
}

TEST(Output, JsonEscapesAndWritesNullForWhatIsUnknown) {
  Report report;
  report.Missing("quote \" and \n", "back\\slash");
  EXPECT_EQ(ToJson(report.rows()),
            "[\n  {\"name\": \"quote \\\" and \\u000a\", \"unit\": \"\", \"ours\": null, "
            "\"baseline\": null, \"ratio\": null, \"target\": null, \"goal\": \"at least\", "
            "\"ok\": false, \"runs\": [], \"reason\": \"back\\\\slash\"}\n]\n");
}

}  // namespace
}  // namespace forebay::bench
