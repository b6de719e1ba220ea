// Descriptors that belong to the process that opened them: the child of a fork closes its copies at
// once, so that the parent's connections end when the parent closes them.
#pragma once

#include <cstdint>

#include "src/base/result.h"

namespace forebay::platform {

/// Rises in the child of every fork that happens after the first call. Any thread.
uint64_t ForkGeneration();

/// Any thread.
class GuardedFd {
 public:
  GuardedFd() = default;
  GuardedFd(GuardedFd&& other) noexcept;
  GuardedFd& operator=(GuardedFd&& other) noexcept;
  ~GuardedFd();

  /// Takes over what `open` returns (a descriptor, or -1 with errno set); no fork comes between.
  /// kOverloaded where this process has as many guarded descriptors as there may be.
  template <class Open>
  static Result<GuardedFd> Of(Open open) {
    const Lock lock;
    return TakeLocked(open());
  }

  int get() const { return fd_; }

 private:
  struct Lock {
    Lock();
    ~Lock();
  };
  static Result<GuardedFd> TakeLocked(int fd);

  int fd_ = -1;
  uint32_t slot_ = 0;
  uint64_t generation_ = 0;
};

}  // namespace forebay::platform
