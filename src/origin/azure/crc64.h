// The CRC64 that Blob checks and tells (x-ms-content-crc64).
#pragma once

#include <cstdint>
#include <string>

#include "src/base/crc.h"

namespace forebay::azure {

using forebay::Crc64;

/// As headers have it: base64 of its eight bytes, the lowest first.
std::string Crc64Text(uint64_t crc);

}  // namespace forebay::azure
