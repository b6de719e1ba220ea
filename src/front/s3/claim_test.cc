#include "src/front/s3/claim.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "src/origin/http/text.h"
#include "src/origin/s3/signing.h"

namespace forebay::s3door {
namespace {

// Keys, moment, requests and signatures of the examples in the reference of the S3 API.
constexpr std::string_view kSecret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
constexpr std::string_view kCredential = "AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request";
constexpr std::string_view kHost = "examplebucket.s3.amazonaws.com";
constexpr std::string_view kEmpty =
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
constexpr int64_t kMoment = int64_t{1'369'353'600} * 1'000'000'000;
constexpr int64_t kMinute = int64_t{60} * 1'000'000'000;

http::RequestHead SignedHead(std::string method, std::string target, std::string_view names,
                             std::string_view signature, std::vector<http::Header> further = {}) {
  http::RequestHead head{.method = std::move(method), .target = std::move(target)};
  head.headers = {{"Host", std::string(kHost)},
                  {"x-amz-date", "20130524T000000Z"},
                  {"Authorization",
                   fmt::format("AWS4-HMAC-SHA256 Credential={}, SignedHeaders={}, Signature={}",
                               kCredential, names, signature)}};
  head.headers.insert(head.headers.end(), further.begin(), further.end());
  return head;
}

std::string SignatureOf(const http::RequestHead& head, Spelling spelling = Spelling::kOfS3) {
  const auto request = ParseRequest(head, "");
  if (!request) return std::string(request.error().text());
  const auto claim = ReadClaim(*request);
  if (!claim) return std::string(claim.error().text());
  return s3::Sign(s3::SigningKeyOf(kSecret, (*claim)->day, (*claim)->region),
                  s3::TextToSign(CanonicalRequest(**claim, *request, spelling), (*claim)->moment,
                                 (*claim)->scope()));
}

TEST(S3Claim, SignaturesOfTheReferenceAreThose) {
  EXPECT_EQ(SignatureOf(SignedHead(
                "GET", "/test.txt", "host;range;x-amz-content-sha256;x-amz-date", "s",
                {{"Range", "bytes=0-9"}, {"x-amz-content-sha256", std::string(kEmpty)}})),
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
  EXPECT_EQ(SignatureOf(
                SignedHead("PUT", "/test$file.text",
                           "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class", "s",
                           {{"Date", "Fri, 24 May 2013 00:00:00 GMT"},
                            {"x-amz-storage-class", "REDUCED_REDUNDANCY"},
                            {"x-amz-content-sha256",
                             "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072"}})),
            "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd");
  const std::vector<http::Header> empty = {{"x-amz-content-sha256", std::string(kEmpty)}};
  EXPECT_EQ(SignatureOf(SignedHead("GET", "/?lifecycle", "host;x-amz-content-sha256;x-amz-date",
                                   "s", empty)),
            "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");
  EXPECT_EQ(SignatureOf(SignedHead("GET", "/?max-keys=2&prefix=J",
                                   "host;x-amz-content-sha256;x-amz-date", "s", empty)),
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
}

const std::string kPresigned =
    "/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524"
    "%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400"
    "&X-Amz-SignedHeaders=host&X-Amz-Signature=abc";

http::RequestHead Presigned(std::string_view without = "", std::string with = "") {
  std::string target = kPresigned;
  if (!without.empty()) target.replace(target.find(without), without.size(), with);
  return {.method = "GET", .target = target, .headers = {{"Host", std::string(kHost)}}};
}

TEST(S3Claim, TheSignatureOfAPresignedRequestOfTheReferenceIsThat) {
  EXPECT_EQ(SignatureOf(Presigned()),
            "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404");
}

TEST(S3Claim, WhatIsSentUnencodedMayBeSignedSo) {
  const auto head = SignedHead("GET", "/a(b)?x=y/z&a", "host", "s",
                               {{"x-amz-content-sha256", std::string(kEmpty)}});
  const auto request = ParseRequest(head, "");
  const auto claim = ReadClaim(*request);
  const std::string usual = CanonicalRequest(**claim, *request, Spelling::kOfS3);
  const std::string sent = CanonicalRequest(**claim, *request, Spelling::kAsSent);
  EXPECT_TRUE(usual.starts_with("GET\n/a%28b%29\na=&x=y%2Fz\n")) << usual;
  EXPECT_TRUE(sent.starts_with("GET\n/a(b)\na=&x=y/z\n")) << sent;
}

std::string CodeOf(const http::RequestHead& head, int64_t now = kMoment,
                   std::string_view region = "us-east-1") {
  const auto request = ParseRequest(head, "");
  const auto claim = ReadClaim(*request);
  if (!claim) return std::string(claim.error().kind.code);
  if (!*claim) return "none";
  const auto checked = CheckClaim(**claim, region, now);
  if (!checked) return std::string(checked.error().kind.code);
  const auto covered = CheckCoverage(**claim, *request);
  return covered ? "fine" : std::string(covered.error().kind.code);
}

TEST(S3Claim, IsForUsAndForNow) {
  const auto head = SignedHead("GET", "/a", "host;x-amz-date", "s");
  EXPECT_EQ(CodeOf(head), "fine");
  EXPECT_EQ(CodeOf(head, kMoment + 14 * kMinute), "fine");
  EXPECT_EQ(CodeOf(head, kMoment + 16 * kMinute), "RequestTimeTooSkewed");
  EXPECT_EQ(CodeOf(head, kMoment - 16 * kMinute), "RequestTimeTooSkewed");
  EXPECT_EQ(CodeOf(head, kMoment, "eu-west-1"), "AuthorizationHeaderMalformed");
  EXPECT_EQ(CodeOf(SignedHead("GET", "/a", "host;x-amz-date", "s", {{"x-amz-meta-a", "1"}})),
            "AccessDenied");
  EXPECT_EQ(CodeOf(SignedHead("GET", "/a", "x-amz-date", "s")), "AccessDenied");
  EXPECT_EQ(CodeOf(Presigned(), kMoment + 86'399 * kMinute / 60), "fine");
  EXPECT_EQ(CodeOf(Presigned(), kMoment + 86'401 * kMinute / 60), "AccessDenied");
  EXPECT_EQ(CodeOf(Presigned(), kMoment - 16 * kMinute), "AccessDenied");
}

TEST(S3Claim, WhatIsMalformedIsToldAsS3DoesIt) {
  const auto with = [](std::string authorization) {
    http::RequestHead head{.method = "GET", .target = "/a"};
    head.headers = {{"Host", "h"},
                    {"x-amz-date", "20130524T000000Z"},
                    {"Authorization", std::move(authorization)}};
    return CodeOf(head);
  };
  EXPECT_EQ(with(""), "none");
  EXPECT_EQ(with("Bearer x"), "InvalidArgument");
  EXPECT_EQ(with("AWS4-HMAC-SHA256"), "AuthorizationHeaderMalformed");
  const std::string rest = ", SignedHeaders=host, Signature=s";
  for (const char* credential :
       {"a/b/c", "/20130524/us-east-1/s3/aws4_request", "a/20130524/us-east-1/ec2/aws4_request",
        "a/20130524/us-east-1/s3/aws3_request", "a/20130525/us-east-1/s3/aws4_request"}) {
    EXPECT_EQ(with(std::string("AWS4-HMAC-SHA256 Credential=") + credential + rest),
              "AuthorizationHeaderMalformed")
        << credential;
  }
  auto undated = SignedHead("GET", "/a", "host", "s");
  undated.headers[1].value = "yesterday";
  EXPECT_EQ(CodeOf(undated), "AccessDenied");
  undated.headers[1] = {"Date", "Fri, 24 May 2013 00:00:00 GMT"};
  EXPECT_EQ(CodeOf(undated), "fine");
  const std::string kind = "AuthorizationQueryParametersError";
  EXPECT_EQ(CodeOf(Presigned("&X-Amz-Date=20130524T000000Z")), kind);
  EXPECT_EQ(CodeOf(Presigned("Expires=86400", "Expires=604801")), kind);
  EXPECT_EQ(CodeOf(Presigned("Expires=86400", "Expires=-1")), kind);
  EXPECT_EQ(CodeOf(Presigned("Expires=86400", "Expires=1x")), kind);
  EXPECT_EQ(CodeOf(Presigned("AWS4-HMAC-SHA256", "AWS4-ECDSA")), kind);
  auto both = Presigned();
  both.headers.push_back({"Authorization", "AWS4-HMAC-SHA256 x"});
  EXPECT_EQ(CodeOf(both), "InvalidArgument");
}

}  // namespace
}  // namespace forebay::s3door
