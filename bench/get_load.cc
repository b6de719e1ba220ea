#include "bench/get_load.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <vector>

#include "bench/store_fixture.h"
#include "src/base/prng.h"
#include "src/base/units.h"
#include "src/runtime/task_group.h"
#include "src/wire/codec.h"
#include "src/wire/inbox.h"
#include "src/wire/pieces.h"
#include "src/wire/read_messages.h"

namespace forebay::bench {
namespace {

constexpr size_t kHandshakeBytes = 4096;
constexpr size_t kReceiveBytes = 16 * kKiB;  // at least, of one receive
constexpr size_t kMostRequestBytes = 256;

/// What all connections share.
struct Shared {
  GetLoad load;
  std::vector<std::string> paths;
  uint64_t left = 0;
  Prng prng{1};
  std::vector<int64_t> nanos;  // from a batch's send to the answer
  Result<void> outcome;
};

class LoadedConnection {
 public:
  LoadedConnection(Env& env, std::unique_ptr<Stream> stream, Shared& shared)
      : env_(env),
        stream_(std::move(stream)),
        shared_(shared),
        requests_(kMostRequestBytes * shared.load.depth),
        answers_(kReceiveBytes + 2 * (shared.load.value_bytes + kHandshakeBytes)) {}

  Task<Result<void>> ShakeHands() {
    FB_CO_TRY(co_await Exchange(wire::Hello{.client = "forebay_bench", .later = {}},
                                wire::MessageType::kWelcome));
    co_return co_await Exchange(wire::Auth{.token_name = {}}, wire::MessageType::kReady);
  }

  Task<void> Run() {
    while (shared_.left > 0 && shared_.outcome) {
      auto done = co_await RunBatch();
      if (!done) shared_.outcome = std::move(done);
    }
  }

 private:
  template <class M>
  Task<Result<void>> Exchange(M message, wire::MessageType expected) {
    std::array<std::byte, kHandshakeBytes> frame;
    const Bytes part = Bytes(frame).first(EncodeHandshake(frame, message));
    FB_CO_TRY(co_await stream_->Send(std::span(&part, 1), {}));
    wire::Inbox inbox;
    for (;;) {
      FB_CO_ASSIGN(const bool whole, inbox.Parse());
      if (whole) break;
      FB_CO_ASSIGN(const size_t came, co_await stream_->Recv(inbox.Room(kHandshakeBytes), {}));
      if (came == 0) co_return Fail(Code::kUnavailable, "closed within the handshake");
      inbox.Received(came);
    }
    if (inbox.header().type == expected) co_return Result<void>();
    co_return Fail(Code::kInternal, "the handshake failed");
  }

  Task<Result<void>> RunBatch() {
    const uint64_t count = std::min<uint64_t>(shared_.left, shared_.load.depth);
    shared_.left -= count;
    size_t size = 0;
    for (uint64_t i = 0; i < count; ++i) {
      const wire::GetRequest request{
          .offset = 0,
          .size = shared_.load.value_bytes,
          .path = shared_.paths[shared_.prng.Below(shared_.load.objects)],
          .if_match = {}};
      const size_t more =
          EncodeRequest(MutableBytes(requests_).subspan(size), next_id_++, {}, request);
      if (more == 0) co_return Fail(Code::kInternal, "a request does not fit");
      size += more;
    }
    const Bytes part = Bytes(requests_).first(size);
    const Instant begin = env_.clock.Now();
    FB_CO_TRY(co_await stream_->Send(std::span(&part, 1), {}));
    for (uint64_t answered = 0; answered < count;) {
      FB_CO_ASSIGN(const size_t came,
                   co_await stream_->Recv(MutableBytes(answers_).subspan(filled_), {}));
      if (came == 0) co_return Fail(Code::kUnavailable, "the node closed the connection");
      filled_ += came;
      FB_CO_ASSIGN(const uint64_t more, TakeAnswers());
      const int64_t took = (env_.clock.Now() - begin).count();
      for (uint64_t i = 0; i < more; ++i) shared_.nanos.push_back(took);
      answered += more;
    }
    co_return Result<void>();
  }

  /// Checks the whole answers that are there and moves what is left of them to the front.
  Result<uint64_t> TakeAnswers() {
    uint64_t taken = 0;
    size_t at = 0;
    while (filled_ - at >= wire::kHeaderBytes) {
      const Bytes rest = Bytes(answers_).subspan(at, filled_ - at);
      FB_ASSIGN(const wire::FrameHeader header,
                wire::DecodeHeader(rest.first<wire::kHeaderBytes>()));
      if (rest.size() < wire::kHeaderBytes + header.body_size()) break;
      FB_TRY(CheckAnswer(header, rest.subspan(wire::kHeaderBytes, header.body_size())));
      at += wire::kHeaderBytes + header.body_size();
      ++taken;
    }
    filled_ -= at;
    std::memmove(answers_.data(), answers_.data() + at, filled_);
    return taken;
  }

  Result<void> CheckAnswer(const wire::FrameHeader& header, Bytes body) const {
    const Bytes meta = body.first(header.meta_size);
    FB_TRY(wire::CheckMeta(header, meta));
    FB_ASSIGN(const auto answer, wire::DecodeAnswer<wire::GetAnswer>(header, meta));
    const Bytes data = body.subspan(header.meta_size);
    const bool right =
        data.size() == shared_.load.value_bytes &&
        wire::VerifyPieces(answer.info.version, answer.info.block_bytes, 0, data, answer.crcs);
    if (!right) return Fail(Code::kCorrupt, "an answer is not what it should be");
    return {};
  }

  Env& env_;
  std::unique_ptr<Stream> stream_;
  Shared& shared_;
  uint64_t next_id_ = 1;
  std::vector<std::byte> requests_;
  std::vector<std::byte> answers_;
  size_t filled_ = 0;
};

}  // namespace

Task<Result<GetLoadResult>> RunGetLoad(Env& env, std::string address, GetLoad load) {
  Shared shared{.load = std::move(load)};
  for (uint64_t n = 0; n < shared.load.objects; ++n) {
    shared.paths.push_back(shared.load.path_of(n));
  }
  std::vector<std::unique_ptr<LoadedConnection>> connections;
  for (int n = 0; n < shared.load.connections; ++n) {
    FB_CO_ASSIGN(auto stream, co_await env.net.Connect(address, {}));
    connections.push_back(std::make_unique<LoadedConnection>(env, std::move(stream), shared));
    FB_CO_TRY(co_await connections.back()->ShakeHands());
  }
  shared.left = shared.load.requests;
  shared.nanos.reserve(shared.load.requests);
  TaskGroup group(env.executor);
  const Stopwatch watch;
  for (const auto& connection : connections) group.Spawn(connection->Run());
  co_await group.Join();
  const double seconds = watch.Seconds();
  if (!shared.outcome) co_return Fail(shared.outcome.error());
  const auto p99 = shared.nanos.begin() + static_cast<ptrdiff_t>(shared.nanos.size() * 99 / 100);
  std::ranges::nth_element(shared.nanos, p99);
  co_return GetLoadResult{static_cast<double>(shared.load.requests) / seconds,
                          static_cast<double>(*p99) / 1000};
}

}  // namespace forebay::bench
