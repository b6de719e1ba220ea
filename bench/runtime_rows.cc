// The loop against bare sockets: echoes of small messages and one stream of large ones.
#include <sched.h>

#include <memory>
#include <vector>

#include "bench/child.h"
#include "bench/peers/iperf3.h"
#include "bench/peers/plain_net.h"
#include "bench/rows.h"
#include "src/base/units.h"
#include "src/platform/linux/loop.h"
#include "src/runtime/task_group.h"

namespace forebay::bench {
namespace {

constexpr uint64_t kMessageBytes = kMiB;
constexpr uint64_t kStreamBytes = 2 * kGiB;
constexpr int kPipelinedInFlight = 16;
constexpr double kEchoTargetUring = 1.0;
constexpr double kEchoTargetEpoll = 0.9;
constexpr double kStreamTarget = 0.9;

Task<Result<void>> SendBytes(Stream& stream, Bytes bytes) {
  co_return co_await stream.Send(std::span(&bytes, 1), {});
}

Task<void> Echo(std::unique_ptr<Stream> stream) {
  std::vector<std::byte> buffer(4 * kKiB);
  for (;;) {
    const Result<size_t> got = co_await stream->Recv(buffer, {});
    if (!got || *got == 0) co_return;
    const Bytes part(buffer.data(), *got);
    if (!co_await stream->Send(std::span(&part, 1), {})) co_return;
  }
}

Task<void> TakeStream(std::unique_ptr<Stream> stream) {
  std::vector<std::byte> buffer(kMessageBytes);
  for (uint64_t left = kStreamBytes; left > 0;) {
    const Result<size_t> got = co_await stream->Recv(buffer, {});
    if (!got || *got == 0) co_return;
    left -= *got;
  }
  static_cast<void>(co_await SendBytes(*stream, Bytes(buffer).first(1)));
}

using Serve = Task<void> (*)(std::unique_ptr<Stream> stream);

Task<void> AcceptAll(Env& env, Listener& listener, Serve serve) {
  TaskGroup group(env.executor);
  for (;;) {
    auto stream = co_await listener.Accept({});
    if (!stream) break;
    group.Spawn(serve(std::move(*stream)));
  }
  co_await group.Join();
}

Task<Result<double>> SendStream(Env& env, std::string address) {
  FB_CO_ASSIGN(const auto stream, co_await env.net.Connect(address, {}));
  std::vector<std::byte> message(kMessageBytes);
  const Instant start = env.clock.Now();
  for (uint64_t sent = 0; sent < kStreamBytes; sent += kMessageBytes) {
    FB_CO_TRY(co_await SendBytes(*stream, message));
  }
  FB_CO_TRY(co_await stream->Recv(std::span(message).first(1), {}));
  const std::chrono::duration<double> took = env.clock.Now() - start;
  co_return static_cast<double>(kStreamBytes) / took.count();
}

Result<Child> StartOurs(IoBackend io, Serve serve) {
  return Child::Start([io, serve](const Child::Announce& announce) {
    auto loop = Loop::Create({.io = io, .cpu = kServerCore});
    if (!loop) return;
    auto listener = (*loop)->env().net.Listen("127.0.0.1:0");
    if (!listener) return;
    announce((*listener)->address());
    (*loop)->Run(AcceptAll((*loop)->env(), **listener, serve));
  });
}

Result<double> OurEcho(IoBackend io, const EchoLoad& load) {
  FB_ASSIGN(const Child server, StartOurs(io, Echo));
  return EchoRate(server.address(), load);
}

Result<double> PlainEcho(const EchoLoad& load) {
  FB_ASSIGN(const Child server, Child::Start(ServeEchoWithEpoll));
  return EchoRate(server.address(), load);
}

Result<double> OurStream(IoBackend io) {
  FB_ASSIGN(const Child server, StartOurs(io, TakeStream));
  FB_ASSIGN(const auto loop, Loop::Create({.io = io}));
  return loop->Run(SendStream(loop->env(), server.address()));
}

Result<double> PlainStream() {
  FB_ASSIGN(const Child server, Child::Start([](const Child::Announce& announce) {
              ServeStream(announce, kMessageBytes, kStreamBytes);
            }));
  return StreamRate(server.address(), kMessageBytes, kStreamBytes);
}

/// Beside the row that counts: the ratio with many messages on their way, held against nothing.
Result<double> PipelinedRatio(IoBackend io) {
  const EchoLoad load{.in_flight = kPipelinedInFlight};
  std::vector<double> ratios;
  for (int pair = 0; pair <= kMinCountedPairs; ++pair) {
    FB_ASSIGN(const double ours, OurEcho(io, load));
    FB_ASSIGN(const double theirs, PlainEcho(load));
    if (pair > 0) ratios.push_back(ours / theirs);
  }
  return Median(ratios);
}

void InfoOf(Report& report, const std::string& name, std::string unit,
            const std::function<Result<double>()>& measure, std::string note) {
  if (!report.Wants(name)) return;
  const Result<double> value = measure();
  if (value) {
    report.Info(name, std::move(unit), *value, std::move(note));
  } else {
    report.Missing(name, value.error().message());
  }
}

void RowsOf(Report& report, IoBackend io) {
  const std::string name(IoBackendName(io));
  const double echo_target = io == IoBackend::kUring ? kEchoTargetUring : kEchoTargetEpoll;
  report.Compare(
      "echo 64 B, 64 connections, " + name, "msg/s", Goal::kAtLeast, echo_target,
      [io] { return OurEcho(io, {}); }, [] { return PlainEcho({}); });
  InfoOf(
      report, "echo 64 B, 64 x 16 in flight, " + name, "x epoll",
      [io] { return PipelinedRatio(io); }, "ratio to the same plain epoll server");
  report.Compare(
      "stream of 1 MiB messages, " + name, "B/s", Goal::kAtLeast, kStreamTarget,
      [io] { return OurStream(io); }, PlainStream);
}

}  // namespace

void RuntimeRows(Report& report) {
  cpu_set_t before;
  sched_getaffinity(0, sizeof before, &before);
  PinTo(kClientCore);
  for (const IoBackend io : {IoBackend::kUring, IoBackend::kEpoll}) RowsOf(report, io);
  InfoOf(report, "stream of 1 MiB messages, iperf3", "B/s", Iperf3Rate, "one stream, one second");
  sched_setaffinity(0, sizeof before, &before);
}

}  // namespace forebay::bench
