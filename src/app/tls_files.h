// The certificate and the key of a door, read again when either file changes.
#pragma once

#include <memory>
#include <string>

#include "src/app/token_file.h"
#include "src/front/tls/identity.h"
#include "src/runtime/env.h"

namespace forebay::app {

/// As TokenFile: small and local.
class TlsFiles {
 public:
  TlsFiles(std::string certificate, std::string key)
      : certificate_("certificate", std::move(certificate)), key_("key", std::move(key)) {}

  /// "certificate /etc/forebay/tls.crt with key /etc/forebay/tls.key"
  std::string name() const { return certificate_.name() + " with " + key_.name(); }
  /// Errors name the file and the fix. Says what it found, also where clients will not like it.
  Result<std::shared_ptr<const tls::ServerIdentity>> Read(Env& env);
  /// One of them has changed since, or what was made of them a day ago has had its time: session
  /// tickets should not be read for ever by whoever gets hold of their key.
  bool Due(Instant now) const;

 private:
  Result<void> CheckMode() const;

  TokenFile certificate_;
  TokenFile key_;
  Instant read_at_{};
};

}  // namespace forebay::app
