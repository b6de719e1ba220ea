#include "src/core/names/name_cache.h"

#include <gtest/gtest.h>

#include <map>

#include "src/base/prng.h"

namespace forebay {
namespace {

KnownName Name(uint64_t n, int64_t fresh_until = 100) {
  return {.version = {{n, n}},
          .size = n,
          .fresh_until_ns = fresh_until,
          .etag = "etag " + std::to_string(n)};
}

TEST(NameCache, KeepsWhatWasLearnt) {
  NameCache cache(1 << 20);
  KnownName known;
  EXPECT_FALSE(cache.Find(1, "a", &known));
  EXPECT_TRUE(cache.Learn(1, "a", Name(7), cache.Ask()));
  ASSERT_TRUE(cache.Find(1, "a", &known));
  EXPECT_EQ(known.size, 7u);
  EXPECT_EQ(known.etag, "etag 7");
  EXPECT_FALSE(cache.Find(2, "a", &known));  // another attachment's
  cache.ForgetVersion(1, "a", {{8, 8}});
  EXPECT_TRUE(cache.Find(1, "a", &known));
  cache.ForgetVersion(1, "a", {{7, 7}});
  EXPECT_FALSE(cache.Find(1, "a", &known));
}

TEST(NameCache, AGuessIsWhatFindFinds) {
  NameCache cache(1 << 20);
  EXPECT_FALSE(cache.Guess(NameCache::HashOf(1, "0")));  // of an empty table
  for (uint64_t n = 0; n < 1000; n += 2) {
    KnownName name = Name(n);
    name.exists = n % 10 != 0;
    cache.Learn(1, std::to_string(n), name, cache.Ask());
  }
  for (uint64_t n = 0; n < 1000; ++n) {
    const Hash128 hash = NameCache::HashOf(1, std::to_string(n));
    cache.FetchSlot(hash);
    cache.FetchEntry(hash);
    KnownName known;
    const bool found = cache.Find(1, std::to_string(n), &known) && known.exists;
    const auto guess = cache.Guess(hash);
    ASSERT_EQ(guess.has_value(), found) << n;
    if (guess) EXPECT_EQ(*guess, known.version);
  }
}

TEST(NameCache, WhatIsFresherStays) {
  NameCache cache(1 << 20);
  EXPECT_TRUE(cache.Learn(1, "a", Name(1, 50), cache.Ask()));
  EXPECT_FALSE(cache.Learn(1, "a", Name(2, 40), cache.Ask()));
  KnownName known;
  ASSERT_TRUE(cache.Find(1, "a", &known));
  EXPECT_EQ(known.size, 1u);
}

TEST(NameCache, AnAnswerOlderThanAWriteIsNotBelieved) {
  NameCache cache(1 << 20);
  const auto asked = cache.Ask();
  const auto write = cache.BeginWrite(1, "a");
  const auto asked_meanwhile = cache.Ask();
  const KnownName written = Name(2);
  cache.EndWrite(1, "a", write, &written);
  EXPECT_TRUE(cache.Outdated(1, "a", asked));
  EXPECT_FALSE(cache.Learn(1, "a", Name(1, 200), asked));
  EXPECT_FALSE(cache.Learn(1, "a", Name(1, 200), asked_meanwhile));
  KnownName known;
  ASSERT_TRUE(cache.Find(1, "a", &known));
  EXPECT_EQ(known.size, 2u);
  EXPECT_TRUE(cache.Learn(1, "a", Name(3, 200), cache.Ask()));
}

TEST(NameCache, WritesThatOverlapLeaveNothing) {
  NameCache cache(1 << 20);
  const KnownName one = Name(1), two = Name(2);
  const auto first = cache.BeginWrite(1, "a");
  const auto second = cache.BeginWrite(1, "a");
  cache.EndWrite(1, "a", first, &one);
  cache.EndWrite(1, "a", second, &two);
  KnownName known;
  EXPECT_FALSE(cache.Find(1, "a", &known));
}

TEST(NameCache, AWriteWithAnUnknownEndLeavesNothing) {
  NameCache cache(1 << 20);
  EXPECT_TRUE(cache.Learn(1, "a", Name(1), cache.Ask()));
  cache.EndWrite(1, "a", cache.BeginWrite(1, "a"), nullptr);
  KnownName known;
  EXPECT_FALSE(cache.Find(1, "a", &known));
}

TEST(NameCache, IsBoundedAndKeepsWhatIsUsed) {
  NameCache cache(1 << 20);
  KnownName known;
  for (uint64_t n = 0; n < 100'000; ++n) {
    cache.Learn(1, "name " + std::to_string(n), Name(n), cache.Ask());
    cache.Find(1, "name 3", &known);
  }
  EXPECT_LE(cache.bytes(), 1u << 20);
  EXPECT_GT(cache.bytes(), 3u << 18);
  EXPECT_TRUE(cache.Find(1, "name 3", &known));
  EXPECT_FALSE(cache.Find(1, "name 4", &known));
}

TEST(NameCache, AnEntryCostsLittleMoreThanItsKey) {
  NameCache cache(1ull << 30);
  constexpr uint64_t kNames = 200'000;
  uint64_t keys = 0;
  for (uint64_t n = 0; n < kNames; ++n) {
    const std::string key = "dataset/train/shard-" + std::to_string(n) + ".tar";
    keys += key.size();
    cache.Learn(1, key, Name(n), cache.Ask());
  }
  EXPECT_EQ(cache.names(), kNames);
  EXPECT_LE(cache.bytes(), keys + 150 * kNames);
}

TEST(NameCache, AgreesWithAMap) {
  NameCache cache(1 << 22);
  std::map<std::string, uint64_t> model;
  Prng prng(3);
  KnownName known;
  for (uint64_t i = 1; i < 50'000; ++i) {
    const std::string key = std::to_string(prng.Below(3000));
    switch (prng.Below(4)) {
      case 0:
        cache.Forget(1, key);
        model.erase(key);
        break;
      case 1: {
        const KnownName name = Name(i);
        cache.EndWrite(1, key, cache.BeginWrite(1, key), &name);
        model[key] = i;
        break;
      }
      default:
        ASSERT_EQ(cache.Find(1, key, &known), model.contains(key)) << key;
        if (model.contains(key)) ASSERT_EQ(known.size, model[key]);
    }
  }
  EXPECT_EQ(cache.names(), model.size());
}

TEST(NameCache, TakesOutWhatIsUnderAPrefix) {
  NameCache cache(1 << 22);
  for (uint64_t n = 0; n < 1000; ++n) {
    cache.Learn(1, (n % 2 == 0 ? "even/" : "odd/") + std::to_string(n), Name(n), cache.Ask());
    cache.Learn(2, "even/" + std::to_string(n), Name(n), cache.Ask());
  }
  size_t taken = 0;
  for (uint32_t stripe = 0; stripe < NameCache::kStripes; ++stripe) {
    taken += cache.Take(stripe, 1, "even/").size();
  }
  EXPECT_EQ(taken, 500u);
  EXPECT_EQ(cache.names(), 1500u);
}

/// What a watcher believes that the cache knows.
class Believer final : public NameWatcher {
 public:
  void Learned(AttachmentId attachment, const Hash128& name, const KnownName& known) override {
    believed_[{attachment, name}] = known.size;
  }
  void Forgotten(AttachmentId attachment, const Hash128& name) override {
    believed_.erase({attachment, name});
  }
  size_t size() const { return believed_.size(); }
  std::optional<uint64_t> Of(AttachmentId attachment, std::string_view key) const {
    const auto found = believed_.find({attachment, HashBytes(AsBytes(key), attachment)});
    return found == believed_.end() ? std::nullopt : std::optional(found->second);
  }

 private:
  std::map<std::pair<AttachmentId, Hash128>, uint64_t> believed_;
};

TEST(NameCache, AWatcherKnowsWhatTheCacheKnows) {
  NameCache cache(1 << 16);  // so small that names push each other out
  Believer believer;
  cache.Learn(1, "before", Name(7), cache.Ask());
  cache.Learn(2, "other", Name(8), cache.Ask());
  cache.Watch(&believer);
  cache.TellAll(1);
  EXPECT_EQ(believer.Of(1, "before"), Name(7).size);
  EXPECT_EQ(believer.size(), 1u);
  cache.TellAll(2);
  Prng prng(3);
  KnownName known;
  for (int i = 0; i < 5000; ++i) {
    const uint64_t n = prng.Below(800);
    const std::string key = std::to_string(n);
    if (prng.OneIn(10)) {
      cache.Forget(1, key);
    } else if (prng.OneIn(10)) {
      const KnownName written = Name(n + 1000);
      cache.EndWrite(1, key, cache.BeginWrite(1, key), prng.OneIn(2) ? &written : nullptr);
    } else {
      cache.Learn(1, key, Name(n), cache.Ask());
    }
    const bool knows = cache.Find(1, key, &known);
    ASSERT_EQ(believer.Of(1, key), knows ? std::optional(known.size) : std::nullopt);
  }
  EXPECT_EQ(believer.size(), cache.names());
  cache.Watch(nullptr);
  cache.Forget(2, "other");
}

}  // namespace
}  // namespace forebay
