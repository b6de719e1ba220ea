// A node's own directory: held by one process at a time, with the id that its disk tiers know.
#pragma once

#include <memory>
#include <string>

#include "src/base/hash.h"
#include "src/runtime/env.h"

namespace forebay::app {

struct DataDirectory {
  std::string path;
  Hash128 node_id;
  std::shared_ptr<File> lock;  // held until this goes
};

/// Makes it where it is not there. kInUse names the process that holds it.
Task<Result<DataDirectory>> OpenDataDirectory(Env& env, std::string path);

}  // namespace forebay::app
