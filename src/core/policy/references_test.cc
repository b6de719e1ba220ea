// The policies that ours is compared with, and the optimum, against textbook forms of themselves.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <map>

#include "src/base/prng.h"
#include "src/core/policy/arc.h"
#include "src/core/policy/cache_model.h"
#include "src/core/policy/replay.h"
#include "src/core/policy/s3fifo.h"

namespace forebay {
namespace {

using Keys = std::deque<uint64_t>;  // the newest in front

bool Contains(const Keys& keys, uint64_t key) {
  return std::find(keys.begin(), keys.end(), key) != keys.end();
}
void Drop(Keys& keys, uint64_t key) {
  keys.erase(std::find(keys.begin(), keys.end(), key));
}
uint64_t TakeBack(Keys& keys) {
  const uint64_t key = keys.back();
  keys.pop_back();
  return key;
}

/// ARC as in figure 4 of its paper.
class NaiveArc {
 public:
  explicit NaiveArc(size_t c) : c_(c) {}

  bool Read(uint64_t key) {
    for (Keys* list : {&t1_, &t2_}) {
      if (!Contains(*list, key)) continue;
      Drop(*list, key);
      t2_.push_front(key);
      return true;
    }
    if (Contains(b1_, key)) {
      p_ = std::min<double>(c_, p_ + std::max<double>(double(b2_.size()) / b1_.size(), 1));
      Replace(false);
      Drop(b1_, key);
      t2_.push_front(key);
    } else if (Contains(b2_, key)) {
      p_ = std::max<double>(0, p_ - std::max<double>(double(b1_.size()) / b2_.size(), 1));
      Replace(true);
      Drop(b2_, key);
      t2_.push_front(key);
    } else {
      Miss();
      t1_.push_front(key);
    }
    return false;
  }

 private:
  void Miss() {
    const size_t l1 = t1_.size() + b1_.size(), l2 = t2_.size() + b2_.size();
    if (l1 == c_) {
      if (t1_.size() < c_) {
        b1_.pop_back();
        Replace(false);
      } else {
        t1_.pop_back();
      }
    } else if (l1 + l2 >= c_) {
      if (l1 + l2 == 2 * c_) b2_.pop_back();
      Replace(false);
    }
  }

  void Replace(bool in_b2) {
    const double once = double(t1_.size());
    if (!t1_.empty() && (once > p_ || (in_b2 && once == p_))) {
      b1_.push_front(TakeBack(t1_));
    } else {
      b2_.push_front(TakeBack(t2_));
    }
  }

  size_t c_;
  double p_ = 0;
  Keys t1_, t2_, b1_, b2_;
};

/// S3-FIFO with a small queue of a tenth and as many ghosts as the main queue may have entries.
class NaiveS3Fifo {
 public:
  explicit NaiveS3Fifo(size_t capacity) : capacity_(capacity) {}

  bool Read(uint64_t key) {
    if (const auto found = reads_.find(key); found != reads_.end()) {
      found->second = std::min(3, found->second + 1);
      return true;
    }
    if (reads_.size() == capacity_) Evict();
    if (Contains(ghosts_, key)) {
      Drop(ghosts_, key);
      main_.push_front(key);
    } else {
      small_.push_front(key);
    }
    reads_[key] = 0;
    return false;
  }

 private:
  void Evict() {
    for (;;) {
      if (main_.empty() || (!small_.empty() && 10 * small_.size() >= capacity_)) {
        const uint64_t key = TakeBack(small_);
        if (reads_[key] < 2) {
          reads_.erase(key);
          while (!ghosts_.empty() && ghosts_.size() >= capacity_ - capacity_ / 10) {
            ghosts_.pop_back();
          }
          ghosts_.push_front(key);
          return;
        }
        reads_[key] = 0;
        main_.push_front(key);
      } else {
        const uint64_t key = TakeBack(main_);
        if (reads_[key] == 0) {
          reads_.erase(key);
          return;
        }
        --reads_[key];
        main_.push_front(key);
      }
    }
  }

  size_t capacity_;
  Keys small_, main_, ghosts_;
  std::map<uint64_t, int> reads_;
};

/// Popular keys, a drift, and now and then a loop: what makes the lists trade places.
uint64_t KeyOfRead(Prng& prng, int i) {
  const double unit = prng.Unit();
  if ((i / 2000) % 3 == 2) return Mix64(5000 + i % 90);
  return Mix64(static_cast<uint64_t>(unit * unit * 200) + i / 700);
}

template <class Ours, class Theirs>
void ExpectSameHits() {
  for (const uint32_t capacity : {2, 10, 37, 80}) {
    CacheModel ours(std::make_unique<Ours>(capacity + 1), capacity);
    Theirs theirs(capacity);
    Prng prng(capacity);
    int hits = 0;
    for (int i = 0; i < 30'000; ++i) {
      const uint64_t key = KeyOfRead(prng, i);
      const bool hit = theirs.Read(key);
      ASSERT_EQ(ours.Read({.key = key}), hit) << "read " << i << " capacity " << capacity;
      hits += hit ? 1 : 0;
    }
    EXPECT_GT(hits, 200);
  }
}

TEST(Arc, HitsWhatThePaperSays) {
  ExpectSameHits<ArcPolicy, NaiveArc>();
}
TEST(S3Fifo, HitsWhatThePaperSays) {
  ExpectSameHits<S3FifoPolicy, NaiveS3Fifo>();
}

TEST(S3Fifo, OneHitWondersLeaveFirst) {
  S3FifoPolicy policy(16);
  for (Slot slot = 0; slot < 10; ++slot) policy.Insert(slot, {.key = slot});
  policy.Hit(0, {});
  policy.Hit(0, {});  // twice: it goes to the main queue
  policy.Hit(1, {});  // once is not enough
  Slot victim = kNoSlot;
  ASSERT_EQ(policy.Victims({&victim, 1}), 1u);
  EXPECT_EQ(victim, 1u);
}

TEST(Arc, AGhostHitComesBackAsReadAgain) {
  CacheModel model(std::make_unique<ArcPolicy>(3), 2);
  for (const uint64_t key : {1, 2, 1, 3}) model.Read({.key = key});  // 2 became a ghost
  EXPECT_FALSE(model.Read({.key = 2}));
  EXPECT_TRUE(model.Read({.key = 2}));
  EXPECT_FALSE(model.Read({.key = 4}));
}

/// MIN with bypass, looking ahead along the trace for every decision.
uint64_t NaiveOptimum(const std::vector<uint64_t>& reads, size_t capacity) {
  const auto next = [&](uint64_t key, size_t from) {
    return std::find(reads.begin() + static_cast<ptrdiff_t>(from), reads.end(), key) -
           reads.begin();
  };
  Keys cached;
  uint64_t hits = 0;
  for (size_t i = 0; i < reads.size(); ++i) {
    if (Contains(cached, reads[i])) {
      ++hits;
      continue;
    }
    cached.push_back(reads[i]);
    if (cached.size() <= capacity) continue;
    cached.erase(std::max_element(cached.begin(), cached.end(), [&](uint64_t a, uint64_t b) {
      return next(a, i + 1) < next(b, i + 1);
    }));
  }
  return hits;
}

TEST(Optimum, HitsWhatLookingAheadHits) {
  for (const size_t capacity : {1, 3, 20}) {
    Prng prng(capacity);
    Trace trace;
    std::vector<uint64_t> reads;
    for (int i = 0; i < 2000; ++i) {
      reads.push_back(KeyOfRead(prng, i));
      trace.Add(reads.back(), 1);
    }
    EXPECT_EQ(ReplayOptimum(trace, capacity).hits, NaiveOptimum(reads, capacity));
  }
}

TEST(Optimum, ByHand) {
  Trace trace;
  for (const uint64_t key : {1, 2, 3, 1, 2, 4, 1, 2, 3}) trace.Add(key, 1);
  EXPECT_EQ(ReplayOptimum(trace, 2).hits, 4u);  // 1 and 2 stay, 3 and 4 pass by
  EXPECT_EQ(ReplayOptimum(trace, 100).hits, 5u);
}

}  // namespace
}  // namespace forebay
