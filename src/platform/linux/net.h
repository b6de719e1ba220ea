// Net over the loop: TCP and Unix sockets, the same code on both backends.
#pragma once

#include "src/platform/linux/address.h"
#include "src/platform/linux/reactor.h"
#include "src/platform/linux/unique_fd.h"
#include "src/runtime/net.h"

namespace forebay::platform {

class LinuxNet final : public Net {
 public:
  LinuxNet(Reactor& reactor, Clock& clock, uint64_t zero_copy_bytes)
      : reactor_(reactor), clock_(clock), zero_copy_bytes_(zero_copy_bytes) {}

  Task<Result<std::unique_ptr<Stream>>> Connect(std::string address, Call call) override;
  Result<std::unique_ptr<Listener>> Listen(std::string address) override;
  Result<std::unique_ptr<Stream>> Adopt(const Descriptor& released, std::string peer) override;

 private:
  Task<Result<std::unique_ptr<Stream>>> ConnectOne(const SocketAddress& to, std::string_view name,
                                                   Call call);

  Reactor& reactor_;
  Clock& clock_;
  const uint64_t zero_copy_bytes_;
};

}  // namespace forebay::platform
