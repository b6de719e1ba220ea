#include "src/core/policy/factory.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "src/core/policy/adaptive.h"
#include "src/core/policy/arc.h"
#include "src/core/policy/one_list.h"
#include "src/core/policy/s3fifo.h"

namespace forebay {

const std::vector<std::string_view>& PolicyNames() {
  static const std::vector<std::string_view> names = {"adaptive", "pin",    "lru", "fifo",
                                                      "sieve",    "s3fifo", "arc"};
  return names;
}

Result<std::unique_ptr<Policy>> MakePolicy(std::string_view name, const PolicyOptions& options) {
  const uint32_t slots = options.max_slots;
  if (slots == 0 || options.capacity == 0) {
    return Fail(Code::kInvalidArgument, fmt::format("policy '{}': a cache of size 0", name));
  }
  if (name == "adaptive") {
    return std::make_unique<AdaptivePolicy>(slots, options.capacity, options.max_model_entries);
  }
  if (name == "s3fifo") return std::make_unique<S3FifoPolicy>(slots);
  if (name == "arc") return std::make_unique<ArcPolicy>(slots);
  for (const Discipline discipline :
       {Discipline::kFifo, Discipline::kLru, Discipline::kSieve, Discipline::kPin}) {
    if (name == DisciplineName(discipline)) {
      return std::make_unique<OneListPolicy>(discipline, Reaping::kNo, slots);
    }
  }
  return Fail(Code::kInvalidArgument,
              fmt::format("no policy '{}'; there are: {}", name, fmt::join(PolicyNames(), ", ")));
}

}  // namespace forebay
