// Handshakes that fail, told to the operator, who must not drown in them: anybody can cause one.
#pragma once

#include <cstdint>
#include <mutex>
#include <optional>

#include "src/runtime/env.h"

namespace forebay::tls {

/// Any thread.
class FailureLog {
 public:
  /// A line now and then, with how many there were since the last one.
  void Note(Env& env, const Error& error);

 private:
  std::mutex mutex_;  // guards what follows
  std::optional<Instant> last_;
  uint64_t untold_ = 0;
};

}  // namespace forebay::tls
