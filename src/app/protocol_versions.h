// What this program speaks. `forebay_next` is the same program, of a version to come: for tests of
// cells whose nodes are upgraded one after the other.
#pragma once

#include "src/wire/handshake.h"

namespace forebay::app {

#ifdef FOREBAY_NEXT_VERSION
inline constexpr wire::Versions kSpoken{.min = wire::kMaxVersion, .max = wire::kMaxVersion + 1};
#else
inline constexpr wire::Versions kSpoken;
#endif

}  // namespace forebay::app
