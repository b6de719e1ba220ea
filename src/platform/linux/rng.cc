#include "src/platform/linux/rng.h"

#include <sys/random.h>

#include "src/base/assert.h"

namespace forebay::platform {
namespace {

uint64_t KernelSeed() {
  uint64_t seed = 0;
  const ssize_t got = getrandom(&seed, sizeof seed, 0);
  FB_ASSERT(got == sizeof seed);  // never short for so few bytes
  return seed;
}

}  // namespace

LinuxRng::LinuxRng() : prng_(KernelSeed()) {}

}  // namespace forebay::platform
