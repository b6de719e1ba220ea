// The cases of registry_contract.h.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "src/registry/registry.h"
#include "src/runtime/task_group.h"

namespace forebay {

/// One registry and the loop that it lives on.
class RegistryHarness {
 public:
  virtual ~RegistryHarness() = default;
  virtual Env& env() = 0;
  virtual Registry& registry() = 0;
  virtual void Run(Task<void> main) = 0;
  /// Ends the registry as a planned stop does, and opens it again.
  virtual void Reopen() = 0;
  /// The shortest lease that it grants as asked, and how much later than that it may end.
  virtual Duration shortest_lease() const { return std::chrono::milliseconds(20); }
  virtual Duration lease_delay() const { return 2 * shortest_lease(); }
};
using MakeRegistryHarness = std::unique_ptr<RegistryHarness> (*)();

namespace registry_contract {

inline constexpr Duration kShort = std::chrono::milliseconds(20);

inline Code CodeOf(const auto& result) {
  return result ? Code::kInternal : result.error().code();
}

inline Task<void> ValuesComeBack(RegistryHarness& h) {
  Registry& r = h.registry();
  EXPECT_FALSE((co_await r.Get("a", {})).value().has_value());
  const Revision first = (co_await r.Put("a", "1", {}, 0, {})).value();
  const Revision second = (co_await r.Put("a", std::string("2\0\n", 3), {}, 0, {})).value();
  EXPECT_GT(second, first);
  const auto entry = (co_await r.Get("a", {})).value();
  if (!entry) {
    ADD_FAILURE() << "a is not there";
    co_return;
  }
  EXPECT_EQ(entry->key, "a");
  EXPECT_EQ(entry->value, std::string("2\0\n", 3));
  EXPECT_EQ(entry->created, first);
  EXPECT_EQ(entry->modified, second);
  EXPECT_EQ(entry->lease, 0);
  EXPECT_GT((co_await r.Delete("a", {}, {})).value(), second);
  EXPECT_FALSE((co_await r.Get("a", {})).value().has_value());
  EXPECT_EQ(CodeOf(co_await r.Delete("a", {}, {})), Code::kNotFound);
  EXPECT_EQ(CodeOf(co_await r.Put("", "x", {}, 0, {})), Code::kInvalidArgument);
}

inline Task<void> ListsAreSortedAndOfOneRevision(RegistryHarness& h) {
  Registry& r = h.registry();
  for (const char* key : {"b/2", "a", "b/10", "b", "c", "b/1"}) {
    EXPECT_TRUE(co_await r.Put(key, key, {}, 0, {}));
  }
  const auto some = (co_await r.List("b/", {})).value();
  std::vector<std::string> keys;
  for (const RegistryEntry& entry : some.entries) keys.push_back(entry.key);
  EXPECT_EQ(keys, (std::vector<std::string>{"b/1", "b/10", "b/2"}));
  EXPECT_EQ((co_await r.List("", {})).value().entries.size(), 6u);
  EXPECT_TRUE((co_await r.List("none", {})).value().entries.empty());
  const Revision next = (co_await r.Put("b/3", "", {}, 0, {})).value();
  EXPECT_EQ(next, some.revision + 1);
}

inline Task<void> ChangesHappenOnlyWhereWhatIsExpectedHolds(RegistryHarness& h) {
  Registry& r = h.registry();
  const Revision made = (co_await r.Put("k", "1", Expect::Absent(), 0, {})).value();
  EXPECT_EQ(CodeOf(co_await r.Put("k", "2", Expect::Absent(), 0, {})), Code::kAlreadyExists);
  const Revision later = (co_await r.Put("k", "2", Expect::ModifiedAt(made), 0, {})).value();
  EXPECT_EQ(CodeOf(co_await r.Put("k", "3", Expect::ModifiedAt(made), 0, {})),
            Code::kVersionChanged);
  EXPECT_EQ(CodeOf(co_await r.Put("other", "3", Expect::ModifiedAt(made), 0, {})),
            Code::kVersionChanged);
  EXPECT_EQ(CodeOf(co_await r.Delete("k", Expect::ModifiedAt(made), {})), Code::kVersionChanged);
  EXPECT_EQ((co_await r.Get("k", {})).value()->value, "2");
  EXPECT_TRUE(co_await r.Delete("k", Expect::ModifiedAt(later), {}));
  EXPECT_TRUE(co_await r.Put("k", "4", Expect::Absent(), 0, {}));
}

inline Task<void> AddOne(Registry& r, int* won) {
  for (int tries = 0; tries < 100; ++tries) {
    const auto now = (co_await r.Get("counter", {})).value();
    const Expect expect = now ? Expect::ModifiedAt(now->modified) : Expect::Absent();
    const std::string next = now ? std::to_string(std::stoi(now->value) + 1) : "1";
    const auto put = co_await r.Put("counter", next, expect, 0, {});
    if (!put) continue;
    ++*won;
    co_return;
  }
}

inline Task<void> RacesHaveOneWinnerEach(RegistryHarness& h) {
  TaskGroup group(h.env().executor);
  int won = 0;
  for (int i = 0; i < 8; ++i) group.Spawn(AddOne(h.registry(), &won));
  co_await group.Join();
  EXPECT_EQ(won, 8);
  EXPECT_EQ((co_await h.registry().Get("counter", {})).value()->value, "8");
}

inline Task<void> WithoutItsLeaseAnEntryGoes(RegistryHarness& h) {
  Registry& r = h.registry();
  const LeaseId brief = (co_await r.GrantLease(h.shortest_lease(), {})).value();
  const LeaseId revoked = (co_await r.GrantLease(std::chrono::hours(1), {})).value();
  EXPECT_NE(brief, revoked);
  EXPECT_TRUE(co_await r.Put("brief", "", {}, brief, {}));
  EXPECT_TRUE(co_await r.Put("revoked", "", {}, revoked, {}));
  EXPECT_TRUE(co_await r.Put("freed", "", {}, revoked, {}));
  EXPECT_TRUE(co_await r.Put("freed", "", {}, 0, {}));  // stays: the last put counts
  EXPECT_TRUE(co_await r.RevokeLease(revoked, {}));
  EXPECT_FALSE((co_await r.Get("revoked", {})).value().has_value());
  EXPECT_TRUE((co_await r.Get("freed", {})).value().has_value());
  EXPECT_EQ(CodeOf(co_await r.KeepAlive(revoked, {})), Code::kNotFound);
  EXPECT_EQ(CodeOf(co_await r.RevokeLease(revoked, {})), Code::kNotFound);
  (void)co_await h.env().clock.Sleep(h.shortest_lease() + h.lease_delay());
  EXPECT_FALSE((co_await r.Get("brief", {})).value().has_value());
  EXPECT_EQ(CodeOf(co_await r.KeepAlive(brief, {})), Code::kNotFound);
  EXPECT_EQ(CodeOf(co_await r.Put("late", "", {}, brief, {})), Code::kNotFound);
  EXPECT_EQ(CodeOf(co_await r.GrantLease(Duration(0), {})), Code::kInvalidArgument);
}

inline Task<void> ALeaseKeptAliveStays(RegistryHarness& h) {
  Registry& r = h.registry();
  constexpr Duration kTtl = std::chrono::seconds(2);
  const LeaseId lease = (co_await r.GrantLease(kTtl, {})).value();
  EXPECT_TRUE(co_await r.Put("k", "", {}, lease, {}));
  const Instant end = h.env().clock.Now() + kTtl + kTtl / 2;
  while (h.env().clock.Now() < end) {
    (void)co_await h.env().clock.Sleep(kTtl / 8);
    EXPECT_TRUE(co_await r.KeepAlive(lease, {}));
  }
  EXPECT_TRUE((co_await r.Get("k", {})).value().has_value());
}

/// "k=1 -k": what a watch has told, in order.
inline Task<std::string> Follow(RegistryWatch& watch, size_t changes, Call call) {
  std::string told;
  Revision last = 0;
  for (size_t seen = 0; seen < changes;) {
    const auto next = co_await watch.Next(call);
    if (!next) co_return told + std::string(CodeName(next.error().code()));
    EXPECT_FALSE(next->empty());
    for (const RegistryChange& change : *next) {
      EXPECT_GT(change.entry.modified, last);
      last = change.entry.modified;
      told += change.removed ? "-" + change.entry.key + " "
                             : change.entry.key + "=" + change.entry.value + " ";
      ++seen;
    }
  }
  co_return told;
}

inline Task<void> KeepFollowed(RegistryWatch& watch, size_t changes, std::string* told) {
  *told = co_await Follow(watch, changes, {});
}

inline Task<void> WatchesTellEveryChangeOnce(RegistryHarness& h) {
  Registry& r = h.registry();
  EXPECT_TRUE(co_await r.Put("w/0", "before", {}, 0, {}));
  const Revision since = (co_await r.List("w/", {})).value().revision;
  EXPECT_TRUE(co_await r.Put("w/1", "a", {}, 0, {}));
  const auto watch = (co_await r.Watch("w/", since, {})).value();
  const auto other = (co_await r.Watch("w/2", since, {})).value();
  TaskGroup group(h.env().executor);
  std::string told, told_other;
  group.Spawn(KeepFollowed(*watch, 5, &told));
  group.Spawn(KeepFollowed(*other, 2, &told_other));
  EXPECT_TRUE(co_await r.Put("x", "not watched", {}, 0, {}));
  EXPECT_TRUE(co_await r.Put("w/1", "c", {}, 0, {}));
  EXPECT_TRUE(co_await r.Delete("w/0", {}, {}));
  const LeaseId lease = (co_await r.GrantLease(h.shortest_lease(), {})).value();
  EXPECT_TRUE(co_await r.Put("w/2", "b", {}, lease, {}));
  co_await group.Join();  // nobody asks for anything while the lease ends
  EXPECT_EQ(told, "w/1=a w/1=c -w/0 w/2=b -w/2 ");
  EXPECT_EQ(told_other, "w/2=b -w/2 ");
}

inline Task<void> GiveUp(Env& env, CancelSource& source) {
  (void)co_await env.clock.Sleep(kShort);
  source.Cancel();
}

inline Task<void> WaitsEndByDeadlineAndCancellation(RegistryHarness& h) {
  Registry& r = h.registry();
  const Revision now = (co_await r.List("", {})).value().revision;
  const auto watch = (co_await r.Watch("", now, {})).value();
  EXPECT_EQ(co_await Follow(*watch, 1, {.deadline = h.env().clock.Now() + kShort}),
            CodeName(Code::kDeadlineExceeded));
  CancelSource source;
  TaskGroup group(h.env().executor);
  group.Spawn(GiveUp(h.env(), source));
  EXPECT_EQ(co_await Follow(*watch, 1, {.cancel = source.token()}), CodeName(Code::kCancelled));
  co_await group.Join();
  EXPECT_EQ(CodeOf(co_await r.Put("k", "", {}, 0, {.cancel = source.token()})), Code::kCancelled);
  EXPECT_TRUE(co_await r.Put("k", "1", {}, 0, {}));  // the watch goes on after both
  EXPECT_EQ(co_await Follow(*watch, 1, {}), "k=1 ");
}

inline Task<void> FillBeforeReopening(RegistryHarness& h) {
  Registry& r = h.registry();
  const LeaseId lease = (co_await r.GrantLease(std::chrono::hours(1), {})).value();
  EXPECT_TRUE(co_await r.Put("kept", "value", {}, 0, {}));
  EXPECT_TRUE(co_await r.Put("leased", "value", {}, lease, {}));
}

inline Task<void> CheckAfterReopening(RegistryHarness& h) {
  Registry& r = h.registry();
  const auto all = (co_await r.List("", {})).value();
  if (all.entries.size() != 2) {
    ADD_FAILURE() << all.entries.size() << " entries";
    co_return;
  }
  EXPECT_EQ(all.entries[0].key, "kept");
  EXPECT_EQ(all.entries[1].modified, all.revision);
  EXPECT_TRUE(co_await r.KeepAlive(all.entries[1].lease, {}));
  EXPECT_NE((co_await r.GrantLease(std::chrono::hours(1), {})).value(), all.entries[1].lease);
  EXPECT_EQ(
      (co_await r.Put("kept", "new", Expect::ModifiedAt(all.entries[0].modified), 0, {})).value(),
      all.revision + 1);
}

}  // namespace registry_contract

}  // namespace forebay
