#include "src/front/native/door.h"

#include <fmt/format.h>

#include <map>

#include "src/front/native/session.h"

namespace forebay {
namespace {

/// How often silent clients are looked for.
constexpr Duration kWatchEvery = std::chrono::milliseconds(500);
/// After an accept that failed (out of descriptors), so that the loop does not spin.
constexpr Duration kAcceptPause = std::chrono::milliseconds(100);
/// Connections over the limit that are told so at one time; more are closed without a word.
constexpr size_t kMaxRefusing = 64;
constexpr Duration kRefuseTimeout = std::chrono::seconds(1);
/// How often Stop looks whether requests have ended.
constexpr Duration kDrainPoll = std::chrono::milliseconds(5);

}  // namespace

class NativeDoor::Impl {
 public:
  Impl(Env& env, Node& node, NativeDoorOptions options)
      : door_(env, node, std::move(options)), group_(env.executor) {}
  ~Impl() { FB_ASSERT(group_.running() == 0); }

  Result<void> Start();
  Task<void> Stop(Duration grace);

  struct Listening {
    std::unique_ptr<Listener> listener;
    bool is_unix = false;
  };
  DoorState door_;
  std::vector<Listening> listening_;
  std::map<uint64_t, Session*> sessions_;  // in the order of their coming

 private:
  Task<void> Accept(Listening* listening);
  Task<void> Serve(std::unique_ptr<Stream> stream, bool is_unix);
  Task<void> Refuse(std::unique_ptr<Stream> stream);
  Task<void> Watch();
  bool AllIdle() const;

  TaskGroup group_;
  CancelSource stop_accepting_;
  CancelSource stop_watching_;
  size_t refusing_ = 0;
};

NativeDoor::NativeDoor(Env& env, Node& node, NativeDoorOptions options)
    : impl_(std::make_unique<Impl>(env, node, std::move(options))) {}
NativeDoor::~NativeDoor() = default;

Result<void> NativeDoor::Start() {
  return impl_->Start();
}

Task<void> NativeDoor::Stop(Duration grace) {
  return impl_->Stop(grace);
}

std::vector<std::string> NativeDoor::addresses() const {
  std::vector<std::string> addresses;
  for (const auto& listening : impl_->listening_) {
    addresses.push_back(listening.listener->address());
  }
  return addresses;
}

size_t NativeDoor::connections() const {
  return impl_->sessions_.size();
}

Result<void> NativeDoor::Impl::Start() {
  if (door_.options.nonce_secret.size() < 32) {
    return Fail(Code::kInvalidArgument, "the native door needs 32 secret bytes for its nonces");
  }
  for (const std::string& address : door_.options.addresses) {
    auto listener = door_.env.net.Listen(address);
    if (!listener) {
      listening_.clear();
      return Fail(listener.error());
    }
    listening_.push_back({std::move(*listener), address.starts_with("unix:")});
  }
  for (Listening& listening : listening_) group_.Spawn(Accept(&listening));
  group_.Spawn(Watch());
  return {};
}

Task<void> NativeDoor::Impl::Accept(Listening* listening) {
  const Call call{.cancel = stop_accepting_.token()};
  while (!door_.stopping) {
    auto stream = co_await listening->listener->Accept(call);
    if (!stream) {
      if (door_.stopping || stream.error().code() == Code::kCancelled) co_return;
      door_.env.log.Warning("front/native", fmt::format("{}: {}", listening->listener->address(),
                                                        stream.error().ToString()));
      if (!co_await door_.env.clock.Sleep(kAcceptPause, call.cancel)) co_return;
      continue;
    }
    if (sessions_.size() < door_.options.max_connections) {
      group_.Spawn(Serve(std::move(*stream), listening->is_unix));
      continue;
    }
    door_.node.counters().door.refused.Add();
    if (refusing_ < kMaxRefusing) {
      ++refusing_;
      group_.Spawn(Refuse(std::move(*stream)));
    }
  }
}

Task<void> NativeDoor::Impl::Serve(std::unique_ptr<Stream> stream, bool is_unix) {
  if (door_.stopping) co_return;
  door_.node.counters().door.connections.Add();
  Session session(door_, std::move(stream), is_unix);
  sessions_.emplace(session.number(), &session);
  co_await session.Run();
  sessions_.erase(session.number());
}

/// One connection too many. It reads why instead of its Welcome.
Task<void> NativeDoor::Impl::Refuse(std::unique_ptr<Stream> stream) {
  std::array<std::byte, 256> frame;
  const std::string message =
      fmt::format("the node has {} connections, as many as it may", door_.options.max_connections);
  const size_t size = EncodeHandshake(
      frame,
      wire::Refused{.status = wire::StatusOf(Code::kOverloaded), .message = message, .later = {}});
  const Bytes part = Bytes(frame).first(size);
  const Call call{.deadline = door_.env.clock.Now() + kRefuseTimeout,
                  .cancel = stop_watching_.token()};
  std::ignore = co_await stream->Send(std::span(&part, 1), call);
  --refusing_;
}

Task<void> NativeDoor::Impl::Watch() {
  while (co_await door_.env.clock.Sleep(kWatchEvery, stop_watching_.token())) {
    const Instant now = door_.env.clock.Now();
    for (auto& [number, session] : sessions_) session->Watch(now);
  }
}

bool NativeDoor::Impl::AllIdle() const {
  return std::ranges::all_of(sessions_,
                             [](const auto& numbered) { return numbered.second->idle(); });
}

Task<void> NativeDoor::Impl::Stop(Duration grace) {
  door_.stopping = true;
  stop_accepting_.Cancel();
  const Instant until = door_.env.clock.Now() + grace;
  while (!AllIdle() && door_.env.clock.Now() < until) {
    if (!co_await door_.env.clock.Sleep(kDrainPoll)) break;
  }
  stop_watching_.Cancel();
  for (auto& [number, session] : sessions_) session->Shutdown();
  co_await group_.Join();
  listening_.clear();
}

}  // namespace forebay
