#include "src/front/native/door.h"

#include <fmt/format.h>

#include <algorithm>

#include "src/front/native/door_loop.h"
#include "src/wire/handshake.h"

namespace forebay {
namespace {

/// After an accept that failed (out of descriptors), so that the loop does not spin.
constexpr Duration kAcceptPause = std::chrono::milliseconds(100);
/// Connections over the limit that are told so at one time; more are closed without a word.
constexpr size_t kMaxRefusing = 64;
constexpr Duration kRefuseTimeout = std::chrono::seconds(1);

}  // namespace

class NativeDoor::Impl {
 public:
  Impl(Env& env, Node& node, NativeDoorOptions options, const std::vector<Env*>& further);
  ~Impl() { FB_ASSERT(group_.running() == 0); }

  Result<void> Start();
  Task<void> Stop(Duration grace);
  size_t connections() const;

  std::vector<std::string> addresses() const;
  std::vector<size_t> connections_by_loop() const;

 private:
  struct Listening {
    std::unique_ptr<Listener> listener;
    bool is_unix = false;
  };
  Task<void> Accept(Listening* listening);
  void Welcome(std::unique_ptr<Stream> stream, bool is_unix);
  Task<void> Refuse(std::unique_ptr<Stream> stream);

  Env& env_;
  DoorShared shared_;
  std::vector<std::unique_ptr<DoorLoop>> loops_;  // the node's own first
  std::vector<Listening> listening_;
  TaskGroup group_;
  CancelSource stop_accepting_;
  size_t refusing_ = 0;
};

NativeDoor::NativeDoor(Env& env, Node& node, NativeDoorOptions options,
                       const std::vector<Env*>& further)
    : impl_(std::make_unique<Impl>(env, node, std::move(options), further)) {}
NativeDoor::~NativeDoor() = default;

Result<void> NativeDoor::Start() {
  return impl_->Start();
}

Task<void> NativeDoor::Stop(Duration grace) {
  return impl_->Stop(grace);
}

std::vector<std::string> NativeDoor::addresses() const {
  return impl_->addresses();
}

std::vector<size_t> NativeDoor::connections_by_loop() const {
  return impl_->connections_by_loop();
}

size_t NativeDoor::connections() const {
  return impl_->connections();
}

NativeDoor::Impl::Impl(Env& env, Node& node, NativeDoorOptions options,
                       const std::vector<Env*>& further)
    : env_(env), shared_(node, env.executor, std::move(options)), group_(env.executor) {
  loops_.push_back(std::make_unique<DoorLoop>(env, shared_));
  for (Env* one : further) loops_.push_back(std::make_unique<DoorLoop>(*one, shared_));
  for (const auto& loop : loops_) shared_.queued_bytes.push_back(&loop->queued_bytes());
}

Result<void> NativeDoor::Impl::Start() {
  if (shared_.options.nonce_secret.size() < 32) {
    return Fail(Code::kInvalidArgument, "the native door needs 32 secret bytes for its nonces");
  }
  for (const std::string& address : shared_.options.addresses) {
    auto listener = env_.net.Listen(address);
    if (!listener) {
      listening_.clear();
      return Fail(listener.error());
    }
    listening_.push_back({std::move(*listener), address.starts_with("unix:")});
  }
  for (Listening& listening : listening_) group_.Spawn(Accept(&listening));
  return {};
}

std::vector<std::string> NativeDoor::Impl::addresses() const {
  std::vector<std::string> addresses;
  addresses.reserve(listening_.size());
  for (const Listening& listening : listening_) addresses.push_back(listening.listener->address());
  return addresses;
}

std::vector<size_t> NativeDoor::Impl::connections_by_loop() const {
  std::vector<size_t> of_each;
  of_each.reserve(loops_.size());
  for (const auto& loop : loops_) of_each.push_back(loop->connections());
  return of_each;
}

size_t NativeDoor::Impl::connections() const {
  size_t sum = 0;
  for (const auto& loop : loops_) sum += loop->connections();
  return sum;
}

Task<void> NativeDoor::Impl::Accept(Listening* listening) {
  const Call call{.cancel = stop_accepting_.token()};
  while (!shared_.stopping) {
    auto stream = co_await listening->listener->Accept(call);
    if (!stream) {
      if (shared_.stopping || stream.error().code() == Code::kCancelled) co_return;
      env_.log.Warning("front/native", fmt::format("{}: {}", listening->listener->address(),
                                                   stream.error().ToString()));
      if (!co_await env_.clock.Sleep(kAcceptPause, call.cancel)) co_return;
      continue;
    }
    if (connections() < shared_.options.max_connections) {
      Welcome(std::move(*stream), listening->is_unix);
      continue;
    }
    shared_.node.counters().door.refused.Add();
    if (refusing_ < kMaxRefusing) {
      ++refusing_;
      group_.Spawn(Refuse(std::move(*stream)));
    }
  }
}

/// To the loop that has the fewest; the kernel, asked to spread connections over sockets of each
/// loop, would throw dice. The first of equals is the node's own, which nothing need be sent to.
void NativeDoor::Impl::Welcome(std::unique_ptr<Stream> stream, bool is_unix) {
  DoorLoop* loop = loops_.front().get();
  if (!is_unix) {
    loop = std::ranges::min_element(loops_, {}, [](const auto& one) {
             return one->connections();
           })->get();
  }
  loop->Promise();
  if (loop == loops_.front().get()) return loop->Take(std::move(stream), is_unix);
  auto released = stream->Release();
  // A loop of a platform that cannot: the door was given loops that it cannot use.
  FB_ASSERT(released.has_value());
  group_.Spawn(
      RunOn(loop->executor(), env_.executor, loop->TakeOver(std::move(*released), stream->peer())));
}

/// One connection too many. It reads why instead of its Welcome.
Task<void> NativeDoor::Impl::Refuse(std::unique_ptr<Stream> stream) {
  std::array<std::byte, 256> frame;
  const std::string message = fmt::format("the node has {} connections, as many as it may",
                                          shared_.options.max_connections);
  const size_t size = EncodeHandshake(
      frame,
      wire::Refused{.status = wire::StatusOf(Code::kOverloaded), .message = message, .later = {}});
  const Bytes part = Bytes(frame).first(size);
  const Call call{.deadline = env_.clock.Now() + kRefuseTimeout, .cancel = stop_accepting_.token()};
  std::ignore = co_await stream->Send(std::span(&part, 1), call);
  --refusing_;
}

Task<void> NativeDoor::Impl::Stop(Duration grace) {
  shared_.stopping = true;
  stop_accepting_.Cancel();
  const Instant until = env_.clock.Now() + grace;
  co_await group_.Join();  // and with it whoever was on the way to a loop
  TaskGroup stopping(env_.executor);
  for (const auto& loop : loops_) {
    stopping.Spawn(RunOn(loop->executor(), env_.executor, loop->Stop(until)));
  }
  co_await stopping.Join();
  listening_.clear();
}

}  // namespace forebay
