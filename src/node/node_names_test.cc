// What names mean: freshness, negatives, writes, listings, attachments.
#include "src/node/listings.h"
#include "src/node/node.h"
#include "src/node/testing/node_fixture.h"

namespace forebay::node_testing {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class NodeNames : public NodeTest {
 protected:
  void SetUp() override { Open(); }
  uint64_t Asked() const { return origin_.gets.size() + static_cast<uint64_t>(origin_.heads); }
  /// An object that the content made from `seed` becomes.
  Result<ObjectInfo> Write(std::string path, uint64_t seed, size_t size, Condition condition = {}) {
    return world_.Run(
        WriteTask(node_.get(), self(), std::move(path), seed, size, std::move(condition)));
  }
  static Task<Result<ObjectInfo>> WriteTask(Node* node, Authenticated who, std::string path,
                                            uint64_t seed, size_t size, Condition condition) {
    FB_CO_ASSIGN(auto upload, co_await node->Put(who, std::move(path), std::move(condition), {}));
    std::vector<std::byte> bytes(size);
    StoreTo(bytes.data(), seed);
    const Bytes part(bytes);
    FB_CO_TRY(co_await upload->Write({&part, 1}, {}));
    co_return co_await upload->Commit({});
  }
  Result<void> Remove(std::string path) {
    return world_.Run(node_->Delete(self(), std::move(path), {}, {}));
  }
  Code CodeOf(std::string path) {
    const auto opened = OpenObject(std::move(path));
    return opened ? Code::kInternal : opened.error().code();
  }
};

TEST_F(NodeNames, AreAskedForAgainAfterTheirTime) {
  Attach({Freshness::Mode::kTtl, seconds(10)});
  origin_.Set("a", 1, 100'000);
  const auto before = MustOpen("/data/a");
  ExpectReads(before, 1, 0, 100'000);
  const uint64_t asked = Asked();
  world_.RunFor(seconds(9));
  MustOpen("/data/a");
  EXPECT_EQ(Asked(), asked);
  world_.RunFor(seconds(2));
  // The same etag: one question, and the same blocks serve.
  ExpectReads(MustOpen("/data/a"), 1, 0, 100'000);
  EXPECT_EQ(Asked(), asked + 1);
  EXPECT_EQ(node_->counters().metadata.revalidations.value(), 1u);
  origin_.Set("a", 2, 100'000);
  world_.RunFor(seconds(11));
  ExpectReads(MustOpen("/data/a"), 2, 0, 100'000);
  ExpectReads(before, 1, 0, 100'000);  // what is cached of the old version stays good
}

TEST_F(NodeNames, ImmutableOnesAreAskedForOnce) {
  Attach({Freshness::Mode::kImmutable, {}});
  origin_.Set("a", 1, 1000);
  MustOpen("/data/a");
  world_.RunFor(std::chrono::hours(10));
  MustOpen("/data/a");
  EXPECT_EQ(Asked(), 1u);
}

TEST_F(NodeNames, AreAskedForAtEveryOpenWhereThePolicySaysSo) {
  Attach({Freshness::Mode::kAlways, {}});
  for (uint64_t i = 1; i <= 5; ++i) {
    origin_.Set("a", i, 1000);
    EXPECT_FALSE(node_->TryOpen(self(), "/data/a"));
    ExpectReads(MustOpen("/data/a"), i, 0, 1000);
  }
}

TEST_F(NodeNames, ThatMeanNothingAreRememberedForAWhile) {
  Attach();
  EXPECT_EQ(CodeOf("/data/a"), Code::kNotFound);
  EXPECT_EQ(CodeOf("/data/a"), Code::kNotFound);
  EXPECT_EQ(Asked(), 1u);
  const auto tried = node_->TryOpen(self(), "/data/a");
  ASSERT_TRUE(tried);
  EXPECT_EQ(tried->error().code(), Code::kNotFound);
  origin_.Set("a", 1, 10);
  world_.RunFor(seconds(6));
  MustOpen("/data/a");
}

TEST_F(NodeNames, AWriteIsSeenAtOnce) {
  Attach({Freshness::Mode::kImmutable, {}});
  EXPECT_EQ(CodeOf("/data/a"), Code::kNotFound);
  for (uint64_t seed = 5; seed < 8; ++seed) {
    const auto info = Write("/data/a", seed, 5000);
    ASSERT_TRUE(info) << info.error().ToString();
    const auto handle = MustOpen("/data/a");
    EXPECT_EQ(ObjectOf(*handle).info.etag, info->etag);
    ExpectReads(handle, seed, 0, 5000);
  }
  ASSERT_TRUE(Remove("/data/a"));
  EXPECT_EQ(CodeOf("/data/a"), Code::kNotFound);
}

Task<void> OpenInto(Node* node, Authenticated who, Result<std::shared_ptr<Handle>>* into) {
  *into = co_await node->Open(who, "/data/a", {}, {}, nullptr);
}

TEST_F(NodeNames, AQuestionThatBeganBeforeAWriteDoesNotHideIt) {
  Attach();
  origin_.Set("a", 1, 5000);
  MemoryOrigin& origin = origin_;
  origin.behaviour.capabilities.cheap_head = true;
  Result<std::shared_ptr<Handle>> early = Fail(Code::kInternal, "");
  TaskGroup group(env().executor);
  // The answer to this one is on its way when the write begins, and comes after it has ended.
  origin.answer_late = milliseconds(500);
  group.Spawn(OpenInto(node_.get(), self(), &early));
  world_.RunFor(milliseconds(20));
  origin.answer_late = {};
  ASSERT_TRUE(Write("/data/a", 2, 6000));
  ExpectReads(MustOpen("/data/a"), 2, 0, 6000);
  world_.RunFor(seconds(1));
  ASSERT_TRUE(early) << early.error().ToString();
  ExpectReads(MustOpen("/data/a"), 2, 0, 6000);
}

TEST_F(NodeNames, WritesObeyTheirConditions) {
  Attach();
  ASSERT_TRUE(Write("/data/a", 1, 5000, {.if_absent = true}));
  EXPECT_EQ(Write("/data/a", 2, 5000, {.if_absent = true}).error().code(), Code::kAlreadyExists);
  EXPECT_EQ(Write("/data/a", 2, 5000, {.if_match = "else"}).error().code(), Code::kVersionChanged);
  ExpectReads(MustOpen("/data/a"), 1, 0, 5000);
  EXPECT_EQ(Remove("/data/b").error().code(), Code::kNotFound);
}

TEST_F(NodeNames, AreLearntFromListings) {
  Attach();
  for (int i = 0; i < 25; ++i) origin_.Set("dir/" + std::to_string(i), 1, 1000);
  origin_.Set("else", 1, 1000);
  size_t seen = 0;
  ListOptions options{.limit = 10};
  for (bool more = true; more;) {
    const auto page = world_.Run(node_->List(self(), "/data/dir/", options, {}, nullptr));
    ASSERT_TRUE(page) << page.error().ToString();
    seen += page->entries.size();
    options.after = page->entries.back().key;
    more = page->more;
  }
  EXPECT_EQ(seen, 25u);
  const auto opened = node_->TryOpen(self(), "/data/dir/7");
  ASSERT_TRUE(opened && *opened);
  EXPECT_EQ(ObjectOf(***opened).info.size, 1000u);
  EXPECT_EQ(Asked(), 0u);
}

class NodeListings : public NodeNames {
 protected:
  void Fill(int count) {
    for (int i = 0; i < count; ++i) origin_.Set(fmt::format("dir/{:03}", i), 1, 1000);
  }
  /// All names, by pages of ten.
  std::vector<std::string> Names(const std::string& path = "/data/dir/") {
    std::vector<std::string> names;
    ListOptions options{.prefix = {}, .delimiter = {}, .after = {}, .limit = 10};
    for (;;) {
      const auto page = world_.Run(node_->List(self(), path, options, {}, nullptr));
      EXPECT_TRUE(page) << page.error().ToString();
      if (!page) return names;
      for (const ListEntry& entry : page->entries) names.push_back(entry.key);
      if (!page->more) return names;
      options.after = names.back();
    }
  }
};

Task<void> ListInto(Node* node, Authenticated who, Result<ListPage>* into) {
  *into = co_await node->List(who, "/data/dir/", {}, {}, nullptr);
}

TEST_F(NodeListings, AreAskedForOnceWhileTheyAreFresh) {
  Attach();
  Fill(25);
  const auto first = Names();
  EXPECT_EQ(first.size(), 25u);
  EXPECT_EQ(origin_.lists, 3);
  EXPECT_EQ(Names(), first);
  EXPECT_EQ(origin_.lists, 3);
  world_.RunFor(seconds(61));
  EXPECT_EQ(Names(), first);
  EXPECT_EQ(origin_.lists, 6);
}

TEST_F(NodeListings, OfWhatNeverChangesAreKeptForEver) {
  Attach({Freshness::Mode::kImmutable, {}});
  Fill(25);
  const auto first = Names();
  world_.RunFor(std::chrono::hours(1000));
  EXPECT_EQ(Names(), first);
  EXPECT_EQ(origin_.lists, 3);
}

TEST_F(NodeListings, OfWhatIsAlwaysAskedForAreNot) {
  Attach({Freshness::Mode::kAlways, {}});
  Fill(5);
  EXPECT_EQ(Names().size(), 5u);
  Fill(6);
  EXPECT_EQ(Names().size(), 6u);
}

TEST_F(NodeListings, TellOfAWriteAtOnce) {
  Attach({Freshness::Mode::kImmutable, {}});
  Fill(25);
  const auto before = Names();
  ASSERT_TRUE(Write("/data/dir/0125", 5, 100));
  auto after = Names();
  EXPECT_EQ(after.size(), 26u);
  EXPECT_EQ(std::ranges::count(after, "dir/0125"), 1);
  // The page before the new name is what it was.
  EXPECT_LE(origin_.lists, 3 + 2);
  ASSERT_TRUE(Remove("/data/dir/0125"));
  EXPECT_EQ(Names(), before);
}

TEST_F(NodeListings, OfASmallPageOfEverythingTellOfAWriteAtOnce) {
  Attach({Freshness::Mode::kImmutable, {}});
  Fill(3);
  const auto first = [&] {
    const auto page = world_.Run(node_->List(self(), "/data", {.limit = 2}, {}, nullptr));
    return page && !page->entries.empty() ? page->entries.front().key : std::string();
  };
  EXPECT_EQ(first(), "dir/000");
  ASSERT_TRUE(Write("/data/a", 5, 100));
  EXPECT_EQ(first(), "a");
}

TEST_F(NodeListings, ThatAWriteOvertookAreNotKept) {
  Attach({Freshness::Mode::kImmutable, {}});
  Fill(5);
  origin_.answer_late = milliseconds(500);
  TaskGroup group(env().executor);
  Result<ListPage> early;
  group.Spawn(ListInto(node_.get(), self(), &early));
  world_.RunFor(milliseconds(20));
  origin_.answer_late = {};
  ASSERT_TRUE(Write("/data/dir/new", 5, 100));
  EXPECT_EQ(Names().size(), 6u);
  world_.RunFor(seconds(1));
  ASSERT_TRUE(early);
  EXPECT_EQ(early->entries.size(), 5u);
  EXPECT_EQ(Names().size(), 6u);
}

/// A page of ten behind `after`, and how long it took.
struct TimedPage {
  std::vector<std::string> names;
  Duration took;
};

TEST_F(NodeListings, AreReadAheadOnceSomebodyGoesThroughThem) {
  Attach();
  Fill(45);
  origin_.behaviour.latency = milliseconds(500);
  const auto page = [&](const std::string& after) {
    const Instant began = env().clock.Now();
    const auto answer =
        world_.Run(node_->List(self(), "/data/dir/", {.after = after, .limit = 10}, {}, nullptr));
    EXPECT_TRUE(answer) << answer.error().ToString();
    TimedPage timed{.names = {}, .took = env().clock.Now() - began};
    for (const ListEntry& entry : answer->entries) timed.names.push_back(entry.key);
    world_.RunFor(seconds(1));  // looks at it
    return timed;
  };
  // Who wants the beginning only gets no more.
  EXPECT_GE(page("").took, milliseconds(500));
  EXPECT_EQ(origin_.lists, 1);
  EXPECT_GE(page("dir/009").took, milliseconds(500));
  EXPECT_EQ(origin_.lists, 3);
  const TimedPage third = page("dir/019");
  EXPECT_LT(third.took, milliseconds(100));
  EXPECT_EQ(third.names.front(), "dir/020");
  EXPECT_EQ(origin_.lists, 4);
  // What came ahead knows of writes as everything that is kept does.
  ASSERT_TRUE(Write("/data/dir/0305", 5, 100));
  const TimedPage fourth = page("dir/029");
  EXPECT_EQ(std::ranges::count(fourth.names, "dir/0305"), 1);
  EXPECT_EQ(page("dir/038").names.size(), 6u);
  EXPECT_EQ(origin_.lists, 6);
}

TEST_F(NodeListings, AreReadAheadOnlyWhereSomebodyGoesOnWhereAPageEnded) {
  Attach({Freshness::Mode::kImmutable, {}});
  Fill(45);
  for (const char* after : {"", "dir/008", "dir/017"}) {
    ASSERT_TRUE(
        world_.Run(node_->List(self(), "/data/dir/", {.after = after, .limit = 10}, {}, nullptr)));
    world_.RunFor(seconds(1));
  }
  EXPECT_EQ(origin_.lists, 3);
}

TEST_F(NodeListings, AreReadAheadAgainOnceTheyHaveAged) {
  Attach({Freshness::Mode::kTtl, seconds(20)});
  Fill(45);
  EXPECT_EQ(Names().size(), 45u);
  world_.RunFor(seconds(30));
  origin_.lists = 0;
  const auto page = [&](const std::string& after) {
    ASSERT_TRUE(
        world_.Run(node_->List(self(), "/data/dir/", {.after = after, .limit = 10}, {}, nullptr)));
    world_.RunFor(seconds(1));
  };
  page("");
  page("dir/009");
  EXPECT_EQ(origin_.lists, 3);
  page("dir/019");
  EXPECT_EQ(origin_.lists, 4);
}

TEST_F(NodeListings, OnTheirWayAreForgottenByEvict) {
  Attach({Freshness::Mode::kImmutable, {}});
  Fill(45);
  for (const char* after : {"", "dir/009"}) {
    origin_.answer_late = milliseconds(*after == '\0' ? 0 : 500);
    ASSERT_TRUE(
        world_.Run(node_->List(self(), "/data/dir/", {.after = after, .limit = 10}, {}, nullptr)));
  }
  world_.RunFor(milliseconds(20));  // the third page is on its way
  EXPECT_EQ(origin_.lists, 3);
  origin_.answer_late = {};
  origin_.Set("dir/0205", 1, 1000);
  ASSERT_TRUE(world_.Run(node_->Evict(self(), "/data", {})));
  world_.RunFor(seconds(1));
  EXPECT_EQ(Names().size(), 46u);
}

TEST_F(NodeListings, ThatAreNotFreshForLongAreNotReadAhead) {
  Attach({Freshness::Mode::kTtl, seconds(1)});
  Fill(45);
  EXPECT_EQ(Names().size(), 45u);
  EXPECT_EQ(origin_.lists, 5);
  origin_.lists = 0;
  ASSERT_TRUE(world_.Run(
      node_->List(self(), "/data/dir/", {.after = "dir/005", .limit = 10}, {}, nullptr)));
  world_.RunFor(seconds(1));
  EXPECT_EQ(origin_.lists, 1);
}

TEST_F(NodeListings, AreForgottenByEvict) {
  Attach({Freshness::Mode::kImmutable, {}});
  Fill(5);
  EXPECT_EQ(Names().size(), 5u);
  Fill(7);
  EXPECT_EQ(Names().size(), 5u);
  ASSERT_TRUE(world_.Run(node_->Evict(self(), "/data", {})));
  EXPECT_EQ(Names().size(), 7u);
}

TEST(PackedPageTest, ComesBackAsItWas) {
  ListPage page{.entries = {}, .more = true};
  for (int i = 0; i < 1000; ++i) {
    const bool prefix = i % 7 == 0;
    page.entries.push_back(
        {.key = fmt::format("train/n{:08}/{}", i / 10, std::string(i % 300, 'x')),
         .info = prefix ? ObjectInfo{}
                        : ObjectInfo{.etag = fmt::format("e{}", i * 77),
                                     .size = uint64_t{1} << (i % 64),
                                     .modified_ns = i % 3 - int64_t{1} * i * i},
         .is_prefix = prefix});
  }
  page.entries.push_back({.key = std::string("\xff\x80 odd", 6), .info = {}});
  const ListPage back = PackedPage::Of(page).Unpack();
  ASSERT_EQ(back.entries.size(), page.entries.size());
  EXPECT_TRUE(back.more);
  for (size_t i = 0; i < page.entries.size(); ++i) {
    EXPECT_EQ(back.entries[i].key, page.entries[i].key);
    EXPECT_EQ(back.entries[i].is_prefix, page.entries[i].is_prefix);
    EXPECT_EQ(back.entries[i].info.etag, page.entries[i].info.etag);
    EXPECT_EQ(back.entries[i].info.size, page.entries[i].info.size);
    EXPECT_EQ(back.entries[i].info.modified_ns, page.entries[i].info.modified_ns);
  }
}

TEST_F(NodeNames, ThatAreNoneAreRefused) {
  Attach();
  for (const std::string& bad :
       {std::string("data/a"), std::string("/data/../a"), std::string("/data/a\0b", 9),
        std::string("/data/"), "/data/" + std::string(5000, 'x'), std::string("/data/\xff")}) {
    EXPECT_EQ(CodeOf(bad), Code::kInvalidArgument) << bad;
  }
  EXPECT_EQ(CodeOf("/nothing/a"), Code::kNotFound);
  EXPECT_EQ(Asked(), 0u);
}

TEST_F(NodeNames, AnOpenMayAskForAVersion) {
  Attach({Freshness::Mode::kImmutable, {}});
  origin_.Set("a", 1, 1000);
  const std::string first = ObjectOf(*MustOpen("/data/a")).info.etag;
  EXPECT_TRUE(OpenObject("/data/a", {.if_match = first}));
  origin_.Set("a", 2, 1000);
  EXPECT_TRUE(OpenObject("/data/a", {.if_match = "v2"}));  // newer than what was known here
  EXPECT_EQ(OpenObject("/data/a", {.if_match = first}).error().code(), Code::kVersionChanged);
}

TEST_F(NodeNames, AttachingANameAgainNeverServesOldBytes) {
  Attach({Freshness::Mode::kImmutable, {}});
  origin_.Set("a", 1, 10'000);
  const auto old = MustOpen("/data/a");
  ExpectReads(old, 1, 0, 10'000);
  const AttachmentId first = ObjectOf(*old).attachment->config.id;
  AttachmentConfig again{.name = "data", .origin = "memory://test"};
  EXPECT_EQ(world_.Run(node_->Attach(self(), again, {})).error().code(), Code::kAlreadyExists);
  ASSERT_TRUE(world_.Run(node_->Detach(self(), "data", {})));
  EXPECT_EQ(CodeOf("/data/a"), Code::kNotFound);
  EXPECT_EQ(Read(old, 0, 100).error().code(), Code::kNotFound);
  world_.RunFor(seconds(1));
  EXPECT_EQ(node_->store().stats().blocks, 0u);
  Attach();
  const auto handle = MustOpen("/data/a");
  EXPECT_GT(ObjectOf(*handle).attachment->config.id, first);
  EXPECT_EQ(Read(old, 0, 100).error().code(), Code::kNotFound);
  ExpectReads(handle, 1, 0, 10'000);
}

TEST_F(NodeNames, AttachmentsMadeElsewhereAppear) {
  AttachmentConfig config{.id = 41, .name = "other", .origin = "memory://test"};
  MemoryRegistry elsewhere(world_.env(), registry_state_);
  ASSERT_TRUE(
      world_.Run(elsewhere.Put("attachments/other", config.Serialize(), Expect::Absent(), 0, {})));
  config.origin = "strange://x";
  config.name = "strange";
  ASSERT_TRUE(world_.Run(
      elsewhere.Put("attachments/strange", config.Serialize(), Expect::Absent(), 0, {})));
  world_.RunFor(seconds(1));
  origin_.Set("a", 1, 10);
  MustOpen("/other/a");
  EXPECT_EQ(node_->Attachments(self()).size(), 1u);  // the strange one is said and left out
  ASSERT_TRUE(world_.Run(elsewhere.Delete("attachments/other", {}, {})));
  world_.RunFor(seconds(1));
  EXPECT_EQ(CodeOf("/other/a"), Code::kNotFound);
}

TEST_F(NodeNames, ARegistryThatIsAwayStopsNoRead) {
  Attach();
  origin_.Set("a", 1, 10);
  registry_state_.away = true;
  world_.RunFor(std::chrono::minutes(10));
  MustOpen("/data/a");
  EXPECT_TRUE(node_->ready());
  registry_state_.away = false;
  world_.RunFor(std::chrono::minutes(1));
  Attach({}, "more");
  MustOpen("/more/a");
}

TEST_F(NodeNames, ANodeBeginsBeforeItsRegistry) {
  Attach();
  Close();
  registry_state_.away = true;
  Open();
  EXPECT_FALSE(node_->ready());
  registry_state_.away = false;
  world_.RunFor(std::chrono::minutes(1));
  EXPECT_TRUE(node_->ready());
  origin_.Set("a", 1, 10);
  MustOpen("/data/a");
}

TEST_F(NodeNames, OnlyWhoMayIsServed) {
  AttachmentConfig config{.name = "mine", .origin = "memory://test"};
  config.allow = *LocalAllow::Parse("uid:1000");
  ASSERT_TRUE(world_.Run(node_->Attach(self(), config, {})));
  origin_.Set("a", 1, 10);
  const auto owner = gate_->AdmitLocal({.uid = 1000, .gid = 1});
  const auto other = gate_->AdmitLocal({.uid = 1001, .gid = 1});
  auto handle = world_.Run(node_->Open(owner, "/mine/a", {}, {}, nullptr));
  ASSERT_TRUE(handle) << handle.error().ToString();
  EXPECT_EQ(world_.Run(node_->Open(other, "/mine/a", {}, {}, nullptr)).error().code(),
            Code::kPermissionDenied);
  EXPECT_EQ(node_->TryOpen(other, "/mine/a")->error().code(), Code::kPermissionDenied);
  EXPECT_EQ(world_.Run(node_->Read(other, *handle, 0, 10, {}, nullptr)).error().code(),
            Code::kPermissionDenied);
  EXPECT_EQ(world_.Run(node_->List(other, "/mine", {}, {}, nullptr)).error().code(),
            Code::kPermissionDenied);
  EXPECT_EQ(world_.Run(node_->Delete(other, "/mine/a", {}, {})).error().code(),
            Code::kPermissionDenied);
  EXPECT_TRUE(node_->Attachments(other).empty());
  EXPECT_EQ(world_.Run(node_->Attach(owner, config, {})).error().code(), Code::kPermissionDenied);
}

}  // namespace
}  // namespace forebay::node_testing
