#include <gtest/gtest.h>

#include <thread>

#include "src/base/prng.h"
#include "src/core/names/name_cache.h"

namespace forebay {
namespace {

TEST(NameCacheThreads, FindWhatTheyLearnt) {
  NameCache cache(1 << 18);
  std::vector<std::thread> threads;
  for (uint64_t t = 0; t < 4; ++t) {
    threads.emplace_back([&cache, t] {
      Prng prng(t);
      KnownName known;
      for (int i = 0; i < 20'000; ++i) {
        const uint64_t n = prng.Below(5000);
        const std::string key = std::to_string(n);
        if (cache.Find(1, key, &known)) {
          EXPECT_EQ(known.etag, "etag " + key);
        } else {
          cache.Learn(
              1, key,
              {.version = {{n, n}}, .size = n, .fresh_until_ns = 100, .etag = "etag " + key},
              cache.Ask());
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace forebay
