#include "src/front/tls/identity.h"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <algorithm>
#include <climits>

#include "src/base/assert.h"
#include "src/front/tls/openssl_words.h"

namespace forebay::tls {
namespace {

constexpr size_t kMaxPemBytes = size_t{1} << 20;
/// Forward secrecy and authenticated encryption alone. The shorter AES comes first: it is a third
/// faster, and nobody breaks either.
constexpr const char* kCiphersOfTls12 =
    "ECDHE+AESGCM+AES128:ECDHE+AESGCM+AES256:ECDHE+CHACHA20:!PSK:!aNULL";
constexpr const char* kCiphersOfTls13 =
    "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";
constexpr unsigned char kSessionsOf[] = "forebay";
constexpr unsigned char kHttp11[] = {8, 'h', 't', 't', 'p', '/', '1', '.', '1'};
constexpr int64_t kNanosPerSecond = 1'000'000'000;
constexpr int64_t kSecondsPerDay = 86'400;

struct Free {
  void operator()(BIO* bio) const { BIO_free(bio); }
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(ASN1_TIME* time) const { ASN1_TIME_free(time); }
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};
template <class T>
using Owned = std::unique_ptr<T, Free>;

std::unexpected<Error> Wrong(std::string why) {
  ERR_clear_error();
  return Fail(Code::kInvalidArgument, std::move(why));
}

Owned<BIO> Reader(std::string_view text) {
  Owned<BIO> bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
  FB_ASSERT(bio != nullptr);
  return bio;
}

/// A client that offers other protocols only would not understand our answers.
int ChooseProtocol(SSL*, const unsigned char** chosen, unsigned char* chosen_size,
                   const unsigned char* offered, unsigned int offered_size, void*) {
  unsigned char* out = nullptr;
  if (SSL_select_next_proto(&out, chosen_size, kHttp11, sizeof kHttp11, offered, offered_size) !=
      OPENSSL_NPN_NEGOTIATED) {
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  }
  *chosen = out;
  return SSL_TLSEXT_ERR_OK;
}

Owned<SSL_CTX> MakeContext() {
  Owned<SSL_CTX> context(SSL_CTX_new(TLS_server_method()));
  FB_ASSERT(context != nullptr);
  SSL_CTX* const ssl = context.get();
  FB_ASSERT(SSL_CTX_set_min_proto_version(ssl, TLS1_2_VERSION) == 1);
  FB_ASSERT(SSL_CTX_set_cipher_list(ssl, kCiphersOfTls12) == 1);
  FB_ASSERT(SSL_CTX_set_ciphersuites(ssl, kCiphersOfTls13) == 1);
  // A client without AES in its processor says so by offering ChaCha20 first.
  SSL_CTX_set_options(ssl, SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA |
                               SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  // Sessions are kept by the clients alone, in tickets.
  SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
  FB_ASSERT(SSL_CTX_set_session_id_context(ssl, kSessionsOf, sizeof kSessionsOf - 1) == 1);
  SSL_CTX_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_alpn_select_cb(ssl, ChooseProtocol, nullptr);
  return context;
}

bool AtEndOfPem() {
  const unsigned long error = ERR_peek_last_error();
  const bool end =
      ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
  if (end) ERR_clear_error();
  return end;
}

Result<void> UseChain(SSL_CTX* context, std::string_view pem) {
  const Owned<BIO> reader = Reader(pem);
  Owned<X509> own(PEM_read_bio_X509(reader.get(), nullptr, nullptr, nullptr));
  if (own == nullptr) {
    if (AtEndOfPem()) {
      return Wrong("certificate: none in it; it should begin with -----BEGIN CERTIFICATE-----");
    }
    return Wrong(fmt::format("certificate: it is garbled ({}); write it anew", TakeReason()));
  }
  if (SSL_CTX_use_certificate(context, own.get()) != 1) {
    return Wrong(fmt::format("certificate: {}; have another one made", TakeReason()));
  }
  for (int place = 2;; ++place) {
    Owned<X509> next(PEM_read_bio_X509(reader.get(), nullptr, nullptr, nullptr));
    if (next == nullptr && AtEndOfPem()) return {};
    if (next == nullptr) {
      return Wrong(fmt::format("certificate: the one in place {} is garbled ({}); write it anew",
                               place, TakeReason()));
    }
    if (SSL_CTX_add1_chain_cert(context, next.get()) != 1) {
      return Wrong(fmt::format("certificate: the one in place {}: {}", place, TakeReason()));
    }
  }
}

int NotePassphraseWanted(char*, int, int, void* wanted) {
  *static_cast<bool*>(wanted) = true;
  return -1;
}

Result<void> UseKey(SSL_CTX* context, std::string_view pem) {
  const Owned<BIO> reader = Reader(pem);
  bool encrypted = false;
  const Owned<EVP_PKEY> key(
      PEM_read_bio_PrivateKey(reader.get(), nullptr, NotePassphraseWanted, &encrypted));
  if (encrypted) {
    return Wrong(
        "key: it is encrypted with a passphrase, and nobody is there to type it; write it out "
        "without (openssl pkey -in OLD -out NEW)");
  }
  if (key == nullptr) {
    return Wrong(
        "key: no private key can be read from it; it should begin with -----BEGIN PRIVATE "
        "KEY-----");
  }
  X509* const own = SSL_CTX_get0_certificate(context);
  if (X509_check_private_key(own, key.get()) != 1) {
    return Wrong(
        "key: it does not belong to the certificate; the server's own stands first in its file, "
        "before those that signed it");
  }
  if (SSL_CTX_use_PrivateKey(context, key.get()) != 1) {
    return Wrong(fmt::format("key: {}", TakeReason()));
  }
  return {};
}

int64_t NanosOf(const ASN1_TIME* time) {
  const Owned<ASN1_TIME> epoch(ASN1_TIME_set(nullptr, 0));
  int days = 0;
  int seconds = 0;
  if (ASN1_TIME_diff(&days, &seconds, epoch.get(), time) != 1) return 0;
  const int64_t all = int64_t{days} * kSecondsPerDay + seconds;
  // Certificates may name the year 9999.
  constexpr int64_t kMost = INT64_MAX / kNanosPerSecond;
  return std::clamp(all, -kMost, kMost) * kNanosPerSecond;
}

}  // namespace

Result<std::shared_ptr<const ServerIdentity>> ServerIdentity::Create(std::string_view chain_pem,
                                                                     std::string_view key_pem) {
  if (chain_pem.size() > kMaxPemBytes || key_pem.size() > kMaxPemBytes) {
    return Wrong(fmt::format("{}: more than {} bytes; is it the right file?",
                             chain_pem.size() > kMaxPemBytes ? "certificate" : "key",
                             kMaxPemBytes));
  }
  ERR_clear_error();
  Owned<SSL_CTX> context = MakeContext();
  FB_TRY(UseChain(context.get(), chain_pem));
  FB_TRY(UseKey(context.get(), key_pem));
  return std::shared_ptr<const ServerIdentity>(new ServerIdentity(context.release()));
}

ServerIdentity::~ServerIdentity() {
  SSL_CTX_free(context_);
}

std::string ServerIdentity::Subject() const {
  const Owned<BIO> text(BIO_new(BIO_s_mem()));
  X509_NAME_print_ex(text.get(), X509_get_subject_name(SSL_CTX_get0_certificate(context_)), 0,
                     XN_FLAG_ONELINE);
  char* begin = nullptr;
  const long size = BIO_get_mem_data(text.get(), &begin);
  return size > 0 ? std::string(begin, static_cast<size_t>(size)) : "no name";
}

int64_t ServerIdentity::valid_from_ns() const {
  return NanosOf(X509_get0_notBefore(SSL_CTX_get0_certificate(context_)));
}

int64_t ServerIdentity::valid_until_ns() const {
  return NanosOf(X509_get0_notAfter(SSL_CTX_get0_certificate(context_)));
}

}  // namespace forebay::tls
