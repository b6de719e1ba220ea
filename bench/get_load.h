// Gets over many connections, as many in flight on each as one likes: what redis-benchmark is to
// redis. It sends the requests of a connection together, waits for all their answers and begins
// anew, and takes the time as that one does: from just before the requests are sent to the first
// bytes that come back, for all answers of the batch. Unlike it, it checks every byte that comes.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "src/base/result.h"

namespace forebay::bench {

struct GetLoad {
  int connections = 1;
  int depth = 1;  // requests in flight on a connection
  uint64_t requests = 0;
  uint32_t value_bytes = 0;
  uint32_t objects = 0;
  std::function<std::string(uint64_t)> path_of;  // of object n
};

struct GetLoadResult {
  double gets_per_second = 0;
  double mean_us = 0;
  double p99_us = 0;
};

/// From the calling thread, by plain sockets and epoll. `address` is the node's TCP address.
Result<GetLoadResult> RunGetLoad(const std::string& address, GetLoad load);

}  // namespace forebay::bench
