// Turns at a store. A lane is what the store limits as one: an account, a bucket's prefix, a blob.
// Requests in a lane take turns under a limit that grows by one while all goes well, halves when
// the store asks to slow down, and closes for as long as it says.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "src/core/budget/retry_budget.h"
#include "src/runtime/env.h"

namespace forebay::http_origin {

struct LaneOptions {
  uint32_t most_at_once = 256;
  uint32_t at_start = 64;
};

/// Used from the node's loop. The decisions are pure state machines of src/core/pace.
class Lane;

/// All lanes of a node, by name ("azure://ACCOUNT"): attachments of one account share theirs.
/// Bounded: lanes nobody holds are forgotten.
class Lanes {
 public:
  std::shared_ptr<Lane> Of(std::string_view name, LaneOptions options = {});

 private:
  std::map<std::string, std::weak_ptr<Lane>, std::less<>> lanes_;
};

}  // namespace forebay::http_origin
