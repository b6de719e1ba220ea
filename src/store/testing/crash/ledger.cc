#include <sys/socket.h>

#include <algorithm>

#include "src/store/testing/crash/report.h"
#include "src/store/testing/crash/writer.h"

namespace forebay::store_testing {
namespace {

/// A killed process's locks may outlive it for a moment, while the kernel ends its last operations.
constexpr int kOpenTries = 5000;

}  // namespace

bool Ledger::Receive(Child& writer, bool wait) {
  Report report;
  const ssize_t got = recv(writer.channel(), &report, sizeof report, wait ? 0 : MSG_DONTWAIT);
  if (got != sizeof report) return false;
  switch (report.kind) {
    case Report::kOpened:
      ++opened_;
      break;
    case Report::kDurable:
      ++acknowledged_;
      durable_[report.key] = report.length;
      break;
    case Report::kCleaning:
      durable_.erase(report.key);
      break;
    case Report::kWrong:
      complaint_ = "a writer saw a wrong byte";
      break;
  }
  return true;
}

bool Ledger::Follow(Child& writer, uint64_t writes) {
  const uint64_t until = acknowledged_ + writes;
  while (acknowledged_ < until && complaint_.empty()) {
    if (Receive(writer, true)) continue;
    complaint_ = "a writer has ended by itself";
  }
  return complaint_.empty();
}

bool Ledger::Drain(Child& writer) {
  while (Receive(writer, false)) {
  }
  return complaint_.empty();
}

Result<void> Ledger::OpenSoon(StoreOnLoop& on, const StoreOptions& options) {
  for (int tries = 0;; ++tries) {
    const auto opened = on.Open(options);
    if (opened || opened.error().code() != Code::kInUse || tries == kOpenTries) return opened;
    (void)on.loop().Run(on.env().clock.Sleep(std::chrono::milliseconds(1)));
  }
}

void Ledger::Check(Loop& loop, const WriterOptions& options) {
  ASSERT_EQ(complaint_, "");
  StoreOnLoop on(loop);
  const auto opened = OpenSoon(on, WriterStoreOptions(options));
  ASSERT_TRUE(opened) << opened.error().ToString();
  CheckPromises(on);
  CheckRest(on);
  rotten_ += on.store().stats().disks[0].rotten_blocks;
}

void Ledger::CheckPromises(StoreOnLoop& on) {
  std::vector<BlockKey> dirty = on.store().DirtyBlocks();
  std::ranges::sort(dirty);
  uint64_t number = 0;
  for (const auto& [key, length] : durable_) {
    EXPECT_TRUE(std::ranges::binary_search(dirty, key))
        << "block " << number << " is not dirty any more";
    const ReadOptions how{.promote = number++ % 2 == 0};
    const auto seen =
        on.loop().Run(store_testing::Check(on.env(), on.store(), key, 0, length, how));
    ASSERT_TRUE(seen) << "an acknowledged block of " << length << ": " << seen.error().ToString();
    ASSERT_EQ(*seen, Seen::kRight) << "an acknowledged block of " << length << " bytes";
  }
  // Whatever else calls itself dirty was being written, or being cleaned: it may be rotten, never
  // wrong.
  for (const BlockKey& key : dirty) {
    const auto presence = on.store().Probe(key);
    if (!presence) continue;
    const auto seen =
        on.loop().Run(store_testing::Check(on.env(), on.store(), key, 0, presence->length));
    if (seen) EXPECT_NE(*seen, Seen::kWrong);
  }
}

/// Shared blocks, page by page, because most are there in part.
void Ledger::CheckRest(StoreOnLoop& on) {
  for (uint64_t n = 0; n < kSharedBlocks; ++n) {
    const uint32_t length = LengthOfBlock(n);
    for (uint32_t offset = 0; offset < length; offset += kPageBytes) {
      const uint32_t size = std::min(kPageBytes, length - offset);
      const Seen seen = on.See(n, offset, size, {.promote = n % 2 == 0});
      ASSERT_NE(seen, Seen::kWrong) << "block " << n << " at " << offset;
      if (seen == Seen::kRight) ++blocks_seen_;
    }
  }
}

}  // namespace forebay::store_testing
