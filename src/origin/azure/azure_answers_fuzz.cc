// Whatever the service may answer, and whatever may stand where a credential should: listings come
// out in order and can be named, block lists keep to their upload, and nothing falls over.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>

#include "src/base/assert.h"
#include "src/origin/azure/address.h"
#include "src/origin/azure/blocks.h"
#include "src/origin/azure/credentials.h"
#include "src/origin/azure/listing.h"
#include "src/origin/http/request.h"

namespace {

void CheckListing(std::string_view body) {
  const forebay::ListOptions options{.prefix = "a", .delimiter = "/", .after = "a/b", .limit = 7};
  auto page = forebay::azure::ReadListing(body, options, "p/");
  if (!page) return;
  FB_ASSERT(std::ranges::is_sorted(page->entries, {}, &forebay::ListEntry::key));
  for (const forebay::ListEntry& entry : page->entries) {
    FB_ASSERT(entry.key.starts_with(options.prefix) && entry.key > options.after);
    std::string_view name = entry.key;
    if (entry.is_prefix && name.ends_with('/')) name.remove_suffix(1);
    FB_ASSERT(forebay::http_origin::IsNameable(name));
  }
  const size_t told = page->entries.size();
  FB_ASSERT(forebay::azure::HoldBack(page->entries, page->last).size() + page->entries.size() ==
            told);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  CheckListing(text);
  if (const auto blocks = forebay::azure::ReadBlockList(text)) {
    const std::string upload(32, 'a');
    for (const auto& [number, part] : forebay::azure::StateOf(*blocks, upload).parts) {
      FB_ASSERT(number > 0 && part.part.number == number);
    }
  }
  if (const auto name = forebay::azure::ParseBlockId(text)) {
    FB_ASSERT(forebay::azure::BlockId(*name) == text);
  }
  const auto credential = forebay::azure::CredentialOf(text, "account");
  FB_ASSERT(!credential || !credential->secret.empty());
  return 0;
}
