// A range of one version as another node of the cell gives it: to a flight it looks like an
// origin's body.
#pragma once

#include "src/cell/peers.h"
#include "src/node/node.h"

namespace forebay {

class PeerBody final : public OriginBody {
 public:
  /// [begin, end) of the object from `node`, which may fetch up to `until` at once, or gives only
  /// what it holds.
  PeerBody(Peers& peers, uint32_t node, const ResolvedObject& object, uint64_t begin, uint64_t end,
           uint64_t until, bool held_only)
      : peers_(peers),
        node_(node),
        object_(object),
        at_(begin),
        end_(end),
        until_(until),
        held_only_(held_only) {}

  const ObjectInfo& info() const override { return object_.info; }
  uint64_t size() const override { return end_ - at_; }
  Task<Result<size_t>> Read(MutableBytes into, Call call) override;

 private:
  Peers& peers_;
  const uint32_t node_;
  const ResolvedObject& object_;
  uint64_t at_;
  const uint64_t end_;
  const uint64_t until_;
  const bool held_only_;
};

}  // namespace forebay
