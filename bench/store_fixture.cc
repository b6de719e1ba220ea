#include "bench/store_fixture.h"

#include <fmt/format.h>
#include <stdlib.h>

#include <cerrno>
#include <filesystem>
#include <numeric>
#include <system_error>

#include "src/base/prng.h"
#include "src/base/units.h"
#include "src/store/testing/patterns.h"

namespace forebay::bench {
namespace {

/// Less than half of the smallest backlog that a store of these rows allows, so that no block is
/// passed over because the disk is behind.
constexpr uint64_t kAhead = 32 * kMiB;

}  // namespace

Result<DiskPlace> DiskPlace::Make() {
  const char* wanted = std::getenv("FOREBAY_BENCH_DIR");
  std::string path =
      fmt::format("{}/forebay_bench_XXXXXX", wanted == nullptr ? "/var/tmp" : wanted);
  if (mkdtemp(path.data()) == nullptr) {
    return Fail(Code::kIoError,
                fmt::format("make {}: {}", path, std::generic_category().message(errno)));
  }
  return DiskPlace(path);
}

DiskPlace::~DiskPlace() {
  std::error_code ignored;
  if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
}

Result<OpenedStore> OpenedStore::Open(IoBackend io, StoreOptions options) {
  FB_ASSIGN(auto loop, Loop::Create({.io = io}));
  FB_ASSIGN(auto store, loop->Run(Store::Open(loop->env(), std::move(options))));
  return OpenedStore(std::move(loop), std::move(store));
}

OpenedStore::~OpenedStore() {
  if (store_ != nullptr) loop_->Run(store_->Close());
}

namespace {

Task<Result<void>> FillAll(Env& env, Store& store, uint64_t blocks, uint32_t length) {
  for (uint64_t n = 0; n < blocks; ++n) {
    const BlockInfo info{.attachment = 1, .length = length};
    FB_CO_TRY(co_await store_testing::Put(env, store, store_testing::Key(n), info));
    co_await store.AwaitFlush(env, kAhead);
  }
  co_await store.AwaitFlush(env, 0);
  for (const DiskStats& disk : store.stats().disks) {
    if (disk.skipped_behind + disk.not_admitted + disk.io_errors == 0) continue;
    co_return Fail(Code::kInternal,
                   fmt::format("of {} blocks {} were skipped, {} not admitted, {} failed", blocks,
                               disk.skipped_behind, disk.not_admitted, disk.io_errors));
  }
  co_return Result<void>();
}

}  // namespace

Result<void> FillBlocks(OpenedStore& opened, uint64_t blocks, uint32_t length) {
  return opened.loop().Run(FillAll(opened.env(), *opened, blocks, length));
}

std::vector<uint32_t> RandomOrder(uint32_t count, uint64_t seed) {
  std::vector<uint32_t> order(count);
  std::iota(order.begin(), order.end(), 0u);
  Prng prng(seed);
  for (uint32_t i = count; i > 1; --i) std::swap(order[i - 1], order[prng.Below(i)]);
  return order;
}

}  // namespace forebay::bench
