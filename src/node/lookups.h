// What a name means now: from memory while that is fresh enough, otherwise by asking its origin,
// once for everybody who waits.
#pragma once

#include <map>
#include <memory>
#include <utility>

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
  Task<Result<ResolvedObject>> Resolve(std::shared_ptr<const Attachment> attachment,
                                       std::string key, Purpose purpose, Call call, Trace* trace);

  /// How long what is asked at `asked` may be believed.
  static Instant FreshUntil(const Attachment& attachment, Instant asked);
  static ResolvedObject MakeObject(std::shared_ptr<const Attachment> attachment, std::string key,
                                   const KnownName& known);
  static KnownName Describe(const Attachment& attachment, std::string_view key,
                            const ObjectInfo& info, Instant asked);
  static Error NotThere(const Attachment& attachment, std::string_view key);

 private:
  /// One question to an origin, and who waits for the answer.
  struct Lookup {
    uint64_t began = 0;  // on the count of arrivals
    NameCache::Ticket asked = 0;
    Instant sent = Instant::Never();
    uint32_t interested = 0;
    bool done = false;
    Result<KnownName> answer = KnownName();
    Waiters waiters;
  };
  using Name = std::pair<AttachmentId, std::string>;

  Task<Result<KnownName>> Ask(std::shared_ptr<const Attachment> attachment, std::string key,
                              Purpose purpose, Call call, Trace* trace);
  Task<void> Run(std::shared_ptr<const Attachment> attachment, std::string key, Purpose purpose,
                 std::shared_ptr<Lookup> lookup);
  Task<Result<KnownName>> AskOrigin(std::shared_ptr<const Attachment> attachment, std::string key,
                                    Purpose purpose, Lookup& lookup);
  Task<Result<void>> Await(std::shared_ptr<const Attachment> attachment,
                           std::shared_ptr<Lookup> lookup, Call call, Trace* trace);

  NodeContext& context_;
  Flights& flights_;
  uint64_t arrivals_ = 0;
  std::map<Name, std::shared_ptr<Lookup>> lookups_;
};

}  // namespace forebay
