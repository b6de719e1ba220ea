// What the rows of the store share: a store that is open on a loop of its own, a place on a disk,
// and orders of reading that are the same for both sides.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "src/base/result.h"
#include "src/platform/linux/loop.h"
#include "src/store/store.h"

namespace forebay::bench {

/// A directory for the files of tiers and peers, removed at the end. It lies where
/// FOREBAY_BENCH_DIR says, otherwise in /var/tmp: /tmp is memory on many machines.
class DiskPlace {
 public:
  static Result<DiskPlace> Make();
  DiskPlace(DiskPlace&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  DiskPlace& operator=(DiskPlace&&) = delete;
  ~DiskPlace();

  const std::string& path() const { return path_; }

 private:
  explicit DiskPlace(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

/// A store and the loop that keeps it. The thread that opened it uses it.
class OpenedStore {
 public:
  static Result<OpenedStore> Open(IoBackend io, StoreOptions options);
  OpenedStore(OpenedStore&&) = default;
  OpenedStore& operator=(OpenedStore&&) = delete;
  ~OpenedStore();

  Store& operator*() const { return *store_; }
  Store* operator->() const { return store_.get(); }
  Env& env() const { return loop_->env(); }
  Loop& loop() const { return *loop_; }

 private:
  OpenedStore(std::unique_ptr<Loop> loop, std::unique_ptr<Store> store)
      : loop_(std::move(loop)), store_(std::move(store)) {}
  std::unique_ptr<Loop> loop_;
  std::unique_ptr<Store> store_;
};

/// Fills blocks 0 .. blocks-1 of `length` bytes, never further ahead of the disks than they can
/// follow, and waits until all of it is on them.
Result<void> FillBlocks(OpenedStore& opened, uint64_t blocks, uint32_t length);

/// 0 .. count-1, shuffled by `seed`.
std::vector<uint32_t> RandomOrder(uint32_t count, uint64_t seed);

class Stopwatch {
 public:
  double Seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

}  // namespace forebay::bench
