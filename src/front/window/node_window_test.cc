#include "src/front/window/node_window.h"

#include <gtest/gtest.h>

#include "src/store/testing/io_testing.h"
#include "src/window/testing/window_testing.h"

namespace forebay {
namespace {

using store_testing::Key;
using store_testing::StoreOnLoop;

constexpr uint64_t kOpen = 1, kClosed = 2;
constexpr uint32_t kLength = 50'000;

class NodeWindowTest : public testing::Test {
 protected:
  void SetUp() override {
    auto loop = Loop::Create({.io = IoBackend::kEpoll, .log = &silent_log_});
    ASSERT_TRUE(loop) << loop.error().ToString();
    on_ = std::make_unique<StoreOnLoop>(std::move(*loop));
    ASSERT_TRUE(on_->Open({.dram = {.capacity_bytes = 16 * kMiB}, .max_block_bytes = 64 * kKiB}));
    gate_ = Gate::Create({}).value();
    window::WindowOptions options;
    options.table = {.block_bytes = 64 * kKiB, .max_block_bytes = 64 * kKiB, .block_lines = 256};
    options.client_pin_bytes = 512 * kKiB;
    const auto may_read = [this](const Authenticated& who, AttachmentId id) -> Result<void> {
      if (id != kClosed && id != kOpen) return Fail(Code::kNotFound, "none");
      const LocalAllow allow = LocalAllow::Parse(id == kClosed ? "uid:5" : "").value();
      return gate_->Check(who, kRead, {"name", allow});
    };
    window_ = std::make_unique<NodeWindow>(
        on_->env().memory,
        NodeWindow::Parts{.store = on_->store(),
                          .names = names_,
                          .counters = counters_,
                          .may_read = may_read,
                          .attached = [this](AttachmentId) { return attached_; }},
        options);
  }
  Authenticated Caller(uint32_t uid = 1000) { return gate_->AdmitLocal({.uid = uid, .gid = uid}); }
  Result<WindowGrant> Open(WindowSession session, uint64_t attachment, std::string request = "") {
    return on_->loop().Run(window_->Open(Caller(), session, attachment, std::move(request), {}));
  }
  Result<WindowGrant> Segment(WindowSession session, uint64_t attachment, uint32_t slot) {
    return on_->loop().Run(window_->Segment(Caller(), session, attachment, slot, {}));
  }
  std::unique_ptr<MappedMemory> Map(int descriptor, MapAccess access) {
    return on_->env().memory.Map(descriptor, access).value();
  }

  store_testing::SilentLog silent_log_;
  std::unique_ptr<StoreOnLoop> on_;
  std::unique_ptr<Gate> gate_;
  NameCache names_{kMiB};
  Counters counters_;
  bool attached_ = true;
  std::unique_ptr<NodeWindow> window_;
};

TEST_F(NodeWindowTest, HandsOutWhatAClientNeedsToReadWithoutAMessage) {
  ASSERT_TRUE(on_->Put(1, kLength, BlockClass::kData, kOpen));
  const auto grant = Open(1, kOpen);
  ASSERT_TRUE(grant) << grant.error().ToString();
  ASSERT_EQ(grant->descriptors.size(), 2u);
  const auto reader =
      window::WindowReader::Create(Map(grant->descriptors[0], MapAccess::kRead),
                                   Map(grant->descriptors[1], MapAccess::kReadWrite))
          .value();
  std::vector<std::byte> bytes(kLength);
  uint32_t slot = 0;
  ASSERT_EQ(reader->Read(Key(1), 0, bytes, &slot), window::Found::kUnknownSegment);
  const auto segment = Segment(1, kOpen, slot);
  ASSERT_TRUE(segment) << segment.error().ToString();
  ASSERT_EQ(segment->grant.size(), 8u);
  reader->AddSegment(LoadFrom<uint64_t>(segment->grant.data()),
                     Map(segment->descriptors.at(0), MapAccess::kRead));
  ASSERT_EQ(reader->Read(Key(1), 0, bytes, &slot), window::Found::kHere);
  EXPECT_TRUE(window_testing::Right(Key(1), 0, bytes));
}

TEST_F(NodeWindowTest, RefusesWhoMayNotReadAndWhatIsNotThere) {
  EXPECT_EQ(Open(1, kClosed).error().code(), Code::kPermissionDenied);
  EXPECT_EQ(Open(1, 77).error().code(), Code::kNotFound);
  EXPECT_EQ(Open(1, kOpen, "odd").error().code(), Code::kInvalidArgument);
  EXPECT_EQ(Segment(1, kOpen, 0).error().code(), Code::kInvalidArgument);
  ASSERT_TRUE(Open(1, kOpen));
  EXPECT_EQ(Open(1, kOpen).error().code(), Code::kAlreadyExists);
  EXPECT_EQ(Segment(1, kClosed, 0).error().code(), Code::kPermissionDenied);
  EXPECT_EQ(Segment(1, kOpen, 0).error().code(), Code::kNotFound);
  EXPECT_EQ(Segment(1, kOpen, ~0u).error().code(), Code::kNotFound);
}

TEST_F(NodeWindowTest, TheEndOfAConnectionEndsItsWindowsAndNoOthers) {
  const uint32_t free = window_->windows().free_slots();
  ASSERT_TRUE(Open(1, kOpen));
  ASSERT_TRUE(Open(2, kOpen, std::string("\0\0\1\0\0\0\0\0", 8)));
  window_->Ended(1);
  EXPECT_EQ(window_->open_windows(), 1u);
  EXPECT_TRUE(Open(1, kOpen));
  window_->Ended(1);
  window_->Ended(2);
  window_->Ended(3);
  EXPECT_EQ(window_->windows().free_slots(), free);
}

Task<void> CollectFor(Env& env, NodeWindow& window, Duration time) {
  CancelSource stop;
  TaskGroup group(env.executor);
  group.Spawn(window.Collect(env, stop.token()));
  static_cast<void>(co_await env.clock.Sleep(time));
  stop.Cancel();
  co_await group.Join();
}

TEST_F(NodeWindowTest, CountsWhatClientsRead) {
  ASSERT_TRUE(on_->Put(1, kLength, BlockClass::kData, kOpen));
  window_testing::Client client(on_->env().memory, window_->windows().Open(kOpen).value());
  std::vector<std::byte> bytes(1000);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(client.Read(Key(1), 0, bytes), window::Found::kHere);
  on_->loop().Run(CollectFor(on_->env(), *window_, std::chrono::milliseconds(120)));
  EXPECT_EQ(counters_.read.local_hits.value(), 5u);
  EXPECT_EQ(counters_.read.local_bytes.value(), 5000u);
}

TEST_F(NodeWindowTest, CountsWhatWasReadBeforeAConnectionEnds) {
  ASSERT_TRUE(on_->Put(1, kLength, BlockClass::kData, kOpen));
  ASSERT_TRUE(Open(1, kOpen));
  window_testing::Client client(on_->env().memory, window_->windows().Open(kOpen).value());
  std::vector<std::byte> bytes(1000);
  ASSERT_EQ(client.Read(Key(1), 0, bytes), window::Found::kHere);
  window_->Ended(1);
  EXPECT_EQ(counters_.read.local_bytes.value(), 1000u);
}

TEST_F(NodeWindowTest, NamesAreThereUntilTheAttachmentIsNot) {
  const KnownName known{.size = 7, .fresh_until_ns = 10};
  names_.Learn(kOpen, "early", known, names_.Ask());
  const auto grant = Open(1, kOpen);
  ASSERT_TRUE(grant);
  const auto reader =
      window::WindowReader::Create(Map(grant->descriptors[0], MapAccess::kRead),
                                   Map(grant->descriptors[1], MapAccess::kReadWrite))
          .value();
  names_.Learn(kOpen, "late", known, names_.Ask());
  EXPECT_TRUE(reader->FindName("early", 0));
  EXPECT_TRUE(reader->FindName("late", 0));
  on_->loop().Run(CollectFor(on_->env(), *window_, std::chrono::milliseconds(120)));
  EXPECT_TRUE(reader->FindName("late", 0));
  attached_ = false;
  on_->loop().Run(CollectFor(on_->env(), *window_, std::chrono::milliseconds(120)));
  EXPECT_FALSE(reader->FindName("early", 0));
  EXPECT_FALSE(reader->FindName("late", 0));
}

}  // namespace
}  // namespace forebay
