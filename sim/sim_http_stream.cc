#include "sim/sim_http_stream.h"

#include <algorithm>
#include <utility>

#include "sim/node.h"
#include "sim/sim_network.h"
#include "sim/world.h"

namespace forebay::sim {

Instant SimHttpStream::ArrivalNow() {
  const Duration latency =
      server_ == nullptr ? world_.options().http.latency : server_->options_.latency;
  const auto half = static_cast<uint64_t>(latency.count()) / 2;
  const Duration takes(static_cast<int64_t>(half + world_.http().prng().Below(half + 1)));
  last_arrival_ = std::max(last_arrival_, world_.Now() + takes);
  return last_arrival_;
}

void SimHttpStream::Push(std::string bytes) {
  if (ending_ != Ending::kNot || silent_ || bytes.empty()) return;
  const bool breaks = server_ != nullptr && world_.http().Fires(*server_, HttpFault::kResetInBody);
  if (breaks) bytes.resize(world_.http().prng().Below(bytes.size()));
  pieces_.push_back({std::move(bytes), world_.Now(), ArrivalNow()});
  if (breaks) Break();
  WakeReader();
}

void SimHttpStream::End() {
  if (ending_ != Ending::kNot) return;
  ending_ = Ending::kGood;
  end_arrival_ = ArrivalNow();
  WakeReader();
}

void SimHttpStream::Break() {
  End();
  ending_ = Ending::kBroken;
}

void SimHttpStream::Silence() {
  if (silent_) return;
  silent_ = true;
  silent_since_ = world_.Now();
}

void SimHttpStream::WakeReader() {
  if (reader_ != nullptr) std::exchange(reader_, nullptr)->Wake();
}

bool SimHttpStreamResponse::LinkCut() const {
  const Network& net = process_.world().net();
  const HttpServer* server = stream_->server_;
  if (server == nullptr || server->host_ == nullptr) return net.Isolated(process_.node());
  return net.Blocked(*server->host_, process_.node());
}

Task<Result<void>> SimHttpStreamResponse::WaitFor(Instant until, Call call) {
  Wait wait(process_, "http stream", call, until);
  stream_->reader_ = &wait;
  const WaitEnd end = co_await wait;
  if (stream_->reader_ == &wait) stream_->reader_ = nullptr;
  if (end == WaitEnd::kWoken || end == WaitEnd::kTimer) co_return Result<void>();
  co_return Fail(WaitError(end, "http stream"));
}

Task<Result<void>> SimHttpStreamResponse::Probe(Call call) {
  World& world = process_.world();
  const NetOptions& net = world.options().net;
  const HttpServer* server = stream_->server_;
  Instant next = stream_->silent_since_ + net.keep_alive;
  const Instant last = next + net.keep_alive_gives_up;
  for (;;) {
    FB_CO_TRY(co_await process_.Until(std::max(next, world.Now()), "http stream", call));
    const bool dead = server != nullptr && server->host_ != nullptr && server->host_->crashed();
    if ((!LinkCut() && !dead) || world.Now() >= last) co_return Result<void>();
    next = world.Now() + net.retransmit;
  }
}

Task<Result<size_t>> SimHttpStreamResponse::Read(MutableBytes into, Call call) {
  World& world = process_.world();
  const NetOptions& net = world.options().net;
  SimHttpStream& stream = *stream_;
  for (;;) {
    FB_CO_TRY(process_.CheckAlive());
    const bool any = !stream.pieces_.empty();
    const bool over = !any && stream.ending_ != SimHttpStream::Ending::kNot;
    if (stream.silent_) {
      FB_CO_TRY(co_await Probe(call));
      co_return Fail(Code::kUnavailable, "http: the peer has forgotten the connection");
    }
    if (!any && !over) {
      FB_CO_TRY(co_await WaitFor(Instant::Never(), call));
      continue;
    }
    const Instant arrival = any ? stream.pieces_.front().arrival : stream.end_arrival_;
    if (world.Now() < arrival) {
      FB_CO_TRY(co_await WaitFor(arrival, call));
      continue;
    }
    if (LinkCut()) {
      const Instant pushed = any ? stream.pieces_.front().pushed : stream.end_arrival_;
      if (world.Now() - pushed > net.give_up) stream.Silence();
      FB_CO_TRY(co_await WaitFor(world.Now() + net.retransmit, call));
      continue;
    }
    if (over && stream.ending_ == SimHttpStream::Ending::kGood) co_return 0;
    if (over) co_return Fail(Code::kUnavailable, "http: connection broke in the body");
    std::string& bytes = stream.pieces_.front().bytes;
    Prng& prng = world.http().prng();
    size_t size = std::min(into.size(), bytes.size());
    if (size > 1 && prng.OneIn(4)) size = 1 + prng.Below(size - 1);
    std::copy_n(AsBytes(bytes).begin(), size, into.begin());
    bytes.erase(0, size);
    if (bytes.empty()) stream.pieces_.pop_front();
    process_.Note(Happening::kHttp, size);
    if (size > 0) co_return size;
  }
}

}  // namespace forebay::sim
