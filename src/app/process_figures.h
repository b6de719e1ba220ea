// What the kernel says of this process.
#pragma once

#include "src/front/observe/figures.h"

namespace forebay::app {

/// `uptime_ms` is left to the caller.
observe::ProcessFigures ThisProcess();

}  // namespace forebay::app
