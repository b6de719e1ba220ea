#include "src/cell/peers.h"

#include <fmt/format.h>

#include <algorithm>

namespace forebay {
namespace {

/// How often connections are looked at. A peer that stops is noticed after twice the silence and
/// this.
constexpr Duration kWatchEvery = std::chrono::milliseconds(50);
/// Of a key's order, those that are asked before the origin.
constexpr size_t kMostAsked = 4;

}  // namespace

Peers::Peers(Env& env, PeersOptions options)
    : env_(env), options_(std::move(options)), group_(env.executor) {
  group_.Spawn(RunWatching());
}

Peers::~Peers() {
  FB_ASSERT(group_.running() == 0);
}

Task<void> Peers::Close() {
  stop_.Cancel();
  for (auto& [name, peer] : peers_) Drop(peer, Error(Code::kCancelled, "the node is stopping"));
  co_await group_.Join();
}

void Peers::Follow(std::shared_ptr<const CellView> view) {
  const bool owners_moved = view_ != nullptr && (view_->map.epoch.live != view->map.epoch.live ||
                                                 view_->map.nodes != view->map.nodes);
  // A node that has just started knows nothing of what its former life told others.
  if (owners_moved || view_ == nullptr) moved_at_ = env_.clock.Now();
  if (owners_moved) former_.push_front({view_, env_.clock.Now() + options_.remember});
  if (former_.size() > kFormerViews) former_.pop_back();
  view_ = std::move(view);
  for (auto& [name, peer] : peers_) {
    const auto node = view_->map.nodes.find(name);
    const bool lives = node != view_->map.nodes.end() && view_->map.Lives(node->second.index);
    const bool moved = lives && node->second.member.address != peer.address;
    if (!lives || moved) Drop(peer, Error(Code::kUnavailable, name + " has left the cell's map"));
    if (lives) peer.resting_until = {};  // it may have come back
  }
}

uint32_t Peers::OwnerOf(uint64_t key) const {
  if (view_ == nullptr) return kNobody;
  const uint32_t owner = view_->placement.Owner(key);
  return owner == view_->self ? kNobody : owner;
}

bool Peers::ReplacedLately(const Former& former, Duration lately, Instant now) const {
  return former.until + lately > now + options_.remember;
}

bool Peers::Owns(uint64_t key) const {
  if (view_ == nullptr || view_->placement.Owner(key) != view_->self) return false;
  const Instant now = env_.clock.Now();
  return std::ranges::none_of(former_, [&](const Former& former) {
    return ReplacedLately(former, options_.settle, now) &&
           former.view->placement.Owner(key) != view_->self;
  });
}

std::vector<uint32_t> Peers::Others(Duration lately) const {
  std::vector<uint32_t> others;
  const Instant now = env_.clock.Now();
  const auto lived = [&](uint32_t index) {
    return view_->map.Lives(index) || std::ranges::any_of(former_, [&](const Former& former) {
             return ReplacedLately(former, lately, now) && former.view->map.Lives(index);
           });
  };
  for (uint32_t i = 0; view_ != nullptr && i < view_->by_index.size(); ++i) {
    if (i != view_->self && lived(i)) others.push_back(i);
  }
  return others;
}

uint32_t Peers::IndexOf(std::string_view name) const {
  if (view_ == nullptr) return kNobody;
  const auto node = view_->map.nodes.find(name);
  return node == view_->map.nodes.end() ? kNobody : node->second.index;
}

uint32_t Peers::FormerOwnerOf(uint64_t key) const {
  if (former_.empty() || view_->placement.Owner(key) != view_->self) return kNobody;
  const Instant now = env_.clock.Now();
  for (const Former& former : former_) {
    if (former.until <= now) break;
    const uint32_t owner = former.view->placement.Owner(key);
    if (owner == kNobody || owner == view_->self) continue;
    // An index is one node's for good, so the new map's name of it is right.
    return view_->map.Lives(owner) && !Resting(owner) ? owner : kNobody;
  }
  return kNobody;
}

bool Peers::OwnedLately(uint64_t key) const {
  if (view_ == nullptr || view_->placement.Owner(key) == view_->self) return false;
  const Instant now = env_.clock.Now();
  return std::ranges::any_of(former_, [&](const Former& former) {
    return former.until > now && former.view->placement.Owner(key) == view_->self;
  });
}

size_t Peers::Before(uint64_t key, std::span<uint32_t> into) const {
  if (view_ == nullptr) return 0;
  std::array<uint32_t, kMostAsked> order{};
  const size_t found = view_->placement.InOrder(key, order);
  size_t count = 0;
  for (size_t i = 0; i < found && count < into.size(); ++i) {
    if (order[i] == view_->self) break;
    if (!Resting(order[i])) into[count++] = order[i];
  }
  return count;
}

// -- Connections

bool Peers::Resting(uint32_t node) const {
  const auto peer = peers_.find(view_->by_index[node].name);
  return peer != peers_.end() && env_.clock.Now() < peer->second.resting_until;
}

/// Whom nothing was asked lately has nothing to do, as far as is known here.
QueueSeen Peers::QueueOf(uint32_t node) const {
  if (node >= view_->by_index.size() || view_->by_index[node].name.empty()) {
    return {.reachable = false};
  }
  const auto peer = peers_.find(view_->by_index[node].name);
  if (peer == peers_.end()) return {};
  const wire::Connection* connection = peer->second.connection.get();
  if (connection == nullptr) return {.reachable = !Resting(node)};
  return {.depth = connection->queue_depth(),
          .heard_at = connection->last_heard().ns,
          .in_flight = connection->in_flight(),
          .reachable = !Resting(node)};
}

uint32_t Peers::LessBusy(uint32_t first, uint32_t second) const {
  if (view_ == nullptr || second == kNobody) return first;
  const int64_t now = env_.clock.Now().ns;
  return SecondIsLessBusy(QueueOf(first), QueueOf(second), now) ? second : first;
}

/// After a failure. Half of it by chance, so that those who lost a peer do not come back to it all
/// at once.
void Peers::Rest(Peer& peer) {
  peer.rest = std::clamp(peer.rest * 2, options_.first_rest, options_.longest_rest);
  const auto half = static_cast<uint64_t>(peer.rest.count() / 2);
  peer.resting_until =
      env_.clock.Now() + peer.rest / 2 + Duration(static_cast<int64_t>(env_.rng.Next() % half));
}

void Peers::Note(uint32_t node, const wire::Connection& connection, bool good) {
  if (!good) ++counters_.failures;
  if (view_ == nullptr || node >= view_->by_index.size()) return;
  const auto found = peers_.find(view_->by_index[node].name);
  if (found == peers_.end() || found->second.connection.get() != &connection) return;
  if (good) {
    found->second.rest = {};
  } else if (connection.broken()) {
    Rest(found->second);
    Drop(found->second, *connection.broken());
  }
}

void Peers::Drop(Peer& peer, Error why) {
  if (peer.connection == nullptr) return;
  peer.connection->Break(std::move(why));
  group_.Spawn(End(std::move(peer.connection)));
  peer.connection = nullptr;
}

Task<void> Peers::End(std::shared_ptr<wire::Connection> connection) {
  co_await connection->Close();
}

Task<Result<std::shared_ptr<wire::Connection>>> Peers::Connect(uint32_t node, Call call) {
  const Instant now = env_.clock.Now();
  if (view_ == nullptr || node >= view_->by_index.size() || view_->by_index[node].name.empty()) {
    co_return Fail(Code::kUnavailable, fmt::format("the map has no node {}", node));
  }
  const std::string name = view_->by_index[node].name;
  Peer& peer = peers_[name];  // stays as long as this does
  peer.address = view_->by_index[node].address;
  peer.used_at = now;
  if (peer.connection != nullptr && !peer.connection->broken()) co_return peer.connection;
  if (stop_.cancelled()) co_return Fail(Code::kCancelled, "the node is stopping");
  if (now < peer.resting_until) {
    co_return Fail(Code::kUnavailable, name + " did not answer just now; it is left alone a while");
  }
  if (!peer.connecting) {
    if (peer.connection != nullptr) Drop(peer, *peer.connection->broken());
    peer.connecting = true;
    group_.Spawn(Open(name));
  }
  while (peer.connecting) FB_CO_TRY(co_await connected_.Wait(env_, 0, call));
  if (peer.connection != nullptr && !peer.connection->broken()) co_return peer.connection;
  co_return Fail(peer.why.value_or(Error(Code::kUnavailable, name + " cannot be reached")));
}

Task<void> Peers::Open(std::string name) {
  Peer& peer = peers_[name];
  const std::string address = peer.address;
  auto made = co_await Dial(name, peer);
  peer.connecting = false;
  if (made) {
    peer.connection = std::move(*made);
    peer.why.reset();
    peer.owes_since = Instant::Never();
    peer.pinging = false;
    if (stop_.cancelled() || address != peer.address) {
      Drop(peer, Error(Code::kUnavailable, name + " is elsewhere now"));
    }
  } else {
    ++counters_.failures;
    Rest(peer);
    // A deadline of ours, not of who asks.
    const bool cancelled = made.error().code() == Code::kCancelled;
    peer.why = Error(cancelled ? Code::kCancelled : Code::kUnavailable,
                     name + ": " + made.error().message());
    if (!cancelled) {
      env_.log.Warning("cell",
                       fmt::format("node {} at {}: {}", name, address, made.error().ToString()));
    }
  }
  connected_.WakeAll();
}

Task<Result<std::shared_ptr<wire::Connection>>> Peers::Dial(const std::string& name, Peer& peer) {
  const Call call{.deadline = env_.clock.Now() + options_.connect_timeout, .cancel = stop_.token()};
  FB_CO_ASSIGN(
      std::shared_ptr<wire::Connection> connection,
      co_await wire::Connection::Connect(
          env_, peer.address,
          {.token = wire::Token{.name = std::string(wire::kPeerToken), .secret = options_.secret},
           .client = "node " + options_.name,
           .min_version = options_.versions.min,
           .max_version = options_.versions.max},
          call));
  if (connection->server().node_name == name) co_return connection;
  const Error error(Code::kUnavailable,
                    fmt::format("{} answers there", connection->server().node_name));
  co_await connection->Close();
  co_return Fail(error);
}

// -- Asking

Task<Result<wire::Connection::PeerGave>> Peers::Read(uint32_t node, wire::PeerReadRequest request,
                                                     VersionId version, uint32_t block_bytes,
                                                     MutableBytes into, Call call) {
  FB_CO_ASSIGN(const std::shared_ptr<wire::Connection> connection, co_await Connect(node, call));
  ++counters_.requests;
  request.size = static_cast<uint32_t>(
      std::min<uint64_t>(into.size(), connection->server().limits.max_read_bytes));
  const auto read =
      co_await connection->PeerRead(request, version, block_bytes, into.first(request.size), call);
  Note(node, *connection, read.has_value());
  if (read) counters_.bytes += read->size;
  co_return read;
}

// -- Watching

Task<void> Peers::RunWatching() {
  while (co_await env_.clock.Sleep(kWatchEvery, stop_.token())) {
    const Instant now = env_.clock.Now();
    for (auto& [name, peer] : peers_) {
      if (peer.connection != nullptr) Watch(name, peer, now);
    }
  }
}

/// A peer that owes an answer may take its time, but says so when it is asked.
void Peers::Watch(const std::string& name, Peer& peer, Instant now) {
  const wire::Connection& connection = *peer.connection;
  if (connection.broken()) {
    Rest(peer);
    return Drop(peer, *connection.broken());
  }
  if (connection.in_flight() == 0) {
    peer.owes_since = Instant::Never();
    if (now - peer.used_at > options_.idle) Drop(peer, Error(Code::kUnavailable, "idle"));
    return;
  }
  if (peer.owes_since == Instant::Never()) peer.owes_since = now;
  const Instant quiet_since = std::max(peer.owes_since, connection.last_heard());
  if (peer.pinging || now - quiet_since < options_.silence) return;
  peer.pinging = true;
  group_.Spawn(Ping(name, peer.connection));
}

Task<void> Peers::Ping(std::string name, std::shared_ptr<wire::Connection> connection) {
  const Instant asked = env_.clock.Now();
  const auto answer = co_await connection->Ask<wire::PingAnswer>(
      wire::PingRequest{}, {.deadline = asked + options_.silence});
  Peer& peer = peers_[name];
  if (peer.connection != connection) co_return;
  peer.pinging = false;
  // On a slow link the answer stands behind data that do come.
  if (answer || connection->last_heard() >= asked) co_return;
  ++counters_.failures;
  env_.log.Warning("cell", fmt::format("node {} at {} has gone silent", name, peer.address));
  Rest(peer);
  Drop(peer, Error(Code::kUnavailable, name + " has gone silent"));
}

}  // namespace forebay
