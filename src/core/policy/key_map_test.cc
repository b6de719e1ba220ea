#include "src/core/policy/key_map.h"

#include <gtest/gtest.h>

#include <map>

#include "src/base/prng.h"
#include "src/core/policy/ghost_list.h"

namespace forebay {
namespace {

TEST(KeyMap, AgreesWithAnOrderedMap) {
  KeyMap keys;
  std::map<uint64_t, Slot> model;
  Prng prng(1);
  for (int i = 0; i < 200'000; ++i) {
    // Few low bits, so that keys collide and runs of them wrap round the table.
    const uint64_t key = prng.Below(400) << 32 | (prng.Below(4) == 0 ? ~0u : prng.Below(16));
    const auto found = model.find(key);
    ASSERT_EQ(keys.Find(key), found == model.end() ? kNoSlot : found->second);
    if (found == model.end()) {
      if (model.size() < 300) model[key] = keys.Add(key);
    } else if (prng.OneIn(2)) {
      keys.Remove(found->second);
      model.erase(found);
    }
    ASSERT_EQ(keys.size(), model.size());
  }
  EXPECT_LE(keys.slots(), 300u) << "freed slots are used again";
  for (const auto& [key, slot] : model) EXPECT_EQ(keys.KeyOf(slot), key);
}

TEST(GhostList, ForgetsTheOldest) {
  GhostList ghosts(2);
  for (const uint64_t key : {1, 2, 3}) ghosts.Push(key);
  EXPECT_FALSE(ghosts.Take(1));
  EXPECT_TRUE(ghosts.Take(3));
  EXPECT_FALSE(ghosts.Take(3));
  EXPECT_EQ(ghosts.size(), 1u);
}

}  // namespace
}  // namespace forebay
