#include "src/cell/peers.h"

#include <fmt/format.h>

#include <algorithm>

#include "src/runtime/cancel_across.h"
#include "src/wire/peer_messages.h"

namespace forebay {
namespace {

/// How often connections are looked at. A peer that stops is noticed after twice the silence and
/// this.
constexpr Duration kWatchEvery = std::chrono::milliseconds(50);
/// Less than that is not worth its way to another loop and back, some 10 us.
constexpr size_t kWorthTheWay = 64u << 10;
/// A former owner that did not say by which map it goes is asked again; and what it says of times
/// before that makes no difference.
constexpr Duration kAskAgain = std::chrono::milliseconds(500);
constexpr Duration kAskTimeout = std::chrono::seconds(1);
constexpr std::chrono::milliseconds kMostAgo = std::chrono::hours(1);
/// In a cell of so many all are asked once a map has settled, in a larger one when it is needed.
constexpr size_t kAskedUnprompted = 64;
/// Of a key's order, those that are asked before the origin.
constexpr size_t kMostAsked = 4;

/// What a connection is asked on its own loop: it is kept, and goes, there.
Task<Result<wire::Connection::PeerGave>> ReadThere(std::shared_ptr<wire::Connection> connection,
                                                   wire::PeerReadRequest request, VersionId version,
                                                   uint32_t block_bytes, MutableBytes into,
                                                   Call call) {
  co_return co_await connection->PeerRead(request, version, block_bytes, into, call);
}

/// By the clock of that loop: one that was stalled itself condemns nobody.
Task<bool> PingThere(std::shared_ptr<wire::Connection> connection, Env& env, Duration patience) {
  const Instant asked = env.clock.Now();
  const auto answer = co_await connection->Ask<wire::PingAnswer>(wire::PingRequest{},
                                                                 {.deadline = asked + patience});
  // On a slow link the answer stands behind data that do come.
  co_return answer || connection->last_heard() >= asked;
}

Task<void> EndThere(std::shared_ptr<wire::Connection> connection, Error why) {
  connection->Break(std::move(why));
  co_await connection->Close();
}

std::shared_ptr<const CellView> WithoutSelf(const CellView& view) {
  CellMap map = view.map;
  if (view.self < map.epoch.live.size()) map.epoch.live[view.self] = false;
  return std::make_shared<const CellView>(std::move(map), "");
}

}  // namespace

Peers::Peers(Env& env, PeersOptions options, std::vector<Env*> further)
    : env_(env), options_(std::move(options)), further_(std::move(further)), group_(env.executor) {
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
  const Instant now = env_.clock.Now();
  const bool first = view_ == nullptr;
  const bool owners_moved = !first && (view_->map.epoch.live != view->map.epoch.live ||
                                       view_->map.nodes != view->map.nodes);
  const uint64_t epoch = view->map.epoch.number;
  const uint64_t before = first ? 0 : view_->map.epoch.number;
  const bool back = epoch < before;  // another registry's, or an older state of it: it counts anew
  const bool skipped = first || back || epoch > before + 1;
  if (back) {
    said_.clear();
    ceded_to_ = 0;
    former_.clear();
  }
  if (owners_moved) NoteWhoLeft(*view);
  if (owners_moved && !back) {
    // Records of nodes are written before the epoch that they belong to.
    Remember({view_, now + options_.remember, std::max(epoch, before + 1)});
  }
  view_ = std::move(view);
  if (skipped) GainAll();
  if (owners_moved) moved_at_ = follows_since_ = now;
  if ((skipped || owners_moved) && view_->map.nodes.size() <= kAskedUnprompted) {
    group_.Spawn(AskAllWhatTheyFollow());
  }
  for (auto& [name, peer] : peers_) {
    const auto node = view_->map.nodes.find(name);
    const bool lives = node != view_->map.nodes.end() && view_->map.Lives(node->second.index);
    const bool moved = lives && node->second.member.address != peer.address;
    if (!lives || moved) Drop(peer, Error(Code::kUnavailable, name + " has left the cell's map"));
    if (lives) peer.resting_until = {};  // it may have come back
  }
}

/// What others owned until now this node does not know, nor what it told them in a former life: it
/// owns as one that has come new, what they would own without it.
void Peers::GainAll() {
  const Instant now = env_.clock.Now();
  forgotten_until_ = now + options_.remember;
  Remember({WithoutSelf(*view_), now, view_->map.epoch.number});
  moved_at_ = follows_since_ = now;
}

void Peers::Remember(Former former) {
  former_.push_front(std::move(former));
  if (former_.size() <= kFormerViews) return;
  forgotten_until_ = std::max(forgotten_until_, former_.back().until);
  former_.pop_back();
}

void Peers::HoldUntil(Instant until) {
  const Instant now = env_.clock.Now();
  const bool lapsed = held_until_ <= now && until > now;
  held_until_ = until;
  if (lapsed && view_ != nullptr) GainAll();
}

void Peers::NoteWhoLeft(const CellView& next) {
  const Instant now = env_.clock.Now();
  std::erase_if(left_, [&](const auto& one) { return one.second + options_.remember <= now; });
  for (uint32_t i = 0; i < view_->by_index.size(); ++i) {
    if (view_->map.Lives(i) && !next.map.Lives(i)) left_[i] = now;
  }
}

uint32_t Peers::OwnerOf(uint64_t key) const {
  if (view_ == nullptr) return kNobody;
  const uint32_t owner = view_->placement.Owner(key);
  return owner == view_->self ? kNobody : owner;
}

bool Peers::ReplacedLately(Instant until, Duration lately, Instant at) const {
  return until + lately > at + options_.remember;
}

bool Peers::Owns(uint64_t key, Instant since) {
  if (view_ == nullptr || view_->placement.Owner(key) != view_->self) return false;
  if (env_.clock.Now() >= held_until_ || behind()) return false;
  // Of more maps than are kept nobody knows whose it was.
  if (ReplacedLately(forgotten_until_, options_.settle, since)) return false;
  return std::ranges::all_of(former_, [&](const Former& former) {
    const uint32_t owner = former.view->placement.Owner(key);
    if (owner == view_->self) return true;
    if (ReplacedLately(former.until, options_.settle, since)) return false;
    return owner == kNobody || HasLeft(former, owner, since);
  });
}

/// The registry may have gone away while it told of a map: then some go by it, and some do not.
bool Peers::HasLeft(const Former& former, uint32_t owner, Instant since) {
  if (!view_->map.Lives(owner)) return true;
  const auto said = said_.find(owner);
  if (said != said_.end() && said->second.epoch >= former.replaced_by) {
    return said->second.since <= since;
  }
  const Instant now = env_.clock.Now();
  Instant& asked = asked_what_it_follows_.try_emplace(owner, Instant{}).first->second;
  if (asked != Instant{} && now < asked + kAskAgain) return false;
  asked = now;
  group_.Spawn(AskWhatItFollows(owner));
  return false;
}

Task<void> Peers::AskAllWhatTheyFollow() {
  if (!co_await env_.clock.Sleep(options_.settle, stop_.token())) co_return;
  for (uint32_t i = 0; i < view_->by_index.size(); ++i) {
    if (i != view_->self && view_->map.Lives(i)) group_.Spawn(AskWhatItFollows(i));
  }
}

Task<void> Peers::AskWhatItFollows(uint32_t node) {
  const Call call{.deadline = env_.clock.Now() + kAskTimeout, .cancel = stop_.token()};
  const wire::PeerFollowsRequest request{.epoch = view_->map.epoch.number};
  const auto answer = co_await Ask<wire::PeerFollowsAnswer>(node, request, call);
  // By a later map it may own again what it does not by this one.
  if (!answer || answer->value.epoch > view_->map.epoch.number) co_return;
  Said& said = said_[node];
  if (said.epoch >= answer->value.epoch) co_return;
  const auto ago =
      std::chrono::milliseconds(std::min<uint64_t>(answer->value.since_ms, kMostAgo.count()));
  said = {.epoch = answer->value.epoch, .since = env_.clock.Now() + -Duration(ago)};
  moved_at_ = std::max(moved_at_, said.since);
}

Followed Peers::Cede(uint64_t epoch) {
  ceded_to_ = std::max(ceded_to_, epoch);
  if (view_ == nullptr || view_->map.epoch.number < ceded_to_) return {.epoch = ceded_to_};
  const auto since =
      std::chrono::duration_cast<std::chrono::milliseconds>(env_.clock.Now() - follows_since_);
  return {.epoch = view_->map.epoch.number, .since_ms = static_cast<uint64_t>(since.count())};
}

std::vector<Peers::Other> Peers::Others(Duration lease) const {
  std::vector<Other> others;
  const Instant now = env_.clock.Now();
  for (uint32_t i = 0; view_ != nullptr && i < view_->by_index.size(); ++i) {
    if (i == view_->self) continue;
    if (view_->map.Lives(i)) {
      others.push_back({.node = i});
      continue;
    }
    // Others follow the map a little later, and take him for one who lives until then.
    const auto left = left_.find(i);
    const Instant until = left == left_.end() ? now : left->second + lease + options_.settle;
    if (until > now) others.push_back({i, until});
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
    if (former.until <= now) continue;
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

size_t Peers::connections() const {
  size_t all = 0;
  for (const auto& [name, peer] : peers_) {
    all += (peer.questions.connection != nullptr) + (peer.blocks.connection != nullptr);
  }
  return all;
}

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
  QueueSeen seen{.reachable = !Resting(node)};
  for (const Line* line : {&peer->second.questions, &peer->second.blocks}) {
    const wire::Connection* connection = line->connection.get();
    if (connection == nullptr) continue;
    if (connection->last_heard().ns >= seen.heard_at) {
      seen.heard_at = connection->last_heard().ns;
      seen.depth = connection->queue_depth();
    }
    seen.in_flight += line->waiting;
  }
  return seen;
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

uint64_t Peers::Begin(Line& line) {
  ++counters_.requests;
  ++line.waiting;
  return line.life;
}

void Peers::End(uint32_t node, Line& line, uint64_t life, bool good) {
  --line.waiting;
  if (!good) ++counters_.failures;
  if (view_ == nullptr || node >= view_->by_index.size()) return;
  const auto found = peers_.find(view_->by_index[node].name);
  if (found == peers_.end() || line.connection == nullptr || line.life != life) return;
  if (good) {
    found->second.rest = {};
  } else if (!line.connection->works()) {
    Rest(found->second);
    Drop(found->second, Error(Code::kUnavailable, found->first + ": the connection broke"));
  }
}

void Peers::Drop(Peer& peer, const Error& why) {
  for (Line* line : peer.lines()) DropLine(*line, why);
}

void Peers::DropLine(Line& line, Error why) {
  if (line.connection == nullptr) return;
  if (line.env == &env_) line.connection->Break(why);
  group_.Spawn(On(line, EndThere(std::move(line.connection), std::move(why))));
  line.connection = nullptr;
}

/// Loops get lines in turn. While no line for blocks can be had, questions' will do.
Peers::Line& Peers::LineOf(Peer& peer, Use use) {
  peer.questions.env = &env_;
  const bool alone = further_.empty() || env_.clock.Now() < peer.blocks.resting_until;
  if (use == Use::kQuestions || alone) return peer.questions;
  if (peer.blocks.env == nullptr) peer.blocks.env = further_[next_loop_++ % further_.size()];
  return peer.blocks;
}

Task<Result<Peers::Line*>> Peers::Connect(uint32_t node, Use use, Call call) {
  const Instant now = env_.clock.Now();
  if (view_ == nullptr || node >= view_->by_index.size() || view_->by_index[node].name.empty()) {
    co_return Fail(Code::kUnavailable, fmt::format("the map has no node {}", node));
  }
  const std::string name = view_->by_index[node].name;
  Peer& peer = peers_[name];  // stays as long as this does
  peer.address = view_->by_index[node].address;
  Line& line = LineOf(peer, use);
  line.used_at = now;
  if (line.connection != nullptr && line.connection->works()) co_return &line;
  if (stop_.cancelled()) co_return Fail(Code::kCancelled, "the node is stopping");
  if (now < peer.resting_until) {
    co_return Fail(Code::kUnavailable, name + " did not answer just now; it is left alone a while");
  }
  if (!line.connecting) {
    DropLine(line, Error(Code::kUnavailable, name + ": the connection broke"));
    line.connecting = true;
    group_.Spawn(Open(name, &line));
  }
  while (line.connecting) FB_CO_TRY(co_await connected_.Wait(env_, 0, call));
  if (line.connection != nullptr && line.connection->works()) co_return &line;
  if (&LineOf(peer, use) != &line) co_return co_await Connect(node, Use::kQuestions, call);
  co_return Fail(line.why.value_or(Error(Code::kUnavailable, name + " cannot be reached")));
}

Task<void> Peers::Open(std::string name, Line* line) {
  Peer& peer = peers_[name];
  const std::string address = peer.address;
  auto made = co_await Dial(name, address, *line);
  line->connecting = false;
  if (made) {
    line->connection = std::move(*made);
    ++line->life;
    line->why.reset();
    line->owes_since = Instant::Never();
    line->pinging = false;
    if (stop_.cancelled() || address != peer.address) {
      DropLine(*line, Error(Code::kUnavailable, name + " is elsewhere now"));
    }
  } else {
    ++counters_.failures;
    const auto& questions = peer.questions.connection;
    if (line == &peer.blocks && questions != nullptr && questions->works()) {
      // It lives, and has no more room for connections.
      line->resting_until = env_.clock.Now() + options_.longest_rest;
    } else {
      Rest(peer);
    }
    // A deadline of ours, not of who asks.
    const bool cancelled = made.error().code() == Code::kCancelled;
    line->why = Error(cancelled ? Code::kCancelled : Code::kUnavailable,
                      name + ": " + made.error().message());
    if (!cancelled) {
      env_.log.Warning("cell",
                       fmt::format("node {} at {}: {}", name, address, made.error().ToString()));
    }
  }
  connected_.WakeAll();
}

Task<Result<std::shared_ptr<wire::Connection>>> Peers::Dial(const std::string& name,
                                                            const std::string& address,
                                                            Line& line) {
  CancelAcross cancel(line.env->executor, env_.executor, stop_.token());
  auto connected = co_await On(
      line,
      wire::Connection::Connect(
          *line.env, address,
          {.token = wire::Token{.name = std::string(wire::kPeerToken), .secret = options_.secret},
           .client = "node " + options_.name,
           .min_version = options_.versions.min,
           .max_version = options_.versions.max},
          {.deadline = env_.clock.Now() + options_.connect_timeout, .cancel = cancel.token()}));
  co_await cancel.Join();
  if (!connected) co_return Fail(connected.error());
  std::shared_ptr<wire::Connection> connection = std::move(*connected);
  if (connection->server().node_name == name) co_return connection;
  const Error error(Code::kUnavailable,
                    fmt::format("{} answers there", connection->server().node_name));
  co_await On(line, EndThere(std::move(connection), error));
  co_return Fail(error);
}

// -- Asking

Task<Result<wire::Connection::PeerGave>> Peers::Read(uint32_t node, wire::PeerReadRequest request,
                                                     VersionId version, uint32_t block_bytes,
                                                     MutableBytes into, Call call) {
  const Use use = into.size() < kWorthTheWay ? Use::kQuestions : Use::kBlocks;
  FB_CO_ASSIGN(Line * line, co_await Connect(node, use, call));
  request.size = static_cast<uint32_t>(
      std::min<uint64_t>(into.size(), line->connection->server().limits.max_read_bytes));
  const uint64_t life = Begin(*line);
  CancelAcross cancel(line->env->executor, env_.executor, call.cancel);
  const auto read = co_await On(
      *line, ReadThere(line->connection, request, version, block_bytes, into.first(request.size),
                       {call.deadline, cancel.token(), call.trace}));
  co_await cancel.Join();
  End(node, *line, life, read.has_value());
  if (read) counters_.bytes += read->size;
  co_return read;
}

// -- Watching

Task<void> Peers::RunWatching() {
  while (co_await env_.clock.Sleep(kWatchEvery, stop_.token())) {
    const Instant now = env_.clock.Now();
    for (auto& [name, peer] : peers_) Watch(name, peer, now);
  }
}

void Peers::Watch(const std::string& name, Peer& peer, Instant now) {
  for (Line* line : peer.lines()) {
    if (line->connection == nullptr) continue;
    if (line->connection->works()) {
      WatchLine(name, *line, now);
    } else {
      Rest(peer);
      return Drop(peer, Error(Code::kUnavailable, name + ": the connection broke"));
    }
  }
}

/// A peer that owes an answer may take its time, but says so when it is asked.
void Peers::WatchLine(const std::string& name, Line& line, Instant now) {
  const wire::Connection& connection = *line.connection;
  if (line.waiting == 0) {
    line.owes_since = Instant::Never();
    if (now - line.used_at > options_.idle) DropLine(line, Error(Code::kUnavailable, "idle"));
    return;
  }
  if (line.owes_since == Instant::Never()) line.owes_since = now;
  const Instant quiet_since = std::max(line.owes_since, connection.last_heard());
  if (line.pinging || now - quiet_since < options_.silence) return;
  line.pinging = true;
  group_.Spawn(
      Ping(name, &line, line.life, PingThere(line.connection, *line.env, options_.silence)));
}

Task<void> Peers::Ping(std::string name, Line* line, uint64_t life, Task<bool> ping) {
  const bool lives = co_await On(*line, std::move(ping));
  if (line->connection == nullptr || line->life != life) co_return;
  line->pinging = false;
  if (!lives) GoneSilent(name, peers_[name]);
}

void Peers::GoneSilent(const std::string& name, Peer& peer) {
  ++counters_.failures;
  env_.log.Warning("cell", fmt::format("node {} at {} has gone silent", name, peer.address));
  Rest(peer);
  Drop(peer, Error(Code::kUnavailable, name + " has gone silent"));
}

}  // namespace forebay
