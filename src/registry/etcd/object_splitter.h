// Takes JSON objects out of a stream that is made of them, however the pieces come. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "src/base/result.h"

namespace forebay::etcd {

/// It counts braces outside of texts and leaves the rest of the grammar to who reads the object.
class ObjectSplitter {
 public:
  /// An object longer than `most` is kCorrupt.
  explicit ObjectSplitter(size_t most) : most_(most) {}

  void Add(std::string_view piece);
  /// The next whole object, or nothing until more has been added. kCorrupt, and from then on for
  /// ever, where something else than an object or space between two stands.
  Result<std::optional<std::string>> Next();
  /// True between two objects: a stream that ends here has lost nothing.
  bool AtRest() const;

 private:
  /// Takes one byte into account; true where an object ends with it.
  bool Step(char c);

  const size_t most_;
  std::string buffer_;  // from the beginning of an object, or of space before one
  size_t at_ = 0;       // how much of it has been looked at
  uint32_t depth_ = 0;
  bool in_text_ = false;
  bool escaped_ = false;
  bool broken_ = false;
};

}  // namespace forebay::etcd
