// Checksums that others name and compare: what stores and clients send beside bytes.
#pragma once

#include <cstdint>

#include "src/base/bytes.h"

namespace forebay {

/// CRC-64/NVME, which Azure Blob uses, too. Of the bytes so far: 0 before the first.
uint64_t Crc64(Bytes bytes, uint64_t so_far = 0);
/// CRC-32 as gzip has it; likewise.
uint32_t Crc32(Bytes bytes, uint32_t so_far = 0);

}  // namespace forebay
