#include "src/front/tls/testing/certificates.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <memory>

#include "src/base/assert.h"

namespace forebay::tls {
namespace {

struct Free {
  void operator()(BIO* bio) const { BIO_free(bio); }
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
template <class T>
using Owned = std::unique_ptr<T, Free>;

std::string TextOf(BIO* bio) {
  char* begin = nullptr;
  const long size = BIO_get_mem_data(bio, &begin);
  return {begin, static_cast<size_t>(size)};
}

std::string PemOf(X509* certificate) {
  const Owned<BIO> bio(BIO_new(BIO_s_mem()));
  FB_ASSERT(PEM_write_bio_X509(bio.get(), certificate) == 1);
  return TextOf(bio.get());
}

std::string PemOf(EVP_PKEY* key, const std::string& passphrase) {
  const Owned<BIO> bio(BIO_new(BIO_s_mem()));
  const EVP_CIPHER* cipher = passphrase.empty() ? nullptr : EVP_aes_128_cbc();
  std::string word = passphrase;
  FB_ASSERT(PEM_write_bio_PKCS8PrivateKey(bio.get(), key, cipher, word.data(),
                                          static_cast<int>(word.size()), nullptr, nullptr) == 1);
  return TextOf(bio.get());
}

Owned<EVP_PKEY> ReadKey(const std::string& pem) {
  const Owned<BIO> bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  return Owned<EVP_PKEY>(PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr));
}

Owned<X509> ReadCertificate(const std::string& pem) {
  const Owned<BIO> bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  return Owned<X509>(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
}

}  // namespace

TestCertificate MakeCertificate(const TestCertificateOptions& options) {
  const Owned<EVP_PKEY> key(
      options.rsa_bits == 0
          ? EVP_EC_gen("P-256")
          : EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", static_cast<size_t>(options.rsa_bits)));
  FB_ASSERT(key != nullptr);
  const Owned<X509> made(X509_new());
  X509* const certificate = made.get();
  X509_set_version(certificate, X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
  ASN1_TIME_set(X509_getm_notBefore(certificate), options.from_s);
  ASN1_TIME_set(X509_getm_notAfter(certificate), options.until_s);
  X509_set_pubkey(certificate, key.get());
  X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(options.name.data()),
                             static_cast<int>(options.name.size()), -1, 0);
  const Owned<X509> authority =
      options.authority != nullptr ? ReadCertificate(options.authority->certificate_pem) : nullptr;
  X509_set_issuer_name(certificate,
                       X509_get_subject_name(authority ? authority.get() : certificate));
  const Owned<EVP_PKEY> signer =
      options.authority != nullptr ? ReadKey(options.authority->key_pem) : nullptr;
  FB_ASSERT(X509_sign(certificate, signer ? signer.get() : key.get(), EVP_sha256()) > 0);
  return {.certificate_pem = PemOf(certificate), .key_pem = PemOf(key.get(), options.passphrase)};
}

}  // namespace forebay::tls
