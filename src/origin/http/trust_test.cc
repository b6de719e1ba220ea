#include "src/origin/http/trust.h"

#include <gtest/gtest.h>

namespace forebay::http_origin {
namespace {

std::string FileOf(std::string_view url, const Surroundings& surroundings) {
  const auto tls = TlsOf(OriginUrl::Parse(url).value(), surroundings, {"AWS_CA_BUNDLE"});
  if (!tls) return tls.error().message();
  return *tls == nullptr ? "the system's" : (*tls)->ca_file;
}

TEST(Trust, FollowsTheUrlThenTheVariablesThenTheSystem) {
  Surroundings surroundings;
  EXPECT_EQ(FileOf("s3://b", surroundings), "the system's");
  surroundings.variables["SSL_CERT_FILE"] = "/ssl.pem";
  EXPECT_EQ(FileOf("s3://b", surroundings), "/ssl.pem");
  surroundings.variables["AWS_CA_BUNDLE"] = "/aws.pem";
  EXPECT_EQ(FileOf("s3://b", surroundings), "/aws.pem");
  EXPECT_EQ(FileOf("s3://b?ca=/own%20one.pem", surroundings), "/own one.pem");
  EXPECT_EQ(FileOf("s3://b?ca=own.pem", surroundings),
            "origin s3://b: ?ca= is the path of a file on the node: /etc/ssl/own.pem");
}

}  // namespace
}  // namespace forebay::http_origin
