// Processes that the tests start in order to kill them: this program once more, in another role.
#pragma once

#include <sys/types.h>
#include <string>
#include <utility>
#include <vector>

namespace forebay::store_testing {

/// What one role does with its arguments and its end of the channel; the result is the exit status.
using RoleMain = int (*)(const std::vector<std::string>& arguments, int channel);

/// For main(): the exit status of the role that this process was started for, or -1 if it is none.
int RunRole(int argc, char** argv);

/// A running process in a role, joined to this one by a channel of packets. Killed and reaped with
/// this object; it dies, too, if this process does.
class Child {
 public:
  Child(const std::string& role, const std::vector<std::string>& arguments);
  Child(Child&& other) noexcept
      : pid_(std::exchange(other.pid_, -1)), channel_(std::exchange(other.channel_, -1)) {}
  Child& operator=(Child&&) = delete;
  ~Child();

  int channel() const { return channel_; }
  /// SIGKILL. Returns when the process is gone; what it had sent can still be received.
  void Kill();
  /// Waits until it ends by itself: its exit status, or -1 where a signal ended it.
  int Wait();

 private:
  pid_t pid_ = -1;
  int channel_ = -1;
};

/// The roles.
int OpenerMain(const std::vector<std::string>& arguments);
int WriterMain(const std::vector<std::string>& arguments, int channel);
int HeldBackDiskMain(const std::vector<std::string>& arguments, int channel);

}  // namespace forebay::store_testing
