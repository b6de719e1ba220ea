// Programs against sockets with nothing in between: what ours are measured against, and the client
// that measures both.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "src/base/result.h"

namespace forebay::bench {

using Announce = std::function<void(const std::string& address)>;

/// A connection without Nagle's delay; -1 where there is none.
int ConnectTo(const std::string& address);
/// False where the peer is gone.
bool SendAll(int fd, const char* data, size_t size);

/// Echoes with edge-triggered epoll, one recv and one send a message. Never returns.
void ServeEchoWithEpoll(const Announce& announce);

struct EchoLoad {
  int connections = 64;
  int in_flight = 1;  // messages of 64 bytes on each connection
};

/// Messages a second that come back from the server at `address`.
Result<double> EchoRate(const std::string& address, const EchoLoad& load);

/// What a server of redis's protocol cannot fall below: answers each GET of redis-benchmark with
/// the same ready value by epoll, one recv and one send for all that came together. It looks
/// nothing up and reads no request, whose number it tells by their size. Never returns.
void ServeReadyValues(const Announce& announce, uint64_t value_bytes);

/// Takes one stream after the other with blocking recv of `message_bytes`; answers each with one
/// byte when `total_bytes` have come. Never returns.
void ServeStream(const Announce& announce, uint64_t message_bytes, uint64_t total_bytes);

/// Bytes a second with blocking send, until the answer.
Result<double> StreamRate(const std::string& address, uint64_t message_bytes, uint64_t total_bytes);

}  // namespace forebay::bench
