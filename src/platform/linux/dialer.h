// Channels over sockets, by plain calls in the caller's thread.
#pragma once

#include "src/runtime/channel.h"

namespace forebay::platform {

class LinuxDialer final : public Dialer {
 public:
  Instant Now() override;
  uint64_t Random() override;
  uint64_t Generation() override;
  /// A name is resolved by the system, which may take longer than `until`.
  Result<std::unique_ptr<Channel>> Dial(const std::string& address, Instant until) override;
  Result<std::unique_ptr<Beacon>> MakeBeacon() override;
};

}  // namespace forebay::platform
