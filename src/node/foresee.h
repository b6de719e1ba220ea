// Gets that came together, before they are answered one by one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace forebay {

/// What Node::TryGet will be asked soon. Node::Foresee brings what it will look at into the
/// processor's caches, step by step for all of them, so that their misses overlap.
struct ComingGet {
  std::string_view path;
  uint64_t offset = 0;
};
inline constexpr size_t kMaxComingGets = 32;

}  // namespace forebay
