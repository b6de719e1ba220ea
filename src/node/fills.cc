#include "src/node/fills.h"

namespace forebay {
namespace {

/// Memory that is full of what cannot go now is looked at again this often, for so long.
constexpr Duration kRoomPoll = std::chrono::milliseconds(5);
constexpr Duration kRoomPatience = std::chrono::seconds(2);

}  // namespace

bool Fills::IsCopy(const ResolvedObject& object, uint64_t number) const {
  if (context_.peers == nullptr) return false;
  const AttachmentConfig& config = object.attachment->config;
  const uint64_t chunk = BlockBegin(number) / config.chunk_bytes;
  return context_.peers->OwnerOf(ChunkKey(NameHash(config.id, object.key), chunk)) !=
         Peers::kNobody;
}

Task<Result<Fill>> Fills::BeginInStore(const ResolvedObject& object, uint64_t number, Call call) {
  Env& env = context_.env;
  const Instant until = env.clock.Now() + kRoomPatience;
  const uint64_t length = BlockEnd(number, object.info.size) - BlockBegin(number);
  const BlockInfo info{.attachment = object.attachment->config.id,
                       .length = static_cast<uint32_t>(length),
                       .copy = IsCopy(object, number)};
  for (;;) {
    auto fill = co_await context_.store->BeginFill(env, KeyOf(object, number), info);
    if (fill) co_return std::move(*fill);
    const Code code = fill.error().code();
    const bool wait = code == Code::kOverloaded || code == Code::kInUse || code == Code::kNoSpace;
    if (!wait || env.clock.Now() >= until) {
      co_return Fail(fill.error().Within(PathOf(*object.attachment, object.key)));
    }
    FB_CO_TRY(co_await env.clock.Sleep(kRoomPoll, call.cancel));
  }
}

Task<Result<std::shared_ptr<Fill>>> Fills::Begin(const ResolvedObject& object, uint64_t number,
                                                 Call call) {
  const BlockKey key = KeyOf(object, number);
  for (;;) {
    const auto known = slots_.find(key);
    if (known == slots_.end()) break;
    const auto beginning = known->second.beginning;
    if (beginning == nullptr) {
      auto fill = known->second.fill.lock();
      if (fill != nullptr && !fill->Forgotten()) co_return fill;
      break;
    }
    FB_CO_TRY(co_await beginning->Wait(context_.env, 0, call));
  }
  const auto waiters = slots_[key].beginning = std::make_shared<Waiters>();
  auto begun = co_await BeginInStore(object, number, call);
  if (!begun) {
    slots_[key].beginning = nullptr;
    DropIfUnused(key);
    waiters->WakeAll();
    co_return Fail(begun.error());
  }
  std::shared_ptr<Fill> fill(new Fill(std::move(*begun)), [this, key](Fill* last) {
    delete last;
    DropIfUnused(key);
  });
  slots_[key] = {.fill = fill, .beginning = nullptr};
  waiters->WakeAll();
  co_return fill;
}

/// A fill that was forgotten may end after the one that took its place.
void Fills::DropIfUnused(const BlockKey& key) {
  const auto known = slots_.find(key);
  if (known == slots_.end() || known->second.beginning != nullptr) return;
  if (known->second.fill.expired()) slots_.erase(known);
}

}  // namespace forebay
