#include "sim/sim_net.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "sim/connection.h"
#include "sim/node.h"
#include "sim/sim_network.h"
#include "sim/world.h"
#include "src/base/hash.h"

namespace forebay::sim {
namespace {

constexpr Duration kSynRetry = seconds(1);
/// How long the card may look at a sender's memory before it has taken the bytes.
constexpr uint64_t kMaxCaptureDelayNs = 20'000;

class SimStream final : public Stream {
 public:
  SimStream(Process& process, std::shared_ptr<Connection> connection, int side)
      : process_(process),
        connection_(std::move(connection)),
        side_(side),
        peer_(connection_->node(1 - side).name() + ":0") {}
  ~SimStream() override {
    if (!process_.dead()) connection_->Shut(side_);
  }

  Task<Result<size_t>> Recv(MutableBytes into, Call call) override;
  Task<Result<void>> Send(std::span<const Bytes> parts, Call call) override;
  void Shutdown() override {
    if (!process_.dead()) connection_->Shut(side_);
  }
  const std::string& peer() const override { return peer_; }
  std::optional<PeerProcess> peer_process() const override {
    return connection_->identity(1 - side_);
  }

 private:
  Result<void> CheckOpen();
  /// Waits in `place` until woken; kUnavailable or kCancelled where that is why.
  Task<Result<void>> WaitIn(Wait** place, const char* what, Call call, Instant until);
  Task<Result<void>> SendSegment(std::span<const Bytes>& parts, size_t* at, Call call);
  Prng& prng() { return process_.world().net().prng(); }

  Process& process_;
  const std::shared_ptr<Connection> connection_;
  const int side_;
  const std::string peer_;
};

Result<void> SimStream::CheckOpen() {
  FB_TRY(process_.CheckAlive());
  if (connection_->shut(side_)) return Fail(Code::kCancelled, peer_ + ": was shut down here");
  if (connection_->broken(side_)) return Fail(Code::kUnavailable, peer_ + ": connection broke");
  return {};
}

Task<Result<void>> SimStream::WaitIn(Wait** place, const char* what, Call call, Instant until) {
  Wait wait(process_, what, call, until);
  FB_ASSERT(*place == nullptr);
  *place = &wait;
  const WaitEnd end = co_await wait;
  *place = nullptr;
  if (end == WaitEnd::kDeadline || end == WaitEnd::kCancelled) {
    co_return Fail(WaitError(end, fmt::format("{} {}", what, peer_)));
  }
  co_return CheckOpen();
}

Task<Result<size_t>> SimStream::Recv(MutableBytes into, Call call) {
  FB_CO_TRY(CheckOpen());
  for (;;) {
    const Connection::Next next = connection_->Peek(side_);
    if (next.at <= process_.world().Now()) {
      if (next.end) co_return 0;
      // A stream keeps no borders: now and then it gives less than it could.
      uint64_t size = std::min<uint64_t>(next.bytes, into.size());
      if (size > 1 && prng().OneIn(8)) size = 1 + prng().Below(size - 1);
      connection_->Take(side_, into.first(size));
      process_.Note(Happening::kRecv, size);
      co_return size;
    }
    FB_CO_TRY(co_await WaitIn(&connection_->reader(side_), "recv", call, next.at));
  }
}

Task<Result<void>> SimStream::Send(std::span<const Bytes> parts, Call call) {
  FB_CO_TRY(CheckOpen());
  size_t at = 0;
  while (!parts.empty()) {
    if (Result<void> sent = co_await SendSegment(parts, &at, call); !sent) {
      // Nobody knows how much went out: this side is of no more use.
      if (!process_.dead()) connection_->Break(side_);
      co_return sent;
    }
  }
  co_return Result<void>();
}

Task<Result<void>> SimStream::SendSegment(std::span<const Bytes>& parts, size_t* at, Call call) {
  // The segment before may have met a reset: nobody would wake who waits for room then.
  FB_CO_TRY(CheckOpen());
  Network& net = process_.world().net();
  ++net.counts().backpressure.possible;
  while (!connection_->HasRoom(side_)) {
    ++net.counts().backpressure.fired;
    FB_CO_TRY(co_await WaitIn(&connection_->writer(side_), "send", call, Instant::Never()));
  }
  if (prng().OneIn(4)) {
    const Duration delay(static_cast<int64_t>(prng().Below(kMaxCaptureDelayNs)));
    const Instant until = process_.world().Now() + delay;
    FB_CO_TRY(co_await WaitIn(&connection_->writer(side_), "send", call, until));
  }
  std::vector<std::byte> bytes;
  const uint64_t most = net.options().segment_bytes;
  while (!parts.empty() && bytes.size() < most) {
    const Bytes rest = parts[0].subspan(*at);
    const Bytes step = rest.first(std::min<uint64_t>(rest.size(), most - bytes.size()));
    bytes.insert(bytes.end(), step.begin(), step.end());
    *at += step.size();
    if (*at < parts[0].size()) continue;
    parts = parts.subspan(1);
    *at = 0;
  }
  if (bytes.empty()) co_return Result<void>();
  process_.Note(Happening::kSend, HashBytes(bytes, 0).lo);
  connection_->Enqueue(side_, std::move(bytes));
  co_return Result<void>();
}

class SimListener final : public Listener {
 public:
  SimListener(Process& process, std::string port, std::shared_ptr<ListenPoint> point)
      : process_(process), port_(std::move(port)), point_(std::move(point)) {}
  ~SimListener() override {
    if (process_.dead()) return;
    for (const auto& connection : point_->backlog) connection->Reset();
    process_.world().net().StopListening(process_.node(), port_, *point_);
  }

  Task<Result<std::unique_ptr<Stream>>> Accept(Call call) override {
    FB_CO_TRY(process_.CheckAlive());
    while (point_->backlog.empty()) {
      Wait wait(process_, "accept", call);
      FB_ASSERT(point_->acceptor == nullptr);
      point_->acceptor = &wait;
      const WaitEnd end = co_await wait;
      point_->acceptor = nullptr;
      if (end != WaitEnd::kWoken) co_return Fail(WaitError(end, "accept " + address()));
    }
    auto connection = std::move(point_->backlog.front());
    point_->backlog.pop_front();
    co_return std::make_unique<SimStream>(process_, std::move(connection), 1);
  }
  const std::string& address() const override { return point_->address; }

 private:
  Process& process_;
  const std::string port_;
  const std::shared_ptr<ListenPoint> point_;
};

bool IsHere(const std::string& host) {
  static constexpr std::string_view kNames[] = {"",      "localhost", "127.0.0.1",
                                                "[::1]", "0.0.0.0",   "[::]"};
  return std::find(std::begin(kNames), std::end(kNames), host) != std::end(kNames);
}

}  // namespace

Result<SimNet::Target> SimNet::Parse(std::string_view address) {
  if (address.starts_with("unix:")) return Target{.port = std::string(address)};
  const size_t colon = address.rfind(':');
  const std::string_view port =
      colon == std::string_view::npos ? std::string_view() : address.substr(colon + 1);
  const bool digits =
      port.size() <= 5 && port.find_first_not_of("0123456789") == std::string_view::npos;
  if (port.empty() || !digits) {
    return Fail(Code::kInvalidArgument, fmt::format("'{}' is not HOST:PORT", address));
  }
  Target target{.host = std::string(address.substr(0, colon)), .port = std::string(port)};
  if (IsHere(target.host)) target.host.clear();
  return target;
}

Result<std::unique_ptr<Listener>> SimNet::Listen(std::string address) {
  FB_TRY(process_.CheckAlive());
  FB_ASSIGN(Target target, Parse(address));
  const Node& node = process_.node();
  if (!target.host.empty() && target.host != node.name()) {
    return Fail(Code::kInvalidArgument, address + ": not an address of " + node.name());
  }
  Network& net = process_.world().net();
  if (target.port == "0") target.port = net.FreePort(node);
  auto point = net.Listen(node, target.port);
  if (point == nullptr) return Fail(Code::kInUse, address + ": somebody listens there already");
  return std::make_unique<SimListener>(process_, target.port, std::move(point));
}

Task<Result<std::unique_ptr<Stream>>> SimNet::Connect(std::string address, Call call) {
  FB_CO_TRY(process_.CheckAlive());
  FB_CO_ASSIGN(const Target target, Parse(address));
  World& world = process_.world();
  Network& net = world.net();
  Node* to = target.host.empty() ? &process_.node() : world.FindNode(target.host);
  process_.Note(Happening::kConnect, HashBytes(AsBytes(address), 0).lo);
  if (to == nullptr) {
    FB_CO_TRY(co_await process_.Until(world.Now() + milliseconds(1), "resolve", call));
    co_return Fail(Code::kUnavailable, address + ": no such host");
  }
  const bool swallowed = net.counts().blackhole.Chance(net.prng(), net.options().faults.blackhole);
  const Instant give_up = world.Now() + net.options().connect_timeout;
  while (world.Now() < give_up) {
    const bool unreachable = swallowed || to->crashed() || net.Blocked(process_.node(), *to) ||
                             net.Blocked(*to, process_.node());
    if (!unreachable) {
      auto stream = co_await TryConnect(*to, target.port, call);
      if (!stream || *stream != nullptr) co_return stream;
    }
    const Instant next = std::min(give_up, world.Now() + kSynRetry);
    FB_CO_TRY(co_await process_.Until(next, "connect", call));
  }
  co_return Fail(Code::kUnavailable, address + ": connecting timed out");
}

/// One round trip. Null where nobody answered it.
Task<Result<std::unique_ptr<Stream>>> SimNet::TryConnect(Node& to, std::string port, Call call) {
  World& world = process_.world();
  Network& net = world.net();
  const Duration there = net.Latency(process_.node(), to), back = net.Latency(to, process_.node());
  FB_CO_TRY(co_await process_.Until(world.Now() + there + back, "connect", call));
  if (to.crashed() || net.Blocked(process_.node(), to)) co_return nullptr;
  const auto point = net.FindListener(to, port);
  const bool refused = net.counts().refuse.Chance(net.prng(), net.options().faults.refuse);
  if (point == nullptr || refused) {
    co_return Fail(Code::kUnavailable, fmt::format("{}:{}: connection refused", to.name(), port));
  }
  if (point->backlog.size() >= net.options().backlog) co_return nullptr;
  auto connection =
      std::make_shared<Connection>(net, process_.node(), to, port.starts_with("unix:"));
  net.Register(connection);
  point->backlog.push_back(connection);
  if (point->acceptor != nullptr) point->acceptor->Wake();
  co_return std::make_unique<SimStream>(process_, std::move(connection), 0);
}

}  // namespace forebay::sim
