#include "src/app/cli/text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "src/app/cli/progress.h"
#include "src/app/cli/status_figure.h"
#include "src/base/json_string.h"
#include "src/base/units.h"

namespace forebay::app {
namespace {

TEST(CliText, TimesAreThoseOfTheCalendar) {
  EXPECT_EQ(FormatTime(0), "1970-01-01 00:00:00");
  EXPECT_EQ(FormatTime(951'782'400'000'000'000), "2000-02-29 00:00:00");
  EXPECT_EQ(FormatTime(1'767'225'599'999'999'999), "2025-12-31 23:59:59");
}

TEST(CliText, RatesAndTimesLeft) {
  EXPECT_EQ(FormatRate(1'234'000'000), "1.2 GB/s");
  EXPECT_EQ(FormatRate(999), "999 B/s");
  EXPECT_EQ(FormatRate(std::numeric_limits<double>::infinity()), "-");
  EXPECT_EQ(FormatSeconds(8.4), "8 s");
  EXPECT_EQ(FormatSeconds(200), "3 min 20 s");
  EXPECT_EQ(FormatSeconds(3720), "1 h 02 min");
  EXPECT_EQ(FormatSeconds(std::numeric_limits<double>::quiet_NaN()), "-");
}

TEST(CliText, ANameCannotSteerATerminal) {
  EXPECT_EQ(Visible("a\x1b[2Jb\nc"), "a\\x1b[2Jb\\x0ac");
}

TEST(CliText, ANameInJsonEndsWhereItEnds) {
  EXPECT_EQ(JsonString("a\"b\\c\n"), "\"a\\\"b\\\\c\\u000a\"");
}

TEST(CliText, FiguresOfAllDisks) {
  constexpr std::string_view kJson =
      "{\n  \"memory\": {\"used_bytes\": 5},\n  \"disks\": [\n"
      "    {\"directory\": \"/a\", \"used_bytes\": 7, \"reads\": 1},\n"
      "    {\"directory\": \"/b\", \"used_bytes\": 9, \"reads\": 2}\n  ]\n}\n";
  EXPECT_EQ(DisksFigure(kJson, "used_bytes"), 16u);
  EXPECT_EQ(DisksFigure(kJson, "reads"), 3u);
  EXPECT_EQ(DisksFigure(kJson, "writes"), 0u);
  EXPECT_EQ(DisksFigure("{\n  \"disks\": []\n}", "reads"), 0u);
}

TEST(CliText, FiguresOfAStatus) {
  constexpr std::string_view kJson =
      "{\n  \"ready\": true,\n  \"origin\": {\"requests\": 3, \"bytes\": 40},\n"
      "  \"read\": {\"requests\": 7}\n}";
  EXPECT_EQ(StatusFigure(kJson, "origin", "requests"), 3u);
  EXPECT_EQ(StatusFigure(kJson, "origin", "bytes"), 40u);
  EXPECT_EQ(StatusFigure(kJson, "read", "requests"), 7u);
  EXPECT_EQ(StatusFigure(kJson, "read", "bytes"), 0u);
  EXPECT_EQ(StatusFigure(kJson, "write", "bytes"), 0u);
  EXPECT_EQ(StatusFigure("", "a", "b"), 0u);
}

TEST(CliProgress, TheLineFitsAndNeverGoesPastItsEnd) {
  EXPECT_EQ(ProgressLine("loading", 5 * kMiB, 10 * kMiB, 1, 200),
            "loading [############............]  50%  5 MiB of 10 MiB  5.2 MB/s  1 s left");
  EXPECT_EQ(ProgressLine("get", 3 * kKiB, 0, 1, 200), "get 3 KiB  3.1 kB/s");
  EXPECT_THAT(ProgressLine("x", 20, 10, 1, 200), testing::HasSubstr("] 100%"));
  EXPECT_EQ(ProgressLine("loading", 5, 10, 1, 20).size(), 19u);
}

}  // namespace
}  // namespace forebay::app
