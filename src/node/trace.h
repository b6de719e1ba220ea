// One request on its way from a door to the origin: who it is, and where its time went.
#pragma once

#include <cstdint>
#include <string>

#include "src/base/hash.h"
#include "src/runtime/clock.h"

namespace forebay {

/// Lives with the door's request. Chosen by the client or drawn by the door; goes to the origin as
/// a header and into the log in hex.
struct Trace {
  Hash128 id;
  Instant started;
  Duration queue{};  // waiting for a budget or for somebody else's flight
  Duration origin{};
  Duration disk{};
  Duration peer{};

  std::string IdText() const;
};

}  // namespace forebay
