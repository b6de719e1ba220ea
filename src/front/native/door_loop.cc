#include "src/front/native/door_loop.h"

#include "src/front/native/session.h"

namespace forebay {
namespace {

/// How often silent clients are looked for.
constexpr Duration kWatchEvery = std::chrono::milliseconds(500);
/// How often Stop looks whether requests have ended.
constexpr Duration kDrainPoll = std::chrono::milliseconds(5);

}  // namespace

DoorLoop::DoorLoop(Env& env, DoorShared& shared) : door_(env, shared), group_(env.executor) {}

DoorLoop::~DoorLoop() {
  FB_ASSERT(group_.running() == 0 && connections() == 0);
}

void DoorLoop::Take(std::unique_ptr<Stream> stream, bool is_unix) {
  group_.Spawn(Serve(std::move(stream), is_unix));
  if (!watching_) group_.Spawn(Watch());
  watching_ = true;
}

Task<void> DoorLoop::TakeOver(std::unique_ptr<Descriptor> connection, std::string peer) {
  auto stream = door_.env.net.Adopt(*connection, std::move(peer));
  if (stream) {
    Take(std::move(*stream), false);
  } else {
    door_.env.log.Warning("front/native", stream.error().ToString());
    connections_.fetch_sub(1, std::memory_order_relaxed);
  }
  co_return;
}

Task<void> DoorLoop::Serve(std::unique_ptr<Stream> stream, bool is_unix) {
  if (!door_.stopping()) {
    door_.node.counters().door.connections.Add();
    Session session(door_, std::move(stream), is_unix);
    sessions_.emplace(session.number(), &session);
    co_await session.Run();
    sessions_.erase(session.number());
  }
  connections_.fetch_sub(1, std::memory_order_relaxed);
}

Task<void> DoorLoop::Watch() {
  while (co_await door_.env.clock.Sleep(kWatchEvery, stop_watching_.token())) {
    const Instant now = door_.env.clock.Now();
    for (auto& [number, session] : sessions_) session->Watch(now);
  }
}

bool DoorLoop::AllDrained() const {
  return std::ranges::all_of(sessions_,
                             [](const auto& numbered) { return numbered.second->Drained(); });
}

Task<void> DoorLoop::Stop(Instant until) {
  while (!AllDrained() && door_.env.clock.Now() < until) {
    if (!co_await door_.env.clock.Sleep(kDrainPoll)) break;
  }
  stop_watching_.Cancel();
  for (auto& [number, session] : sessions_) session->Shutdown();
  co_await group_.Join();
}

}  // namespace forebay
