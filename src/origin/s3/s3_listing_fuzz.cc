// Whatever a store may answer to a listing, of objects or of uploads: what comes out is in order,
// was asked for, and can be named.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>

#include "src/base/assert.h"
#include "src/origin/http/request.h"
#include "src/origin/s3/address.h"
#include "src/origin/s3/listing.h"

namespace {

void CheckUploads(std::string_view body) {
  const auto page = forebay::s3::ReadUploads(body, "p/");
  if (!page) return;
  FB_ASSERT(!page->truncated || !page->next_key.empty());
  for (const forebay::PendingUpload& upload : page->uploads) {
    FB_ASSERT(forebay::http_origin::IsNameable(upload.key) && !upload.id.empty());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view body(reinterpret_cast<const char*>(data), size);
  CheckUploads(body);
  const forebay::ListOptions options{.prefix = "a", .delimiter = "/", .after = "a/b", .limit = 7};
  const auto page = forebay::s3::ReadListing(body, options, "p/");
  if (!page) return 0;
  FB_ASSERT(std::ranges::is_sorted(page->entries, {}, &forebay::ListEntry::key));
  FB_ASSERT(!page->truncated || !page->token.empty());
  for (const forebay::ListEntry& entry : page->entries) {
    FB_ASSERT(entry.key.starts_with(options.prefix) && entry.key > options.after);
    std::string_view name = entry.key;
    if (entry.is_prefix && name.ends_with('/')) name.remove_suffix(1);
    FB_ASSERT(forebay::http_origin::IsNameable(name));
  }
  return 0;
}
