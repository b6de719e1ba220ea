// What a window shows, keeps and gives up, seen from one process.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "src/store/testing/io_testing.h"
#include "src/window/testing/window_testing.h"

namespace forebay::window {
namespace {

using store_testing::Key;
using store_testing::StoreOnLoop;
using window_testing::Client;
using window_testing::Right;

constexpr uint32_t kLength = 60'000;
constexpr uint64_t kAttachment = 1, kOther = 2;
constexpr uint64_t kFar = std::numeric_limits<int64_t>::max();

class WindowTest : public testing::Test {
 protected:
  void SetUp() override { OpenStore(4 * kMiB); }
  void OpenStore(uint64_t dram_bytes) {
    host_.reset();
    on_.reset();
    auto loop = Loop::Create({.io = IoBackend::kEpoll, .log = &silent_log_});
    ASSERT_TRUE(loop) << loop.error().ToString();
    on_ = std::make_unique<StoreOnLoop>(std::move(*loop));
    StoreOptions options;
    options.dram.capacity_bytes = dram_bytes;
    options.dram.policy = "lru";
    options.max_block_bytes = 64 * kKiB;
    const auto opened = on_->Open(options);
    ASSERT_TRUE(opened) << opened.error().ToString();
    host_ = std::make_unique<WindowHost>(memory(), on_->store(), Options());
  }
  static WindowOptions Options() {
    WindowOptions options;
    options.table.block_bytes = options.table.max_block_bytes = 64 * kKiB;
    options.table.block_lines = 256;
    options.table.names = 64;
    options.client_pin_bytes = kMiB;
    return options;
  }
  Memory& memory() { return on_->env().memory; }
  Store& store() { return on_->store(); }
  std::unique_ptr<Client> Connect(uint64_t attachment = kAttachment) {
    auto session = host_->Open(attachment);
    EXPECT_TRUE(session) << session.error().ToString();
    return std::make_unique<Client>(memory(), std::move(*session));
  }
  void Put(uint64_t n, uint64_t attachment = kAttachment) {
    const auto put = on_->Put(n, kLength, BlockClass::kData, attachment);
    ASSERT_TRUE(put) << put.error().ToString();
  }
  /// More than memory holds.
  void Flood(uint64_t attachment = kAttachment, uint64_t from = 1'000'000) {
    for (uint64_t n = 0; n < 2 * store().stats().memory_capacity_bytes / kLength; ++n) {
      Put(from + n, attachment);
    }
  }
  Found Read(Client& client, uint64_t n) {
    std::vector<std::byte> bytes(kLength);
    const Found found = client.Read(Key(n), 0, bytes);
    if (found == Found::kHere) EXPECT_TRUE(Right(Key(n), 0, bytes)) << n;
    return found;
  }

  store_testing::SilentLog silent_log_;
  std::unique_ptr<StoreOnLoop> on_;
  std::unique_ptr<WindowHost> host_;
};

TEST_F(WindowTest, ShowsWhatMemoryHeldBeforeAndWhatComesAfter) {
  Put(1);
  Put(2, kOther);
  const auto client = Connect();
  Put(3);
  EXPECT_EQ(Read(*client, 1), Found::kHere);
  EXPECT_EQ(Read(*client, 2), Found::kNotHere);  // another attachment's
  EXPECT_EQ(Read(*client, 3), Found::kHere);
  EXPECT_EQ(Read(*client, 4), Found::kNotHere);
  EXPECT_EQ(client->reader().block_bytes(), 64 * kKiB);
}

TEST_F(WindowTest, ReadsWithinTheBlockOnly) {
  Put(1);
  const auto client = Connect();
  std::vector<std::byte> bytes(100);
  EXPECT_EQ(client->Read(Key(1), kLength - 100, bytes), Found::kHere);
  EXPECT_TRUE(Right(Key(1), kLength - 100, bytes) || (kLength - 100) % 8 != 0);
  EXPECT_EQ(client->Read(Key(1), kLength - 99, bytes), Found::kNotHere);
  EXPECT_EQ(client->Read(Key(1), ~uint64_t{0}, bytes), Found::kNotHere);
}

TEST_F(WindowTest, ABlockIsShownWhenItsLastPageHasCome) {
  const auto client = Connect();
  auto fill = on_->loop().Run(store().BeginFill(on_->env(), Key(1), {kAttachment, kLength}));
  ASSERT_TRUE(fill);
  store_testing::FillPattern(Key(1), 0, fill->buffer());
  fill->Commit(0, 3 * kPageBytes);
  EXPECT_EQ(Read(*client, 1), Found::kNotHere);
  fill->Commit(3 * kPageBytes, kLength - 3 * kPageBytes);
  EXPECT_EQ(Read(*client, 1), Found::kHere);
}

TEST_F(WindowTest, EvictedBlocksAreNotFoundAndPinnedOnesStay) {
  Put(1);
  Put(2);
  const auto client = Connect();
  PinnedBlock pinned;
  ASSERT_EQ(client->Pin(Key(1), &pinned), Found::kHere);
  Flood();
  EXPECT_EQ(Read(*client, 2), Found::kNotHere);
  EXPECT_TRUE(store().Probe(Key(1))->in_memory);
  EXPECT_TRUE(Right(Key(1), 0, pinned.bytes));
  client->reader().Unpin(pinned);
  Flood(kAttachment, 2'000'000);
  EXPECT_EQ(Read(*client, 1), Found::kNotHere);
  EXPECT_FALSE(store().Probe(Key(1)));
}

TEST_F(WindowTest, ASessionEndsWithItsAttachmentOnceNothingIsHeld) {
  Put(1);
  const auto client = Connect();
  const uint32_t slots = host_->free_slots();
  PinnedBlock pinned;
  ASSERT_EQ(client->Pin(Key(1), &pinned), Found::kHere);
  EXPECT_FALSE(client->session().EndIfOver());  // it is attached
  host_->Forget(kAttachment);
  EXPECT_FALSE(client->session().EndIfOver());  // there is a block that one could pin
  store().Erase(Key(1));
  EXPECT_FALSE(client->session().EndIfOver());  // one is pinned
  Put(2);                                       // came late
  EXPECT_EQ(Read(*client, 2), Found::kNotHere);
  EXPECT_TRUE(Right(Key(1), 0, pinned.bytes));
  client->reader().Unpin(pinned);
  EXPECT_TRUE(client->session().EndIfOver());
  EXPECT_EQ(Read(*client, 1), Found::kNotHere);
  client->Disconnect();
  EXPECT_GT(host_->free_slots(), slots);
}

TEST_F(WindowTest, AnErasedBlockIsGoneButItsReaderKeepsTheBytes) {
  Put(1);
  const auto client = Connect();
  PinnedBlock pinned;
  ASSERT_EQ(client->Pin(Key(1), &pinned), Found::kHere);
  store().Erase(Key(1));
  EXPECT_EQ(Read(*client, 1), Found::kNotHere);
  Put(1);  // anew, elsewhere
  Flood();
  EXPECT_TRUE(Right(Key(1), 0, pinned.bytes));
  const uint64_t held = store().stats().memory_resident_bytes;
  host_->Drain();
  client->reader().Unpin(pinned);
  host_->Drain();
  Flood(kAttachment, 2'000'000);
  EXPECT_LE(store().stats().memory_resident_bytes, std::max(held, 4 * kMiB));
}

TEST_F(WindowTest, PinsEndWithTheConnection) {
  Put(1);
  Put(2);
  const auto client = Connect();
  PinnedBlock pinned, orphan;
  ASSERT_EQ(client->Pin(Key(1), &pinned), Found::kHere);
  ASSERT_EQ(client->Pin(Key(2), &orphan), Found::kHere);
  store().Erase(Key(2));
  client->Disconnect();
  Flood();
  EXPECT_FALSE(store().Probe(Key(1)));
}

TEST_F(WindowTest, AClientPinsNoMoreThanItsSlotsAndStillCopies) {
  for (uint64_t n = 0; n < 40; ++n) Put(n);
  const auto client = Connect();
  const uint32_t most = client->reader().view_slots();
  ASSERT_LT(most, 40u);
  std::vector<PinnedBlock> held(most);
  for (uint32_t n = 0; n < most; ++n) ASSERT_EQ(client->Pin(Key(n), &held[n]), Found::kHere);
  PinnedBlock more;
  EXPECT_EQ(client->Pin(Key(39), &more), Found::kNoPin);
  EXPECT_EQ(Read(*client, 39), Found::kHere);
  client->reader().Unpin(held.back());
  EXPECT_EQ(client->Pin(Key(39), &more), Found::kHere);
}

TEST_F(WindowTest, AllClientsTogetherPinAShareOfMemoryAndTheRestIsRefused) {
  const uint32_t all = host_->free_slots();
  EXPECT_LE(uint64_t{all} * ImageLayout(64 * kKiB).total_bytes(), 2 * kMiB);
  std::vector<std::unique_ptr<WindowSession>> sessions;
  for (;;) {
    auto session = host_->Open(kAttachment + sessions.size() % 2);
    if (!session) {
      EXPECT_EQ(session.error().code(), Code::kOverloaded);
      break;
    }
    sessions.push_back(std::move(*session));
    ASSERT_LE(sessions.size(), all);
  }
  EXPECT_GE(sessions.size(), 2u);
  sessions.clear();
  EXPECT_EQ(host_->free_slots(), all);
}

TEST_F(WindowTest, HitsOfClientsKeepBlocksInMemory) {
  for (uint64_t n = 0; n < 10; ++n) Put(n);
  const auto client = Connect();
  std::vector<std::byte> bytes(kLength);
  const uint64_t fits = 4 * kMiB / ImageLayout(kLength).total_bytes();
  for (uint64_t n = 0; n < 4 * fits; ++n) {
    for (uint64_t hot = 0; hot < 4; ++hot) {
      for (int i = 0; i < 10; ++i) client->Read(Key(hot), 0, bytes);
    }
    const LocalReads reads = host_->Drain();
    EXPECT_EQ(reads.hits, reads.bytes / kLength);
    Put(1'000'000 + n);
  }
  for (uint64_t n = 0; n < 4; ++n) EXPECT_EQ(Read(*client, n), Found::kHere) << n;
  for (uint64_t n = 4; n < 10; ++n) EXPECT_EQ(Read(*client, n), Found::kNotHere) << n;
}

TEST_F(WindowTest, SharedMemoryWandersBetweenAttachmentsWithinItsBounds) {
  const auto one = Connect(kAttachment), two = Connect(kOther);
  for (uint64_t round = 0; round < 6; ++round) {
    const uint64_t attachment = 1 + round % 2;
    Client& reader = *(round % 2 == 0 ? one : two);
    for (uint64_t n = 0; n < uint64_t{2} * 4 * kMiB / kLength; ++n) {
      const uint64_t number = round * 10'000 + n;
      Put(number, attachment);
      EXPECT_EQ(Read(reader, number), Found::kHere) << number;
    }
    EXPECT_LE(store().stats().memory_resident_bytes, 4 * kMiB);
  }
}

/// A pin in each segment would make emptying one for another attachment impossible; what can go
/// still goes, and nothing fails.
TEST_F(WindowTest, PinsEverywhereLeaveRoomForOthers) {
  const auto one = Connect(kAttachment);
  Flood(kAttachment, 0);
  std::vector<PinnedBlock> held;
  for (uint64_t n = 0; n < uint64_t{2} * 4 * kMiB / kLength; n += 5) {
    PinnedBlock pinned;
    if (one->Pin(Key(n), &pinned) == Found::kHere) held.push_back(pinned);
  }
  ASSERT_GE(held.size(), 6u);
  Connect(kOther);
  Flood(kOther);
  EXPECT_LE(store().stats().memory_resident_bytes, 4 * kMiB);
  for (const PinnedBlock& pinned : held) one->reader().Unpin(pinned);
}

TEST_F(WindowTest, GoneSegmentsAreUnmappedAtTheNextCall) {
  const auto one = Connect(kAttachment), two = Connect(kOther);
  for (uint64_t n = 0; n < 30; ++n) Put(n);
  for (uint64_t n = 0; n < 30; ++n) ASSERT_EQ(Read(*one, n), Found::kHere);
  EXPECT_FALSE(one->reader().DropGoneSegments());
  Flood(kOther);
  Flood(kOther, 2'000'000);
  EXPECT_TRUE(one->reader().DropGoneSegments());
  EXPECT_FALSE(one->reader().DropGoneSegments());
}

TEST_F(WindowTest, WhatAClientWritesIntoItsPageHarmsNobodyElse) {
  for (uint64_t n = 0; n < 20; ++n) Put(n);
  const auto good = Connect(), bad = Connect();
  const auto page = memory().Map(bad->session().page_descriptor(), MapAccess::kReadWrite);
  ASSERT_TRUE(page);
  Prng prng(1);
  for (int round = 0; round < 20; ++round) {
    auto* words = reinterpret_cast<Word*>((*page)->bytes().data());
    for (size_t i = 0; i < (*page)->bytes().size() / 8; ++i) {
      words[i] = prng.OneIn(2) ? prng.Next() : prng.Below(100);
    }
    Flood(kAttachment, uint64_t{1'000'000} * (round + 1));
    Put(1);
    EXPECT_EQ(Read(*good, 1), Found::kHere);
    host_->Drain();
  }
  EXPECT_LE(store().stats().memory_resident_bytes, 4 * kMiB);
}

// -- Names

KnownName Info(uint64_t n, int64_t until = kFar) {
  return {.version = {{n, n + 1}}, .size = n, .modified_ns = 5, .fresh_until_ns = until};
}

TEST_F(WindowTest, NamesAreFoundWhileTheyAreFresh) {
  const auto client = Connect();
  KnownName info = Info(7, 1000);
  info.etag = "\"an etag\"";
  host_->Learned(kAttachment, NameHash(kAttachment, "a/b"), info);
  const auto found = client->reader().FindName("a/b", 999);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->version, info.version);
  EXPECT_EQ(found->size_bytes, 7u);
  EXPECT_EQ(found->modified_ns, 5);
  EXPECT_EQ(found->etag(), info.etag);
  EXPECT_FALSE(client->reader().FindName("a/b", 1000));
  EXPECT_FALSE(client->reader().FindName("a/c", 0));
  EXPECT_FALSE(Connect(kOther)->reader().FindName("a/b", 0));
  host_->Learned(kAttachment, NameHash(kAttachment, "a/b"), Info(8));
  EXPECT_EQ(client->reader().FindName("a/b", 1000)->size_bytes, 8u);
  host_->Forgotten(kAttachment, NameHash(kAttachment, "a/b"));
  EXPECT_FALSE(client->reader().FindName("a/b", 0));
}

TEST_F(WindowTest, NamesOfNothingAreNotFound) {
  const auto client = Connect();
  host_->Learned(kAttachment, NameHash(kAttachment, "a"), Info(1));
  KnownName gone = Info(1);
  gone.exists = false;
  host_->Learned(kAttachment, NameHash(kAttachment, "a"), gone);
  EXPECT_FALSE(client->reader().FindName("a", 0));
}

TEST_F(WindowTest, ShowsWhatANameCacheKnows) {
  NameCache names(kMiB);
  names.Learn(kAttachment, "before", Info(1), names.Ask());
  names.Watch(host_.get());
  const auto client = Connect();
  names.TellAll(kAttachment);
  names.Learn(kAttachment, "after", Info(2), names.Ask());
  EXPECT_EQ(client->reader().FindName("before", 0)->size_bytes, 1u);
  EXPECT_EQ(client->reader().FindName("after", 0)->size_bytes, 2u);
  const KnownName written = Info(3);
  names.EndWrite(kAttachment, "after", names.BeginWrite(kAttachment, "after"), &written);
  EXPECT_EQ(client->reader().FindName("after", 0)->size_bytes, 3u);
  names.Forget(kAttachment, "before");
  EXPECT_FALSE(client->reader().FindName("before", 0));
  names.Watch(nullptr);
}

TEST_F(WindowTest, ANameWithTooLongAnEtagIsAskedFor) {
  const auto client = Connect();
  host_->Learned(kAttachment, NameHash(kAttachment, "a"), Info(1));
  const std::string etag(kMaxEtagBytes + 1, 'e');
  KnownName info = Info(2);
  info.etag = etag;
  host_->Learned(kAttachment, NameHash(kAttachment, "a"), info);
  EXPECT_FALSE(client->reader().FindName("a", 0));
  info.etag = std::string_view(etag).substr(1);
  host_->Learned(kAttachment, NameHash(kAttachment, "a"), info);
  EXPECT_EQ(client->reader().FindName("a", 0)->etag(), info.etag);
}

TEST_F(WindowTest, MoreNamesThanRoomPushEachOtherOutAndNeverLie) {
  const auto client = Connect();
  uint64_t found = 0;
  for (uint64_t n = 0; n < 1000; ++n) {
    host_->Learned(kAttachment, NameHash(kAttachment, std::to_string(n)), Info(n));
    ASSERT_TRUE(client->reader().FindName(std::to_string(n), 0)) << n;
  }
  for (uint64_t n = 0; n < 1000; ++n) {
    const auto name = client->reader().FindName(std::to_string(n), 0);
    if (!name) continue;
    ++found;
    EXPECT_EQ(name->size_bytes, n);
  }
  EXPECT_GT(found, 32u);
  EXPECT_LE(found, 64u);
}

TEST_F(WindowTest, AClientMayAskForFewerPins) {
  auto few = host_->Open(kAttachment, 1);
  ASSERT_TRUE(few);
  auto many = host_->Open(kAttachment);
  ASSERT_TRUE(many);
  const auto size = [&](const auto& session) {
    return memory()
        .Map((*session)->page_descriptor(), MapAccess::kReadWrite)
        .value()
        ->bytes()
        .size();
  };
  EXPECT_LE(size(few), size(many));
  EXPECT_EQ(size(few), 4 * kKiB);
}

TEST_F(WindowTest, AForgottenWindowEndsWithItsLastClient) {
  Put(1);
  const auto first = Connect();
  host_->Learned(kAttachment, NameHash(kAttachment, "a"), Info(1));
  ASSERT_TRUE(first->reader().FindName("a", 0));
  PinnedBlock pinned;
  ASSERT_EQ(first->Pin(Key(1), &pinned), Found::kHere);
  host_->Forget(kAttachment);
  EXPECT_FALSE(first->reader().FindName("a", 0));
  host_->Learned(kAttachment, NameHash(kAttachment, "a"), Info(1));
  EXPECT_FALSE(first->reader().FindName("a", 0));
  const auto second = Connect();  // sees, and is seen beside, the first
  EXPECT_EQ(Read(*second, 1), Found::kHere);
  Flood();
  EXPECT_TRUE(Right(Key(1), 0, pinned.bytes));
  second->Disconnect();
  first->Disconnect();
  Flood(kAttachment, 2'000'000);
  EXPECT_FALSE(store().Probe(Key(1)));
}

TEST(WindowTable, RefusesWhatIsNone) {
  alignas(4096) static std::byte bytes[64 * kKiB];
  EXPECT_EQ(Table::Open(bytes).error().code(), Code::kCorrupt);
  const Table table = Table::Make(bytes, 1, kMiB, 16, 16);
  ASSERT_TRUE(Table::Open(bytes));
  table.header->format = 2;
  EXPECT_EQ(Table::Open(bytes).error().code(), Code::kUnsupported);
  table.header->format = 1;
  for (const uint64_t lines : {0u, 15u, 1u << 20}) {
    table.header->block_lines = lines;
    EXPECT_EQ(Table::Open(bytes).error().code(), Code::kCorrupt) << lines;
  }
  EXPECT_EQ(Table::Open(MutableBytes(bytes).first(100)).error().code(), Code::kCorrupt);
}

TEST(WindowPlace, PacksAndUnpacks) {
  const Place all{.segment = kSegmentSlots - 1, .page = (1u << 22) - 1, .length = kMaxBlockBytes};
  const Place back = Place::Unpack(all.Pack());
  EXPECT_EQ(back.segment, all.segment);
  EXPECT_EQ(back.page, all.page);
  EXPECT_EQ(back.length, all.length);
}

}  // namespace
}  // namespace forebay::window
