// What a client has in one process: its connections, and what is done when they break. After a fork
// the child makes another and leaves the parent's alone.
#pragma once

#include <array>
#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <utility>

#include "src/client/link.h"

namespace forebay::client {

/// Any thread.
class Core {
 public:
  Core(Outside outside, const ClientOptions& options);
  ~Core();
  Core(const Core&) = delete;
  Core& operator=(const Core&) = delete;

  const uint64_t generation;
  void* forgotten = nullptr;  // the parent's, which may not be touched

  /// Ends everything in progress with kCancelled.
  void Close();

  const ClientOptions& options() const { return options_; }
  Outside outside() const { return outside_; }
  Instant Now() const { return outside_.dialer.Now(); }
  Instant Deadline() const { return Now() + options_.timeout; }
  /// Connections in turn.
  uint32_t NextSlot() { return next_slot_.fetch_add(1, std::memory_order_relaxed); }

  /// The connection of a slot, made anew if it has broken, which is tried until `until` where
  /// nobody answers (`patient`).
  Result<std::shared_ptr<Link>> Acquire(uint32_t slot, Instant until, bool patient = true);

  /// f(link, until) again and again while it fails for reasons that pass.
  template <class F>
  auto Retry(uint32_t slot, Instant until, F f)
      -> decltype(f(std::declval<const std::shared_ptr<Link>&>(), Instant{})) {
    for (uint32_t attempt = 0;; ++attempt) {
      FB_ASSIGN(const std::shared_ptr<Link> link, Acquire(slot, until));
      auto result = f(link, until);
      if (result || !ShouldRetry(result.error(), *link, attempt, until)) return result;
    }
  }
  /// Whether what failed so may be done again; then after a while.
  bool ShouldRetry(const Error& error, const Link& link, uint32_t attempt, Instant until);

  /// A request that may be repeated.
  template <class A, class M>
  Result<Answer<A>> Ask(const M& request) {
    return Retry(NextSlot(), Deadline(),
                 [&request](const std::shared_ptr<Link>& link, Instant until) {
                   return link->Ask<A>(request, until);
                 });
  }
  /// One that may not: repeated only where the node cannot have seen it.
  template <class A, class M>
  Result<Answer<A>> AskOnce(const M& request, Bytes data = {}) {
    const Instant until = Deadline();
    for (uint32_t attempt = 0;; ++attempt) {
      FB_ASSIGN(const std::shared_ptr<Link> link, Acquire(NextSlot(), until));
      wire::MetaExchange exchange;
      Ticket ticket(exchange);
      auto done = link->Start(ticket, request, until, data);
      if (!done && ShouldRetry(done.error(), *link, attempt, until)) continue;
      FB_TRY(done);
      done = link->Await(ticket, until);
      if (!done && done.error().code() == Code::kOverloaded &&
          ShouldRetry(done.error(), *link, attempt, until)) {
        continue;  // refused before it was begun
      }
      if (!done) return Fail(Unknown(std::move(done.error()), *link));
      FB_ASSIGN(A value, wire::DecodeMeta<A>(M::kType, exchange.meta()));
      return Answer<A>{std::move(exchange.meta()), std::move(value)};
    }
  }
  /// The error of a write: says so where it may have happened all the same.
  static Error Unknown(Error error, const Link& link);

 private:
  struct Slot {
    std::shared_ptr<Link> link;
    bool connecting = false;
  };

  Result<std::shared_ptr<Link>> Reconnect(std::unique_lock<std::mutex>& lock, Slot& slot,
                                          Instant until, bool patient);
  /// False where it was woken by Close, or `until` comes first.
  bool Pause(std::unique_lock<std::mutex>& lock, uint32_t attempt, Instant until);

  const Outside outside_;
  const ClientOptions options_;
  std::atomic<uint32_t> next_slot_{0};

  std::mutex mutex_;
  std::condition_variable changed_;
  std::array<Slot, kMaxConnections> slots_;
  uint64_t next_serial_ = 1;
  bool closed_ = false;
};

/// A T of this process: made at its first use, and again in the child of a fork.
template <class T>
class PerProcess {
 public:
  PerProcess() = default;
  ~PerProcess() = default;  // DropOf was called
  PerProcess(const PerProcess&) = delete;
  PerProcess& operator=(const PerProcess&) = delete;

  template <class Make>
  T& Get(uint64_t generation, Make make) {
    T* current = current_.load(std::memory_order_acquire);
    if (current != nullptr && current->generation == generation) return *current;
    std::unique_ptr<T> fresh = make();
    fresh->forgotten = current;
    if (current_.compare_exchange_strong(current, fresh.get())) return *fresh.release();
    return *current;
  }
  /// nullptr where this process has not used it.
  T* IfOf(uint64_t generation) const {
    T* current = current_.load(std::memory_order_acquire);
    return current != nullptr && current->generation == generation ? current : nullptr;
  }
  /// Its end in this process; what is the parent's is left alone.
  void DropOf(uint64_t generation) {
    T* current = current_.exchange(nullptr);
    if (current != nullptr && current->generation == generation) delete current;
  }

 private:
  std::atomic<T*> current_{nullptr};
};

}  // namespace forebay::client
