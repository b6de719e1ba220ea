// What a TLS server shows, proves, and agrees to speak: its certificates, its key, TLS 1.2 and 1.3.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "src/base/result.h"

struct ssl_ctx_st;  // OpenSSL's SSL_CTX, which no header of ours includes

namespace forebay::tls {

/// Immutable. Shared by a door and the connections that began under it, on any threads. The keys
/// of its session tickets are its own and live as long as it does: who wants others makes another.
class ServerIdentity {
 public:
  /// PEM: the server's certificate with those between it and its authority behind it, and its key.
  /// kInvalidArgument begins with "certificate:" or "key:", and says what would do.
  static Result<std::shared_ptr<const ServerIdentity>> Create(std::string_view chain_pem,
                                                              std::string_view key_pem);
  ServerIdentity(const ServerIdentity&) = delete;
  ServerIdentity& operator=(const ServerIdentity&) = delete;
  ~ServerIdentity();

  /// "CN = node.example.org"
  std::string Subject() const;
  /// Nanoseconds since 1970: clients refuse the certificate before and after.
  int64_t valid_from_ns() const;
  int64_t valid_until_ns() const;

  ssl_ctx_st* native() const { return context_; }

 private:
  explicit ServerIdentity(ssl_ctx_st* context) : context_(context) {}

  ssl_ctx_st* const context_;
};

}  // namespace forebay::tls
