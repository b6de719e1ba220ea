#include "src/front/s3/upload_ids.h"

#include <fmt/format.h>

#include "src/front/s3/text.h"
#include "src/origin/http/text.h"

namespace forebay::s3door {
namespace {

constexpr size_t kProofDigits = 32;  // of 128 bits
constexpr char kSeparator = '.';

}  // namespace

std::string UploadIds::ProofOf(AttachmentId attachment, std::string_view key,
                               std::string_view origin_id) const {
  // With the key's length: where it ends must not be open to choice.
  const std::string text = fmt::format("{} {} {} {}", attachment, key.size(), key, origin_id);
  const auto mac = http_origin::HmacSha256(AsBytes(secret_), text);
  return http_origin::Hex(mac).substr(0, kProofDigits);
}

std::string UploadIds::Seal(AttachmentId attachment, std::string_view key,
                            std::string_view origin_id) const {
  return fmt::format("{}{}{}", ProofOf(attachment, key, origin_id), kSeparator, origin_id);
}

std::optional<std::string> UploadIds::Open(AttachmentId attachment, std::string_view key,
                                           std::string_view id) const {
  if (id.size() <= kProofDigits || id[kProofDigits] != kSeparator) return std::nullopt;
  const std::string_view origin_id = id.substr(kProofDigits + 1);
  if (!SameSecret(id.substr(0, kProofDigits), ProofOf(attachment, key, origin_id)))
    return std::nullopt;
  return std::string(origin_id);
}

}  // namespace forebay::s3door
