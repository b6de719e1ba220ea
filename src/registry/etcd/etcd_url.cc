#include "src/registry/etcd/etcd_url.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>

namespace forebay {
namespace {

constexpr std::string_view kSchemes[] = {"etcd://", "etcds://"};
constexpr std::string_view kForm = "write etcd://HOST1[:PORT],HOST2,HOST3/CELL";

std::unexpected<Error> Bad(std::string_view text, std::string_view why) {
  return Fail(Code::kInvalidArgument, fmt::format("registry '{}': {}", text, why));
}

bool IsAlphanumeric(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool AreAll(std::string_view text, std::string_view besides) {
  return std::ranges::all_of(
      text, [&](char c) { return IsAlphanumeric(c) || besides.find(c) != besides.npos; });
}

/// The front of `text` up to `separator`, which is taken off with it.
std::string_view TakeUpTo(char separator, std::string_view* text) {
  const std::string_view front = text->substr(0, text->find(separator));
  text->remove_prefix(std::min(text->size(), front.size() + 1));
  return front;
}

Result<void> CheckPort(std::string_view port) {
  int number = 0;
  const auto [end, wrong] = std::from_chars(port.data(), port.data() + port.size(), number);
  if (wrong == std::errc() && end == port.data() + port.size() && number > 0 && number < 65536) {
    return {};
  }
  return Fail(Code::kInvalidArgument, fmt::format("'{}' is no port", port));
}

/// "host", "host:port", "[::1]", "[::1]:port", as host and port.
Result<std::string> WithPort(std::string_view endpoint) {
  if (endpoint.empty()) return Fail(Code::kInvalidArgument, "an endpoint is empty");
  size_t host_end = endpoint.find(':');
  if (endpoint.starts_with('[')) {
    const size_t close = endpoint.find(']');
    host_end = close == endpoint.npos ? 0 : close + 1;
    if (host_end < 3 || !AreAll(endpoint.substr(1, close - 1), ":.%")) {
      return Fail(Code::kInvalidArgument, fmt::format("'{}' is no address in brackets", endpoint));
    }
  }
  const std::string_view host = endpoint.substr(0, host_end);
  if (host.empty() || (!host.starts_with('[') && !AreAll(host, "-._"))) {
    return Fail(Code::kInvalidArgument, fmt::format("'{}' is no host", endpoint));
  }
  if (host.size() == endpoint.size()) return fmt::format("{}:{}", host, kEtcdPort);
  if (endpoint[host.size()] != ':') {
    return Fail(Code::kInvalidArgument, fmt::format("'{}' is no host and port", endpoint));
  }
  FB_TRY(CheckPort(endpoint.substr(host.size() + 1)));
  return std::string(endpoint);
}

Result<std::vector<std::string>> ReadEndpoints(std::string_view text, bool tls) {
  std::vector<std::string> endpoints;
  do {
    FB_ASSIGN(const std::string one, WithPort(TakeUpTo(',', &text)));
    std::string url = fmt::format("{}://{}", tls ? "https" : "http", one);
    if (std::ranges::find(endpoints, url) != endpoints.end()) {
      return Fail(Code::kInvalidArgument, fmt::format("'{}' is named twice", one));
    }
    endpoints.push_back(std::move(url));
  } while (!text.empty());
  if (endpoints.size() > kMaxEtcdEndpoints) {
    return Fail(Code::kInvalidArgument, fmt::format("{} endpoints; at most {} are taken",
                                                    endpoints.size(), kMaxEtcdEndpoints));
  }
  return endpoints;
}

Result<void> CheckCell(std::string_view cell) {
  if (cell.empty()) {
    return Fail(Code::kInvalidArgument, fmt::format("the cell's name is missing; {}", kForm));
  }
  if (cell.size() <= kMaxCellNameBytes && IsAlphanumeric(cell[0]) && AreAll(cell, "-._")) return {};
  return Fail(Code::kInvalidArgument,
              fmt::format("'{}' is no name of a cell: at most {} letters, digits, '-', '.' and "
                          "'_', the first a letter or a digit",
                          cell, kMaxCellNameBytes));
}

using Parameters = std::map<std::string, std::string, std::less<>>;

Result<Parameters> ReadParameters(std::string_view text) {
  constexpr std::string_view kKnown[] = {"ca", "cert", "credentials", "key", "tls"};
  Parameters parameters;
  while (!text.empty()) {
    std::string_view value = TakeUpTo('&', &text);
    const bool given = value.find('=') != value.npos;
    const std::string_view name = TakeUpTo('=', &value);
    if (std::ranges::find(kKnown, name) == std::end(kKnown)) {
      return Fail(Code::kInvalidArgument, fmt::format("there is no parameter '{}'; known: {}", name,
                                                      fmt::join(kKnown, ", ")));
    }
    if (!given || value.empty()) {
      return Fail(Code::kInvalidArgument, fmt::format("'{}' has no value", name));
    }
    if (!parameters.emplace(name, value).second) {
      return Fail(Code::kInvalidArgument, fmt::format("'{}' is given twice", name));
    }
  }
  return parameters;
}

Result<void> CheckCredentials(std::string_view reference) {
  for (const std::string_view kind : {"file:", "env:"}) {
    if (reference.starts_with(kind) && reference.size() > kind.size()) return {};
  }
  // What stands there instead may be the secret itself.
  return Fail(Code::kInvalidArgument,
              "credentials= names where USER:PASSWORD is: file:PATH or env:NAME");
}

Result<bool> WantsTls(std::string_view scheme, const Parameters& parameters) {
  const auto tls = parameters.find("tls");
  if (tls == parameters.end()) return scheme == kSchemes[1];
  if (tls->second == "1") return true;
  if (tls->second == "0" && scheme == kSchemes[0]) return false;
  return Fail(Code::kInvalidArgument,
              fmt::format("tls={} with {}; write tls=1 or etcds://", tls->second, scheme));
}

Result<std::shared_ptr<const HttpTls>> ReadTls(bool wanted, const Parameters& parameters) {
  const auto get = [&](std::string_view name) {
    const auto found = parameters.find(name);
    return found == parameters.end() ? std::string() : found->second;
  };
  HttpTls tls{.ca_file = get("ca"), .certificate_file = get("cert"), .key_file = get("key")};
  if (tls.certificate_file.empty() != tls.key_file.empty()) {
    return Fail(Code::kInvalidArgument, "cert= and key= belong together");
  }
  if (wanted) return std::make_shared<const HttpTls>(std::move(tls));
  if (tls.ca_file.empty() && tls.certificate_file.empty()) return nullptr;
  return Fail(Code::kInvalidArgument, "ca=, cert= and key= are for TLS; write etcds://");
}

Result<EtcdUrl> ParseAfterScheme(std::string_view scheme, std::string_view rest) {
  std::string_view path = TakeUpTo('?', &rest);
  FB_ASSIGN(const Parameters parameters, ReadParameters(rest));
  FB_ASSIGN(const bool tls, WantsTls(scheme, parameters));
  EtcdUrl url;
  FB_ASSIGN(url.endpoints, ReadEndpoints(TakeUpTo('/', &path), tls));
  if (path.ends_with('/')) path.remove_suffix(1);
  FB_TRY(CheckCell(path));
  url.cell = path;
  FB_ASSIGN(url.tls, ReadTls(tls, parameters));
  if (const auto found = parameters.find("credentials"); found != parameters.end()) {
    FB_TRY(CheckCredentials(found->second));
    url.credentials = found->second;
  }
  return url;
}

}  // namespace

Result<EtcdUrl> EtcdUrl::Parse(std::string_view text) {
  // Checked before anything is put into a message: what stands before an '@' is a secret.
  if (text.substr(0, text.find('?')).find('@') != text.npos) {
    return Fail(Code::kInvalidArgument,
                "a registry's URL holds no user and no password ('...@'): name where they are with "
                "?credentials=file:PATH or env:NAME");
  }
  for (const std::string_view scheme : kSchemes) {
    if (!text.starts_with(scheme)) continue;
    auto url = ParseAfterScheme(scheme, text.substr(scheme.size()));
    if (url) return url;
    // Not the parameters: one may be a secret in the wrong place.
    return Bad(text.substr(0, text.find('?')), url.error().message());
  }
  return Bad(text.substr(0, text.find('?')), kForm);
}

std::string EtcdUrl::Prefix() const {
  return fmt::format("/forebay/{}/", cell);
}

bool IsEtcdUrl(std::string_view text) {
  return std::ranges::any_of(kSchemes, [&](std::string_view s) { return text.starts_with(s); });
}

}  // namespace forebay
