#include "src/core/policy/copies.h"

#include <algorithm>

namespace forebay {
namespace {

/// One key is remembered for so much memory: half as many as it holds of blocks of 1 MiB. What is
/// wanted again after more than this is no more wanted than anything else.
constexpr uint64_t kPagesAKey = 512;
constexpr uint64_t kFewestKeys = 16;
constexpr uint64_t kMostKeys = 1u << 20;

uint32_t KeysFor(const CopyOptions& options, uint64_t capacity_pages) {
  if (options.keep != Copies::kHot) return 0;
  return static_cast<uint32_t>(std::clamp(capacity_pages / kPagesAKey, kFewestKeys, kMostKeys));
}

}  // namespace

CopyKeeper::CopyKeeper(CopyOptions options, uint64_t capacity_pages)
    : options_(options),
      max_pages_(static_cast<uint64_t>(options.share * static_cast<double>(capacity_pages))),
      gone_(KeysFor(options, capacity_pages)) {}

bool CopyKeeper::Admit(const BlockRef& block) {
  const bool again = options_.keep == Copies::kHot && gone_.Take(block.key);
  const bool wanted = options_.keep == Copies::kAlways || again;
  if (!wanted || pages_ + block.weight > max_pages_) return false;
  pages_ += block.weight;
  return true;
}

void CopyKeeper::Left(const BlockRef& block, bool admitted) {
  if (admitted) {
    pages_ -= block.weight;
  } else {
    gone_.Push(block.key);
  }
}

}  // namespace forebay
