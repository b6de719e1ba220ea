#include "src/registry/etcd/gateway.h"

#include <fmt/format.h>

#include "src/base/base64.h"
#include "src/registry/etcd/json.h"

namespace forebay::etcd {
namespace {

/// A key or a value: bytes in quotes.
std::string Quoted(std::string_view bytes) {
  return fmt::format("\"{}\"", Base64(AsBytes(bytes)));
}

std::string Compare(std::string_view key, const Expect& expect, bool something) {
  using Kind = Expect::Kind;
  if (expect.kind == Kind::kModifiedAt) {
    return fmt::format(R"({{"key":{},"target":"MOD","result":"EQUAL","mod_revision":"{}"}})",
                       Quoted(key), expect.modified);
  }
  if (expect.kind == Kind::kAnything && !something) return "";
  return fmt::format(R"({{"key":{},"target":"CREATE","result":"{}","create_revision":"0"}})",
                     Quoted(key), expect.kind == Kind::kAbsent ? "EQUAL" : "GREATER");
}

std::string Txn(std::string_view key, std::string_view compare, std::string_view success) {
  return fmt::format(
      R"({{"compare":[{}],"success":[{}],"failure":[{{"request_range":{{"key":{}}}}}]}})", compare,
      success, Quoted(key));
}

Result<RegistryEntry> ReadEntry(const Json& kv) {
  RegistryEntry entry;
  FB_ASSIGN(entry.key, kv.Get("key").Binary());
  FB_ASSIGN(entry.value, kv.Get("value").Binary());
  FB_ASSIGN(entry.created, kv.Get("create_revision").Int());
  FB_ASSIGN(entry.modified, kv.Get("mod_revision").Int());
  FB_ASSIGN(entry.lease, kv.Get("lease").Int());
  return entry;
}

Result<std::vector<RegistryEntry>> ReadEntries(const Json& kvs) {
  std::vector<RegistryEntry> entries;
  for (const Json& kv : kvs.Items()) {
    FB_ASSIGN(RegistryEntry entry, ReadEntry(kv));
    entries.push_back(std::move(entry));
  }
  return entries;
}

Result<Json> ParseObject(std::string_view text) {
  FB_ASSIGN(Json json, Json::Parse(text));
  if (!json.is_object()) return Fail(Code::kCorrupt, "etcd's answer is no object");
  return json;
}

Result<Revision> ReadRevision(const Json& json) {
  return json.Get("header").Get("revision").Int();
}

/// What etcd says, what that is to us, and what to do. The first that is contained in its words.
struct Saying {
  std::string_view words;
  Code code;
  Refusal::Next next;
  std::string_view fix;
};

constexpr Saying kSayings[] = {
    {"invalid auth token", Code::kUnauthenticated, Refusal::Next::kAuthenticate,
     "the token is no longer taken"},
    {"user name is empty", Code::kUnauthenticated, Refusal::Next::kAuthenticate,
     "it wants a user: name one with ?credentials=file:PATH or env:NAME"},
    {"revision of auth store is old", Code::kUnauthenticated, Refusal::Next::kAuthenticate,
     "users were changed meanwhile"},
    {"authentication failed", Code::kUnauthenticated, Refusal::Next::kGiveUp,
     "check the user and the password that ?credentials= names"},
    {"authentication is not enabled", Code::kUnsupported, Refusal::Next::kGiveUp,
     "leave out ?credentials=, or run 'etcdctl auth enable'"},
    {"permission denied", Code::kPermissionDenied, Refusal::Next::kGiveUp,
     "grant the user's role readwrite on the prefix of the cell: 'etcdctl role grant-permission "
     "ROLE readwrite --prefix=true /forebay/CELL/'"},
    {"requested lease not found", Code::kNotFound, Refusal::Next::kGiveUp, "the lease has expired"},
    {"required revision has been compacted", Code::kCorrupt, Refusal::Next::kGiveUp,
     "list again and watch from there"},
    {"request is too large", Code::kInvalidArgument, Refusal::Next::kGiveUp,
     "the value must be smaller than etcd's --max-request-bytes (1.5 MiB)"},
    {"too many operations", Code::kInvalidArgument, Refusal::Next::kGiveUp, ""},
    {"too large lease TTL", Code::kInvalidArgument, Refusal::Next::kGiveUp, ""},
    {"database space exceeded", Code::kNoSpace, Refusal::Next::kGiveUp,
     "compact and defragment it, or raise --quota-backend-bytes, then run 'etcdctl alarm disarm'"},
    {"no leader", Code::kUnavailable, Refusal::Next::kElsewhere,
     "it has lost its quorum: start more of its members"},
    {"too many requests", Code::kOverloaded, Refusal::Next::kElsewhere, ""},
    {"not capable", Code::kUnavailable, Refusal::Next::kElsewhere, ""},
    {"rpc not supported for learner", Code::kUnavailable, Refusal::Next::kElsewhere,
     "it is a learner; name voting members"},
    {"request timed out", Code::kUnavailable, Refusal::Next::kInDoubt,
     "it may have lost its quorum, or its disk is slow"},
};

}  // namespace

std::string EndOfPrefix(std::string_view prefix) {
  std::string end(prefix);
  while (!end.empty() && end.back() == '\xff') end.pop_back();
  // "\0" means "to the very end" to etcd.
  if (end.empty()) return std::string(1, '\0');
  end.back() = static_cast<char>(static_cast<unsigned char>(end.back()) + 1);
  return end;
}

std::string GetBody(std::string_view key) {
  return fmt::format(R"({{"key":{}}})", Quoted(key));
}

std::string ListBody(std::string_view prefix, std::string_view from, Revision revision,
                     size_t limit) {
  return fmt::format(R"({{"key":{},"range_end":{},"revision":"{}","limit":"{}"}})", Quoted(from),
                     Quoted(EndOfPrefix(prefix)), revision, limit);
}

std::string PutBody(std::string_view key, std::string_view value, Expect expect, LeaseId lease) {
  const std::string put = fmt::format(R"({{"request_put":{{"key":{},"value":{},"lease":"{}"}}}})",
                                      Quoted(key), Quoted(value), lease);
  return Txn(key, Compare(key, expect, false), put);
}

std::string DeleteBody(std::string_view key, Expect expect) {
  const std::string remove = fmt::format(R"({{"request_delete_range":{{"key":{}}}}})", Quoted(key));
  return Txn(key, Compare(key, expect, true), remove);
}

std::string GrantBody(int64_t ttl_s) {
  return fmt::format(R"({{"TTL":"{}"}})", ttl_s);
}

std::string LeaseBody(LeaseId lease) {
  return fmt::format(R"({{"ID":"{}"}})", lease);
}

std::string WatchBody(std::string_view prefix, Revision from) {
  return fmt::format(R"({{"create_request":{{"key":{},"range_end":{},"start_revision":"{}",)"
                     R"("progress_notify":true}}}})",
                     Quoted(prefix), Quoted(EndOfPrefix(prefix)), from);
}

std::string AuthenticateBody(std::string_view user, std::string_view password) {
  return fmt::format(R"({{"name":{},"password":{}}})", JsonText(user), JsonText(password));
}

Result<RangeAnswer> ReadRange(std::string_view body) {
  FB_ASSIGN(const Json json, ParseObject(body));
  RangeAnswer answer;
  FB_ASSIGN(answer.revision, ReadRevision(json));
  answer.more = json.Get("more").Bool();
  FB_ASSIGN(answer.entries, ReadEntries(json.Get("kvs")));
  return answer;
}

Result<TxnAnswer> ReadTxn(std::string_view body) {
  FB_ASSIGN(const Json json, ParseObject(body));
  TxnAnswer answer{.succeeded = json.Get("succeeded").Bool()};
  FB_ASSIGN(answer.revision, ReadRevision(json));
  for (const Json& response : json.Get("responses").Items()) {
    FB_ASSIGN(auto entries, ReadEntries(response.Get("response_range").Get("kvs")));
    for (RegistryEntry& entry : entries) answer.found.push_back(std::move(entry));
  }
  return answer;
}

Result<LeaseId> ReadGrant(std::string_view body) {
  FB_ASSIGN(const Json json, ParseObject(body));
  FB_ASSIGN(const LeaseId lease, json.Get("ID").Int());
  if (lease == 0) return Fail(Code::kCorrupt, "etcd granted a lease without a number");
  return lease;
}

Result<int64_t> ReadKeepAlive(std::string_view body) {
  FB_ASSIGN(const Json json, ParseObject(body));
  const Json result = json.Get("result");
  if (!result.is_object()) return Fail(Code::kCorrupt, "etcd's answer holds no result");
  return result.Get("TTL").Int();
}

Result<std::string> ReadAuthenticate(std::string_view body) {
  FB_ASSIGN(const Json json, ParseObject(body));
  std::string token = json.Get("token").Text();
  if (token.empty()) return Fail(Code::kCorrupt, "etcd's answer holds no token");
  return token;
}

Result<WatchMessage> ReadWatch(std::string_view object) {
  FB_ASSIGN(const Json json, ParseObject(object));
  const Json result = json.Get("result");
  WatchMessage message{.created = result.Get("created").Bool(),
                       .canceled = result.Get("canceled").Bool(),
                       .cancel_reason = result.Get("cancel_reason").Text(),
                       .error = json.Get("error").Get("message").Text()};
  if (message.error.empty()) message.error = json.Get("error").Text();
  if (!result.is_object() && message.error.empty()) {
    return Fail(Code::kCorrupt, "etcd's message holds neither a result nor an error");
  }
  FB_ASSIGN(message.revision, ReadRevision(result));
  FB_ASSIGN(message.compact_revision, result.Get("compact_revision").Int());
  for (const Json& event : result.Get("events").Items()) {
    RegistryChange change{.removed = event.Get("type").Text() == "DELETE"};
    FB_ASSIGN(change.entry, ReadEntry(event.Get("kv")));
    message.changes.push_back(std::move(change));
  }
  return message;
}

Refusal ExplainWords(int status, std::string_view words) {
  for (const Saying& saying : kSayings) {
    if (words.find(saying.words) == words.npos) continue;
    std::string told = fmt::format("etcd says '{}'", words);
    if (!saying.fix.empty()) told += fmt::format(": {}", saying.fix);
    return {.error = Error(saying.code, std::move(told)), .next = saying.next, .spoken = true};
  }
  std::string told = status == 0 ? fmt::format("etcd says '{}'", words)
                                 : fmt::format("etcd answers {} '{}'", status, words);
  // Server errors and whatever a proxy before it says: it may or may not have reached etcd.
  if (status == 0 || status >= 500 || status == 408 || status == 429) {
    return {.error = Error(Code::kUnavailable, std::move(told)),
            .next = Refusal::Next::kInDoubt,
            .spoken = true};
  }
  if (status == 404) told += ": this is no etcd 3.4 or later with its JSON gateway";
  return {.error = Error(Code::kInvalidArgument, std::move(told)), .next = Refusal::Next::kGiveUp};
}

Refusal ReadRefusal(int status, std::string_view body) {
  constexpr size_t kMaxWords = 300;
  std::string words;
  if (const auto json = Json::Parse(body)) {
    words = json->Get("message").Text();
    if (words.empty()) words = json->Get("error").Text();
    if (words.empty()) words = json->Get("error").Get("message").Text();  // of a stream
  }
  if (words.empty()) words = body.substr(0, body.find('\n'));
  words = words.substr(0, kMaxWords);
  for (char& c : words) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  }
  return ExplainWords(status, words);
}

}  // namespace forebay::etcd
