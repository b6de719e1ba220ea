// The words of etcd's JSON gateway, as bytes of requests and meanings of answers. Pure. Keys are
// etcd's own, prefix included: the registry adds and strips it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "src/base/result.h"
#include "src/registry/registry.h"

namespace forebay::etcd {

// ---- Requests: paths and bodies.

inline constexpr std::string_view kRangePath = "/v3/kv/range";
inline constexpr std::string_view kTxnPath = "/v3/kv/txn";
inline constexpr std::string_view kGrantPath = "/v3/lease/grant";
inline constexpr std::string_view kKeepAlivePath = "/v3/lease/keepalive";
inline constexpr std::string_view kRevokePath = "/v3/lease/revoke";
inline constexpr std::string_view kWatchPath = "/v3/watch";
inline constexpr std::string_view kAuthenticatePath = "/v3/auth/authenticate";

std::string GetBody(std::string_view key);
/// The entries from `from` on that begin with `prefix`, at most `limit`. At `revision`, or, where
/// that is 0, now.
std::string ListBody(std::string_view prefix, std::string_view from, Revision revision,
                     size_t limit);
/// Both change the key where it is as expected, and tell what is there otherwise. A removal of
/// anything wants something to be there.
std::string PutBody(std::string_view key, std::string_view value, Expect expect, LeaseId lease);
std::string DeleteBody(std::string_view key, Expect expect);
std::string GrantBody(int64_t ttl_s);
std::string LeaseBody(LeaseId lease);  // of keepalive and revoke
std::string WatchBody(std::string_view prefix, Revision from);
std::string AuthenticateBody(std::string_view user, std::string_view password);

// ---- Answers. kCorrupt where they are none of etcd's.

struct RangeAnswer {
  Revision revision = 0;  // of the whole store, when it was asked
  bool more = false;      // beyond the limit
  std::vector<RegistryEntry> entries;
};
Result<RangeAnswer> ReadRange(std::string_view body);

struct TxnAnswer {
  bool succeeded = false;
  Revision revision = 0;
  std::vector<RegistryEntry> found;  // where it did not succeed: the key as it is
};
Result<TxnAnswer> ReadTxn(std::string_view body);

Result<LeaseId> ReadGrant(std::string_view body);
/// Seconds left; 0: there is no such lease.
Result<int64_t> ReadKeepAlive(std::string_view body);
/// The token.
Result<std::string> ReadAuthenticate(std::string_view body);

/// One message of a watch's stream.
struct WatchMessage {
  bool created = false;
  bool canceled = false;
  std::string cancel_reason;
  Revision revision = 0;          // everything up to it has been told, if there are no events
  Revision compact_revision = 0;  // not 0: what was asked for is gone
  std::string error;              // the stream's end, in etcd's words
  std::vector<RegistryChange> changes;
};
Result<WatchMessage> ReadWatch(std::string_view object);

/// Everything else: what is known of a request that got no good answer.
struct Refusal {
  enum class Next : unsigned char {
    kGiveUp,        // the same will happen again
    kAuthenticate,  // the token is wrong or old; nothing has happened
    kElsewhere,     // nothing has happened; another endpoint, or a later try, may do it
    kInDoubt,       // it may have happened
  };
  Error error;
  Next next = Next::kGiveUp;
  bool spoken = false;  // it is what etcd said, or who stands before it
};
/// Of an answer that is no 200.
Refusal ReadRefusal(int status, std::string_view body);
/// Of the words alone, as the end of a stream has them; `status` 0.
Refusal ExplainWords(int status, std::string_view words);

/// The end of the range of keys that begin with `prefix`.
std::string EndOfPrefix(std::string_view prefix);

}  // namespace forebay::etcd
