// The fetch layer over a simulated store: what it sends, when, and what it makes of the answers.
#include "src/origin/http/fetcher.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <charconv>
#include <numeric>

#include "sim/sim_http.h"
#include "sim/world.h"
#include "src/base/units.h"
#include "src/origin/http/text.h"
#include "src/runtime/task_group.h"

namespace forebay::http_origin {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr uint64_t kTag = 7;
constexpr const char* kStore = "http://store";

class CountingSigner final : public Signer {
 public:
  Task<Result<void>> Sign(Env&, HttpRequest& request, Call) override {
    ++signed_requests;
    request.headers.push_back({"Authorization", fmt::format("key {}", key)});
    co_return Result<void>();
  }
  bool Refused() override {
    ++refused;
    key = "new";
    return true;
  }
  std::string Describe() const override { return "a test"; }

  std::string key = "old";
  int signed_requests = 0;
  int refused = 0;
};

/// Knows of statuses only.
Refusal ExplainStatus(int status, const HttpResponse& response, std::string_view body) {
  const std::string text = fmt::format("status {} {}", status, body);
  if (status == 503) {
    Refusal refusal{.error = Error(Code::kOverloaded, text), .slow_down = true, .wait = {}};
    const std::string_view wait = response.Header("Retry-After");
    if (!wait.empty()) refusal.wait = seconds(wait == "50" ? 50 : 3);
    return refusal;
  }
  if (status == 401)
    return {.error = Error(Code::kUnauthenticated, text), .credentials = true, .wait = {}};
  if (status == 404) return {.error = Error(Code::kNotFound, text), .wait = {}};
  if (status == 412) return {.error = Error(Code::kVersionChanged, text), .wait = {}};
  if (status == 500) return {.error = Error(Code::kUnavailable, text), .wait = {}};
  return {.error = Error(Code::kInvalidArgument, text), .wait = {}};
}

/// One object of tagged bytes.
class FetcherTest : public testing::Test {
 protected:
  FetcherTest() : server_(Serve()) {}

  sim::HttpServer& Serve() {
    sim::HttpOptions options;
    options.latency = milliseconds(12);
    options.bytes_per_second = kGiB;
    sim::HttpServer& server = world_.AddHttpServer(
        kStore, [this](const sim::SimHttpRequest& request) { return Answer(request); });
    server.SetOptions(options);
    return server;
  }

  sim::SimHttpReply Answer(const sim::SimHttpRequest& request) {
    requests_.push_back(request);
    times_.push_back(env().clock.Now());
    if (answer_) {
      if (auto reply = answer_(request)) return *reply;
    }
    return Object(request);
  }
  sim::SimHttpReply Object(const sim::SimHttpRequest& request) {
    const std::string_view if_match = sim::FindHeader(request.headers, "If-Match");
    if (!if_match.empty() && if_match != QuotedEtag(etag_)) return {.status = 412, .body = {}};
    std::vector<HttpHeader> headers = {{"ETag", QuotedEtag(etag_)},
                                       {"Last-Modified", "Sat, 21 Nov 2026 08:49:37 GMT"}};
    std::string_view range = sim::FindHeader(request.headers, "Range");
    if (range.empty()) {
      headers.push_back({"Content-Length", fmt::format("{}", size_)});
      if (request.method == "HEAD") return {.headers = headers, .body = {}};
      return {.headers = headers, .body = sim::SimBody::Tagged(kTag, 0, size_)};
    }
    range.remove_prefix(std::string_view("bytes=").size());
    uint64_t first = 0, last = size_ - 1;
    const auto dash = range.find('-');
    std::from_chars(&range[0], &range[0] + dash, first);
    if (dash + 1 < range.size()) {
      std::from_chars(&range[0] + dash + 1, &range[0] + range.size(), last);
    }
    if (first >= size_) return {.status = 416, .body = {}};
    last = std::min(last, size_ - 1);
    headers.push_back({"Content-Range", fmt::format("bytes {}-{}/{}", first, last, size_)});
    return {.status = 206,
            .headers = headers,
            .body = sim::SimBody::Tagged(kTag, first, last - first + 1)};
  }

  Fetcher::MakeGet Make(const std::string& object = {}) {
    return [this, object](uint64_t offset, uint64_t size, const std::string& if_match) {
      FetchRequest request{.hedged = true, .lane = lane_.get(), .object = object};
      request.http.url = fmt::format("{}/object{}?sig=secret", kStore, object);
      if (size != UINT64_MAX || offset != 0) {
        const std::string end = size == UINT64_MAX ? "" : fmt::format("{}", offset + size - 1);
        request.http.headers.push_back({"Range", fmt::format("bytes={}-{}", offset, end)});
      }
      if (!if_match.empty()) request.http.headers.push_back({"If-Match", QuotedEtag(if_match)});
      return request;
    };
  }

  /// The bytes of a read, checked; how many they were.
  Task<Result<uint64_t>> ReadAll(GetOptions options, Call call, std::string object = {}) {
    const uint64_t offset = options.offset;
    FB_CO_ASSIGN(const auto body,
                 co_await fetcher_.Get(env(), "s3://b: k", Make(object), std::move(options), call));
    std::vector<std::byte> into(100'000), right(100'000);
    uint64_t at = 0;
    for (;;) {
      FB_CO_ASSIGN(const size_t came, co_await body->Read(into, call));
      if (came == 0) break;
      sim::TagBytes(kTag, offset + at, MutableBytes(right).first(came));
      if (!std::equal(into.begin(), into.begin() + static_cast<ptrdiff_t>(came), right.begin())) {
        co_return Fail(Code::kCorrupt, "wrong bytes");
      }
      at += came;
    }
    if (at != body->size()) co_return Fail(Code::kCorrupt, "a short body");
    co_return at;
  }
  Result<uint64_t> Read(GetOptions options, Duration time = seconds(60)) {
    return world_.Run(ReadAll(std::move(options), {env().clock.Now() + time, {}}));
  }
  FetchRequest Put() {
    FetchRequest request{.repeatable = false, .lane = lane_.get()};
    request.http.method = "PUT";
    request.http.url = std::string(kStore) + "/object?sig=secret";
    return request;
  }
  Env& env() { return world_.env(); }
  const FetchCounters& counters() { return lanes_.counters(); }

  sim::World world_{1, {}};
  std::vector<sim::SimHttpRequest> requests_;
  std::vector<Instant> times_;
  std::function<std::optional<sim::SimHttpReply>(const sim::SimHttpRequest&)> answer_;
  std::string etag_ = "v1";
  uint64_t size_ = 10 * kMiB;
  sim::HttpServer& server_;
  Lanes lanes_;
  std::shared_ptr<Lane> lane_ = lanes_.Of("store");
  std::shared_ptr<CountingSigner> signer_ = std::make_shared<CountingSigner>();
  Fetcher fetcher_{signer_, ExplainStatus};
};

TEST_F(FetcherTest, AReadIsOneRequest) {
  const auto read = Read({.offset = kMiB, .size = 3 * kMiB, .if_match = "v1"});
  ASSERT_TRUE(read) << read.error().ToString();
  EXPECT_EQ(*read, 3 * kMiB);
  EXPECT_EQ(requests_.size(), 1u);
  EXPECT_EQ(counters().requests, 1u);
}

TEST_F(FetcherTest, WhatLiesBehindTheEndIsEmpty) {
  for (const uint64_t size : {uint64_t{0}, uint64_t{1000}}) {
    size_ = size;
    const auto body =
        world_.Run(fetcher_.Get(env(), "s3://b: k", Make(), {.offset = size, .size = 10}, {}));
    ASSERT_TRUE(body) << body.error().ToString();
    EXPECT_EQ((*body)->size(), 0u);
    EXPECT_EQ((*body)->info().size, size);
    EXPECT_EQ((*body)->info().etag, "v1");
    EXPECT_EQ((*body)->info().modified_ns, 1'795'250'977'000'000'000);
  }
  EXPECT_EQ(*Read({.offset = 900, .size = 1000}), 100u);
}

TEST_F(FetcherTest, AStoreWithoutRangesGivesAFrontAndIsRefusedForAnythingElse) {
  answer_ = [this](sim::SimHttpRequest request) {
    std::erase_if(request.headers, [](const auto& header) { return header.name == "Range"; });
    return std::optional(Object(request));
  };
  EXPECT_EQ(*Read({.offset = 0, .size = 5000}), 5000u);
  const auto other = Read({.offset = 1000, .size = 5000});
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().code(), Code::kUnsupported);
}

TEST_F(FetcherTest, AnswersThatDoNotSayWhatTheyAreAreRefused) {
  for (const char* missing : {"ETag", "Content-Range"}) {
    answer_ = [this, missing](const sim::SimHttpRequest& request) {
      auto reply = Object(request);
      std::erase_if(reply.headers,
                    [missing](const auto& header) { return header.name == missing; });
      return std::optional(reply);
    };
    const auto read = Read({.offset = 10, .size = 10});
    ASSERT_FALSE(read);
    EXPECT_NE(read.error().message().find(missing), std::string::npos) << read.error().ToString();
  }
}

TEST_F(FetcherTest, ABodyThatBreaksGoesOnWhereItBroke) {
  // A connection that breaks now and then, with enough requests before to pay for the repetitions.
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(Read({.size = 1000}));
  requests_.clear();
  server_.FailNext(sim::HttpFault::kResetInBody);
  const auto read = Read({.offset = 5, .size = 8 * kMiB});
  ASSERT_TRUE(read) << read.error().ToString();
  EXPECT_EQ(*read, 8 * kMiB);
  ASSERT_EQ(requests_.size(), 2u);
  EXPECT_EQ(sim::FindHeader(requests_[1].headers, "If-Match"), "\"v1\"");
  server_.FailNext(sim::HttpFault::kShortBody);
  EXPECT_EQ(*Read({.offset = 5, .size = 8 * kMiB}), 8 * kMiB);
}

TEST_F(FetcherTest, AnObjectThatChangesUnderABodyIsSaidToHaveChanged) {
  server_.FailNext(sim::HttpFault::kResetInBody);
  answer_ = [this](const sim::SimHttpRequest&) -> std::optional<sim::SimHttpReply> {
    if (requests_.size() == 2) etag_ = "v2";
    return std::nullopt;
  };
  const auto read = Read({.offset = 5, .size = 8 * kMiB});
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code(), Code::kVersionChanged) << read.error().ToString();
  EXPECT_EQ(Read({.size = 10, .if_match = "v1"}).error().code(), Code::kVersionChanged);
}

TEST_F(FetcherTest, WhatMayHaveHappenedIsNotRepeated) {
  server_.FailNext(sim::HttpFault::kError500);
  const auto put = world_.Run(fetcher_.SendWhole(env(), Put(), 1000, {}));
  ASSERT_FALSE(put);
  EXPECT_EQ(put.error().code(), Code::kUnavailable);
  EXPECT_EQ(put.error().message().find("secret"), std::string::npos) << put.error().message();
  EXPECT_EQ(requests_.size() + counters().retries, 0u);
  // A store that is too busy has done nothing.
  server_.FailNext(sim::HttpFault::kError503);
  EXPECT_TRUE(world_.Run(fetcher_.SendWhole(env(), Put(), kGiB, {})));
}

TEST_F(FetcherTest, CredentialsAreLookedForOnceMore) {
  answer_ = [](const sim::SimHttpRequest& request) -> std::optional<sim::SimHttpReply> {
    if (sim::FindHeader(request.headers, "Authorization") == "key new") return std::nullopt;
    return sim::SimHttpReply{.status = 401, .body = {}};
  };
  EXPECT_TRUE(Read({.size = 10}));
  EXPECT_EQ(signer_->refused, 1);
  answer_ = [](const auto&) { return std::optional(sim::SimHttpReply{.status = 401, .body = {}}); };
  EXPECT_EQ(Read({.size = 10}).error().code(), Code::kUnauthenticated);
  EXPECT_EQ(signer_->refused, 2);
}

TEST_F(FetcherTest, ABodyThatEndsForGoodSaysOfWhatItWas) {
  sim::HttpOptions options;
  options.faults.reset_in_body = 1;
  server_.SetOptions(options);
  const auto read = Read({.size = kMiB});
  ASSERT_FALSE(read);
  const std::string& told = read.error().message();
  EXPECT_TRUE(told.starts_with("s3://b: k: ")) << told;
  EXPECT_EQ(told.find("GET "), told.rfind("GET ")) << told;
  EXPECT_EQ(told.find("secret"), std::string::npos) << told;
}

TEST_F(FetcherTest, AStoreThatIsLeftAloneForTooLongIsSaidToBe) {
  answer_ = [](const auto&) {
    return std::optional(
        sim::SimHttpReply{.status = 503, .headers = {{"Retry-After", "50"}}, .body = {}});
  };
  const Instant begin = env().clock.Now();
  EXPECT_EQ(Read({.size = 10}, seconds(30)).error().code(), Code::kOverloaded);
  const auto read = Read({.size = 10}, seconds(30));
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code(), Code::kOverloaded);
  EXPECT_NE(read.error().message().find("asked for fewer requests"), std::string::npos)
      << read.error().message();
  EXPECT_LT(env().clock.Now() - begin, seconds(1));
  EXPECT_EQ(requests_.size(), 1u);
  answer_ = nullptr;
  EXPECT_TRUE(Read({.size = 10}, seconds(60)));
}

TEST_F(FetcherTest, FailuresAreRetriedWithinABudget) {
  answer_ = [](const auto&) { return std::optional(sim::SimHttpReply{.status = 500, .body = {}}); };
  for (int i = 0; i < 200; ++i) EXPECT_FALSE(Read({.size = 10}));
  // 200 requests pay for 20, and 8 were there to begin with.
  EXPECT_EQ(counters().retries, 28u);
  EXPECT_EQ(counters().requests, 228 + counters().hedges);
}

TEST_F(FetcherTest, ASilentStoreEndsWithTheDeadlineAndLeavesNothing) {
  sim::HttpOptions options;
  options.faults.stall = 1;
  options.faults.stall_time = std::chrono::hours(1);
  server_.SetOptions(options);
  const Instant begin = env().clock.Now();
  const auto read = Read({.size = 5 * kMiB}, seconds(40));
  ASSERT_FALSE(read);
  EXPECT_LE(env().clock.Now() - begin, seconds(40));
  EXPECT_EQ(lane_->limiter().in_flight(), 0u);
}

/// Readers of small ranges, one after the other, for a while.
class FetcherLoadTest : public FetcherTest {
 protected:
  static constexpr int kReaders = 64;

  Task<void> ReadOn(Instant until, std::string object) {
    while (env().clock.Now() < until) {
      const Instant begin = env().clock.Now();
      const auto read = co_await ReadAll({.offset = 1000, .size = 1000, .if_match = "v1"},
                                         {begin + seconds(60), {}}, object);
      took_.push_back(env().clock.Now() - begin);
      if (!read) ++failed_;
    }
  }
  void Load(Duration time) {
    const Instant until = env().clock.Now() + time;
    world_.Run([](FetcherLoadTest* self, Instant end) -> Task<void> {
      TaskGroup group(self->env().executor);
      for (int i = 0; i < kReaders; ++i) {
        // Half of them may have one of their own.
        const bool own = self->objects_ > 0 && i % 2 == 1;
        group.Spawn(self->ReadOn(end, self->objects_ == 0 ? ""
                                      : own               ? fmt::format("{}", i % self->objects_)
                                                          : "hot"));
      }
      co_await group.Join();
    }(this, until));
  }
  Duration Percentile(int percent) {
    std::ranges::sort(took_);
    return took_[took_.size() * static_cast<size_t>(percent) / 100];
  }

  void ExpectToSurviveAnOutage();

  int objects_ = 0;  // beside the hot one; 0: requests name none
  std::vector<Duration> took_;
  int failed_ = 0;
};

void FetcherLoadTest::ExpectToSurviveAnOutage() {
  const Instant zero = env().clock.Now();
  const auto since = [&] { return env().clock.Now() - zero; };
  answer_ = [&](const sim::SimHttpRequest&) -> std::optional<sim::SimHttpReply> {
    if (since() < seconds(5) || since() >= seconds(25)) return std::nullopt;
    return sim::SimHttpReply{.status = 503, .body = std::string("busy")};
  };
  // Somebody who takes long over a large body holds nobody up.
  auto held = world_.Run(fetcher_.Get(env(), "s3://b: k", Make(), {.size = 8 * kMiB}, {}));
  ASSERT_TRUE(held);
  Load(seconds(45));
  std::vector<size_t> by_second(50, 0);
  for (const Instant at : times_) {
    const auto second = static_cast<size_t>((at - zero) / seconds(1));
    if (second < by_second.size()) ++by_second[second];
  }
  const size_t normal = by_second[3];
  ASSERT_GT(normal, 1000u);
  for (size_t second = 7; second < 25; ++second) {
    EXPECT_LT(by_second[second], normal / 10) << "in second " << second;
  }
  for (size_t second = 35; second < 44; ++second) {
    EXPECT_GT(by_second[second], normal * 9 / 10) << "in second " << second;
  }
  EXPECT_EQ(failed_, 0) << "readers see delay, not failure";
  fmt::print(
      "note: {} a second; {} in the two seconds after the first refusal, {} in the 18 that "
      "followed; back to normal in second {}\n",
      normal, by_second[5] + by_second[6],
      std::accumulate(by_second.begin() + 7, by_second.begin() + 25, size_t{0}),
      std::find_if(by_second.begin() + 25, by_second.end(), [&](size_t n) {
        return n > normal * 9 / 10;
      }) - by_second.begin());
}

TEST_F(FetcherLoadTest, AStoreThatRefusesAllIsLeftAloneAndFoundAgain) {
  ExpectToSurviveAnOutage();
}

TEST_F(FetcherLoadTest, SoIsOneOfManyObjects) {
  objects_ = kReaders;
  ExpectToSurviveAnOutage();
}

TEST_F(FetcherLoadTest, SoIsOneOfASingleObject) {
  objects_ = 1;
  ExpectToSurviveAnOutage();
}

TEST_F(FetcherLoadTest, AnObjectThatIsRefusedHoldsUpNoOther) {
  objects_ = 5;
  const auto asked = [&](bool hot) {
    return std::ranges::count_if(requests_, [&](const sim::SimHttpRequest& request) {
      return (request.url.find("hot") != std::string::npos) == hot;
    });
  };
  Load(seconds(10));
  const auto normal = asked(false);
  requests_.clear();
  const Instant end = env().clock.Now() + seconds(10);
  answer_ = [&](const sim::SimHttpRequest& request) -> std::optional<sim::SimHttpReply> {
    const bool hot = request.url.find("hot") != std::string::npos;
    if (!hot || env().clock.Now() >= end) return std::nullopt;
    return sim::SimHttpReply{.status = 503, .body = std::string("busy")};
  };
  Load(seconds(10));
  EXPECT_EQ(failed_, 0);
  EXPECT_GT(asked(false), normal * 9 / 10);
  EXPECT_LT(asked(true), normal / 10);
  EXPECT_FALSE(lane_->slowed());
}

Task<void> EnterInto(Lane* lane, Env& env, std::optional<Turn>* into) {
  auto turn = co_await lane->Enter(env, "hot", {});
  EXPECT_TRUE(turn) << turn.error().ToString();
  if (turn) *into = std::move(*turn);
}

TEST_F(FetcherTest, WhoWaitsForTheLaneWaitsForAnObjectThatClosedMeanwhile) {
  Lane lane({.most = 2, .at_start = 2}, std::make_shared<FetchCounters>());
  Turn other, refused;
  ASSERT_TRUE(lane.TryEnter(env(), "cold", &other));
  ASSERT_TRUE(lane.TryEnter(env(), "hot", &refused));
  TaskGroup group(env().executor);
  std::optional<Turn> waits;
  group.Spawn(EnterInto(&lane, env(), &waits));
  world_.RunFor(milliseconds(10));
  lane.Refused(env(), refused, seconds(10));
  refused.End();
  world_.RunFor(seconds(9));
  EXPECT_FALSE(waits);
  EXPECT_TRUE(lane.slowed("hot"));
  EXPECT_FALSE(lane.slowed("cold"));
  Turn more;
  EXPECT_TRUE(lane.TryEnter(env(), "cold", &more));
  more.End();
  world_.RunFor(seconds(2));
  EXPECT_TRUE(waits);
}

TEST_F(FetcherTest, ObjectsThatNobodyAsksForAreForgotten) {
  size_t most = 0;
  for (int i = 0; i < 5000; ++i) {
    EXPECT_TRUE(world_.Run(ReadAll({.size = 10}, {}, fmt::format("{}", i))));
    most = std::max(most, lane_->objects());
  }
  EXPECT_EQ(most, Lane::kObjectsKept);
}

TEST_F(FetcherLoadTest, OneStallInFiftyIsHardlySeen) {
  Load(seconds(20));
  const Duration p99 = Percentile(99);
  took_.clear();
  times_.clear();
  const uint64_t before = counters().requests;
  sim::HttpOptions options;
  options.latency = milliseconds(12);
  options.bytes_per_second = kGiB;
  options.faults.stall = 0.02;
  options.faults.stall_time = seconds(5);
  server_.SetOptions(options);
  Load(seconds(20));
  const double extra =
      static_cast<double>(counters().requests - before) / static_cast<double>(took_.size()) - 1;
  EXPECT_LE(Percentile(99), 2 * p99);
  EXPECT_LE(extra, 0.05);
  EXPECT_GT(counters().hedges_won, 0u);
  EXPECT_EQ(failed_, 0);
  fmt::print("note: p99 {:.1f} ms, with stalls {:.1f} ms; {:.1f} % more requests\n",
             static_cast<double>(p99.count()) / 1e6,
             static_cast<double>(Percentile(99).count()) / 1e6, 100 * extra);
}

TEST_F(FetcherLoadTest, WhenAllIsSlowNothingIsAskedForTwice) {
  Load(seconds(5));
  sim::HttpOptions options;
  options.latency = milliseconds(900);
  server_.SetOptions(options);
  const uint64_t hedges = counters().hedges;
  Load(seconds(60));
  const uint64_t more = counters().hedges - hedges;
  // At first each looks late; the budget bounds that.
  EXPECT_LE(more, took_.size() / 20);
  EXPECT_EQ(failed_, 0);
}

}  // namespace
}  // namespace forebay::http_origin
