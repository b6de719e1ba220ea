// Which bytes of an object a request wants, and whether it wants any. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "src/front/s3/request.h"

namespace forebay::s3door {

/// A state of an object as clients see it.
struct ObjectState {
  std::string_view etag;  // without quotes
  uint64_t size = 0;
  int64_t modified_ns = 0;
};

/// Headers that a read, or what is read by a copy, depends on. RFC 9110, 13.2.2 has the order.
struct Conditions {
  std::string_view if_match;
  std::string_view if_none_match;
  std::string_view if_modified_since;
  std::string_view if_unmodified_since;

  static Conditions Of(const Request& request);
  static Conditions OfCopySource(const Request& request);
};

enum class Verdict : unsigned char { kProceed, kNotModified, kFailed };
/// `failed`, where it is not null, is told the name of the condition that does not hold.
Verdict Decide(const Conditions& conditions, const ObjectState& object, std::string_view* failed);

/// Whether a list of entity tags ("\"a\", \"b\"" or "*", quotes optional) names this one.
bool NamesEtag(std::string_view list, std::string_view etag);

struct Span {
  uint64_t begin = 0;
  uint64_t end = 0;
  bool operator==(const Span&) const = default;
};
struct RangeChoice {
  bool partial = false;
  Span span;
};
/// "bytes=0-9", "bytes=5-", "bytes=-3". What is no single range of bytes is passed over, as RFC
/// 9110 wants; nullopt: it begins behind the object's end.
std::optional<RangeChoice> ChooseRange(std::string_view header, uint64_t size);

}  // namespace forebay::s3door
