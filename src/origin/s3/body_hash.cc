#include "src/origin/s3/body_hash.h"

#include <openssl/evp.h>

#include "src/base/assert.h"
#include "src/origin/http/text.h"

namespace forebay::s3 {

struct BodyHash::State {
  State() : context(EVP_MD_CTX_new()) { Begin(); }
  ~State() { EVP_MD_CTX_free(context); }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  void Begin() { FB_ASSERT(EVP_DigestInit_ex(context, EVP_sha256(), nullptr) == 1); }

  EVP_MD_CTX* context;
};

BodyHash::BodyHash() : state_(std::make_unique<State>()) {}
BodyHash::BodyHash(BodyHash&&) noexcept = default;
BodyHash& BodyHash::operator=(BodyHash&&) noexcept = default;
BodyHash::~BodyHash() = default;

void BodyHash::Add(Bytes bytes) {
  FB_ASSERT(EVP_DigestUpdate(state_->context, bytes.data(), bytes.size()) == 1);
}

std::string BodyHash::Finish() {
  http_origin::Sha256 hash;
  FB_ASSERT(EVP_DigestFinal_ex(state_->context, reinterpret_cast<unsigned char*>(hash.data()),
                               nullptr) == 1);
  state_->Begin();
  return http_origin::Hex(hash);
}

}  // namespace forebay::s3
