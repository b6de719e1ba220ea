#include "src/origin/azure/attributes.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

namespace forebay::azure {
namespace {

std::string Told(std::string_view name, std::string_view value) {
  const auto attribute = AttributeOf(name, value);
  return attribute ? attribute->first + "=" + attribute->second : "nothing";
}

TEST(AzureAttributesTest, PlainNamesStayAsTheyAre) {
  const Metadata plain = MetadataOf("x-amz-meta-color_2", "light blue");
  EXPECT_EQ(plain.name, "color_2");
  EXPECT_EQ(plain.value, "light blue");
  const Metadata dashed = MetadataOf("x-amz-meta-my-key", "light blue");
  EXPECT_EQ(dashed.name, "forebay_my_2dkey");
  EXPECT_EQ(dashed.value, "light blue");
  // What other tools wrote is told, whatever the case of its name.
  EXPECT_EQ(Told("Author", "me"), "x-amz-meta-author=me");
  EXPECT_EQ(Told("forebaywrite", "0123"), "nothing");
  EXPECT_EQ(Told("forebaymd5", "0123"), "nothing");
  EXPECT_EQ(Told("forebay_a_2", "0123"), "nothing");
  EXPECT_EQ(Told("forebayv_a", "no sign"), "nothing");
}

TEST(AzureAttributesTest, EveryNameAndValueComesBack) {
  // All characters that a header's name may hold, alone and before and behind others.
  std::vector<std::string> names = {"forebaywrite", "forebay_a_2db", "hdi_isfolder", "2nd",  "_",
                                    "a_2db",        "a__b",          "forebayv_x",   "class"};
  for (const char c : std::string_view("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz")) {
    names.push_back(std::string(1, c));
    names.push_back(std::string("a") + c + "b");
  }
  const std::string values[] = {"",
                                " ",
                                "=",
                                "a",
                                " a ",
                                "a%b",
                                "=%3d",
                                "a  b",
                                "\xc3\xa9",
                                "a\tb",
                                std::string("\x80\xff", 2)};
  std::set<std::string> seen;
  for (const std::string& name : names) {
    for (const std::string& value : values) {
      const Metadata kept = MetadataOf("x-amz-meta-" + name, value);
      const auto identifier = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
      };
      EXPECT_TRUE(std::ranges::all_of(kept.name, identifier)) << kept.name;
      EXPECT_FALSE(kept.name[0] >= '0' && kept.name[0] <= '9') << kept.name;
      EXPECT_FALSE(kept.value.empty());
      EXPECT_NE(kept.name, "hdi_isfolder");
      EXPECT_EQ(Told(kept.name, kept.value), "x-amz-meta-" + name + "=" + value);
      seen.insert(kept.name);
    }
  }
  EXPECT_GE(seen.size(), names.size());
  const Metadata expires = MetadataOf("expires", "Thu, 01 Dec 2033 16:00:00 GMT");
  EXPECT_EQ(Told(expires.name, expires.value), "expires=Thu, 01 Dec 2033 16:00:00 GMT");
}

TEST(AzureAttributesTest, AnMd5IsBelievedWhileTheServicesOwnAgrees) {
  const std::string md5 = "1cb251ec0d568de6a929b520c4aed8d1";
  const std::string base64 = "HLJR7A1WjeapKbUgxK7Y0Q==";
  EXPECT_EQ(StateName("0x8D", md5, base64), "0x8D/" + md5);
  EXPECT_EQ(EtagOfState(StateName("0x8D", md5, base64)), "0x8D");
  EXPECT_EQ(EtagOfState("0x8D"), "0x8D");
  EXPECT_EQ(StateName("0x8D", md5, ""), "0x8D");
  EXPECT_EQ(StateName("0x8D", "", base64), "0x8D");
  EXPECT_EQ(StateName("0x8D", md5, "HLJR7A1WjeapKbUgxK7Y0g=="), "0x8D");
  EXPECT_EQ(StateName("0x8D", "x", "eA=="), "0x8D");
}

TEST(AzureAttributesTest, AttributesFitIntoIds) {
  const ObjectAttributes some = {{"content-type", ""}, {"x-amz-meta-\xc3\xa9", "?>~\xff"}};
  const std::string packed = PackAttributes(some);
  EXPECT_EQ(packed.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                     "0123456789-_"),
            std::string::npos);
  EXPECT_EQ(UnpackAttributes(packed), some);
  EXPECT_EQ(UnpackAttributes(""), ObjectAttributes());
  EXPECT_FALSE(UnpackAttributes("*").has_value());
  EXPECT_FALSE(UnpackAttributes("YQ").has_value());  // "a", which is no line
}

}  // namespace
}  // namespace forebay::azure
