// What one process holds pinned: bounded, and freed as a whole when the process goes.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>

#include "src/base/result.h"
#include "src/store/view.h"

namespace forebay {

/// Any thread.
class PinAccount {
 public:
  explicit PinAccount(uint64_t limit_bytes) : limit_bytes_(limit_bytes) {}

  /// Takes a view over; returns the handle that releases it. kOverloaded past the limit: the
  /// process should copy.
  Result<uint64_t> Hold(View view);
  /// False if there is no such handle.
  bool Release(uint64_t handle);
  /// The process is gone.
  void ReleaseAll();

  uint64_t held_bytes() const;

 private:
  const uint64_t limit_bytes_;
  mutable std::mutex mutex_;
  std::map<uint64_t, View> views_;
  uint64_t held_bytes_ = 0;
  uint64_t next_handle_ = 1;
};

}  // namespace forebay
