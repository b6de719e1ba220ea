// JSON as etcd's gateway speaks it: 64-bit numbers come as texts, bytes as base64, and what is
// absent is zero. Reading is total: whatever a member is instead of what was asked for reads as
// absent, unless the caller asks whether it is well formed.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "src/base/result.h"

namespace forebay {

/// A value, or nothing; cheap to copy, because all of one document share it.
class Json {
 public:
  Json() = default;

  /// kCorrupt never says what stands there. Of members with one name the last counts.
  static Result<Json> Parse(std::string_view text);

  /// A member of an object; nothing where this is no object or has none of that name.
  Json Get(std::string_view name) const;
  /// Of a list; empty where this is none.
  std::vector<Json> Items() const;

  bool is_object() const;
  /// "" where it is no text.
  std::string Text() const;
  bool Bool() const;
  /// 0 where absent. kCorrupt where it is no whole number of 64 bits, as a number or as a text.
  Result<int64_t> Int() const;
  /// "" where absent. kCorrupt where it is no base64.
  Result<std::string> Binary() const;

 private:
  struct Document;
  Json(std::shared_ptr<const Document> document, const void* value)
      : document_(std::move(document)), value_(value) {}

  std::shared_ptr<const Document> document_;
  const void* value_ = nullptr;
};

/// `text` in quotes.
std::string JsonText(std::string_view text);

}  // namespace forebay
