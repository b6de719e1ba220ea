// The kinds of entries that a world's digest is made of.
#pragma once

#include <cstdint>

namespace forebay::sim {

enum class Happening : uint8_t {
  kPost,
  kTimer,
  kLog,
  kRead,
  kWrite,
  kSync,
  kName,
  kConnect,
  kSend,
  kRecv,
  kHttp,
  kCrash,
  kRestart,
  kFault,
};

}  // namespace forebay::sim
