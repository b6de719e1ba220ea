// What comes from a node by TCP: large reads against a bare stream, small gets against redis. The
// server side of each has kServerCore, the client kClientCore.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "bench/child.h"
#include "bench/get_load.h"
#include "bench/node_fixture.h"
#include "bench/peers/plain_net.h"
#include "bench/peers/redis.h"
#include "bench/rows.h"
#include "src/base/units.h"

namespace forebay::bench {
namespace {

// -- 1 MiB, 8 in flight

constexpr uint64_t kStreamBytes = 2 * kGiB;
constexpr uint64_t kObjectBytes = kGiB;
constexpr int kInFlight = 8;

/// Bytes a second over one connection of the C library, which verifies what it gets.
class StreamReader {
 public:
  static Result<std::unique_ptr<StreamReader>> Make() {
    auto made = std::unique_ptr<StreamReader>(new StreamReader);
    FB_ASSIGN(DiskPlace place, DiskPlace::Make());
    made->place_.emplace(std::move(place));
    const std::string origin = made->place_->path() + "/origin";
    std::filesystem::create_directory(origin);
    FB_TRY(WriteFile(origin + "/object", kObjectBytes));
    FB_ASSIGN(made->node_, RunningNode::Start(made->place_->path(),
                                              {.origin = origin, .dram = "2GiB", .pinned = true}));
    FB_TRY(made->node_->Command("load /data"));
    const forebay_options options{.size = sizeof(forebay_options),
                                  .node = made->node_->tcp().c_str(),
                                  .connections = 1,
                                  .no_shared_memory = 1};
    if (const int status = forebay_connect(&options, &made->client_); status != 0) {
      return Fail(LastError(status));
    }
    if (const int status = forebay_open(made->client_, "/data/object", &made->file_); status != 0) {
      return Fail(LastError(status));
    }
    return made;
  }
  ~StreamReader() {
    if (file_ != nullptr) forebay_close(file_);
    if (client_ != nullptr) forebay_disconnect(client_);
  }

  Result<double> Rate() {
    PinTo(kClientCore);
    const Stopwatch watch;
    uint64_t begun = 0, ended = 0;
    while (begun < kInFlight * kMiB) FB_TRY(Begin(&begun, begun / kMiB));
    while (ended < kStreamBytes) {
      forebay_completion done;
      const int count = forebay_collect(client_, &done, 1, 10'000);
      if (count != 1 || done.result != static_cast<int64_t>(kMiB)) {
        return Fail(LastError(count != 1 ? count : done.result));
      }
      ended += kMiB;
      if (begun < kStreamBytes) FB_TRY(Begin(&begun, reinterpret_cast<uintptr_t>(done.tag)));
    }
    return kStreamBytes / watch.Seconds();
  }

 private:
  StreamReader() : buffers_(kInFlight * kMiB) {}
  Result<void> Begin(uint64_t* begun, uint64_t slot) {
    const int status = forebay_submit_read(file_, buffers_.data() + slot * kMiB, kMiB,
                                           *begun % kObjectBytes, reinterpret_cast<void*>(slot));
    if (status != 0) return Fail(LastError(status));
    *begun += kMiB;
    return {};
  }

  std::optional<DiskPlace> place_;
  std::unique_ptr<RunningNode> node_;
  forebay_client* client_ = nullptr;
  forebay_file* file_ = nullptr;
  std::vector<std::byte> buffers_;
};

Result<double> PlainStreamRate() {
  FB_ASSIGN(const Child child, Child::Start([](const Child::Announce& announce) {
              ServeStream(announce, kMiB, kStreamBytes);
            }));
  PinTo(kClientCore);
  return StreamRate(child.address(), kMiB, kStreamBytes);
}

void StreamRow(Report& report) {
  const std::string row = "node.tcp.read_1m";
  if (!report.Wants(row)) return;
  const auto reader = StreamReader::Make();
  if (!reader) return report.Missing(row, reader.error().ToString());
  report.Compare(
      row, "B/s", Goal::kAtLeast, 0.8, [&] { return (*reader)->Rate(); }, PlainStreamRate);
}

// -- 4 KiB gets

constexpr uint32_t kObjects = 10'000;
constexpr uint32_t kValueBytes = 4 * kKiB;
constexpr int kConnections = 64;

std::string PathOf(uint64_t n) {
  return fmt::format("/data/{:012}", n);
}

class GetRows {
 public:
  static Result<std::unique_ptr<GetRows>> Make() {
    auto made = std::unique_ptr<GetRows>(new GetRows);
    FB_ASSIGN(DiskPlace place, DiskPlace::Make());
    made->place_.emplace(std::move(place));
    const std::string origin = made->place_->path() + "/origin";
    std::filesystem::create_directory(origin);
    for (uint32_t n = 0; n < kObjects; ++n) {
      FB_TRY(WriteFile(origin + PathOf(n).substr(5), kValueBytes));
    }
    FB_ASSIGN(made->node_,
              RunningNode::Start(made->place_->path(), {.origin = origin, .pinned = true}));
    FB_TRY(made->node_->Command("load /data"));
    FB_ASSIGN(made->redis_, Redis::Start(made->place_->path()));
    FB_ASSIGN(Child bare, Child::Start([](const Child::Announce& announce) {
                ServeReadyValues(announce, kValueBytes);
              }));
    made->bare_.emplace(std::move(bare));
    return made;
  }

  void Compare(Report& report, const std::string& row, double target, int depth) {
    const RedisLoad load{.connections = kConnections,
                         .pipeline = depth,
                         .value_bytes = kValueBytes,
                         .requests = depth == 1 ? 400'000u : 1'000'000u};
    std::vector<double> our_p99, their_p99, our_cost, their_cost, bare, bare_cost;
    report.Compare(
        row, "gets/s", Goal::kAtLeast, target,
        [&]() -> Result<double> {
          FB_ASSIGN(const double before, node_->CpuSeconds());
          FB_ASSIGN(const GetLoadResult result, Ours(load));
          FB_ASSIGN(const double after, node_->CpuSeconds());
          our_cost.push_back((after - before) / load.requests * 1e6);
          our_p99.push_back(result.p99_us);
          return result.gets_per_second;
        },
        [&]() -> Result<double> {
          FB_ASSIGN(const RedisResult result, redis_->Gets(load));
          their_p99.push_back(result.p99_us);
          their_cost.push_back(result.server_us);
          FB_ASSIGN(const RedisResult limit, Bare(load));
          bare.push_back(limit.gets_per_second / result.gets_per_second);
          bare_cost.push_back(limit.server_us);
          return result.gets_per_second;
        });
    if (our_p99.empty() || bare.empty()) return;
    report.Info(row + ".bare", "x redis", Median(bare),
                fmt::format("ready values, nothing looked up; {:.2f} us/get of the server's core",
                            Median(bare_cost)));
    report.Info(row + ".cost", "us/get", Median(our_cost),
                fmt::format("of the server's core; redis {:.2f}", Median(their_cost)));
    report.Figure(row + ".p99", "x redis", Goal::kAtMost, 1.0, Median(our_p99) / Median(their_p99),
                  fmt::format("{:.0f} us against {:.0f} us", Median(our_p99), Median(their_p99)));
  }

 private:
  GetRows() = default;
  Result<GetLoadResult> Ours(const RedisLoad& load) {
    PinTo(kClientCore);
    return RunGetLoad(node_->tcp(), {.connections = load.connections,
                                     .depth = load.pipeline,
                                     .requests = load.requests,
                                     .value_bytes = load.value_bytes,
                                     .objects = kObjects,
                                     .path_of = PathOf});
  }

  /// redis-benchmark against a server that does nothing: what the machine and that client allow.
  Result<RedisResult> Bare(const RedisLoad& load) {
    const std::string& address = bare_->address();
    return RedisGets(std::stoi(address.substr(address.rfind(':') + 1)), bare_->pid(), load);
  }

  std::optional<DiskPlace> place_;
  std::unique_ptr<RunningNode> node_;
  std::unique_ptr<Redis> redis_;
  std::optional<Child> bare_;
};

void SmallRows(Report& report) {
  const std::string single = "node.tcp.get_4k", deep = "node.tcp.get_4k_pipelined";
  if (!report.Wants(single) && !report.Wants(deep)) return;
  const auto rows = GetRows::Make();
  if (!rows) return report.Missing(single, rows.error().ToString());
  constexpr int kDepth = 16;
  if (report.Wants(single)) (*rows)->Compare(report, single, 1.5, 1);
  if (report.Wants(deep)) (*rows)->Compare(report, deep, 1.2, kDepth);
}

}  // namespace

void NodeRemoteRows(Report& report) {
  StreamRow(report);
  SmallRows(report);
}

}  // namespace forebay::bench
