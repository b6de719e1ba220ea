// The other side of a measured conversation: a process of its own on a core of its own.
#pragma once

#include <functional>
#include <string>

#include "src/base/result.h"

namespace forebay::bench {

inline constexpr int kServerCore = 0;
inline constexpr int kClientCore = 1;

/// Pins the calling thread. Fine where the machine has no such core.
void PinTo(int core);
/// The calling thread, and what it starts from now on, may use every core again.
void Unpin();

/// Runs `serve` in a forked process on kServerCore until this object goes. `serve` calls its
/// argument with the address that clients shall use, once it is ready for them.
class Child {
 public:
  using Announce = std::function<void(const std::string& address)>;

  static Result<Child> Start(const std::function<void(const Announce&)>& serve);
  Child(Child&& other) noexcept : pid_(std::exchange(other.pid_, -1)), address_(other.address_) {}
  Child& operator=(Child&&) = delete;
  ~Child();

  const std::string& address() const { return address_; }
  int pid() const { return pid_; }

 private:
  Child(int pid, std::string address) : pid_(pid), address_(std::move(address)) {}

  int pid_;
  std::string address_;
};

}  // namespace forebay::bench
