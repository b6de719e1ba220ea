#include "src/node/peer_body.h"

#include <algorithm>

namespace forebay {

Task<Result<wire::Connection::PeerGave>> PeerBody::Ask(uint32_t node, uint8_t flags, uint32_t asker,
                                                       MutableBytes into, Call call) {
  const ResolvedObject& object = flight_.object;
  auto gave = co_await peers_.Read(node,
                                   {.attachment_id = object.attachment->config.id,
                                    .object_size = object.info.size,
                                    .modified_ns = object.info.modified_ns,
                                    .offset = at_,
                                    .until = until_,
                                    .asker = asker,
                                    .flags = flags,
                                    .key = object.key,
                                    .etag = object.info.etag},
                                   object.version, kBlockBytes, into, call);
  if (gave) {
    at_ += gave->size;
    crcs_ = std::move(gave->crcs);
  }
  co_return gave;
}

/// Whoever was sent here in turn must not wait for us: it may be who we wait for.
void PeerBody::GoElsewhere(uint32_t node) {
  elsewhere_ = node;
  flight_.sent_elsewhere = true;
  flight_.followers.WakeAll();
}

void PeerBody::GoBack() {
  elsewhere_ = Peers::kNobody;
  flight_.sent_elsewhere = false;
}

Task<Result<size_t>> PeerBody::Read(MutableBytes into, Call call) {
  into = into.first(std::min<uint64_t>(into.size(), size()));
  if (into.empty()) co_return size_t{0};
  const uint32_t asker = held_only_ ? Peers::kNobody : peers_.self();
  for (bool for_this = false; !for_this;) {
    if (elsewhere_ == Peers::kNobody) {
      FB_CO_ASSIGN(
          const auto gave,
          co_await Ask(node_, held_only_ ? wire::kHeldOnly : wire::kEither, asker, into, call));
      if (gave.size > 0) co_return gave.size;
      if (gave.elsewhere == Peers::kNobody) {
        co_return Fail(Code::kUnavailable, "a peer gave nothing of " + flight_.object.key);
      }
      GoElsewhere(peers_.LessBusy(gave.elsewhere, gave.or_else));
      for_this = true;
    }
    // What comes next of the flight probably lies there, too; if not, somebody else may have it.
    const auto gave =
        co_await Ask(elsewhere_, wire::kHeldOnly | wire::kOrComing, Peers::kNobody, into, call);
    if (gave && gave->size > 0) co_return gave->size;
    GoBack();
    const bool final = !gave && (gave.error().code() == Code::kVersionChanged ||
                                 gave.error().code() == Code::kCancelled);
    if (final) co_return Fail(gave.error());
  }
  FB_CO_ASSIGN(const auto at_last, co_await Ask(node_, 0, Peers::kNobody, into, call));
  if (at_last.size > 0) co_return at_last.size;
  co_return Fail(Code::kUnavailable, "a peer gave nothing of " + flight_.object.key);
}

}  // namespace forebay
