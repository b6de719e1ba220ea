// Ids of uploads in parts as clients see them: the origin's own, and the proof that a node of this
// cell gave it out for this key of this attachment. Nothing is kept anywhere, so an id is good
// through every node that has the secret, and after their restarts. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "src/base/block_key.h"

namespace forebay::s3door {

class UploadIds {
 public:
  /// Who knows the secret can make ids of any name; it never leaves the node.
  explicit UploadIds(std::string secret) : secret_(std::move(secret)) {}

  std::string Seal(AttachmentId attachment, std::string_view key, std::string_view origin_id) const;
  /// The origin's; nullopt: nobody who knows the secret gave this out for this key.
  std::optional<std::string> Open(AttachmentId attachment, std::string_view key,
                                  std::string_view id) const;

 private:
  std::string ProofOf(AttachmentId attachment, std::string_view key,
                      std::string_view origin_id) const;

  std::string secret_;
};

}  // namespace forebay::s3door
