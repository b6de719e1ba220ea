#include "src/base/checksum.h"

#include <isa-l/crc.h>

#include <algorithm>

#include "src/base/prng.h"
#include "src/base/units.h"

namespace forebay {

#if defined(__x86_64__)
namespace {

/// Heads and metas of messages: what ISA-L needs to get going costs more than all of them do.
constexpr size_t kShortBytes = 256;
const bool kHasCrcInstruction = __builtin_cpu_supports("sse4.2") != 0;

__attribute__((target("sse4.2"))) uint32_t ShortCrc32c(Bytes bytes, uint32_t seed) {
  uint64_t crc = seed;
  size_t at = 0;
  for (; at + sizeof(uint64_t) <= bytes.size(); at += sizeof(uint64_t)) {
    crc = __builtin_ia32_crc32di(crc, LoadFrom<uint64_t>(&bytes[at]));
  }
  auto rest = static_cast<uint32_t>(crc);
  for (; at < bytes.size(); ++at) {
    rest = __builtin_ia32_crc32qi(rest, std::to_integer<unsigned char>(bytes[at]));
  }
  return rest;
}

}  // namespace
#endif

uint32_t Crc32c(Bytes bytes, uint32_t seed) {
#if defined(__x86_64__)
  if (bytes.size() <= kShortBytes && kHasCrcInstruction) return ShortCrc32c(bytes, seed);
#endif
  // ISA-L takes a non-const pointer and only reads.
  auto* data = reinterpret_cast<unsigned char*>(const_cast<std::byte*>(bytes.data()));
  return crc32_iscsi(data, static_cast<int>(bytes.size()), seed);
}

uint32_t PageSeed(const BlockKey& key, uint32_t page) {
  return static_cast<uint32_t>(Mix64(key.hash.hi ^ Mix64(key.hash.lo + page)));
}

void ComputeCrcs(const BlockKey& key, uint32_t first, Bytes data, uint32_t* crcs) {
  for (size_t at = 0; at < data.size(); at += kPageBytes, ++first) {
    const size_t size = std::min<size_t>(kPageBytes, data.size() - at);
    *crcs++ = PageCrc(key, first, data.subspan(at, size));
  }
}

uint32_t FirstBadPage(const BlockKey& key, uint32_t first, Bytes data, const uint32_t* crcs) {
  const auto pages = static_cast<uint32_t>(DivideRoundUp(data.size(), kPageBytes));
  for (uint32_t page = 0; page < pages; ++page) {
    const size_t at = size_t{page} * kPageBytes;
    const size_t size = std::min<size_t>(kPageBytes, data.size() - at);
    if (PageCrc(key, first + page, data.subspan(at, size)) != crcs[page]) return page;
  }
  return pages;
}

bool CopyVerified(const BlockKey& key, uint32_t first, Bytes data, const uint32_t* crcs,
                  std::byte* to) {
  for (size_t at = 0; at < data.size(); at += kPageBytes, ++first) {
    const size_t size = std::min<size_t>(kPageBytes, data.size() - at);
    const Bytes page = data.subspan(at, size);
    if (PageCrc(key, first, page) != *crcs++) return false;
    std::memcpy(to + at, page.data(), size);
  }
  return true;
}

}  // namespace forebay
