#include "src/front/s3/request.h"

#include <gtest/gtest.h>

#include "src/front/s3/conditions.h"
#include "src/front/s3/operations.h"
#include "src/front/s3/write_request.h"
#include "src/origin/http/text.h"

namespace forebay::s3door {
namespace {

http::RequestHead Head(std::string method, std::string target,
                       std::vector<http::Header> headers = {{"Host", "h:1"}}) {
  return {.method = std::move(method), .target = std::move(target), .headers = std::move(headers)};
}

std::string KeyOf(const std::string& target) {
  const auto head = Head("GET", target);
  const auto request = ParseRequest(head, "");
  return request ? request->bucket + " | " + request->key
                 : "refused: " + std::string(request.error().kind.code);
}

TEST(S3Request, PathsNameBucketAndKey) {
  EXPECT_EQ(KeyOf("/"), " | ");
  EXPECT_EQ(KeyOf("/box"), "box | ");
  EXPECT_EQ(KeyOf("/box/"), "box | ");
  EXPECT_EQ(KeyOf("/box?list-type=2"), "box | ");
  EXPECT_EQ(KeyOf("/box/a/b"), "box | a/b");
  EXPECT_EQ(KeyOf("/box/a%2Fb%20c+d%25"), "box | a/b c+d%");
  EXPECT_EQ(KeyOf("/box/%C3%A9?x=%ZZ"), "refused: InvalidURI");
  EXPECT_EQ(KeyOf("/box//a"), "box | /a");
  EXPECT_EQ(KeyOf("/b%6Fx/a"), "box | a");
  EXPECT_EQ(KeyOf("//a"), "refused: InvalidBucketName");
  for (const char* wrong : {"/box/%", "/box/%f", "/box/%ff", "/box/%00", "/box/a/../b", "/box/.",
                            "/box/%2e%2E/x", "*", "/box/a%2f.%2fb"}) {
    EXPECT_EQ(KeyOf(wrong), "refused: InvalidURI") << wrong;
  }
  EXPECT_EQ(KeyOf("/box/" + std::string(1024, 'k')), "box | " + std::string(1024, 'k'));
  EXPECT_EQ(KeyOf("/box/" + std::string(1025, 'k')), "refused: KeyTooLongError");
}

TEST(S3Request, NamesOfBucketsAreThoseOfHosts) {
  for (const char* name : {"abc", "a-b.c--d", "0a1"}) EXPECT_TRUE(IsBucketName(name)) << name;
  for (const char* name : {"ab", "a.-b", "a-.b", "-ab", "a..b", "A-b", "10.0.0.1", "a_b"}) {
    EXPECT_FALSE(IsBucketName(name)) << name;
  }
}

TEST(S3Request, HostsNameBucketsBelowTheDomain) {
  const auto bucket = [](std::string host) {
    const auto head = Head("GET", "/a/b", {{"Host", std::move(host)}});
    const auto request = ParseRequest(head, "s3.test");
    return request->bucket + " | " + request->key;
  };
  EXPECT_EQ(bucket("box.s3.test"), "box | a/b");
  EXPECT_EQ(bucket("my.box.S3.test:8080"), "my.box | a/b");
  EXPECT_EQ(bucket("s3.test:8080"), "a | b");
  EXPECT_EQ(bucket("boxs3.test"), "a | b");
  EXPECT_EQ(bucket("[::1]:8080"), "a | b");
}

TEST(S3Request, PresignedQueriesBringHeaders) {
  const std::string signature =
      "X-Amz-Signature=s&X-Amz-Date=d&x-amz-security-token=t&x-amz-checksum-crc32=AAAAAA%3D%3D"
      "&x-amz-sdk-checksum-algorithm=CRC32";
  auto head = Head("PUT", "/box/a?X-Amz-Meta-A=b%20c&x-amz-acl=private&x=y&" + signature,
                   {{"x-amz-acl", "of the header"}});
  const auto request = ParseRequest(head, "");
  EXPECT_EQ(request->from_query.size(), 2u);
  EXPECT_EQ(request->Header("x-amz-meta-a"), "b c");
  EXPECT_EQ(request->Header("x-amz-acl"), "of the header");
  EXPECT_EQ(request->Header("x-amz-date"), "");
  EXPECT_EQ(request->AllHeaders().size(), 3u);
  head = Head("PUT", "/box/a?x-amz-meta-a=b");
  EXPECT_EQ(ParseRequest(head, "")->Header("x-amz-meta-a"), "") << "nobody vouches for it";
  for (const char* wrong : {"x-amz-meta-a=b%0d%0ac:d", "x-amz-meta-a%3a=b", "x-amz-a%0a=b",
                            "x-amz-meta-a=%00", "x-amz-%20=1"}) {
    head = Head("PUT", std::string("/box/a?") + wrong + "&Signature=s");
    EXPECT_FALSE(ParseRequest(head, "")) << wrong;
  }
}

TEST(S3Request, QueriesAreFormsOfNamesAndValues) {
  const auto items = ParseQuery("a=1&b&c=x%3Dy+z&&=v&a=2");
  ASSERT_TRUE(items);
  ASSERT_EQ(items->size(), 5u);
  EXPECT_EQ((*items)[1].value, "");
  EXPECT_EQ((*items)[2].value, "x=y z");
  EXPECT_EQ((*items)[3].name, "");
  EXPECT_FALSE(ParseQuery("a=%f"));
  std::string many;
  for (int i = 0; i < 1001; ++i) many += "a&";
  EXPECT_FALSE(ParseQuery(many));
}

std::string OperationOfTarget(std::string method, std::string target,
                              std::vector<http::Header> headers = {{"Host", "h"}}) {
  const auto head = Head(std::move(method), std::move(target), std::move(headers));
  const auto request = ParseRequest(head, "");
  const auto operation = OperationOf(*request);
  if (!operation) return std::string(operation.error().kind.code);
  return (operation->op == Op::kNotOffered ? "no " : "") + std::string(operation->name);
}

TEST(S3Operations, FollowFromMethodLevelAndSubresource) {
  EXPECT_EQ(OperationOfTarget("GET", "/"), "ListBuckets");
  EXPECT_EQ(OperationOfTarget("GET", "/b"), "ListObjects");
  EXPECT_EQ(OperationOfTarget("GET", "/b?list-type=2&prefix=uploads"), "ListObjectsV2");
  EXPECT_EQ(OperationOfTarget("GET", "/b?versions"), "ListObjectVersions");
  EXPECT_EQ(OperationOfTarget("POST", "/b?delete"), "DeleteObjects");
  EXPECT_EQ(OperationOfTarget("GET", "/b/k?x-id=GetObject"), "GetObject");
  EXPECT_EQ(OperationOfTarget("GET", "/b/k?partNumber=1"), "GetObject");
  EXPECT_EQ(OperationOfTarget("PUT", "/b/k?partNumber=1&uploadId=u"), "UploadPart");
  EXPECT_EQ(OperationOfTarget("PUT", "/b/k?partNumber=1&uploadId=u",
                              {{"Host", "h"}, {"x-amz-copy-source", "b/k"}}),
            "UploadPartCopy");
  EXPECT_EQ(OperationOfTarget("PUT", "/b/k", {{"Host", "h"}, {"x-amz-copy-source", "b/k"}}),
            "CopyObject");
  EXPECT_EQ(OperationOfTarget("POST", "/b/k?uploads"), "CreateMultipartUpload");
  EXPECT_EQ(OperationOfTarget("POST", "/b/k?uploadId=u"), "CompleteMultipartUpload");
  EXPECT_EQ(OperationOfTarget("DELETE", "/b/k?uploadId=u"), "AbortMultipartUpload");
  EXPECT_EQ(OperationOfTarget("PUT", "/b?policy"), "no policy");
  EXPECT_EQ(OperationOfTarget("GET", "/b/k?tagging"), "GetObjectTagging");
  EXPECT_EQ(OperationOfTarget("PUT", "/b/k?tagging"), "no tagging");
  EXPECT_EQ(OperationOfTarget("PUT", "/b/k?acl"), "no acl");
  EXPECT_EQ(OperationOfTarget("PATCH", "/b/k"), "MethodNotAllowed");
  EXPECT_EQ(OperationOfTarget("POST", "/"), "MethodNotAllowed");
}

TEST(S3Ranges, OfEveryForm) {
  const auto of = [](std::string_view header, uint64_t size) -> std::string {
    const auto choice = ChooseRange(header, size);
    if (!choice) return "none";
    return (choice->partial ? "" : "whole ") + std::to_string(choice->span.begin) + "-" +
           std::to_string(choice->span.end);
  };
  EXPECT_EQ(of("bytes=0-0", 10), "0-1");
  EXPECT_EQ(of("bytes=3-5", 10), "3-6");
  EXPECT_EQ(of("bytes=3-", 10), "3-10");
  EXPECT_EQ(of("bytes=3-99999999999999999999999", 10), "3-10");
  EXPECT_EQ(of("bytes=-4", 10), "6-10");
  EXPECT_EQ(of("bytes=-40", 10), "0-10");
  EXPECT_EQ(of("bytes=10-", 10), "none");
  EXPECT_EQ(of("bytes=99999999999999999999999-", 10), "none");
  EXPECT_EQ(of("bytes=-0", 10), "none");
  EXPECT_EQ(of("bytes=0-", 0), "none");
  EXPECT_EQ(of("bytes=-1", 0), "none");
  for (const char* wrong : {"bytes=5-3", "bytes=-", "bytes=a-", "bytes=1-b", "bytes=+1-2",
                            "bytes=1-2,4-5", "octets=1-2", "bytes 1-2", "bytes=", "1-2"}) {
    EXPECT_EQ(of(wrong, 10), "whole 0-10") << wrong;
  }
}

TEST(S3Conditions, HaveTheOrderOfTheStandard) {
  constexpr int64_t kSecond = 1'000'000'000;
  const int64_t modified = http_origin::ParseHttpDate("Sat, 21 Nov 2026 08:49:37 GMT").value();
  const ObjectState object{.etag = "e", .size = 1, .modified_ns = modified + kSecond / 2};
  const char* before = "Sat, 21 Nov 2026 08:49:36 GMT";
  const char* same = "Sat, 21 Nov 2026 08:49:37 GMT";
  std::string_view failed;
  const auto decide = [&](Conditions conditions) { return Decide(conditions, object, &failed); };
  EXPECT_EQ(decide({}), Verdict::kProceed);
  EXPECT_EQ(decide({.if_match = "\"x\""}), Verdict::kFailed);
  EXPECT_EQ(failed, "If-Match");
  EXPECT_EQ(decide({.if_match = "\"x\", \"e\""}), Verdict::kProceed);
  EXPECT_EQ(decide({.if_match = "e"}), Verdict::kProceed);
  EXPECT_EQ(decide({.if_match = "*", .if_unmodified_since = before}), Verdict::kProceed);
  EXPECT_EQ(decide({.if_unmodified_since = before}), Verdict::kFailed);
  EXPECT_EQ(decide({.if_unmodified_since = same}), Verdict::kProceed);
  EXPECT_EQ(decide({.if_none_match = "W/\"e\""}), Verdict::kNotModified);
  EXPECT_EQ(decide({.if_none_match = "\"x\"", .if_modified_since = same}), Verdict::kProceed);
  EXPECT_EQ(decide({.if_modified_since = same}), Verdict::kNotModified);
  EXPECT_EQ(decide({.if_modified_since = before}), Verdict::kProceed);
  EXPECT_EQ(decide({.if_modified_since = "soon"}), Verdict::kProceed);
  EXPECT_EQ(decide({.if_match = "\"x\"", .if_none_match = "\"e\""}), Verdict::kFailed);
}

TEST(S3WriteRequests, NameWhatIsCopied) {
  const auto source = [](std::string value) -> std::string {
    const auto head = Head("PUT", "/b/k", {{"Host", "h"}, {"x-amz-copy-source", std::move(value)}});
    const auto request = ParseRequest(head, "");
    const auto named = ReadCopySource(*request);
    return named ? named->bucket + " | " + named->key : std::string(named.error().kind.code);
  };
  EXPECT_EQ(source("/box/a%20b/c"), "box | a b/c");
  EXPECT_EQ(source("box/a+b?versionId=null"), "box | a+b");
  EXPECT_EQ(source("box/a?versionId=1"), "NoSuchVersion");
  for (const char* wrong : {"box", "/box/", "box/%zz", "//a"}) {
    EXPECT_EQ(source(wrong), "InvalidArgument") << wrong;
  }
  EXPECT_EQ(ReadCopyRange("bytes=1-3", 10).value(), (std::pair<uint64_t, uint64_t>(1, 4)));
  for (const char* wrong :
       {"bytes=1-10", "bytes=3-1", "bytes=1-", "bytes=-1", "1-3", "bytes=a-b"}) {
    EXPECT_FALSE(ReadCopyRange(wrong, 10)) << wrong;
  }
}

TEST(S3WriteRequests, ListsOfPartsAndKeysAreRead) {
  const auto parts = ReadPartList(
      "<CompleteMultipartUpload><Part><ETag>&quot;a&quot;</ETag><PartNumber>1</PartNumber></Part>"
      "<Part><PartNumber>10000</PartNumber><ETag>b</ETag></Part></CompleteMultipartUpload>");
  ASSERT_TRUE(parts);
  EXPECT_EQ((*parts)[0].etag, "a");
  EXPECT_EQ((*parts)[1].number, 10'000u);
  const auto code = [](std::string_view list) {
    const std::string xml =
        "<CompleteMultipartUpload>" + std::string(list) + "</CompleteMultipartUpload>";
    return ReadPartList(xml).error().kind.code;
  };
  const std::string two = "<Part><PartNumber>2</PartNumber><ETag>b</ETag></Part>";
  EXPECT_EQ(code(two + two), "InvalidPartOrder");
  EXPECT_EQ(code(""), "MalformedXML");
  EXPECT_EQ(code("<Part><PartNumber>2</PartNumber></Part>"), "MalformedXML");
  EXPECT_EQ(code("<Part><PartNumber>x</PartNumber><ETag>b</ETag></Part>"), "MalformedXML");
  EXPECT_EQ(code("<Part><PartNumber>0</PartNumber><ETag>b</ETag></Part>"), "InvalidArgument");
  EXPECT_FALSE(ReadPartList("<Delete/>"));
  const auto keys =
      ReadDeleteList("<Delete><Quiet>true</Quiet><Object><Key>a&amp;b</Key></Object></Delete>");
  ASSERT_TRUE(keys);
  EXPECT_TRUE(keys->quiet);
  EXPECT_EQ(keys->items[0].key, "a&b");
  EXPECT_FALSE(ReadDeleteList("<Delete></Delete>"));
  EXPECT_FALSE(ReadDeleteList("<Delete><Object><Key></Key></Object></Delete>"));
}

}  // namespace
}  // namespace forebay::s3door
