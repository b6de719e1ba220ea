// Which driver speaks with which origin.
#pragma once

#include <memory>
#include <string>

#include "src/origin/http/driver_parts.h"
#include "src/origin/origin.h"

namespace forebay::app {

/// Of what people type: a folder is as good as file:// for it. Who looks there may be elsewhere.
std::string UrlOfOrigin(const std::string& said);

/// kInvalidArgument lists what there is.
Result<std::unique_ptr<Origin>> OpenOrigin(const std::string& url,
                                           const http_origin::DriverParts& parts);

/// Of this process: its environment and its home.
Surroundings SurroundingsOfProcess();

}  // namespace forebay::app
