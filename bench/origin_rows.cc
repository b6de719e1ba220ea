// What a store of objects gives through a node, against curl straight from it, and what reading
// costs the store. The server is fast, so that the client is what is measured.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "bench/origin_fixture.h"
#include "bench/rows.h"
#include "src/base/prng.h"
#include "src/base/units.h"
#include "src/platform/linux/loop.h"
#include "src/runtime/task_group.h"
#include "src/wire/connection.h"

namespace forebay::bench {
namespace {

constexpr uint64_t kBytes = kGiB;
constexpr uint32_t kSmall = 4 * kKiB;
/// What one server with one object serves.
constexpr const char* kLargeRows[] = {"origin.sequential",
                                      "origin.sequential.requests",
                                      "origin.sequential.views",
                                      "origin.sequential.bytes",
                                      "origin.first_byte",
                                      "origin.random_4k",
                                      "origin.cpu"};

Result<void> CopyOne(forebay_file* file, uint64_t at) {
  static std::vector<std::byte> into(kMiB);
  const int64_t got = forebay_read(file, into.data(), kMiB, at);
  if (got != static_cast<int64_t>(kMiB)) return Fail(LastError(got));
  return {};
}

/// Where it lies; a byte of each page is looked at.
Result<void> ViewOne(forebay_file* file, uint64_t at) {
  forebay_view view;
  if (const int status = forebay_view_at(file, at, kMiB, &view); status != 0) {
    return Fail(LastError(status));
  }
  unsigned sum = 0;
  for (uint64_t n = 0; n < view.size; n += 4 * kKiB) {
    sum += static_cast<const volatile unsigned char*>(view.data)[n];
  }
  const bool whole = view.size == kMiB && sum > 0;
  forebay_release(file, &view);
  if (!whole) return Fail(Code::kInternal, "a view of fewer bytes, or of none");
  return {};
}

/// A server with one object of 1 GiB, whose pages stay in the page cache, and a node before it.
struct Large {
  static Result<std::unique_ptr<Large>> Make(bool tls = false) {
    auto made = std::make_unique<Large>();
    FB_ASSIGN(made->server, FastServer::Start(FastServer::Kind::kFiles, tls));
    FB_TRY(WriteFile(made->server->bucket() + "/object", kBytes));
    FB_ASSIGN(made->node,
              RunningNode::Start(made->server->directory(),
                                 {.origin = made->server->OriginUrl(), .dram = "2GiB"}));
    return made;
  }
  Result<double> Asked(const char* what) const {
    FB_ASSIGN(const uint64_t value, node->Status("origin", what));
    return static_cast<double>(value);
  }
  /// As `read` does it, a MiB at a time.
  Result<void> ReadAll(Result<void> (*read)(forebay_file*, uint64_t at) = CopyOne) const {
    FB_ASSIGN(const auto client, CClient::Connect(node->local()));
    FB_ASSIGN(const CFile file, CFile::Open(*client, "/data/object"));
    for (uint64_t at = 0; at < kBytes; at += kMiB) FB_TRY(read(file.get(), at));
    return {};
  }
  Result<void> Forget() const {
    FB_TRY(node->Command("evict /data"));
    return {};
  }
  /// By `parallel` curls with a range each.
  Result<void> CurlAll(int parallel) const {
    const uint64_t share = kBytes / static_cast<uint64_t>(parallel);
    const std::string& authority = server->authority();
    const std::string trust = authority.empty() ? "" : "--cacert " + authority;
    std::string line;
    for (int n = 0; n < parallel; ++n) {
      const uint64_t begin = share * static_cast<uint64_t>(n);
      line += CurlCommand(fmt::format("{} -r {}-{} -o /dev/null {} & p{}=$!; ", trust, begin,
                                      begin + share - 1, server->ObjectUrl("object"), n));
    }
    line += "true";
    for (int n = 0; n < parallel; ++n) line += fmt::format(" && wait $p{}", n);
    FB_TRY(RunShell(line));
    return {};
  }

  std::unique_ptr<FastServer> server;
  std::unique_ptr<RunningNode> node;
};

// -- In order

Result<double> ColdRate(const Large& large, Result<void> (*read)(forebay_file*, uint64_t)) {
  FB_TRY(large.Forget());
  const Stopwatch watch;
  FB_TRY(large.ReadAll(read));
  return double{kBytes} / watch.Seconds();
}

Result<double> BestCurlRate(const Large& large) {
  double best = 0;
  for (const int parallel : {1, 2, 4, 8, 16}) {
    const Stopwatch watch;
    FB_TRY(large.CurlAll(parallel));
    best = std::max(best, double{kBytes} / watch.Seconds());
  }
  return best;
}

void SequentialRows(Report& report, const Large& large) {
  struct Row {
    const char* name;
    Result<void> (*read)(forebay_file*, uint64_t);
  };
  for (const Row& row :
       {Row{"origin.sequential", CopyOne}, Row{"origin.sequential.views", ViewOne}}) {
    report.Compare(
        row.name, "B/s", Goal::kAtLeast, 0.9, [&] { return ColdRate(large, row.read); },
        [&] { return BestCurlRate(large); });
  }
}

Result<void> AskedRows(Report& report, const Large& large) {
  FB_TRY(large.Forget());
  FB_ASSIGN(const double requests, large.Asked("requests"));
  FB_ASSIGN(const double bytes, large.Asked("bytes"));
  FB_TRY(large.ReadAll());
  FB_ASSIGN(const double requests_after, large.Asked("requests"));
  FB_ASSIGN(const double bytes_after, large.Asked("bytes"));
  report.Figure("origin.sequential.requests", "requests", Goal::kAtMost, 40,
                requests_after - requests, "1 GiB in order");
  report.Figure("origin.sequential.bytes", "x asked for", Goal::kAtMost, 1.0,
                (bytes_after - bytes) / double{kBytes}, "1 GiB in order");
  return {};
}

// -- What a core has to do for it

Result<double> NodeCpu(const Large& large) {
  FB_TRY(large.Forget());
  FB_ASSIGN(const double before, large.node->CpuSeconds());
  FB_TRY(large.ReadAll());
  FB_ASSIGN(const double after, large.node->CpuSeconds());
  return (after - before) / (double{kBytes} * 1e-9);
}

Result<double> CurlCpu(const Large& large) {
  const double before = ChildrenCpuSeconds();
  FB_TRY(large.CurlAll(1));
  return (ChildrenCpuSeconds() - before) / (double{kBytes} * 1e-9);
}

void CpuRow(Report& report, const char* row, const Large& large) {
  report.Compare(
      row, "s/GB", Goal::kAtMost, 1.5, [&] { return NodeCpu(large); },
      [&] { return CurlCpu(large); });
}

void TlsCpuRow(Report& report) {
  const char* const row = "origin.cpu_tls";
  if (!report.Wants(row)) return;
  const auto large = Large::Make(true);
  if (!large) return report.Missing(row, large.error().ToString());
  CpuRow(report, row, **large);
}

// -- The first byte

constexpr uint32_t kMisses = 32;

/// The middle of as many misses at random places, in seconds.
Result<double> MissSeconds(const Large& large, uint64_t seed) {
  FB_TRY(large.Forget());
  FB_ASSIGN(const auto client, CClient::Connect(large.node->local()));
  FB_ASSIGN(const CFile file, CFile::Open(*client, "/data/object"));
  std::vector<std::byte> into(kSmall);
  std::vector<double> took;
  for (const uint32_t block : RandomOrder(kBytes / kMiB, seed)) {
    if (took.size() == kMisses) break;
    const Stopwatch watch;
    const int64_t got = forebay_read(file.get(), into.data(), kSmall, uint64_t{block} * kMiB);
    took.push_back(watch.Seconds());
    if (got != kSmall) return Fail(LastError(got));
  }
  return Median(std::move(took));
}

/// The middle of as many gets of 1 MiB over one kept connection, as curl itself has timed them.
Result<double> RangeSeconds(const Large& large, uint64_t seed) {
  const std::string config = large.server->directory() + "/ranges";
  {
    std::ofstream file(config);
    uint32_t left = kMisses + 1;
    for (const uint32_t block : RandomOrder(kBytes / kMiB, seed)) {
      if (left-- == 0) break;
      const uint64_t begin = uint64_t{block} * kMiB;
      file << fmt::format(
          "url = \"{}\"\nrange = {}-{}\noutput = /dev/null\nwrite-out = \"%{{time_total}}\\n\"\n"
          "fail\naws-sigv4 = \"aws:amz:us-east-1:s3\"\nuser = \"{}\"\n"
          "header = \"x-amz-content-sha256: UNSIGNED-PAYLOAD\"\n{}",
          large.server->ObjectUrl("object"), begin, begin + kMiB - 1, CurlUser(),
          left > 0 ? "next\n" : "");
    }
  }
  FB_ASSIGN(const std::string said, RunShell(fmt::format("curl -s -K {}", config)));
  std::istringstream words(said);
  std::vector<double> took;
  for (double seconds = 0; words >> seconds;) took.push_back(seconds);
  if (took.size() != kMisses + 1) return Fail(Code::kInternal, "curl said " + said);
  took.erase(took.begin());  // made the connection
  return Median(std::move(took));
}

void FirstByteRow(Report& report, const Large& large) {
  uint64_t seed = 0;
  report.Compare(
      "origin.first_byte", "s", Goal::kAtMost, 1.3, [&] { return MissSeconds(large, ++seed); },
      [&] { return RangeSeconds(large, seed); });
}

// -- At random

Result<void> RandomRow(Report& report, const Large& large) {
  constexpr uint32_t kReads = 1000;
  FB_TRY(large.Forget());
  FB_ASSIGN(const double bytes, large.Asked("bytes"));
  FB_ASSIGN(const auto client, CClient::Connect(large.node->local()));
  FB_ASSIGN(const CFile file, CFile::Open(*client, "/data/object"));
  std::vector<std::byte> into(kSmall);
  Prng prng(7);
  for (uint32_t n = 0; n < kReads; ++n) {
    const uint64_t at = prng.Below(kBytes / kSmall) * kSmall;
    const int64_t got = forebay_read(file.get(), into.data(), kSmall, at);
    if (got != kSmall) return Fail(LastError(got));
  }
  FB_ASSIGN(const double bytes_after, large.Asked("bytes"));
  report.Figure("origin.random_4k", "x asked for", Goal::kAtMost, 32,
                (bytes_after - bytes) / (double{kReads} * kSmall), "1,000 reads of a 1 GiB object");
  return {};
}

void LargeRows(Report& report) {
  const bool wanted =
      std::ranges::any_of(kLargeRows, [&](const char* row) { return report.Wants(row); });
  if (!wanted) return;
  const auto made = Large::Make();
  if (!made) return report.Missing("origin.sequential", made.error().ToString());
  const Large& large = **made;
  SequentialRows(report, large);
  if (report.Wants("origin.sequential.")) {
    if (const auto done = AskedRows(report, large); !done) {
      report.Missing("origin.sequential.requests", done.error().ToString());
    }
  }
  FirstByteRow(report, large);
  if (report.Wants("origin.random_4k")) {
    if (const auto done = RandomRow(report, large); !done) {
      report.Missing("origin.random_4k", done.error().ToString());
    }
  }
  CpuRow(report, "origin.cpu", large);
}

// -- Many objects

constexpr uint32_t kObjects = 10'000;
constexpr int kInFlight = 64;

std::string KeyOf(uint32_t n) {
  return fmt::format("{:02}/{:05}", n % 100, n);
}

struct Many {
  static Result<std::unique_ptr<Many>> Make(uint32_t bytes) {
    auto made = std::make_unique<Many>();
    made->bytes = bytes;
    FB_ASSIGN(made->server, FastServer::Start(FastServer::Kind::kGateway));
    for (uint32_t n = 0; n < 100; ++n) {
      std::filesystem::create_directory(fmt::format("{}/{:02}", made->server->bucket(), n));
    }
    made->config = made->server->directory() + "/gets";
    std::ofstream gets(made->config);
    for (uint32_t n = 0; n < kObjects; ++n) {
      FB_TRY(WriteFile(made->server->bucket() + "/" + KeyOf(n), bytes));
      gets << fmt::format("url = \"{}\"\noutput = /dev/null\n", made->server->ObjectUrl(KeyOf(n)));
    }
    FB_ASSIGN(made->node,
              RunningNode::Start(made->server->directory(),
                                 {.origin = made->server->OriginUrl(), .dram = "2GiB"}));
    return made;
  }
  Result<void> List() const {
    FB_TRY(node->Command("ls -r /data/ >/dev/null"));
    return {};
  }

  std::unique_ptr<FastServer> server;
  std::unique_ptr<RunningNode> node;
  std::string config;  // of a curl that gets all
  uint32_t bytes = 0;
};

struct Reading {
  uint32_t next = 0;
  uint32_t bytes = 0;
  Result<void> outcome;
};

Task<void> GetInTurn(wire::Connection* connection, Reading* reading) {
  std::vector<std::byte> into(reading->bytes);
  while (reading->next < kObjects && reading->outcome) {
    const std::string path = "/data/" + KeyOf(reading->next++);
    const auto got = co_await connection->Get(path, 0, into, {});
    if (got && got->size == reading->bytes) continue;
    reading->outcome = got ? Fail(Code::kInternal, "a short object") : Fail(got.error());
  }
}

/// All objects, kInFlight at any time. Seconds.
Task<Result<double>> GetAll(Env* env, std::string address, uint32_t bytes) {
  FB_CO_ASSIGN(const auto connection,
               co_await wire::Connection::Connect(*env, std::move(address), {}, {}));
  Reading reading{.bytes = bytes};
  const Stopwatch watch;
  {
    TaskGroup group(env->executor);
    for (int n = 0; n < kInFlight; ++n) group.Spawn(GetInTurn(connection.get(), &reading));
    co_await group.Join();
  }
  const double seconds = watch.Seconds();
  co_await connection->Close();
  FB_CO_TRY(reading.outcome);
  co_return seconds;
}

Result<double> NodeGets(const Many& many) {
  FB_ASSIGN(const auto loop, Loop::Create({}));
  FB_ASSIGN(const double seconds, loop->Run(GetAll(&loop->env(), many.node->local(), many.bytes)));
  return double{kObjects} / seconds;
}

Result<double> CurlGets(const Many& many) {
  const Stopwatch watch;
  FB_TRY(RunShell(
      CurlCommand(fmt::format("--parallel --parallel-max {} -K {}", kInFlight, many.config))));
  return double{kObjects} / watch.Seconds();
}

void ObjectsRow(Report& report) {
  const std::string row = "origin.objects_100k";
  if (!report.Wants(row)) return;
  const auto many = Many::Make(100 * kKiB);
  if (!many) return report.Missing(row, many.error().ToString());
  const auto cold = [&]() -> Result<double> {
    FB_TRY((*many)->node->Command("evict /data"));
    return NodeGets(**many);
  };
  report.Compare(row, "objects/s", Goal::kAtLeast, 0.8, cold, [&] { return CurlGets(**many); });
}

Result<void> EpochRow(Report& report, const std::string& row) {
  FB_ASSIGN(const auto many, Many::Make(kSmall));
  FB_TRY(many->List());
  FB_TRY(NodeGets(*many));
  FB_ASSIGN(const uint64_t first, many->node->Status("origin", "requests"));
  FB_TRY(many->List());
  FB_TRY(NodeGets(*many));
  FB_ASSIGN(const uint64_t second, many->node->Status("origin", "requests"));
  report.Figure(row, "requests", Goal::kAtMost, 0, static_cast<double>(second - first),
                fmt::format("of any kind; the first epoch took {}", first));
  return {};
}

}  // namespace

void OriginRows(Report& report) {
  LargeRows(report);
  TlsCpuRow(report);
  const std::string epoch = "origin.second_epoch";
  if (report.Wants(epoch)) {
    if (const auto done = EpochRow(report, epoch); !done) {
      report.Missing(epoch, done.error().ToString());
    }
  }
  ObjectsRow(report);
}

}  // namespace forebay::bench
