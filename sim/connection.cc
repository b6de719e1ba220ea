#include "sim/connection.h"

#include <algorithm>
#include <utility>

#include "sim/node.h"
#include "sim/sim_network.h"
#include "sim/sparse_bytes.h"
#include "sim/world.h"

namespace forebay::sim {
namespace {

constexpr Duration kMaxRetry = seconds(4);
/// Below this a payload keeps its bytes: looking would cost more than it saves.
constexpr size_t kWorthLooking = 4096;

}  // namespace

Payload::Payload(std::vector<std::byte> bytes) : size_(bytes.size()) {
  if (size_ < kWorthLooking || !RepeatsOneWord(bytes, &word_)) bytes_ = std::move(bytes);
}

void Payload::CopyTo(uint64_t from, MutableBytes into) const {
  if (bytes_.empty()) return FillWithWord(word_, from, into);
  std::memcpy(into.data(), bytes_.data() + from, into.size());
}

Connection::Connection(Network& network, Node& from, Node& to, bool local)
    : network_(network), id_(network.NextConnectionId()) {
  sides_[0].node = &from;
  sides_[1].node = &to;
  if (!local) return;
  for (Side& side : sides_) side.identity = side.node->local_identity();
}

Connection::~Connection() {
  network_.Forget(id_, *sides_[0].node, *sides_[1].node);
}

bool Connection::HasRoom(int side) const {
  return sides_[side].queued_bytes < network_.options().buffer_bytes;
}

void Connection::Enqueue(int side, std::vector<std::byte> bytes) {
  Side& sender = sides_[side];
  sender.queued_bytes += bytes.size();
  sender.queue.push_back({.payload = Payload(std::move(bytes))});
  Transmit(side);
}

void Connection::Shut(int side) {
  Side& sender = sides_[side];
  if (sender.shut || sender.dead) return;
  sender.shut = true;
  WakeUp(side);
  if (sender.broken) return;
  sender.queue.push_back({.end = true});
  Transmit(side);
}

void Connection::Transmit(int side) {
  Side &from = sides_[side], &to = sides_[1 - side];
  if (from.retrying || from.broken || from.dead) return;
  Network::Counts& counts = network_.counts();
  for (; from.under_way < from.queue.size(); ++from.under_way) {
    const bool machine_down = to.dead && to.node->crashed();
    ++counts.partition.possible;
    if (machine_down || network_.Blocked(*from.node, *to.node)) {
      if (!machine_down) ++counts.partition.fired;
      return RetryLater(side);
    }
    from.retry_after = Duration(0);
    Segment& segment = from.queue[from.under_way];
    if (!segment.end && (to.dead || to.shut)) {
      return BreakAfter(side, 2 * network_.Latency(*from.node, *to.node));
    }
    const NetFaults& rates = network_.options().faults;
    if (!segment.end && counts.reset.Chance(network_.prng(), rates.reset)) return Reset();
    const Instant at = network_.Arrival(*from.node, *to.node, segment.payload.size());
    segment.at = from.last_arrival = std::max(from.last_arrival, at);
  }
  if (to.reader != nullptr) to.reader->Wake();  // to wait for the time of arrival
}

void Connection::RetryLater(int side) {
  Side& from = sides_[side];
  const Instant now = network_.world().Now();
  if (from.retry_after == Duration(0)) {
    from.blocked_since = now;
    from.retry_after = network_.options().retransmit;
  } else if (now - from.blocked_since >= network_.options().give_up) {
    return Break(side);
  } else {
    from.retry_after = std::min(kMaxRetry, 2 * from.retry_after);
  }
  from.retrying = true;
  network_.world().At(now + from.retry_after, [weak = weak_from_this(), side] {
    const auto self = weak.lock();
    if (self == nullptr) return;
    self->sides_[side].retrying = false;
    self->Transmit(side);
  });
}

void Connection::BreakAfter(int side, Duration time) {
  World& world = network_.world();
  world.At(world.Now() + time, [weak = weak_from_this(), side] {
    if (const auto self = weak.lock()) self->Break(side);
  });
}

Connection::Next Connection::Peek(int side) const {
  const Side& sender = sides_[1 - side];
  if (sender.queue.empty()) return {};
  const Segment& first = sender.queue.front();
  return {.at = first.at, .end = first.end, .bytes = first.payload.size() - first.taken};
}

void Connection::Take(int side, MutableBytes into) {
  Side& sender = sides_[1 - side];
  Segment& first = sender.queue.front();
  first.payload.CopyTo(first.taken, into);
  first.taken += into.size();
  sender.queued_bytes -= into.size();
  if (first.taken == first.payload.size()) {
    sender.queue.pop_front();
    --sender.under_way;
  }
  if (sender.writer != nullptr && HasRoom(1 - side)) sender.writer->Wake();
}

void Connection::WakeUp(int side) {
  if (sides_[side].reader != nullptr) sides_[side].reader->Wake();
  if (sides_[side].writer != nullptr) sides_[side].writer->Wake();
}

void Connection::Break(int side) {
  sides_[side].broken = true;
  WakeUp(side);
}

void Connection::Reset() {
  Break(0);
  Break(1);
}

void Connection::EndDied(const Node& node, bool silent) {
  for (int side : {0, 1}) {
    Side& dead = sides_[side];
    if (dead.node != &node) continue;
    dead.dead = true;
    // What had not left the machine never will.
    dead.queue.resize(std::min(dead.queue.size(), dead.under_way));
    const Node& other = *sides_[1 - side].node;
    if (!silent && !network_.Blocked(node, other)) {
      BreakAfter(1 - side, network_.Latency(node, other));
    }
  }
}

}  // namespace forebay::sim
