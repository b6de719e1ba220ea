#include "src/store/testing/crash/writer.h"

#include <sys/socket.h>

#include <deque>

#include "src/store/testing/crash/report.h"

namespace forebay::store_testing {
namespace {

constexpr uint64_t kMaxDirtyBytes = 3 * kMiB;
constexpr int kDirtyWriters = 3;
constexpr int kDataWriters = 2;

/// Everything one writer process does, on one loop, until it is killed.
class Writer {
 public:
  Writer(Env& env, Store& store, uint64_t seed, int channel)
      : env_(env), store_(store), prng_(seed), seed_(seed), channel_(channel) {}

  Task<void> Run() {
    for (const BlockKey& key : store_.DirtyBlocks()) {
      const auto presence = store_.Probe(key);
      dirty_.emplace_back(key, presence->length);
      dirty_bytes_ += presence->length;
    }
    TaskGroup group(env_.executor);
    for (int i = 0; i < kDirtyWriters; ++i) group.Spawn(WriteDirty());
    for (int i = 0; i < kDataWriters; ++i) group.Spawn(WriteData());
    co_await group.Join();
  }

  void Tell(Report::Kind kind, const BlockKey& key = {}, uint32_t length = 0) {
    const Report report{.kind = kind, .length = length, .key = key};
    if (send(channel_, &report, sizeof report, MSG_NOSIGNAL) != sizeof report) _exit(1);
  }

 private:
  Task<void> WriteDirty() {
    for (;;) {
      const uint64_t n = kFirstDirtyBlock * seed_ + next_++;
      const uint32_t length = LengthOfBlock(n);
      auto put = co_await Put(env_, store_, Key(n), {n % kAttachments, length, BlockClass::kDirty});
      if (put) put = co_await store_.MakeDurable(env_, {Key(n)});
      if (put) {
        Tell(Report::kDurable, Key(n), length);
        dirty_.emplace_back(Key(n), length);
        dirty_bytes_ += length;
      }
      while (dirty_bytes_ > kMaxDirtyBytes) co_await CleanOldest();
      // Now and then the disk has time to gather what nobody syncs.
      (void)co_await env_.clock.Sleep(std::chrono::microseconds(prng_.Below(10'000)));
    }
  }

  Task<void> CleanOldest() {
    const auto [key, length] = dirty_.front();
    dirty_.pop_front();
    dirty_bytes_ -= length;
    Tell(Report::kCleaning, key);
    (void)co_await store_.MarkClean(env_, key);
  }

  /// Fills a part of a shared block, or reads one.
  Task<void> WriteData() {
    for (;;) {
      const uint64_t n = prng_.Below(kSharedBlocks);
      if (prng_.OneIn(4)) store_.Erase(Key(n));
      const uint32_t length = LengthOfBlock(n);
      auto fill =
          co_await store_.BeginFill(env_, Key(n), {n % kAttachments, length, BlockClass::kData});
      if (fill) FillSome(*fill, n, length);
      const uint64_t other = prng_.Below(kSharedBlocks);
      const ReadOptions options{.promote = prng_.OneIn(2)};
      const uint32_t size = std::min(kPageBytes, LengthOfBlock(other));
      const auto seen = co_await Check(env_, store_, Key(other), 0, size, options);
      if (seen && *seen == Seen::kWrong) Tell(Report::kWrong, Key(other), size);
      co_await Yield(env_.executor);
    }
  }

  void FillSome(Fill& fill, uint64_t n, uint32_t length) {
    const bool all = prng_.OneIn(2);
    for (uint32_t offset = 0; offset < length; offset += kPageBytes) {
      const uint32_t size = std::min(kPageBytes, length - offset);
      if (fill.Filled(offset, size) || !(all || prng_.OneIn(2))) continue;
      FillPattern(Key(n), offset, fill.buffer().subspan(offset, size));
      fill.Commit(offset, size);
    }
  }

  Env& env_;
  Store& store_;
  Prng prng_;
  const uint64_t seed_;
  const int channel_;
  uint64_t next_ = 0;
  std::deque<std::pair<BlockKey, uint32_t>> dirty_;
  uint64_t dirty_bytes_ = 0;
};

}  // namespace

StoreOptions WriterStoreOptions(const WriterOptions& options) {
  StoreOptions store = TierOptions(options.directory, 8 * kMiB);
  store.dram.capacity_bytes = 4 * kMiB;
  store.max_block_bytes = kLargestBlock;
  store.flush_delay = std::chrono::milliseconds(2);
  store.disks[0].direct = options.direct;
  store.disks[0].preallocate = options.preallocate;
  return store;
}

namespace {

std::vector<std::string> Encode(const WriterOptions& options) {
  return {options.directory, std::string(IoBackendName(options.backend)),
          options.direct ? "direct" : "cached", options.preallocate ? "preallocated" : "sparse",
          std::to_string(options.seed)};
}

std::optional<WriterOptions> Decode(const std::vector<std::string>& words) {
  if (words.size() != 5) return std::nullopt;
  return WriterOptions{.directory = words[0],
                       .backend = words[1] == "uring" ? IoBackend::kUring : IoBackend::kEpoll,
                       .direct = words[2] == "direct",
                       .preallocate = words[3] == "preallocated",
                       .seed = std::stoull(words[4])};
}

constexpr int kFirstCode = 100;  // exit statuses below it have other meanings

}  // namespace

Child StartWriter(const WriterOptions& options) {
  return Child("writer", Encode(options));
}

int WriterMain(const std::vector<std::string>& arguments, int channel) {
  const auto options = Decode(arguments);
  if (!options) return 2;
  SilentLog silent;
  auto loop = Loop::Create({.io = options->backend, .log = &silent});
  if (!loop) return 3;
  StoreOnLoop on(std::move(*loop));
  if (!on.Open(WriterStoreOptions(*options))) return 4;
  Writer writer(on.env(), on.store(), options->seed, channel);
  writer.Tell(Report::kOpened);
  on.loop().Run(writer.Run());
  return 0;
}

std::optional<Code> OpenElsewhere(const WriterOptions& options) {
  const int status = Child("opener", Encode(options)).Wait();
  if (status == 0) return std::nullopt;
  return status >= kFirstCode ? static_cast<Code>(status - kFirstCode) : Code::kInternal;
}

int OpenerMain(const std::vector<std::string>& arguments) {
  const auto options = Decode(arguments);
  if (!options) return 2;
  SilentLog silent;
  auto loop = Loop::Create({.io = options->backend, .log = &silent});
  if (!loop) return 3;
  StoreOnLoop on(std::move(*loop));
  const auto opened = on.Open(WriterStoreOptions(*options));
  return opened ? 0 : kFirstCode + static_cast<int>(opened.error().code());
}

}  // namespace forebay::store_testing
