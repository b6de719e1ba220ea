// The signals that a node listens to.
#pragma once

#include <atomic>
#include <thread>

#include "src/runtime/doorbell.h"

namespace forebay::app {

/// Takes SIGTERM, SIGINT and SIGHUP in a thread of its own. A second SIGTERM or SIGINT ends the
/// process at once, as does the first before anybody listens: what is on disk is made for that.
class Signals {
 public:
  /// To be called before the first other thread is made, which inherits it.
  static void BlockInThisThread();

  /// `bell` is rung for each signal and must outlive this.
  explicit Signals(Doorbell& bell);
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;
  ~Signals();

  /// Somebody looks at stop_asked() when the bell rings.
  void AskFromNowOn() { asking_.store(true, std::memory_order_release); }
  bool stop_asked() const { return stop_.load(std::memory_order_acquire); }
  /// True once for any number of SIGHUPs since the last call.
  bool TakeReload() { return reload_.exchange(false, std::memory_order_acq_rel); }

 private:
  void Take();

  Doorbell& bell_;
  std::atomic<bool> asking_{false};
  std::atomic<bool> stop_{false};
  std::atomic<bool> reload_{false};
  std::atomic<bool> ending_{false};
  std::thread thread_;
};

}  // namespace forebay::app
