// The native door: serves the binary protocol (docs/PROTOCOL.md) of one node on Unix sockets and
// TCP. What is in memory is answered at once, in place, all requests of one receive with one send;
// what has to wait becomes a task of its own.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "src/node/node.h"
#include "src/runtime/env.h"
#include "src/runtime/task_group.h"
#include "src/wire/admin_messages.h"
#include "src/wire/handshake.h"
#include "src/wire/messages.h"

namespace forebay {

class WindowHost;

struct NativeDoorOptions {
  std::vector<std::string> addresses;  // "unix:/run/forebay/node.sock", "0.0.0.0:7400"
  Hash128 node_id;
  std::string node_name;
  wire::Versions versions;  // spoken with clients and with other nodes
  /// 32 bytes that nobody can guess, fresh for each start: nonces are made from them.
  std::string nonce_secret;
  uint32_t max_connections = 12'000;
  wire::Limits limits{.idle_timeout_ms = 0};
  Duration handshake_timeout = std::chrono::seconds(10);
  /// A client that takes nothing of an answer for so long is gone; large batches get more.
  Duration send_timeout = std::chrono::seconds(30);
  /// Answers not yet taken and reads in progress of one connection; past it, it is not read from.
  uint64_t max_queued_bytes = 16ull << 20;
  /// The same of all connections together; past it, reads are refused with kOverloaded.
  uint64_t max_pinned_bytes = 1ull << 30;
  /// Data of puts on their way to an origin, of all connections; past it kOverloaded.
  uint64_t max_upload_bytes = 256ull << 20;

  /// What Status answers with, asked on the node's loop; null: kUnsupported.
  std::function<std::string()> status_json;
  /// What Cell answers with, asked on the node's loop; null: this node stands alone.
  std::function<Task<Result<std::string>>(wire::CellAction)> cell;
  /// Null: no window is offered. Must outlive the door.
  WindowHost* window = nullptr;
  /// True for a TCP peer on this machine; null: by its address (127.0.0.0/8, ::1). Any thread.
  std::function<bool(std::string_view peer)> is_loopback;
};

/// Used from the node's loop. Connections by TCP are spread over that and the further loops, by
/// how many each has; those by Unix socket stay on the node's loop, because windows belong there.
class NativeDoor {
 public:
  /// All must outlive the door. The further loops, which may be none, run on threads of their own
  /// until Stop is done.
  NativeDoor(Env& env, Node& node, NativeDoorOptions options,
             const std::vector<Env*>& further = {});
  NativeDoor(const NativeDoor&) = delete;
  NativeDoor& operator=(const NativeDoor&) = delete;
  /// Stop must have been awaited if Start succeeded.
  ~NativeDoor();

  /// Listens and accepts. An error names the address; then nothing is left behind.
  Result<void> Start();
  /// As taken: with the ports.
  std::vector<std::string> addresses() const;

  /// Accepts nobody any more, refuses new requests with kUnavailable, lets those in progress end
  /// within `grace`, cancels the rest.
  Task<void> Stop(Duration grace);

  /// Any thread.
  size_t connections() const;
  /// Of each loop, the node's first. Any thread.
  std::vector<size_t> connections_by_loop() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace forebay
