#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "src/base/block_key.h"
#include "src/base/bulk_copy.h"
#include "src/base/crc.h"
#include "src/base/hash.h"
#include "src/base/prng.h"
#include "src/base/result.h"
#include "src/base/units.h"

namespace forebay {
namespace {

TEST(BulkCopy, CopiesJustWhatItIsGiven) {
  Prng chance(7);
  std::vector<std::byte> from(300'000), into(300'000 + 2);
  for (std::byte& byte : from) byte = static_cast<std::byte>(chance.Next());
  for (const size_t size : {0u, 1u, 4096u, 16'383u, 16'384u, 16'385u, 299'993u}) {
    for (const size_t skip : {0u, 1u, 7u}) {
      std::ranges::fill(into, std::byte{0xee});
      CopyBulk(into.data() + 1, Bytes(from).subspan(skip, size));
      EXPECT_TRUE(std::equal(into.begin() + 1, into.begin() + 1 + static_cast<ptrdiff_t>(size),
                             from.begin() + static_cast<ptrdiff_t>(skip)));
      EXPECT_EQ(into.front(), std::byte{0xee});
      EXPECT_EQ(into[size + 1], std::byte{0xee});
    }
  }
}

TEST(Units, ParsesWhatPeopleWrite) {
  EXPECT_EQ(ParseSize("1536").value(), 1536u);
  EXPECT_EQ(ParseSize("64KiB").value(), 64 * kKiB);
  EXPECT_EQ(ParseSize("1.5 GiB").value(), 3 * kGiB / 2);
  EXPECT_EQ(ParseSize("8M").value(), 8 * kMiB);
  EXPECT_EQ(ParseSize("0").value(), 0u);
}

TEST(Units, RefusesNonsenseByName) {
  for (const char* text : {"", "GiB", "-1", "1QiB", "1KB5", "nan", "inf", "1e300", "99999999TiB"}) {
    const auto size = ParseSize(text);
    ASSERT_FALSE(size) << text;
    EXPECT_EQ(size.error().code(), Code::kInvalidArgument);
    EXPECT_NE(size.error().message().find(text), std::string::npos) << size.error().message();
  }
}

TEST(Units, FormatsForPeople) {
  EXPECT_EQ(FormatSize(0), "0 B");
  EXPECT_EQ(FormatSize(64 * kKiB), "64 KiB");
  EXPECT_EQ(FormatSize(3 * kGiB / 2), "1.5 GiB");
}

TEST(Prng, SequenceIsPartOfTheContract) {
  Prng prng(42);
  EXPECT_EQ(prng.Next(), 13696896915399030466u);
  EXPECT_EQ(prng.Next(), 12641092763546669283u);
  for (int i = 0; i < 1000; ++i) {
    EXPECT_LT(prng.Below(7), 7u);
    const double unit = prng.Unit();
    EXPECT_TRUE(unit >= 0 && unit < 1);
  }
}

TEST(Hash, ValuesAreStableAndLengthsDiffer) {
  EXPECT_EQ(HashBytes(AsBytes("forebay"), 1), HashBytes(AsBytes("forebay"), 1));
  std::set<Hash128> seen;
  const std::string zeros(100, '\0');
  for (size_t n = 0; n <= zeros.size(); ++n) {
    seen.insert(HashBytes(AsBytes(std::string_view(zeros).substr(0, n)), 1));
    seen.insert(HashBytes(AsBytes(std::string_view(zeros).substr(0, n)), 2));
  }
  EXPECT_EQ(seen.size(), 202u);
}

TEST(Hash, OneFlippedBitChangesHalfOfThem) {
  std::string text(64, 'x');
  const Hash128 before = HashBytes(AsBytes(text), 7);
  int changed = 0;
  for (size_t bit = 0; bit < text.size() * 8; ++bit) {
    text[bit / 8] = static_cast<char>(text[bit / 8] ^ (1 << (bit % 8)));
    const Hash128 after = HashBytes(AsBytes(text), 7);
    changed +=
        __builtin_popcountll(before.hi ^ after.hi) + __builtin_popcountll(before.lo ^ after.lo);
    text[bit / 8] = static_cast<char>(text[bit / 8] ^ (1 << (bit % 8)));
  }
  const double mean = changed / (64.0 * 8);
  EXPECT_NEAR(mean, 64, 2);
}

/// As CRC-64/NVME is defined, a bit at a time.
uint64_t PlainCrc64(Bytes bytes, uint64_t so_far) {
  constexpr uint64_t kPolynomial = 0x9a6c9329ac4bc9b5;
  uint64_t crc = ~so_far;
  for (const std::byte byte : bytes) {
    crc ^= std::to_integer<uint64_t>(byte);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? kPolynomial : 0);
  }
  return ~crc;
}

TEST(Crc64Test, IsTheSameHoweverManyBytesAreTakenAtOnce) {
  EXPECT_EQ(Crc64(AsBytes("123456789")), 0xae8b14860a799888);  // the published check
  Prng prng(7);
  std::vector<std::byte> bytes(1000);
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(prng.Next());
  uint64_t so_far = 0;
  for (size_t size = 0; size < 700; ++size) {
    const Bytes part = Bytes(bytes).subspan(prng.Below(300), size);
    ASSERT_EQ(Crc64(part, so_far), PlainCrc64(part, so_far)) << size;
    so_far = prng.Next();
  }
}

TEST(BlockKey, DistinctForEveryPart) {
  std::set<BlockKey> keys;
  for (AttachmentId attachment : {1, 2}) {
    for (const char* path : {"a", "a@b"}) {
      for (const char* etag : {"c", "b@c", "5:c"}) {
        for (uint64_t size : {5, 55}) {
          const VersionId version = MakeVersionId(attachment, path, etag, size);
          for (uint32_t block = 0; block < 100; ++block) keys.insert(BlockKey::Of(version, block));
        }
      }
    }
  }
  EXPECT_EQ(keys.size(), 2400u);
}

Result<int> Half(int n) {
  if (n % 2 != 0) return Fail(Code::kInvalidArgument, "odd");
  return n / 2;
}
Result<int> Quarter(int n) {
  FB_ASSIGN(const int half, Half(n));
  FB_TRY(Half(half));
  return half / 2;
}

TEST(Result, MacrosPassErrorsOn) {
  EXPECT_EQ(Quarter(8).value(), 2);
  EXPECT_EQ(Quarter(6).error().message(), "odd");
  EXPECT_EQ(Quarter(3).error().Within("quarter").ToString(), "invalid argument: quarter: odd");
}

}  // namespace
}  // namespace forebay
