#include "src/front/s3/attribute_cache.h"

#include <gtest/gtest.h>

#include <string>

namespace forebay::s3door {
namespace {

constexpr int64_t kSecond = 1'000'000'000;
constexpr int64_t kNow = 1000 * kSecond;
constexpr int64_t kLongAgo = 10 * kSecond;

AttributeCache::Value Said(std::string what) {
  return std::make_shared<const Described>(
      Described{.attributes = {}, .etag = {}, .content_type = std::move(what), .lines = {}});
}

VersionId Version(std::string_view etag) {
  return MakeVersionId(1, "key", etag, 5);
}

TEST(S3AttributeCache, TellsEqualBytesOfOtherTimesApart) {
  AttributeCache cache(1 << 20);
  cache.Learn(Version("a"), kLongAgo, kNow, Said("old"));
  ASSERT_NE(cache.Find(Version("a"), kLongAgo), nullptr);
  EXPECT_EQ(cache.Find(Version("a"), kLongAgo + kSecond), nullptr);
  EXPECT_EQ(cache.Find(Version("b"), kLongAgo), nullptr);
  cache.Learn(Version("a"), kLongAgo + kSecond, kNow, Said("new"));
  EXPECT_EQ(cache.Find(Version("a"), kLongAgo + kSecond)->content_type, "new");
  EXPECT_EQ(cache.Find(Version("a"), kLongAgo), nullptr);
}

TEST(S3AttributeCache, KeepsNothingThatMayChangeWithinASecond) {
  AttributeCache cache(1 << 20);
  cache.Learn(Version("a"), kNow - kSecond, kNow, Said("first"));
  EXPECT_EQ(cache.Find(Version("a"), kNow - kSecond), nullptr);
  cache.Learn(Version("a"), kNow - kSecond, kNow + 10 * kSecond, Said("settled"));
  EXPECT_NE(cache.Find(Version("a"), kNow - kSecond), nullptr);
}

TEST(S3AttributeCache, WhatWasNotAskedForLongestGoesFirst) {
  AttributeCache cache(1100, 1);  // of three
  for (const char* etag : {"a", "b", "c"}) cache.Learn(Version(etag), kLongAgo, kNow, Said(etag));
  ASSERT_NE(cache.Find(Version("a"), kLongAgo), nullptr);
  cache.Learn(Version("d"), kLongAgo, kNow, Said("d"));
  EXPECT_NE(cache.Find(Version("a"), kLongAgo), nullptr);
  EXPECT_EQ(cache.Find(Version("b"), kLongAgo), nullptr);
}

}  // namespace
}  // namespace forebay::s3door
