#include "bench/get_load.h"

#include <fmt/format.h>

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <memory>
#include <span>
#include <vector>

#include "bench/peers/plain_net.h"
#include "bench/store_fixture.h"
#include "src/base/prng.h"
#include "src/base/units.h"
#include "src/wire/codec.h"
#include "src/wire/inbox.h"
#include "src/wire/pieces.h"
#include "src/wire/read_messages.h"

namespace forebay::bench {
namespace {

constexpr size_t kHandshakeBytes = 4096;
constexpr size_t kReceiveBytes = 128 * kKiB;  // at most, of one receive
constexpr size_t kMostRequestBytes = 256;

int64_t NowNanos() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::nanoseconds>(now).count();
}

/// What all connections share.
struct Shared {
  GetLoad load;
  std::vector<std::string> paths;
  uint64_t left = 0;      // to be sent
  uint64_t answered = 0;  // of all
  Prng prng{1};
  std::vector<int64_t> nanos;       // from a batch's send to its first answer, for each get
  std::vector<std::byte> requests;  // of one batch
  std::vector<std::byte> answers;   // of one receive, behind what the last one left
};

class LoadedConnection {
 public:
  LoadedConnection(int fd, Shared& shared) : fd_(fd), shared_(shared) {}
  ~LoadedConnection() { close(fd_); }
  LoadedConnection(const LoadedConnection&) = delete;
  LoadedConnection& operator=(const LoadedConnection&) = delete;

  int fd() const { return fd_; }
  bool answered() const { return unanswered_ == 0; }

  Result<void> ShakeHands() {
    FB_TRY(
        Exchange(wire::Hello{.client = "forebay_bench", .later = {}}, wire::MessageType::kWelcome));
    return Exchange(wire::Auth{.token_name = {}}, wire::MessageType::kReady);
  }

  /// Sends the next batch, if there is one.
  Result<void> Begin() {
    count_ = std::min<uint64_t>(shared_.left, static_cast<uint64_t>(shared_.load.depth));
    shared_.left -= count_;
    unanswered_ = count_;
    noted_ = false;
    size_t size = 0;
    for (uint64_t i = 0; i < count_; ++i) {
      const wire::GetRequest request{
          .offset = 0,
          .size = shared_.load.value_bytes,
          .path = shared_.paths[shared_.prng.Below(shared_.load.objects)],
          .if_match = {}};
      const size_t more =
          EncodeRequest(MutableBytes(shared_.requests).subspan(size), next_id_++, {}, request);
      if (more == 0) return Fail(Code::kInternal, "a request does not fit");
      size += more;
    }
    begun_ = NowNanos();
    return size == 0 ? Result<void>() : Send(Bytes(shared_.requests).first(size));
  }

  /// Takes what has come until there is no more.
  Result<void> Receive() {
    for (;;) {
      std::ranges::copy(rest_, shared_.answers.begin());
      const MutableBytes room = MutableBytes(shared_.answers).subspan(rest_.size());
      const ssize_t came = recv(fd_, room.data(), room.size(), MSG_DONTWAIT);
      if (came < 0 && errno == EAGAIN) return {};
      if (came <= 0) return Fail(Code::kUnavailable, "the node closed the connection");
      if (!noted_) NoteLatency();
      FB_TRY(TakeAnswers(Bytes(shared_.answers).first(rest_.size() + static_cast<size_t>(came))));
      // A short read has emptied the socket: the next edge tells of more.
      if (static_cast<size_t>(came) < room.size()) return {};
    }
  }

 private:
  template <class M>
  Result<void> Exchange(const M& message, wire::MessageType expected) {
    std::array<std::byte, kHandshakeBytes> frame;
    FB_TRY(Send(Bytes(frame).first(EncodeHandshake(frame, message))));
    wire::Inbox inbox;
    for (;;) {
      FB_ASSIGN(const bool whole, inbox.Parse());
      if (whole) break;
      const MutableBytes room = inbox.Room(kHandshakeBytes);
      const ssize_t came = recv(fd_, room.data(), room.size(), 0);
      if (came <= 0) return Fail(Code::kUnavailable, "closed within the handshake");
      inbox.Received(static_cast<size_t>(came));
    }
    if (inbox.header().type == expected) return {};
    return Fail(Code::kInternal, fmt::format("message {} within the handshake",
                                             static_cast<int>(inbox.header().type)));
  }

  Result<void> Send(Bytes bytes) const {
    if (SendAll(fd_, reinterpret_cast<const char*>(bytes.data()), bytes.size())) return {};
    return Fail(Code::kUnavailable, "the node takes no requests");
  }

  void NoteLatency() {
    noted_ = true;
    const int64_t took = NowNanos() - begun_;
    shared_.nanos.insert(shared_.nanos.end(), count_, took);
  }

  /// Checks the whole answers that are there and keeps what is left of them.
  Result<void> TakeAnswers(Bytes all) {
    while (all.size() >= wire::kHeaderBytes) {
      FB_ASSIGN(const wire::FrameHeader header,
                wire::DecodeHeader(all.first<wire::kHeaderBytes>()));
      const size_t size = wire::kHeaderBytes + header.body_size();
      if (all.size() < size) break;
      FB_TRY(CheckAnswer(header, all.subspan(wire::kHeaderBytes, header.body_size())));
      all = all.subspan(size);
      --unanswered_;
      ++shared_.answered;
    }
    rest_.assign(all.begin(), all.end());
    return {};
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

  const int fd_;
  Shared& shared_;
  uint64_t next_id_ = 1;
  uint64_t count_ = 0;  // of the batch
  uint64_t unanswered_ = 0;
  int64_t begun_ = 0;
  bool noted_ = false;           // the time to the batch's first answer
  std::vector<std::byte> rest_;  // the beginning of an answer
};

LoadedConnection& ConnectionOf(const epoll_event& event) {
  return *static_cast<LoadedConnection*>(event.data.ptr);
}

/// As redis-benchmark does: what a turn brought is taken first, then the next batches are sent.
Result<void> RunAll(const std::vector<std::unique_ptr<LoadedConnection>>& connections,
                    Shared& shared) {
  const int epoll = epoll_create1(EPOLL_CLOEXEC);
  for (const auto& connection : connections) {
    epoll_event event{.events = EPOLLIN | EPOLLET, .data = {.ptr = connection.get()}};
    epoll_ctl(epoll, EPOLL_CTL_ADD, connection->fd(), &event);
  }
  Result<void> done;
  for (size_t i = 0; i < connections.size() && done; ++i) done = connections[i]->Begin();
  std::array<epoll_event, 256> events;
  while (shared.answered < shared.load.requests && done) {
    const int count = std::max(epoll_wait(epoll, events.data(), events.size(), -1), 0);
    const auto ready = std::span(events).first(static_cast<size_t>(count));
    for (const epoll_event& event : ready) {
      if (done) done = ConnectionOf(event).Receive();
    }
    for (const epoll_event& event : ready) {
      if (done && ConnectionOf(event).answered()) done = ConnectionOf(event).Begin();
    }
  }
  close(epoll);
  return done;
}

}  // namespace

Result<GetLoadResult> RunGetLoad(const std::string& address, GetLoad load) {
  Shared shared{.load = std::move(load)};
  for (uint64_t n = 0; n < shared.load.objects; ++n) {
    shared.paths.push_back(shared.load.path_of(n));
  }
  shared.requests.resize(kMostRequestBytes * static_cast<size_t>(shared.load.depth));
  shared.answers.resize(kReceiveBytes + shared.load.value_bytes + kHandshakeBytes);
  std::vector<std::unique_ptr<LoadedConnection>> connections;
  for (int n = 0; n < shared.load.connections; ++n) {
    const int fd = ConnectTo(address);
    if (fd < 0) return Fail(Code::kUnavailable, "connect to " + address);
    connections.push_back(std::make_unique<LoadedConnection>(fd, shared));
    FB_TRY(connections.back()->ShakeHands());
  }
  shared.left = shared.load.requests;
  shared.nanos.reserve(shared.load.requests);
  const Stopwatch watch;
  FB_TRY(RunAll(connections, shared));
  const double seconds = watch.Seconds();
  double sum = 0;
  for (const int64_t nanos : shared.nanos) sum += static_cast<double>(nanos);
  const auto count = static_cast<double>(shared.nanos.size());
  const auto p99 = shared.nanos.begin() + static_cast<ptrdiff_t>(shared.nanos.size() * 99 / 100);
  std::ranges::nth_element(shared.nanos, p99);
  return GetLoadResult{static_cast<double>(shared.load.requests) / seconds, sum / count / 1000,
                       static_cast<double>(*p99) / 1000};
}

}  // namespace forebay::bench
