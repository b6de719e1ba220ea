#include "src/platform/linux/curl_words.h"

#include <fmt/format.h>
#include <openssl/x509_vfy.h>

#include <string_view>

namespace forebay::platform {
namespace {

std::string HostOf(std::string_view url) {
  const size_t scheme = url.find("://");
  if (scheme != url.npos) url.remove_prefix(scheme + 3);
  url = url.substr(0, url.find_first_of("/?#"));
  const size_t at = url.rfind('@');
  if (at != url.npos) url.remove_prefix(at + 1);
  return std::string(url);
}

std::string AuthoritiesOf(const HttpRequest& request) {
  const bool own = request.tls != nullptr && !request.tls->ca_file.empty();
  return own ? request.tls->ca_file : "the system's authorities";
}

std::string OfCertificate(CURL* easy, const HttpRequest& request) {
  long verified = X509_V_OK;
  curl_easy_getinfo(easy, CURLINFO_SSL_VERIFYRESULT, &verified);
  switch (verified) {
    case X509_V_OK:
    case X509_V_ERR_UNSPECIFIED:  // what libcurl begins with
      return fmt::format(
          "its certificate is not for {}; use a name that stands in it, or have one made for this",
          HostOf(request.url));
    case X509_V_ERR_CERT_HAS_EXPIRED:
      return "its certificate has expired; renew it there, or look at the clock here";
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return "its certificate is not valid yet; look at the clocks here and there";
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
      return fmt::format(
          "its certificate is signed by nobody in {}; name a file with the authority that did "
          "(ca=FILE in the URL), or have the server send what is between",
          AuthoritiesOf(request));
    default:
      return fmt::format("its certificate does not hold: {}",
                         X509_verify_cert_error_string(verified));
  }
}

}  // namespace

std::string WordsOf(CURL* easy, CURLcode code, const HttpRequest& request) {
  switch (code) {
    case CURLE_PEER_FAILED_VERIFICATION:
      return OfCertificate(easy, request);
    case CURLE_SSL_CACERT_BADFILE:
      return fmt::format("no certificates of authorities can be read from {}",
                         AuthoritiesOf(request));
    case CURLE_SSL_CONNECT_ERROR:
      return "no TLS comes about; does this port speak it (https://), and in version 1.2 or 1.3?";
    default:
      return curl_easy_strerror(code);
  }
}

}  // namespace forebay::platform
