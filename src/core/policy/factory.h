// Policies by name.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "src/base/result.h"
#include "src/core/policy/policy.h"

namespace forebay {

struct PolicyOptions {
  uint32_t max_slots = 0;  // slots are below this
  uint64_t capacity = 0;   // in the unit of the weights
  /// How many entries each of the adaptive policy's models may have.
  uint32_t max_model_entries = 8192;
};

/// "adaptive", which follows the reads, first; then those it can be nailed to.
const std::vector<std::string_view>& PolicyNames();

/// Fails with a message that lists the names.
Result<std::unique_ptr<Policy>> MakePolicy(std::string_view name, const PolicyOptions& options);

}  // namespace forebay
