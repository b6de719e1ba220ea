// Every read of an origin is a flight over a range of one version. Readers wait for the pages that
// they need; no page has two flights at a time.
#pragma once

#include <map>
#include <memory>
#include <optional>

#include "src/core/readahead/readahead.h"
#include "src/node/context.h"
#include "src/node/fills.h"

namespace forebay {

/// Used from the node's loop. Kept by whoever waits for it.
struct Flight {
  ResolvedObject object;
  ByteRange range;                  // whole pages, or up to the object's end
  uint64_t reached = 0;             // what lies before it is in the store, or was
  Units bytes;                      // of the budget: those that are still to come
  Hash128 trace;                    // of the request that it began for
  Instant sent = Instant::Never();  // when somebody was asked
  Instant origin_asked = Instant::Never();
  uint32_t interested = 0;  // readers who wait
  bool awaited = false;     // there was one
  // Whom it asks first; kOrigin once that is what is left.
  enum class Source : uint8_t { kOrigin, kOwner, kFormerOwner };
  Source source = Source::kOrigin;
  bool sent_elsewhere = false;  // its owner has sent it to another node, where it waits now
  uint64_t until = 0;           // up to here all was asked for at once
  bool done = false;
  std::optional<Error> error;
  Waiters waiters;
  Waiters followers;  // other nodes, which were sent here
};

class Flights {
 public:
  /// Where a flight may go.
  enum class Way : uint8_t {
    kAny,     // to the chunk's owner, where that is another node; then to the origin
    kOrigin,  // for a node that asks: not to a third one
  };
  explicit Flights(NodeContext& context) : context_(context), fills_(context) {}

  /// The flight that has, or will have, the byte at `at`; null where there is none.
  std::shared_ptr<Flight> Covering(const VersionId& version, uint64_t at) const;

  /// For a reader who waits: starts flights for what of `range` is neither in the store nor on its
  /// way.
  void Demand(const ResolvedObject& object, ByteRange range, const Hash128& trace,
              Way way = Way::kAny);
  /// For later: the same, as far as the budget goes. Returns where it stopped.
  uint64_t Ahead(const ResolvedObject& object, ByteRange range, const Hash128& trace,
                 Way way = Way::kAny);
  /// Takes over a body that was opened to learn what its name is; it begins at the object's begin.
  void Adopt(const ResolvedObject& object, std::unique_ptr<OriginBody> body, Units request,
             const Hash128& trace);

  /// Waits until the flight has `until`, or has ended; then its error, if that is why.
  Task<Result<void>> Await(std::shared_ptr<Flight> flight, uint64_t until, Call call, Trace* trace);
  /// For another node: the same, but kNotFound as soon as the flight waits for a third one itself.
  /// So nobody waits in a circle.
  Task<Result<void>> Follow(std::shared_ptr<Flight> flight, uint64_t until, Call call);

 private:
  using OfVersion = std::map<uint64_t, std::shared_ptr<Flight>>;  // by their begins; disjoint

  ByteRange NextMissing(const ResolvedObject& object, ByteRange range, Way way) const;
  Flight::Source SourceOf(const ResolvedObject& object, uint64_t at, Way way) const;
  uint64_t MostAt(const ResolvedObject& object, uint64_t at, Way way) const;
  ByteRange MissingInBlock(const ResolvedObject& object, ByteRange range) const;
  std::shared_ptr<Flight> Register(const ResolvedObject& object, ByteRange range,
                                   const Hash128& trace, Way way);
  Task<void> Run(std::shared_ptr<Flight> flight, std::unique_ptr<OriginBody> body, Units request);
  Task<Result<void>> Fly(Flight& flight, std::unique_ptr<OriginBody> body, Units request);
  Task<Result<bool>> FlyByPeers(Flight& flight);
  Task<Result<void>> TakeBytes(Flight& flight, Budget& budget);
  Task<Result<std::unique_ptr<OriginBody>>> OpenBody(Flight& flight);
  Task<Result<void>> Stream(Flight& flight, OriginBody& body);
  Task<Result<void>> StreamBlock(Flight& flight, OriginBody& body, uint64_t end);
  Task<Result<void>> StreamAround(Flight& flight, OriginBody& body, Fill& fill, uint64_t end);
  Task<Result<size_t>> Receive(Flight& flight, OriginBody& body, MutableBytes into);
  /// Of everything that is done for it.
  Call CallOf(const Flight& flight) const {
    return {.cancel = context_.stop.token(), .trace = flight.trace};
  }
  void Reach(Flight& flight, uint64_t at);
  void Land(Flight& flight, Result<void> result);
  void Retract(const Flight& flight);

  NodeContext& context_;
  Fills fills_;
  std::map<VersionId, OfVersion> flights_;
};

}  // namespace forebay
