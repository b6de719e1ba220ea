// What the headers and bodies of writing requests ask for. Pure.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "src/front/s3/request.h"

namespace forebay::s3door {

/// kNotImplemented, by name, where a header asks for what is not kept here.
Outcome<void> CheckWriteHeaders(const Request& request);

struct CopySource {
  std::string bucket;
  std::string key;
};
/// Of x-amz-copy-source: "/bucket/key" or "bucket/key", encoded.
Outcome<CopySource> ReadCopySource(const Request& request);
/// "bytes=0-9" of x-amz-copy-source-range, which must lie within the source.
Outcome<std::pair<uint64_t, uint64_t>> ReadCopyRange(std::string_view header, uint64_t size);

struct DeleteList {
  struct Item {
    std::string key;
    std::string version;
    std::string etag;  // "": whatever is there
  };
  std::vector<Item> items;
  bool quiet = false;
};
Outcome<DeleteList> ReadDeleteList(std::string_view xml);

struct NamedPart {
  uint32_t number = 0;
  std::string etag;  // without quotes
};
/// In the order in which they were sent.
Outcome<std::vector<NamedPart>> ReadPartList(std::string_view xml);

/// 1 to 10,000.
Outcome<uint32_t> ReadPartNumber(const Request& request);

}  // namespace forebay::s3door
