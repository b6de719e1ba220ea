// Pages of listings, asked for once for all who list the same, and kept while they are fresh: the
// second epoch of a training lists nothing.
#pragma once

#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "src/node/lookups.h"

namespace forebay {

/// A page in a fraction of its memory: each key behind what it shares with the one before it.
class PackedPage {
 public:
  static PackedPage Of(const ListPage& page);
  ListPage Unpack() const;
  uint64_t bytes() const { return text_.size(); }

 private:
  bool more_ = false;
  uint32_t entries_ = 0;
  std::string text_;
};

/// Used from the node's loop.
class Listings {
 public:
  Listings(NodeContext& context, const Lookups& lookups)
      : context_(context),
        lookups_(lookups),
        capacity_bytes_(context.options.metadata_bytes / kShare) {}

  /// So much of the metadata's memory is for pages; the rest is for names.
  static constexpr uint64_t kShare = 4;
  /// What is not fresh for so long is not asked for ahead of its reader.
  static constexpr Duration kLeastFreshAhead = std::chrono::seconds(5);

  /// In a cell the owner of the folder is asked, who lists it for all.
  Task<Result<ListPage>> Page(std::shared_ptr<const Attachment> attachment, ListOptions options,
                              Call call, Trace* trace);
  /// As that owner, or alone. What the names of the page mean is known to the metadata cache
  /// afterwards.
  Task<Result<ListPage>> PageHere(std::shared_ptr<const Attachment> attachment, ListOptions options,
                                  Call call, Trace* trace);
  /// Around every write and removal: pages that may tell of `key` are of no more use, neither those
  /// that are kept nor those that are on their way.
  void Changed(AttachmentId attachment, std::string_view key);
  /// All pages that may tell of keys with this prefix.
  void Forget(AttachmentId attachment, std::string_view prefix);

  uint64_t bytes() const { return bytes_; }
  uint64_t pages() const { return pages_.size(); }

 private:
  struct Question {
    AttachmentId attachment = 0;
    ListOptions options;
    bool operator<(const Question& other) const;
  };
  struct Kept {
    PackedPage page;
    std::string last;  // up to which key it tells; "" where it tells all that follow `after`
    Instant fresh_until;
    std::list<const Question*>::iterator age;
  };
  struct Asking {
    Hash128 trace;  // of the request that it began for
    Instant asked{};
    bool outdated = false;  // a write has overtaken it
    bool done = false;
    Result<ListPage> answer;
    Waiters waiters;
  };
  using Pages = std::map<Question, Kept>;

  enum class Sharing : uint8_t {
    kNone,  // every answer is for one
    kTold,  // this node hears of writes
    kEver,  // nothing changes
  };
  /// Whoever comes now may be given its answer.
  bool MayJoin(const Attachment& attachment, const ListOptions& options,
               const Asking& asking) const;
  Sharing SharingOf(const Attachment& attachment, const ListOptions& options, Instant asked) const;
  Instant KeepUntil(const Attachment& attachment, Sharing sharing, Instant asked) const;
  std::optional<ListPage> FreshPage(const Question& question);
  Task<Result<ListPage>> AskOwner(uint32_t owner, AttachmentId attachment, ListOptions options,
                                  Call call);
  void Learn(const Attachment& attachment, const ListPage& page, Instant asked,
             NameCache::Ticket ticket);
  std::shared_ptr<Asking> Begin(std::shared_ptr<const Attachment> attachment,
                                const Question& question, const Call& call);
  void ReadAhead(const std::shared_ptr<const Attachment>& attachment, Question question,
                 const ListPage& page, const Call& call);
  Task<Result<ListPage>> Ask(std::shared_ptr<const Attachment> attachment, ListOptions options,
                             std::shared_ptr<Asking> asking);
  Task<void> Run(std::shared_ptr<const Attachment> attachment, Question question, Sharing sharing,
                 std::shared_ptr<Asking> asking);
  template <class Is>
  void Outdate(AttachmentId attachment, const Is& is);
  static bool GoesOn(const Pages::value_type& before, const Question& question);
  static Question FirstOf(AttachmentId attachment);
  static bool MayTell(const Question& question, const Kept* kept, std::string_view key);
  static uint64_t BytesOf(const Question& question, const Kept& kept);
  void Keep(const Question& question, const ListPage& page, Instant fresh_until);
  void Drop(Pages::iterator page);

  NodeContext& context_;
  const Lookups& lookups_;
  const uint64_t capacity_bytes_;
  uint64_t bytes_ = 0;
  Pages pages_;
  std::list<const Question*> by_age_;  // the one asked for longest ago first
  std::map<Question, std::shared_ptr<Asking>> asking_;
};

}  // namespace forebay
