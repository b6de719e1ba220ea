// What the tests and benchmarks of the store share: keys and bytes that can be told from all
// others.
#pragma once

#include <cstdint>
#include <vector>

#include "src/base/block_key.h"
#include "src/base/bytes.h"
#include "src/base/prng.h"
#include "src/store/store.h"

namespace forebay::store_testing {

inline BlockKey Key(uint64_t n) {
  return {{.hi = Mix64(n), .lo = Mix64(n ^ 0xf0f0f0f0u)}};
}

/// The only right bytes of a block.
inline void FillPattern(const BlockKey& key, uint32_t offset, MutableBytes into) {
  for (size_t i = 0; i < into.size(); i += 8) {
    const uint64_t word = Mix64(key.hash.lo + (offset + i) / 8);
    std::memcpy(into.data() + i, &word, std::min<size_t>(8, into.size() - i));
  }
}
inline std::vector<std::byte> Pattern(const BlockKey& key, uint32_t offset, uint32_t size) {
  std::vector<std::byte> bytes(size);
  FillPattern(key, offset, bytes);
  return bytes;
}

/// Fills and commits a whole block.
inline Task<Result<void>> Put(Env& env, Store& store, BlockKey key, BlockInfo info) {
  FB_CO_ASSIGN(Fill fill, co_await store.BeginFill(env, key, info));
  if (fill.Filled(0, info.length)) co_return Result<void>();
  FillPattern(key, 0, fill.buffer());
  fill.Commit(0, info.length);
  co_return Result<void>();
}

enum class Seen { kMiss, kRight, kWrong };

/// Reads a range and compares it with what is right. `offset` is a multiple of 8.
inline Task<Result<Seen>> Check(Env& env, Store& store, BlockKey key, uint32_t offset,
                                uint32_t size, ReadOptions options = {}) {
  std::vector<std::byte> bytes(size);
  FB_CO_ASSIGN(const bool hit, co_await store.Read(env, key, offset, bytes, options));
  if (!hit) co_return Seen::kMiss;
  co_return bytes == Pattern(key, offset, size) ? Seen::kRight : Seen::kWrong;
}

}  // namespace forebay::store_testing
