// Whatever etcd, or somebody in its place, answers: it is taken or refused, bounded; a stream means
// the same however it is cut; and what was taken holds together.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "src/base/assert.h"
#include "src/registry/etcd/etcd_url.h"
#include "src/registry/etcd/gateway.h"
#include "src/registry/etcd/json.h"
#include "src/registry/etcd/object_splitter.h"

namespace {

using namespace forebay;        // NOLINT(google-build-using-namespace): a program of one file
using namespace forebay::etcd;  // NOLINT(google-build-using-namespace): the same

constexpr size_t kMost = 4096;

/// The objects of a stream that comes in pieces of `piece` bytes, and "!" where it is broken.
std::vector<std::string> Split(std::string_view stream, size_t piece) {
  ObjectSplitter splitter(kMost);
  std::vector<std::string> objects;
  for (size_t at = 0; at < stream.size(); at += piece) {
    splitter.Add(stream.substr(at, piece));
    for (;;) {
      const auto object = splitter.Next();
      if (!object) {
        objects.push_back("!");
        return objects;
      }
      if (!*object) break;
      FB_ASSERT((*object)->size() <= kMost && (*object)->front() == '{');
      objects.push_back(**object);
    }
  }
  return objects;
}

void ReadAll(std::string_view text) {
  if (ReadRange(text)) FB_ASSERT(Json::Parse(text).value().is_object());
  if (const auto message = ReadWatch(text)) {
    for (const RegistryChange& change : message->changes) {
      FB_ASSERT(change.entry.key.size() <= text.size());
    }
  }
  static_cast<void>(ReadTxn(text));
  if (const auto lease = ReadGrant(text)) FB_ASSERT(*lease != 0);
  static_cast<void>(ReadKeepAlive(text));
  if (const auto token = ReadAuthenticate(text)) FB_ASSERT(!token->empty());
  for (const int status : {400, 401, 404, 503}) {
    const Refusal refusal = ReadRefusal(status, text);
    FB_ASSERT(refusal.error.message().size() < 1000);
    FB_ASSERT(refusal.next != Refusal::Next::kElsewhere || IsRetryable(refusal.error.code()));
  }
  if (const auto url = EtcdUrl::Parse(text)) {
    FB_ASSERT(!url->endpoints.empty() && url->endpoints.size() <= kMaxEtcdEndpoints);
    FB_ASSERT(!url->cell.empty() && url->cell.find('/') == std::string::npos);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  ReadAll(input);
  const std::vector<std::string> whole = Split(input, std::max<size_t>(1, size));
  FB_ASSERT(Split(input, 1) == whole && Split(input, 7) == whole);
  for (const std::string& object : whole) ReadAll(object);
  // What we say ourselves is JSON, whatever the keys and values are.
  const std::string key(input.substr(0, size / 2)), value(input.substr(size / 2));
  FB_ASSERT(Json::Parse(PutBody(key, value, Expect::Absent(), 7)).has_value());
  const auto body = Json::Parse(AuthenticateBody(key, value));
  FB_ASSERT(body.has_value());
  const auto watch = Json::Parse(WatchBody(key, 1)).value().Get("create_request");
  FB_ASSERT(watch.Get("key").Binary().value() == key);
  return 0;
}
