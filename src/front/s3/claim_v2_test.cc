#include "src/front/s3/claim_v2.h"

#include <gtest/gtest.h>

namespace forebay::s3door {
namespace {

// Keys, requests and signatures of the examples in the reference of the S3 API.
constexpr std::string_view kSecret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
constexpr std::string_view kDomain = "s3.amazonaws.com";
constexpr int64_t kSecond = 1'000'000'000;
constexpr int64_t kMoment = 1'175'024'202 * kSecond;  // Tue, 27 Mar 2007 19:36:42
constexpr int64_t kMinute = 60 * kSecond;

http::RequestHead SignedHead(std::string method, std::string target,
                             std::vector<http::Header> further,
                             std::string host = "johnsmith.s3.amazonaws.com") {
  http::RequestHead head{.method = std::move(method), .target = std::move(target)};
  head.headers = {{"Host", std::move(host)}, {"Authorization", "AWS AKIAIOSFODNN7EXAMPLE:abc="}};
  head.headers.insert(head.headers.end(), further.begin(), further.end());
  return head;
}

std::string SignatureOf(const http::RequestHead& head) {
  const auto request = ParseRequest(head, kDomain);
  if (!request) return std::string(request.error().text());
  const auto claim = ReadClaimV2(*request);
  if (!claim) return std::string(claim.error().text());
  if (!*claim) return "none";
  return SignV2(kSecret, TextToSignV2(**claim, *request, Spelling::kOfS3));
}

TEST(S3ClaimV2, SignaturesOfTheReferenceAreThose) {
  EXPECT_EQ(SignatureOf(SignedHead("GET", "/photos/puppy.jpg",
                                   {{"Date", "Tue, 27 Mar 2007 19:36:42 +0000"}})),
            "bWq2s1WEIj+Ydj0vQ697zp+IXMU=");
  EXPECT_EQ(SignatureOf(SignedHead("PUT", "/photos/puppy.jpg",
                                   {{"Content-Type", "image/jpeg"},
                                    {"Content-Length", "94328"},
                                    {"Date", "Tue, 27 Mar 2007 21:15:45 +0000"}})),
            "MyyxeRY7whkBe+bq8fHCL/2kKUg=");
  EXPECT_EQ(SignatureOf(SignedHead("GET", "/?prefix=photos&max-keys=50&marker=puppy",
                                   {{"Date", "Tue, 27 Mar 2007 19:42:41 +0000"}})),
            "htDYFYduRNen8P9ZfE/s9SuKy0U=");
  EXPECT_EQ(SignatureOf(SignedHead("GET", "/?acl", {{"Date", "Tue, 27 Mar 2007 19:44:46 +0000"}})),
            "c2WLPFtWHVgbEmeEG93a4cG37dM=");
  EXPECT_EQ(SignatureOf(SignedHead("PUT", "/db-backup.dat.gz",
                                   {{"Date", "Tue, 27 Mar 2007 21:06:08 +0000"},
                                    {"x-amz-acl", "public-read"},
                                    {"content-type", "application/x-download"},
                                    {"Content-MD5", "4gJE4saaMU4BqNR0kLY+lw=="},
                                    {"X-Amz-Meta-ReviewedBy", "joe@johnsmith.net"},
                                    {"X-Amz-Meta-ReviewedBy", "jane@johnsmith.net"},
                                    {"X-Amz-Meta-FileChecksum", "0x02661779"},
                                    {"X-Amz-Meta-ChecksumAlgorithm", "crc32"},
                                    {"Content-Encoding", "gzip"}},
                                   "static.johnsmith.net.s3.amazonaws.com")),
            "ilyl83RwaSoYIEdixDQcA4OnAnc=");
}

TEST(S3ClaimV2, ADateOfS3StandsForTheOther) {
  // The reference signs this one with a path that names its bucket.
  const auto with = [](std::string_view name) {
    return SignedHead("DELETE", "/johnsmith/photos/puppy.jpg",
                      {{std::string(name), "Tue, 27 Mar 2007 21:20:26 +0000"}}, "s3.amazonaws.com");
  };
  EXPECT_EQ(SignatureOf(with("Date")), "lx3byBScXR6KzyMaifNkardMwNk=");
  const auto head = with("x-amz-date");
  const auto request = ParseRequest(head, kDomain);
  const auto claim = ReadClaimV2(*request);
  EXPECT_EQ(TextToSignV2(**claim, *request, Spelling::kAsSent),
            "DELETE\n\n\n\nx-amz-date:Tue, 27 Mar 2007 21:20:26 +0000\n"
            "/johnsmith/photos/puppy.jpg");
}

TEST(S3ClaimV2, ABucketEndsWithASlash) {
  const auto resource = [](std::string target, std::string host, Spelling spelling) {
    const auto head = SignedHead("GET", std::move(target),
                                 {{"Date", "Tue, 27 Mar 2007 19:36:42 GMT"}}, std::move(host));
    const auto request = ParseRequest(head, kDomain);
    const std::string text = TextToSignV2(**ReadClaimV2(*request), *request, spelling);
    return text.substr(text.rfind('\n') + 1);
  };
  const std::string plain(kDomain);
  EXPECT_EQ(resource("/box?list-type=2", plain, Spelling::kOfS3), "/box/");
  EXPECT_EQ(resource("/box?list-type=2", plain, Spelling::kAsSent), "/box");
  EXPECT_EQ(resource("/box?acl", plain, Spelling::kOfS3), "/box/?acl");
  EXPECT_EQ(resource("/box/a", plain, Spelling::kOfS3), "/box/a");
  EXPECT_EQ(resource("/", plain, Spelling::kOfS3), "/");
  EXPECT_EQ(resource("/", "box." + plain, Spelling::kOfS3), "/box/");
}

http::RequestHead Presigned(std::string query) {
  return {.method = "GET",
          .target = "/photos/puppy.jpg?" + query,
          .headers = {{"Host", "johnsmith.s3.amazonaws.com"}}};
}

TEST(S3ClaimV2, AQueryIsSignedByWhenItEnds) {
  const std::string query =
      "AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Signature=a+b%2Fc%3D&Expires=1175139620";
  EXPECT_EQ(SignatureOf(Presigned(query)), "NpgCjnDzrM+WFzoENXmpNDUsSn8=");
  const auto head = Presigned(query);
  const auto request = ParseRequest(head, kDomain);
  const auto claim = ReadClaimV2(*request);
  EXPECT_EQ((*claim)->signature, "a+b/c=") << "a plus that was sent as it is, is one";
  EXPECT_EQ((*claim)->key_id, "AKIAIOSFODNN7EXAMPLE");
  EXPECT_TRUE((*claim)->presigned);
}

TEST(S3ClaimV2, WhatChangesTheAnswerIsSigned) {
  const auto head = Presigned(
      "AWSAccessKeyId=A&Signature=s&Expires=1&uploadId=u%2B1&partNumber=2&other=x&versions"
      "&response-content-type=a%20b&x-amz-meta-colour=red&content-type=c");
  const auto request = ParseRequest(head, kDomain);
  const auto claim = ReadClaimV2(*request);
  EXPECT_EQ(TextToSignV2(**claim, *request, Spelling::kAsSent),
            "GET\n\n\n1\nx-amz-meta-colour:red\n/johnsmith/photos/puppy.jpg"
            "?partNumber=2&response-content-type=a b&uploadId=u+1&versions=");
  EXPECT_EQ(TextToSignV2(**claim, *request, Spelling::kOfS3),
            "GET\n\n\n1\nx-amz-meta-colour:red\n/johnsmith/photos/puppy.jpg"
            "?partNumber=2&response-content-type=a b&uploadId=u+1&versions");
}

std::string CoverageOf(const std::string& query, std::vector<http::Header> headers = {}) {
  http::RequestHead head = Presigned("AWSAccessKeyId=A&Signature=s&Expires=1&" + query);
  head.headers.insert(head.headers.end(), headers.begin(), headers.end());
  const auto covered = CheckCoverageV2(*ParseRequest(head, kDomain));
  return covered ? "fine" : std::string(covered.error().kind.code);
}

TEST(S3ClaimV2, OneTextIsNotOfTwoRequests) {
  EXPECT_EQ(CoverageOf("partNumber=1&uploadId=X"), "fine");
  EXPECT_EQ(CoverageOf("partNumber=1%26uploadId%3DX"), "InvalidRequest");
  EXPECT_EQ(CoverageOf("response-cache-control=a%26b%26versions"), "InvalidRequest");
  EXPECT_EQ(CoverageOf("response-content-disposition=a%26b.txt%26acls"), "fine");
  EXPECT_EQ(CoverageOf("prefix=a%26versions"), "fine") << "it is not signed at all";
  // These could be taken away without a trace.
  EXPECT_EQ(CoverageOf("attributes"), "InvalidRequest");
  EXPECT_EQ(CoverageOf("retention"), "InvalidRequest");
  // And these be told apart by nobody.
  EXPECT_EQ(CoverageOf("x-amz-copy-source=a,b"), "fine");
  EXPECT_EQ(CoverageOf("x-amz-copy-source=a&x-amz-copy-source=b"), "InvalidRequest");
  EXPECT_EQ(CoverageOf("x-amz-copy-source=b", {{"X-Amz-Copy-Source", "a"}}), "InvalidRequest");
  EXPECT_EQ(CoverageOf("x-amz-meta-a=b", {{"x-amz-meta-a", "a"}}), "fine");
}

TEST(S3ClaimV2, WhatIsNoHeaderInAQueryIsSigned) {
  const auto head = Presigned(
      "AWSAccessKeyId=A&Signature=s&Expires=1&x-amz-security-token=t&x-amz-checksum-crc32=AAAAAA");
  const auto request = ParseRequest(head, kDomain);
  EXPECT_TRUE(request->from_query.empty());
  EXPECT_EQ(TextToSignV2(**ReadClaimV2(*request), *request, Spelling::kOfS3),
            "GET\n\n\n1\nx-amz-checksum-crc32:AAAAAA\nx-amz-security-token:t\n"
            "/johnsmith/photos/puppy.jpg");
}

std::string CodeOf(const http::RequestHead& head, int64_t now = kMoment) {
  const auto request = ParseRequest(head, kDomain);
  const auto claim = ReadClaimV2(*request);
  if (!claim) return std::string(claim.error().kind.code);
  if (!*claim) return "none";
  const auto checked = CheckClaimV2(**claim, now);
  return checked ? "fine" : std::string(checked.error().kind.code);
}

TEST(S3ClaimV2, IsForNow) {
  const auto head = SignedHead("GET", "/a", {{"Date", "Tue, 27 Mar 2007 19:36:42 GMT"}});
  EXPECT_EQ(CodeOf(head), "fine");
  EXPECT_EQ(CodeOf(head, kMoment + 14 * kMinute), "fine");
  EXPECT_EQ(CodeOf(head, kMoment + 16 * kMinute), "RequestTimeTooSkewed");
  EXPECT_EQ(CodeOf(head, kMoment - 16 * kMinute), "RequestTimeTooSkewed");
  EXPECT_EQ(CodeOf(SignedHead("GET", "/a", {{"Date", "Sat, 01 Jan 1701 00:00:00 GMT"}})),
            "RequestTimeTooSkewed");
  const auto url = Presigned("AWSAccessKeyId=A&Signature=s&Expires=1175024202");
  EXPECT_EQ(CodeOf(url), "fine");
  EXPECT_EQ(CodeOf(url, kMoment + kSecond), "AccessDenied");
  EXPECT_EQ(CodeOf(Presigned("AWSAccessKeyId=A&Signature=s&Expires=9999999999999999")), "fine");
}

TEST(S3ClaimV2, WhatIsMalformedIsRefused) {
  EXPECT_EQ(CodeOf(SignedHead("GET", "/a", {})), "AccessDenied");
  EXPECT_EQ(CodeOf(SignedHead("GET", "/a", {{"Date", "yesterday"}})), "AccessDenied");
  for (const char* authorization : {"AWS ", "AWS A", "AWS A:", "AWS :s"}) {
    http::RequestHead head = SignedHead("GET", "/a", {{"Date", "Tue, 27 Mar 2007 19:36:42 GMT"}});
    head.headers[1].value = authorization;
    EXPECT_EQ(CodeOf(head), "InvalidArgument") << authorization;
  }
  for (const char* query :
       {"AWSAccessKeyId=A", "Signature=s", "AWSAccessKeyId=A&Signature=s",
        "AWSAccessKeyId=A&Signature=s&Expires=", "AWSAccessKeyId=&Signature=s&Expires=1",
        "AWSAccessKeyId=A&Signature=s&Expires=soon", "AWSAccessKeyId=A&Signature=s&Expires=-1",
        "AWSAccessKeyId=A&Signature=s&Expires=1%20",
        "AWSAccessKeyId=A&Signature=s&Expires=99999999999999999999"}) {
    EXPECT_EQ(CodeOf(Presigned(query)), "AccessDenied") << query;
  }
}

TEST(S3ClaimV2, OneMechanismAtATime) {
  http::RequestHead both = Presigned("AWSAccessKeyId=A&Signature=s&Expires=1175024202");
  EXPECT_EQ(CodeOf(both), "fine");
  both.headers.push_back({"Authorization", "AWS A:s"});
  EXPECT_EQ(CodeOf(both), "InvalidArgument");
  both.headers.back().value = "AWS4-HMAC-SHA256 x";
  EXPECT_EQ(CodeOf(both), "InvalidArgument");
  EXPECT_EQ(CodeOf(Presigned("AWSAccessKeyId=A&Signature=s&Expires=1&X-Amz-Signature=t")),
            "InvalidArgument");
  EXPECT_EQ(CodeOf({.method = "GET", .target = "/a"}), "none");
}

}  // namespace
}  // namespace forebay::s3door
