// The checksums that S3 knows, of bytes as they come.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "src/base/bytes.h"

namespace forebay::s3door {

enum class Algorithm : unsigned char { kCrc32, kCrc32c, kCrc64Nvme, kSha1, kSha256, kMd5 };

/// "CRC32C", as headers and XML name it; not of kMd5.
std::string_view NameOf(Algorithm algorithm);
/// "x-amz-checksum-crc32c"
std::string_view HeaderOf(Algorithm algorithm);
/// What all of them begin with.
inline constexpr std::string_view kChecksumPrefix = "x-amz-checksum-";
std::optional<Algorithm> AlgorithmNamed(std::string_view name);
std::optional<Algorithm> AlgorithmOfHeader(std::string_view header);
/// Of what Finish gives.
size_t BytesOf(Algorithm algorithm);

class Checksum {
 public:
  explicit Checksum(Algorithm algorithm);
  Checksum(Checksum&&) noexcept;
  Checksum& operator=(Checksum&&) noexcept;
  ~Checksum();

  Algorithm algorithm() const { return algorithm_; }
  void Add(Bytes bytes);
  /// The bytes of the sum, the highest first. Begins anew.
  std::string Finish();

 private:
  struct Digest;
  Algorithm algorithm_;
  uint64_t crc_ = 0;
  std::unique_ptr<Digest> digest_;
};

}  // namespace forebay::s3door
