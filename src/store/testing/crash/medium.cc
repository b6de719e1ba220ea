#include "src/store/testing/crash/medium.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "src/base/prng.h"

namespace forebay::store_testing {

Medium::Medium(uint64_t size_bytes)
    : size_bytes_(size_bytes), durable_(memfd_create("medium", MFD_CLOEXEC)) {
  if (durable_ < 0 || ftruncate(durable_, static_cast<off_t>(size_bytes)) != 0) std::abort();
}

Medium::~Medium() {
  close(durable_);
}

void Medium::Load(uint64_t page, Page& into) const {
  if (pread(durable_, into.data(), kPage, static_cast<off_t>(page * kPage)) != kPage) std::abort();
}

void Medium::Save(uint64_t page, uint64_t offset, Bytes bytes) {
  const auto at = static_cast<off_t>(page * kPage + offset);
  if (pwrite(durable_, bytes.data(), bytes.size(), at) != static_cast<ssize_t>(bytes.size())) {
    std::abort();
  }
}

bool Medium::Read(uint64_t offset, MutableBytes into) {
  const std::scoped_lock lock(mutex_);
  if (!on_) return false;
  while (!into.empty()) {
    const uint64_t page = offset / kPage, from = offset % kPage;
    const size_t size = std::min<uint64_t>(into.size(), kPage - from);
    const auto held = held_.find(page);
    Page durable;
    if (held == held_.end()) Load(page, durable);
    const Page& source = held == held_.end() ? durable : held->second;
    std::copy_n(source.begin() + static_cast<ptrdiff_t>(from), size, into.begin());
    into = into.subspan(size);
    offset += size;
  }
  return true;
}

bool Medium::Write(uint64_t offset, Bytes bytes) {
  const std::scoped_lock lock(mutex_);
  if (!on_) return false;
  while (!bytes.empty()) {
    const uint64_t page = offset / kPage, from = offset % kPage;
    const size_t size = std::min<uint64_t>(bytes.size(), kPage - from);
    const auto [held, fresh] = held_.try_emplace(page);
    if (fresh) Load(page, held->second);
    std::copy_n(bytes.begin(), size, held->second.begin() + static_cast<ptrdiff_t>(from));
    bytes = bytes.subspan(size);
    offset += size;
  }
  return true;
}

bool Medium::Flush() {
  const std::scoped_lock lock(mutex_);
  if (!on_) return false;
  for (const auto& [page, bytes] : held_) Save(page, 0, bytes);
  held_.clear();
  return true;
}

void Medium::Cut() {
  const std::scoped_lock lock(mutex_);
  on_ = false;
}

HeldBackDisk::Fate Medium::PowerOn(uint64_t seed) {
  constexpr uint64_t kSector = 512;
  const std::scoped_lock lock(mutex_);
  Prng prng(seed);
  HeldBackDisk::Fate fate;
  for (const auto& [page, bytes] : held_) {
    const uint64_t chance = prng.Below(5);
    if (chance < 2) {
      Save(page, 0, bytes);
      ++fate.kept;
    } else if (chance < 4) {
      ++fate.dropped;
    } else {
      for (uint64_t at = 0; at < kPage; at += kSector) {
        if (prng.OneIn(2)) Save(page, at, Bytes(bytes).subspan(at, kSector));
      }
      ++fate.torn;
    }
  }
  held_.clear();
  on_ = true;
  return fate;
}

void Medium::Opened() {
  const std::scoped_lock lock(mutex_);
  ++open_;
}

void Medium::Released() {
  {
    const std::scoped_lock lock(mutex_);
    --open_;
  }
  released_.notify_all();
}

void Medium::AwaitRelease() {
  std::unique_lock lock(mutex_);
  released_.wait(lock, [this] { return open_ == 0; });
}

}  // namespace forebay::store_testing
