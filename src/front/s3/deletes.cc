// DeleteObject and DeleteObjects.
#include <fmt/format.h>

#include "src/front/s3/write_request.h"
#include "src/front/s3/writing.h"
#include "src/runtime/task_group.h"

namespace forebay::s3door {
namespace {

constexpr size_t kMaxListBytes = size_t{4} << 20;
/// Of one request, at the same time.
constexpr size_t kParallel = 16;

/// `etag`: as shown, "*" or a list of them; "": whatever is there. What was not there is removed.
Task<Outcome<void>> Delete(Exchange& x, std::string key, std::string etag) {
  key = StoredKey(key);
  const std::string path = fmt::format("/{}/{}", x.request.bucket, key);
  // What cannot be a key cannot be there.
  if (!CheckKey(key)) co_return Outcome<void>();
  Condition condition;
  if (!etag.empty()) {
    const auto handle = co_await OpenObject(x, path, true);
    if (!handle) co_return std::unexpected(ObjectError(x, handle.error()));
    condition.if_match = ObjectOf(**handle).info.etag;
    const auto shown = co_await EtagOf(x, *handle);
    if (!shown) co_return std::unexpected(ObjectError(x, shown.error()));
    if (!NamesEtag(etag, *shown)) {
      co_return Refuse(kinds::kPreconditionFailed);
    }
  }
  const auto removed = co_await x.node().Delete(*x.who, path, std::move(condition), x.call());
  if (removed || removed.error().code() == Code::kNotFound) co_return Outcome<void>();
  co_return std::unexpected(ObjectError(x, removed.error()));
}

struct Batch {
  Exchange& x;
  const DeleteList& list;
  std::vector<Outcome<void>> results;
  size_t next = 0;
};

Task<void> DeleteSome(Batch& batch) {
  while (batch.next < batch.list.items.size()) {
    const size_t mine = batch.next++;
    const DeleteList::Item& item = batch.list.items[mine];
    if (!item.version.empty() && item.version != "null") {
      batch.results[mine] = Refuse(kinds::kNoSuchVersion);
      continue;
    }
    batch.results[mine] = co_await Delete(batch.x, item.key, item.etag);
  }
}

}  // namespace

Task<Answer> DeleteObject(Exchange& x) {
  FB_CO_TRY(BucketOf(x, kWrite));
  const std::string version = x.request.QueryOr("versionId", "null");
  if (version != "null") {
    S3Error error(kinds::kNoSuchVersion);
    co_return std::unexpected(std::move(error.With("VersionId", version)));
  }
  FB_CO_TRY(co_await Delete(x, x.request.key, std::string(x.request.Header("If-Match"))));
  co_return Reply::Empty(204);
}

Task<Answer> DeleteObjects(Exchange& x) {
  FB_CO_TRY(BucketOf(x, kWrite));
  FB_CO_ASSIGN(const auto payload, OpenPayload(x));
  FB_CO_ASSIGN(const std::string body, co_await payload->ReadAll(kMaxListBytes, x.cancel));
  FB_CO_ASSIGN(const DeleteList list, ReadDeleteList(body));
  Batch batch{.x = x, .list = list, .results = std::vector<Outcome<void>>(list.items.size())};
  TaskGroup group(x.env().executor);
  for (size_t i = 0; i < std::min(kParallel, list.items.size()); ++i) {
    group.Spawn(DeleteSome(batch));
  }
  co_await group.Join();
  XmlWriter xml;
  xml.Root("DeleteResult");
  for (size_t i = 0; i < list.items.size(); ++i) {
    const DeleteList::Item& item = list.items[i];
    if (batch.results[i] && list.quiet) continue;
    xml.Open(batch.results[i] ? "Deleted" : "Error").Text("Key", item.key);
    if (!item.version.empty()) xml.Text("VersionId", item.version);
    if (!batch.results[i]) {
      const S3Error& error = batch.results[i].error();
      xml.Text("Code", error.kind.code).Text("Message", error.text());
    }
    xml.Close(batch.results[i] ? "Deleted" : "Error");
  }
  co_return Reply::Xml(xml.Close("DeleteResult").Take());
}

}  // namespace forebay::s3door
