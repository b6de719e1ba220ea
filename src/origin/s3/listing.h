// One page of a listing: what is asked, and what the answer says.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "src/origin/origin.h"

namespace forebay::s3 {

/// The query; `token` continues a page that was told before. `base` is the origin's prefix.
std::string ListQuery(const ListOptions& options, std::string_view base, std::string_view token);

struct ListAnswer {
  std::vector<ListEntry> entries;  // relative to `base`, in byte order, only what can be named
  bool truncated = false;
  std::string token;  // where it goes on; given whenever it is truncated
};
/// kCorrupt: this is no listing. Entries that were not asked for (before `options.after`, which
/// stores disagree about with a delimiter) are left out.
Result<ListAnswer> ReadListing(std::string_view body, const ListOptions& options,
                               std::string_view base);

/// One page of ListMultipartUploads.
struct UploadsAnswer {
  std::vector<PendingUpload> uploads;  // as ListAnswer's entries, in the order in which they came
  bool truncated = false;
  std::string next_key;  // where it goes on, with the prefix
  std::string next_id;
};
/// kCorrupt: this is no list of uploads.
Result<UploadsAnswer> ReadUploads(std::string_view body, std::string_view base);

}  // namespace forebay::s3
