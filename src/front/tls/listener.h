// A door behind TLS.
#pragma once

#include <memory>
#include <string>

#include "src/front/tls/failure_log.h"
#include "src/front/tls/identity.h"
#include "src/front/tls/stream.h"
#include "src/runtime/env.h"

namespace forebay::tls {

/// Accepts at once: a connection shakes hands when it is first used, so that nobody who is slow to
/// do so holds up others. What failed there is logged, not for each of many. Its streams may
/// outlive it.
class TlsListener final : public Listener {
 public:
  TlsListener(Env& env, Listener& inner, std::shared_ptr<const ServerIdentity> identity,
              TlsOptions options);
  ~TlsListener() override;

  /// For connections from now on; those that are there keep what they began with.
  void Replace(std::shared_ptr<const ServerIdentity> identity) { identity_ = std::move(identity); }

  Task<Result<std::unique_ptr<Stream>>> Accept(Call call) override;
  const std::string& address() const override { return inner_.address(); }

 private:
  Env& env_;
  Listener& inner_;
  std::shared_ptr<const ServerIdentity> identity_;
  const std::shared_ptr<const TlsOptions> options_;
  const std::shared_ptr<FailureLog> failures_;
};

}  // namespace forebay::tls
