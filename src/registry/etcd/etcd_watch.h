// One watch on etcd: a response whose body does not end, opened anew wherever it breaks.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "src/registry/etcd/etcd_client.h"
#include "src/registry/etcd/object_splitter.h"
#include "src/registry/registry.h"

namespace forebay {

/// Resumes by itself behind the last change that it told, at whichever endpoint is well, for as
/// long as its caller waits; only a refusal (permission, user) or a lost past (kCorrupt) ends it.
/// It must not outlive its client. One Next at a time.
class EtcdWatch final : public RegistryWatch {
 public:
  /// Tells keys without `root`.
  EtcdWatch(etcd::EtcdClient& client, std::string root, std::string prefix, Revision since);
  ~EtcdWatch() override;

  Task<Result<std::vector<RegistryChange>>> Next(Call call) override;

 private:
  using Changes = std::vector<RegistryChange>;
  struct Open;

  Task<Result<void>> Connect(Call call);
  Task<Result<void>> ReadMore(Call call);
  /// Where nothing has come for a while: is anybody there?
  Task<Result<void>> LookAfterSilence(Call call);
  Task<Result<Changes>> Take(std::string object, Call call);
  Task<Result<void>> CheckPast(Revision revision, Call call);
  Result<Changes> Strip(Changes changes);
  Result<void> Refused(const etcd::Refusal& refusal);
  Result<void> CheckCall(const Call& call) const;
  void Break(std::string_view why);
  Error Missed(std::string_view why) const;

  etcd::EtcdClient& client_;
  const std::string root_;
  const std::string prefix_;
  Revision seen_;
  std::unique_ptr<Open> open_;
  uint32_t failures_ = 0;  // in a row
  bool authenticated_again_ = false;
};

}  // namespace forebay
