#include "src/front/tls/openssl_words.h"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

namespace forebay::tls {
namespace {

std::string WordsOf(unsigned long error) {
  if (error == 0) return "no reason given";
  const char* reason = ERR_reason_error_string(error);
  return reason != nullptr ? reason : fmt::format("OpenSSL's error {:x}", error);
}

/// The oldest is the cause; what it led to follows.
unsigned long TakeError() {
  const unsigned long error = ERR_get_error();
  ERR_clear_error();
  return error;
}

}  // namespace

std::string TakeReason() {
  return WordsOf(TakeError());
}

std::string TakeHandshakeReason() {
  const unsigned long error = TakeError();
  if (ERR_GET_LIB(error) != ERR_LIB_SSL) return WordsOf(error);
  switch (ERR_GET_REASON(error)) {
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_VERSION_TOO_LOW:
      return "the client offers neither TLS 1.2 nor 1.3";
    case SSL_R_WRONG_VERSION_NUMBER:
    case SSL_R_BAD_RECORD_TYPE:
    case SSL_R_UNEXPECTED_MESSAGE:
      return "what came is no TLS";
    case SSL_R_NO_APPLICATION_PROTOCOL:
      return "the client does not offer http/1.1";
    case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
    case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN:
      return "the client does not trust the certificate; give it the certificate of the authority "
             "that signed it";
    case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED:
      return "the client says that the certificate has expired";
    default:
      return WordsOf(error);
  }
}

}  // namespace forebay::tls
