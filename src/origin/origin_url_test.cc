#include "src/origin/origin_url.h"

#include <gtest/gtest.h>

namespace forebay {
namespace {

TEST(OriginUrlTest, HasItsParts) {
  const auto url = OriginUrl::Parse(
      "s3://my-bucket.eu/data/dt=2026-11-21/?endpoint=http%3A%2F%2Fhost:9000&style=path");
  ASSERT_TRUE(url) << url.error().ToString();
  EXPECT_EQ(url->scheme, "s3");
  EXPECT_EQ(url->authority, "my-bucket.eu");
  EXPECT_EQ(url->path, "data/dt=2026-11-21/");
  EXPECT_EQ(url->Parameter("endpoint"), "http://host:9000");
  EXPECT_EQ(url->Parameter("style"), "path");
  EXPECT_EQ(url->Parameter("region"), "");
  EXPECT_EQ(url->ToString(),
            "s3://my-bucket.eu/data/dt=2026-11-21/?endpoint=http://host:9000&style=path");
  EXPECT_EQ(OriginUrl::Parse("s3://b")->path, "");
  EXPECT_EQ(OriginUrl::Parse("s3://b/")->ToString(), "s3://b");
  EXPECT_EQ(OriginUrl::Parse("s3://b?region=x")->authority, "b");
  EXPECT_EQ(OriginUrl::Parse("file:///data")->path, "data");
}

TEST(OriginUrlTest, PrefixesOfAllCharactersComeBack) {
  for (const char* text :
       {"s3://b/who%3F%23%25%2526", "s3://b/a%20b/%C3%A9", "s3://b/a+b&c=d;e@f"}) {
    EXPECT_EQ(OriginUrl::Parse(text).value().ToString(), text);
  }
  OriginUrl url{.scheme = "s3", .authority = "b"};
  for (int c = 1; c < 256; ++c) url.path += static_cast<char>(c);
  url.parameters["name & co"] = url.path;
  const auto again = OriginUrl::Parse(url.ToString());
  ASSERT_TRUE(again) << again.error().ToString();
  EXPECT_EQ(again->path, url.path);
  EXPECT_EQ(again->parameters, url.parameters);
}

TEST(OriginUrlTest, SaysWhatIsWrong) {
  const std::pair<const char*, const char*> wrong[] = {
      {"", "not a URL"},      {"bucket/prefix", "not a URL"}, {"S3://b", "not a URL"},
      {"s3://b/a#b", "%23"},  {"s3://b/a%2", "%25"},          {"s3://b/100%", "%25"},
      {"s3://b/a?b", "%3F"},  {"s3://b/a?=b", "%3F"},         {"s3://b/a?b=1&b=2", "twice"},
      {"s3://b/a%00", "NUL"}, {"s3://b ucket/a", "b ucket"},  {"s3://b%41/a", "b%41"},
  };
  for (const auto& [text, why] : wrong) {
    const auto url = OriginUrl::Parse(text);
    ASSERT_FALSE(url) << text;
    EXPECT_EQ(url.error().code(), Code::kInvalidArgument);
    EXPECT_NE(url.error().message().find(why), std::string::npos) << url.error().message();
  }
}

TEST(OriginUrlTest, ASecretIsRefusedAndNotRepeated) {
  for (const char* text : {"s3://key:hunter2@bucket/a", "s3://hunter2@bucket", "hunter2@bucket",
                           "s3://b/a?hunter2", "s3://b?secret=hunter%2", "s3://b?s=1&s=hunter2",
                           "HTTPS://acct.blob.core.windows.net/c?sig=hunter2", "c?sig=hunter2"}) {
    const auto url = OriginUrl::Parse(text);
    ASSERT_FALSE(url) << text;
    EXPECT_EQ(url.error().message().find("hunter2"), std::string::npos) << url.error().message();
  }
  EXPECT_TRUE(OriginUrl::Parse("s3://bucket/a@b"));
  EXPECT_EQ(OriginUrl::Parse("s3://b/a%20c?sig=hunter2")->Name(), "s3://b/a%20c");
}

TEST(OriginUrlTest, UnknownParametersAreNamed) {
  const auto url = OriginUrl::Parse("s3://b/a?regoin=x").value();
  const auto checked = url.OnlyParameters({"endpoint", "region"});
  ASSERT_FALSE(checked);
  EXPECT_NE(checked.error().message().find("'regoin'"), std::string::npos);
  EXPECT_NE(checked.error().message().find("endpoint, region"), std::string::npos);
  EXPECT_TRUE(url.OnlyParameters({"regoin"}));
}

}  // namespace
}  // namespace forebay
