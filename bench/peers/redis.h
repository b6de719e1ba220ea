// A redis-server of the rows' own, and redis-benchmark against it.
#pragma once

#include <memory>
#include <string>

#include "src/base/result.h"

namespace forebay::bench {

struct RedisLoad {
  int connections = 64;
  int pipeline = 1;  // requests in flight on each
  uint32_t value_bytes = 4096;
  uint64_t requests = 400'000;
};

struct RedisResult {
  double gets_per_second = 0;
  double mean_us = 0;
  double p99_us = 0;
  double server_us = 0;  // of its processor, a get
};

/// GETs of redis-benchmark, from kClientCore, at whatever answers them on that port of this
/// machine.
Result<RedisResult> RedisGets(int port, int server_pid, const RedisLoad& load);

/// Keeps values in memory only, on kServerCore, until it goes.
class Redis {
 public:
  /// kNotFound where it is not installed.
  static Result<std::unique_ptr<Redis>> Start(const std::string& directory);
  ~Redis();
  Redis(const Redis&) = delete;
  Redis& operator=(const Redis&) = delete;

  /// GETs of random keys that exist, from kClientCore.
  Result<RedisResult> Gets(const RedisLoad& load);

 private:
  Redis(int pid, int port) : pid_(pid), port_(port) {}
  int pid_;
  int port_;
};

}  // namespace forebay::bench
