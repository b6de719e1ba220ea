#pragma once
#include "sim/node.h"
namespace forebay::sim {
class Network {
 public:
  explicit Network(World&) {}
  void NodeCrashed(Node&, CrashKind) {}
};
}  // namespace forebay::sim
