// A client of TLS over the Stream seam, for tests: plain, and written apart from the server, so
// that a mistake of one is not made by both.
#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <string>

#include "src/runtime/env.h"

namespace forebay::tls {

struct TestClientOptions {
  int version = 0;                     // TLS1_2_VERSION: this one only
  std::string protocols = "http/1.1";  // of ALPN, one; "": no ALPN
  std::string trusted_pem;             // what the server's certificate must follow from; "": any
  SSL_SESSION* session = nullptr;      // to go on with
};

/// One use of one half at a time: it has no answer to the protocol's own messages while it sends.
class TestClient {
 public:
  TestClient(std::unique_ptr<Stream> stream, const TestClientOptions& options);
  ~TestClient();

  Task<Result<void>> Shake(Call call);
  /// As Stream::Recv.
  Task<Result<size_t>> Recv(MutableBytes into, Call call);
  Task<Result<void>> Send(std::string text, Call call);
  /// close_notify; the stream stays open.
  Task<Result<void>> SayEnd(Call call);
  /// What OpenSSL has written meanwhile.
  Task<Result<void>> Flush(Call call);

  SSL* ssl() { return ssl_; }
  Stream& stream() { return *stream_; }
  /// The last ticket that came; null before.
  SSL_SESSION* session() { return session_; }

 private:
  Task<Result<void>> Feed(Call call);
  static int KeepSession(SSL* ssl, SSL_SESSION* session);

  const std::unique_ptr<Stream> stream_;
  SSL_CTX* const context_;
  SSL* ssl_ = nullptr;
  SSL_SESSION* session_ = nullptr;
};

/// All that comes until the peer says that this was all.
Task<Result<std::string>> RecvAll(TestClient& client, Call call);

}  // namespace forebay::tls
