#include "src/base/hash.h"

#include <fmt/format.h>

#include "src/base/prng.h"

namespace forebay {
namespace {

/// The 128-bit product of a and b, folded: every bit of either reaches every bit of the result.
uint64_t FoldedMultiply(uint64_t a, uint64_t b) {
  const auto product = static_cast<unsigned __int128>(a) * b;
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

constexpr uint64_t kSecret[4] = {0xa0761d6478bd642fu, 0xe7037ed1a0b428dbu, 0x8ebc6af09c88c6e3u,
                                 0x589965cc75374cc3u};

}  // namespace

Hash128 HashBytes(Bytes bytes, uint64_t seed) {
  uint64_t a = Mix64(seed ^ kSecret[0]);
  uint64_t b = Mix64(a ^ kSecret[1]);
  const std::byte* at = bytes.data();
  size_t left = bytes.size();
  for (; left >= 16; at += 16, left -= 16) {
    const uint64_t x = LoadFrom<uint64_t>(at), y = LoadFrom<uint64_t>(at + 8);
    const uint64_t next = FoldedMultiply(x ^ a, y ^ kSecret[2]);
    b = FoldedMultiply(y ^ b, x ^ kSecret[3]) + a;
    a = next + y;
  }
  uint64_t tail[2] = {0, 0};
  if (left > 0) std::memcpy(tail, at, left);
  a ^= FoldedMultiply(tail[0] ^ a, tail[1] ^ kSecret[1]);
  b ^= FoldedMultiply(tail[1] ^ b, tail[0] ^ kSecret[0]);
  a = Mix64(a ^ bytes.size());
  return {.hi = Mix64(a + b), .lo = Mix64(b ^ FoldedMultiply(a, kSecret[2]))};
}

std::string HexText(const Hash128& hash) {
  return fmt::format("{:016x}{:016x}", hash.hi, hash.lo);
}

}  // namespace forebay
