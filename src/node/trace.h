// Where the time of one request went.
#pragma once

#include "src/runtime/clock.h"

namespace forebay {

/// Lives with the door's request, whose name travels in its Call.
struct Trace {
  Duration queue{};  // waiting for a budget or for somebody else's flight
  Duration origin{};
  Duration disk{};
  Duration peer{};
};

}  // namespace forebay
