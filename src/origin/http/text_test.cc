#include "src/origin/http/text.h"

#include <gtest/gtest.h>

namespace forebay::http_origin {
namespace {

TEST(TextTest, PercentEncodingKeepsOnlyWhatIsUnreserved) {
  EXPECT_EQ(PercentEncode("aZ09-._~", false), "aZ09-._~");
  EXPECT_EQ(PercentEncode("a b/c?d#e%f+g", true), "a%20b/c%3Fd%23e%25f%2Bg");
  EXPECT_EQ(PercentEncode("a/b", false), "a%2Fb");
  std::string all;
  for (int c = 0; c < 256; ++c) all += static_cast<char>(c);
  EXPECT_EQ(PercentDecode(PercentEncode(all, false)).value(), all);
  EXPECT_EQ(PercentDecode("%e9%E9").value(), "\xe9\xe9");
  for (const char* wrong : {"%", "%4", "a%zz", "%4%4"}) {
    EXPECT_EQ(PercentDecode(wrong).error().code(), Code::kInvalidArgument) << wrong;
  }
}

TEST(TextTest, Base64HasAllRests) {
  // RFC 4648, section 10.
  const std::pair<const char*, const char*> pairs[] = {{"", ""},
                                                       {"f", "Zg=="},
                                                       {"fo", "Zm8="},
                                                       {"foo", "Zm9v"},
                                                       {"foob", "Zm9vYg=="},
                                                       {"fooba", "Zm9vYmE="},
                                                       {"foobar", "Zm9vYmFy"}};
  for (const auto& [bytes, text] : pairs) {
    EXPECT_EQ(Base64(AsBytes(std::string_view(bytes))), text);
    EXPECT_EQ(FromBase64(text).value(), bytes);
  }
  EXPECT_EQ(FromBase64("+/+/").value(), "\xfb\xff\xbf");
  for (const char* wrong : {"Z", "Zg", "Zg=", "Zm9v=", "Z=9v", "====", "Zm 9", "Zm9v===="}) {
    EXPECT_FALSE(FromBase64(wrong)) << wrong;
  }
}

TEST(TextTest, HashesAreThePublishedOnes) {
  // FIPS 180-2 (B.1) and RFC 4231 (cases 2 and 1).
  EXPECT_EQ(Hex(HashSha256(AsBytes("abc"))),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(Hex(HashSha256({})),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(Hex(HmacSha256(AsBytes("Jefe"), "what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  const std::string key(20, '\x0b');
  EXPECT_EQ(Hex(HmacSha256(AsBytes(key), "Hi There")),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
  EXPECT_EQ(Hex(HmacSha256({}, "")),
            "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

TEST(TextTest, DatesComeBack) {
  constexpr int64_t kSecond = 1'000'000'000;
  // `date -d @1795250977`.
  const int64_t moment = 1'795'250'977 * kSecond;
  EXPECT_EQ(HttpDate(moment), "Sat, 21 Nov 2026 08:49:37 GMT");
  EXPECT_EQ(ParseHttpDate("Sat, 21 Nov 2026 08:49:37 GMT"), moment);
  EXPECT_EQ(BasicIsoDate(moment + 999), "20261121T084937Z");
  EXPECT_EQ(ParseIsoDate("2026-11-21T08:49:37Z"), moment);
  EXPECT_EQ(ParseIsoDate("2026-11-21T08:49:37.123Z"), moment + 123'000'000);
  EXPECT_EQ(ParseIsoDate("2026-11-21T08:49:37.1234567891Z"), moment + 123'456'789);
  for (int64_t ns = 0; ns < int64_t{4'000'000'000} * kSecond; ns += 12'345'677 * kSecond) {
    EXPECT_EQ(ParseHttpDate(HttpDate(ns)), ns);
  }
  EXPECT_EQ(HttpDate(-1), "Wed, 31 Dec 1969 23:59:59 GMT");
}

TEST(TextTest, WrongDatesAreNone) {
  for (const char* wrong : {"", "Sat, 21 Nov 2026 08:49:37", "Sat, 31 Feb 2026 08:49:37 GMT",
                            "Sat, 21 Nov 2026 24:00:00 GMT", "Sat, 21 ovD 2026 08:49:37 GMT",
                            "Sat, 21 Nov 2026 08:49:37 GMT ", "Sat, 21 Nov 9999 08:49:37 GMT"}) {
    EXPECT_FALSE(ParseHttpDate(wrong)) << wrong;
  }
  for (const char* wrong : {"", "2026-11-21T08:49:37", "2026-11-21T08:49:37.Z",
                            "2026-13-21T08:49:37Z", "2026-11-21 08:49:37Z"}) {
    EXPECT_FALSE(ParseIsoDate(wrong)) << wrong;
  }
}

TEST(TextTest, EtagsLoseAndGetTheirQuotes) {
  EXPECT_EQ(BareEtag("\"abc-2\""), "abc-2");
  EXPECT_EQ(BareEtag("abc"), "abc");
  EXPECT_EQ(BareEtag("W/\"abc\""), "W/abc");
  EXPECT_EQ(BareEtag("\""), "\"");
  EXPECT_EQ(QuotedEtag("abc-2"), "\"abc-2\"");
  EXPECT_EQ(QuotedEtag("W/abc"), "W/\"abc\"");
}

}  // namespace
}  // namespace forebay::http_origin
