#include "src/node/attachment.h"

#include <gtest/gtest.h>

namespace forebay {
namespace {

AttachmentConfig Good() {
  AttachmentConfig config{.id = 7, .name = "image-net.v2", .origin = "s3://bucket/prefix"};
  config.freshness = *Freshness::Parse("5m");
  config.allow = *LocalAllow::Parse("uid:1000,gid:100");
  config.chunk_bytes = 8 << 20;
  config.read_only = true;
  return config;
}

TEST(Freshness, ParsesAndPrints) {
  EXPECT_EQ(Freshness::Parse("immutable")->mode, Freshness::Mode::kImmutable);
  EXPECT_EQ(Freshness::Parse("always")->mode, Freshness::Mode::kAlways);
  EXPECT_EQ(Freshness::Parse("90s")->ttl, std::chrono::seconds(90));
  EXPECT_EQ(Freshness::Parse("12h")->ttl, std::chrono::hours(12));
  EXPECT_EQ(Freshness::Parse("2d")->ToString(), "172800s");
  for (const char* bad : {"", "60", "s", "-1s", "0s", "1.5s", "60x", "60ss", "999999d", " 1s",
                          "99999999999999999999s"}) {
    const auto parsed = Freshness::Parse(bad);
    ASSERT_FALSE(parsed) << bad;
    EXPECT_EQ(parsed.error().code(), Code::kInvalidArgument);
  }
}

TEST(AttachmentConfig, SurvivesTheRegistry) {
  const auto again = AttachmentConfig::Deserialize(Good().Serialize());
  ASSERT_TRUE(again) << again.error().ToString();
  EXPECT_EQ(again->Serialize(), Good().Serialize());
  EXPECT_EQ(again->id, 7u);
  EXPECT_EQ(again->allow.uids, Good().allow.uids);
  EXPECT_TRUE(again->read_only);
}

TEST(AttachmentConfig, RefusesWhatItDoesNotKnow) {
  const std::string good = Good().Serialize();
  EXPECT_FALSE(AttachmentConfig::Deserialize(good + "quota = 5\n"));
  EXPECT_FALSE(AttachmentConfig::Deserialize("not toml ["));
  EXPECT_FALSE(AttachmentConfig::Deserialize(""));
  EXPECT_FALSE(AttachmentConfig::Deserialize("id = \"7\"\n"));
}

// toml++ asserts on some of these, and a registry that was damaged must not end the node.
TEST(AttachmentConfig, DamagedTextIsRefusedNeverFatal) {
  for (const char* text :
       {"a = [}]", "a = {]}", "id = 7\nname = [}", "\xc3\xa4 = 1", "a\xe2\x80\xa8 = 1",
        "a = \xc3\xa4", "[\xc3\xa4]", "a = 1\xf0\x9f\x98\x80", "\xff\xfe\xfd"}) {
    EXPECT_FALSE(AttachmentConfig::Deserialize(text)) << text;
  }
  const std::string good = Good().Serialize();
  for (size_t at = 0; at < good.size(); ++at) {
    // Cut short, and with every byte made another: what is then read is refused or whole.
    std::ignore = AttachmentConfig::Deserialize(good.substr(0, at));
    for (const char byte :
         {'\0', '[', ']', '{', '}', '=', '"', '\'', ',', '.', '#', '\n', '\xc3', '\xff'}) {
      std::string damaged = good;
      damaged[at] = byte;
      const auto read = AttachmentConfig::Deserialize(damaged);
      if (read) EXPECT_TRUE(read->Validate()) << damaged;
    }
  }
}

TEST(AttachmentConfig, ValidationNamesTheField) {
  const auto fails = [](auto change, std::string_view word) {
    AttachmentConfig config = Good();
    change(config);
    const auto valid = config.Validate();
    ASSERT_FALSE(valid) << word;
    EXPECT_NE(valid.error().message().find(word), std::string::npos) << valid.error().message();
  };
  EXPECT_TRUE(Good().Validate());
  fails([](auto& c) { c.origin = "/data"; }, "file://");
  fails([](auto& c) { c.chunk_bytes = 3 << 20; }, "power of two");
  fails([](auto& c) { c.freshness.ttl = Duration(0); }, "always");
  fails([](auto& c) { c.name = "A"; }, "3 to 63");
}

TEST(Names, FollowTheRulesOfS3) {
  for (const char* good : {"abc", "a-b.c", "0x9", "a.b.c.d"}) {
    EXPECT_TRUE(CheckAttachmentName(good)) << good;
  }
  for (const std::string& bad :
       {std::string("ab"), std::string(64, 'a'), std::string("Abc"), std::string("a_b"),
        std::string("-ab"), std::string("ab."), std::string("a..b"), std::string("10.0.0.1"),
        std::string("a b"), std::string("a/b"), std::string("a\0b", 3)}) {
    EXPECT_FALSE(CheckAttachmentName(bad)) << bad;
  }
}

TEST(Names, KeysAreCheckedByteByByte) {
  for (const std::string& good :
       {std::string("a"), std::string("a/b.c"), std::string("...a/..b"),
        std::string("\xc3\xa9/\xe2\x82\xac/\xf0\x9f\x8e\x89"), std::string(1024, 'x')}) {
    EXPECT_TRUE(CheckKey(good)) << good;
  }
  for (const std::string& bad :
       {std::string(""), std::string("/a"), std::string("a/"), std::string("a//b"),
        std::string("."), std::string("a/../b"), std::string(".."), std::string("a\0b", 3),
        std::string("\xff"), std::string("\xc0\xaf"), std::string("\xed\xa0\x80"),
        std::string("\xf4\x90\x80\x80"), std::string("\xe2\x82"), std::string(1025, 'x'),
        std::string(5 << 10, 'x')}) {
    const auto checked = CheckKey(bad);
    ASSERT_FALSE(checked);
    EXPECT_EQ(checked.error().code(), Code::kInvalidArgument);
    EXPECT_LT(checked.error().message().size(), 600u);  // it is not echoed whole
  }
}

TEST(Names, PrefixesMayEndWithinAPart) {
  for (const char* good : {"", "/", "a", "a/", "a/.", "a/..", ".", "..", "...", "a/.b"}) {
    EXPECT_TRUE(CheckPrefix(good)) << good;
  }
  for (const char* bad :
       {"./", "../", "a/./", "a/../", "../a", "a/../.", "a//", "/a", "a//.", "//"}) {
    EXPECT_FALSE(CheckPrefix(bad)) << bad;
  }
}

TEST(Names, PathsSplitAtTheSecondSlash) {
  EXPECT_EQ(SplitPath("/a/b/c")->first, "a");
  EXPECT_EQ(SplitPath("/a/b/c")->second, "b/c");
  EXPECT_EQ(SplitPath("/a")->second, "");
  for (const char* bad : {"", "/", "a/b"}) EXPECT_FALSE(SplitPath(bad)) << bad;
}

}  // namespace
}  // namespace forebay
