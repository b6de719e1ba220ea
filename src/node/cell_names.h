// Names have owners, as chunks have: in a cell the owner looks a name up for all, lets them believe
// the answer for a while, and tells them when a write has changed it, before the writer has its
// answer. Whom it cannot reach it waits for: no lease is longer than kNameLease.
#pragma once

#include <memory>
#include <string>

#include "src/core/names/name_leases.h"
#include "src/node/listings.h"
#include "src/node/lookups.h"

namespace forebay {

/// Used from the node's loop. Does nothing where the node stands alone.
class CellNames {
 public:
  CellNames(NodeContext& context, Lookups& lookups, Listings& listings)
      : context_(context), lookups_(lookups), listings_(listings) {}

  /// For another node, which will be told of writes.
  Task<Result<KnownName>> Resolve(std::shared_ptr<const Attachment> attachment, std::string key,
                                  Lookups::Purpose purpose, std::string asker, Call call,
                                  Trace* trace);
  /// A write went past what this node knows of the name; `pass_on`: and what others know from it.
  Task<Result<void>> Forget(std::shared_ptr<const Attachment> attachment, std::string key,
                            bool pass_on);
  /// The same of pages that may tell of the name, where this node is taken for the owner of a
  /// folder that it is in: the first `folder_bytes` of it.
  Task<Result<void>> ForgetPages(AttachmentId attachment, std::string key, size_t folder_bytes);
  /// After a write here: returns when nobody in the cell takes the name for what it was, and no
  /// listing does. An error: the node ended before it could be sure.
  Task<Result<void>> Revoke(std::shared_ptr<const Attachment> attachment, std::string key);

 private:
  /// Whoever could not be told, and until when that matters.
  struct Telling {
    int64_t wait_until = 0;
  };
  bool MovedLately(Instant now) const;
  Task<Result<void>> RevokeName(AttachmentId attachment, std::string key);
  Task<void> TellFolder(uint32_t owner, AttachmentId attachment, const std::string* key,
                        size_t folder_bytes, Telling* telling);
  Task<void> Tell(uint32_t node, AttachmentId attachment, const std::string* key, int64_t until,
                  Telling* telling);
  /// For the leases of whoever could not be told.
  Task<Result<void>> AwaitEnd(Telling telling);
  Task<Result<void>> TellHolders(AttachmentId attachment, std::string key);
  Task<Result<void>> TellAll(AttachmentId attachment, std::string key, int64_t until);
  Task<void> TellAllInto(AttachmentId attachment, std::string key, int64_t until, Telling* telling);

  NodeContext& context_;
  Lookups& lookups_;
  Listings& listings_;
  NameLeases leases_;
};

}  // namespace forebay
