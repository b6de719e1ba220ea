#include "src/origin/file/listing.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "src/base/utf8.h"
#include "src/origin/file/version.h"

namespace forebay::file_origin {
namespace {

constexpr size_t kReadBatch = 1024;
constexpr size_t kStatBatch = 256;
/// The deeper, the fewer names are kept of a directory, so that all of a path together are bounded.
constexpr size_t kMinSliceNames = 256;
/// A directory this deep without a file on the way is taken to hold one.
constexpr size_t kMaxProbeDepth = 64;

/// "b/" of the directory b, "f" of the file f: what it is sorted by.
std::string OrderOf(const DirectoryEntry& entry) {
  return entry.directory ? entry.name + "/" : entry.name;
}

/// What is no object, or lies at the top of a file system or an origin and is none.
bool IsHidden(std::string_view prefix, const DirectoryEntry& entry) {
  if (!entry.directory && !entry.regular) return true;
  if (!IsUtf8(entry.name)) return true;  // nobody could ask for it
  if (!prefix.empty()) return false;
  // The second is made by mkfs, and only root may look into it.
  return entry.name == kStagingName || (entry.directory && entry.name == "lost+found");
}

/// Keeps the `most` smallest of what is added.
class Smallest {
 public:
  explicit Smallest(size_t most) : most_(most) {}
  void Add(std::string name) {
    names_.push_back(std::move(name));
    if (names_.size() >= 2 * most_) Cut();
  }
  Slice Take() {
    if (names_.size() > most_) Cut();
    std::ranges::sort(names_);
    return {std::move(names_), cut_};
  }

 private:
  void Cut() {
    std::ranges::nth_element(names_, names_.begin() + static_cast<ptrdiff_t>(most_));
    names_.resize(most_);
    cut_ = true;
  }
  const size_t most_;
  std::vector<std::string> names_;
  bool cut_ = false;
};

/// What of the directory of `prefix` comes after `after`; nullopt: nothing.
std::optional<Wanted> WantedIn(std::string prefix, std::string name_prefix, std::string_view after,
                               bool delimited) {
  Wanted wanted{.prefix = std::move(prefix), .name_prefix = std::move(name_prefix)};
  if (!after.starts_with(wanted.prefix)) {
    if (after > wanted.prefix) return std::nullopt;
    return wanted;
  }
  const std::string_view rest = after.substr(wanted.prefix.size());
  const size_t slash = rest.find('/');
  // A directory on the way to `after` has keys before and behind it.
  wanted.inclusive = !delimited && slash != std::string_view::npos;
  wanted.from = wanted.inclusive ? rest.substr(0, slash + 1) : rest;
  return wanted;
}

class TreeWalk {
 public:
  struct Candidate {
    std::string key;
    bool is_prefix = false;
  };

  TreeWalk(const Root& root, SliceCache& cache, Env& env, const ListOptions& options,
           const Call& call)
      : root_(root), cache_(cache), env_(env), options_(options), call_(call) {}

  Task<Result<void>> Begin();
  /// The next key in order; nullopt at the end.
  Task<Result<std::optional<Candidate>>> Next();

 private:
  struct Level {
    Wanted wanted;
    size_t most = 0;  // names of a slice
    SliceRef slice;
    size_t next = 0;
  };

  Task<Result<void>> Enter(std::string prefix, std::string name_prefix);
  Task<Result<SliceRef>> Read(Wanted wanted, size_t most);
  Task<Result<Slice>> Scan(Wanted wanted, size_t most);
  Task<Result<void>> Fill(Level& level);
  Task<Result<std::shared_ptr<Directory>>> Open(std::string prefix);
  Task<Result<bool>> HasAny(std::string prefix);

  const Root& root_;
  SliceCache& cache_;
  Env& env_;
  const ListOptions& options_;
  const Call& call_;
  std::vector<Level> levels_;
};

std::string DirectoryPath(const Root& root, std::string_view prefix) {
  if (prefix.empty()) return root.directory();
  return root.PathOf(prefix.substr(0, prefix.size() - 1));
}

/// Null: it is not there, or no directory any more.
Task<Result<std::shared_ptr<Directory>>> TreeWalk::Open(std::string prefix) {
  auto directory = co_await env_.disk.OpenDirectory(DirectoryPath(root_, prefix));
  if (directory) co_return std::move(*directory);
  if (!IsMissing(directory.error())) co_return root_.Failed(directory.error());
  if (levels_.empty()) FB_CO_TRY(co_await root_.CheckThere(env_));
  co_return std::shared_ptr<Directory>();
}

Task<Result<Slice>> TreeWalk::Scan(Wanted wanted, size_t most) {
  FB_CO_ASSIGN(const auto directory, co_await Open(wanted.prefix));
  Smallest smallest(most);
  while (directory != nullptr) {
    FB_CO_TRY(root_.CheckCall(env_, call_));
    const auto batch = co_await env_.disk.ReadDirectory(*directory, kReadBatch);
    if (!batch) co_return root_.Failed(batch.error());
    if (batch->empty()) break;
    for (const DirectoryEntry& entry : *batch) {
      std::string order = OrderOf(entry);
      const bool right = !IsHidden(wanted.prefix, entry) && wanted.Admits(order) &&
                         wanted.prefix.size() + order.size() <= kMaxKeyBytes;
      if (right) smallest.Add(std::move(order));
    }
  }
  co_return smallest.Take();
}

Task<Result<SliceRef>> TreeWalk::Read(Wanted wanted, size_t most) {
  const std::string path = DirectoryPath(root_, wanted.prefix);
  const auto before = co_await env_.disk.Stat(path);
  const int64_t now_ns = env_.clock.WallNanos();
  if (before) {
    if (SliceRef kept = cache_.Find(wanted, *before)) co_return kept;
  }
  FB_CO_ASSIGN(Slice scanned, co_await Scan(wanted, most));
  auto slice = std::make_shared<const Slice>(std::move(scanned));
  if (!before || slice->names.size() < kMinSliceNames) co_return slice;
  // Only of a directory whose next change will show.
  const auto after = co_await env_.disk.Stat(path);
  const bool settled = now_ns - before->ctime_ns >= kSettleNanos;
  if (settled && after && SameState(*before, *after)) cache_.Keep(wanted, *before, slice);
  co_return slice;
}

/// Takes up the slice that goes on where the level has come to.
Task<Result<void>> TreeWalk::Fill(Level& level) {
  FB_CO_ASSIGN(level.slice, co_await Read(level.wanted, level.most));
  const auto& names = level.slice->names;
  const auto first = level.wanted.inclusive ? std::ranges::lower_bound(names, level.wanted.from)
                                            : std::ranges::upper_bound(names, level.wanted.from);
  level.next = static_cast<size_t>(first - names.begin());
  co_return Result<void>();
}

Task<Result<void>> TreeWalk::Enter(std::string prefix, std::string name_prefix) {
  auto wanted = WantedIn(std::move(prefix), std::move(name_prefix), options_.after,
                         !options_.delimiter.empty());
  if (!wanted) co_return Result<void>();
  const size_t most = std::max(kMinSliceNames, kSliceNames >> std::min<size_t>(levels_.size(), 63));
  Level level{.wanted = std::move(*wanted), .most = most};
  FB_CO_TRY(co_await Fill(level));
  levels_.push_back(std::move(level));
  co_return Result<void>();
}

Task<Result<void>> TreeWalk::Begin() {
  const std::string& prefix = options_.prefix;
  const size_t slash = prefix.rfind('/');
  const size_t split = slash == std::string::npos ? 0 : slash + 1;
  // What is no key's beginning has no keys: "/a", "a//b", "a/../b".
  if (split > 0 && !root_.CheckKey(prefix.substr(0, slash))) co_return Result<void>();
  co_return co_await Enter(prefix.substr(0, split), prefix.substr(split));
}

Task<Result<std::optional<TreeWalk::Candidate>>> TreeWalk::Next() {
  while (!levels_.empty()) {
    Level& level = levels_.back();
    const Slice& slice = *level.slice;
    if (level.next == slice.names.size()) {
      if (!slice.more) {
        levels_.pop_back();
        continue;
      }
      level.wanted.from = slice.names.back();
      level.wanted.inclusive = false;
      FB_CO_TRY(co_await Fill(level));
      continue;
    }
    std::string key = level.wanted.prefix + slice.names[level.next++];
    if (!key.ends_with('/')) co_return Candidate{std::move(key)};
    if (options_.delimiter.empty()) {
      FB_CO_TRY(co_await Enter(std::move(key), ""));
      continue;
    }
    FB_CO_ASSIGN(const bool any, co_await HasAny(key));
    if (any) co_return Candidate{std::move(key), true};
  }
  co_return std::nullopt;
}

/// Whether there is an object under `prefix`: directories without any are not told.
Task<Result<bool>> TreeWalk::HasAny(std::string prefix) {
  struct Open {
    std::string prefix;
    std::shared_ptr<Directory> directory;
    std::vector<DirectoryEntry> entries;
  };
  std::vector<Open> path;
  FB_CO_ASSIGN(auto first, co_await this->Open(prefix));
  if (first != nullptr) path.push_back({std::move(prefix), std::move(first), {}});
  while (!path.empty() && path.size() <= kMaxProbeDepth) {
    FB_CO_TRY(root_.CheckCall(env_, call_));
    if (path.back().entries.empty()) {
      auto batch = co_await env_.disk.ReadDirectory(*path.back().directory, kStatBatch);
      if (!batch) co_return root_.Failed(batch.error());
      const bool found = std::ranges::any_of(*batch, &DirectoryEntry::regular);
      if (found) co_return true;
      if (batch->empty()) {
        path.pop_back();
        continue;
      }
      path.back().entries = std::move(*batch);
    }
    const DirectoryEntry entry = std::move(path.back().entries.back());
    path.back().entries.pop_back();
    if (!entry.directory) continue;
    std::string below = path.back().prefix + entry.name + "/";
    FB_CO_ASSIGN(auto directory, co_await this->Open(below));
    if (directory != nullptr) path.push_back({std::move(below), std::move(directory), {}});
  }
  co_return !path.empty();
}

/// Adds those of `candidates` that are there, and what they are.
Task<Result<void>> AddToPage(const Root& root, Env& env,
                             std::vector<TreeWalk::Candidate> candidates, ListPage& page) {
  std::vector<std::string> paths;
  for (const auto& candidate : candidates) {
    if (!candidate.is_prefix) paths.push_back(root.PathOf(candidate.key));
  }
  std::vector<Result<FileInfo>> infos;
  if (!paths.empty()) {
    FB_CO_ASSIGN(infos, co_await env.disk.StatMany(std::move(paths)));
  }
  auto info = infos.begin();
  for (auto& candidate : candidates) {
    if (candidate.is_prefix) {
      page.entries.push_back({.key = std::move(candidate.key), .is_prefix = true});
      continue;
    }
    const Result<FileInfo>& found = *info++;
    if (!found && !IsMissing(found.error())) co_return root.Failed(found.error());
    if (!found || !found->regular) continue;  // removed or replaced meanwhile
    page.entries.push_back({.key = std::move(candidate.key), .info = ObjectOf(*found)});
  }
  co_return Result<void>();
}

}  // namespace

Task<Result<ListPage>> ListObjects(const Root& root, SliceCache& cache, Env& env,
                                   ListOptions options, Call call) {
  FB_CO_TRY(root.CheckCall(env, call));
  if (!options.delimiter.empty() && options.delimiter != "/") {
    co_return root.Failed(Code::kUnsupported,
                          fmt::format("delimiter '{}': a file system has '/'", options.delimiter));
  }
  const size_t limit = std::clamp<uint32_t>(options.limit, 1, kMaxListLimit);
  TreeWalk walk(root, cache, env, options, call);
  FB_CO_TRY(co_await walk.Begin());
  ListPage page;
  std::optional<TreeWalk::Candidate> next;
  FB_CO_ASSIGN(next, co_await walk.Next());
  while (next && page.entries.size() < limit) {
    std::vector<TreeWalk::Candidate> batch;
    const size_t most = std::min(kStatBatch, limit - page.entries.size());
    while (next && batch.size() < most) {
      batch.push_back(std::move(*next));
      FB_CO_ASSIGN(next, co_await walk.Next());
    }
    FB_CO_TRY(co_await AddToPage(root, env, std::move(batch), page));
  }
  page.more = next.has_value();
  co_return page;
}

}  // namespace forebay::file_origin
