#include "src/front/tls/testing/client.h"

#include <openssl/err.h>
#include <openssl/pem.h>

#include <array>
#include <vector>

#include "src/base/assert.h"

namespace forebay::tls {
namespace {

constexpr size_t kPieceBytes = 4096;

std::string Reason() {
  const unsigned long error = ERR_get_error();
  ERR_clear_error();
  const char* reason = ERR_reason_error_string(error);
  return reason != nullptr ? reason : "no reason";
}

void Trust(SSL_CTX* context, const std::string& pem) {
  BIO* bio = BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()));
  X509* authority = PEM_read_bio_X509(bio, nullptr, nullptr, nullptr);
  FB_ASSERT(authority != nullptr);
  X509_STORE_add_cert(SSL_CTX_get_cert_store(context), authority);
  X509_free(authority);
  BIO_free(bio);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
}

}  // namespace

TestClient::TestClient(std::unique_ptr<Stream> stream, const TestClientOptions& options)
    : stream_(std::move(stream)), context_(SSL_CTX_new(TLS_client_method())) {
  if (options.version != 0) {
    SSL_CTX_set_security_level(context_, 0);  // also what nobody should speak any more
    SSL_CTX_set_min_proto_version(context_, options.version);
    SSL_CTX_set_max_proto_version(context_, options.version);
  }
  if (!options.trusted_pem.empty()) Trust(context_, options.trusted_pem);
  // One that lay in a context's own cache is spoiled when that context goes.
  SSL_CTX_set_session_cache_mode(context_, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(context_, KeepSession);
  ssl_ = SSL_new(context_);
  SSL_set_app_data(ssl_, this);
  SSL_set_bio(ssl_, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
  if (!options.protocols.empty()) {
    const std::string offer = static_cast<char>(options.protocols.size()) + options.protocols;
    SSL_set_alpn_protos(ssl_, reinterpret_cast<const unsigned char*>(offer.data()),
                        static_cast<unsigned>(offer.size()));
  }
  if (options.session != nullptr) SSL_set_session(ssl_, options.session);
  SSL_set_connect_state(ssl_);
}

TestClient::~TestClient() {
  SSL_SESSION_free(session_);
  SSL_free(ssl_);
  SSL_CTX_free(context_);
}

int TestClient::KeepSession(SSL* ssl, SSL_SESSION* session) {
  auto& client = *static_cast<TestClient*>(SSL_get_app_data(ssl));
  SSL_SESSION_free(std::exchange(client.session_, session));
  return 1;
}

Task<Result<void>> TestClient::Flush(Call call) {
  std::vector<std::byte> out(BIO_ctrl_pending(SSL_get_wbio(ssl_)));
  if (out.empty()) co_return Result<void>();
  BIO_read(SSL_get_wbio(ssl_), out.data(), static_cast<int>(out.size()));
  const Bytes parts[] = {out};
  co_return co_await stream_->Send(parts, call);
}

Task<Result<void>> TestClient::Feed(Call call) {
  std::array<std::byte, kPieceBytes> piece;
  FB_CO_ASSIGN(const size_t size, co_await stream_->Recv(piece, call));
  if (size == 0) co_return Fail(Code::kUnavailable, "closed without close_notify");
  BIO_write(SSL_get_rbio(ssl_), piece.data(), static_cast<int>(size));
  co_return Result<void>();
}

Task<Result<void>> TestClient::Shake(Call call) {
  for (;;) {
    ERR_clear_error();
    const int error = SSL_get_error(ssl_, SSL_do_handshake(ssl_));
    const std::string reason = error == SSL_ERROR_SSL ? Reason() : "";
    FB_CO_TRY(co_await Flush(call));
    if (error == SSL_ERROR_NONE) co_return Result<void>();
    if (error != SSL_ERROR_WANT_READ) co_return Fail(Code::kCorrupt, reason);
    FB_CO_TRY(co_await Feed(call));
  }
}

Task<Result<size_t>> TestClient::Recv(MutableBytes into, Call call) {
  for (;;) {
    size_t size = 0;
    ERR_clear_error();
    const int error = SSL_get_error(ssl_, SSL_read_ex(ssl_, into.data(), into.size(), &size));
    if (error == SSL_ERROR_NONE) co_return size;
    if (error == SSL_ERROR_ZERO_RETURN) co_return 0;
    if (error != SSL_ERROR_WANT_READ) co_return Fail(Code::kCorrupt, Reason());
    FB_CO_TRY(co_await Feed(call));
  }
}

Task<Result<void>> TestClient::Send(std::string text, Call call) {
  size_t size = 0;
  ERR_clear_error();
  if (SSL_write_ex(ssl_, text.data(), text.size(), &size) != 1) {
    co_return Fail(Code::kCorrupt, Reason());
  }
  FB_ASSERT(size == text.size());
  co_return co_await Flush(call);
}

Task<Result<void>> TestClient::SayEnd(Call call) {
  static_cast<void>(SSL_shutdown(ssl_));
  co_return co_await Flush(call);
}

Task<Result<std::string>> RecvAll(TestClient& client, Call call) {
  std::string all;
  std::array<std::byte, kPieceBytes> piece;
  for (;;) {
    FB_CO_ASSIGN(const size_t size, co_await client.Recv(piece, call));
    if (size == 0) co_return all;
    all += AsText(Bytes(piece).first(size));
  }
}

}  // namespace forebay::tls
