#include "src/front/s3/checksums.h"

#include <openssl/evp.h>

#include <array>

#include "src/base/assert.h"
#include "src/base/checksum.h"
#include "src/base/crc.h"

namespace forebay::s3door {
namespace {

struct Known {
  Algorithm algorithm;
  std::string_view name;
  std::string_view header;
  size_t bytes;
};
constexpr Known kKnown[] = {{Algorithm::kCrc32, "CRC32", "x-amz-checksum-crc32", 4},
                            {Algorithm::kCrc32c, "CRC32C", "x-amz-checksum-crc32c", 4},
                            {Algorithm::kCrc64Nvme, "CRC64NVME", "x-amz-checksum-crc64nvme", 8},
                            {Algorithm::kSha1, "SHA1", "x-amz-checksum-sha1", 20},
                            {Algorithm::kSha256, "SHA256", "x-amz-checksum-sha256", 32},
                            {Algorithm::kMd5, "", "", 16}};

const Known& Of(Algorithm algorithm) {
  return kKnown[static_cast<size_t>(algorithm)];
}

const EVP_MD* DigestOf(Algorithm algorithm) {
  switch (algorithm) {
    case Algorithm::kMd5:
      return EVP_md5();
    case Algorithm::kSha1:
      return EVP_sha1();
    case Algorithm::kSha256:
      return EVP_sha256();
    default:
      return nullptr;
  }
}

bool SameWord(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return std::ranges::equal(a, b, {}, lower, lower);
}

}  // namespace

std::string_view NameOf(Algorithm algorithm) {
  return Of(algorithm).name;
}
std::string_view HeaderOf(Algorithm algorithm) {
  return Of(algorithm).header;
}
size_t BytesOf(Algorithm algorithm) {
  return Of(algorithm).bytes;
}

std::optional<Algorithm> AlgorithmNamed(std::string_view name) {
  for (const Known& known : kKnown) {
    if (!known.name.empty() && SameWord(known.name, name)) return known.algorithm;
  }
  return std::nullopt;
}

std::optional<Algorithm> AlgorithmOfHeader(std::string_view header) {
  for (const Known& known : kKnown) {
    if (!known.header.empty() && SameWord(known.header, header)) return known.algorithm;
  }
  return std::nullopt;
}

struct Checksum::Digest {
  explicit Digest(const EVP_MD* of) : kind(of), context(EVP_MD_CTX_new()) { Begin(); }
  ~Digest() { EVP_MD_CTX_free(context); }
  Digest(const Digest&) = delete;
  Digest& operator=(const Digest&) = delete;
  void Begin() { FB_ASSERT(EVP_DigestInit_ex(context, kind, nullptr) == 1); }

  const EVP_MD* const kind;
  EVP_MD_CTX* const context;
};

Checksum::Checksum(Algorithm algorithm) : algorithm_(algorithm) {
  if (const EVP_MD* kind = DigestOf(algorithm)) digest_ = std::make_unique<Digest>(kind);
}
Checksum::Checksum(Checksum&&) noexcept = default;
Checksum& Checksum::operator=(Checksum&&) noexcept = default;
Checksum::~Checksum() = default;

void Checksum::Add(Bytes bytes) {
  switch (algorithm_) {
    case Algorithm::kCrc32:
      crc_ = Crc32(bytes, static_cast<uint32_t>(crc_));
      return;
    case Algorithm::kCrc32c:
      crc_ = ~Crc32c(bytes, ~static_cast<uint32_t>(crc_)) & 0xffffffff;
      return;
    case Algorithm::kCrc64Nvme:
      crc_ = Crc64(bytes, crc_);
      return;
    default:
      FB_ASSERT(EVP_DigestUpdate(digest_->context, bytes.data(), bytes.size()) == 1);
  }
}

std::string Checksum::Finish() {
  std::string sum(BytesOf(algorithm_), '\0');
  if (digest_ != nullptr) {
    FB_ASSERT(EVP_DigestFinal_ex(digest_->context, reinterpret_cast<unsigned char*>(sum.data()),
                                 nullptr) == 1);
    digest_->Begin();
    return sum;
  }
  for (size_t i = 0; i < sum.size(); ++i) {
    sum[i] = static_cast<char>(crc_ >> (8 * (sum.size() - 1 - i)));
  }
  crc_ = 0;
  return sum;
}

}  // namespace forebay::s3door
