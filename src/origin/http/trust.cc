#include "src/origin/http/trust.h"

#include <fmt/format.h>

namespace forebay::http_origin {
namespace {

std::shared_ptr<const HttpTls> Trusting(std::string_view file) {
  return std::make_shared<const HttpTls>(HttpTls{.ca_file = std::string(file)});
}

}  // namespace

std::shared_ptr<const HttpTls> UsualTls(const Surroundings& surroundings,
                                        std::initializer_list<std::string_view> variables) {
  for (const std::string_view name : variables) {
    if (const auto file = surroundings.Variable(name); !file.empty()) return Trusting(file);
  }
  const auto file = surroundings.Variable("SSL_CERT_FILE");
  return file.empty() ? nullptr : Trusting(file);
}

Result<std::shared_ptr<const HttpTls>> TlsOf(const OriginUrl& url, const Surroundings& surroundings,
                                             std::initializer_list<std::string_view> variables) {
  const std::string_view file = url.Parameter("ca");
  if (file.empty()) return UsualTls(surroundings, variables);
  // Where the node runs from is nobody's business.
  if (!file.starts_with('/')) {
    return Fail(Code::kInvalidArgument,
                fmt::format("origin {}: ?ca= is the path of a file on the node: /etc/ssl/own.pem",
                            url.Name()));
  }
  return Trusting(file);
}

}  // namespace forebay::http_origin
