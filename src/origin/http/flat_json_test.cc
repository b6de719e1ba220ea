#include "src/origin/http/flat_json.h"

#include <gtest/gtest.h>

namespace forebay::http_origin {
namespace {

TEST(FlatJsonTest, ReadsTextsAndNumbersOfTheFirstLevel) {
  const auto json = ParseFlatJson(
      " {\"Code\" : \"Success\",\n\"n\":-1.5e3,\"t\":true,\"x\":null,\"deep\":{\"Code\":\"no\","
      "\"a\":[1,{\"b\":[]}]},\"list\":[\"z\"],\"\":\"e\"} ");
  ASSERT_TRUE(json) << json.error().ToString();
  EXPECT_EQ(json->Get("Code"), "Success");
  EXPECT_EQ(json->Get("n"), "-1.5e3");
  EXPECT_EQ(json->Get("t"), "true");
  EXPECT_EQ(json->Get("x"), "null");
  EXPECT_EQ(json->Get(""), "e");
  EXPECT_EQ(json->Get("a"), "");
  EXPECT_EQ(json->members.size(), 5u);
  EXPECT_TRUE(ParseFlatJson("{}")->members.empty());
}

TEST(FlatJsonTest, ResolvesEscapes) {
  const auto json = ParseFlatJson(R"({"a\/b":"\"\\\b\f\n\r\t\u0041\u00e9\u20ac\ud83d\ude00"})");
  ASSERT_TRUE(json) << json.error().ToString();
  EXPECT_EQ(json->Get("a/b"), "\"\\\b\f\n\r\tA\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
}

TEST(FlatJsonTest, RefusesWhatIsNone) {
  std::string deep;
  for (int i = 0; i < 100; ++i) deep += "{\"a\":";
  for (const std::string& wrong :
       {std::string(), std::string("[]"), std::string("{"), std::string("{\"a\"}"),
        std::string("{\"a\":}"), std::string("{\"a\":1,}"), std::string("{\"a\":1}x"),
        std::string("{\"a\":\"b}"), std::string("{\"a\":\"\\x\"}"), std::string("{\"a\":\"\n\"}"),
        std::string("{\"a\":\"\\ud800\"}"), std::string("{\"a\":\"\\udc00\"}"),
        std::string("{\"a\":\"\\u12\"}"), std::string("<html>"), deep}) {
    const auto json = ParseFlatJson(wrong);
    ASSERT_FALSE(json) << wrong;
    EXPECT_EQ(json.error().code(), Code::kCorrupt);
  }
}

}  // namespace
}  // namespace forebay::http_origin
