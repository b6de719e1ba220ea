// A Listener over a listening socket.
#pragma once

#include <memory>
#include <string>

#include "src/platform/linux/reactor.h"
#include "src/platform/linux/unique_fd.h"
#include "src/runtime/net.h"

namespace forebay::platform {

class SocketListener final : public Listener {
 public:
  /// `unix_path` is removed with the listener; empty for TCP.
  static Result<std::unique_ptr<Listener>> Make(Reactor& reactor, Clock& clock, UniqueFd fd,
                                                std::string address, std::string unix_path,
                                                uint64_t zero_copy_bytes);
  SocketListener(const SocketListener&) = delete;
  SocketListener& operator=(const SocketListener&) = delete;
  ~SocketListener() override;

  Task<Result<std::unique_ptr<Stream>>> Accept(Call call) override;
  const std::string& address() const override { return address_; }

 private:
  SocketListener(Reactor& reactor, Clock& clock, UniqueFd fd, std::string address,
                 std::string unix_path, uint64_t zero_copy_bytes);

  Result<std::unique_ptr<Stream>> Welcome(int fd);
  /// When no descriptor is left: turns those who wait away, so that they try elsewhere at once.
  void TurnAway();
  Task<Error> Overloaded(int error, Call call);

  Reactor& reactor_;
  Clock& clock_;
  const UniqueFd fd_;
  UniqueFd spare_;  // given up for a moment to be able to turn someone away
  Socket socket_;
  const std::string address_;
  const std::string unix_path_;
  const uint64_t zero_copy_bytes_;
};

}  // namespace forebay::platform
