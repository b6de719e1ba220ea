#include "src/origin/azure/crc64.h"

#include <array>

#include "src/origin/http/text.h"

namespace forebay::azure {
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

std::string Crc64Text(uint64_t crc) {
  return http_origin::Base64(std::as_bytes(std::span(&crc, 1)));
}

}  // namespace forebay::azure
