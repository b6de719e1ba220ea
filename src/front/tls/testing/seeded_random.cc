#include "src/front/tls/testing/seeded_random.h"

#include <openssl/rand.h>

#include <optional>

#include "src/base/assert.h"
#include "src/base/prng.h"

namespace forebay::tls {
namespace {

std::optional<Prng> generator;

int Fill(unsigned char* into, int size) {
  for (int i = 0; i < size; ++i) into[i] = static_cast<unsigned char>(generator->Next());
  return 1;
}

int Ready() {
  return 1;
}

// OpenSSL 3 would rather have a provider of its own kind for this: a program in itself.
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wdeprecated-declarations"

void Use(const RAND_METHOD* method) {
  FB_ASSERT(RAND_set_rand_method(method) == 1);
}
const RAND_METHOD* OpenSslsOwn() {
  return RAND_OpenSSL();
}

#pragma clang diagnostic pop

const RAND_METHOD kSeeded = {
    .seed = nullptr,
    .bytes = Fill,
    .cleanup = nullptr,
    .add = nullptr,
    .pseudorand = Fill,
    .status = Ready,
};

}  // namespace

SeededRandom::SeededRandom(uint64_t seed) {
  FB_ASSERT(!generator);
  generator.emplace(seed);
  Use(&kSeeded);
}

SeededRandom::~SeededRandom() {
  Use(OpenSslsOwn());
  generator.reset();
}

}  // namespace forebay::tls
