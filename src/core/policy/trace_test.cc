#include "src/core/policy/trace.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "src/core/policy/replay.h"
#include "src/core/policy/workload.h"

namespace forebay {
namespace {

using testing::HasSubstr;

Result<Trace> Parse(std::string_view text, BadLines bad = BadLines::kFail) {
  TraceParser parser("t.csv", bad);
  FB_TRY(parser.Feed(text));
  return parser.Finish();
}

std::vector<uint32_t> Blocks(const Trace& trace) {
  std::vector<uint32_t> blocks(trace.size());
  for (size_t i = 0; i < trace.size(); ++i) blocks[i] = trace.block(i);
  return blocks;
}

TEST(TraceParser, ReadsJsonLines) {
  const auto trace = Parse(
      "{\"timestamp\": 0, \"input_length\": 9, \"hash_ids\": [7, 8]}\n"
      "{\"timestamp\": 3, \"hash_ids\": []}\n"
      "{\"timestamp\": 5, \"hash_ids\":[7,9]}");
  ASSERT_TRUE(trace) << trace.error().message();
  EXPECT_THAT(Blocks(*trace), testing::ElementsAre(0, 1, 0, 2));
  EXPECT_TRUE(trace->unit_weights());
}

TEST(TraceParser, ReadsOneTwoAndThreeColumns) {
  EXPECT_THAT(Blocks(*Parse("# a comment\n\na\nb\r\n a \n")), testing::ElementsAre(0, 1, 0));
  const auto sized = Parse("a,10\nb,4096\na,10\n");
  EXPECT_EQ(sized->footprint(), 4106u);
  EXPECT_FALSE(sized->unit_weights());
  const auto timed = Parse("0.5,a,10\n1.25,b,20\n");
  EXPECT_EQ(timed->footprint(), 30u);
  EXPECT_EQ(timed->ref(1).weight, 20u);
}

TEST(TraceParser, PiecesMayEndAnywhere) {
  const std::string text = "{\"hash_ids\": [12, 13]}\n{\"hash_ids\": [13]}\n";
  for (size_t cut = 0; cut <= text.size(); ++cut) {
    TraceParser parser("t", BadLines::kFail);
    ASSERT_TRUE(parser.Feed(std::string_view(text).substr(0, cut)));
    ASSERT_TRUE(parser.Feed(std::string_view(text).substr(cut)));
    EXPECT_THAT(Blocks(*parser.Finish()), testing::ElementsAre(0, 1, 1));
  }
}

TEST(TraceParser, BadLinesAreNamed) {
  const struct {
    std::string text;
    std::string why;
  } cases[] = {
      {"a,1\n\nb,0\n", "t.csv:3: a size of 0: 'b,0'"},
      {"a,-1\n", "t.csv:1: a size must be"},
      {"a,4294967296\n", "a size must be"},
      {"a,1.5\n", "a size must be"},
      {"soon,a,1\n", "bad timestamp"},
      {"1,2,3,4\n", "more than the three columns"},
      {"a b\n", "a key must be one word"},
      {",5\n", "a key must be one word"},
      {std::string("a\n\0\x01\xff\n", 6), "t.csv:2: a key must be one word"},
      {"{\"hash_ids\": [1]}\nnot json\n", "t.csv:2: not a JSON object"},
      {"{\"ids\": [1]}\n", "no \"hash_ids\""},
      {"{\"hash_ids\": 1}\n", "is not a list"},
      {"{\"hash_ids\": [1 2]}\n", "does not end"},
      {"{\"hash_ids\": [1, x]}\n", "not a whole number"},
      {"{\"hash_ids\": [-1]}\n", "not a whole number"},
      {"{\"hash_ids\": [1}\n", "does not end"},
      {std::string(TraceParser::kMaxLineBytes + 1, 'x'), "t.csv:1: the line is longer than 1 MiB"},
      {"", "t.csv: an empty trace"},
      {"# nothing\n\n", "an empty trace: 2 lines"},
  };
  for (const auto& bad : cases) {
    const auto trace = Parse(bad.text);
    ASSERT_FALSE(trace) << bad.why;
    EXPECT_EQ(trace.error().code(), Code::kInvalidArgument);
    EXPECT_THAT(trace.error().message(), HasSubstr(bad.why));
  }
}

TEST(TraceParser, BadLinesAreSkippedAndCountedOnRequest) {
  TraceParser parser("t", BadLines::kSkip);
  ASSERT_TRUE(parser.Feed("a,1\n?? ??\nb,0\n" + std::string(3 << 20, 'x') + "\nb,2\n"));
  EXPECT_EQ(parser.skipped(), 3u);
  EXPECT_THAT(Blocks(*parser.Finish()), testing::ElementsAre(0, 1));
}

TEST(Workload, IsTheSameForEverybody) {
  const auto zipf = MakeWorkload("zipf:alpha=0.9,objects=1000,requests=5");
  ASSERT_TRUE(zipf) << zipf.error().message();
  std::vector<uint64_t> keys(zipf->size());
  for (size_t i = 0; i < zipf->size(); ++i) keys[i] = zipf->ref(i).key;
  const auto again = MakeWorkload("zipf:requests=5,objects=1000");
  for (size_t i = 0; i < keys.size(); ++i) EXPECT_EQ(again->ref(i).key, keys[i]);
  EXPECT_NE(MakeWorkload("zipf:requests=5,objects=1000,seed=2")->ref(0).key, keys[0]);
}

TEST(Workload, ZipfDrawsByRank) {
  const auto zipf = MakeWorkload("zipf:alpha=1,objects=100,requests=200000");
  std::vector<double> counts(zipf->distinct());
  for (size_t i = 0; i < zipf->size(); ++i) ++counts[zipf->block(i)];
  std::sort(counts.rbegin(), counts.rend());
  EXPECT_NEAR(counts[0] / counts[1], 2, 0.1);
  EXPECT_NEAR(counts[0] / counts[9], 10, 1);
}

TEST(Workload, EpochsReadEverythingOnceEach) {
  const auto epochs = MakeWorkload("epochs:objects=50,epochs=3");
  ASSERT_EQ(epochs->size(), 150u);
  EXPECT_EQ(epochs->count_from, 50u);
  for (size_t epoch = 0; epoch < 3; ++epoch) {
    std::vector<bool> seen(50);
    for (size_t i = 50 * epoch; i < 50 * (epoch + 1); ++i) seen[epochs->block(i)] = true;
    EXPECT_EQ(std::count(seen.begin(), seen.end(), true), 50);
  }
  EXPECT_EQ(MakeWorkload("epochs:objects=50,epochs=3,jobs=8")->size(), 1200u);
}

TEST(Workload, ScansReadWhatZipfDoesNot) {
  const auto scans = MakeWorkload(
      "zipf-scan:objects=10,requests=100,scan_every=50,scan_length=20,scan_objects=30");
  EXPECT_EQ(scans->size(), 140u);
  EXPECT_LE(scans->distinct(), 40u);
  EXPECT_GE(scans->distinct(), 31u);
}

TEST(Workload, RefusesNonsenseByName) {
  for (const auto& [spec, why] : std::vector<std::pair<std::string, std::string>>{
           {"zip", "no workload 'zip'"},
           {"zipf:objects=0", "'objects=0': must be from 1"},
           {"zipf:colour=3", "'colour=3': no such parameter"},
           {"zipf:objects", "'objects': write it as name=value"},
           {"zipf:objects=ten", "not a number"},
           {"epochs:objects=1.5", "must be a whole number"},
           {"zipf:alpha=nan", "must be from 0 to 10"},
           {"zipf:", "no such parameter"}}) {
    const auto trace = MakeWorkload(spec);
    ASSERT_FALSE(trace) << spec;
    EXPECT_THAT(trace.error().message(), HasSubstr(why));
  }
}

TEST(Capacity, IsAShareOrAnAmount) {
  EXPECT_EQ(ParseCapacity("10%", 5000).value(), 500u);
  EXPECT_EQ(ParseCapacity("0.5%", 5000).value(), 25u);
  EXPECT_EQ(ParseCapacity("4KiB", 5000).value(), 4096u);
  for (const char* text : {"0", "0%", "-1%", "x%", "%", "many", "0.001%"}) {
    const auto capacity = ParseCapacity(text, 5000);
    ASSERT_FALSE(capacity) << text;
    EXPECT_THAT(capacity.error().message(), HasSubstr(text));
  }
}

}  // namespace
}  // namespace forebay
