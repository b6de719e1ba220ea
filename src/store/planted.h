// Bugs planted on purpose, to prove that the tests would catch them. They exist only in the tests'
// own build of this folder (FOREBAY_PLANT_BUGS); in the product every question below is the
// constant false.
#pragma once

#include "src/base/block_key.h"

namespace forebay {

enum class PlantedBug {
  kNone,
  kSkipSync,             // acknowledge dirty data before it is durable
  kReusePinnedSlot,      // evict a frame that somebody still reads
  kForgetKeyInChecksum,  // let one block's page pass for another's
  kAcceptTornHeader,     // believe a record without looking at its checksum
  kEvictDirty,           // drop what the origin does not have yet
};

#ifdef FOREBAY_PLANT_BUGS
inline PlantedBug planted_bug = PlantedBug::kNone;
inline bool Planted(PlantedBug bug) {
  return planted_bug == bug;
}
#else
constexpr bool Planted(PlantedBug) {
  return false;
}
#endif

/// What a block's checksums are bound to: its key.
inline BlockKey ChecksumKey(const BlockKey& key) {
  return Planted(PlantedBug::kForgetKeyInChecksum) ? BlockKey{} : key;
}

}  // namespace forebay
