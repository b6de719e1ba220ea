// The CRC64 that Blob checks and tells (x-ms-content-crc64).
#pragma once

#include <cstdint>
#include <string>

#include "src/base/bytes.h"

namespace forebay::azure {

/// Of the bytes so far: 0 before the first.
uint64_t Crc64(Bytes bytes, uint64_t so_far = 0);
/// As headers have it: base64 of its eight bytes, the lowest first.
std::string Crc64Text(uint64_t crc);

}  // namespace forebay::azure
