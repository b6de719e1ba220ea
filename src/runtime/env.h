// Everything that product code gets from outside itself. The Linux platform makes one per core; the
// simulator makes one per simulated node. Nothing else in the product reaches for time, chance, the
// network, files or memory maps.
#pragma once

#include "src/runtime/clock.h"
#include "src/runtime/disk.h"
#include "src/runtime/executor.h"
#include "src/runtime/faults.h"
#include "src/runtime/http.h"
#include "src/runtime/log.h"
#include "src/runtime/memory.h"
#include "src/runtime/net.h"
#include "src/runtime/rng.h"

namespace forebay {

struct Env {
  Executor& executor;
  Clock& clock;
  Net& net;
  Disk& disk;
  Http& http;
  Memory& memory;
  Rng& rng;
  Faults& faults;
  Log& log;
};

inline Env WithHttp(const Env& env, Http& http) {
  return {.executor = env.executor,
          .clock = env.clock,
          .net = env.net,
          .disk = env.disk,
          .http = http,
          .memory = env.memory,
          .rng = env.rng,
          .faults = env.faults,
          .log = env.log};
}

}  // namespace forebay
