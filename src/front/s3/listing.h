// What the three ways of listing objects share: a page of names, grouped by any delimiter.
#pragma once

#include <string>
#include <vector>

#include "src/front/s3/exchange.h"

namespace forebay::s3door {

struct ListQuery {
  std::string prefix;
  std::string delimiter;  // any text; "": no grouping
  std::string after;
  uint32_t limit = 1000;
};

/// Keys as shown; the etag of an object's info is what is shown, too.
struct Listed {
  std::vector<ListEntry> entries;  // in order; at most `limit`
  bool more = false;
};

Task<Outcome<Listed>> ListNames(Exchange& x, ListQuery query);

}  // namespace forebay::s3door
