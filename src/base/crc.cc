#include "src/base/crc.h"

#include <isa-l/crc.h>

#include <algorithm>
#include <array>
#include <climits>

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

}  // namespace

uint64_t Crc64(Bytes bytes, uint64_t so_far) {
  uint64_t crc = ~so_far;
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
  return ~crc;
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
