// What reading through a node costs its origin, cold, and what it costs the machine.
#include <fcntl.h>
#include <fmt/format.h>
#include <stdio.h>
#include <unistd.h>

#include <filesystem>
#include <thread>

#include "bench/node_fixture.h"
#include "bench/rows.h"
#include "src/base/prng.h"
#include "src/base/units.h"

namespace forebay::bench {
namespace {

/// One object in a directory, and a node in front of it.
class ColdObject {
 public:
  static Result<std::unique_ptr<ColdObject>> Make(uint64_t bytes, RunningNode::Options options) {
    auto made = std::unique_ptr<ColdObject>(new ColdObject);
    FB_ASSIGN(DiskPlace place, DiskPlace::Make());
    made->place_.emplace(std::move(place));
    made->bytes_ = bytes;
    options.origin = made->place_->path() + "/origin";
    std::filesystem::create_directory(options.origin);
    made->path_ = options.origin + "/object";
    FB_TRY(WriteFile(made->path_, bytes));
    FB_ASSIGN(made->node_, RunningNode::Start(made->place_->path(), std::move(options)));
    return made;
  }

  /// Neither the node nor the page cache has any of it.
  Result<void> Forget() {
    FB_TRY(node_->Command("evict /data"));
    return ForgetPages(path_);
  }
  Result<double> OriginBytes() const {
    FB_ASSIGN(const uint64_t bytes, node_->Status("origin", "bytes"));
    return static_cast<double>(bytes);
  }
  const RunningNode& node() const { return *node_; }
  const std::string& path() const { return path_; }
  uint64_t bytes() const { return bytes_; }

 private:
  ColdObject() = default;
  std::optional<DiskPlace> place_;
  std::string path_;
  std::unique_ptr<RunningNode> node_;
  uint64_t bytes_ = 0;
};

/// All of the object, in order, 1 MiB at a time, by a client of its own.
Result<void> ReadAll(const ColdObject& object) {
  FB_ASSIGN(const auto client, CClient::Connect(object.node().local()));
  FB_ASSIGN(const CFile file, CFile::Open(*client, "/data/object"));
  std::vector<std::byte> into(kMiB);
  for (uint64_t at = 0; at < object.bytes(); at += kMiB) {
    const int64_t got = forebay_read(file.get(), into.data(), kMiB, at);
    if (got != static_cast<int64_t>(kMiB)) return Fail(LastError(got));
  }
  return {};
}

// -- Sequential, against dd

Result<double> ColdRate(ColdObject& object) {
  FB_TRY(object.Forget());
  const Stopwatch watch;
  FB_TRY(ReadAll(object));
  return static_cast<double>(object.bytes()) / watch.Seconds();
}

Result<double> DdRate(const ColdObject& object) {
  FB_TRY(ForgetPages(object.path()));
  const std::string command = fmt::format("dd if={} of=/dev/null bs=1M 2>&1", object.path());
  const Stopwatch watch;
  if (system((command + " >/dev/null").c_str()) != 0) return Fail(Code::kIoError, command);
  return static_cast<double>(object.bytes()) / watch.Seconds();
}

void SequentialRows(Report& report) {
  constexpr uint64_t kBytes = 4 * kGiB;
  const std::string memory = "node.cold.sequential", disk = "node.cold.sequential_with_disk_tier";
  if (report.Wants(memory)) {
    const auto object = ColdObject::Make(kBytes, {.dram = "6GiB"});
    if (!object) return report.Missing(memory, object.error().ToString());
    report.Compare(
        memory, "B/s", Goal::kAtLeast, 0.8, [&] { return ColdRate(**object); },
        [&] { return DdRate(**object); });
  }
  if (report.Wants(disk)) {
    const auto object = ColdObject::Make(kBytes, {.dram = "2GiB", .disk = "6GiB"});
    if (!object) return report.Missing(disk, object.error().ToString());
    const auto rate = ColdRate(**object);
    const auto plain = DdRate(**object);
    if (!rate || !plain) return report.Missing(disk, (rate ? plain : rate).error().ToString());
    report.Info(disk, "x dd", *rate / *plain, "the tier and the origin share one disk");
  }
}

// -- What the origin is asked for

Result<double> SequentialCost() {
  FB_ASSIGN(const auto object, ColdObject::Make(kGiB, {.dram = "2GiB"}));
  FB_TRY(ReadAll(*object));
  FB_ASSIGN(const double bytes, object->OriginBytes());
  return bytes / static_cast<double>(object->bytes());
}

Result<double> CrowdCost() {
  constexpr int kReaders = 64;
  FB_ASSIGN(const auto object, ColdObject::Make(256 * kMiB, {}));
  std::vector<Result<void>> outcomes(kReaders);
  {
    std::vector<std::jthread> readers;
    for (int n = 0; n < kReaders; ++n) {
      readers.emplace_back([&, n] { outcomes[static_cast<size_t>(n)] = ReadAll(*object); });
    }
  }
  for (const auto& outcome : outcomes) FB_TRY(outcome);
  FB_ASSIGN(const double bytes, object->OriginBytes());
  return bytes / static_cast<double>(object->bytes());
}

Result<double> RandomCost() {
  constexpr uint32_t kReads = 1000, kSize = 4096;
  FB_ASSIGN(const auto object, ColdObject::Make(kGiB, {.dram = "2GiB"}));
  FB_ASSIGN(const auto client, CClient::Connect(object->node().local()));
  FB_ASSIGN(const CFile file, CFile::Open(*client, "/data/object"));
  std::vector<std::byte> into(kSize);
  Prng prng(7);
  for (uint32_t n = 0; n < kReads; ++n) {
    const uint64_t at = prng.Below(object->bytes() / kSize) * kSize;
    const int64_t got = forebay_read(file.get(), into.data(), kSize, at);
    if (got != kSize) return Fail(LastError(got));
  }
  FB_ASSIGN(const double bytes, object->OriginBytes());
  return bytes / (double{kReads} * kSize);
}

void Cost(Report& report, const std::string& row, double target, const std::string& note,
          const Measure& measure) {
  if (!report.Wants(row)) return;
  const auto value = measure();
  if (!value) return report.Missing(row, value.error().ToString());
  report.Figure(row, "x asked for", Goal::kAtMost, target, *value, note);
}

// -- Memory

/// Resident memory as a share of what the settings allow.
Result<double> MemoryShare(std::string* note) {
  constexpr uint64_t kDram = 256 * kMiB, kMetadata = 256 * kMiB, kChecksums = 64 * kMiB;
  constexpr uint64_t kNames = 1'000'000;
  FB_ASSIGN(const auto object, ColdObject::Make(10 * kDram, {.dram = "256MiB"}));
  const std::string names = std::filesystem::path(object->path()).parent_path() / "names";
  for (uint64_t n = 0; n < kNames; ++n) {
    const std::string folder = fmt::format("{}/{:03}", names, n / 1000);
    if (n % 1000 == 0) std::filesystem::create_directories(folder);
    const int fd = creat(fmt::format("{}/{:03}", folder, n % 1000).c_str(), 0644);
    if (fd < 0) return Fail(Code::kIoError, "make a million files");
    close(fd);
  }
  FB_ASSIGN(const auto client, CClient::Connect(object->node().local()));
  FB_ASSIGN(const CFile file, CFile::Open(*client, "/data/object"));
  std::vector<std::byte> into(kMiB);
  for (const uint32_t block : RandomOrder(static_cast<uint32_t>(object->bytes() / kMiB), 3)) {
    const int64_t got = forebay_read(file.get(), into.data(), kMiB, uint64_t{block} * kMiB);
    if (got != static_cast<int64_t>(kMiB)) return Fail(LastError(got));
  }
  FB_TRY(object->node().Command("ls -r /data/names/ | tail -n 1"));
  FB_ASSIGN(const uint64_t rss, object->node().Status("memory", "rss_bytes"));
  FB_ASSIGN(const uint64_t blocks, object->node().Status("blocks", "count"));
  const uint64_t allowed = kDram + 64 * blocks + kMetadata + kChecksums + 128 * kMiB;
  *note = fmt::format("{} of {}", FormatSize(rss), FormatSize(allowed));
  return static_cast<double>(rss) / static_cast<double>(allowed);
}

void MemoryRow(Report& report) {
  const std::string row = "node.memory";
  if (!report.Wants(row)) return;
  std::string note;
  const auto share = MemoryShare(&note);
  if (!share) return report.Missing(row, share.error().ToString());
  report.Figure(row, "of allowed", Goal::kAtMost, 1.0, *share, note);
}

}  // namespace

void NodeOriginRows(Report& report) {
  SequentialRows(report);
  Cost(report, "node.origin.sequential", 1.0, "1 GiB in order", SequentialCost);
  Cost(report, "node.origin.64_readers", 1.0, "256 MiB, all at once", CrowdCost);
  Cost(report, "node.origin.random_4k", 32, "1,000 reads of a 1 GiB object", RandomCost);
  MemoryRow(report);
}

}  // namespace forebay::bench
