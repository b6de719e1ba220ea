#include "src/front/s3/conditions.h"

#include <algorithm>
#include <charconv>

#include "src/origin/http/text.h"

namespace forebay::s3door {
namespace {

constexpr int64_t kNanosASecond = 1'000'000'000;

std::string_view Trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

/// A date counts by its second; what is no date does not count.
std::optional<bool> ModifiedAfter(std::string_view date, const ObjectState& object) {
  const auto then = http_origin::ParseHttpDate(Trim(date));
  if (!then) return std::nullopt;
  return object.modified_ns / kNanosASecond > *then / kNanosASecond;
}

/// Digits only: no sign, no space. Too large a number is the largest.
std::optional<uint64_t> NumberOf(std::string_view text) {
  if (text.empty() || !std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; })) {
    return std::nullopt;
  }
  uint64_t number = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
  return parsed.ec == std::errc() ? number : UINT64_MAX;
}

}  // namespace

Conditions Conditions::Of(const Request& request) {
  return {.if_match = request.Header("If-Match"),
          .if_none_match = request.Header("If-None-Match"),
          .if_modified_since = request.Header("If-Modified-Since"),
          .if_unmodified_since = request.Header("If-Unmodified-Since")};
}

Conditions Conditions::OfCopySource(const Request& request) {
  return {.if_match = request.Header("x-amz-copy-source-if-match"),
          .if_none_match = request.Header("x-amz-copy-source-if-none-match"),
          .if_modified_since = request.Header("x-amz-copy-source-if-modified-since"),
          .if_unmodified_since = request.Header("x-amz-copy-source-if-unmodified-since")};
}

bool NamesEtag(std::string_view list, std::string_view etag) {
  while (!list.empty()) {
    // A comma within quotes is part of a tag; tags of ours have none, so that it does not matter.
    std::string_view one = list.substr(0, list.find(','));
    list.remove_prefix(std::min(list.size(), one.size() + 1));
    one = Trim(one);
    if (one == "*") return true;
    if (one.starts_with("W/")) one.remove_prefix(2);
    if (one.size() >= 2 && one.starts_with('"') && one.ends_with('"')) {
      one = one.substr(1, one.size() - 2);
    }
    if (one == etag) return true;
  }
  return false;
}

Verdict Decide(const Conditions& conditions, const ObjectState& object, std::string_view* failed) {
  const auto fail = [failed](std::string_view name) {
    if (failed != nullptr) *failed = name;
    return Verdict::kFailed;
  };
  if (!conditions.if_match.empty()) {
    if (!NamesEtag(conditions.if_match, object.etag)) return fail("If-Match");
  } else if (!conditions.if_unmodified_since.empty()) {
    if (ModifiedAfter(conditions.if_unmodified_since, object) == true) {
      return fail("If-Unmodified-Since");
    }
  }
  if (!conditions.if_none_match.empty()) {
    if (NamesEtag(conditions.if_none_match, object.etag)) return Verdict::kNotModified;
  } else if (!conditions.if_modified_since.empty()) {
    if (ModifiedAfter(conditions.if_modified_since, object) == false) {
      return Verdict::kNotModified;
    }
  }
  return Verdict::kProceed;
}

std::optional<RangeChoice> ChooseRange(std::string_view header, uint64_t size) {
  constexpr std::string_view kUnit = "bytes=";
  const RangeChoice whole{.span = {0, size}};
  header = Trim(header);
  if (!header.starts_with(kUnit)) return whole;
  header.remove_prefix(kUnit.size());
  const size_t dash = header.find('-');
  if (dash == header.npos) return whole;
  const std::string_view from = Trim(header.substr(0, dash)), to = Trim(header.substr(dash + 1));
  const auto first = NumberOf(from), last = NumberOf(to);
  if ((!from.empty() && !first) || (!to.empty() && !last) || (!first && !last)) return whole;
  if (!first) {
    if (*last == 0 || size == 0) return std::nullopt;
    return RangeChoice{.partial = true, .span = {size - std::min(size, *last), size}};
  }
  if (last && *last < *first) return whole;
  if (*first >= size) return std::nullopt;
  const uint64_t end = last && *last < size - 1 ? *last + 1 : size;
  return RangeChoice{.partial = true, .span = {*first, end}};
}

}  // namespace forebay::s3door
