// The registry on a simulated etcd: the contract, and what befalls it one at a time.
#include "src/registry/etcd/etcd_registry.h"

#include <fmt/format.h>

#include "sim/sim_network.h"
#include "src/registry/testing/registry_contract.h"
#include "src/registry/testing/sim_etcd.h"

namespace forebay {
namespace {

using namespace std::chrono_literals;
using registry_contract::CodeOf;
using registry_contract::Follow;
using sim::HttpFault;

Task<Result<std::unique_ptr<EtcdRegistry>>> Open(Env& env, std::string url,
                                                 etcd::Variables variables = {}) {
  FB_CO_ASSIGN(EtcdUrl parsed, EtcdUrl::Parse(url));
  co_return co_await EtcdRegistry::Open(env, std::move(parsed), std::move(variables), {}, {});
}

class SimHarness final : public RegistryHarness {
 public:
  SimHarness() { Reopen(); }
  Env& env() override { return node_.env(); }
  Registry& registry() override { return *registry_; }
  void Run(Task<void> main) override { world_.Run(std::move(main)); }
  void Reopen() override {
    registry_.reset();
    auto opened = world_.Run(Open(env(), etcd_.Url("cell")));
    ASSERT_TRUE(opened) << opened.error().ToString();
    registry_ = std::move(*opened);
  }
  Duration shortest_lease() const override { return 1s; }
  Duration lease_delay() const override { return 100ms; }

 private:
  sim::World world_{1};
  SimEtcd etcd_{world_, {.least_lease = 1s}};
  sim::Node& node_ = world_.AddNode("n");
  std::unique_ptr<EtcdRegistry> registry_;
};

INSTANTIATE_TEST_SUITE_P(SimEtcd, RegistryContract,
                         testing::Values([]() -> std::unique_ptr<RegistryHarness> {
                           return std::make_unique<SimHarness>();
                         }));

class EtcdRegistryTest : public testing::Test {
 protected:
  void SetUp() override { Open({}); }
  void Open(etcd::EtcdOptions options) {
    registry_.reset();
    auto opened = world_.Run(EtcdRegistry::Open(
        node_.env(), EtcdUrl::Parse(etcd_.Url("cell")).value(), {}, options, {}));
    ASSERT_TRUE(opened) << opened.error().ToString();
    registry_ = std::move(*opened);
  }
  Call Within(Duration time) { return {.deadline = world_.Now() + time}; }
  Result<Revision> Put(std::string key, std::string value, Expect expect = {}, Call call = {}) {
    return world_.Run(registry_->Put(std::move(key), std::move(value), expect, 0, call));
  }
  std::string Get(std::string key) {
    const auto entry = world_.Run(registry_->Get(std::move(key), {}));
    if (!entry) return entry.error().ToString();
    return *entry ? (*entry)->value : "nothing";
  }
  Revision Now() { return world_.Run(registry_->List("", {})).value().revision; }
  std::unique_ptr<RegistryWatch> Watch(std::string prefix, Revision since) {
    return world_.Run(registry_->Watch(std::move(prefix), since, {})).value();
  }
  std::string Told(RegistryWatch& watch, size_t changes, Duration within) {
    return world_.Run(Follow(watch, changes, Within(within)));
  }
  void FailNext(HttpFault fault) {
    for (int i = 0; i < etcd_.members(); ++i) etcd_.server(i).FailNext(fault);
  }

  sim::World world_{1};
  SimEtcd etcd_{world_};
  sim::Node& node_ = world_.AddNode("n");
  std::unique_ptr<EtcdRegistry> registry_;
};

// -- What else is in etcd.

TEST_F(EtcdRegistryTest, AForeignPrefixFullOfGarbageDisturbsNothing) {
  EtcdModel& model = etcd_.model();
  const std::string garbage("\0\xff\x80{\"", 5);
  for (const char* key : {"/forebay/cell", "/forebay/cell-2/a", "/forebay/cell0", "/forebay/", "a",
                          "/registry/pods/x", "\xff\xff", "/forebay/cel/a"}) {
    model.Put(key, garbage, 0);
  }
  ASSERT_TRUE(Put("a", "1"));
  const auto all = world_.Run(registry_->List("", {})).value();
  ASSERT_EQ(all.entries.size(), 1u);
  EXPECT_EQ(all.entries[0].key, "a");
  const auto watch = Watch("", all.revision);
  for (int i = 0; i < 100; ++i) model.Put(fmt::format("/forebay/cell0/{}", i), garbage, 0);
  model.Put("/forebay/cell/b", garbage, 0);  // of ours, from somebody else
  EXPECT_EQ(Told(*watch, 1, 1min), "b=" + garbage + " ");
}

TEST_F(EtcdRegistryTest, AListComesInPagesOfOneRevision) {
  for (int i = 0; i < 2500; ++i) etcd_.model().Put(fmt::format("/forebay/cell/k/{}", i), "v", 0);
  const auto all = world_.Run(registry_->List("k/", {})).value();
  EXPECT_EQ(all.entries.size(), 2500u);
  EXPECT_TRUE(std::ranges::is_sorted(all.entries, {}, &RegistryEntry::key));
  EXPECT_EQ(all.revision, etcd_.model().revision());
}

TEST_F(EtcdRegistryTest, SizesAreBounded) {
  EXPECT_EQ(CodeOf(Put(std::string(kMaxEtcdKeyBytes + 1, 'k'), "")), Code::kInvalidArgument);
  EXPECT_EQ(CodeOf(Put("k", std::string(kMaxEtcdValueBytes + 1, 'v'))), Code::kInvalidArgument);
  EXPECT_TRUE(Put(std::string(kMaxEtcdKeyBytes, 'k'), std::string(kMaxEtcdValueBytes, 'v')));
}

// -- Answers that do not come.

TEST_F(EtcdRegistryTest, AMemberThatIsGoneIsPassedOver) {
  for (int gone = 0; gone < etcd_.members(); ++gone) {
    etcd_.Stop(gone);
    EXPECT_TRUE(Put("k", std::to_string(gone), {}, Within(1s)));
    EXPECT_EQ(Get("k"), std::to_string(gone));
    etcd_.Start(gone);
  }
}

TEST_F(EtcdRegistryTest, WithoutAnybodyTheErrorNamesAllEndpoints) {
  for (int i = 0; i < etcd_.members(); ++i) etcd_.Stop(i);
  const auto put = Put("k", "");
  ASSERT_FALSE(put.has_value());
  EXPECT_EQ(put.error().code(), Code::kUnavailable);
  for (const char* name : {"etcd0", "etcd1", "etcd2", "check that etcd runs"}) {
    EXPECT_NE(put.error().message().find(name), std::string::npos) << put.error().message();
  }
  const Instant began = world_.Now();
  const auto entry = world_.Run(registry_->Get("k", Within(3s)));
  EXPECT_FALSE(entry.has_value());
  EXPECT_EQ(world_.Now() - began, 3s);
}

TEST_F(EtcdRegistryTest, ALostQuorumIsSaidAndSurvived) {
  etcd_.Stop(0);
  etcd_.Stop(1);
  const auto put = Put("k", "1", {}, Within(5s));
  ASSERT_FALSE(put.has_value());
  EXPECT_EQ(put.error().code(), Code::kDeadlineExceeded);
  EXPECT_NE(put.error().message().find("quorum"), std::string::npos) << put.error().message();
  EXPECT_EQ(etcd_.model().revision(), 1);
  etcd_.Start(0);
  EXPECT_TRUE(Put("k", "1"));
}

TEST_F(EtcdRegistryTest, AMemberCutOffFromItsPeersIsLeft) {
  const auto watch = Watch("", Now());
  for (int cut = 0; cut < etcd_.members(); ++cut) {
    for (int other = 0; other < etcd_.members(); ++other) {
      if (other != cut) world_.net().Partition(etcd_.node(cut), etcd_.node(other));
    }
    EXPECT_TRUE(Put("k", std::to_string(cut), {}, Within(1s)));
    EXPECT_EQ(Told(*watch, 1, 5s), fmt::format("k={} ", cut));
    world_.net().HealAll();
  }
}

TEST_F(EtcdRegistryTest, AnUnconditionedChangeIsNeverDoneTwice) {
  FailNext(HttpFault::kLostReply);
  const auto put = Put("k", "1");
  ASSERT_FALSE(put.has_value());
  EXPECT_EQ(put.error().code(), Code::kUnavailable);
  EXPECT_NE(put.error().message().find("may have happened"), std::string::npos);
  EXPECT_EQ(etcd_.model().revision(), 2);
  EXPECT_EQ(etcd_.model().entries().at("/forebay/cell/k").value, "1");
}

TEST_F(EtcdRegistryTest, WhatHasNotLeftIsTriedAgain) {
  for (int i = 0; i < 20; ++i) {
    FailNext(HttpFault::kConnectFailure);
    EXPECT_TRUE(Put("k", std::to_string(i), {}, Within(2s)));
  }
  EXPECT_EQ(etcd_.model().revision(), 21);
}

TEST_F(EtcdRegistryTest, AChangeOfARevisionIsTriedAgainAndItsOutcomeNeverGuessed) {
  Revision last = Put("k", "0").value();
  FailNext(HttpFault::kError503);  // it may have happened, but has not
  const auto second = Put("k", "1", Expect::ModifiedAt(last));
  ASSERT_TRUE(second) << second.error().ToString();
  FailNext(HttpFault::kLostReply);  // it has happened
  const auto third = Put("k", "2", Expect::ModifiedAt(*second));
  ASSERT_FALSE(third.has_value());
  EXPECT_EQ(third.error().code(), Code::kUnavailable) << third.error().ToString();
  EXPECT_EQ(etcd_.model().entries().at("/forebay/cell/k").value, "2");
}

TEST_F(EtcdRegistryTest, ALeaseRevokedTwiceForALostAnswerIsRevoked) {
  const LeaseId lease = world_.Run(registry_->GrantLease(1min, {})).value();
  FailNext(HttpFault::kLostReply);
  EXPECT_TRUE(world_.Run(registry_->RevokeLease(lease, {})));
  EXPECT_EQ(CodeOf(world_.Run(registry_->RevokeLease(lease, {}))), Code::kNotFound);
}

TEST_F(EtcdRegistryTest, AnAnswerThatIsNoneIsNotBelieved) {
  ASSERT_TRUE(Put("k", "1"));
  FailNext(HttpFault::kShortBody);
  EXPECT_EQ(Get("k"), "1");
  FailNext(HttpFault::kShortBody);
  EXPECT_EQ(CodeOf(Put("k", "2")), Code::kUnavailable);
}

// -- Watches.

TEST_F(EtcdRegistryTest, AWatchGoesOnWhenItsMemberDies) {
  const auto watch = Watch("", Now());
  for (int round = 0; round < 6; ++round) {
    const int gone = round % etcd_.members();
    etcd_.Stop(gone, round < 3 ? sim::CrashKind::kProcess : sim::CrashKind::kPower);
    // The node's own requests find out what the watch cannot hear.
    EXPECT_TRUE(Put("k", std::to_string(round), {}, Within(1s)));
    EXPECT_EQ(Told(*watch, 1, 5s), fmt::format("k={} ", round));
    etcd_.Start(gone);
  }
}

TEST_F(EtcdRegistryTest, AWatchAloneNoticesASilentEndpoint) {
  for (int gone = 0; gone < etcd_.members(); ++gone) {
    const auto watch = Watch("", Now());
    EXPECT_EQ(Told(*watch, 1, 1s), CodeName(Code::kDeadlineExceeded));  // it is open
    etcd_.Stop(gone, sim::CrashKind::kPower);
    etcd_.model().Put("/forebay/cell/k", std::to_string(gone), 0);
    EXPECT_EQ(Told(*watch, 1, 40s), fmt::format("k={} ", gone));
    etcd_.Start(gone);
  }
}

/// Nobody tells the watch, and there is no other member to go to.
TEST(EtcdRegistry, AWatchGoesOnWhenTheOnlyMembersMachineIsBack) {
  sim::World world(1);
  SimEtcd etcd(world, {.members = 1});
  sim::Node& node = world.AddNode("n");
  const auto registry = world.Run(Open(node.env(), etcd.Url("cell"))).value();
  const auto put = [&](const char* value, Duration within) {
    return world.Run(registry->Put("k", value, {}, 0, {.deadline = world.Now() + within}));
  };
  const Revision since = world.Run(registry->List("", {})).value().revision;
  const auto watch = world.Run(registry->Watch("", since, {})).value();
  const auto told = [&](Duration within) {
    return world.Run(Follow(*watch, 1, {.deadline = world.Now() + within}));
  };
  EXPECT_EQ(told(1s), CodeName(Code::kDeadlineExceeded));  // it is open
  for (int round = 0; round < 10; ++round) {               // of half of all streams the end is told
    etcd.Stop(0, sim::CrashKind::kPower);
    EXPECT_FALSE(put("while it is away", 15s).has_value());
    etcd.Start(0);
    EXPECT_TRUE(put("1", 5s));
    EXPECT_EQ(told(5s), "k=1 ");
  }
}

TEST_F(EtcdRegistryTest, AWatchOutlivesAnEtcdThatIsAwayForLong) {
  const auto watch = Watch("", Now());
  for (int i = 0; i < etcd_.members(); ++i) etcd_.Stop(i);
  EXPECT_EQ(Told(*watch, 1, 10min), CodeName(Code::kDeadlineExceeded));
  for (int i = 0; i < etcd_.members(); ++i) etcd_.Start(i);
  etcd_.model().Put("/forebay/cell/k", "1", 0);
  EXPECT_EQ(Told(*watch, 1, 5s), "k=1 ");
}

TEST_F(EtcdRegistryTest, WhatWasCompactedUnseenIsTold) {
  const Revision since = Now();
  const auto watch = Watch("", since);
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(Put("k", std::to_string(i)));
  etcd_.Compact(since + 4);
  const auto missed = world_.Run(watch->Next(Within(5s)));
  ASSERT_FALSE(missed.has_value());
  EXPECT_EQ(missed.error().code(), Code::kCorrupt);
  EXPECT_NE(missed.error().message().find("list it again"), std::string::npos);
  EXPECT_EQ(CodeOf(world_.Run(watch->Next(Within(5s)))), Code::kCorrupt);
  const auto fresh = Watch("", since + 4);
  EXPECT_EQ(Told(*fresh, 1, 5s), "k=4 ");
}

TEST_F(EtcdRegistryTest, AnEtcdThatLostItsPastIsNotWaitedFor) {
  const auto watch = Watch("", 1'000'000);
  const auto missed = world_.Run(watch->Next(Within(5s)));
  ASSERT_FALSE(missed.has_value());
  EXPECT_EQ(missed.error().code(), Code::kCorrupt);
  EXPECT_NE(missed.error().message().find("restored"), std::string::npos);
}

TEST_F(EtcdRegistryTest, AClosedWatchLeavesNothingBehind) {
  for (int i = 0; i < 10; ++i) {
    const auto watch = Watch("", Now());
    EXPECT_EQ(Told(*watch, 1, 1s), CodeName(Code::kDeadlineExceeded));
  }
  ASSERT_TRUE(Put("k", ""));
  EXPECT_EQ(etcd_.watches(), 0u);
}

// -- Who asks.

class EtcdUserTest : public testing::Test {
 protected:
  Result<std::unique_ptr<EtcdRegistry>> Open(const std::string& parameters,
                                             etcd::Variables variables = {}) {
    return world_.Run(
        forebay::Open(node_.env(), etcd_.Url("cell") + parameters, std::move(variables)));
  }
  sim::World world_{1};
  SimEtcd etcd_{world_, {.user = "forebay", .password = "s3cret:\"\\"}};
  sim::Node& node_ = world_.AddNode("n");
};

TEST_F(EtcdUserTest, AuthenticatesAgainWhenItsTokenIsForgotten) {
  const auto opened = Open("?credentials=env:ETCD", {{"ETCD", "forebay:s3cret:\"\\\n"}});
  ASSERT_TRUE(opened) << opened.error().ToString();
  EXPECT_TRUE(world_.Run((*opened)->Put("k", "1", {}, 0, {})));
  const auto watch = world_.Run((*opened)->Watch("", 0, {})).value();
  etcd_.ForgetTokens();
  EXPECT_TRUE(world_.Run((*opened)->Put("k", "2", {}, 0, {})));
  EXPECT_EQ(etcd_.model().revision(), 3);
  etcd_.ForgetTokens();
  EXPECT_EQ(world_.Run(Follow(*watch, 2, {})), "k=1 k=2 ");
}

TEST_F(EtcdUserTest, SaysWhatIsWrongAndNeverThePassword) {
  const auto error = [&](const std::string& parameters, etcd::Variables variables = {}) {
    const auto opened = Open(parameters, std::move(variables));
    EXPECT_FALSE(opened.has_value()) << parameters;
    const Error told = opened ? Error(Code::kInternal, "") : opened.error();
    EXPECT_EQ(told.message().find("s3cret"), std::string::npos) << told.message();
    return told;
  };
  EXPECT_NE(error("").message().find("?credentials="), std::string::npos);
  EXPECT_EQ(error("").code(), Code::kUnauthenticated);
  const Error wrong = error("?credentials=env:E", {{"E", "forebay:not s3cret"}});
  EXPECT_EQ(wrong.code(), Code::kUnauthenticated);
  EXPECT_NE(wrong.message().find("authentication failed"), std::string::npos) << wrong.message();
  EXPECT_NE(error("?credentials=env:NONE").message().find("env:NONE holds no line USER:PASSWORD"),
            std::string::npos);
  EXPECT_NE(error("?credentials=env:E", {{"E", "s3cret"}}).message().find("USER:PASSWORD"),
            std::string::npos);
  EXPECT_EQ(error("?credentials=file:/none").code(), Code::kNotFound);
}

}  // namespace
}  // namespace forebay
