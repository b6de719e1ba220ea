// Objects on their way in, with bounded memory: up to one part is a single request, what is longer
// goes in parts, several at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "src/origin/origin.h"
#include "src/origin/s3/bucket.h"

namespace forebay::s3 {

struct UploadOptions {
  uint64_t part_bytes = 8 << 20;     // of the first parts
  uint64_t memory_bytes = 32 << 20;  // of an upload's parts on their way; one may always be
};

/// Parts grow, because there may be 10,000 and nobody says how long an object will be: 5 TiB fit,
/// 8 GiB stay at the first size.
uint64_t PartBytes(uint64_t first, uint32_t number);

/// `name` begins its errors. The bucket must outlive it.
std::unique_ptr<OriginUpload> NewUpload(Bucket& bucket, Env& env, std::string name, std::string key,
                                        Condition condition, UploadOptions options);
std::unique_ptr<OriginUpload> NewPartUpload(Bucket& bucket, Env& env, std::string name,
                                            std::string key, std::string upload, uint32_t number);

}  // namespace forebay::s3
