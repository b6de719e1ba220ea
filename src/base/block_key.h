// How a block is named everywhere below the doors.
#pragma once

#include <cstdint>
#include <string_view>

#include "src/base/hash.h"
#include "src/base/prng.h"

namespace forebay {

/// Never reused in the life of a cell, so that re-attaching a name cannot serve old bytes.
using AttachmentId = uint64_t;

/// One state of one object: equal ids mean equal bytes, for ever.
struct VersionId {
  Hash128 hash;
  friend bool operator==(const VersionId&, const VersionId&) = default;
  friend auto operator<=>(const VersionId&, const VersionId&) = default;
};

/// `etag` is whatever the origin names a state by. The size is part of it too, because origins were
/// seen to give two states one ETag: bytes of both must not come together.
VersionId MakeVersionId(AttachmentId attachment, std::string_view path, std::string_view etag,
                        uint64_t size);

/// One block of one version. 16 bytes, because the index holds millions of them.
struct BlockKey {
  Hash128 hash;

  static constexpr BlockKey Of(const VersionId& version, uint32_t block) {
    return {{.hi = version.hash.hi, .lo = version.hash.lo + Mix64(block)}};
  }
  friend bool operator==(const BlockKey&, const BlockKey&) = default;
  friend auto operator<=>(const BlockKey&, const BlockKey&) = default;

  /// 64 well-spread bits of the key, for tables and stripes.
  constexpr uint64_t Spread() const { return Mix64(hash.hi ^ (hash.lo * 0x9e3779b97f4a7c15u)); }
};
static_assert(sizeof(BlockKey) == 16);

}  // namespace forebay
