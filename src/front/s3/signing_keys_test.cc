#include "src/front/s3/signing_keys.h"

#include <gtest/gtest.h>

#include <string>

namespace forebay::s3door {
namespace {

constexpr SigningKeys::Scope kScope = {"AKIA", "20261121", "us-east-1"};

TEST(SigningKeysTest, AKeyIsKnownForItsScopeOnly) {
  SigningKeys keys(8);
  const s3::SigningKey key = s3::SigningKeyOf("secret", "20261121", "us-east-1");
  EXPECT_EQ(keys.Find(kScope, 0), nullptr);
  keys.Learn(kScope, 0, key);
  ASSERT_NE(keys.Find(kScope, 0), nullptr);
  EXPECT_EQ(*keys.Find(kScope, 0), key);
  EXPECT_EQ(keys.Find({"AKIB", "20261121", "us-east-1"}, 0), nullptr);
  EXPECT_EQ(keys.Find({"AKIA", "20261122", "us-east-1"}, 0), nullptr);
  EXPECT_EQ(keys.Find({"AKIA", "20261121", "us-east-2"}, 0), nullptr);
}

TEST(SigningKeysTest, NewSecretsForgetAll) {
  SigningKeys keys(8);
  const s3::SigningKey key = s3::SigningKeyOf("secret", "20261121", "us-east-1");
  keys.Learn(kScope, 1, key);
  EXPECT_EQ(keys.Find(kScope, 2), nullptr);
  EXPECT_EQ(keys.size(), 0u);
  // One that was derived while the secrets changed is of the old ones.
  keys.Learn(kScope, 1, key);
  EXPECT_EQ(keys.Find(kScope, 2), nullptr);
}

TEST(SigningKeysTest, WhatWasNotUsedLongestGoesFirst) {
  SigningKeys keys(3);
  const s3::SigningKey key = s3::SigningKeyOf("secret", "20261121", "us-east-1");
  const auto scope = [](const std::string& name) {
    return SigningKeys::Scope{name, "20261121", "us-east-1"};
  };
  const std::string names[] = {"a", "b", "c", "d"};
  for (int i = 0; i < 3; ++i) keys.Learn(scope(names[i]), 0, key);
  EXPECT_NE(keys.Find(scope(names[0]), 0), nullptr);
  keys.Learn(scope(names[3]), 0, key);
  EXPECT_EQ(keys.size(), 3u);
  EXPECT_EQ(keys.Find(scope(names[1]), 0), nullptr);
  for (const int i : {0, 2, 3}) EXPECT_NE(keys.Find(scope(names[i]), 0), nullptr) << i;
}

}  // namespace
}  // namespace forebay::s3door
