#include "src/front/tls/stream.h"

#include <fmt/format.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "src/base/assert.h"
#include "src/base/units.h"
#include "src/front/tls/openssl_words.h"

namespace forebay::tls {
namespace {

constexpr size_t kRecordBytes = 16 * kKiB;  // of plain text, at most: TLS's own
/// What an idle connection waits with, and what is received at a time while much comes.
constexpr size_t kIdleRoom = 4 * kKiB;
constexpr size_t kBulkRoom = 64 * kKiB;
/// So many bytes of records go to the stream below at a time. It is less than what Linux would send
/// without copying, which waits until the peer has it: nothing would be on its way meanwhile.
constexpr size_t kBatchBytes = 3 * kRecordBytes;
/// Answers to what the peer asks of the protocol itself (new keys, no renegotiation) wait for what
/// is being sent; past this many bytes of them it is up to no good.
constexpr size_t kMaxAnswers = 16 * kKiB;
constexpr size_t kMaxOut = kBatchBytes + kRecordBytes + kMaxAnswers;
constexpr size_t kKeptOut = 4 * kKiB;
constexpr Duration kAlertTime = std::chrono::seconds(1);

bool BeginsText(std::byte first) {
  const auto letter = static_cast<unsigned char>(first);
  return letter >= 'A' && letter <= 'Z';  // "GET": a record of TLS begins with 0x16
}

}  // namespace

struct TlsStream::Bio {
  static int Read(BIO* bio, char* into, size_t size, size_t* read) {
    auto& stream = *static_cast<TlsStream*>(BIO_get_data(bio));
    BIO_clear_retry_flags(bio);
    const size_t taken = std::min(size, stream.in_end_ - stream.in_begin_);
    if (taken == 0) {
      BIO_set_retry_read(bio);
      return 0;
    }
    std::memcpy(into, stream.in_.data() + stream.in_begin_, taken);
    stream.in_begin_ += taken;
    *read = taken;
    return 1;
  }

  static int Write(BIO* bio, const char* from, size_t size, size_t* written) {
    auto& stream = *static_cast<TlsStream*>(BIO_get_data(bio));
    BIO_clear_retry_flags(bio);
    if (stream.out_.size() + size > kMaxOut) return 0;
    const Bytes bytes = AsBytes({from, size});
    stream.out_.insert(stream.out_.end(), bytes.begin(), bytes.end());
    *written = size;
    return 1;
  }

  static long Control(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH ? 1 : 0; }

  static const BIO_METHOD* Method() {
    static const BIO_METHOD* const method = [] {
      BIO_METHOD* made =
          BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "forebay's buffers");
      FB_ASSERT(made != nullptr);
      BIO_meth_set_read_ex(made, Read);
      BIO_meth_set_write_ex(made, Write);
      BIO_meth_set_ctrl(made, Control);
      return made;
    }();
    return method;
  }
};

TlsStream::TlsStream(Env& env, std::unique_ptr<Stream> inner,
                     std::shared_ptr<const ServerIdentity> identity,
                     std::shared_ptr<const TlsOptions> options,
                     std::shared_ptr<FailureLog> failures)
    : env_(env),
      inner_(std::move(inner)),
      identity_(std::move(identity)),
      options_(std::move(options)),
      failures_(std::move(failures)),
      handshake_until_(env.clock.Now() + options_->handshake),
      ssl_(SSL_new(identity_->native())) {
  FB_ASSERT(ssl_ != nullptr);
  BIO* bio = BIO_new(Bio::Method());
  FB_ASSERT(bio != nullptr);
  BIO_set_data(bio, this);
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl_, bio, bio);
  SSL_set_accept_state(ssl_);
}

TlsStream::~TlsStream() {
  SSL_free(ssl_);
}

/// The connection is of no more use.
Error TlsStream::Failed(Error error) {
  state_ = State::kFailed;
  if (!failure_) failure_ = error;
  return error;
}

TlsStream::Outcome TlsStream::OutcomeOf(int returned) {
  switch (SSL_get_error(ssl_, returned)) {
    case SSL_ERROR_NONE:
      return Outcome::kDone;
    case SSL_ERROR_WANT_READ:
      return Outcome::kWantsInput;
    case SSL_ERROR_ZERO_RETURN:
      return Outcome::kPeerFinished;
    default:
      return Outcome::kFailed;
  }
}

/// More of what the peer sent, once OpenSSL has used all there was.
Task<Result<void>> TlsStream::Feed(Call call) {
  FB_ASSERT(in_begin_ == in_end_);
  in_begin_ = in_end_ = 0;
  const size_t room = full_ ? kBulkRoom : kIdleRoom;
  if (in_.size() != room) in_ = std::vector<std::byte>(room);
  FB_CO_ASSIGN(const size_t size, co_await inner_->Recv(in_, call));
  in_end_ = size;
  full_ = size == room;
  peer_closed_ = size == 0;
  heard_ = heard_ || size > 0;
  co_return Result<void>();
}

/// What a batch lay in is used for the next one, a large one only while there is more to send.
void TlsStream::KeepRoom(std::vector<std::byte> used) {
  if (out_.capacity() > 0) return;
  used.clear();
  out_ = std::move(used);
}

/// Sends all that is encrypted, in the order of its encryption, whoever caused it.
Task<Result<void>> TlsStream::Flush(Call call) {
  FB_CO_TRY(co_await sending_.Take(env_, 1, call));
  const Units turn(sending_, 1);
  while (!out_.empty()) {
    if (state_ == State::kFailed && failure_) co_return Fail(*failure_);
    std::vector<std::byte> batch = std::exchange(out_, {});
    const Bytes parts[] = {batch};
    if (const auto sent = co_await inner_->Send(parts, call); !sent) {
      co_return Fail(Failed(sent.error()));
    }
    KeepRoom(std::move(batch));
  }
  if (out_.capacity() > kKeptOut) out_ = {};
  co_return Result<void>();
}

/// What OpenSSL has to say about a failure. It fits into a socket that is not full; into another
/// one it need not go.
Task<void> TlsStream::FlushAlert() {
  if (out_.empty() || sending_.free() == 0) co_return;
  const std::vector<std::byte> batch = std::exchange(out_, {});
  const Bytes parts[] = {batch};
  static_cast<void>(
      co_await inner_->Send(parts, {.deadline = env_.clock.Now() + kAlertTime, .cancel = {}}));
}

Task<Result<void>> TlsStream::AnswerPlainText(Call call) {
  const Bytes parts[] = {AsBytes(options_->answer_to_plain_text)};
  if (!parts[0].empty()) static_cast<void>(co_await inner_->Send(parts, call));
  co_return Fail(Code::kInvalidArgument, "plain text came to a door that speaks TLS");
}

Task<Result<void>> TlsStream::Shake(Call call) {
  for (;;) {
    ERR_clear_error();
    const Outcome outcome = OutcomeOf(SSL_do_handshake(ssl_));
    if (outcome == Outcome::kFailed) {
      const std::string reason = TakeHandshakeReason();
      co_await FlushAlert();
      co_return Fail(Code::kInvalidArgument, reason);
    }
    FB_CO_TRY(co_await Flush(call));
    if (outcome == Outcome::kDone) co_return Result<void>();
    const bool first = !heard_;
    FB_CO_TRY(co_await Feed(call));
    if (peer_closed_) {
      co_return Fail(Code::kUnavailable,
                     first ? "the peer left without a word" : "the peer left in the middle of it");
    }
    if (first && BeginsText(in_[0])) co_return co_await AnswerPlainText(call);
  }
}

/// The handshake is done when this is ok.
Task<Result<void>> TlsStream::Ready(Call call) {
  if (state_ == State::kOpen) co_return Result<void>();
  FB_CO_TRY(co_await shaking_.Take(env_, 1, call));
  const Units turn(shaking_, 1);
  if (state_ == State::kOpen) co_return Result<void>();
  if (state_ == State::kFailed) co_return Fail(*failure_);
  const auto shaken = co_await Shake(
      {.deadline = std::min(call.deadline, handshake_until_), .cancel = call.cancel});
  if (shaken) {
    state_ = State::kOpen;
    co_return Result<void>();
  }
  Error error = shaken.error();
  const bool too_slow = env_.clock.Now() >= handshake_until_;
  if (too_slow) {
    error = Error(Code::kUnavailable, "it was not done in time");
  } else if (error.code() == Code::kDeadlineExceeded || error.code() == Code::kCancelled) {
    co_return Fail(error);
  }
  error = error.Within("TLS handshake with " + peer());
  if (heard_) failures_->Note(env_, error);  // who only looks whether the port is open is no news
  co_return Fail(Failed(std::move(error)));
}

/// As many bytes as there are; last_read_ says why there were no more.
size_t TlsStream::Decrypt(MutableBytes into) {
  size_t all = 0;
  ERR_clear_error();
  while (all < into.size()) {
    size_t size = 0;
    const int returned = SSL_read_ex(ssl_, into.data() + all, into.size() - all, &size);
    last_read_ = OutcomeOf(returned);
    if (last_read_ == Outcome::kFailed) {
      Failed({Code::kCorrupt, fmt::format("TLS with {}: {}", peer(), TakeReason())});
    }
    if (last_read_ != Outcome::kDone) break;
    all += size;
  }
  return all;
}

Task<Result<size_t>> TlsStream::Recv(MutableBytes into, Call call) {
  FB_CO_TRY(co_await Ready(call));
  for (;;) {
    if (state_ == State::kFailed) co_return Fail(*failure_);
    const size_t size = Decrypt(into);
    if (size > 0) co_return size;
    if (last_read_ == Outcome::kFailed) {
      co_await FlushAlert();
      co_return Fail(*failure_);
    }
    if (last_read_ == Outcome::kPeerFinished) co_return 0;
    // Answers of the protocol itself; who sends now takes them along.
    if (!out_.empty() && sending_.free() > 0) FB_CO_TRY(co_await Flush(call));
    if (in_begin_ != in_end_) continue;
    if (peer_closed_) {
      co_return Fail(Code::kUnavailable,
                     fmt::format("{} closed without saying that this was all: what it sent may "
                                 "have been cut",
                                 peer()));
    }
    FB_CO_TRY(co_await Feed(call));
  }
}

/// The next record of `plain`, which gets shorter by it.
Result<void> TlsStream::Encrypt(Bytes* plain) {
  size_t size = 0;
  ERR_clear_error();
  if (SSL_write_ex(ssl_, plain->data(), std::min(plain->size(), kRecordBytes), &size) != 1) {
    return Fail(Failed({Code::kUnavailable, fmt::format("TLS with {}: {}", peer(), TakeReason())}));
  }
  *plain = plain->subspan(size);
  return {};
}

Task<Result<void>> TlsStream::Send(std::span<const Bytes> parts, Call call) {
  FB_CO_TRY(co_await Ready(call));
  for (Bytes part : parts) {
    while (!part.empty()) {
      if (state_ == State::kFailed) co_return Fail(*failure_);
      FB_CO_TRY(Encrypt(&part));
      if (out_.size() >= kBatchBytes) FB_CO_TRY(co_await Flush(call));
    }
  }
  co_return co_await Flush(call);
}

Task<void> TlsStream::SayEnd(Call call) {
  if (state_ != State::kOpen || std::exchange(said_end_, true)) co_return;
  ERR_clear_error();
  static_cast<void>(SSL_shutdown(ssl_));
  ERR_clear_error();
  static_cast<void>(co_await Flush(call));
}

void TlsStream::Shutdown() {
  inner_->Shutdown();
}

}  // namespace forebay::tls
