// What a node gives to every driver of a store that speaks HTTP.
#pragma once

#include <memory>

#include "src/origin/http/lanes.h"
#include "src/origin/surroundings.h"

namespace forebay::http_origin {

struct DriverParts {
  Surroundings surroundings;
  std::shared_ptr<Lanes> lanes = std::make_shared<Lanes>();
};

}  // namespace forebay::http_origin
