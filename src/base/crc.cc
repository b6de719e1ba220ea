#include "src/base/crc.h"

#include <isa-l/crc.h>

#include <algorithm>
#include <array>
#include <climits>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace forebay {
namespace {

constexpr uint64_t kPolynomial = 0x9a6c9329ac4bc9b5;  // lowest bit first
constexpr size_t kAtOnce = 8;

using Tables = std::array<std::array<uint64_t, 256>, kAtOnce>;

constexpr Tables MakeTables() {
  Tables tables{};
  for (uint64_t byte = 0; byte < 256; ++byte) {
    uint64_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? kPolynomial : 0);
    tables[0][byte] = crc;
  }
  for (size_t ahead = 1; ahead < kAtOnce; ++ahead) {
    for (size_t byte = 0; byte < 256; ++byte) {
      const uint64_t before = tables[ahead - 1][byte];
      tables[ahead][byte] = (before >> 8) ^ tables[0][before & 0xff];
    }
  }
  return tables;
}
constexpr Tables kTables = MakeTables();

/// Without the inversions before and after.
uint64_t ByTables(Bytes bytes, uint64_t crc) {
  for (; bytes.size() >= kAtOnce; bytes = bytes.subspan(kAtOnce)) {
    const uint64_t word = crc ^ LoadFrom<uint64_t>(bytes.data());
    crc = 0;
    for (size_t i = 0; i < kAtOnce; ++i) {
      crc ^= kTables[kAtOnce - 1 - i][(word >> (8 * i)) & 0xff];
    }
  }
  for (const std::byte byte : bytes) {
    crc = (crc >> 8) ^ kTables[0][(crc ^ static_cast<uint64_t>(byte)) & 0xff];
  }
  return crc;
}

#if defined(__x86_64__)

/// x to the power of n, modulo the polynomial; the coefficient of x^63 is the lowest bit.
constexpr uint64_t PowerOfX(int n) {
  uint64_t power = uint64_t{1} << 63;
  for (; n > 0; --n) power = (power >> 1) ^ ((power & 1) != 0 ? kPolynomial : 0);
  return power;
}

constexpr size_t kLane = 16;  // bytes of a vector
constexpr size_t kLanes = 4;  // at once, so that one multiplication need not wait for another

/// 16 bytes, moved `kBytes` further to the front of the message: what they come to there. A product
/// without carries of two numbers with their lowest bit first is one power of x too high.
template <int kBytes>
__attribute__((target("pclmul"))) __m128i MovedBy(__m128i lane) {
  constexpr auto kNear = static_cast<int64_t>(PowerOfX(kBytes * 8 - 1));
  constexpr auto kFar = static_cast<int64_t>(PowerOfX(kBytes * 8 + 63));
  const __m128i powers = _mm_set_epi64x(kNear, kFar);
  return _mm_xor_si128(_mm_clmulepi64_si128(lane, powers, 0x00),
                       _mm_clmulepi64_si128(lane, powers, 0x11));
}

__m128i LaneAt(Bytes bytes, size_t lane) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes.data() + lane * kLane));
}

/// Of a multiple of 64 bytes, and not of none.
__attribute__((target("pclmul"))) uint64_t ByProducts(Bytes bytes, uint64_t crc) {
  std::array<__m128i, kLanes> lanes;
  for (size_t i = 0; i < kLanes; ++i) lanes[i] = LaneAt(bytes, i);
  lanes[0] = _mm_xor_si128(lanes[0], _mm_set_epi64x(0, static_cast<int64_t>(crc)));
  while (true) {
    bytes = bytes.subspan(kLanes * kLane);
    if (bytes.empty()) break;
    for (size_t i = 0; i < kLanes; ++i) {
      lanes[i] = _mm_xor_si128(MovedBy<kLanes * kLane>(lanes[i]), LaneAt(bytes, i));
    }
  }
  for (size_t i = 1; i < kLanes; ++i) {
    lanes[i] = _mm_xor_si128(MovedBy<kLane>(lanes[i - 1]), lanes[i]);
  }
  std::array<std::byte, kLane> rest;
  _mm_storeu_si128(reinterpret_cast<__m128i*>(rest.data()), lanes[kLanes - 1]);
  return ByTables(rest, 0);
}

const bool kHasProducts = __builtin_cpu_supports("pclmul") != 0;

#endif

}  // namespace

uint64_t Crc64(Bytes bytes, uint64_t so_far) {
  uint64_t crc = ~so_far;
#if defined(__x86_64__)
  const size_t whole = bytes.size() - bytes.size() % (kLanes * kLane);
  if (kHasProducts && whole > 0) {
    crc = ByProducts(bytes.first(whole), crc);
    bytes = bytes.subspan(whole);
  }
#endif
  return ~ByTables(bytes, crc);
}

uint32_t Crc32(Bytes bytes, uint32_t so_far) {
  while (!bytes.empty()) {
    const Bytes now = bytes.first(std::min<size_t>(bytes.size(), INT_MAX));
    so_far =
        crc32_gzip_refl(so_far, reinterpret_cast<const unsigned char*>(now.data()), now.size());
    bytes = bytes.subspan(now.size());
  }
  return so_far;
}

}  // namespace forebay
