#include "src/origin/file/key_locks.h"

namespace forebay::file_origin {

bool KeyLocks::TakeOrWait(const std::string& name, Waiter waiter) {
  const std::lock_guard lock(mutex_);
  const auto [held, taken] = held_.try_emplace(name);
  if (!taken) held->second.push_back(waiter);
  return taken;
}

void KeyLocks::Release(const std::string& name) {
  const std::lock_guard lock(mutex_);
  const auto held = held_.find(name);
  if (held->second.empty()) {
    held_.erase(held);
    return;
  }
  const Waiter next = held->second.front();
  held->second.pop_front();
  next.executor->Post(next.handle);
}

}  // namespace forebay::file_origin
