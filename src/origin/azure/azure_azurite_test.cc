// The driver against Azurite, which checks signatures and knows most of what Blob does.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <set>

#include "src/base/units.h"
#include "src/origin/azure/azure_origin.h"
#include "src/origin/azure/shared_key.h"
#include "src/origin/http/request.h"
#include "src/origin/http/text.h"
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
RealServer& Azurite() {
  static const std::unique_ptr<RealServer> server = [] {
    auto started = RealServer::StartAzurite();
    if (!started) {
      fmt::print(stderr, "{}\n", started.error().ToString());
      abort();
    }
    return std::move(*started);
  }();
  return *server;
}

std::string KeyBytes() {
  return http_origin::FromBase64(kAzuriteKey).value();
}

Task<void> MakeContainer(Env& env, std::string name) {
  HttpRequest request{
      .method = "PUT",
      .url = fmt::format("{}/{}?restype=container", Azurite().url(), name),
      .headers = {{"Content-Length", "0"}, {"x-ms-version", std::string(azure::kServiceVersion)}}};
  azure::SignWithKey(request, kAzuriteAccount, KeyBytes(), env.clock.WallNanos());
  const auto response = co_await env.http.Send(request, {});
  EXPECT_TRUE(response && (*response)->status() == 201);
}

/// A container of its own.
class AzuriteHarness final : public OriginHarness {
 public:
  explicit AzuriteHarness(const std::string& prefix = "/some/prefix") {
    static int number = 0;
    container_ = fmt::format("container-{}", ++number);
    loop_->Run(MakeContainer(env(), container_));
    origin_ = Make(fmt::format("azure://{}/{}{}", kAzuriteAccount, container_, prefix));
  }
  Env& env() override { return loop_->env(); }
  AzureOrigin& origin() override { return *origin_; }
  void Run(Task<void> main) override { loop_->Run(std::move(main)); }
  const std::string& container() const { return container_; }
  /// Without hedges.
  uint64_t requests() const { return lanes_->counters().requests - lanes_->counters().hedges; }

  std::unique_ptr<AzureOrigin> Make(std::string_view text, std::string_view secret = kAzuriteKey) {
    http_origin::DriverParts parts{.lanes = lanes_};
    parts.surroundings.variables = {{"SECRET", std::string(secret)}};
    OriginUrl url = OriginUrl::Parse(text).value();
    url.parameters.emplace("endpoint", Azurite().url());
    url.parameters.emplace("credentials", "env:SECRET");
    return AzureOrigin::Create(url, parts).value();
  }

 private:
  std::unique_ptr<Loop> loop_ = Loop::Create({}).value();
  const std::shared_ptr<http_origin::Lanes> lanes_ = std::make_shared<http_origin::Lanes>();
  std::string container_;
  std::unique_ptr<AzureOrigin> origin_;
};

INSTANTIATE_TEST_SUITE_P(Azurite, OriginContract,
                         testing::Values([]() -> std::unique_ptr<OriginHarness> {
                           return std::make_unique<AzuriteHarness>();
                         }));

Task<void> LongObjectChecks(AzuriteHarness& h) {
  // Three blocks of 8 MiB and a rest, written in uneven pieces.
  const std::string text = Text(1, uint64_t{24} * kMiB + 12'345);
  auto upload = (co_await h.origin().Put(h.env(), "long", {.if_absent = true}, {})).value();
  for (size_t at = 0; at < text.size(); at += 1'000'003) {
    const Bytes piece = AsBytes(std::string_view(text).substr(at, 1'000'003));
    EXPECT_TRUE(co_await upload->Write(std::span(&piece, 1), {}));
  }
  const auto info = (co_await upload->Commit({})).value();
  const auto got = co_await GetText(h, "long", {.if_match = info.etag}, 1 << 20);
  EXPECT_TRUE(got.value() == text);
  const auto middle = co_await GetText(h, "long", {.offset = 8 * kMiB - 5, .size = 10});
  EXPECT_EQ(middle.value(), text.substr(8 * kMiB - 5, 10));
  // Nothing is seen of what was given up.
  auto dropped = (co_await h.origin().Put(h.env(), "dropped", {}, {})).value();
  const Bytes all = AsBytes(text);
  EXPECT_TRUE(co_await dropped->Write(std::span(&all, 1), {}));
  co_await dropped->Abort();
  EXPECT_EQ(co_await ListText(h, {}), "long");
}

TEST(AzuriteTest, LongObjectsGoInBlocks) {
  AzuriteHarness h;
  h.Run(LongObjectChecks(h));
}

Task<void> ChecksumChecks(AzuriteHarness& h) {
  const std::string text = Text(1, 100'000);
  EXPECT_TRUE(co_await PutText(h, "k", text));
  const GetOptions part{.offset = 1000, .size = 50'000, .judged = true};
  const auto got = co_await GetText(h, "k", part);
  EXPECT_TRUE(got && *got == text.substr(1000, 50'000)) << (got ? "" : got.error().ToString());
}

TEST(AzuriteTest, MayBeAskedForChecksums) {
  AzuriteHarness h;
  h.Run(ChecksumChecks(h));
}

Task<void> EmptyChecks(AzuriteHarness& h) {
  EXPECT_TRUE(co_await PutText(h, "k", ""));
  for (const uint64_t size : {uint64_t{0}, uint64_t{1}, uint64_t{2}, UINT64_MAX}) {
    for (const uint64_t offset : {0, 1, 5}) {
      const auto got = co_await GetText(h, "k", {.offset = offset, .size = size});
      EXPECT_EQ(got.value_or("none"), "") << offset << " " << size;
    }
  }
}

TEST(AzuriteTest, NothingComesOfAnEmptyObject) {
  AzuriteHarness h;
  h.Run(EmptyChecks(h));
}

Task<void> OddKeyChecks(AzuriteHarness& h) {
  std::string all;
  for (char c = 33; c < 127; ++c) all += c == '/' || c == '\\' ? '|' : c;
  const std::set<std::string> keys = {
      all, "a b", "a+b", "a%20b", "dt=2026/x#y?z&w", "\xc3\xa9/\xe2\x82\xac", "~", " edges "};
  for (const std::string& key : keys) {
    const auto put = co_await PutText(h, key, key);
    EXPECT_TRUE(put) << put.error().ToString();
    if (put) EXPECT_EQ((co_await GetText(h, key)).value_or("none"), key);
  }
  const auto page = (co_await h.origin().List(h.env(), {}, {})).value();
  std::set<std::string> listed;
  for (const ListEntry& entry : page.entries) listed.insert(entry.key);
  EXPECT_EQ(listed, keys);
}

TEST(AzuriteTest, KeysOfAllCharactersComeBack) {
  AzuriteHarness h("/odd%20%23prefix");
  h.Run(OddKeyChecks(h));
}

Task<void> MissingContainerChecks(AzuriteHarness& h) {
  const auto origin = h.Make("azure://devstoreaccount1/no-such-container/p");
  const auto page = co_await origin->List(h.env(), {}, {});
  EXPECT_EQ(CodeOf(page), Code::kInvalidArgument);
  EXPECT_NE(page.error().message().find("there is no container 'no-such-container'"),
            std::string::npos)
      << page.error().message();
  EXPECT_EQ(CodeOf(co_await origin->Get(h.env(), "k", {}, {})), Code::kInvalidArgument);
  const auto wrong =
      h.Make(fmt::format("azure://devstoreaccount1/{}", h.container()), "bm90IHRoZSBrZXk=");
  const auto refused = co_await wrong->Head(h.env(), "k", {});
  EXPECT_EQ(CodeOf(refused), Code::kPermissionDenied);
  EXPECT_EQ(refused.error().message().find("bm90"), std::string::npos);
  const auto nobody =
      h.Make(fmt::format("azure://devstoreaccount1/{}?credentials=anonymous", h.container()));
  EXPECT_EQ(CodeOf(co_await nobody->Head(h.env(), "k", {})), Code::kPermissionDenied);
}

TEST(AzuriteTest, WhatIsMissingOrRefusedIsNamed) {
  AzuriteHarness h;
  h.Run(MissingContainerChecks(h));
}

Task<void> ManyKeysChecks(AzuriteHarness& h) {
  for (int i = 0; i < 1234; ++i) {
    EXPECT_TRUE(co_await PutText(h, fmt::format("d{}/k{:04}", i % 3, i), "x"));
  }
  ListOptions options{.limit = 100};
  size_t told = 0;
  const uint64_t before = h.requests();
  for (;;) {
    const auto page = (co_await h.origin().List(h.env(), options, {})).value();
    told += page.entries.size();
    if (!page.more) break;
    options.after = page.entries.back().key;
  }
  EXPECT_EQ(told, 1234u);
  EXPECT_EQ(h.requests() - before, 13u);  // one a page
  EXPECT_EQ(co_await ListText(h, {.delimiter = "/", .limit = 1}), "d0/ d1/ d2/");
}

TEST(AzuriteTest, ListingsGoOnPageByPage) {
  AzuriteHarness h;
  h.Run(ManyKeysChecks(h));
}

/// A shared access signature of the whole account, as its description says.
std::string MakeSas(std::string_view permissions, std::string_view ends) {
  const std::string to_sign = fmt::format("{}\n{}\nb\nsco\n\n{}\n\nhttps,http\n2019-12-12\n",
                                          kAzuriteAccount, permissions, ends);
  const auto signature = http_origin::HmacSha256(AsBytes(KeyBytes()), to_sign);
  return fmt::format("?sv=2019-12-12&ss=b&srt=sco&sp={}&se={}&spr=https,http&sig={}", permissions,
                     http_origin::PercentEncode(ends, false),
                     http_origin::PercentEncode(http_origin::Base64(signature), false));
}

Task<void> SasChecks(AzuriteHarness& h) {
  const std::string url = fmt::format("azure://devstoreaccount1/{}", h.container());
  EXPECT_TRUE(co_await PutText(h, "k", "text"));
  const auto reader = h.Make(url, MakeSas("rl", "2099-01-01T00:00:00Z"));
  EXPECT_TRUE(co_await reader->Head(h.env(), "some/prefix/k", {}));
  const auto page = co_await reader->List(h.env(), {}, {});
  EXPECT_TRUE(page && page->entries.size() == 1) << page.error().ToString();
  auto upload = (co_await reader->Put(h.env(), "k", {}, {})).value();
  const auto put = co_await upload->Commit({});
  EXPECT_EQ(CodeOf(put), Code::kPermissionDenied);
  EXPECT_NE(put.error().message().find("permissions r and l"), std::string::npos)
      << put.error().message();
  const auto ended = h.Make(url, MakeSas("rl", "2020-01-01T00:00:00Z"));
  const auto refused = co_await ended->Head(h.env(), "k", {});
  EXPECT_EQ(CodeOf(refused), Code::kPermissionDenied);
  EXPECT_NE(refused.error().message().find("ended at Wed, 01 Jan 2020"), std::string::npos)
      << refused.error().message();
  for (const Error& error : {put.error(), refused.error()}) {
    EXPECT_EQ(error.message().find("sig="), std::string::npos) << error.message();
  }
}

TEST(AzuriteTest, SharedAccessSignaturesAreTakenAndUnderstood) {
  AzuriteHarness h;
  h.Run(SasChecks(h));
}

}  // namespace
}  // namespace forebay
