#include "src/origin/azure/azure_origin.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "sim/world.h"
#include "src/origin/folder_mark.h"
#include "src/origin/testing/blob_double.h"
#include "src/origin/testing/origin_contract.h"

namespace forebay {
namespace {

using origin_contract::CodeOf;
using origin_contract::GetText;
using origin_contract::ListText;
using origin_contract::PutText;
using origin_contract::Text;

constexpr const char* kEndpoint = "https://account.blob.core.windows.net";
constexpr const char* kUrl = "azure://account/data/set";
// Small, so that tests have many.
constexpr azure::UploadOptions kSmallBlocks{.block_bytes = 64 << 10, .memory_bytes = 256 << 10};

class SimHarness : public OriginHarness {
 public:
  explicit SimHarness(bool hierarchical = false, uint32_t most_on_a_page = 5000)
      : store_({.now = [this] { return world_.env().clock.WallNanos(); },
                .hierarchical = hierarchical,
                .most_on_a_page = most_on_a_page,
                .damages = [this] { return Damages(); }}) {
    server_ = &world_.AddHttpServer(kEndpoint, store_.Handler());
    variables_["AZURE_STORAGE_KEY"] = "bm90IGEgc2VjcmV0";
    Open(kUrl);
  }
  Env& env() override { return node_.env(); }
  Origin& origin() override { return *origin_; }
  void Run(Task<void> main) override { world_.Run(std::move(main)); }

  void Open(std::string_view url) {
    http_origin::DriverParts parts;
    parts.surroundings.variables = variables_;
    auto origin = AzureOrigin::Create(OriginUrl::Parse(url).value(), parts, kSmallBlocks);
    ASSERT_TRUE(origin.has_value()) << origin.error().ToString();
    origin_ = std::move(*origin);
  }
  sim::World& world() { return world_; }
  sim::HttpServer& server() { return *server_; }
  BlobDouble& store() { return store_; }
  /// Of the next so many answers with a checksum, a byte changes on its way.
  int& damages() { return damages_; }
  bool Damages() {
    if (damages_ == 0) return false;
    --damages_;
    return true;
  }
  AzureOrigin& azure() { return *origin_; }
  std::map<std::string, std::string, std::less<>>& variables() { return variables_; }

 private:
  sim::World world_{1};
  sim::Node& node_ = world_.AddNode("n");
  int damages_ = 0;
  BlobDouble store_;
  sim::HttpServer* server_ = nullptr;
  std::map<std::string, std::string, std::less<>> variables_;
  std::unique_ptr<AzureOrigin> origin_;
};

INSTANTIATE_TEST_SUITE_P(Azure, OriginContract,
                         testing::Values([]() -> std::unique_ptr<OriginHarness> {
                           return std::make_unique<SimHarness>();
                         }));
INSTANTIATE_TEST_SUITE_P(AzureShortPages, OriginContract,
                         testing::Values([]() -> std::unique_ptr<OriginHarness> {
                           return std::make_unique<SimHarness>(false, 7);
                         }));

INSTANTIATE_TEST_SUITE_P(AzureHierarchical, OriginContract,
                         testing::Values([]() -> std::unique_ptr<OriginHarness> {
                           return std::make_unique<SimHarness>(true);
                         }));
INSTANTIATE_TEST_SUITE_P(AzureHierarchicalShortPages, OriginContract,
                         testing::Values([]() -> std::unique_ptr<OriginHarness> {
                           return std::make_unique<SimHarness>(true, 3);
                         }));

class AzureOriginTest : public testing::Test {
 protected:
  void Run(Task<void> (*test)(SimHarness&)) { h_.Run(test(h_)); }
  SimHarness h_;
};

Task<void> DirectoryChecks(SimHarness& h) {
  BlobDouble& store = h.store();
  store.MakeDirectory("set/a");
  store.Put("set/a/b", "1");
  for (const char* odd : {"set/", "set/x//y", "set/x/", "set/./y", "set/a/../b"}) {
    store.Put(odd, "odd");
  }
  store.Put("set/empty", "");
  EXPECT_EQ(co_await ListText(h, {}), "a/b empty " + WithFolderMark("x/"));
  EXPECT_EQ(co_await ListText(h, {.delimiter = "/", .limit = 1}), "a/ empty x/");
  EXPECT_EQ(CodeOf(co_await h.origin().Head(h.env(), "a", {})), Code::kNotFound);
  EXPECT_EQ(CodeOf(co_await GetText(h, "a")), Code::kNotFound);
  EXPECT_EQ(CodeOf(co_await h.origin().Delete(h.env(), "a", {}, {})), Code::kNotFound);
  EXPECT_EQ((co_await GetText(h, "empty")).value_or("none"), "");
}

TEST_F(AzureOriginTest, DirectoriesAreNoObjects) {
  Run(DirectoryChecks);
}

Task<void> ChecksumChecks(SimHarness& h) {
  const std::string text = Text(1, 100'000);
  h.store().Put("set/a", text);
  // The service tells it of ranges of up to 4 MiB, and refuses to be asked for that of longer ones.
  for (const auto& [size, judged] :
       {std::pair{uint64_t{4} << 20, true}, std::pair{(uint64_t{4} << 20) + 1, false},
        std::pair{uint64_t{UINT64_MAX}, false}}) {
    const auto body = co_await h.origin().Get(h.env(), "a", {.size = size, .judged = true}, {});
    EXPECT_EQ(body.value()->judged_at_end(), judged) << size;
  }
  const GetOptions part{.offset = 5000, .size = 50'000, .judged = true};
  const std::string right = text.substr(5000, 50'000);
  EXPECT_EQ(co_await GetText(h, "a", part, 7000), right);
  EXPECT_EQ(co_await GetText(h, "a", {.offset = 99'000, .size = 50'000, .judged = true}),
            text.substr(99'000));
  EXPECT_EQ(co_await GetText(h, "a", {.offset = 100'000, .size = 10, .judged = true}), "");
  // Where the connection breaks it goes on being that of the whole.
  h.server().FailNext(sim::HttpFault::kResetInBody);
  EXPECT_EQ(co_await GetText(h, "a", part, 7000), right);
  h.server().FailNext(sim::HttpFault::kResetInBody);
  h.damages() = 1;
  EXPECT_EQ(CodeOf(co_await GetText(h, "a", part, 7000)), Code::kCorrupt);
  h.damages() = 1;
  const auto damaged = co_await GetText(h, "a", part, 7000);
  EXPECT_EQ(CodeOf(damaged), Code::kCorrupt);
  EXPECT_NE(damaged.error().message().find("set: a: "), std::string::npos)
      << damaged.error().ToString();
  EXPECT_EQ(co_await GetText(h, "a", part, 7000), right);
  // Who has told some may lack one.
  h.store().AnswerNext(BlobError(501, "FeatureNotSupported"));
  EXPECT_EQ(co_await GetText(h, "a", part, 7000), right);
  EXPECT_TRUE((co_await h.origin().Get(h.env(), "a", part, {})).value()->judged_at_end());
}

Task<void> NoChecksumChecks(SimHarness& h) {
  h.store().Put("set/a", "abc");
  const GetOptions judged{.size = 3, .judged = true};
  h.store().AnswerNext(BlobError(501, "FeatureNotSupported"));
  EXPECT_EQ(co_await GetText(h, "a", judged), "abc");
  EXPECT_EQ(h.server().handled(), 2u);
  EXPECT_FALSE((co_await h.origin().Get(h.env(), "a", judged, {})).value()->judged_at_end());
  EXPECT_EQ(h.server().handled(), 3u);
}

TEST_F(AzureOriginTest, JudgesWhatCameByItsChecksum) {
  Run(ChecksumChecks);
}

TEST_F(AzureOriginTest, AsksForNoChecksumsWhereThereAreNone) {
  Run(NoChecksumChecks);
}

Task<void> ManyDirectoriesChecks(SimHarness& h) {
  std::string all;
  const auto put = [&](const std::string& key) {
    h.store().Put("set/" + key, "x");
    all += (all.empty() ? "" : " ") + key;
  };
  for (int i = 0; i < 300; ++i) {
    h.store().MakeDirectory(fmt::format("set/{:03}", i));
    // Some have others in them; one is large.
    if (i % 50 == 0) {
      h.store().MakeDirectory(fmt::format("set/{:03}/in", i));
      for (int n = 0; n < 3; ++n) put(fmt::format("{:03}/in/{}", i, n));
    }
    const int names = i == 100 ? 400 : 2;
    for (int n = 0; n < names; ++n) put(fmt::format("{:03}/k{:03}", i, n));
  }
  EXPECT_TRUE(co_await ListText(h, {.limit = 100}) == all);
  const uint64_t asked = h.store().Asked("list");
  const Instant began = h.env().clock.Now();
  EXPECT_TRUE(co_await ListText(h, {.limit = 5000}) == all);
  const Duration took = h.env().clock.Now() - began;
  // One after the other they would take more than 300 times what a request takes.
  EXPECT_LT(took / std::chrono::milliseconds(15), 300 / 4);
  EXPECT_LE(h.store().Asked("list") - asked, 315u);
}

TEST(AzureHierarchicalTest, AsksForDirectoriesAhead) {
  SimHarness h(true);
  h.Run(ManyDirectoriesChecks(h));
}

TEST(AzureHierarchicalTest, AsksForDirectoriesAheadByShortPages) {
  SimHarness h(true, 7);
  h.Run([](SimHarness& h) -> Task<void> {
    for (int i = 0; i < 40; ++i) {
      for (int n = 0; n < 10; ++n) h.store().Put(fmt::format("set/{:02}/{}", i, n), "x");
    }
    const std::string all = co_await ListText(h, {.limit = 1000});
    EXPECT_EQ(std::ranges::count(all, ' '), 399);
    EXPECT_TRUE(co_await ListText(h, {.limit = 9}) == all);
  }(h));
}

/// Whoever gives up is not waited for by what was asked for ahead.
TEST(AzureHierarchicalTest, AWalkEndsWithItsCall) {
  SimHarness h(true);
  for (int i = 0; i < 300; ++i) h.store().Put(fmt::format("set/{:03}/k", i), "x");
  h.Run([](SimHarness& h) -> Task<void> {
    const Instant began = h.env().clock.Now();
    for (const int late : {40, 100, 333}) {
      const Call call{.deadline = h.env().clock.Now() + std::chrono::milliseconds(late)};
      EXPECT_EQ(CodeOf(co_await h.origin().List(h.env(), {.limit = 5000}, call)),
                Code::kDeadlineExceeded);
    }
    EXPECT_EQ(h.env().clock.Now() - began, std::chrono::milliseconds(473));
  }(h));
}

Task<void> PageChecks(SimHarness& h) {
  for (int i = 0; i < 3000; ++i) h.store().Put("set/k" + std::to_string(10'000 + i), "x");
  ListOptions options{.limit = 100};
  for (int pages = 1;; ++pages) {
    const auto page = (co_await h.origin().List(h.env(), options, {})).value();
    if (!page.more) {
      EXPECT_EQ(pages, 30);
      break;
    }
    options.after = page.entries.back().key;
  }
  EXPECT_EQ(h.store().Asked("list"), 30u);
  // Begun in the middle: from the beginning, but in long pages.
  const auto middle = co_await h.origin().List(h.env(), {.after = "k12000x", .limit = 10}, {});
  EXPECT_EQ(middle.value().entries.at(0).key, "k12001");
  EXPECT_EQ(h.store().Asked("list"), 31u);
  EXPECT_EQ((co_await h.origin().List(h.env(), {.after = "k12010", .limit = 10}, {}))
                .value()
                .entries.at(0)
                .key,
            "k12011");
}

TEST_F(AzureOriginTest, APageIsOneRequest) {
  Run(PageChecks);
}

TEST_F(AzureOriginTest, AnObjectOfFiveTebibytesIsRead) {
  h_.store().PutTagged("set/huge", 7, 5 * kTiB);
  h_.Run(origin_contract::HugeObjectIsRead(
      h_, "huge", 5 * kTiB,
      [](uint64_t offset, MutableBytes into) { sim::TagBytes(7, offset, into); }));
}

Task<void> BlockChecks(SimHarness& h) {
  const std::string text = Text(1, 1'000'000);
  const auto put = co_await PutText(h, "long", text, {.if_absent = true});
  EXPECT_TRUE(put && put->size == text.size());
  EXPECT_TRUE((co_await GetText(h, "long", {}, 100'000)).value() == text);
  EXPECT_EQ(h.store().Asked("PUT block"), 16u);
  EXPECT_EQ(h.store().Asked("PUT"), 0u);
  // Exactly a block is a single request.
  EXPECT_TRUE(co_await PutText(h, "exact", text.substr(0, 64 << 10)));
  EXPECT_EQ(h.store().Asked("PUT block"), 16u);
  EXPECT_EQ(h.store().Asked("HEAD"), 0u);
  // Somebody else writes meanwhile, and the service drops our blocks.
  auto upload = (co_await h.origin().Put(h.env(), "long", {}, {})).value();
  const Bytes all = AsBytes(text);
  EXPECT_TRUE(co_await upload->Write(std::span(&all, 1), {}));
  (void)co_await h.env().clock.Sleep(std::chrono::seconds(1));
  h.store().Put("set/long", "other");
  const auto dropped = co_await upload->Commit({});
  EXPECT_EQ(CodeOf(dropped), Code::kUnavailable);
  EXPECT_NE(dropped.error().message().find("write it again"), std::string::npos);
  EXPECT_EQ(h.store().ContentsOf("set/long"), "other");
  // Another tool is at it.
  h.store().PutBlock("set/foreign", "QUFB", "x");
  const auto foreign = co_await PutText(h, "foreign", text);
  EXPECT_EQ(CodeOf(foreign), Code::kInvalidArgument);
  EXPECT_NE(foreign.error().message().find("another tool"), std::string::npos);
}

TEST_F(AzureOriginTest, LongObjectsGoInBlocks) {
  Run(BlockChecks);
}

Task<void> PartChecks(SimHarness& h) {
  Origin& origin = h.origin();
  const std::string id = (co_await origin.CreateMultipart(h.env(), "k", {})).value();
  const std::string text = Text(2, 700'000);
  std::vector<UploadedPart> parts;
  for (const std::string& one : {text, std::string(), std::string("end")}) {
    const auto number = static_cast<uint32_t>(parts.size() + 1);
    auto upload = (co_await origin.PutPart(h.env(), "k", id, number, {})).value();
    const Bytes bytes = AsBytes(one);
    EXPECT_TRUE(co_await upload->Write(std::span(&bytes, 1), {}));
    const auto info = (co_await upload->Commit({})).value();
    parts.push_back({.number = number, .etag = info.etag, .size = info.size});
  }
  EXPECT_EQ(parts[1].size, 0u);
  // The beginning; of 64, 192 and the rest of 700 KB; one that stands for nothing; one.
  EXPECT_EQ(h.store().UncommittedBlocks("set/k"), 6u);
  // A part that was broken off does not replace what is there.
  auto broken = (co_await origin.PutPart(h.env(), "k", id, 3, {})).value();
  const Bytes bytes = AsBytes(text);
  EXPECT_TRUE(co_await broken->Write(std::span(&bytes, 1), {}));
  co_await broken->Abort();
  EXPECT_TRUE(co_await origin.CompleteMultipart(h.env(), "k", id, parts, {}, {}));
  EXPECT_TRUE((co_await GetText(h, "k")).value() == text + "end");
}

TEST_F(AzureOriginTest, PartsMayBeLongOrEmpty) {
  Run(PartChecks);
}

Task<void> Md5Checks(SimHarness& h) {
  constexpr const char* kMd5 = "1cb251ec0d568de6a929b520c4aed8d1";  // of "text"
  Origin& origin = h.origin();
  for (const size_t copies : {1, 200'000}) {  // in one request, and in blocks
    std::string text;
    for (size_t i = 0; i < copies; ++i) text += "text";
    auto upload = (co_await origin.Put(h.env(), "k", {}, {})).value();
    const Bytes bytes = AsBytes(text);
    EXPECT_TRUE(co_await upload->Describe({{"x-amz-meta-a", "b"}}, {}));
    EXPECT_TRUE(co_await upload->Write(std::span(&bytes, 1), {}));
    EXPECT_TRUE(
        co_await upload->Describe({{"x-amz-meta-a", "b"}, {std::string(kMd5Attribute), kMd5}}, {}));
    const std::string etag = (co_await upload->Commit({}))->etag;
    EXPECT_TRUE(etag.ends_with(std::string("/") + kMd5)) << etag;
    // Everything that tells the etag tells this one, and takes it.
    EXPECT_EQ((co_await origin.Head(h.env(), "k", {}))->etag, etag);
    EXPECT_EQ((co_await origin.List(h.env(), {}, {}))->entries[0].info.etag, etag);
    EXPECT_EQ((co_await GetText(h, "k", {.offset = 1, .size = 2, .if_match = etag})).value(), "ex");
    EXPECT_TRUE((co_await GetText(h, "k", {.if_match = etag})).value() == text);
    const auto told = (co_await origin.Attributes(h.env(), "k", etag, {})).value();
    const ObjectAttributes both = {{"content-type", "binary/octet-stream"}, {"x-amz-meta-a", "b"}};
    EXPECT_EQ(told, both);
    EXPECT_TRUE(co_await PutText(h, "k", "other", {.if_match = etag}));
    EXPECT_EQ(CodeOf(co_await origin.Delete(h.env(), "k", {.if_match = etag}, {})),
              Code::kVersionChanged);
  }
  // Who writes it anew takes our metadata along, but not the service's own sum.
  const std::string plain = (co_await origin.Head(h.env(), "k", {}))->etag;
  EXPECT_EQ(plain.find('/'), std::string::npos);
  h.store().Say("set/k", "x-ms-meta-forebaymd5", kMd5);
  EXPECT_EQ((co_await origin.Head(h.env(), "k", {}))->etag.find('/'), std::string::npos);
  h.store().Say("set/k", "content-md5", "HLJR7A1WjeapKbUgxK7Y0Q==");
  EXPECT_NE((co_await origin.Head(h.env(), "k", {}))->etag.find('/'), std::string::npos);
  h.store().Say("set/k", "content-md5", "HLJR7A1WjeapKbUgxK7Y0g==");
  EXPECT_EQ((co_await origin.Head(h.env(), "k", {}))->etag.find('/'), std::string::npos);
}

TEST_F(AzureOriginTest, AnMd5IsPartOfTheEtagWhileTheServiceAgrees) {
  Run(Md5Checks);
}

Task<void> PendingChecks(SimHarness& h) {
  Origin& origin = h.origin();
  std::vector<std::pair<std::string, std::string>> begun, told;
  for (const std::string& key : {std::string("b"), std::string("a b/%"), std::string("a b/%"),
                                 WithFolderMark("a b/"), std::string("c")}) {
    begun.emplace_back(key, (co_await origin.CreateMultipart(h.env(), key, {})).value());
  }
  EXPECT_TRUE(co_await PutText(h, "there", "x"));
  EXPECT_TRUE(co_await PutText(h, "empty", ""));
  h.store().PutBlock("set/foreign", "QUFB", "x");
  EXPECT_TRUE(co_await origin.CreateMultipart(h.env(), "there", {}));  // which nobody tells
  begun.emplace_back("empty", (co_await origin.CreateMultipart(h.env(), "empty", {})).value());
  const int64_t now_ns = h.env().clock.WallNanos();
  for (const PendingUpload& one : (co_await origin.ListUploads(h.env(), "", {})).value()) {
    told.emplace_back(one.key, one.id);
    EXPECT_LE(one.begun_ns, now_ns);
    EXPECT_GT(one.begun_ns, now_ns - 60'000'000'000);
  }
  std::ranges::sort(begun);
  std::ranges::sort(told);
  EXPECT_EQ(told, begun);
  EXPECT_EQ((co_await origin.ListUploads(h.env(), "a b/", {}))->size(), 3u);
  for (const auto& [key, id] : told) {
    EXPECT_TRUE(co_await origin.AbortMultipart(h.env(), key, id, {}));
  }
  EXPECT_TRUE((co_await origin.ListUploads(h.env(), "", {}))->empty());
  EXPECT_EQ(co_await ListText(h, {}), "empty there");
}

TEST_F(AzureOriginTest, UploadsThatArePendingAreListed) {
  Run(PendingChecks);
}

Task<void> LostReplyChecks(SimHarness& h) {
  h.server().FailNext(sim::HttpFault::kLostReply);
  EXPECT_TRUE(co_await PutText(h, "k", "1", {.if_absent = true}));
  const auto head = (co_await h.origin().Head(h.env(), "k", {})).value();
  h.server().FailNext(sim::HttpFault::kLostReply);
  EXPECT_TRUE(co_await PutText(h, "k", "2", {.if_match = head.etag}));
  EXPECT_EQ(h.store().ContentsOf("set/k"), "2");
  EXPECT_EQ(CodeOf(co_await PutText(h, "k", "3", {.if_absent = true})), Code::kAlreadyExists);
}

TEST_F(AzureOriginTest, AWriteKnowsItsOwn) {
  Run(LostReplyChecks);
}

}  // namespace
}  // namespace forebay
