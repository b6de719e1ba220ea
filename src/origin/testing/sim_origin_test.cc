#include "src/origin/testing/sim_origin.h"

#include <gtest/gtest.h>

#include "sim/world.h"
#include "src/origin/testing/origin_contract.h"

namespace forebay {
namespace {

using origin_contract::CodeOf;

class SimHarness final : public OriginHarness {
 public:
  Env& env() override { return world_.env(); }
  SimOrigin& origin() override { return origin_; }
  void Run(Task<void> main) override { world_.Run(std::move(main)); }
  sim::World& world() { return world_; }

 private:
  sim::World world_{1};
  SimOrigin origin_{world_.faults(), 1};
};

INSTANTIATE_TEST_SUITE_P(Sim, OriginContract,
                         testing::Values([]() -> std::unique_ptr<OriginHarness> {
                           return std::make_unique<SimHarness>();
                         }));

Task<void> CountingChecks(SimHarness& h) {
  SimOrigin& origin = h.origin();
  const std::string etag = origin.Make("big", uint64_t{1} << 40);
  std::vector<std::byte> buffer(5000);
  for (const auto& [offset, size] : {std::pair(1000, 5000), {3000, 1000}, {9000, 10}}) {
    const auto body =
        (co_await origin.Get(
             h.env(), "big",
             {.offset = static_cast<uint64_t>(offset), .size = static_cast<uint64_t>(size)}, {}))
            .value();
    const size_t got = (co_await body->Read(buffer, {})).value();
    EXPECT_EQ(got, static_cast<size_t>(size));
    const Bytes bytes = Bytes(buffer).first(got);
    EXPECT_TRUE(origin.IsRight(etag, static_cast<uint64_t>(offset), bytes));
    EXPECT_FALSE(origin.IsRight(etag, static_cast<uint64_t>(offset) + 1, bytes));
    EXPECT_FALSE(origin.IsRight("v0", static_cast<uint64_t>(offset), bytes));
  }
  EXPECT_EQ(origin.counts().gets, 3u);
  EXPECT_EQ(origin.counts().bytes_read, 6010u);
  const auto check = [&](uint64_t offset, uint64_t size, uint64_t least, uint64_t most) {
    const auto times = origin.HowOftenRead(etag, offset, size);
    EXPECT_EQ(times.least, least) << offset;
    EXPECT_EQ(times.most, most) << offset;
  };
  check(0, 20'000, 0, 2);
  check(1000, 5000, 1, 2);
  check(1000, 2000, 1, 1);
  check(3000, 1000, 2, 2);
  check(6000, 3000, 0, 0);
  origin.ResetCounts();
  check(0, 20'000, 0, 0);
  EXPECT_EQ(origin.counts().requests(), 0u);
}

TEST(SimOriginTest, CountsWhatItGives) {
  SimHarness h;
  h.Run(CountingChecks(h));
}

Task<void> FaultChecks(SimHarness& h) {
  SimOrigin& origin = h.origin();
  origin.Make("k", 100'000);
  const auto head_with = [&](SimOriginFaults faults, Call call = {}) {
    origin.SetFaults(faults);
    return origin.Head(h.env(), "k", call);
  };
  EXPECT_EQ(CodeOf(co_await head_with({.unavailable = 1})), Code::kUnavailable);
  EXPECT_EQ(CodeOf(co_await head_with({.overloaded = 1})), Code::kOverloaded);
  EXPECT_EQ(CodeOf(co_await head_with({.denied = 1})), Code::kPermissionDenied);
  const Instant begun = h.env().clock.Now();
  const Call soon{.deadline = begun + std::chrono::seconds(7)};
  EXPECT_EQ(CodeOf(co_await head_with({.hang = 1}, soon)), Code::kDeadlineExceeded);
  EXPECT_EQ(h.env().clock.Now(), soon.deadline);
  EXPECT_EQ(CodeOf(co_await head_with({.hang = 1})), Code::kUnavailable);
  EXPECT_TRUE(co_await head_with({}));

  std::vector<std::byte> buffer(1000);
  auto body = (co_await origin.Get(h.env(), "k", {}, {})).value();
  origin.SetFaults({.small_read = 1});
  EXPECT_LE((co_await body->Read(buffer, {})).value(), 1000u);
  origin.SetFaults({.reset_in_body = 1});
  EXPECT_EQ(CodeOf(co_await body->Read(buffer, {})), Code::kUnavailable);
  origin.SetFaults({});
  EXPECT_EQ(CodeOf(co_await body->Read(buffer, {})), Code::kUnavailable);  // it stays broken

  const std::string old = origin.CurrentEtag("k");
  origin.SetFaults({.change_before = 1});
  EXPECT_EQ(CodeOf(co_await origin.Get(h.env(), "k", {.if_match = old}, {})),
            Code::kVersionChanged);
  EXPECT_NE(origin.CurrentEtag("k"), old);
  origin.SetFaults({.lost_reply = 1});
  EXPECT_EQ(CodeOf(co_await origin_contract::PutText(h, "k", "done")), Code::kUnavailable);
  EXPECT_EQ(origin.ContentsOf("k"), "done");
  EXPECT_EQ(origin.open_uploads(), 0u);
  origin.SetDown(true);
  EXPECT_EQ(CodeOf(co_await head_with({})), Code::kUnavailable);
  EXPECT_GT(h.world().faults().fired("origin.hang"), 0u);
}

TEST(SimOriginTest, MisbehavesAsAsked) {
  SimHarness h;
  h.Run(FaultChecks(h));
}

Task<void> ChangeChecks(SimHarness& h) {
  SimOrigin& origin = h.origin();
  origin.SetFaults({.change_in_body = 0.2});
  int changed = 0, whole = 0;
  for (int i = 0; i < 50; ++i) {
    origin.Make("k", 10'000);
    const auto body = (co_await origin.Get(h.env(), "k", {}, {})).value();
    std::vector<std::byte> buffer(1000);
    for (uint64_t at = 0; at < 10'000; at += 1000) {
      const auto got = co_await body->Read(buffer, {});
      if (!got) {
        EXPECT_EQ(got.error().code(), Code::kVersionChanged);
        ++changed;
        break;
      }
      EXPECT_TRUE(origin.IsRight(body->info().etag, at, buffer));
      if (at == 9000) ++whole;
    }
  }
  EXPECT_GT(changed, 0);
  EXPECT_GT(whole, 0);
}

TEST(SimOriginTest, ABodyIsOfOneVersionHoweverOftenItChanges) {
  SimHarness h;
  h.Run(ChangeChecks(h));
}

}  // namespace
}  // namespace forebay
