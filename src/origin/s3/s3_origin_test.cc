// The driver in simulated worlds, against a store in memory that checks signatures.
#include "src/origin/s3/s3_origin.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <set>

#include "sim/seeds.h"
#include "sim/world.h"
#include "src/base/units.h"
#include "src/origin/folder_mark.h"
#include "src/origin/testing/origin_contract.h"
#include "src/origin/testing/s3_double.h"
#include "src/runtime/task_group.h"

namespace forebay {
namespace {

using origin_contract::CodeOf;
using origin_contract::GetText;
using origin_contract::ListText;
using origin_contract::PutText;
using origin_contract::Text;
using sim::HttpFault;

constexpr const char* kUrl = "s3://bucket/some/prefix?endpoint=https://s3.test";

http_origin::DriverParts PartsWithKeys() {
  http_origin::DriverParts parts;
  parts.surroundings.variables = {{"AWS_ACCESS_KEY_ID", "AKID"},
                                  {"AWS_SECRET_ACCESS_KEY", "hunter2"}};
  return parts;
}

/// A store, and an origin over it whose uploads go in parts early.
class S3Harness final : public OriginHarness {
 public:
  explicit S3Harness(const std::string& url = kUrl, S3DoubleOptions options = {},
                     const http_origin::DriverParts& parts = PartsWithKeys(),
                     sim::WorldOptions world = {})
      : world_(1, std::move(world)), store_(WithClock(std::move(options))) {
    store_.SetAccounts({{"AKID", {.secret = "hunter2", .token = ""}}});
    server_ = &world_.AddHttpServer("https://s3.test", store_.Handler());
    world_.AddHttpServer("https://bucket.s3.test", store_.Handler());
    origin_ = S3Origin::Create(OriginUrl::Parse(url).value(), parts,
                               {.part_bytes = 100'000, .memory_bytes = 300'000})
                  .value();
  }

  Env& env() override { return world_.env(); }
  S3Origin& origin() override { return *origin_; }
  void Run(Task<void> main) override { world_.Run(std::move(main)); }
  sim::World& world() { return world_; }
  S3Double& store() { return store_; }
  sim::HttpServer& server() { return *server_; }

 private:
  S3DoubleOptions WithClock(S3DoubleOptions options) {
    options.now = [this] { return world_.env().clock.WallNanos(); };
    return options;
  }

  sim::World world_;
  S3Double store_;
  sim::HttpServer* server_;
  std::unique_ptr<S3Origin> origin_;
};

INSTANTIATE_TEST_SUITE_P(S3, OriginContract,
                         testing::Values([]() -> std::unique_ptr<OriginHarness> {
                           return std::make_unique<S3Harness>();
                         }));
INSTANTIATE_TEST_SUITE_P(S3WholeBucket, OriginContract,
                         testing::Values([]() -> std::unique_ptr<OriginHarness> {
                           return std::make_unique<S3Harness>(
                               "s3://bucket?endpoint=https://s3.test&style=virtual",
                               S3DoubleOptions{.knows_conditional_delete = false});
                         }));

Task<Result<ObjectInfo>> PutInPieces(S3Harness& h, std::string key, std::string text, size_t piece,
                                     Condition condition = {}) {
  FB_CO_ASSIGN(auto upload, co_await h.origin().Put(h.env(), key, std::move(condition), {}));
  Result<void> written;
  for (size_t at = 0; at < text.size() && written; at += piece) {
    const Bytes bytes = AsBytes(std::string_view(text).substr(at, piece));
    written = co_await upload->Write(std::span(&bytes, 1), {});
  }
  Result<ObjectInfo> info = Fail(Code::kInternal, "");
  if (written) {
    info = co_await upload->Commit({});
  } else {
    info = Fail(written.error());
  }
  co_await upload->Abort();
  co_return info;
}

Task<void> UploadChecks(S3Harness& h) {
  // One part and less is one request.
  EXPECT_TRUE(co_await PutInPieces(h, "small", Text(1, 100'000), 30'000));
  EXPECT_EQ(h.store().Asked("PUT"), 1u);
  EXPECT_EQ(h.store().Asked("POST uploads"), 0u);
  const std::string text = Text(2, 1'234'567);
  const auto info = co_await PutInPieces(h, "large", text, 70'000, {.if_absent = true});
  EXPECT_TRUE(info && info->size == text.size());
  EXPECT_EQ(h.store().Asked("PUT part"), 13u);
  EXPECT_EQ(h.store().ContentsOf("some/prefix/large"), text);
  EXPECT_TRUE(info->etag.ends_with("-13"));
  EXPECT_EQ((co_await h.origin().Head(h.env(), "large", {}))->etag, info->etag);
  // The condition is decided at the end.
  EXPECT_EQ(CodeOf(co_await PutInPieces(h, "large", text, 70'000, {.if_absent = true})),
            Code::kAlreadyExists);
  EXPECT_EQ(CodeOf(co_await PutInPieces(h, "large", text, 70'000, {.if_match = "x"})),
            Code::kVersionChanged);
  EXPECT_TRUE(co_await PutInPieces(h, "large", text + "!", 70'000, {.if_match = info->etag}));
  EXPECT_EQ(h.store().open_uploads(), 0u);  // given up where they failed
}

TEST(S3OriginTest, LongObjectsGoInParts) {
  S3Harness h;
  h.Run(UploadChecks(h));
}

Task<void> LostReplyChecks(S3Harness& h) {
  sim::HttpServer& server = h.server();
  const std::string large = Text(3, 250'000);
  // What happened, though nobody heard of it, is known again by its mark.
  server.FailNext(HttpFault::kLostReply);
  EXPECT_TRUE(co_await PutText(h, "first", "1", {.if_absent = true}));
  const auto first = (co_await h.origin().Head(h.env(), "first", {})).value();
  server.FailNext(HttpFault::kLostReply);
  EXPECT_TRUE(co_await PutText(h, "first", "2", {.if_match = first.etag}));
  auto upload = (co_await h.origin().Put(h.env(), "long", {.if_absent = true}, {})).value();
  const Bytes bytes = AsBytes(large);
  EXPECT_TRUE(co_await upload->Write(std::span(&bytes, 1), {}));
  (void)co_await h.env().clock.Sleep(std::chrono::seconds(5));
  const uint64_t before = h.store().Asked("POST complete");
  h.store().FailCompletions(1, "InternalError");  // says 200, and that it failed
  EXPECT_TRUE(co_await upload->Commit({}));
  EXPECT_EQ(h.store().Asked("POST complete"), before + 2);
  EXPECT_EQ(h.store().ContentsOf("some/prefix/long"), large);
  EXPECT_EQ(CodeOf(co_await PutText(h, "first", "3", {.if_absent = true})), Code::kAlreadyExists);
  // A removal whose answer is lost is done.
  const auto listed = co_await ListText(h, {});
  EXPECT_EQ(listed, "first long");
}

TEST(S3OriginTest, AWriterKnowsItsOwnWriteAgain) {
  S3Harness h;
  h.Run(LostReplyChecks(h));
}

Task<void> PendingChecks(S3Harness& h) {
  Origin& origin = h.origin();
  std::vector<std::pair<std::string, std::string>> begun, told;
  for (const char* key : {"b", "a b/%", "a b/%", "c", "d"}) {
    begun.emplace_back(key, (co_await origin.CreateMultipart(h.env(), key, {})).value());
  }
  for (const PendingUpload& one : (co_await origin.ListUploads(h.env(), "", {})).value()) {
    told.emplace_back(one.key, one.id);
    EXPECT_GT(one.begun_ns, 0);
  }
  std::ranges::sort(begun);
  std::ranges::sort(told);
  EXPECT_EQ(told, begun);
  for (const auto& [key, id] : told) {
    EXPECT_TRUE(co_await origin.AbortMultipart(h.env(), key, id, {}));
  }
  EXPECT_TRUE((co_await origin.ListUploads(h.env(), "", {}))->empty());
}

TEST(S3OriginTest, UploadsThatArePendingAreListedByTheIdsThatTheyWereGiven) {
  S3Harness h;
  h.Run(PendingChecks(h));
}

Task<void> LostCompletionChecks(S3Harness& h) {
  Origin& origin = h.origin();
  const std::string id = (co_await origin.CreateMultipart(h.env(), "k", {})).value();
  auto part = (co_await origin.PutPart(h.env(), "k", id, 1, {})).value();
  const Bytes bytes = AsBytes("contents");
  EXPECT_TRUE(co_await part->Write(std::span(&bytes, 1), {}));
  const auto info = (co_await part->Commit({})).value();
  h.server().FailNext(HttpFault::kLostReply);
  const std::vector<UploadedPart> parts = {{.number = 1, .etag = info.etag, .size = info.size}};
  const Condition absent{.if_absent = true};
  const auto done = co_await origin.CompleteMultipart(h.env(), "k", id, parts, absent, {});
  EXPECT_TRUE(done && done->size == 8) << done.error().ToString();
  EXPECT_EQ((co_await GetText(h, "k")).value(), "contents");
}

TEST(S3OriginTest, ACompletionWhoseAnswerWasLostIsDone) {
  S3Harness h;
  h.Run(LostCompletionChecks(h));
  S3Harness other("s3://bucket/some/prefix?endpoint=https://s3.test",
                  S3DoubleOptions{.condition_before_upload = true});
  other.Run(LostCompletionChecks(other));
}

Task<void> SlowCompletionChecks(S3Harness& h) {
  const std::string text = Text(3, 300'000);
  auto upload = co_await h.origin().Put(h.env(), "slow", {}, {});
  const Bytes bytes = AsBytes(text);
  EXPECT_TRUE(co_await (*upload)->Write(std::span(&bytes, 1), {}));
  // Its parts come first, whatever is said to the completion, and said for longer than three tries.
  h.store().FailCompletions(5, "SlowDown");
  const auto info = co_await (*upload)->Commit({});
  EXPECT_TRUE(info) << info.error().ToString();
  EXPECT_EQ(h.store().ContentsOf("some/prefix/slow"), text);
  co_await (*upload)->Abort();
}

TEST(S3OriginTest, ACompletionThatIsToWaitDoes) {
  S3Harness h;
  h.Run(SlowCompletionChecks(h));
}

Task<void> MissingBucketChecks(S3Harness& h) {
  const auto head = co_await h.origin().Head(h.env(), "a", {});
  EXPECT_EQ(CodeOf(head), Code::kInvalidArgument);
  EXPECT_NE(head.error().message().find("there is no bucket 'other'"), std::string::npos);
}

Task<void> MissingObjectChecks(S3Harness& h) {
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(CodeOf(co_await h.origin().Head(h.env(), "a", {})), Code::kNotFound);
  }
  EXPECT_EQ(h.store().Asked("HEAD bucket"), 1u);
  EXPECT_TRUE(co_await PutText(h, "a", "a"));
  co_await h.env().clock.Sleep(std::chrono::minutes(2));
  EXPECT_TRUE(co_await h.origin().Head(h.env(), "a", {}));
  EXPECT_EQ(CodeOf(co_await h.origin().Head(h.env(), "b", {})), Code::kNotFound);
  EXPECT_EQ(h.store().Asked("HEAD bucket"), 1u);
}

TEST(S3OriginTest, ABucketThatIsMissingIsNoObjectThatIs) {
  S3Harness none("s3://other?endpoint=https://s3.test");
  none.Run(MissingBucketChecks(none));
  S3Harness h;
  h.Run(MissingObjectChecks(h));
}

Task<void> OddSizeChecks(S3Harness& h) {
  for (const char* size : {"99999999999999999999999", "-1", "1x", ""}) {
    h.store().AnswerNext(
        {.status = 200, .headers = {{"ETag", "\"e\""}, {"Content-Length", size}}, .body = {}});
    const auto head = co_await h.origin().Head(h.env(), "a", {});
    EXPECT_FALSE(head) << size;
  }
}

TEST(S3OriginTest, ASizeThatIsNoneIsRefused) {
  S3Harness h;
  h.Run(OddSizeChecks(h));
}

Task<void> OddKeyChecks(S3Harness& h) {
  std::string all;
  for (char c = 32; c < 127; ++c) all += c == '/' ? '|' : c;
  const std::vector<std::string> keys = {
      all, "a+b c%20d", "dt=2026/x#y?z&w", "\xc3\xa9/\xe2\x82\xac", "~", "tab\there", "a\nb", "a"};
  std::set<std::string> sorted(keys.begin(), keys.end());
  for (const std::string& key : keys) {
    EXPECT_TRUE(co_await PutText(h, key, key)) << key;
    EXPECT_EQ((co_await GetText(h, key)).value(), key);
    EXPECT_EQ(h.store().ContentsOf("some/prefix/" + key), key);
  }
  const auto page = (co_await h.origin().List(h.env(), {}, {})).value();
  auto expected = sorted.begin();
  EXPECT_EQ(page.entries.size(), sorted.size());
  for (const ListEntry& entry : page.entries) EXPECT_EQ(entry.key, *expected++);
  // What S3 can hold and Forebay cannot name is passed over, however much it is.
  for (int i = 0; i < 25; ++i) h.store().Put(fmt::format("some/prefix//x{}", i), "x");
  h.store().Put("some/prefix/", "");
  h.store().Put("some/prefix/dir/", "");
  h.store().Put("some/prefixes", "");
  h.store().Put("some/prefix/zz", "");
  const auto next = (co_await h.origin().List(h.env(), {.prefix = "", .limit = 2}, {})).value();
  EXPECT_GE(next.entries.size(), 1u);  // a page may be shorter for it, but never empty
  EXPECT_EQ(co_await ListText(h, {.prefix = "d", .delimiter = "/"}), "dir/ dt=2026/");
  EXPECT_EQ(co_await ListText(h, {.prefix = "z"}), "zz");
  EXPECT_EQ(co_await ListText(h, {.prefix = "dir/"}), WithFolderMark("dir/"));
}

TEST(S3OriginTest, KeysOfAllCharactersComeBack) {
  S3Harness h;
  h.Run(OddKeyChecks(h));
}

TEST(S3OriginTest, SpacesOfListingsAreReadEitherWay) {
  S3Harness h(kUrl, {.spaces_as_plus = false});
  h.Run(OddKeyChecks(h));
}

/// The message of a listing's error.
Task<void> ListError(S3Harness& h, std::string* told) {
  const auto page = co_await h.origin().List(h.env(), {}, {});
  EXPECT_FALSE(page);
  if (!page) *told = page.error().ToString();
  EXPECT_EQ(told->find("hunter2"), std::string::npos) << *told;
}

std::string Told(S3Harness& h) {
  std::string told;
  h.Run(ListError(h, &told));
  return told;
}

#define EXPECT_TOLD(text, words)                                      \
  do {                                                                \
    const std::string told_text = (text);                             \
    EXPECT_NE(told_text.find(words), std::string::npos) << told_text; \
  } while (false)

TEST(S3OriginTest, WhatIsWrongIsSaidWithItsFix) {
  {
    S3Harness h;
    h.store().SetAccounts({{"AKID", {.secret = "other", .token = ""}}});
    EXPECT_TOLD(Told(h), "secret key of the variable AWS_ACCESS_KEY_ID is not the one");
    h.store().SetAccounts({{"other", {}}});
    EXPECT_TOLD(Told(h), "does not know the access key");
    h.store().AnswerNext(S3Error(403, "AccessDenied"));
    EXPECT_TOLD(Told(h), "s3:ListBucket");
    h.store().AnswerNext({.status = 200, .body = std::string("<html><body>Welcome</body></html>")});
    EXPECT_TOLD(Told(h), "does not answer as S3 does");
    h.store().AnswerNext({.status = 404, .body = std::string("<!DOCTYPE html><html></html>")});
    EXPECT_TOLD(Told(h), "invalid argument");
  }
  S3Harness region("s3://bucket?endpoint=https://s3.test&region=eu-1");
  EXPECT_TOLD(Told(region), "bucket bucket is in region us-east-1, not in eu-1");
  S3Harness bucket("s3://other?endpoint=https://s3.test");
  EXPECT_TOLD(Told(bucket), "there is no bucket 'other' at https://s3.test");
  EXPECT_TOLD(Told(bucket), "invalid argument");
  S3Harness nobody("s3://bucket?endpoint=https://s3.test&credentials=env:NONE");
  EXPECT_TOLD(Told(nobody), "NONE_ACCESS_KEY_ID is not set");
}

TEST(S3OriginTest, AClockThatIsOffIsSaidToBe) {
  S3Harness h;
  h.store().SetClockSkew(std::chrono::hours(1));
  EXPECT_TOLD(Told(h), "60 min behind the store's");
}

TEST(S3OriginTest, AnonymousNeedsNoKeys) {
  http_origin::DriverParts none;
  S3Harness h("s3://bucket?endpoint=https://s3.test&credentials=anonymous", {}, none);
  EXPECT_TOLD(Told(h), "anonymous may not do this");
  h.store().SetAccounts({});
  h.store().Put("k", "public");
  std::string got;
  h.Run([](S3Harness& harness, std::string* into) -> Task<void> {
    *into = (co_await GetText(harness, "k")).value();
  }(h, &got));
  EXPECT_EQ(got, "public");
  EXPECT_EQ(h.origin().credentials(), "anonymous");
}

TEST(S3OriginTest, AUrlThatIsWrongIsRefused) {
  for (const char* wrong : {"s3://bucket?cred=x", "s3://bucket?credentials=hunter2", "s3:///x"}) {
    const auto origin = S3Origin::Create(OriginUrl::Parse(wrong).value(), {});
    ASSERT_FALSE(origin) << wrong;
    EXPECT_EQ(origin.error().code(), Code::kInvalidArgument);
    EXPECT_EQ(origin.error().message().find("hunter2"), std::string::npos);
  }
  EXPECT_EQ(S3Origin::Create(OriginUrl::Parse("s3://b/p/q/").value(), {}).value()->url(),
            "s3://b/p/q/");
}

TEST(S3OriginTest, AnObjectOfFiveTebibytesIsRead) {
  S3Harness h;
  h.store().PutTagged("some/prefix/huge", 7, 5 * kTiB);
  h.Run(origin_contract::HugeObjectIsRead(
      h, "huge", 5 * kTiB,
      [](uint64_t offset, MutableBytes into) { sim::TagBytes(7, offset, into); }));
}

/// Temporary keys in a file that somebody replaces, as a side car does.
Task<void> ReplaceKeys(S3Harness& h, int number) {
  const std::string text = fmt::format(
      "aws_access_key_id=ID{0}\naws_secret_access_key=hunter2\naws_session_token=T{0}\n", number);
  const auto file =
      (co_await h.env().disk.Open("/keys", {.write = true, .create = true, .truncate = true}))
          .value();
  const Bytes bytes = AsBytes(text);
  EXPECT_TRUE(co_await h.env().disk.Write(*file, 0, std::span(&bytes, 1)));
  h.store().SetAccounts(
      {{fmt::format("ID{}", number), {.secret = "hunter2", .token = fmt::format("T{}", number)}}});
}

Task<void> ReadOn(S3Harness& h, int* reads) {
  for (int i = 0; i < 100; ++i) {
    const auto got = co_await GetText(h, "k", {.offset = 10, .size = 3000});
    EXPECT_TRUE(got) << got.error().ToString();
    if (got) ++*reads;
  }
}

Task<void> ExpiryChecks(S3Harness& h) {
  co_await ReplaceKeys(h, 0);
  h.store().Put("some/prefix/k", Text(5, 10'000));
  TaskGroup group(h.env().executor);
  int reads = 0;
  for (int i = 0; i < 8; ++i) group.Spawn(ReadOn(h, &reads));
  for (int i = 1; i < 4; ++i) {
    (void)co_await h.env().clock.Sleep(std::chrono::milliseconds(1500));
    co_await ReplaceKeys(h, i);
  }
  co_await group.Join();
  EXPECT_EQ(reads, 800);
}

TEST(S3OriginTest, NoReadFailsWhenKeysEnd) {
  S3Harness h("s3://bucket/some/prefix?endpoint=https://s3.test&credentials=file:/keys");
  h.Run(ExpiryChecks(h));
}

/// A store behind a proxy that takes a header out of every request, or answer.
class StrippingProxy {
 public:
  StrippingProxy(sim::HttpHandler store, std::string header)
      : store_(std::move(store)), header_(std::move(header)) {}
  sim::SimHttpReply operator()(const sim::SimHttpRequest& request) const {
    const auto strip = [this](std::vector<HttpHeader>& headers) {
      std::erase_if(headers, [this](const HttpHeader& h) { return h.name == header_; });
    };
    sim::SimHttpRequest passed = request;
    strip(passed.headers);
    sim::SimHttpReply reply = store_(passed);
    strip(reply.headers);
    return reply;
  }

 private:
  sim::HttpHandler store_;
  std::string header_;
};

Task<void> ProxyChecks(S3Harness& h) {
  EXPECT_TRUE(co_await PutText(h, "k", "there"));
  const auto unconditional = co_await PutText(h, "k", "lost", {.if_absent = true});
  EXPECT_EQ(CodeOf(unconditional), Code::kPermissionDenied);
  EXPECT_TOLD(unconditional.error().message(), "a proxy on the way");
  EXPECT_EQ(h.store().ContentsOf("k"), "there");
}

TEST(S3OriginTest, AProxyThatStripsConditionsIsNoticed) {
  S3Harness h("s3://bucket?endpoint=https://proxy.test");
  const StrippingProxy proxy(h.store().Handler(), "If-None-Match");
  h.world().AddHttpServer("https://proxy.test", proxy);
  h.Run(ProxyChecks(h));
}

Task<void> EtagChecks(S3Harness& h) {
  h.store().Put("k", "there");
  const auto head = co_await h.origin().Head(h.env(), "k", {});
  EXPECT_TOLD(head.error().message(), "a proxy on the way strip headers");
  const auto put = co_await PutText(h, "k", "new");
  EXPECT_TOLD(put.error().message(), "a proxy on the way strip headers");
}

TEST(S3OriginTest, AProxyThatStripsEtagsIsNoticed) {
  S3Harness h("s3://bucket?endpoint=https://proxy.test");
  const StrippingProxy proxy(h.store().Handler(), "ETag");
  h.world().AddHttpServer("https://proxy.test", proxy);
  h.Run(EtagChecks(h));
}

}  // namespace
}  // namespace forebay
