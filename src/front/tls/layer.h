// What puts a door behind TLS.
#pragma once

#include <memory>
#include <mutex>

#include "src/front/tls/failure_log.h"
#include "src/front/tls/identity.h"
#include "src/front/tls/stream.h"
#include "src/runtime/env.h"

namespace forebay::tls {

/// Any thread: the loops of one door share it, and each secures the connections that it serves. A
/// connection shakes hands when it is first used. What failed there is logged, not for each of
/// many. Its streams may outlive it.
class TlsLayer {
 public:
  TlsLayer(std::shared_ptr<const ServerIdentity> identity, TlsOptions options);
  TlsLayer(const TlsLayer&) = delete;
  TlsLayer& operator=(const TlsLayer&) = delete;
  ~TlsLayer();

  /// For connections from now on; those that are there keep what they began with.
  void Replace(std::shared_ptr<const ServerIdentity> identity);

  /// `env` is of the stream's loop, and outlives what is returned.
  std::unique_ptr<Stream> Secure(Env& env, std::unique_ptr<Stream> stream) const;

 private:
  mutable std::mutex mutex_;  // guards the next
  std::shared_ptr<const ServerIdentity> identity_;
  const std::shared_ptr<const TlsOptions> options_;
  const std::shared_ptr<FailureLog> failures_;
};

}  // namespace forebay::tls
