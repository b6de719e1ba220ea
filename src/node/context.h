// What the parts of one node share. All of it belongs to the node's loop, but for what says "any
// thread" itself.
#pragma once

#include <fmt/format.h>

#include <algorithm>

#include "src/base/units.h"
#include "src/cell/peers.h"
#include "src/core/budget/retry_budget.h"
#include "src/core/names/name_cache.h"
#include "src/node/node.h"
#include "src/runtime/task_group.h"
#include "src/runtime/waiters.h"

namespace forebay {

struct NodeContext {
  NodeContext(Env& its_env, NodeOptions its_options, Gate& its_gate, Peers* its_peers)
      : env(its_env),
        options(std::move(its_options)),
        gate(its_gate),
        peers(its_peers),
        names(options.metadata_bytes / 4 * 3),  // the rest is for listings
        fill_bytes(FillBudget(options)),
        peer_bytes(FillBudget(options)),
        origin_requests(std::max(1u, options.max_origin_requests)),
        tasks(env.executor) {}

  /// What is in flight lies in memory that cannot be evicted: leave most of it to the readers. Of
  /// each of the two budgets.
  static uint64_t FillBudget(const NodeOptions& options) {
    const uint64_t quarter = options.store.dram.capacity_bytes / 4;
    return std::max<uint64_t>(std::min(options.fill_budget_bytes, quarter), kBlockBytes);
  }
  /// The largest range of one origin request: two of them fit into the budget.
  uint64_t MaxRange() const {
    const uint64_t half = fill_bytes.all() / 2 / kBlockBytes * kBlockBytes;
    return std::clamp<uint64_t>(half, kBlockBytes,
                                std::max<uint64_t>(options.max_origin_range_bytes, kBlockBytes));
  }

  /// Asked before anything is begun that waits: refused early, and not tried again here.
  Result<void> CheckRoomToWait() const {
    if (waiting < options.max_waiting) return {};
    return Fail(Code::kOverloaded,
                fmt::format("{} requests wait for origins already; try again later", waiting));
  }

  Env& env;
  const NodeOptions options;
  Gate& gate;
  Peers* const peers;  // null: this node stands alone
  std::unique_ptr<Store> store;
  Counters counters;
  NameCache names;
  // What comes from peers never waits for the budget of what comes from origins, nor the other way
  // round: two nodes that fetch for each other would wait for each other.
  Budget fill_bytes;
  Budget peer_bytes;
  Budget origin_requests;
  RetryBudget retries;
  uint32_t waiting = 0;  // requests that wait for an origin

  TaskGroup tasks;    // flights, lookups, the registry's follower
  CancelSource stop;  // ends them all
  std::atomic<bool> closing{false};
};

/// In a cell: how long a node may believe what it was told of a name, at most. A write that cannot
/// tell everybody waits for so long.
inline constexpr Duration kNameLease = std::chrono::seconds(10);

/// What an object is placed by, whatever its version.
inline Hash128 NameHash(AttachmentId attachment, std::string_view key) {
  return HashBytes(AsBytes(key), attachment);
}

/// What a folder's listings are placed by: those of a prefix belong to what ends with its last
/// slash.
inline uint64_t FolderKey(AttachmentId attachment, std::string_view prefix) {
  return ChunkKey(NameHash(attachment, prefix.substr(0, prefix.rfind('/') + 1)), 0);
}

/// For messages: "/imagenet/train/0.tar".
inline std::string PathOf(const Attachment& attachment, std::string_view key) {
  return fmt::format("/{}/{}", attachment.config.name, key);
}

/// May be tried again, in a while, by whoever still has time.
inline bool WorthARetry(const Error& error) {
  return error.retryable() || error.code() == Code::kIoError;
}
/// One layer tries again, never two: that multiplies.
inline bool RetriesItself(const Attachment& attachment) {
  return attachment.origin->capabilities().retries;
}
/// Such origins count for themselves, too: one call of ours may be several requests, or none.
inline void CountRequest(NodeContext& context, const Attachment& attachment) {
  context.retries.OnRequest();
  if (!RetriesItself(attachment)) context.counters.origin.requests.Add();
}

inline constexpr int kMaxAttempts = 4;  // of one request at an origin, the first included
/// Before attempt 1, 2, ...: doubled each time, and half of it by chance.
Task<Result<void>> BackOff(Env& env, int attempt, Call call);

/// A call to an origin that must not take for ever, whatever the caller allows.
inline Call WithPatience(NodeContext& context, Call call, int times = 1) {
  const Instant until = context.env.clock.Now() + context.options.origin_timeout * times;
  return {std::min(call.deadline, until), call.cancel, call.trace};
}
/// To make large things durable takes longer.
inline constexpr int kCommitPatience = 10;
/// The deadline of a request that waited for an origin since `began`, in words for whoever made it.
Error AsLate(Error error, const Attachment& attachment, Instant began, const NodeContext& context);
/// A deadline of WithPatience that passed, in words for whoever waits.
Error AsSilence(Error error, const Attachment& attachment, const NodeContext& context);

}  // namespace forebay
