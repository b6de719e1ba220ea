// A range of one version as another node of the cell gives it: to a flight it looks like an
// origin's body.
#pragma once

#include "src/cell/peers.h"
#include "src/node/flights.h"

namespace forebay {

class PeerBody final : public OriginBody {
 public:
  /// What is left of the flight from `node`, which may fetch up to `until` at once, or gives only
  /// what it holds.
  PeerBody(Peers& peers, Flight& flight, uint32_t node, uint64_t until, bool held_only)
      : peers_(peers),
        flight_(flight),
        node_(node),
        at_(flight.reached),
        until_(until),
        held_only_(held_only) {}
  ~PeerBody() override { GoBack(); }

  const ObjectInfo& info() const override { return flight_.object.info; }
  uint64_t size() const override { return flight_.range.end - at_; }
  Task<Result<size_t>> Read(MutableBytes into, Call call) override;
  std::span<const uint32_t> crcs() const override { return crcs_; }

 private:
  Task<Result<wire::Connection::PeerGave>> Ask(uint32_t node, uint8_t flags, uint32_t asker,
                                               MutableBytes into, Call call);
  void GoElsewhere(uint32_t node);
  void GoBack();

  Peers& peers_;
  Flight& flight_;
  const uint32_t node_;
  uint32_t elsewhere_ = Peers::kNobody;  // where node_ has sent us
  uint64_t at_;
  std::vector<uint32_t> crcs_;
  const uint64_t until_;
  const bool held_only_;
};

}  // namespace forebay
