#include "src/front/tls/failure_log.h"

#include <fmt/format.h>

#include <string>

namespace forebay::tls {
namespace {

constexpr Duration kBetweenLines = std::chrono::seconds(10);

}  // namespace

void FailureLog::Note(Env& env, const Error& error) {
  const Instant now = env.clock.Now();
  const std::lock_guard lock(mutex_);
  if (last_ && now - *last_ < kBetweenLines) {
    ++untold_;
    return;
  }
  std::string line = error.message();
  if (untold_ > 0) line += fmt::format(" ({} others failed since the last line)", untold_);
  env.log.Warning("tls", line);
  last_ = now;
  untold_ = 0;
}

}  // namespace forebay::tls
