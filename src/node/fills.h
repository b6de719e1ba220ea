// The store lets one fill a block at a time; several flights may bring parts of one block. So they
// share its fill here.
#pragma once

#include <map>
#include <memory>

#include "src/node/context.h"

namespace forebay {

/// Blocks are numbered with 32 bits; a larger object is refused by its name.
inline constexpr uint64_t kMaxObjectBytes = (uint64_t{1} << 32) * kBlockBytes;

/// Where block `number` of an object of `size` bytes begins and ends.
inline uint64_t BlockBegin(uint64_t number) {
  return number * kBlockBytes;
}
inline uint64_t BlockEnd(uint64_t number, uint64_t size) {
  return std::min((number + 1) * kBlockBytes, size);
}
inline BlockKey KeyOf(const ResolvedObject& object, uint64_t number) {
  return BlockKey::Of(object.version, static_cast<uint32_t>(number));
}

/// Used from the node's loop.
class Fills {
 public:
  explicit Fills(NodeContext& context) : context_(context) {}

  /// Waits for room in memory, for a while; then kOverloaded.
  Task<Result<std::shared_ptr<Fill>>> Begin(const ResolvedObject& object, uint64_t number,
                                            Call call);

 private:
  struct Slot {
    std::weak_ptr<Fill> fill;
    std::shared_ptr<Waiters> beginning;  // for as long as there is no fill
  };
  /// Another node owns the block.
  bool IsCopy(const ResolvedObject& object, uint64_t number) const;
  Task<Result<Fill>> BeginInStore(const ResolvedObject& object, uint64_t number, Call call);

  void DropIfUnused(const BlockKey& key);

  NodeContext& context_;
  std::map<BlockKey, Slot> slots_;
};

}  // namespace forebay
