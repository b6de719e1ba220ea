#include "src/front/tls/listener.h"

#include <utility>

namespace forebay::tls {

TlsListener::TlsListener(Env& env, Listener& inner, std::shared_ptr<const ServerIdentity> identity,
                         TlsOptions options)
    : env_(env),
      inner_(inner),
      identity_(std::move(identity)),
      options_(std::make_shared<const TlsOptions>(std::move(options))),
      failures_(std::make_shared<FailureLog>()) {}
TlsListener::~TlsListener() = default;

Task<Result<std::unique_ptr<Stream>>> TlsListener::Accept(Call call) {
  FB_CO_ASSIGN(auto stream, co_await inner_.Accept(call));
  co_return std::make_unique<TlsStream>(env_, std::move(stream), identity_, options_, failures_);
}

}  // namespace forebay::tls
