#include "src/origin/s3/signing.h"

#include <fmt/format.h>

#include <algorithm>

namespace forebay::s3 {

using http_origin::HashSha256;
using http_origin::Hex;
using http_origin::HmacSha256;

SigningKey SigningKeyOf(std::string_view secret, std::string_view day, std::string_view region) {
  const std::string first = fmt::format("AWS4{}", secret);
  SigningKey key = HmacSha256(AsBytes(first), day);
  for (const std::string_view step :
       {region, std::string_view("s3"), std::string_view("aws4_request")}) {
    key = HmacSha256(key, step);
  }
  return key;
}

std::string ScopeOf(std::string_view day, std::string_view region) {
  return fmt::format("{}/{}/s3/aws4_request", day, region);
}

std::string TextToSign(std::string_view canonical, std::string_view moment,
                       std::string_view scope) {
  constexpr size_t kUsualBytes = 256;
  std::string text;
  text.reserve(kUsualBytes);
  for (const std::string_view line : {kAlgorithm, moment, scope}) (text += line) += '\n';
  return text += Hex(HashSha256(AsBytes(canonical)));
}

std::string Sign(const SigningKey& key, std::string_view text) {
  return Hex(HmacSha256(key, text));
}

std::string CanonicalQuery(std::vector<std::pair<std::string, std::string>> pairs) {
  std::ranges::sort(pairs);
  size_t bytes = 0;
  for (const auto& [name, value] : pairs) bytes += name.size() + value.size() + 2;
  std::string text;
  text.reserve(bytes);
  for (const auto& [name, value] : pairs) {
    if (!text.empty()) text += '&';
    ((text += name) += '=') += value;
  }
  return text;
}

std::string CanonicalValue(std::string_view header_value) {
  std::string trimmed;
  trimmed.reserve(header_value.size());
  for (const char c : header_value) {
    const bool space = c == ' ' || c == '\t';
    if (space && (trimmed.empty() || trimmed.back() == ' ')) continue;
    trimmed += space ? ' ' : c;
  }
  if (trimmed.ends_with(' ')) trimmed.pop_back();
  return trimmed;
}

}  // namespace forebay::s3
