// The medium of a held back disk: what is durable, and what still waits for a flush.
#pragma once

#include <array>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <mutex>

#include "src/base/bytes.h"
#include "src/store/testing/crash/held_back_disk.h"

namespace forebay::store_testing {

/// Any thread. Offsets lie within the size. What can fail does so, with false, while the power is
/// off.
class Medium {
 public:
  explicit Medium(uint64_t size_bytes);
  ~Medium();

  uint64_t size_bytes() const { return size_bytes_; }
  bool Read(uint64_t offset, MutableBytes into);
  bool Write(uint64_t offset, Bytes bytes);
  bool Flush();

  void Cut();
  HeldBackDisk::Fate PowerOn(uint64_t seed);

  void Opened();
  void Released();
  void AwaitRelease();

 private:
  static constexpr uint64_t kPage = 4096;
  using Page = std::array<std::byte, kPage>;

  void Load(uint64_t page, Page& into) const;
  void Save(uint64_t page, uint64_t offset, Bytes bytes);

  const uint64_t size_bytes_;
  const int durable_;  // a memfd: sparse, and gone with this process
  std::mutex mutex_;
  std::condition_variable released_;
  std::map<uint64_t, Page> held_;  // by number
  bool on_ = true;
  int open_ = 0;
};

}  // namespace forebay::store_testing
