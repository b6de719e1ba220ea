#include "src/origin/http/xml.h"

#include <gtest/gtest.h>

namespace forebay::http_origin {
namespace {

TEST(XmlTest, AnErrorOfAStore) {
  const auto root = ParseXml(
      "\xef\xbb\xbf<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
      "<Error><Code>NoSuchKey</Code><Message>a &amp; b &lt;&#x63;&gt;</Message><Empty/></Error>");
  ASSERT_TRUE(root) << root.error().ToString();
  EXPECT_EQ(root->name, "Error");
  EXPECT_EQ(root->Text("Code"), "NoSuchKey");
  EXPECT_EQ(root->Text("Message"), "a & b <c>");
  EXPECT_EQ(root->Text("Empty"), "");
  EXPECT_EQ(root->Text("Missing"), "");
  EXPECT_EQ(root->Child("Missing"), nullptr);
}

TEST(XmlTest, NamespacesAndAttributesArePassedOver) {
  const auto root = ParseXml(
      "<s3:List xmlns:s3='http://x/' a=\"1\"><s3:Key lang='en'>\xc3\xa9<![CDATA[<&>]]></s3:Key>"
      "<!-- no <Key> --><s3:Key>2</s3:Key></s3:List>");
  ASSERT_TRUE(root) << root.error().ToString();
  EXPECT_EQ(root->name, "List");
  ASSERT_EQ(root->children.size(), 2u);
  EXPECT_EQ(root->children[0].text, "\xc3\xa9<&>");
  EXPECT_EQ(root->children[1].text, "2");
}

TEST(XmlTest, ManyChildrenStayWhereTheyBelong) {
  std::string text = "<a>";
  for (int i = 0; i < 1000; ++i) text += "<b><c>" + std::to_string(i) + "</c><d/></b>";
  const auto root = ParseXml(text + "</a>");
  ASSERT_TRUE(root);
  ASSERT_EQ(root->children.size(), 1000u);
  for (size_t i = 0; i < 1000; ++i) EXPECT_EQ(root->children[i].Text("c"), std::to_string(i));
}

TEST(XmlTest, WhatIsNoXmlIsRefusedByLine) {
  std::string nested;
  for (int i = 0; i < 40; ++i) nested += "<a>";
  for (int i = 0; i < 40; ++i) nested += "</a>";
  for (const std::string& wrong :
       {std::string(), std::string("{}"), std::string("<a>\n<b>\n</a>"), std::string("<a"),
        std::string("<a></a><b></b>"), std::string("<a>&unknown;</a>"), std::string("<a>\x01</a>"),
        std::string("<a>\xff</a>"), nested}) {
    const auto root = ParseXml(wrong);
    ASSERT_FALSE(root) << wrong;
    EXPECT_EQ(root.error().code(), Code::kCorrupt);
    EXPECT_NE(root.error().message().find("line "), std::string::npos);
  }
  EXPECT_NE(ParseXml("<a>\n<b>\n</a>").error().message().find("line 3"), std::string::npos);
}

TEST(XmlTest, DocumentTypesAreRefused) {
  for (const char* text :
       {"<!DOCTYPE a [<!ENTITY x \"yyyyyyyyyy\">]><a>&x;&x;</a>", "<!DOCTYPE html><html></html>"}) {
    const auto root = ParseXml(text);
    ASSERT_FALSE(root);
    EXPECT_NE(root.error().message().find("document type"), std::string::npos);
  }
}

TEST(XmlTest, ItsSizeIsBounded) {
  std::string many = "<a>";
  for (int i = 0; i < 1'000'000; ++i) many += "<b/>";
  const auto root = ParseXml(many + "</a>");
  ASSERT_FALSE(root);
  EXPECT_NE(root.error().message().find("too many elements"), std::string::npos);
  EXPECT_FALSE(ParseXml("<a>" + std::string(65 << 20, ' ') + "</a>"));
}

TEST(XmlTest, EscapedTextComesBack) {
  std::string all;
  for (int c = 0; c < 128; ++c) {
    // XML has no way to write the others.
    if (c >= 32 || c == '\t' || c == '\n' || c == '\r') all += static_cast<char>(c);
  }
  const auto root = ParseXml("<a>" + XmlEscape(all) + "</a>");
  ASSERT_TRUE(root) << root.error().ToString();
  EXPECT_EQ(root->text, all);
}

}  // namespace
}  // namespace forebay::http_origin
