// A restart with a million blocks, in sparse files: their records are written here as the store
// would have, and of most blocks nothing else.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <vector>

#include "src/store/format.h"
#include "src/store/testing/io_testing.h"

namespace forebay {
namespace {

using store_testing::kBothBackends;
using store_testing::Key;
using store_testing::Seen;
using store_testing::StoreOnLoop;
using store_testing::TempDirectory;
using store_testing::TierOptions;

constexpr uint64_t kBlocks = 1'000'000;
constexpr uint32_t kLength = 3000;       // with its trailer, one page
constexpr uint64_t kWithData = 100'003;  // one in so many has its data on disk

StoreOptions LargeTier(const std::string& directory) {
  StoreOptions options = TierOptions(directory, 4608 * kMiB);
  options.dram.capacity_bytes = 16 * kMiB;
  options.disks[0].smallest_mean_block = 4096;
  options.disks[0].preallocate = false;
  return options;
}

class RestartIoTest : public testing::TestWithParam<IoBackend> {
 protected:
  void WriteAt(const std::string& file, uint64_t offset, Bytes bytes) {
    const int fd = open((directory_.path() + file).c_str(), O_WRONLY | O_CLOEXEC);
    ASSERT_EQ(pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset)),
              static_cast<ssize_t>(bytes.size()));
    close(fd);
  }
  uint64_t TierId() {
    std::vector<std::byte> page(Superblock::kBytes);
    const int fd = open((directory_.path() + "/forebay.index").c_str(), O_RDONLY | O_CLOEXEC);
    EXPECT_EQ(pread(fd, page.data(), page.size(), 0), static_cast<ssize_t>(page.size()));
    close(fd);
    const auto super = Superblock::Decode(page);
    EXPECT_TRUE(super);
    return super ? super->tier_id : 0;
  }
  void WriteRecords() {
    const uint64_t tier_id = TierId();
    std::vector<std::byte> raw(kBlocks * Record::kBytes);
    for (uint64_t n = 0; n < kBlocks; ++n) {
      const Record record{.key = Key(n),
                          .attachment = 1 + n % 5,
                          .sequence = n + 1,
                          .first_page = static_cast<uint32_t>(n),
                          .length = kLength,
                          .complete = true};
      record.Encode(raw.data() + n * Record::kBytes, tier_id, n);
    }
    WriteAt("/forebay.index", kRecordsOffset, raw);
  }
  void WriteImage(uint64_t n) {
    const ImageLayout layout(kLength);
    ASSERT_EQ(layout.total_pages, 1u);
    std::vector<std::byte> image(layout.total_bytes());
    const auto data = MutableBytes(image).first(kLength);
    store_testing::FillPattern(Key(n), 0, data);
    Trailer trailer(image.data() + layout.trailer_offset, layout);
    ComputeCrcs(Key(n), 0, data, trailer.crcs());
    trailer.SetFilled(0, 1);
    trailer.Seal(Key(n));
    WriteAt("/forebay.data", n * kPageBytes, image);
  }

  store_testing::SilentLog silent_log_;
  TempDirectory directory_;
};

TEST_P(RestartIoTest, FindsAMillionBlocks) {
  FB_LOOP_OR_SKIP(loop, GetParam());
  StoreOnLoop on(std::move(loop));
  ASSERT_TRUE(on.Open(LargeTier(directory_.path())));
  on.Close();
  ASSERT_NO_FATAL_FAILURE(WriteRecords());
  for (uint64_t n = 0; n < kBlocks; n += kWithData) ASSERT_NO_FATAL_FAILURE(WriteImage(n));

  const auto opened = on.Open(LargeTier(directory_.path()));
  ASSERT_TRUE(opened) << opened.error().ToString();
  EXPECT_EQ(on.store().stats().blocks, kBlocks);
  EXPECT_EQ(on.store().stats().disks[0].reads, 0u);
  for (uint64_t n = 0; n < kBlocks; n += kWithData) {
    EXPECT_EQ(on.See(n, 0, kLength, {.promote = n % 2 == 0}), Seen::kRight) << n;
  }
  EXPECT_EQ(on.store().stats().disks[0].rotten_blocks, 0u);
  // Of the others the data is a hole: a miss, filled anew.
  for (const uint64_t n : {uint64_t{1}, kBlocks / 2, kBlocks - 1}) {
    ASSERT_TRUE(on.store().Probe(Key(n)));
    EXPECT_EQ(on.See(n, 0, kLength), Seen::kMiss);
    ASSERT_TRUE(on.Put(n, kLength));
  }
  EXPECT_EQ(on.store().stats().disks[0].rotten_blocks, 3u);
  on.Close();
  ASSERT_TRUE(on.Open(LargeTier(directory_.path())));
  EXPECT_EQ(on.store().stats().blocks, kBlocks);
  EXPECT_EQ(on.See(kBlocks / 2, 0, kLength), Seen::kRight);
}

INSTANTIATE_TEST_SUITE_P(Real, RestartIoTest, testing::ValuesIn(kBothBackends),
                         [](const auto& info) { return std::string(IoBackendName(info.param)); });

}  // namespace
}  // namespace forebay
