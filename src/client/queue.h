// The completion queue: reads that were begun and not yet collected. Nobody works on them but who
// collects, and who leads on the same connection.
#pragma once

#include <list>
#include <memory>
#include <mutex>
#include <vector>

#include "src/client/file.h"

namespace forebay::client {

/// Reads that may be in progress or wait to be collected, of one client.
inline constexpr size_t kMaxSubmitted = 4096;

class Queue;

/// A read, piece by piece. Used again after it was collected, so that a warm queue allocates
/// nothing. Belongs to whoever took it off one of the queue's lists.
class Submission {
 public:
  explicit Submission(Queue& queue) : queue_(queue) {}

 private:
  friend class Queue;
  class Piece final : public Ticket {
   public:
    Piece(Submission& of, const ObjectInfo& info, uint64_t offset, MutableBytes into)
        : Ticket(exchange),
          size(into.size()),
          exchange(info.version, info.block_bytes, offset, into),
          submission_(of) {}
    const size_t size;
    wire::ReadExchange exchange;

   private:
    void OnDone() override;
    Submission& submission_;
  };

  Queue& queue_;
  std::shared_ptr<File::Impl> file_;
  uint64_t offset_ = 0;
  MutableBytes into_;
  void* tag_ = nullptr;
  uint64_t done_bytes_ = 0;
  Instant until_;
  uint32_t attempt_ = 0;
  bool check_first_ = false;  // the last answer did not match its checksums
  std::shared_ptr<Link> link_;
  std::optional<Piece> piece_;  // on its way
  bool held_ = false;           // by a thread that starts it or gives it up: not to be advanced
  Result<void> outcome_;
};

/// Any thread.
class Queue {
 public:
  explicit Queue(Core& core) : generation(core.generation), core_(core) {}
  ~Queue();

  const uint64_t generation;
  void* forgotten = nullptr;  // see PerProcess

  Result<void> Submit(std::shared_ptr<File::Impl> file, uint64_t offset, MutableBytes into,
                      void* tag);
  Result<size_t> Collect(std::span<Completion> into, Duration wait);
  Result<int> EventDescriptor();

 private:
  friend class Submission;
  Result<Submission*> Begin();
  void OnAnswered(Submission& submission);
  Result<void> StartPiece(Submission& submission, bool wait_for_room);
  Result<void> StartOn(const std::shared_ptr<Link>& link, Submission& submission,
                       bool wait_for_room);
  bool MayGoOn(Submission& submission, const Error& error);
  void Advance(Submission& submission);
  bool AdvanceAnswered();
  void Finish(Submission& submission, Result<void> outcome);
  size_t Take(std::span<Completion> into);
  bool Anything();
  Result<Beacon*> TheBeacon();
  Result<void> Watch(const std::shared_ptr<Link>& link);
  void PumpWatched();
  /// Ends what is late; when the next one will be.
  Instant ExpireLate();

  Core& core_;
  std::mutex mutex_;  // after those of links
  std::list<Submission> all_;
  std::vector<Submission*> free_;
  std::vector<Submission*> under_way_;
  std::vector<Submission*> answered_;  // a piece of them came, or failed
  std::vector<Submission*> done_;
  size_t advancing_ = 0;  // taken off answered_, by some thread
  std::unique_ptr<Beacon> beacon_;
  std::vector<std::weak_ptr<Link>> watched_;
};

}  // namespace forebay::client
