// Which driver speaks with which origin.
#pragma once

#include <memory>
#include <string>

#include "src/origin/http/driver_parts.h"
#include "src/origin/origin.h"

namespace forebay::app {

/// kInvalidArgument lists what there is.
Result<std::unique_ptr<Origin>> OpenOrigin(const std::string& url,
                                           const http_origin::DriverParts& parts);

/// Of this process: its environment and its home.
Surroundings SurroundingsOfProcess();

}  // namespace forebay::app
