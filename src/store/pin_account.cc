#include "src/store/pin_account.h"

#include <fmt/format.h>

#include "src/base/units.h"

namespace forebay {

Result<uint64_t> PinAccount::Hold(View view) {
  const std::scoped_lock lock(mutex_);
  const uint64_t bytes = view.bytes().size();
  if (held_bytes_ + bytes > limit_bytes_) {
    return Fail(
        Code::kOverloaded,
        fmt::format("this process holds {} of its {} of pinned memory; release views or copy",
                    FormatSize(held_bytes_), FormatSize(limit_bytes_)));
  }
  held_bytes_ += bytes;
  const uint64_t handle = next_handle_++;
  views_.emplace(handle, std::move(view));
  return handle;
}

bool PinAccount::Release(uint64_t handle) {
  View view;
  const std::scoped_lock lock(mutex_);
  const auto held = views_.find(handle);
  if (held == views_.end()) return false;
  view = std::move(held->second);
  held_bytes_ -= view.bytes().size();
  views_.erase(held);
  return true;
}

void PinAccount::ReleaseAll() {
  std::map<uint64_t, View> views;
  const std::scoped_lock lock(mutex_);
  views.swap(views_);
  held_bytes_ = 0;
}

uint64_t PinAccount::held_bytes() const {
  const std::scoped_lock lock(mutex_);
  return held_bytes_;
}

}  // namespace forebay
