// Real servers of objects, started by tests on a loopback port of their own and ended with them:
// Azurite for Blob, moto for S3. ./dev installs them under build/servers (tools/dev/servers.sh).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "src/base/result.h"

namespace forebay {

class RealServer {
 public:
  /// In memory. Its account is devstoreaccount1 with the key that Azurite publishes
  /// (kAzuriteKey); url() ends with the account.
  static Result<std::unique_ptr<RealServer>> StartAzurite();
  /// In memory; takes any keys.
  static Result<std::unique_ptr<RealServer>> StartMoto();
  /// Any program that says "http://127.0.0.1:PORT" when it is ready. `name` is for messages.
  static Result<std::unique_ptr<RealServer>> Start(std::string name,
                                                   std::vector<std::string> command);
  RealServer(const RealServer&) = delete;
  RealServer& operator=(const RealServer&) = delete;
  ~RealServer();

  /// "http://127.0.0.1:10000/devstoreaccount1", without a slash at its end.
  const std::string& url() const { return url_; }
  /// What it has said so far, for messages of tests.
  std::string Output() const;
  int pid() const { return pid_; }

 private:
  RealServer() = default;
  Result<void> AwaitReady();

  std::string name_;
  std::string output_path_;
  std::string url_;
  int pid_ = -1;
};

inline constexpr const char* kAzuriteAccount = "devstoreaccount1";
inline constexpr const char* kAzuriteKey =
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

}  // namespace forebay
