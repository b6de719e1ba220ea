// Listings: pages of the service, brought into the order of bytes.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "src/origin/azure/azure_origin.h"
#include "src/origin/http/bell.h"
#include "src/origin/http/request.h"
#include "src/runtime/task_group.h"

namespace forebay {

using http_origin::CheckCall;

namespace {

constexpr size_t kMostAhead = 8;  // directories that are asked for at a time

/// "a/b/" of "a/b/c", "" of "a".
std::string DirectoryOf(std::string_view name) {
  return std::string(name.substr(0, name.rfind('/') + 1));
}

/// One directory on the way through a hierarchical account.
struct Level {
  std::string directory;
  std::string after;
  ListPage page{.more = true};  // there may be one
  size_t at = 0;                // of its entries
};

}  // namespace

Task<Result<azure::ListAnswer>> AzureOrigin::ListOnce(Env& env, ListOptions options,
                                                      azure::Place place, Call call) {
  const azure::Address& address = container_.address();
  const auto body =
      co_await container_.List(env, azure::ListQuery(options, address.prefix, place), call);
  if (!body && body.error().code() == Code::kNotFound) {
    // A listing finds its container or it does not; nothing of it can be "not there".
    co_return Named("listing", Error(Code::kInvalidArgument, body.error().message()));
  }
  if (!body) co_return Named("listing", body.error());
  auto answer = azure::ReadListing(*body, options, address.prefix);
  if (answer) co_return answer;
  co_return Named("listing", Error(answer.error().code(),
                                   fmt::format("{} does not answer as Blob does; is ?endpoint= "
                                               "right? ({})",
                                               address.endpoint, answer.error().message())));
}

Task<Result<ListPage>> AzureOrigin::ListLevel(Env& env, ListOptions options, Call call) {
  ListPage page;
  azure::Place place = markers_.Find(options);
  for (;;) {
    FB_CO_ASSIGN(azure::ListAnswer answer, co_await ListOnce(env, options, place, call));
    hierarchical_ |= answer.hierarchical;
    if (hierarchical_ && options.delimiter.empty()) co_return co_await Walk(env, options, call);
    page.entries = std::move(answer.entries);
    page.more = !answer.marker.empty();
    azure::Place next{.marker = std::move(answer.marker), .exact = true};
    for (const std::string& prefix : place.held) {
      if (prefix > options.after) page.entries.push_back({.key = prefix, .is_prefix = true});
    }
    if (!place.held.empty()) std::ranges::sort(page.entries, {}, &ListEntry::key);
    if (hierarchical_ && page.more) next.held = azure::HoldBack(page.entries, answer.last);
    if (page.entries.size() > options.limit) {
      page.entries.resize(options.limit);
      page.more = true;
      next = {.marker = place.marker, .exact = false, .held = place.held};
    }
    if (!page.more) co_return page;
    if (!page.entries.empty()) {
      markers_.Keep(options, page.entries.back().key, std::move(next));
      co_return page;
    }
    // Nothing but names that were told or that we cannot name: the caller could not go on.
    next.exact = place.exact;
    place = std::move(next);
  }
}

/// First pages of directories that a walk will come to. More of them are asked for at a time as
/// long as directories turn out to be small, and no more than there is room for on its page.
struct AzureOrigin::Ahead {
  Ahead(Env& env, uint32_t limit) : most_names(limit), group(env.executor) {}

  /// `taken`: names that the walk's page has.
  std::optional<std::string> Next(const std::vector<Level>& levels, size_t taken) const;
  void Came(const ListPage& page) {
    ++directories;
    names += static_cast<uint64_t>(std::ranges::count(page.entries, false, &ListEntry::is_prefix));
    width = page.more ? 1 : std::min(width * 2, kMostAhead);
  }

  const uint32_t most_names;  // of the walk's page
  uint64_t directories = 0;
  uint64_t names = 0;  // in their first pages
  size_t width = 1;
  std::map<std::string, std::optional<Result<ListPage>>, std::less<>> pages;  // nullopt: on its way
  http_origin::Bell bell;
  CancelSource stop;
  TaskGroup group;  // ends before all else
};

/// The first directory on the walk's way that nobody has asked for, if it is time to.
std::optional<std::string> AzureOrigin::Ahead::Next(const std::vector<Level>& levels,
                                                    size_t taken) const {
  const size_t coming = pages.size() + (pages.contains(levels.back().directory) ? 0 : 1);
  if (coming >= width) return std::nullopt;
  const uint64_t usual = directories == 0 ? most_names : names / directories;
  if (taken + coming * usual >= most_names) return std::nullopt;
  for (auto level = levels.rbegin(); level != levels.rend(); ++level) {
    for (size_t at = level->at; at < level->page.entries.size(); ++at) {
      const ListEntry& entry = level->page.entries[at];
      if (entry.is_prefix && !pages.contains(entry.key)) return entry.key;
    }
  }
  return std::nullopt;
}

Task<void> AzureOrigin::ListAhead(Env& env, std::string directory, Ahead& ahead, Call call) {
  auto page = co_await ListLevel(
      env, {.prefix = directory, .delimiter = "/", .after = {}, .limit = ahead.most_names}, call);
  ahead.pages[directory] = std::move(page);
  ahead.bell.Ring();
}

Task<Result<ListPage>> AzureOrigin::Walk(Env& env, ListOptions options, Call call) {
  Ahead ahead(env, options.limit);
  CancelListener listener;
  const auto stop = [](void* source) { static_cast<CancelSource*>(source)->Cancel(); };
  if (!call.cancel.Listen(listener, stop, &ahead.stop)) ahead.stop.Cancel();
  const Call linked{call.deadline, ahead.stop.token(), call.trace};
  auto page = co_await WalkOn(env, std::move(options), ahead, linked);
  ahead.stop.Cancel();
  co_await ahead.group.Join();
  co_return page;
}

Task<Result<ListPage>> AzureOrigin::WalkOn(Env& env, ListOptions options, Ahead& ahead, Call call) {
  const std::string top = DirectoryOf(options.prefix);
  const bool inside = options.after.starts_with(options.prefix);
  std::vector<Level> levels;
  levels.push_back(
      {.directory = inside ? DirectoryOf(options.after) : top, .after = options.after});
  ListPage page;
  for (;;) {
    Level& level = levels.back();
    if (level.at < level.page.entries.size()) {
      if (page.entries.size() == options.limit) {
        page.more = true;
        co_return page;
      }
      ListEntry& entry = level.page.entries[level.at++];
      level.after = entry.key;
      if (entry.is_prefix) {
        levels.push_back({.directory = entry.key});
      } else {
        page.entries.push_back(std::move(entry));
      }
    } else if (level.page.more) {
      while (auto next = ahead.Next(levels, page.entries.size())) {
        ahead.pages[*next] = std::nullopt;
        ahead.group.Spawn(ListAhead(env, *std::move(next), ahead, call));
      }
      const bool first = level.after.empty();
      if (const auto coming = ahead.pages.find(level.directory);
          first && coming != ahead.pages.end()) {
        // It ends by itself at the latest when the call does.
        while (!coming->second) static_cast<void>(co_await ahead.bell.Wait(env, {}));
        auto came = *std::move(coming->second);
        ahead.pages.erase(coming);
        if (!came) co_return Fail(came.error());
        level.page = *std::move(came);
      } else {
        const auto room = static_cast<uint32_t>(options.limit - page.entries.size());
        FB_CO_ASSIGN(
            level.page,
            co_await ListLevel(env,
                               {.prefix = level.directory == top ? options.prefix : level.directory,
                                .delimiter = "/",
                                .after = level.after,
                                .limit = std::max(room, 1u)},
                               call));
      }
      level.at = 0;
      if (first) ahead.Came(level.page);
    } else {
      const std::string done = level.directory;
      levels.pop_back();
      if (done == top) co_return page;
      // Where the listing begins in the middle, what lies above was not read yet.
      const std::string_view name = std::string_view(done).substr(0, done.size() - 1);
      if (levels.empty()) levels.push_back({.directory = DirectoryOf(name), .after = done});
    }
  }
}

Task<Result<ListPage>> AzureOrigin::List(Env& env, ListOptions options, Call call) {
  FB_CO_TRY(CheckCall(env, call));
  if (options.after > options.prefix && !options.after.starts_with(options.prefix)) {
    co_return ListPage();
  }
  if (hierarchical_ && options.delimiter.empty()) {
    co_return co_await Walk(env, std::move(options), call);
  }
  co_return co_await ListLevel(env, std::move(options), call);
}

}  // namespace forebay
