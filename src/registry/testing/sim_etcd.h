// An etcd of the simulated world, as its clients see it through the JSON gateway:
//
//   SimEtcd etcd(world);  // members etcd0, etcd1, etcd2, each on a node of its own
//   EtcdUrl::Parse(etcd.Url("cell"))
//
// What befalls it is told to the world: world.net().Partition(etcd.node(0), node) cuts a client
// off from a member, Partition(etcd.node(0), etcd.node(1)) a member from its peers; who reaches no
// majority of them says "no leader", and so does everybody where there is none. Answers are late,
// lost or wrong by etcd.server(0).SetOptions. It is linearizable: members are one model.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "sim/world.h"
#include "src/registry/etcd/json.h"
#include "src/registry/testing/etcd_model.h"

namespace forebay {

struct SimEtcdOptions {
  int members = 3;
  std::string name = "etcd";  // its members' nodes and hosts: "etcd0"
  /// Shorter leases become as long.
  Duration least_lease = std::chrono::seconds(2);
  /// Where not empty, only who authenticates as this user may do anything.
  std::string user;
  std::string password;
};

/// Lives as long as the world's other parts use it.
class SimEtcd {
 public:
  explicit SimEtcd(sim::World& world, SimEtcdOptions options = {});
  SimEtcd(const SimEtcd&) = delete;
  SimEtcd& operator=(const SimEtcd&) = delete;
  ~SimEtcd();

  int members() const { return options_.members; }
  /// "etcd://etcd0,etcd1,etcd2/CELL"
  std::string Url(const std::string& cell) const;
  sim::Node& node(int member) { return *members_[static_cast<size_t>(member)].node; }
  sim::HttpServer& server(int member) { return *members_[static_cast<size_t>(member)].server; }

  /// The machine stops, or only the program: then its clients are told by their connections.
  void Stop(int member, sim::CrashKind kind = sim::CrashKind::kProcess);
  void Start(int member);
  bool HasLeader(int member) const;

  /// Forgets what happened up to `revision`.
  void Compact(Revision revision) { model_.Compact(revision); }
  /// Nobody's token is known any more, as after a restart.
  void ForgetTokens() { tokens_.clear(); }
  /// What others do there, past all doors: keys as etcd has them.
  EtcdModel& model() { return model_; }
  size_t watches() const { return watches_.size(); }

 private:
  struct Member {
    sim::Node* node = nullptr;
    sim::HttpServer* server = nullptr;
  };
  struct Watch {
    size_t member = 0;
    std::string key;
    std::string end;
    std::weak_ptr<sim::SimHttpStream> stream;
  };
  struct Lease {
    int64_t ttl_s = 0;
    sim::EventId expiry = 0;
  };

  sim::SimHttpReply Handle(size_t member, const sim::SimHttpRequest& request);
  sim::SimHttpReply Authenticate(const Json& json);
  sim::SimHttpReply Range(const Json& json);
  sim::SimHttpReply Txn(const Json& json);
  sim::SimHttpReply Grant(const Json& json);
  sim::SimHttpReply KeepAlive(const Json& json);
  sim::SimHttpReply Revoke(const Json& json);
  sim::SimHttpReply OpenWatch(size_t member, const Json& json);
  bool Holds(const Json& compare) const;
  void ExpireAfter(LeaseId lease);
  void Expire(LeaseId lease);
  void Tell(const EtcdModel::Changes& changes);
  std::string Header() const;

  sim::World& world_;
  const SimEtcdOptions options_;
  std::vector<Member> members_;
  EtcdModel model_;
  std::map<LeaseId, Lease> leases_;
  std::vector<Watch> watches_;
  std::map<std::string, bool> tokens_;
  uint64_t last_token_ = 0;
  LeaseId last_lease_ = 7'000'000;
};

}  // namespace forebay
