#include "src/front/tls/layer.h"

#include <utility>

namespace forebay::tls {

TlsLayer::TlsLayer(std::shared_ptr<const ServerIdentity> identity, TlsOptions options)
    : identity_(std::move(identity)),
      options_(std::make_shared<const TlsOptions>(std::move(options))),
      failures_(std::make_shared<FailureLog>()) {}
TlsLayer::~TlsLayer() = default;

void TlsLayer::Replace(std::shared_ptr<const ServerIdentity> identity) {
  const std::lock_guard lock(mutex_);
  identity_.swap(identity);
}

std::unique_ptr<Stream> TlsLayer::Secure(Env& env, std::unique_ptr<Stream> stream) const {
  std::shared_ptr<const ServerIdentity> identity;
  {
    const std::lock_guard lock(mutex_);
    identity = identity_;
  }
  return std::make_unique<TlsStream>(env, std::move(stream), std::move(identity), options_,
                                     failures_);
}

}  // namespace forebay::tls
