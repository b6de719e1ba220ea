#include "src/registry/testing/sim_etcd.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "sim/sim_http_stream.h"
#include "sim/sim_network.h"
#include "src/base/base64.h"

namespace forebay {
namespace {

using sim::SimHttpReply;
using sim::SimHttpRequest;

std::string Quoted(std::string_view bytes) {
  return fmt::format("\"{}\"", Base64(AsBytes(bytes)));
}

/// As the gateway says it: code of gRPC, status of HTTP.
SimHttpReply Refuse(int status, int code, std::string_view words) {
  return {.status = status,
          .body = fmt::format(R"({{"error":"{0}","message":"{0}","code":{1}}})", words, code)};
}

SimHttpReply NoSuchLease() {
  return Refuse(404, 5, "etcdserver: requested lease not found");
}

/// What is zero is left out, as by the gateway.
std::string Entry(const RegistryEntry& entry) {
  std::string text =
      fmt::format(R"({{"key":{},"mod_revision":"{}")", Quoted(entry.key), entry.modified);
  if (entry.created != 0) text += fmt::format(R"(,"create_revision":"{}")", entry.created);
  if (!entry.value.empty()) text += fmt::format(R"(,"value":{})", Quoted(entry.value));
  if (entry.lease != 0) text += fmt::format(R"(,"lease":"{}")", entry.lease);
  return text + "}";
}

std::string Entries(const std::vector<RegistryEntry>& entries, size_t limit) {
  if (entries.empty()) return "";
  std::string text;
  const size_t told = limit == 0 ? entries.size() : std::min(limit, entries.size());
  for (size_t i = 0; i < told; ++i) text += (i == 0 ? "" : ",") + Entry(entries[i]);
  return fmt::format(R"(,"kvs":[{}],"more":{},"count":"{}")", text, told < entries.size(),
                     entries.size());
}

std::string Event(const RegistryChange& change) {
  return fmt::format(R"({{{}"kv":{}}})", change.removed ? R"("type":"DELETE",)" : "",
                     Entry(change.entry));
}

int64_t IntOf(const Json& json, std::string_view name) {
  return json.Get(name).Int().value_or(0);
}
std::string BytesOf(const Json& json, std::string_view name) {
  return json.Get(name).Binary().value_or("");
}

}  // namespace

SimEtcd::SimEtcd(sim::World& world, SimEtcdOptions options)
    : world_(world),
      options_(std::move(options)),
      model_([this](const EtcdModel::Changes& changes) { Tell(changes); }) {
  for (size_t i = 0; i < static_cast<size_t>(options_.members); ++i) {
    const std::string name = fmt::format("{}{}", options_.name, i);
    Member member{.node = &world.AddNode(name),
                  .server = &world.AddHttpServer(
                      fmt::format("http://{}:2379", name),
                      [this, i](const SimHttpRequest& request) { return Handle(i, request); })};
    member.server->HostOn(*member.node);
    // An etcd is near: its answers take a millisecond.
    sim::HttpOptions near = world.options().http;
    near.latency = std::chrono::milliseconds(1);
    member.server->SetOptions(near);
    members_.push_back(member);
  }
}

SimEtcd::~SimEtcd() {
  for (const auto& [id, lease] : leases_) {
    if (lease.expiry != 0) world_.Unschedule(lease.expiry);
  }
}

std::string SimEtcd::Url(const std::string& cell) const {
  std::string hosts;
  for (const Member& member : members_) hosts += (hosts.empty() ? "" : ",") + member.node->name();
  return fmt::format("etcd://{}/{}", hosts, cell);
}

void SimEtcd::Stop(int member, sim::CrashKind kind) {
  node(member).Crash(kind);
  for (const Watch& watch : watches_) {
    const auto stream = watch.stream.lock();
    if (watch.member != static_cast<size_t>(member) || stream == nullptr) continue;
    if (kind == sim::CrashKind::kPower) stream->Silence();
    stream->Break();
  }
  std::erase_if(watches_,
                [&](const Watch& watch) { return watch.member == static_cast<size_t>(member); });
}

void SimEtcd::Start(int member) {
  node(member).Restart();
}

bool SimEtcd::HasLeader(int member) const {
  const auto& net = world_.net();
  const sim::Node& here = *members_[static_cast<size_t>(member)].node;
  if (here.crashed()) return false;
  const auto reached = std::ranges::count_if(members_, [&](const Member& other) {
    return !other.node->crashed() && !net.Blocked(here, *other.node) &&
           !net.Blocked(*other.node, here);
  });
  return 2 * static_cast<size_t>(reached) > members_.size();
}

std::string SimEtcd::Header() const {
  return fmt::format(R"("header":{{"cluster_id":"1","revision":"{}","raft_term":"2"}})",
                     model_.revision());
}

SimHttpReply SimEtcd::Handle(size_t member, const SimHttpRequest& request) {
  const auto json = Json::Parse(request.body);
  if (!json || request.method != "POST") return Refuse(400, 3, "invalid character");
  if (!HasLeader(static_cast<int>(member))) return Refuse(503, 14, "etcdserver: no leader");
  const std::string& path = request.path;
  if (path == "/v3/auth/authenticate") return Authenticate(*json);
  if (!options_.user.empty()) {
    const std::string_view token = sim::FindHeader(request.headers, "authorization");
    if (token.empty()) return Refuse(400, 3, "etcdserver: user name is empty");
    if (!tokens_.contains(std::string(token))) {
      return Refuse(401, 16, "etcdserver: invalid auth token");
    }
  }
  if (path == "/v3/kv/range") return Range(*json);
  if (path == "/v3/kv/txn") return Txn(*json);
  if (path == "/v3/lease/grant") return Grant(*json);
  if (path == "/v3/lease/keepalive") return KeepAlive(*json);
  if (path == "/v3/lease/revoke") return Revoke(*json);
  if (path == "/v3/watch") return OpenWatch(member, json->Get("create_request"));
  return {.status = 404, .body = std::string("Not Found\n")};
}

SimHttpReply SimEtcd::Authenticate(const Json& json) {
  if (options_.user.empty()) return Refuse(412, 9, "etcdserver: authentication is not enabled");
  if (json.Get("name").Text() != options_.user ||
      json.Get("password").Text() != options_.password) {
    return Refuse(400, 3, "etcdserver: authentication failed, invalid user ID or password");
  }
  const std::string token = fmt::format("token.{}", ++last_token_);
  tokens_[token] = true;
  return {.body = fmt::format(R"({{{},"token":"{}"}})", Header(), token)};
}

SimHttpReply SimEtcd::Range(const Json& json) {
  const Revision asked = IntOf(json, "revision");
  if (asked > model_.revision()) {
    return Refuse(400, 11, "etcdserver: mvcc: required revision is a future revision");
  }
  if (asked != 0 && asked < model_.compacted()) {
    return Refuse(400, 11, "etcdserver: mvcc: required revision has been compacted");
  }
  const auto found = model_.Range(BytesOf(json, "key"), BytesOf(json, "range_end"),
                                  asked == 0 ? model_.revision() : asked);
  return {.body = fmt::format(
              "{{{}{}}}", Header(),
              Entries(found, static_cast<size_t>(std::max<int64_t>(0, IntOf(json, "limit")))))};
}

bool SimEtcd::Holds(const Json& compare) const {
  const auto found = model_.entries().find(BytesOf(compare, "key"));
  const bool there = found != model_.entries().end();
  const bool of_creation = compare.Get("target").Text() == "CREATE";
  Revision is = 0;
  if (there) is = of_creation ? found->second.created : found->second.modified;
  const Revision wanted = IntOf(compare, of_creation ? "create_revision" : "mod_revision");
  return compare.Get("result").Text() == "GREATER" ? is > wanted : is == wanted;
}

/// As far as the driver goes: what succeeds is one put or one removal.
SimHttpReply SimEtcd::Txn(const Json& json) {
  const std::vector<Json> compares = json.Get("compare").Items();
  if (!std::ranges::all_of(compares, [this](const Json& c) { return Holds(c); })) {
    std::string responses;
    for (const Json& operation : json.Get("failure").Items()) {
      const Json range = operation.Get("request_range");
      const auto found =
          model_.Range(BytesOf(range, "key"), BytesOf(range, "range_end"), model_.revision());
      responses += fmt::format(R"({}{{"response_range":{{{}{}}}}})", responses.empty() ? "" : ",",
                               Header(), Entries(found, 0));
    }
    return {.body = fmt::format(R"({{{},"responses":[{}]}})", Header(), responses)};
  }
  for (const Json& operation : json.Get("success").Items()) {
    const Json put = operation.Get("request_put");
    const Json remove = operation.Get("request_delete_range");
    if (remove.is_object()) model_.Delete(BytesOf(remove, "key"));
    if (put.is_object() &&
        !model_.Put(BytesOf(put, "key"), BytesOf(put, "value"), IntOf(put, "lease"))) {
      return NoSuchLease();
    }
  }
  return {.body = fmt::format(R"({{{},"succeeded":true}})", Header())};
}

SimHttpReply SimEtcd::Grant(const Json& json) {
  const auto least = std::chrono::duration_cast<std::chrono::seconds>(options_.least_lease).count();
  const LeaseId lease = ++last_lease_;
  leases_[lease].ttl_s = std::max<int64_t>(least, IntOf(json, "TTL"));
  model_.Grant(lease);
  ExpireAfter(lease);
  return {.body =
              fmt::format(R"({{{},"ID":"{}","TTL":"{}"}})", Header(), lease, leases_[lease].ttl_s)};
}

void SimEtcd::ExpireAfter(LeaseId id) {
  Lease& lease = leases_[id];
  if (lease.expiry != 0) world_.Unschedule(lease.expiry);
  lease.expiry = world_.At(world_.Now() + std::chrono::seconds(lease.ttl_s), [this, id] {
    leases_[id].expiry = 0;
    Expire(id);
  });
}

void SimEtcd::Expire(LeaseId lease) {
  bool leader = false;
  for (int i = 0; i < members(); ++i) leader = leader || HasLeader(i);
  // Nobody can end it now; whoever leads next gives it all its time again.
  if (!leader) return ExpireAfter(lease);
  leases_.erase(lease);
  model_.Revoke(lease);
}

SimHttpReply SimEtcd::KeepAlive(const Json& json) {
  const LeaseId id = IntOf(json, "ID");
  std::string left;
  if (leases_.contains(id)) {
    ExpireAfter(id);
    left = fmt::format(R"(,"TTL":"{}")", leases_[id].ttl_s);
  }
  return {.body = fmt::format(R"({{"result":{{{},"ID":"{}"{}}}}})", Header(), id, left)};
}

SimHttpReply SimEtcd::Revoke(const Json& json) {
  const LeaseId id = IntOf(json, "ID");
  const auto found = leases_.find(id);
  if (found == leases_.end()) return NoSuchLease();
  world_.Unschedule(found->second.expiry);
  leases_.erase(found);
  model_.Revoke(id);
  return {.body = fmt::format("{{{}}}", Header())};
}

SimHttpReply SimEtcd::OpenWatch(size_t member, const Json& json) {
  const auto stream = std::make_shared<sim::SimHttpStream>(world_);
  Watch watch{member, BytesOf(json, "key"), BytesOf(json, "range_end"), stream};
  const Revision from = IntOf(json, "start_revision");
  stream->Push(fmt::format("{{\"result\":{{{},\"created\":true}}}}\n", Header()));
  if (from != 0 && from < model_.compacted()) {
    stream->Push(
        fmt::format("{{\"result\":{{{},\"canceled\":true,\"compact_revision\":\"{}\"}}}}\n",
                    Header(), model_.compacted()));
    return {.stream = stream};
  }
  if (from != 0) {
    for (const EtcdModel::Changes& changes : model_.History(watch.key, watch.end, from)) {
      std::string events;
      for (const auto& change : changes) events += (events.empty() ? "" : ",") + Event(change);
      stream->Push(fmt::format("{{\"result\":{{{},\"events\":[{}]}}}}\n", Header(), events));
    }
  }
  watches_.push_back(std::move(watch));
  return {.stream = stream};
}

/// Each range is written down once, for however many watch it.
void SimEtcd::Tell(const EtcdModel::Changes& changes) {
  std::erase_if(watches_, [](const Watch& watch) {
    const auto stream = watch.stream.lock();
    return stream == nullptr || !stream->read();
  });
  std::vector<bool> leaders;
  for (int i = 0; i < members(); ++i) leaders.push_back(HasLeader(i));
  std::map<std::pair<std::string, std::string>, std::string> messages;
  for (const Watch& watch : watches_) {
    const auto stream = watch.stream.lock();
    if (!leaders[watch.member]) {
      stream->Push(
          "{\"error\":{\"grpc_code\":14,\"http_code\":503,"
          "\"message\":\"etcdserver: no leader\"}}\n");
      stream->End();
      continue;
    }
    const auto [found, made] = messages.try_emplace({watch.key, watch.end});
    if (made) {
      std::string events;
      for (const RegistryChange& change : changes) {
        if (!EtcdModel::Contains(watch.key, watch.end, change.entry.key)) continue;
        events += (events.empty() ? "" : ",") + Event(change);
      }
      if (!events.empty()) {
        found->second = fmt::format("{{\"result\":{{{},\"events\":[{}]}}}}\n", Header(), events);
      }
    }
    stream->Push(found->second);
  }
  std::erase_if(watches_, [&](const Watch& watch) { return !leaders[watch.member]; });
}

}  // namespace forebay
