// What a name means now: from memory while that is fresh enough, otherwise by asking its origin,
// once for everybody who waits.
#pragma once

#include <map>
#include <memory>
#include <tuple>

#include "src/node/context.h"
#include "src/node/flights.h"

namespace forebay {

class Lookups {
 public:
  Lookups(NodeContext& context, Flights& flights) : context_(context), flights_(flights) {}

  /// Any thread. False: not known, or not fresh any more.
  bool Known(const Attachment& attachment, std::string_view key, Instant now,
             KnownName* known) const;

  enum class Purpose : uint8_t {
    kStat,
    kRead,  // the first bytes are of use
  };
  using Way = Flights::Way;
  Task<Result<ResolvedObject>> Resolve(std::shared_ptr<const Attachment> attachment,
                                       std::string key, Purpose purpose, Call call, Trace* trace);

  /// The same without the object, which may not be there.
  Task<Result<KnownName>> ResolveName(std::shared_ptr<const Attachment> attachment, std::string key,
                                      Purpose purpose, Way way, Call call, Trace* trace);

  /// How long what the origin said at `asked` may be believed here. In a cell only the name's owner
  /// may believe it longer than for one answer: the others would not hear of writes.
  Instant KeepUntil(const Attachment& attachment, std::string_view key, Instant asked) const;
  /// Of a name that has nothing.
  Instant KeepAbsentUntil(const Attachment& attachment, std::string_view key, Instant asked) const;
  static ResolvedObject MakeObject(std::shared_ptr<const Attachment> attachment, std::string key,
                                   const KnownName& known);
  KnownName Describe(const Attachment& attachment, std::string_view key, const ObjectInfo& info,
                     Instant asked) const;
  static Error NotThere(const Attachment& attachment, std::string_view key);

 private:
  /// One question to an origin, and who waits for the answer.
  struct Lookup {
    uint64_t began = 0;  // on the count of arrivals
    NameCache::Ticket asked = 0;
    Hash128 trace;  // of the request that it began for
    Instant sent = Instant::Never();
    Instant origin_asked = Instant::Never();
    uint32_t interested = 0;
    bool done = false;
    Result<KnownName> answer = KnownName();
    Waiters waiters;

    /// Whoever comes at `at`, while it is on its way, may be told, too: this node hears of writes
    /// until then, or was told by one that does.
    bool IsForOthers(Instant at) const {
      const Instant asked_at = origin_asked == Instant::Never() ? sent : origin_asked;
      return answer && answer->fresh_until_ns > std::max(asked_at, at).ns;
    }
  };
  /// Questions that go to owners and those that may not are asked apart: two nodes with different
  /// maps would wait for each other.
  using Name = std::tuple<AttachmentId, std::string, Way>;

  Task<Result<KnownName>> Ask(std::shared_ptr<const Attachment> attachment, std::string key,
                              Purpose purpose, Way way, Call call, Trace* trace);
  Task<void> Run(std::shared_ptr<const Attachment> attachment, std::string key, Purpose purpose,
                 Way way, std::shared_ptr<Lookup> lookup);
  uint32_t OwnerOf(const Attachment& attachment, std::string_view key) const;
  Task<Result<KnownName>> AskOwner(uint32_t owner, std::shared_ptr<const Attachment> attachment,
                                   std::string key, Purpose purpose, Lookup& lookup);
  Task<Result<KnownName>> AskOrigin(std::shared_ptr<const Attachment> attachment, std::string key,
                                    Purpose purpose, Lookup& lookup);
  Task<Result<void>> Await(std::shared_ptr<const Attachment> attachment,
                           std::shared_ptr<Lookup> lookup, Call call, Trace* trace);

  Call CallOf(const Lookup& lookup) const {
    return {.cancel = context_.stop.token(), .trace = lookup.trace};
  }

  NodeContext& context_;
  Flights& flights_;
  uint64_t arrivals_ = 0;
  std::map<Name, std::shared_ptr<Lookup>> lookups_;
};

}  // namespace forebay
