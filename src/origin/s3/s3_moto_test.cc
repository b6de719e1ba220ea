// The driver against moto's server, which knows the semantics of S3 (and no signatures).
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <set>

#include "src/base/units.h"
#include "src/origin/s3/s3_origin.h"
#include "src/origin/testing/origin_contract.h"
#include "src/origin/testing/real_server.h"
#include "src/platform/linux/loop.h"

namespace forebay {
namespace {

using origin_contract::CodeOf;
using origin_contract::GetText;
using origin_contract::ListText;
using origin_contract::PutText;
using origin_contract::Text;

/// One server for all tests, ended with the program.
RealServer& Moto() {
  static const std::unique_ptr<RealServer> server = [] {
    auto started = RealServer::StartMoto();
    if (!started) {
      fmt::print(stderr, "{}\n", started.error().ToString());
      abort();
    }
    return std::move(*started);
  }();
  return *server;
}

Task<Result<int>> Ask(Env& env, std::string method, std::string url) {
  const HttpRequest request{
      .method = std::move(method), .url = std::move(url), .headers = {{"Content-Length", "0"}}};
  FB_CO_ASSIGN(const auto response, co_await env.http.Send(request, {}));
  co_return response->status();
}

Task<void> MakeBucket(Env& env, std::string url) {
  const auto status = co_await Ask(env, "PUT", std::move(url));
  EXPECT_EQ(status ? *status : 0, 200);
}

/// A bucket of its own.
class MotoHarness final : public OriginHarness {
 public:
  explicit MotoHarness(const std::string& prefix = "/some/prefix") {
    static int number = 0;
    bucket_ = fmt::format("bucket-{}", ++number);
    loop_->Run(MakeBucket(env(), fmt::format("{}/{}", Moto().url(), bucket_)));
    origin_ = Make(fmt::format("s3://{}{}", bucket_, prefix));
  }
  Env& env() override { return loop_->env(); }
  S3Origin& origin() override { return *origin_; }
  void Run(Task<void> main) override {
    const std::string_view test = testing::UnitTest::GetInstance()->current_test_info()->name();
    if (test.starts_with("UploadsEnd")) {
      GTEST_SKIP() << "moto answers 500 where a part's upload has ended; S3 says NoSuchUpload";
    }
    loop_->Run(std::move(main));
  }
  const std::string& bucket() const { return bucket_; }

  std::unique_ptr<S3Origin> Make(std::string_view text) {
    http_origin::DriverParts parts;
    parts.surroundings.variables = {{"AWS_ACCESS_KEY_ID", "A"}, {"AWS_SECRET_ACCESS_KEY", "B"}};
    OriginUrl url = OriginUrl::Parse(text).value();
    url.parameters["endpoint"] = Moto().url();
    return S3Origin::Create(url, parts).value();
  }

 private:
  std::unique_ptr<Loop> loop_ = Loop::Create({}).value();
  std::string bucket_;
  std::unique_ptr<S3Origin> origin_;
};

INSTANTIATE_TEST_SUITE_P(Moto, OriginContract,
                         testing::Values([]() -> std::unique_ptr<OriginHarness> {
                           return std::make_unique<MotoHarness>();
                         }));

Task<void> LongObjectChecks(MotoHarness& h) {
  // Three parts of 8 MiB and a rest, written in uneven pieces.
  const std::string text = Text(1, 24 * kMiB + 12'345);
  auto upload = (co_await h.origin().Put(h.env(), "long", {.if_absent = true}, {})).value();
  for (size_t at = 0; at < text.size(); at += 1'000'003) {
    const Bytes piece = AsBytes(std::string_view(text).substr(at, 1'000'003));
    EXPECT_TRUE(co_await upload->Write(std::span(&piece, 1), {}));
  }
  const auto info = (co_await upload->Commit({})).value();
  EXPECT_TRUE(info.etag.ends_with("-4")) << info.etag;
  const auto got = co_await GetText(h, "long", {.if_match = info.etag}, 1 << 20);
  EXPECT_TRUE(got.value() == text);
  const auto middle = co_await GetText(h, "long", {.offset = 8 * kMiB - 5, .size = 10});
  EXPECT_EQ(middle.value(), text.substr(8 * kMiB - 5, 10));
  // Nothing is left of what was given up.
  auto dropped = (co_await h.origin().Put(h.env(), "dropped", {}, {})).value();
  const Bytes all = AsBytes(text);
  EXPECT_TRUE(co_await dropped->Write(std::span(&all, 1), {}));
  co_await dropped->Abort();
  EXPECT_EQ(co_await ListText(h, {}), "long");
}

TEST(S3MotoTest, LongObjectsGoInParts) {
  MotoHarness h;
  h.Run(LongObjectChecks(h));
}

Task<void> OddKeyChecks(MotoHarness& h) {
  std::string all;
  for (char c = 33; c < 127; ++c) all += c == '/' ? '|' : c;
  const std::set<std::string> keys = {
      all, "a b", "a+b", "a%20b", "dt=2026/x#y?z&w", "\xc3\xa9/\xe2\x82\xac", "~", "tab\there"};
  for (const std::string& key : keys) {
    const auto put = co_await PutText(h, key, key);
    EXPECT_TRUE(put) << put.error().ToString();
    EXPECT_EQ((co_await GetText(h, key)).value(), key);
  }
  const auto page = (co_await h.origin().List(h.env(), {}, {})).value();
  std::set<std::string> listed;
  for (const ListEntry& entry : page.entries) listed.insert(entry.key);
  EXPECT_EQ(listed, keys);
}

TEST(S3MotoTest, KeysOfAllCharactersComeBack) {
  MotoHarness h("/odd%20%23prefix");
  h.Run(OddKeyChecks(h));
}

Task<void> MissingBucketChecks(MotoHarness& h) {
  const auto origin = h.Make("s3://no-such-bucket/p");
  const auto page = co_await origin->List(h.env(), {}, {});
  EXPECT_EQ(CodeOf(page), Code::kInvalidArgument);
  EXPECT_NE(page.error().message().find("there is no bucket 'no-such-bucket'"), std::string::npos)
      << page.error().message();
  const auto got = co_await origin->Get(h.env(), "k", {}, {});
  EXPECT_EQ(CodeOf(got), Code::kInvalidArgument);
  // Nobody listens at the discard port.
  const auto nobody = S3Origin::Create(
      OriginUrl::Parse("s3://b?endpoint=http://127.0.0.1:9&credentials=anonymous").value(), {});
  const Call soon{.deadline = h.env().clock.Now() + std::chrono::seconds(1)};
  const auto none = co_await (*nobody)->List(h.env(), {}, soon);
  EXPECT_FALSE(none);
  EXPECT_NE(none.error().message().find("127.0.0.1:9"), std::string::npos)
      << none.error().message();
}

TEST(S3MotoTest, WhatIsMissingIsNamed) {
  MotoHarness h;
  h.Run(MissingBucketChecks(h));
}

Task<void> ManyKeysChecks(MotoHarness& h) {
  for (int i = 0; i < 1234; ++i) {
    const auto put = co_await PutText(h, fmt::format("d{}/k{:04}", i % 3, i), "x");
    EXPECT_TRUE(put);
  }
  ListOptions options;
  size_t told = 0;
  for (;;) {
    const auto page = (co_await h.origin().List(h.env(), options, {})).value();
    told += page.entries.size();
    if (!page.more) break;
    options.after = page.entries.back().key;
  }
  EXPECT_EQ(told, 1234u);
  EXPECT_EQ(co_await ListText(h, {.delimiter = "/", .limit = 1}), "d0/ d1/ d2/");
}

TEST(S3MotoTest, ListingsGoOnPageByPage) {
  MotoHarness h;
  h.Run(ManyKeysChecks(h));
}

}  // namespace
}  // namespace forebay
