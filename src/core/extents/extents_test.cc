#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <vector>

#include "src/base/prng.h"
#include "src/core/extents/extent_allocator.h"

namespace forebay {
namespace {

TEST(ExtentAllocator, TakesTheTightestRunAndMergesNeighbours) {
  ExtentAllocator extents;
  extents.Free({0, 10});
  extents.Free({20, 5});
  extents.Free({30, 7});
  EXPECT_EQ(extents.Allocate(5), (Extent{20, 5}));
  EXPECT_EQ(extents.Allocate(6), (Extent{30, 6}));
  EXPECT_EQ(extents.free_pages(), 11u);
  EXPECT_FALSE(extents.Allocate(11));
  EXPECT_EQ(extents.MergedPages({10, 10}), 20u);
  extents.Free({10, 10});
  extents.Free({20, 5});
  EXPECT_EQ(extents.largest(), 25u);
  EXPECT_EQ(extents.runs(), 2u);
  EXPECT_EQ(extents.StartingAt(0), (Extent{0, 25}));
  EXPECT_EQ(extents.EndingAt(25), (Extent{0, 25}));
  EXPECT_FALSE(extents.StartingAt(1));
}

/// The plainest model: one bool a page.
class Model {
 public:
  explicit Model(uint32_t pages) : free_(pages, false) {}
  void Free(Extent e) { Set(e, true); }
  void Take(Extent e) { Set(e, false); }
  uint32_t TightestFor(uint32_t pages) const {
    uint32_t best = ~0u;
    for (uint32_t at = 0; at < free_.size();) {
      uint32_t end = at;
      while (end < free_.size() && free_[end] == free_[at]) ++end;
      if (free_[at] && end - at >= pages) best = std::min(best, end - at);
      at = end;
    }
    return best;
  }

 private:
  void Set(Extent e, bool value) {
    for (uint32_t page = e.first; page < e.first + e.pages; ++page) {
      ASSERT_NE(free_[page], value) << "page " << page;
      free_[page] = value;
    }
  }
  std::vector<bool> free_;
};

TEST(ExtentAllocator, AgreesWithABitmapOverRandomUse) {
  constexpr uint32_t kPages = 4000;
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    Prng prng(seed);
    ExtentAllocator extents;
    Model model(kPages);
    extents.Free({0, kPages});
    model.Free({0, kPages});
    std::vector<Extent> taken;
    uint64_t used = 0;
    for (int step = 0; step < 2000; ++step) {
      if (taken.empty() || prng.Below(2) == 0) {
        const auto pages = static_cast<uint32_t>(1 + prng.Below(120));
        const uint32_t tightest = model.TightestFor(pages);
        const auto extent = extents.Allocate(pages);
        ASSERT_EQ(extent.has_value(), tightest != ~0u);
        if (!extent) continue;
        model.Take(*extent);
        taken.push_back(*extent);
        used += pages;
      } else {
        const size_t at = prng.Below(taken.size());
        extents.Free(taken[at]);
        model.Free(taken[at]);
        used -= taken[at].pages;
        taken.erase(taken.begin() + static_cast<ptrdiff_t>(at));
      }
      ASSERT_EQ(extents.free_pages(), kPages - used);
    }
    for (const Extent& extent : taken) extents.Free(extent);
    EXPECT_EQ(extents.runs(), 1u);
    EXPECT_EQ(extents.largest(), kPages);
  }
}

TEST(ExtentAllocator, FindsLongRunsWhoseBinHoldsSeveralLengths) {
  ExtentAllocator extents;
  extents.Free({0, 5000});
  extents.Free({10000, 5010});
  extents.Free({20000, 5005});
  EXPECT_EQ(extents.Allocate(5001)->first, 20000u);
  EXPECT_EQ(extents.Allocate(5005)->first, 10000u);
  EXPECT_FALSE(extents.Allocate(5001));
}

TEST(PageTable, KeepsWhatWasNotErased) {
  PageTable table;
  std::map<uint32_t, uint32_t> model;
  Prng prng(7);
  for (int step = 0; step < 20000; ++step) {
    const auto page = static_cast<uint32_t>(prng.Below(500));
    if (model.contains(page)) {
      table.Erase(page);
      model.erase(page);
    } else {
      table.Insert(page, static_cast<uint32_t>(step));
      model[page] = static_cast<uint32_t>(step);
    }
  }
  for (uint32_t page = 0; page < 500; ++page) {
    const auto known = model.find(page);
    EXPECT_EQ(table.Find(page), known == model.end() ? std::nullopt : std::optional(known->second));
  }
}

}  // namespace
}  // namespace forebay
