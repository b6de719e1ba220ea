#include "src/node/peer_body.h"

#include <algorithm>

namespace forebay {

Task<Result<size_t>> PeerBody::Read(MutableBytes into, Call call) {
  into = into.first(std::min<uint64_t>(into.size(), end_ - at_));
  if (into.empty()) co_return size_t{0};
  FB_CO_ASSIGN(const uint32_t came,
               co_await peers_.Read(node_,
                                    {.attachment_id = object_.attachment->config.id,
                                     .object_size = object_.info.size,
                                     .modified_ns = object_.info.modified_ns,
                                     .offset = at_,
                                     .until = until_,
                                     .flags = held_only_ ? uint8_t{wire::kHeldOnly} : uint8_t{0},
                                     .key = object_.key,
                                     .etag = object_.info.etag},
                                    object_.version, kBlockBytes, into, call));
  if (came == 0) co_return Fail(Code::kUnavailable, "a peer gave nothing of " + object_.key);
  at_ += came;
  co_return came;
}

}  // namespace forebay
