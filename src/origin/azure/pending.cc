// Which uploads in parts are pending. The service lists blobs that have only blocks, among all
// others; whose blocks these are, each blob is asked.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "src/origin/azure/azure_origin.h"
#include "src/origin/azure/blocks.h"
#include "src/origin/http/request.h"
#include "src/runtime/task_group.h"

namespace forebay {
namespace {

/// Of one answer: more would take minutes, and requests that readers need.
constexpr uint32_t kMostPages = 40;
constexpr size_t kMostAsked = 10'000;
constexpr size_t kParallel = 16;

Error TooMany() {
  return Error(Code::kOverloaded,
               "too many objects lie there to find the uploads among them; name a longer prefix");
}

}  // namespace

struct AzureOrigin::Asking {
  std::vector<std::string> keys;
  size_t next = 0;
  std::vector<PendingUpload> found;
  Result<void> done;
};

Task<Result<std::vector<std::string>>> AzureOrigin::Unfinished(Env& env, std::string prefix,
                                                               Call call) {
  const std::string& base = container_.address().prefix;
  std::vector<std::string> keys;
  std::string marker;
  for (uint32_t pages = 0;; ++pages) {
    if (pages == kMostPages) co_return Fail(TooMany());
    FB_CO_ASSIGN(
        const std::string body,
        co_await container_.List(env, azure::UnfinishedQuery(base + prefix, marker), call));
    FB_CO_ASSIGN(azure::UnfinishedAnswer answer, azure::ReadUnfinished(body, base));
    std::ranges::move(answer.keys, std::back_inserter(keys));
    if (keys.size() > kMostAsked) co_return Fail(TooMany());
    if (answer.marker.empty()) co_return keys;
    marker = std::move(answer.marker);
  }
}

Task<void> AzureOrigin::AskForUploads(Env& env, Asking& asking, Call call) {
  const azure::Address& address = container_.address();
  while (asking.done && asking.next < asking.keys.size()) {
    const std::string key = asking.keys[asking.next++];
    const auto blocks = co_await container_.Blocks(env, key, call);
    if (!blocks) {
      asking.done = Fail(blocks.error());
      break;
    }
    for (PendingUpload& upload : azure::PendingOf(*blocks)) {
      // Blocks that were copied from elsewhere belong to nobody here.
      if (!azure::IsUploadId(upload.id, address.ContainerUrl(), address.BlobName(key))) continue;
      upload.key = key;
      asking.found.push_back(std::move(upload));
    }
  }
}

Task<Result<std::vector<PendingUpload>>> AzureOrigin::ListUploads(Env& env, std::string prefix,
                                                                  Call call) {
  FB_CO_TRY(http_origin::CheckCall(env, call));
  auto keys = co_await Unfinished(env, std::move(prefix), call);
  if (!keys) co_return Named("uploads", keys.error());
  Asking asking{.keys = std::move(*keys)};
  TaskGroup group(env.executor);
  for (size_t i = 0; i < std::min(kParallel, asking.keys.size()); ++i) {
    group.Spawn(AskForUploads(env, asking, call));
  }
  co_await group.Join();
  if (!asking.done) co_return Named("uploads", asking.done.error());
  co_return std::move(asking.found);
}

}  // namespace forebay
