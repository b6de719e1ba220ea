#include "src/platform/linux/http_words.h"

#include <fmt/format.h>

#include <algorithm>

#include "src/platform/linux/address.h"

namespace forebay::platform {
namespace {

/// As long as libcurl believes in an answer about a name.
constexpr Duration kKnownFor = std::chrono::seconds(60);
constexpr Duration kAskAgain = std::chrono::seconds(5);
constexpr size_t kMostKnown = 4096;

bool BreaksALine(std::string_view text) {
  return text.find_first_of(std::string_view("\r\n\0", 3)) != std::string_view::npos;
}

bool IsNumeric(const std::string& address) {
  const auto parsed = ParseAddress(address);
  return parsed && !parsed->is_unix && !ResolveNumeric(*parsed).empty();
}

}  // namespace

std::string Describe(const HttpRequest& request) {
  std::string_view url = request.url;
  url = url.substr(0, url.find_first_of("?#"));
  const size_t scheme_end = url.find("://");
  std::string_view scheme;
  if (scheme_end != std::string_view::npos) {
    scheme = url.substr(0, scheme_end + 3);
    url.remove_prefix(scheme_end + 3);
  }
  const size_t slash = std::min(url.find('/'), url.size());
  const size_t at = url.substr(0, slash).rfind('@');
  if (at != std::string_view::npos) url.remove_prefix(at + 1);
  return fmt::format("{} {}{}", request.method, scheme, url);
}

Result<void> CheckHeaders(const HttpRequest& request, std::string_view what) {
  for (const HttpHeader& header : request.headers) {
    if (header.name.empty() || BreaksALine(header.name) || BreaksALine(header.value)) {
      return Fail(Code::kInvalidArgument,
                  fmt::format("{}: a header with a line break or without a name", what));
    }
  }
  return {};
}

std::string AddressOfPlain(std::string_view url) {
  constexpr std::string_view kScheme = "http://", kDefaultPort = ":80";
  if (!url.starts_with(kScheme)) return "";
  url.remove_prefix(kScheme.size());
  const auto is_odd = [](char c) { return c <= ' ' || c == 0x7f || c == '#' || c == '\\'; };
  if (std::ranges::any_of(url, is_odd)) return "";
  const std::string_view host = url.substr(0, url.find_first_of("/?"));
  if (host.empty() || host.find('@') != host.npos) return "";
  const bool has_port = host.rfind(':') != host.npos && !host.ends_with(']');
  return fmt::format("{}{}", host, has_port ? "" : kDefaultPort);
}

void KnownAddresses::Learn(const std::string& address, std::string numeric) {
  if (numeric.empty() || IsNumeric(address)) return;
  const Instant now = clock_.Now();
  Known& known = known_[address];
  if (known.numeric.empty() && now < known.until) return;  // avoided
  known = {.numeric = std::move(numeric), .until = now + kKnownFor};
  if (known_.size() <= kMostKnown) return;
  std::erase_if(known_, [now](const auto& one) { return one.second.until <= now; });
  if (known_.size() > kMostKnown) known_.clear();
}

std::string KnownAddresses::Find(const std::string& address) {
  const auto found = known_.find(address);
  if (found == known_.end()) return IsNumeric(address) ? address : "";
  const Instant now = clock_.Now();
  if (now < found->second.until) return found->second.numeric;
  if (found->second.numeric.empty()) {
    known_.erase(found);
    return Find(address);
  }
  found->second.until = now + kAskAgain;  // the others need not wait for who asks anew
  return "";
}

void KnownAddresses::Avoid(const std::string& address) {
  known_[address] = {.numeric = "", .until = clock_.Now() + kKnownFor};
}

}  // namespace forebay::platform
