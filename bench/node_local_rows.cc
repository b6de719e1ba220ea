// What a process reads from the node of its own machine, against the same bytes in the page cache.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <thread>

#include "bench/node_fixture.h"
#include "bench/rows.h"
#include "src/base/units.h"

namespace forebay::bench {
namespace {

// -- One large object

constexpr uint64_t kObjectBytes = kGiB;
constexpr uint64_t kPiece = kMiB;

/// The same object by the library, from the node's memory, and as a file, from the page cache.
class LargeObject {
 public:
  static Result<std::unique_ptr<LargeObject>> Make() {
    auto made = std::unique_ptr<LargeObject>(new LargeObject);
    FB_ASSIGN(DiskPlace place, DiskPlace::Make());
    made->place_.emplace(std::move(place));
    const std::string origin = made->place_->path() + "/origin";
    std::filesystem::create_directory(origin);
    FB_TRY(WriteFile(origin + "/object", kObjectBytes));
    FB_ASSIGN(made->node_,
              RunningNode::Start(made->place_->path(), {.origin = origin, .dram = "2GiB"}));
    FB_ASSIGN(made->client_, CClient::Connect(made->node_->local()));
    const int64_t loaded = forebay_prefetch(made->client_->get(), "/data/object", 0, 0);
    if (loaded < 0) return Fail(LastError(loaded));
    FB_ASSIGN(CFile file, CFile::Open(*made->client_, "/data/object"));
    made->file_.emplace(std::move(file));
    made->fd_ = open((origin + "/object").c_str(), O_RDONLY | O_CLOEXEC);
    made->into_.resize(kPiece);
    return made;
  }
  ~LargeObject() {
    if (fd_ >= 0) close(fd_);
  }

  Result<double> ReadRate() {
    const Stopwatch watch;
    for (uint64_t at = 0; at < kObjectBytes; at += kPiece) {
      const int64_t got = forebay_read(file_->get(), into_.data(), kPiece, at);
      if (got != static_cast<int64_t>(kPiece)) return Fail(LastError(got));
    }
    return kObjectBytes / watch.Seconds();
  }
  Result<double> PreadRate() {
    const Stopwatch watch;
    for (uint64_t at = 0; at < kObjectBytes; at += kPiece) {
      const ssize_t got = pread(fd_, into_.data(), kPiece, static_cast<off_t>(at));
      if (got != static_cast<ssize_t>(kPiece)) return Fail(Code::kIoError, "pread");
    }
    return kObjectBytes / watch.Seconds();
  }
  Result<double> ViewNanos() {
    const Stopwatch watch;
    for (uint64_t at = 0; at < kObjectBytes; at += kPiece) {
      forebay_view view;
      const int status = forebay_view_at(file_->get(), at, kPiece, &view);
      if (status != 0 || view.size != kPiece) return Fail(LastError(status));
      forebay_release(file_->get(), &view);
    }
    return watch.Seconds() * 1e9 / (kObjectBytes / kPiece);
  }
  Result<double> PreadNanos() {
    FB_ASSIGN(const double rate, PreadRate());
    return kPiece / rate * 1e9;
  }

 private:
  LargeObject() = default;
  std::optional<DiskPlace> place_;
  std::unique_ptr<RunningNode> node_;
  std::unique_ptr<CClient> client_;
  std::optional<CFile> file_;
  int fd_ = -1;
  std::vector<std::byte> into_;
};

void LargeRows(Report& report) {
  const std::string read = "node.local.read_1m", view = "node.local.view_1m";
  if (!report.Wants(read) && !report.Wants(view)) return;
  const auto object = LargeObject::Make();
  if (!object) return report.Missing(read, object.error().ToString());
  LargeObject& it = **object;
  report.Compare(
      read, "B/s", Goal::kAtLeast, 0.85, [&] { return it.ReadRate(); },
      [&] { return it.PreadRate(); });
  report.Compare(
      view, "ns", Goal::kAtMost, 0.1, [&] { return it.ViewNanos(); },
      [&] { return it.PreadNanos(); });
}

// -- Many small objects

constexpr uint32_t kFiles = 10'000;
constexpr uint64_t kFileBytes = 100 * kKiB;
constexpr int kThreads = 8;
constexpr uint32_t kBatch = 32;

std::string NameOf(uint32_t n) {
  return fmt::format("{:02}/{:05}.jpg", n % 100, n);
}

/// Runs `read` over shares of the files on kThreads threads; files a second.
Result<double> FilesRate(const std::function<bool(uint32_t first, uint32_t last)>& read) {
  std::atomic<bool> good{true};
  const Stopwatch watch;
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < kThreads; ++t) {
      const uint32_t share = kFiles / kThreads;
      threads.emplace_back([&, first = share * static_cast<uint32_t>(t)] {
        if (!read(first, first + share)) good = false;
      });
    }
  }
  if (!good) return Fail(Code::kInternal, "a file could not be read");
  return kFiles / watch.Seconds();
}

class SmallObjects {
 public:
  static Result<std::unique_ptr<SmallObjects>> Make() {
    auto made = std::unique_ptr<SmallObjects>(new SmallObjects);
    FB_ASSIGN(DiskPlace place, DiskPlace::Make());
    made->place_.emplace(std::move(place));
    made->origin_ = made->place_->path() + "/origin/";
    made->order_ = RandomOrder(kFiles, 1);
    for (uint32_t n = 0; n < kFiles; ++n) {
      std::filesystem::create_directories(made->origin_ + NameOf(n).substr(0, 2));
      FB_TRY(WriteFile(made->origin_ + NameOf(n), kFileBytes));
    }
    FB_ASSIGN(made->node_,
              RunningNode::Start(made->place_->path(), {.origin = made->origin_, .dram = "2GiB"}));
    FB_TRY(made->node_->Command("load /data"));
    FB_ASSIGN(made->client_, CClient::Connect(made->node_->local()));
    return made;
  }

  Result<double> OneByOne() {
    return FilesRate([this](uint32_t first, uint32_t last) {
      std::vector<std::byte> into(kFileBytes);
      for (uint32_t i = first; i < last; ++i) {
        auto file = CFile::Open(*client_, "/data/" + NameOf(order_[i]));
        if (!file || forebay_read(file->get(), into.data(), kFileBytes, 0) != kFileBytes) {
          return false;
        }
      }
      return true;
    });
  }
  Result<double> InBatches() {
    return FilesRate([this](uint32_t first, uint32_t last) {
      std::vector<std::byte> into(kFileBytes * kBatch);
      for (uint32_t i = first; i < last; i += kBatch) {
        const uint32_t count = std::min(kBatch, last - i);
        std::vector<std::string> paths(count);
        std::vector<forebay_get> items(count);
        for (uint32_t k = 0; k < count; ++k) {
          paths[k] = "/data/" + NameOf(order_[i + k]);
          items[k] = {
              .path = paths[k].c_str(), .into = into.data() + k * kFileBytes, .size = kFileBytes};
        }
        if (forebay_get_many(client_->get(), items.data(), count) != count) return false;
      }
      return true;
    });
  }
  /// Into as many buffers as ours has: memory that was written long ago costs more than what the
  /// processor still holds.
  Result<double> Plain(uint32_t buffers) {
    return FilesRate([this, buffers](uint32_t first, uint32_t last) {
      std::vector<std::byte> into(kFileBytes * buffers);
      for (uint32_t i = first; i < last; ++i) {
        const int fd = open((origin_ + NameOf(order_[i])).c_str(), O_RDONLY | O_CLOEXEC);
        const ssize_t got = read(fd, into.data() + i % buffers * kFileBytes, kFileBytes);
        close(fd);
        if (got != kFileBytes) return false;
      }
      return true;
    });
  }

 private:
  SmallObjects() = default;
  std::optional<DiskPlace> place_;
  std::string origin_;
  std::unique_ptr<RunningNode> node_;
  std::unique_ptr<CClient> client_;
  std::vector<uint32_t> order_;
};

void SmallRows(Report& report) {
  const std::string single = "node.local.files_100k", batch = "node.local.files_100k_batch";
  if (!report.Wants(single) && !report.Wants(batch)) return;
  const auto objects = SmallObjects::Make();
  if (!objects) return report.Missing(single, objects.error().ToString());
  SmallObjects& it = **objects;
  report.Compare(
      single, "files/s", Goal::kAtLeast, 1.0, [&] { return it.OneByOne(); },
      [&] { return it.Plain(1); });
  report.Compare(
      batch, "files/s", Goal::kAtLeast, 1.5, [&] { return it.InBatches(); },
      [&] { return it.Plain(kBatch); });
}

}  // namespace

void NodeLocalRows(Report& report) {
  LargeRows(report);
  SmallRows(report);
}

}  // namespace forebay::bench
