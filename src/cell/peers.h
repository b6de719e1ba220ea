// The other nodes of a cell: a connection to each that is asked anything, and one more for blocks
// where there are loops for it; opened when needed, closed when idle for long. Who does not answer
// is left alone for a while, so that whoever asks goes on to the next in order in less than a
// second.
#pragma once

#include <array>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "src/cell/view.h"
#include "src/core/heat/less_busy.h"
#include "src/runtime/run_on.h"
#include "src/runtime/task_group.h"
#include "src/runtime/waiters.h"
#include "src/wire/connection.h"

namespace forebay {

struct PeersOptions {
  std::string name;    // this node's
  std::string secret;  // the cell's
  wire::Versions versions{.min = wire::kPeerVersion, .max = wire::kMaxVersion};
  Duration connect_timeout = std::chrono::milliseconds(500);
  /// A peer that owes an answer and is silent for so long is asked whether it lives; it has as long
  /// again to say so.
  Duration silence = std::chrono::milliseconds(300);
  Duration first_rest = std::chrono::milliseconds(250);  // after a failure, doubled by each
  Duration longest_rest = std::chrono::seconds(8);
  Duration idle = std::chrono::seconds(60);
  /// How long after a change of the map the new owner of a key asks the former one first.
  Duration remember = std::chrono::minutes(10);
  /// How long news of a map takes to reach everybody, at most, while nothing is broken.
  Duration settle = std::chrono::seconds(2);
};

struct PeerCounters {
  uint64_t requests = 0;  // asked of others
  uint64_t bytes = 0;     // that came from them
  uint64_t failures = 0;  // of a peer, not of what was asked
};

/// Used from its own loop.
class Peers {
 public:
  /// Of a key that has no other owner: whoever asks does it himself.
  static constexpr uint32_t kNobody = Placement::kNobody;

  /// Blocks come in on `further`, loops on threads of their own, where there are any, each peer's
  /// on one of them: what copies and checksums cost is not the caller's loop's then. They must run
  /// until Close is over.
  Peers(Env& env, PeersOptions options, std::vector<Env*> further = {});
  /// Close must have been awaited.
  ~Peers();
  Task<void> Close();

  /// The map changed. Peers that have left it lose their connections.
  void Follow(std::shared_ptr<const CellView> view);
  /// No map leaves this node out before then: its lease lasts. From then on it owns nothing, until
  /// it is told of a longer one.
  void HoldUntil(Instant until);
  /// Null until there is a map.
  const std::shared_ptr<const CellView>& view() const { return view_; }
  const PeersOptions& options() const { return options_; }
  const PeerCounters& counters() const { return counters_; }
  /// That this node opened, and which are open.
  size_t connections() const;

  /// The first nodes of the key's order, as long as they are others than this one: it ends where
  /// this node's turn is, and leaves out who is resting. How many there are.
  size_t Before(uint64_t key, std::span<uint32_t> into) const;
  /// kNobody where the owner is this node, or there is no map.
  uint32_t OwnerOf(uint64_t key) const;
  /// This node owns the key, and everybody knew it at `since`: of what was asked for then it has
  /// heard of all writes. A node that owned it before and lives must have said that it does not
  /// any more; it is asked now, and what it says counts from then on. One that the map left out
  /// owned nothing already when it did.
  bool Owns(uint64_t key, Instant since);
  bool Owns(uint64_t key) { return Owns(key, env_.clock.Now()); }
  /// Another goes by the map of `epoch`, and asks what this node owns by older ones: from now on
  /// nothing, until it goes by that one, too.
  Followed Cede(uint64_t epoch);
  /// It has ceded, and does not know the map yet by which others go: nor all who own by that.
  bool behind() const { return view_ != nullptr && view_->map.epoch.number < ceded_to_; }
  struct Other {
    uint32_t node = kNobody;
    Instant until = Instant::Never();  // what he was given while he lived is over by then
  };
  /// All but this node who live, or did by a map until lately: they may live still, and what they
  /// were given then lasts for `lease`.
  std::vector<Other> Others(Duration lease) const;
  uint32_t IndexOf(std::string_view name) const;
  /// By the map; kNobody does not.
  bool Lives(uint32_t node) const {
    return view_ != nullptr && node != kNobody && view_->map.Lives(node);
  }
  /// kNobody until it stands in the map.
  uint32_t self() const { return view_ == nullptr ? kNobody : view_->self; }
  /// This node owned the key, though it does not any more.
  bool OwnedLately(uint64_t key) const;
  /// When owners last moved, for this node or for one that owned before it.
  Instant moved_at() const { return moved_at_; }
  /// Of a key that this node owns since the map changed not long ago: who owned it before, if he
  /// lives. kNobody otherwise.
  uint32_t FormerOwnerOf(uint64_t key) const;

  /// Of two that have the same bytes, or one and kNobody, who is to be asked for them.
  uint32_t LessBusy(uint32_t first, uint32_t second) const;

  /// The bytes of one version, into the caller's memory. kUnavailable also where the peer cannot
  /// give them for reasons of its own: ask the next.
  Task<Result<wire::Connection::PeerGave>> Read(uint32_t node, wire::PeerReadRequest request,
                                                VersionId version, uint32_t block_bytes,
                                                MutableBytes into, Call call);
  template <class A, class M>
  Task<Result<wire::Owned<A>>> Ask(uint32_t node, M request, Call call) {
    FB_CO_ASSIGN(Line * line, co_await Connect(node, Use::kQuestions, call));
    const std::shared_ptr<wire::Connection> connection = line->connection;
    const uint64_t life = Begin(*line);
    auto answer = co_await connection->Ask<A>(request, call);
    End(node, *line, life, answer.has_value());
    co_return answer;
  }

 private:
  /// A connection to a peer, which lives on a loop: asked for anything, and ended, there alone.
  struct Line {
    Env* env = nullptr;
    std::shared_ptr<wire::Connection> connection;
    bool connecting = false;
    std::optional<Error> why;  // no connection came about last
    uint64_t life = 0;         // of the connection: each has its own
    size_t waiting = 0;        // requests, from before they go to its loop until they are back
    Instant used_at{};
    Instant owes_since = Instant::Never();  // Never: it owes nothing
    bool pinging = false;
    Instant resting_until{};  // none is opened before
  };
  struct Peer {
    std::string address;
    Line questions;  // on this loop
    Line blocks;     // without an Env as long as none were asked for, or `questions` does it
    Instant resting_until{};
    Duration rest{};
    std::array<Line*, 2> lines() { return {&questions, &blocks}; }
  };
  enum class Use : unsigned char { kQuestions, kBlocks };

  struct Former {
    std::shared_ptr<const CellView> view;
    Instant until;             // when it is forgotten
    uint64_t replaced_by = 0;  // an epoch
  };
  bool HasLeft(const Former& former, uint32_t owner, Instant since);
  Task<void> AskAllWhatTheyFollow();
  Task<void> AskWhatItFollows(uint32_t node);
  bool ReplacedLately(Instant until, Duration lately, Instant at) const;
  void NoteWhoLeft(const CellView& next);
  void GainAll();
  void Remember(Former former);
  Line& LineOf(Peer& peer, Use use);
  /// A line that has a connection.
  Task<Result<Line*>> Connect(uint32_t node, Use use, Call call);
  Task<void> Open(std::string name, Line* line);
  Task<Result<std::shared_ptr<wire::Connection>>> Dial(const std::string& name,
                                                       const std::string& address, Line& line);
  /// Before and after a request: its line counts it, and what became of it is seen to.
  uint64_t Begin(Line& line);
  void End(uint32_t node, Line& line, uint64_t life, bool good);
  void Rest(Peer& peer);
  bool Resting(uint32_t node) const;
  QueueSeen QueueOf(uint32_t node) const;
  void Drop(Peer& peer, const Error& why);
  void DropLine(Line& line, Error why);
  void GoneSilent(const std::string& name, Peer& peer);
  void Watch(const std::string& name, Peer& peer, Instant now);
  void WatchLine(const std::string& name, Line& line, Instant now);
  Task<void> RunWatching();
  Task<void> Ping(std::string name, Line* line, uint64_t life, Task<bool> ping);
  template <class T>
  Task<T> On(const Line& line, Task<T> task) {
    return RunOn(line.env->executor, env_.executor, std::move(task));
  }

  Env& env_;
  const PeersOptions options_;
  const std::vector<Env*> further_;
  size_t next_loop_ = 0;  // of further_, for who gets a line for blocks
  static constexpr size_t kFormerViews = 16;

  std::shared_ptr<const CellView> view_;
  Instant moved_at_{};
  Instant follows_since_{};           // when owners last moved for this node
  std::deque<Former> former_;         // the newest first; of maps that owned otherwise
  Instant forgotten_until_{};         // as of a Former, of the last one that found no place
  std::map<uint32_t, Instant> left_;  // when who lived by a map last did, by index
  Instant held_until_ = Instant::Never();
  uint64_t ceded_to_ = 0;  // an epoch that another goes by
  /// By which map a node goes, or a later one, as far as it said, and since when; by index.
  struct Said {
    uint64_t epoch = 0;
    Instant since;
  };
  std::map<uint32_t, Said> said_;
  std::map<uint32_t, Instant> asked_what_it_follows_;
  std::map<std::string, Peer, std::less<>> peers_;  // by name
  PeerCounters counters_;
  CancelSource stop_;
  Waiters connected_;  // or not
  TaskGroup group_;
};

}  // namespace forebay
