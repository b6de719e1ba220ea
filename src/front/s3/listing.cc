#include "src/front/s3/listing.h"

#include <fmt/format.h>

#include "src/runtime/task_group.h"

namespace forebay::s3door {
namespace {

constexpr uint32_t kPage = 1000;
constexpr size_t kParallel = 16;
/// The last of all characters: sorts behind whatever may follow a prefix.
constexpr std::string_view kLastCharacter = "\xf4\x8f\xbf\xbf";

/// The common prefix that `key` is part of; "": it stands for itself.
std::string GroupOf(std::string_view key, const ListQuery& query) {
  if (query.delimiter.empty()) return {};
  const size_t at = key.find(query.delimiter, query.prefix.size());
  return at == key.npos ? std::string() : std::string(key.substr(0, at + query.delimiter.size()));
}

class Lister {
 public:
  Lister(Exchange& x, ListQuery query) : x_(x), query_(std::move(query)), after_(query_.after) {}

  Task<Outcome<Listed>> Run() {
    // A page that begins behind a group, or within it, tells nothing of it any more.
    const bool within = after_.size() > query_.prefix.size() && after_.starts_with(query_.prefix);
    if (const std::string group = within ? GroupOf(after_, query_) : ""; !group.empty()) {
      last_group_ = group;
      after_ = group + std::string(kLastCharacter);
    } else {
      after_ = StoredKey(after_);
    }
    for (bool more = true; more && !listed_.more;) {
      FB_CO_ASSIGN(const ListPage page, co_await NextPage());
      more = page.more && !page.entries.empty();
      for (const ListEntry& entry : page.entries) {
        if (!Take(entry)) break;
      }
      // Whether what follows is all of one group, and told already, only grouping here can tell.
      const bool full = listed_.entries.size() == query_.limit;
      if (full && more && (node_groups() || query_.delimiter.empty())) listed_.more = true;
    }
    co_return std::move(listed_);
  }

 private:
  /// What the node can group itself, it groups: it need not look at what lies below.
  bool node_groups() const { return query_.delimiter == "/"; }

  Task<Outcome<ListPage>> NextPage() {
    ListOptions options{.prefix = query_.prefix,
                        .delimiter = node_groups() ? "/" : "",
                        .after = after_,
                        .limit = std::min(kPage, query_.limit + 1)};
    Trace trace;
    auto page = co_await x_.node().List(*x_.who, "/" + x_.request.bucket, std::move(options),
                                        x_.call(), &trace);
    if (!page) co_return std::unexpected(ObjectError(x_, page.error()));
    if (!page->entries.empty()) {
      const ListEntry& last = page->entries.back();
      const std::string group = last.is_prefix ? "" : GroupOf(ShownKey(last.key), query_);
      after_ = group.empty() ? last.key : group + std::string(kLastCharacter);
    }
    co_return std::move(*page);
  }

  /// False: the rest of the page is of no use.
  bool Take(const ListEntry& entry) {
    const std::string key(entry.is_prefix ? entry.key : ShownKey(entry.key));
    const std::string group = entry.is_prefix ? key : GroupOf(key, query_);
    if (!group.empty() && group == last_group_) return true;
    if (listed_.entries.size() == query_.limit) {
      listed_.more = true;
      return false;
    }
    if (group.empty()) {
      listed_.entries.push_back({.key = key, .info = entry.info});
    } else {
      listed_.entries.push_back({.key = group, .info = {}, .is_prefix = true});
      last_group_ = group;
    }
    return true;
  }

  Exchange& x_;
  const ListQuery query_;
  std::string after_;
  std::string last_group_;
  Listed listed_;
};

/// Entries whose ETags are being asked for, by several at once.
struct EtagsAsked {
  Exchange& x;
  std::vector<ListEntry>& entries;
  size_t next = 0;
};

Task<void> AskForEtags(EtagsAsked& asked) {
  while (asked.next < asked.entries.size()) {
    ListEntry& entry = asked.entries[asked.next++];
    if (entry.is_prefix) continue;
    Exchange& x = asked.x;
    std::string path = fmt::format("/{}/{}", x.request.bucket, StoredKey(entry.key));
    const auto handle = co_await OpenObject(x, std::move(path), false);
    // Who may list and not read is told the origin's own; so is one of what has changed meanwhile.
    const bool same = handle && ObjectOf(**handle).info.etag == entry.info.etag;
    Result<std::string> etag = ShownEtag(entry.info.etag);
    if (same) etag = co_await EtagOf(x, *handle);
    entry.info.etag = etag ? *etag : ShownEtag(entry.info.etag);
  }
}

/// A listing tells the same ETags as a HEAD does.
Task<void> ShowEtags(Exchange& x, const Attachment& bucket, Listed& listed) {
  const OriginCapabilities& origin = bucket.origin->capabilities();
  if (!origin.late_attributes || origin.md5_in_etag) {
    for (ListEntry& entry : listed.entries) entry.info.etag = ShownEtag(entry.info.etag);
    co_return;
  }
  EtagsAsked asked{.x = x, .entries = listed.entries};
  TaskGroup group(x.env().executor);
  for (size_t i = 0; i < std::min(kParallel, listed.entries.size()); ++i) {
    group.Spawn(AskForEtags(asked));
  }
  co_await group.Join();
}

}  // namespace

Task<Outcome<Listed>> ListNames(Exchange& x, ListQuery query) {
  FB_CO_ASSIGN(const auto bucket, BucketOf(x, kList));
  if (query.limit == 0 || !CheckPrefix(query.prefix)) co_return Listed{};
  Lister lister(x, std::move(query));
  FB_CO_ASSIGN(Listed listed, co_await lister.Run());
  co_await ShowEtags(x, *bucket, listed);
  co_return listed;
}

}  // namespace forebay::s3door
