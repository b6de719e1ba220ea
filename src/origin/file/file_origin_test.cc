#include "src/origin/file/file_origin.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "sim/sim_device.h"
#include "sim/world.h"
#include "src/origin/testing/origin_contract.h"
#include "src/runtime/task_group.h"

namespace forebay {
namespace {

using origin_contract::CodeOf;
using origin_contract::GetText;
using origin_contract::ListText;
using origin_contract::PutText;

constexpr const char* kUrl = "file:///data/set";

class SimHarness final : public OriginHarness {
 public:
  SimHarness() {
    EXPECT_TRUE(world_.Run(env().disk.MakeDirectory("/data/set")));
    Reopen();
  }
  Env& env() override { return node_.env(); }
  Origin& origin() override { return *origin_; }
  void Run(Task<void> main) override { world_.Run(std::move(main)); }
  void Reopen() {
    origin_.reset();
    origin_ = std::move(*FileOrigin::Create(kUrl));
  }
  sim::World& world() { return world_; }
  sim::Node& node() { return node_; }

 private:
  sim::World world_{1};
  sim::Node& node_ = world_.AddNode("n");
  std::unique_ptr<Origin> origin_;
};

INSTANTIATE_TEST_SUITE_P(File, OriginContract,
                         testing::Values([]() -> std::unique_ptr<OriginHarness> {
                           return std::make_unique<SimHarness>();
                         }));

TEST(FileOriginUrl, NamesAnAbsoluteDirectory) {
  EXPECT_EQ((*FileOrigin::Create("file:///data/set/"))->url(), "file:///data/set");
  for (const char* url : {"", "/data", "file://", "file:///", "file://host/data", "file://data",
                          "s3://bucket", "file:///a/../b", "file:///a//b"}) {
    const auto origin = FileOrigin::Create(url);
    ASSERT_EQ(CodeOf(origin), Code::kInvalidArgument) << url;
    EXPECT_NE(origin.error().message().find("file:///absolute/directory"), std::string::npos);
  }
}

class FileOriginTest : public testing::Test {
 protected:
  void Run(Task<void> (*test)(SimHarness&)) { h_.Run(test(h_)); }
  SimHarness h_;
};

Task<void> KeyChecks(SimHarness& h) {
  const std::string long_key(1025, 'k'), with_nul("a\0b", 3);
  for (const std::string& key :
       {std::string(), std::string("/a"), std::string("a//b"), std::string("a/../b"),
        std::string("./a"), std::string("a/"), std::string(".forebay-tmp"),
        std::string(".forebay-tmp/puts/x"), long_key, with_nul}) {
    EXPECT_EQ(CodeOf(co_await h.origin().Head(h.env(), key, {})), Code::kInvalidArgument) << key;
    EXPECT_EQ(CodeOf(co_await PutText(h, key, "x")), Code::kInvalidArgument) << key;
    EXPECT_EQ(CodeOf(co_await h.origin().Delete(h.env(), key, {}, {})), Code::kInvalidArgument);
  }
  EXPECT_EQ(CodeOf(co_await PutText(h, "k", "x", {.if_absent = true, .if_match = "e"})),
            Code::kInvalidArgument);
}

TEST_F(FileOriginTest, RefusesWhatIsNoKey) {
  Run(KeyChecks);
}

Task<void> NameChecks(SimHarness& h) {
  EXPECT_TRUE(co_await PutText(h, "a/b/c", "x"));
  for (const char* key : {"a/b", "a/b/c/d"}) {
    const auto put = co_await PutText(h, key, "y");
    EXPECT_EQ(CodeOf(put), Code::kInvalidArgument);
    if (!put) EXPECT_NE(put.error().message().find(key), std::string::npos);
  }
  EXPECT_EQ((co_await GetText(h, "a/b/c")).value(), "x");
  const auto put = co_await h.env().disk.List("/data/set/.forebay-tmp/puts");
  EXPECT_EQ(put->size(), 1u);  // the session itself, with nothing but its lock in it
  EXPECT_EQ((co_await h.env().disk.List("/data/set/.forebay-tmp/puts/" + put->at(0)))->size(), 1u);
}

TEST_F(FileOriginTest, AnObjectAndADirectoryCannotShareAName) {
  Run(NameChecks);
}

Task<void> VanishedChecks(SimHarness& h) {
  const auto gone = std::move(*FileOrigin::Create("file:///data/none"));
  const auto expect = [](const auto& result) {
    EXPECT_EQ(CodeOf(result), Code::kUnavailable);
    if (!result) {
      EXPECT_NE(result.error().message().find("there is no directory /data/none"),
                std::string::npos)
          << result.error().message();
    }
  };
  expect(co_await gone->Head(h.env(), "k", {}));
  expect(co_await gone->Get(h.env(), "k", {}, {}));
  expect(co_await gone->List(h.env(), {}, {}));
  expect(co_await gone->List(h.env(), {.prefix = "a/b/"}, {}));
  expect(co_await gone->Put(h.env(), "k", {}, {}));
  expect(co_await gone->Delete(h.env(), "k", {}, {}));
  EXPECT_TRUE(co_await gone->Sweep(h.env()));
  EXPECT_EQ(CodeOf(co_await h.env().disk.Stat("/data/none")), Code::kNotFound);  // nor is it made
}

TEST_F(FileOriginTest, ADirectoryThatIsNotThereIsNamed) {
  Run(VanishedChecks);
}

Task<void> SweepChecks(SimHarness& h) {
  // Another one over the same directory, as another process would have it.
  const auto other = std::move(*FileOrigin::Create(kUrl));
  auto upload = (co_await h.origin().Put(h.env(), "mine", {}, {})).value();
  auto dying = (co_await other->Put(h.env(), "theirs", {}, {})).value();
  const Bytes part = AsBytes("bytes");
  EXPECT_TRUE(co_await upload->Write(std::span(&part, 1), {}));
  EXPECT_TRUE(co_await dying->Write(std::span(&part, 1), {}));
  const std::string puts = "/data/set/.forebay-tmp/puts";
  EXPECT_TRUE(co_await other->Sweep(h.env()));
  EXPECT_TRUE(co_await h.origin().Sweep(h.env()));
  EXPECT_EQ((co_await h.env().disk.List(puts))->size(), 2u);  // both live
  EXPECT_TRUE(co_await upload->Commit({}));
  EXPECT_EQ((co_await GetText(h, "mine")).value(), "bytes");
}

Task<void> SweepsTheDead(SimHarness& h) {
  const std::string puts = "/data/set/.forebay-tmp/puts";
  EXPECT_EQ((co_await h.env().disk.List(puts))->size(), 2u);
  EXPECT_TRUE(co_await h.origin().Sweep(h.env()));
  EXPECT_TRUE((co_await h.env().disk.List(puts))->empty());
  EXPECT_EQ(co_await ListText(h, {}), "mine");
}

TEST_F(FileOriginTest, SweepsTheDeadAndSparesTheLiving) {
  Run(SweepChecks);
  h_.node().Crash(sim::CrashKind::kProcess);
  h_.node().Restart();
  h_.Reopen();
  Run(SweepsTheDead);
}

Task<void> AgeChecks(SimHarness& h) {
  const std::string id = (co_await h.origin().CreateMultipart(h.env(), "k", {})).value();
  (void)co_await h.env().clock.Sleep(std::chrono::hours(24 * 6));
  EXPECT_TRUE(co_await h.origin().Sweep(h.env()));
  auto part = (co_await h.origin().PutPart(h.env(), "k", id, 1, {})).value();
  EXPECT_TRUE(co_await part->Commit({}));  // so it is young again
  (void)co_await h.env().clock.Sleep(std::chrono::hours(24 * 6));
  EXPECT_TRUE(co_await h.origin().Sweep(h.env()));
  EXPECT_EQ((co_await h.origin().ListParts(h.env(), "k", id, {}))->size(), 1u);
  (void)co_await h.env().clock.Sleep(std::chrono::hours(24 * 2));
  EXPECT_TRUE(co_await h.origin().Sweep(h.env()));
  EXPECT_EQ(CodeOf(co_await h.origin().ListParts(h.env(), "k", id, {})), Code::kNotFound);
  EXPECT_TRUE((co_await h.env().disk.List("/data/set/.forebay-tmp/uploads"))->empty());
}

TEST_F(FileOriginTest, UploadsInPartsAreSweptOnlyWhenTheyAreOld) {
  Run(AgeChecks);
}

Task<void> BeginUpload(SimHarness& h, std::string* id) {
  *id = (co_await h.origin().CreateMultipart(h.env(), "big", {})).value();
  auto upload = (co_await h.origin().PutPart(h.env(), "big", *id, 1, {})).value();
  const Bytes part = AsBytes("first half");
  EXPECT_TRUE(co_await upload->Write(std::span(&part, 1), {}));
  EXPECT_TRUE(co_await upload->Commit({}));
}

Task<void> EndUpload(SimHarness& h, std::string id) {
  const auto parts = (co_await h.origin().ListParts(h.env(), "big", id, {})).value();
  EXPECT_EQ(parts.size(), 1u);
  EXPECT_TRUE(co_await h.origin().CompleteMultipart(h.env(), "big", id, parts, {}, {}));
  EXPECT_EQ((co_await GetText(h, "big")).value(), "first half");
}

Task<void> CompleteBig(Env& env, Origin& origin, std::string id, std::vector<UploadedPart> parts,
                       std::vector<bool>* told) {
  const auto done = co_await origin.CompleteMultipart(env, "big", id, std::move(parts), {}, {});
  if (!done) {
    EXPECT_EQ(CodeOf(done), Code::kNotFound) << done.error().ToString();
  }
  told->push_back(done.has_value());
}

/// Two nodes over one file system, each with a driver of its own.
Task<void> OneOfTwoEnds(SimHarness& h) {
  const auto other = std::move(*FileOrigin::Create(kUrl));
  std::string id;
  co_await BeginUpload(h, &id);
  const auto parts = (co_await h.origin().ListParts(h.env(), "big", id, {})).value();
  std::vector<bool> told;
  TaskGroup group(h.env().executor);
  group.Spawn(CompleteBig(h.env(), h.origin(), id, parts, &told));
  group.Spawn(CompleteBig(h.env(), *other, id, parts, &told));
  co_await group.Join();
  EXPECT_EQ(std::ranges::count(told, true), 1);
  EXPECT_EQ((co_await GetText(h, "big")).value(), "first half");
}

TEST_F(FileOriginTest, OfTwoThatCompleteAnUploadOneDoesIt) {
  Run(OneOfTwoEnds);
}

TEST_F(FileOriginTest, UploadsInPartsOutlastAPowerCut) {
  EXPECT_TRUE(h_.world().Run(h_.env().disk.SyncDirectory("/")));
  EXPECT_TRUE(h_.world().Run(h_.env().disk.SyncDirectory("/data")));
  std::string id;
  h_.Run(BeginUpload(h_, &id));
  h_.node().Crash();
  h_.node().Restart();
  h_.Reopen();
  EXPECT_TRUE(h_.world().Run(h_.origin().Sweep(h_.env())));
  h_.Run(EndUpload(h_, id));
}

Task<void> BigDirectory(SimHarness& h) {
  // More names than a slice of a directory holds.
  constexpr int kNames = 40'000;
  for (int i = 0; i < kNames; ++i) {
    auto file = co_await h.env().disk.Open("/data/set/" + std::to_string(i),
                                           {.write = true, .create = true});
    EXPECT_TRUE(file.has_value());
  }
  ListOptions options{.limit = 10'000};
  std::string last;
  int seen = 0;
  for (;;) {
    const auto page = (co_await h.origin().List(h.env(), options, {})).value();
    for (const ListEntry& entry : page.entries) {
      EXPECT_LT(last, entry.key);
      last = entry.key;
      ++seen;
    }
    if (!page.more) break;
    options.after = last;
  }
  EXPECT_EQ(seen, kNames);
}

Task<void> ChangingDirectory(SimHarness& h) {
  for (int i = 0; i < 2000; ++i) {
    auto file = co_await h.env().disk.Open("/data/set/" + std::to_string(1000 + i),
                                           {.write = true, .create = true});
    EXPECT_TRUE(file.has_value());
  }
  (void)co_await h.env().clock.Sleep(std::chrono::seconds(1));
  const Instant begun = h.env().clock.Now();
  const auto page = (co_await h.origin().List(h.env(), {.limit = 2}, {})).value();
  const Duration first = h.env().clock.Now() - begun;
  EXPECT_EQ(page.entries.back().key, "1001");
  const Instant again = h.env().clock.Now();
  EXPECT_EQ((co_await h.origin().List(h.env(), {.after = "1500", .limit = 1}, {}))->entries[0].key,
            "1501");
  EXPECT_LT(h.env().clock.Now() - again, first);  // without reading the directory again
  // What comes and goes shows in the next page.
  EXPECT_TRUE(co_await PutText(h, "15005", "x"));
  EXPECT_TRUE(co_await h.origin().Delete(h.env(), "1501", {}, {}));
  EXPECT_EQ((co_await h.origin().List(h.env(), {.after = "1500", .limit = 1}, {}))->entries[0].key,
            "15005");
  EXPECT_TRUE(co_await h.origin().Delete(h.env(), "15005", {}, {}));
  EXPECT_EQ((co_await h.origin().List(h.env(), {.after = "1500", .limit = 1}, {}))->entries[0].key,
            "1502");
}

TEST_F(FileOriginTest, WhatIsKeptOfADirectoryIsNeverOld) {
  Run(ChangingDirectory);
}

TEST_F(FileOriginTest, ListsDirectoriesThatAreLargerThanWhatIsKept) {
  Run(BigDirectory);
}

Task<void> NamesThatAreNoText(SimHarness& h) {
  for (const char* key : {"bad\xff", "good", "other\xfe/in", "some/bad\xff", "some/good"}) {
    EXPECT_TRUE(co_await PutText(h, key, "x")) << key;
  }
  EXPECT_EQ(co_await origin_contract::ListText(h, {}), "good some/good");
  EXPECT_EQ(co_await origin_contract::ListText(h, {.delimiter = "/"}), "good some/");
}

TEST_F(FileOriginTest, WhatNobodyCanNameIsNotListed) {
  Run(NamesThatAreNoText);
}

Task<void> FullDiskChecks(SimHarness& h) {
  const auto put = co_await PutText(h, "k", origin_contract::Text(1, 100'000));
  EXPECT_EQ(CodeOf(put), Code::kNoSpace);
  EXPECT_EQ(CodeOf(co_await GetText(h, "k")), Code::kNotFound);
  EXPECT_TRUE(co_await PutText(h, "small", "x"));  // what failed has given its space back
}

TEST_F(FileOriginTest, AFullDiskLeavesNothingBehind) {
  h_.node().disk().SetCapacity(uint64_t{64} * 1024);
  Run(FullDiskChecks);
}

}  // namespace
}  // namespace forebay
