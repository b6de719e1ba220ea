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
  return fmt::format("{}\n{}\n{}\n{}", kAlgorithm, moment, scope,
                     Hex(HashSha256(AsBytes(canonical))));
}

std::string Sign(const SigningKey& key, std::string_view text) {
  return Hex(HmacSha256(key, text));
}

std::string CanonicalQuery(std::vector<std::pair<std::string, std::string>> pairs) {
  std::ranges::sort(pairs);
  std::string text;
  for (const auto& [name, value] : pairs) {
    text += fmt::format("{}{}={}", text.empty() ? "" : "&", name, value);
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
