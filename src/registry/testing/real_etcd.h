// A real etcd (Debian's etcd-server), started by a test on free loopback ports with a temporary
// data directory, and ended with it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "src/base/result.h"

namespace forebay {

struct RealEtcdOptions {
  int members = 1;
  /// Clients speak TLS, by a certificate of an authority of its own: RealEtcd::ca_file().
  bool tls = false;
  /// Elections and short leases within a second, and no wait for the disk; otherwise as etcd is by
  /// itself.
  bool fast = true;
  std::vector<std::string> more_arguments;
};

class RealEtcd {
 public:
  /// Returns when all members serve. kNotFound names the package where there is no etcd.
  static Result<std::unique_ptr<RealEtcd>> Start(RealEtcdOptions options = {});
  RealEtcd(const RealEtcd&) = delete;
  RealEtcd& operator=(const RealEtcd&) = delete;
  ~RealEtcd();

  int members() const { return static_cast<int>(members_.size()); }
  /// "http://127.0.0.1:PORT"
  std::string Endpoint(int member) const;
  /// "etcd://127.0.0.1:PORT1,127.0.0.1:PORT2/CELL", of all members or of one.
  std::string Url(const std::string& cell) const;
  std::string UrlOf(int member, const std::string& cell) const;
  std::string ca_file() const { return directory_ + "/ca.pem"; }
  const std::string& directory() const { return directory_; }
  int pid(int member) const { return members_[static_cast<size_t>(member)].pid; }

  /// As a crash of the machine; Restart begins it again over what it had written.
  void Kill(int member);
  /// As SIGSTOP and SIGCONT do: it holds its connections and says nothing.
  void Pause(int member);
  void Resume(int member);
  Result<void> Restart(int member);
  /// What it has said so far, for messages of tests.
  std::string Output(int member) const;

 private:
  struct Member {
    std::string name;
    int client_port = 0;
    int peer_port = 0;
    int pid = -1;
    int lives = 0;
  };

  RealEtcd() = default;
  Result<void> MakeCertificates();
  Result<void> Launch(Member& member);
  Result<void> AwaitReady(Member& member);
  std::vector<std::string> Arguments(const Member& member) const;
  std::string OutputPath(const Member& member) const;

  RealEtcdOptions options_;
  std::string directory_;
  std::vector<Member> members_;
};

}  // namespace forebay
