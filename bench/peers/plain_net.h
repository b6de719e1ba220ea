// Programs against sockets with nothing in between: what ours are measured against, and the client
// that measures both.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "src/base/result.h"

namespace forebay::bench {

using Announce = std::function<void(const std::string& address)>;

/// Echoes with edge-triggered epoll, one recv and one send a message. Never returns.
void ServeEchoWithEpoll(const Announce& announce);

struct EchoLoad {
  int connections = 64;
  int in_flight = 1;  // messages of 64 bytes on each connection
};

/// Messages a second that come back from the server at `address`.
Result<double> EchoRate(const std::string& address, const EchoLoad& load);

/// Takes one stream after the other with blocking recv of `message_bytes`; answers each with one
/// byte when `total_bytes` have come. Never returns.
void ServeStream(const Announce& announce, uint64_t message_bytes, uint64_t total_bytes);

/// Bytes a second with blocking send, until the answer.
Result<double> StreamRate(const std::string& address, uint64_t message_bytes, uint64_t total_bytes);

}  // namespace forebay::bench
