// Runs a node: the one place that wires the parts to the Linux platform.
#pragma once

#include "src/app/config/node_config.h"

namespace forebay::app {

/// Until a signal stops it; the exit status of the program. Prints a line "ready: unix:... tcp:...
/// http:..." to standard output once every door is open.
int Serve(const NodeConfig& config);

}  // namespace forebay::app
