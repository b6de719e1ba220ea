#include "src/origin/s3/sigv4.h"
#include "src/origin/http/request.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace forebay::s3 {
namespace {

using http_origin::HeaderOf;

// Keys, moment, requests and signatures of "Signature Calculations for the Authorization Header"
// in the reference of the S3 API.
const Keys kExample{.id = "AKIAIOSFODNN7EXAMPLE",
                    .secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"};
constexpr int64_t kMoment = int64_t{1'369'353'600} * 1'000'000'000;
constexpr std::string_view kHost = "https://examplebucket.s3.amazonaws.com";

std::string Signed(HttpRequest request) {
  SignRequest(request, kExample, "us-east-1", kMoment);
  return std::string(HeaderOf(request, "authorization"));
}

TEST(SigV4Test, SignsTheRangedGetOfTheReference) {
  EXPECT_EQ(Signed({.url = std::string(kHost) + "/test.txt", .headers = {{"Range", "bytes=0-9"}}}),
            "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,"
            "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,"
            "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
}

TEST(SigV4Test, SignsThePutOfTheReference) {
  const std::string_view body = "Welcome to Amazon S3.";
  const std::string authorization =
      Signed({.method = "PUT",
              .url = std::string(kHost) + "/test%24file.text",
              .headers = {{"Date", "Fri, 24 May 2013 00:00:00 GMT"},
                          {"x-amz-storage-class", "REDUCED_REDUNDANCY"}},
              .body = {AsBytes(body.substr(0, 7)), AsBytes(body.substr(7))}});
  EXPECT_TRUE(authorization.ends_with(
      "Signature=98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"))
      << authorization;
}

TEST(SigV4Test, SignsTheQueriesOfTheReference) {
  EXPECT_TRUE(Signed({.url = std::string(kHost) + "/?lifecycle"})
                  .ends_with("fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"));
  EXPECT_TRUE(Signed({.url = std::string(kHost) + "?prefix=J&max-keys=2"})
                  .ends_with("34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"));
}

TEST(SigV4Test, SignsOddRequestsAsTheToolsOfAwsDo) {
  // Figures of botocore's S3SigV4Auth, 1.44.5.
  const Keys keys{.id = "AKIDEXAMPLE", .secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"};
  const int64_t moment = int64_t{1'795'250'977} * 1'000'000'000;
  const auto sign = [&](HttpRequest request, std::string token = {}) {
    Keys with_token = keys;
    with_token.token = std::move(token);
    SignRequest(request, with_token, "eu-central-1", moment);
    const std::string_view authorization = HeaderOf(request, "Authorization");
    return std::string(authorization.substr(authorization.find("Signature=") + 10));
  };
  EXPECT_EQ(sign({.url = "https://minio.lan:9000/bucket/some/prefix/"
                         "a%20b%2Bc%25d%7C~%C3%A9%2C%3D%26",
                  .headers = {{"Range", "bytes=5-9"}, {"If-Match", "\"abc-2\""}}}),
            "dd93b889aa7bc785bc66817a0e8d6b1fe941a890c775eb56d97651e3f1c4693c");
  EXPECT_EQ(sign({.url = "https://bucket.s3.eu-central-1.amazonaws.com/?list-type=2&encoding-type="
                         "url&max-keys=7&prefix=p%2F&delimiter=%2F&start-after=p%2Fc%2F%F4%8F%BF"
                         "%BF"},
                 "TOKEN/+="),
            "67d83d1ab36f46195bb591851881bf897b205eb4cbbb7a6f5bead6a194261a43");
  EXPECT_EQ(sign({.method = "POST",
                  .url = "http://h/bucket/k?uploads",
                  .headers = {{"x-amz-meta-forebay-write", "00ff"}}}),
            "167aef493e8ac53d6500ae2ff6d66bc7899b98689582fb665b15114288efcbb2");
  EXPECT_EQ(sign({.method = "PUT",
                  .url = "http://h/bucket/k?partNumber=2&uploadId=a%2Fb%2B%3D",
                  .body = {AsBytes("hello")}}),
            "dce1f0ec8d2335eff068a840c7306b90c7422fdfa61ede887068a663fbb43303");
}

TEST(SigV4Test, SigningAgainReplacesWhatWasSigned) {
  HttpRequest request{.url = std::string(kHost) + "/a"};
  SignRequest(request, kExample, "us-east-1", 0);
  const size_t headers = request.headers.size();
  SignRequest(request, {.id = "id", .secret = "s", .token = "t"}, "us-east-1", kMoment);
  EXPECT_EQ(request.headers.size(), headers + 1);
  EXPECT_EQ(HeaderOf(request, "X-Amz-Date"), "20130524T000000Z");
  EXPECT_EQ(HeaderOf(request, "x-amz-security-token"), "t");
  EXPECT_NE(HeaderOf(request, "Authorization").find("x-amz-security-token"), std::string::npos);
  EXPECT_EQ(HeaderOf(request, "Authorization").find("secret"), std::string::npos);
}

TEST(SigV4Test, AHashThatWasBroughtIsNotComputedAgain) {
  const std::string_view body = "x";
  HttpRequest request{.method = "PUT",
                      .url = std::string(kHost) + "/a",
                      .headers = {{std::string(kPayloadHashHeader), "UNSIGNED-PAYLOAD"}},
                      .body = {AsBytes(body)}};
  SignRequest(request, kExample, "us-east-1", kMoment);
  EXPECT_EQ(HeaderOf(request, kPayloadHashHeader), "UNSIGNED-PAYLOAD");
  EXPECT_TRUE(CanonicalRequest(request).text.ends_with("UNSIGNED-PAYLOAD"));
}

TEST(SigV4Test, CanonicalFormIsSortedAndTrimmed) {
  const HttpRequest request{
      .url = "http://Host:9000/a%20b?z=1&a&b=%2F&b=%20",
      .headers = {{"X-B", "  two   words "}, {"traceparent", "00-1-2-01"}, {"x-a", "1"}}};
  EXPECT_EQ(CanonicalRequest(request).text,
            "GET\n/a%20b\na=&b=%20&b=%2F&z=1\nhost:Host:9000\nx-a:1\nx-b:two words\n\n"
            "host;x-a;x-b\n");
  for (const auto& [url, host] :
       {std::pair("https://h:443/a?b", "h"), {"http://h:443", "h:443"}, {"http://h:80?b", "h"}}) {
    EXPECT_NE(CanonicalRequest({.url = url}).text.find(fmt::format("\nhost:{}\n", host)),
              std::string::npos)
        << url;
  }
  EXPECT_EQ(http_origin::SplitUrl("http://h:80?b").query, "b");
}

}  // namespace
}  // namespace forebay::s3
