// Local hits through shared memory, against the page cache: the client's side of a window in a
// process that has mappings of its own.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cstring>
#include <memory>
#include <optional>
#include <vector>

#include "bench/rows.h"
#include "bench/store_fixture.h"
#include "src/base/units.h"
#include "src/store/testing/patterns.h"
#include "src/window/testing/window_testing.h"

namespace forebay::bench {
namespace {

using store_testing::Key;
using window::Found;
using window_testing::Client;

constexpr uint32_t kBlocks = 384;
constexpr uint64_t kAttachment = 1;
constexpr int kSmallReads = 400'000;
constexpr uint64_t kSmall = 4 * kKiB;

Error Lost(std::string_view what) {
  return {Code::kInternal, fmt::format("{} did not find what is there", what)};
}

/// Blocks of 1 MiB in a store with a window, and a file of the same size in the page cache.
class Fixture {
 public:
  static Result<std::unique_ptr<Fixture>> Make() {
    const uint64_t image = ImageLayout(kMiB).total_bytes();
    FB_ASSIGN(auto opened,
              OpenedStore::Open(IoBackend::kEpoll,
                                {.dram = {.capacity_bytes = kBlocks * image + 64 * kMiB},
                                 .max_block_bytes = static_cast<uint32_t>(kMiB)}));
    FB_TRY(FillBlocks(opened, kBlocks, kMiB));
    FB_ASSIGN(auto place, DiskPlace::Make());
    std::unique_ptr<Fixture> fixture(new Fixture(std::move(opened), std::move(place)));
    FB_TRY(fixture->Prepare());
    return fixture;
  }
  ~Fixture() {
    client_.reset();
    if (fd_ >= 0) close(fd_);
  }

  Client& client() { return *client_; }
  window::WindowHost& host() { return *host_; }
  const std::vector<uint32_t>& order() const { return order_; }
  int fd() const { return fd_; }
  std::byte* buffer() const { return buffer_.get(); }

 private:
  Fixture(OpenedStore opened, DiskPlace place)
      : opened_(std::move(opened)),
        place_(std::move(place)),
        order_(RandomOrder(kBlocks, 3)),
        buffer_(new std::byte[kMiB]) {}

  Result<void> Prepare() {
    host_ = std::make_unique<window::WindowHost>(opened_.env().memory, *opened_,
                                                 window::WindowOptions{});
    // The node works on as its clients read: the table is used with others in it.
    FB_ASSIGN(auto session, host_->Open(kAttachment));
    client_ = std::make_unique<Client>(opened_.env().memory, std::move(session));
    fd_ = open((place_.path() + "/file").c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    if (fd_ < 0) return Fail(Code::kIoError, "cannot make a file in " + place_.path());
    std::memset(buffer_.get(), 7, kMiB);
    for (uint64_t n = 0; n < kBlocks; ++n) {
      if (pwrite(fd_, buffer_.get(), kMiB, static_cast<off_t>(n * kMiB)) != kMiB) {
        return Fail(Code::kNoSpace, "cannot write a file in " + place_.path());
      }
    }
    return {};
  }

  OpenedStore opened_;
  DiskPlace place_;
  std::vector<uint32_t> order_;
  std::unique_ptr<std::byte[]> buffer_;
  std::unique_ptr<window::WindowHost> host_;
  std::unique_ptr<Client> client_;
  int fd_ = -1;
};

// -- 1 MiB

Result<double> WindowRate(Fixture& on) {
  const Stopwatch watch;
  for (const uint32_t n : on.order()) {
    if (on.client().Read(Key(n), 0, {on.buffer(), kMiB}) != Found::kHere) return Fail(Lost("read"));
  }
  return kBlocks * double{kMiB} / watch.Seconds();
}

Result<double> FileRate(Fixture& on) {
  const Stopwatch watch;
  for (const uint32_t n : on.order()) {
    if (pread(on.fd(), on.buffer(), kMiB, static_cast<off_t>(n * kMiB)) != kMiB) {
      return Fail(Lost("pread"));
    }
  }
  return kBlocks * double{kMiB} / watch.Seconds();
}

Result<double> ViewNanos(Fixture& on) {
  constexpr int kPasses = 100;
  const Stopwatch watch;
  for (int pass = 0; pass < kPasses; ++pass) {
    for (const uint32_t n : on.order()) {
      window::PinnedBlock block;
      if (on.client().Pin(Key(n), &block) != Found::kHere) return Fail(Lost("view"));
      asm volatile("" : : "r"(block.bytes.data()) : "memory");
      on.client().reader().Unpin(block);
    }
  }
  return watch.Seconds() * 1e9 / (double{kBlocks} * kPasses);
}

Result<double> FileNanos(Fixture& on) {
  FB_ASSIGN(const double rate, FileRate(on));
  return double{kMiB} / rate * 1e9;
}

// -- 4 KiB

uint64_t SmallOffset(int i) {
  return Mix64(static_cast<uint64_t>(i)) % (kMiB / kSmall) * kSmall;
}

Result<double> SmallWindowNanos(Fixture& on) {
  const Stopwatch watch;
  for (int i = 0; i < kSmallReads; ++i) {
    const uint32_t n = on.order()[static_cast<size_t>(i) % kBlocks];
    if (on.client().Read(Key(n), SmallOffset(i), {on.buffer(), kSmall}) != Found::kHere) {
      return Fail(Lost("read"));
    }
  }
  return watch.Seconds() * 1e9 / kSmallReads;
}

Result<double> SmallFileNanos(Fixture& on) {
  const Stopwatch watch;
  for (int i = 0; i < kSmallReads; ++i) {
    const uint64_t offset = on.order()[static_cast<size_t>(i) % kBlocks] * kMiB + SmallOffset(i);
    if (pread(on.fd(), on.buffer(), kSmall, static_cast<off_t>(offset)) != ssize_t{kSmall}) {
      return Fail(Lost("pread"));
    }
  }
  return watch.Seconds() * 1e9 / kSmallReads;
}

// -- What stands beside

/// An open without a message.
double NameNanos(Fixture& on) {
  constexpr int kNames = 10'000, kPasses = 20;
  std::vector<std::string> names;
  for (int n = 0; n < kNames; ++n) {
    names.push_back(fmt::format("train/part-{:05}/of-the-data-set.tar", n));
    on.host().Learned(kAttachment, window::NameHash(kAttachment, names.back()),
                      {.size = 1, .fresh_until_ns = 1, .etag = "\"0x8DC0FFEE\""});
  }
  const Stopwatch watch;
  uint64_t found = 0;
  for (int pass = 0; pass < kPasses; ++pass) {
    for (const std::string& name : names)
      found += on.client().reader().FindName(name, 0).has_value();
  }
  asm volatile("" : : "r"(found) : "memory");
  return watch.Seconds() * 1e9 / (double{kNames} * kPasses);
}

}  // namespace

void WindowRows(Report& report) {
  const std::string read = "node.window.read_1m", view = "node.window.view_1m",
                    small = "node.window.read_4k", name = "node.window.find_name";
  if (!report.Wants(read) && !report.Wants(view) && !report.Wants(small) && !report.Wants(name)) {
    return;
  }
  const auto on = Fixture::Make();
  if (!on) return report.Missing(read, on.error().ToString());
  Fixture& fixture = **on;
  report.Compare(
      read, "B/s", Goal::kAtLeast, 0.85, [&] { return WindowRate(fixture); },
      [&] { return FileRate(fixture); });
  report.Compare(
      view, "ns", Goal::kAtMost, 0.1, [&] { return ViewNanos(fixture); },
      [&] { return FileNanos(fixture); });
  report.Compare(
      small, "ns", Goal::kAtMost, 1.0, [&] { return SmallWindowNanos(fixture); },
      [&] { return SmallFileNanos(fixture); });
  if (report.Wants(name)) report.Info(name, "ns", NameNanos(fixture), "an open without a message");
}

}  // namespace forebay::bench
