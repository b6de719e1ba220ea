// A get follows a chain of places in memory that are rarely in the processor's caches: the slot of
// its name, what is known of it, the block's bucket, entry and frame, the checksums. Walked step by
// step for all gets, most of the waiting is for many at once.
#include "src/node/foresee.h"

#include "src/node/node_impl.h"

namespace forebay {
namespace {

struct Sought {
  Hash128 name;
  uint64_t offset;
  BlockKey block;
  uint32_t in_block;
};

}  // namespace

void Node::Foresee(std::span<const ComingGet> gets) {
  FB_ASSERT(gets.size() <= kMaxComingGets);
  NameCache& names = impl_->context.names;
  Store& store = *impl_->context.store;
  std::array<Sought, kMaxComingGets> places;
  size_t count = 0;
  std::shared_ptr<const Attachment> attachment;
  for (const ComingGet& get : gets) {
    const auto split = SplitPath(get.path);
    if (!split) continue;
    if (attachment == nullptr || attachment->config.name != split->first) {
      attachment = impl_->attachments.Find(split->first);
      if (attachment == nullptr) continue;
    }
    Sought& sought = places[count++];
    sought.name = NameCache::HashOf(attachment->config.id, split->second);
    sought.offset = get.offset;
    names.FetchSlot(sought.name);
  }
  const std::span<Sought> named = std::span(places).first(count);
  for (const Sought& one : named) names.FetchEntry(one.name);
  count = 0;
  for (const Sought& one : named) {
    const auto version = names.Guess(one.name);
    const uint64_t number = one.offset / kBlockBytes;
    if (!version || number > UINT32_MAX) continue;
    Sought& found = places[count++];  // at `one` or before it
    found.in_block = static_cast<uint32_t>(one.offset % kBlockBytes);
    found.block = BlockKey::Of(*version, static_cast<uint32_t>(number));
    store.FetchBucket(found.block);
  }
  const std::span<const Sought> found = named.first(count);
  std::array<bool, kMaxComingGets> has_frame;
  for (size_t i = 0; i < count; ++i) has_frame[i] = store.FetchEntry(found[i].block);
  for (size_t i = 0; i < count; ++i) {
    if (!has_frame[i]) store.FetchFrame(found[i].block);
  }
  for (const Sought& one : found) store.FetchChecksum(one.block, one.in_block);
}

}  // namespace forebay
