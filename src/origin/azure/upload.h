// Objects on their way in, with bounded memory: up to one block is a single request, what is longer
// goes in blocks, several at a time. Blocks that never become an object are dropped by the service
// after a week, so there is nothing to remove.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "src/origin/azure/container.h"
#include "src/origin/origin.h"

namespace forebay::azure {

struct UploadOptions {
  uint64_t block_bytes = 8 << 20;    // of the first blocks
  uint64_t memory_bytes = 32 << 20;  // of an upload's blocks on their way; one may always be
};

/// `name` begins its errors. The container must outlive it.
std::unique_ptr<OriginUpload> NewUpload(Container& container, Env& env, std::string name,
                                        std::string key, Condition condition,
                                        UploadOptions options);
/// A part of an upload that others may work on, too: block after block, whole with its last.
std::unique_ptr<OriginUpload> NewPartUpload(Container& container, Env& env, std::string name,
                                            std::string key, const std::string& upload,
                                            uint32_t number, UploadOptions options);

/// What is there of an upload in parts; kNotFound where it is over.
Task<Result<UploadState>> FindUpload(Container& container, Env& env, std::string key,
                                     std::string upload, Call call);

}  // namespace forebay::azure
