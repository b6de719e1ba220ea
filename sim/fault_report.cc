#include "sim/fault_report.h"

namespace forebay::sim {

FaultCount& FaultReport::Of(std::string_view kind) {
  const auto found = counts_.find(kind);
  if (found != counts_.end()) return found->second;
  return counts_.emplace(std::string(kind), FaultCount{}).first->second;
}

FaultCount FaultReport::Get(std::string_view kind) const {
  const auto found = counts_.find(kind);
  return found == counts_.end() ? FaultCount{} : found->second;
}

}  // namespace forebay::sim
