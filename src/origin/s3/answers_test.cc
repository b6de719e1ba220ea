// Every kind of refusal becomes the right code and words that say what to do.
#include "src/origin/s3/answers.h"

#include <gtest/gtest.h>

#include "sim/world.h"
#include "src/origin/folder_mark.h"
#include "src/origin/http/text.h"
#include "src/origin/s3/address.h"
#include "src/origin/s3/listing.h"
#include "src/origin/s3/upload.h"

namespace forebay::s3 {
namespace {

using http_origin::Refusal;

std::string Body(const std::string& code, const std::string& more = "") {
  return "<?xml version=\"1.0\"?><Error><Code>" + code + "</Code><Message>said so</Message>" +
         more + "</Error>";
}

class AnswersTest : public testing::Test {
 protected:
  AnswersTest() {
    Surroundings around;
    around.variables = {{"AWS_ACCESS_KEY_ID", "A"}, {"AWS_SECRET_ACCESS_KEY", "hunter2"}};
    place_ = {.bucket = "data",
              .endpoint = "https://s3.test",
              .signer = std::make_shared<S3Signer>(
                  MakeKeySource("env", around, "us-east-1").value(), "us-east-1")};
    HttpRequest request{.url = "https://s3.test/data/a"};
    EXPECT_TRUE(world_.Run(place_.signer->Sign(world_.env(), request, {})));
  }
  void Expect(const Answer& answer, Code code, std::string_view words) {
    const Refusal refusal = Explain(place_, answer);
    EXPECT_EQ(refusal.error.code(), code) << refusal.error.ToString();
    EXPECT_NE(refusal.error.message().find(words), std::string::npos) << refusal.error.message();
    EXPECT_EQ(refusal.error.message().find("hunter2"), std::string::npos);
  }

  sim::World world_{1};
  Place place_;
};

TEST_F(AnswersTest, CodesMeanWhatTheySay) {
  const struct {
    int status;
    const char* name;
    Code code;
    const char* words;
  } cases[] = {
      {404, "NoSuchKey", Code::kNotFound, "NoSuchKey: said so"},
      {404, "NoSuchBucket", Code::kInvalidArgument, "no bucket 'data' at https://s3.test"},
      {403, "AccessDenied", Code::kPermissionDenied, "s3:ListBucket"},
      {403, "InvalidAccessKeyId", Code::kPermissionDenied,
       "does not know the access key of the variable AWS_ACCESS_KEY_ID"},
      {403, "SignatureDoesNotMatch", Code::kPermissionDenied, "a proxy"},
      {400, "ExpiredToken", Code::kPermissionDenied, "session token"},
      {503, "SlowDown", Code::kOverloaded, "SlowDown"},
      {500, "InternalError", Code::kUnavailable, "InternalError"},
      {200, "InternalError", Code::kUnavailable, "InternalError"},
      {409, "OperationAborted", Code::kUnavailable, "OperationAborted"},
      {412, "PreconditionFailed", Code::kVersionChanged, "Precondition"},
      {400, "EntityTooLarge", Code::kInvalidArgument, "EntityTooLarge"},
      {501, "NotImplemented", Code::kUnsupported, "NotImplemented"},
      {400, "XAmzContentSHA256Mismatch", Code::kUnavailable, "Mismatch"},
      {507, "XMinioStorageFull", Code::kNoSpace, "Full"},
  };
  for (const auto& c : cases) {
    const std::string body = Body(c.name);
    Expect({.status = c.status, .body = body}, c.code, c.words);
  }
  EXPECT_TRUE(Explain(place_, {.status = 503, .body = "SlowDown"}).slow_down);
  EXPECT_FALSE(Explain(place_, {.status = 500}).slow_down);
  EXPECT_EQ(Explain(place_, {.status = 503, .retry_after = "7"}).wait, std::chrono::seconds(7));
  EXPECT_EQ(Explain(place_, {.status = 503, .retry_after = "soon"}).wait, std::nullopt);
  const std::string expired = Body("ExpiredToken");
  EXPECT_TRUE(Explain(place_, {.status = 400, .body = expired}).credentials);
}

TEST_F(AnswersTest, WithoutWordsTheStatusDecides) {
  Expect({.status = 404}, Code::kNotFound, "status 404");
  Expect({.status = 403}, Code::kPermissionDenied, "may not do this in bucket data");
  Expect({.status = 412}, Code::kVersionChanged, "412");
  Expect({.status = 502}, Code::kUnavailable, "502");
  Expect({.status = 400, .body = "{\"json\":1}", .request_id = "R7"}, Code::kInvalidArgument,
         "request R7");
  // The answer to a HEAD has no words: the keys may have ended.
  EXPECT_TRUE(Explain(place_, {.status = 403}).credentials);
}

TEST_F(AnswersTest, TheRightRegionIsNamed) {
  const std::string malformed = Body("AuthorizationHeaderMalformed", "<Region>eu-1</Region>");
  Expect({.status = 400, .body = malformed}, Code::kInvalidArgument,
         "is in region eu-1, not in us-east-1; say ?region=eu-1");
  Expect({.status = 301, .region = "eu-2"}, Code::kInvalidArgument, "?region=eu-2");
  const std::string moved = Body("PermanentRedirect", "<Endpoint>data.s3.x</Endpoint>");
  Expect({.status = 301, .body = moved}, Code::kInvalidArgument, "but at data.s3.x");
  // The answer to a HEAD has no words.
  Expect({.status = 400, .region = "eu-3"}, Code::kInvalidArgument, "?region=eu-3");
  Expect({.status = 403, .region = "us-east-1"}, Code::kPermissionDenied, "may not do this");
}

TEST_F(AnswersTest, ABucketThatIsElsewhereForNowIsSaidToBe) {
  const std::string_view to = "https://data.s3.eu-1.test/a?sig=hunter2";
  Expect({.status = 307, .location = to}, Code::kUnavailable, "asked at data.s3.eu-1.test, not at");
  const std::string body = Body("TemporaryRedirect");
  Expect({.status = 307, .body = body}, Code::kUnavailable, "try later");
}

TEST_F(AnswersTest, AClockIsSaidToBeWrongAndByHowMuch) {
  const int64_t wall = place_.signer->last_signed_wall_ns();
  const std::string body = Body("RequestTimeTooSkewed");
  const auto date = [&](int64_t seconds) {
    return http_origin::HttpDate(wall + seconds * int64_t{1'000'000'000});
  };
  const std::string ahead = date(-3600), behind = date(1080);
  Expect({.status = 403, .body = body, .date = ahead}, Code::kPermissionDenied,
         "60 min ahead of the store's");
  Expect({.status = 403, .body = body, .date = behind}, Code::kPermissionDenied,
         "18 min behind the store's, which says " + behind);
  Expect({.status = 403, .body = body}, Code::kPermissionDenied, "NTP");
}

TEST_F(AnswersTest, HtmlIsSeenForWhatItIs) {
  Expect({.status = 404, .body = "\n<!DOCTYPE html><html><br></html>"}, Code::kNotFound,
         "page of HTML");
  Expect({.status = 302, .content_type = "text/html; charset=x"}, Code::kInvalidArgument,
         "the console");
  Expect({.status = 503, .body = "<HTML></HTML>"}, Code::kOverloaded, "web proxy");
  EXPECT_TRUE(Explain(place_, {.status = 503, .body = "<html></html>"}).slow_down);
}

TEST(AddressTest, HasTheStyleThatFits) {
  const auto url = [](const char* text, const Surroundings& around = {}) -> std::string {
    const auto address = Address::Of(OriginUrl::Parse(text).value(), around);
    return address ? address->UrlOf("k") : address.error().message();
  };
  EXPECT_EQ(url("s3://b/p/"), "https://b.s3.us-east-1.amazonaws.com/p/k");
  EXPECT_EQ(url("s3://b?region=eu-1"), "https://b.s3.eu-1.amazonaws.com/k");
  EXPECT_EQ(url("s3://b?region=cn-north-1"), "https://b.s3.cn-north-1.amazonaws.com.cn/k");
  EXPECT_EQ(url("s3://b.c/p"), "https://s3.us-east-1.amazonaws.com/b.c/p/k");
  EXPECT_EQ(url("s3://b/p?style=path"), "https://s3.us-east-1.amazonaws.com/b/p/k");
  EXPECT_EQ(url("s3://b/p?endpoint=http://h:9000/"), "http://h:9000/b/p/k");
  EXPECT_EQ(url("s3://b/p?endpoint=http://h:9000&style=virtual"), "http://b.h:9000/p/k");
  EXPECT_EQ(url("s3://b/a%23/%25?endpoint=http://h"), "http://h/b/a%23/%25/k");
  Surroundings around;
  around.variables["AWS_REGION"] = "ap-1";
  EXPECT_EQ(url("s3://b", around), "https://b.s3.ap-1.amazonaws.com/k");
  EXPECT_EQ(url("s3://b?region=eu-1", around), "https://b.s3.eu-1.amazonaws.com/k");
}

TEST(AddressTest, SaysWhatIsWrong) {
  const std::pair<const char*, const char*> wrong[] = {
      {"s3:///p", "names no bucket"},
      {"s3://b:1/p", "no name of a bucket"},
      {"s3://b/p//q", "'//'"},
      {"s3://b/../q", "'..'"},
      {"s3://b?endpoint=h:9000", "?endpoint="},
      {"s3://b?endpoint=ftp://h", "?endpoint="},
      {"s3://b?endpoint=http://u:p@h", "?endpoint="},
      {"s3://b?style=dns", "?style="},
      {"s3://b?region=a/b", "?region="},
  };
  for (const auto& [text, why] : wrong) {
    const auto address = Address::Of(OriginUrl::Parse(text).value(), {});
    ASSERT_FALSE(address) << text;
    EXPECT_NE(address.error().message().find(why), std::string::npos) << address.error().message();
  }
}

TEST(ListingTest, AsksForWhatLiesBehindACommonPrefix) {
  EXPECT_EQ(ListQuery({}, "", ""), "list-type=2&encoding-type=url&max-keys=1000");
  EXPECT_EQ(
      ListQuery({.prefix = "a&b/", .delimiter = "/", .after = "a&b/c/", .limit = 5000}, "p/", ""),
      "list-type=2&encoding-type=url&max-keys=1000&prefix=p%2Fa%26b%2F&delimiter=%2F"
      "&start-after=p%2Fa%26b%2Fc%2F%F4%8F%BF%BF");
  EXPECT_EQ(ListQuery({.after = "c/d", .limit = 2}, "p/", ""),
            "list-type=2&encoding-type=url&max-keys=2&prefix=p%2F&start-after=p%2Fc%2Fd");
  EXPECT_EQ(ListQuery({.after = "c", .limit = 2}, "", "t=/"),
            "list-type=2&encoding-type=url&max-keys=2&continuation-token=t%3D%2F");
}

TEST(ListingTest, LeavesOutWhatCannotBeNamed) {
  const std::string body =
      "<ListBucketResult><EncodingType>url</EncodingType><IsTruncated>false</IsTruncated>"
      "<Contents><Key>p/</Key><Size>0</Size></Contents>"
      "<Contents><Key>p/a+b%2Bc%0A</Key><Size>7</Size><ETag>\"e-2\"</ETag>"
      "<LastModified>2026-11-21T08:49:37.000Z</LastModified></Contents>"
      "<Contents><Key>p/x/</Key><Size>0</Size></Contents>"
      "<Contents><Key>p//y</Key><Size>1</Size></Contents>"
      "<Contents><Key>p/./y</Key><Size>1</Size></Contents>"
      "<Contents><Key>p/%FF</Key><Size>1</Size></Contents>"
      "<CommonPrefixes><Prefix>p/0/</Prefix></CommonPrefixes>"
      "<CommonPrefixes><Prefix>p//</Prefix></CommonPrefixes></ListBucketResult>";
  const auto page = ReadListing(body, {}, "p/");
  ASSERT_TRUE(page) << page.error().ToString();
  ASSERT_EQ(page->entries.size(), 3u);
  EXPECT_EQ(page->entries[2].key, WithFolderMark("x/"));
  EXPECT_EQ(page->entries[0].key, "0/");
  EXPECT_TRUE(page->entries[0].is_prefix);
  EXPECT_EQ(page->entries[1].key, "a b+c\n");
  EXPECT_EQ(page->entries[1].info.etag, "e-2");
  EXPECT_EQ(page->entries[1].info.size, 7u);
  EXPECT_EQ(page->entries[1].info.modified_ns, int64_t{1'795'250'977} * 1'000'000'000);
  EXPECT_EQ(ReadListing(body, {.after = "a c"}, "p/")->entries.size(), 1u);
  EXPECT_TRUE(ReadListing(body, {.after = WithFolderMark("x/")}, "p/")->entries.empty());
}

TEST(ListingTest, WhatIsNoListingIsRefused) {
  const std::string wrong_key =
      "<ListBucketResult><EncodingType>url</EncodingType><Contents><Key>%z</Key><Size>1</Size>"
      "</Contents></ListBucketResult>";
  ASSERT_TRUE(ReadListing("<ListBucketResult/>", {}, ""));
  for (const std::string& wrong :
       {std::string("<html></html>"), std::string("{}"), wrong_key,
        std::string("<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>"),
        std::string("<ListBucketResult><Contents><Key>a</Key></Contents></ListBucketResult>")}) {
    EXPECT_FALSE(ReadListing(wrong, {}, "")) << wrong;
  }
}

TEST(UploadTest, FiveTebibytesFitIntoTheParts) {
  const uint64_t first = UploadOptions{}.part_bytes;
  uint64_t whole = 0, largest = 0;
  for (uint32_t number = 1; number <= kMaxParts; ++number) {
    whole += PartBytes(first, number);
    largest = std::max(largest, PartBytes(first, number));
    if (number == 1000) EXPECT_EQ(whole, 8000ull << 20);
  }
  EXPECT_GE(whole, 5ull << 40);
  EXPECT_LE(largest, 5ull << 30);  // what S3 takes
  EXPECT_GE(first, kMinPartBytes);
}

}  // namespace
}  // namespace forebay::s3
