// The driver while its store misbehaves: exact bytes or a clear error, no condition broken, and
// nothing left behind that was said to be there or not to be there.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <map>

#include "sim/seeds.h"
#include "sim/world.h"
#include "src/base/prng.h"
#include "src/base/units.h"
#include "src/origin/azure/azure_origin.h"
#include "src/origin/testing/blob_double.h"
#include "src/origin/testing/origin_contract_cases.h"
#include "src/runtime/task_group.h"

namespace forebay {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr const char* kPrefix = "set/";
constexpr const char* kKey = "aHVudGVyMmh1bnRlcjI=";
constexpr int kWorkers = 4;
constexpr int kSteps = 12;
constexpr int kKeys = 3;

/// What was promised about one key. Writers of a key take turns, so that the last word is known.
struct Promise {
  std::string contents;  // of the last write that was acknowledged
  bool present = false;
  bool unsure = false;  // a write since then failed, and may have happened
  std::string perhaps;  // what it would have written; nothing: a removal
  bool busy = false;
};

class Scene {
 public:
  Scene(sim::World& world, uint64_t seed) : world_(world), prng_(seed), store_(StoreOptions()) {
    world.AddHttpServer("https://account.blob.core.windows.net", store_.Handler());
    world.AddHttpServer("http://169.254.169.254", store_.MachineHandler());
    http_origin::DriverParts parts;
    // Half of them by key, half by tokens, which end while the load goes on.
    const bool by_key = prng_.OneIn(2);
    if (by_key) parts.surroundings.variables = {{"AZURE_STORAGE_KEY", kKey}};
    const std::string url = fmt::format("azure://account/data/set?credentials={}",
                                        by_key ? "env:AZURE_STORAGE_KEY" : "managed-identity");
    origin_ = AzureOrigin::Create(OriginUrl::Parse(url).value(), parts,
                                  {.block_bytes = 20'000, .memory_bytes = 50'000})
                  .value();
  }

  Result<void> Run() {
    world_.Run(RunAll());
    if (!error_.empty()) return Fail(Code::kCorrupt, error_);
    if (done_ == 0) return Fail(Code::kInternal, "nothing ever succeeded");
    return {};
  }

 private:
  Env& env() { return world_.env(); }
  Call Soon() { return {.deadline = env().clock.Now() + minutes(2)}; }
  BlobDoubleOptions StoreOptions() {
    return {.key = kKey,
            .now = [this] { return world_.env().clock.WallNanos(); },
            .most_on_a_page = 5,
            .token_seconds = 7,
            .damages = [this] { return prng_.OneIn(8); }};
  }
  void Wrong(std::string what) {
    if (error_.empty()) error_ = std::move(what);
  }
  /// Errors are clear: they name the origin, never a key that signs, and are no defects.
  void Check(const Error& error) {
    const std::string text = error.ToString();
    if (text.find("aHVudGVy") != text.npos || text.find("token-") != text.npos)
      Wrong("a secret in: " + text);
    if (text.find("azure://account/data/set") == text.npos) Wrong("no name in: " + text);
    if (error.code() == Code::kInternal) Wrong(text);
  }

  Task<void> RunAll() {
    TaskGroup group(env().executor);
    for (int i = 0; i < kWorkers; ++i) group.Spawn(Work());
    co_await group.Join();
  }

  Task<void> Work() {
    for (int step = 0; step < kSteps && error_.empty(); ++step) {
      const std::string key = fmt::format("k{}", prng_.Below(kKeys));
      const uint64_t what = prng_.Below(10);
      if (what < 5) {
        co_await Read(key);
      } else if (what < 6) {
        co_await List();
      } else if (!promises_[key].busy) {
        promises_[key].busy = true;
        if (what < 9) {
          co_await Write(key);
        } else {
          co_await Remove(key);
        }
        promises_[key].busy = false;
      }
      (void)co_await env().clock.Sleep(milliseconds(prng_.Below(200)));
    }
  }

  Task<void> Read(std::string key) {
    const uint64_t offset = prng_.OneIn(2) ? 0 : prng_.Below(70'000);
    const bool judged = prng_.OneIn(2);
    const GetOptions options{.offset = offset, .size = 1 + prng_.Below(80'000), .judged = judged};
    const auto body = co_await origin_->Get(env(), key, options, Soon());
    if (!body) {
      Check(body.error());
      co_return;
    }
    const std::string etag = (*body)->info().etag;
    std::string came;
    std::vector<std::byte> buffer(7000);
    for (;;) {
      const auto read = co_await (*body)->Read(buffer, Soon());
      if (!read) co_return;  // the reader was told
      came += AsText(Bytes(buffer).first(*read));
      // Nobody uses what will be judged before it was.
      const bool all = came.size() == (*body)->size();
      const bool usable = !came.empty() && (all || !(*body)->judged_at_end());
      // A store that lies about its etags cannot be held to them.
      if (usable && store_.EverHad(kPrefix + key, etag) &&
          !store_.IsRight(kPrefix + key, etag, offset, AsBytes(came))) {
        Wrong(fmt::format("wrong bytes of {} at {}", key, offset));
      }
      if (*read == 0) break;
    }
    if (came.size() != (*body)->size()) Wrong("a short body of " + key);
    ++done_;
  }

  Task<void> List() {
    const auto page = co_await origin_->List(env(), {.limit = 2}, Soon());
    if (!page) {
      Check(page.error());
      co_return;
    }
    for (const ListEntry& entry : page->entries) {
      if (!store_.EverHad(kPrefix + entry.key, entry.info.etag)) Wrong("listed " + entry.key);
    }
    ++done_;
  }

  Task<void> Write(std::string key) {
    Promise& promise = promises_[key];
    const std::string text =
        fmt::format("{} {}", ++writes_, origin_contract::Text(prng_.Next(), prng_.Below(70'000)));
    Condition condition;
    if (!promise.unsure) condition.if_absent = prng_.OneIn(3);
    const bool must_fail = condition.if_absent && promise.present;
    auto upload = co_await origin_->Put(env(), key, condition, Soon());
    if (!upload) co_return Check(upload.error());
    const Bytes bytes = AsBytes(text);
    auto result = co_await (*upload)->Write(std::span(&bytes, 1), Soon());
    Result<ObjectInfo> info = Fail(Code::kUnavailable, "");
    if (result) info = co_await (*upload)->Commit(Soon());
    if (!info) co_await (*upload)->Abort();
    if (info) {
      if (must_fail) Wrong("a write over what must be absent: " + key);
      promise = {.contents = text, .present = true, .busy = true};
      ++done_;
      co_return Expect(key);
    }
    if (result) Check(info.error());
    if (!result) Check(result.error());
    const Code code = result ? info.error().code() : result.error().code();
    if (code == Code::kAlreadyExists && !must_fail) Wrong("told to exist: " + key);
    if (!must_fail) promise.unsure = true;
    promise.perhaps = text;
  }

  Task<void> Remove(std::string key) {
    Promise& promise = promises_[key];
    const auto removed = co_await origin_->Delete(env(), key, {}, Soon());
    if (!removed) Check(removed.error());
    if (!removed && removed.error().code() != Code::kNotFound) {
      promise.unsure = true;
      promise.perhaps.clear();
      co_return;
    }
    if (!removed && promise.present && !promise.unsure) Wrong("not found: " + key);
    promise = {.busy = true};
    Expect(key);
    ++done_;
  }

  /// What was acknowledged is in the store, as long as nothing failed since.
  void Expect(const std::string& key) {
    const Promise& promise = promises_[key];
    const auto contents = store_.ContentsOf(kPrefix + key);
    if (contents.has_value() != promise.present || (contents && *contents != promise.contents)) {
      Wrong("not what was acknowledged: " + key);
    }
  }

  sim::World& world_;
  Prng prng_;
  BlobDouble store_;
  std::unique_ptr<AzureOrigin> origin_;
  std::map<std::string, Promise> promises_;
  uint64_t writes_ = 0;
  uint64_t done_ = 0;
  std::string error_;
};

TEST(AzureFaultsTest, ExactBytesOrAClearError) {
  const sim::Scenario scenario{
      .options =
          [](uint64_t seed) {
            // Each fault is off in half of the seeds.
            Prng prng(seed);
            const auto rate = [&](double most) { return prng.OneIn(2) ? 0 : most * prng.Unit(); };
            sim::WorldOptions options;
            options.http.faults = {.connect_failure = rate(0.1),
                                   .error_500 = rate(0.1),
                                   .error_503 = rate(0.1),
                                   .stall = rate(0.02),
                                   .reset_in_body = rate(0.1),
                                   .short_body = rate(0.05),
                                   .other_etag = rate(0.03),
                                   .slow_drip = rate(0.02),
                                   .lost_reply = rate(0.1),
                                   .stall_time = seconds(40)};
            return options;
          },
      .run = [](sim::World& world) { return Scene(world, world.seed()).Run(); },
      .expected_faults = {"http.connect_failure", "http.error_500", "http.error_503", "http.stall",
                          "http.reset", "http.short_body", "http.other_etag", "http.slow_drip",
                          "http.lost_reply"}};
  sim::RunSeeds("azure_faults", {.quick = 50, .ci = 500, .full = 5000}, scenario);
}

}  // namespace
}  // namespace forebay
