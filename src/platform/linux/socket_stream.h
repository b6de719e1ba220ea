// A Stream over a connected socket.
#pragma once

#include <memory>
#include <string>

#include "src/platform/linux/io_parts.h"
#include "src/platform/linux/reactor.h"
#include "src/platform/linux/unique_fd.h"
#include "src/runtime/net.h"

namespace forebay::platform {

class SocketStream final : public Stream {
 public:
  /// `zero_copy_bytes` as in LoopOptions; 0 where it can never pay.
  static Result<std::unique_ptr<Stream>> Make(Reactor& reactor, UniqueFd fd, std::string peer,
                                              bool is_tcp, uint64_t zero_copy_bytes);
  SocketStream(const SocketStream&) = delete;
  SocketStream& operator=(const SocketStream&) = delete;
  ~SocketStream() override;

  Task<Result<size_t>> Recv(MutableBytes into, Call call) override;
  Task<Result<void>> Send(std::span<const Bytes> parts, Call call) override;
  Task<Result<void>> SendDescriptors(std::span<const Bytes> parts, std::span<const int> descriptors,
                                     Call call) override;
  Task<Result<size_t>> RecvDescriptors(MutableBytes into,
                                       std::vector<std::unique_ptr<Descriptor>>* descriptors,
                                       Call call) override;
  void Shutdown() override;
  const std::string& peer() const override { return peer_; }
  std::optional<PeerProcess> peer_process() const override;
  Result<std::unique_ptr<Descriptor>> Release() override;
  /// From now on a Recv that waits is woken by so many bytes, the end or an error. Of TCP only.
  void WakeAt(int bytes);
  /// Bytes, or the end, have come that nobody has taken.
  bool HasNews() const;

 private:
  SocketStream(Reactor& reactor, UniqueFd fd, std::string peer, bool is_tcp,
               uint64_t zero_copy_bytes);

  Task<Result<void>> SendOne(Bytes bytes, Call call);
  Task<Result<void>> SendParts(PartsCursor cursor, Call call);
  bool WantsZeroCopy(uint64_t size) const {
    return zero_copy_bytes_ != 0 && size >= zero_copy_bytes_;
  }
  Error ErrorOf(int32_t result, std::string_view verb) const;

  Reactor& reactor_;
  UniqueFd fd_;
  Socket socket_;
  const std::string peer_;
  const bool is_tcp_;
  uint64_t zero_copy_bytes_;
  Op* zero_copy_send_ = nullptr;  // in progress
  bool shut_ = false;
  int wakes_at_ = 1;
};

}  // namespace forebay::platform
