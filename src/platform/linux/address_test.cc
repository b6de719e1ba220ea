#include "src/platform/linux/address.h"

#include <gtest/gtest.h>

#include <string>

namespace forebay::platform {
namespace {

TEST(Address, ReadsEveryForm) {
  const auto v4 = ParseAddress("10.0.0.7:80");
  ASSERT_TRUE(v4.has_value());
  EXPECT_EQ(v4->host, "10.0.0.7");
  EXPECT_EQ(v4->port, "80");
  const auto v6 = ParseAddress("[::1]:65535");
  ASSERT_TRUE(v6.has_value());
  EXPECT_EQ(v6->host, "::1");
  const auto local = ParseAddress("unix:/run/x.sock");
  ASSERT_TRUE(local.has_value());
  EXPECT_TRUE(local->is_unix);
  EXPECT_EQ(local->host, "/run/x.sock");
}

TEST(Address, RefusesWhatItDoesNotUnderstandByName) {
  const std::string bad[] = {"",
                             "host",
                             ":80",
                             "host:",
                             "host:port",
                             "host:65536",
                             "host:-1",
                             "::1:80",
                             "[::1]",
                             "[]:80",
                             "unix:",
                             "host:80x",
                             "unix:" + std::string(108, 'x')};
  for (const std::string& text : bad) {
    const auto parsed = ParseAddress(text);
    ASSERT_FALSE(parsed.has_value()) << text;
    EXPECT_EQ(parsed.error().code(), Code::kInvalidArgument) << text;
    EXPECT_NE(parsed.error().message().find("\"" + text + "\""), std::string::npos) << text;
  }
}

TEST(Address, NumbersNeedNoResolverAndComeBack) {
  for (const char* text : {"127.0.0.1:80", "[::1]:443", "unix:/tmp/x"}) {
    const auto all = ResolveNumeric(*ParseAddress(text));
    ASSERT_EQ(all.size(), 1u) << text;
    EXPECT_EQ(all.front().ToString(), text);
  }
  EXPECT_TRUE(ResolveNumeric(*ParseAddress("localhost:80")).empty());
}

}  // namespace
}  // namespace forebay::platform
