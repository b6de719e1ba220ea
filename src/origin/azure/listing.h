// One page of List Blobs: what is asked, and what the answer says.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "src/origin/origin.h"

namespace forebay::azure {

/// Where a listing goes on. Exact: with the first name after those that were told; otherwise names
/// that were told come first, and are skipped.
struct Place {
  std::string marker;  // "": at the beginning
  bool exact = false;
  std::vector<std::string> held;  // common prefixes that came before their turn (HoldBack)
};

/// The query; `base` is the origin's prefix.
std::string ListQuery(const ListOptions& options, std::string_view base, const Place& place);

struct ListAnswer {
  std::vector<ListEntry> entries;  // relative to `base`, in byte order, only what can be named
  std::string marker;              // where it goes on; "" at the end
  std::string last;                // of all that was told
  bool hierarchical = false;       // the account is
};
/// kCorrupt: this is no listing. Entries up to `options.after` are left out.
Result<ListAnswer> ReadListing(std::string_view body, const ListOptions& options,
                               std::string_view base);

/// A page of all blobs below `base`, those among them that have only blocks.
std::string UnfinishedQuery(std::string_view base, std::string_view marker);
struct UnfinishedAnswer {
  std::vector<std::string> keys;  // of blobs without bytes, relative to `base`
  std::string marker;
};
Result<UnfinishedAnswer> ReadUnfinished(std::string_view body, std::string_view base);

/// Hierarchical accounts list in the order of names' parts: "a/" stands where "a" would, before
/// "a-b". Takes from `entries` the prefixes that names after `last` may come before, in the order
/// of bytes.
std::vector<std::string> HoldBack(std::vector<ListEntry>& entries, std::string_view last);

/// Where the service goes on after names that were told. It has only opaque markers, and our
/// callers go on from names: without a marker, a listing begins anew and skips. Bounded: the place
/// that was not used for longest is forgotten. Used from one loop.
class Markers {
 public:
  explicit Markers(size_t most) : most_(most) {}
  void Keep(const ListOptions& options, const std::string& last, Place place);
  /// The beginning where it is unknown.
  Place Find(const ListOptions& options);

 private:
  struct Kept {
    Place place;
    uint64_t used = 0;
  };
  using Key = std::pair<std::string, std::string>;  // the listing, and the last name told
  static Key KeyOf(const ListOptions& options, const std::string& last);

  const size_t most_;
  uint64_t turn_ = 0;
  std::map<Key, Kept> kept_;
  std::map<uint64_t, Key> by_use_;
};

}  // namespace forebay::azure
