#include "src/front/tls/identity.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "src/front/tls/testing/certificates.h"

namespace forebay::tls {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

std::string WhyNot(const std::string& certificate, const std::string& key) {
  const auto made = ServerIdentity::Create(certificate, key);
  if (made) return "it was taken";
  EXPECT_EQ(made.error().code(), Code::kInvalidArgument);
  return made.error().message();
}

TEST(ServerIdentity, TellsWhoseItIsAndHowLong) {
  const TestCertificate own = MakeCertificate({.name = "node.example.org"});
  const auto identity = ServerIdentity::Create(own.certificate_pem, own.key_pem);
  ASSERT_TRUE(identity) << identity.error().message();
  EXPECT_EQ((*identity)->Subject(), "CN = node.example.org");
  EXPECT_EQ((*identity)->valid_from_ns(), 1'500'000'000'000'000'000);
  EXPECT_EQ((*identity)->valid_until_ns(), 4'000'000'000'000'000'000);
}

TEST(ServerIdentity, TakesAChainAndKeysOfBothKinds) {
  const TestCertificate root = MakeCertificate({.name = "root"});
  const TestCertificate between = MakeCertificate({.name = "between", .authority = &root});
  for (const int rsa_bits : {0, 2048}) {
    const TestCertificate own = MakeCertificate({.rsa_bits = rsa_bits, .authority = &between});
    const std::string chain = own.certificate_pem + between.certificate_pem;
    EXPECT_TRUE(ServerIdentity::Create(chain, own.key_pem));
    // One file with all of it is as good.
    EXPECT_TRUE(ServerIdentity::Create(own.key_pem + chain, chain + own.key_pem));
    EXPECT_THAT(WhyNot(between.certificate_pem + own.certificate_pem, own.key_pem),
                HasSubstr("the server's own stands first"));
  }
}

TEST(ServerIdentity, SaysWhichOfTheTwoIsWrongAndWhy) {
  const TestCertificate own = MakeCertificate();
  const std::string& good = own.certificate_pem;
  EXPECT_THAT(WhyNot("", own.key_pem), StartsWith("certificate: none in it"));
  EXPECT_THAT(WhyNot("hello\n", own.key_pem), HasSubstr("-----BEGIN CERTIFICATE-----"));
  EXPECT_THAT(WhyNot(own.key_pem, own.key_pem), StartsWith("certificate: none in it"));
  std::string garbled = good;
  garbled.replace(60, 4, "????");
  EXPECT_THAT(WhyNot(garbled, own.key_pem), StartsWith("certificate: it is garbled ("));
  EXPECT_THAT(WhyNot(good.substr(0, good.size() / 2), own.key_pem), StartsWith("certificate: "));
  EXPECT_THAT(WhyNot(good + garbled, own.key_pem),
              StartsWith("certificate: the one in place 2 is garbled ("));
  EXPECT_THAT(WhyNot(good, ""), StartsWith("key: no private key"));
  EXPECT_THAT(WhyNot(good, good), StartsWith("key: no private key"));
  EXPECT_THAT(WhyNot(good, own.key_pem.substr(0, 80)), StartsWith("key: no private key"));
  EXPECT_THAT(WhyNot(good, MakeCertificate().key_pem), StartsWith("key: it does not belong"));
  EXPECT_THAT(WhyNot(good, MakeCertificate({.rsa_bits = 2048}).key_pem),
              StartsWith("key: it does not belong"));
  EXPECT_THAT(WhyNot(std::string(2 << 20, 'x'), ""), StartsWith("certificate: more than"));
}

TEST(ServerIdentity, AsksNobodyForAPassphrase) {
  const TestCertificate own = MakeCertificate({.passphrase = "open sesame"});
  EXPECT_THAT(WhyNot(own.certificate_pem, own.key_pem), HasSubstr("openssl pkey"));
}

TEST(ServerIdentity, RefusesKeysThatAreTooWeak) {
  const TestCertificate own = MakeCertificate({.rsa_bits = 1024});
  EXPECT_THAT(WhyNot(own.certificate_pem, own.key_pem), HasSubstr("key too small"));
}

}  // namespace
}  // namespace forebay::tls
