#include "src/origin/azure/crc64.h"

#include <span>

#include "src/origin/http/text.h"

namespace forebay::azure {

std::string Crc64Text(uint64_t crc) {
  return http_origin::Base64(std::as_bytes(std::span(&crc, 1)));
}

}  // namespace forebay::azure
