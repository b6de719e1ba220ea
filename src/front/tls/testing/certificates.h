// Certificates for tests, made on the spot.
#pragma once

#include <cstdint>
#include <string>

namespace forebay::tls {

struct TestCertificate {
  std::string certificate_pem;
  std::string key_pem;
};

struct TestCertificateOptions {
  std::string name = "server";
  int rsa_bits = 0;  // 0: P-256
  /// Signs it; null: it signs itself.
  const TestCertificate* authority = nullptr;
  std::string passphrase;  // of the key's text; "": it is not encrypted
  int64_t from_s = 1'500'000'000;
  int64_t until_s = 4'000'000'000;
};

TestCertificate MakeCertificate(const TestCertificateOptions& options = {});

}  // namespace forebay::tls
