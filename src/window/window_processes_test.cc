// Real processes: a node that evicts, erases and refills all the time, and readers that were handed
// its memory by Unix socket, that die at any moment, and that write garbage where they may write.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <vector>

#include "src/base/test_tier.h"
#include "src/runtime/task_group.h"
#include "src/store/testing/io_testing.h"
#include "src/window/testing/window_testing.h"

namespace forebay::window {
namespace {

using namespace std::chrono_literals;
using store_testing::Key;
using store_testing::StoreOnLoop;
using window_testing::Right;

constexpr uint64_t kBlocks = 300;  // of which memory holds a third
constexpr uint64_t kDramBytes = 4 * kMiB;
// What a reader says, besides slots of segments.
constexpr uint64_t kTable = ~uint64_t{1}, kTellIt = ~uint64_t{0};

uint32_t LengthOf(uint64_t n) {
  return 1 + static_cast<uint32_t>(Mix64(n) % (64 * kKiB));
}

/// What a reading process found, as its exit status.
enum Finding : int { kFine = 0, kWrongByte = 10, kNeverHit = 11, kCouldNotMap = 12, kNoNode = 13 };

// -- The reading process

Task<Result<void>> Tell(Stream& node, uint64_t what) {
  const Bytes part = std::as_bytes(std::span(&what, 1));
  co_return co_await node.Send(std::span(&part, 1), {});
}

struct Handed {
  uint64_t number = 0;
  std::vector<std::unique_ptr<Descriptor>> descriptors;
};

/// Asks the node for the memory of `what`; no descriptor where it is gone.
Task<Result<Handed>> Ask(Stream& node, uint64_t what) {
  FB_CO_TRY(co_await Tell(node, what));
  Handed handed;
  const auto into = std::as_writable_bytes(std::span(&handed.number, 1));
  for (size_t got = 0; got < into.size();) {
    FB_CO_ASSIGN(const size_t size,
                 co_await node.RecvDescriptors(into.subspan(got), &handed.descriptors, {}));
    if (size == 0) co_return Fail(Code::kUnavailable, "the node hung up");
    got += size;
  }
  co_return std::move(handed);
}

class ReadingProcess {
 public:
  ReadingProcess(Env& env, uint64_t seed) : env_(env), prng_(seed) {}

  Task<Result<void>> Connect(std::string address) {
    for (;;) {
      auto node = co_await env_.net.Connect(address, {});
      if (node) {
        node_ = std::move(*node);
        break;
      }
      FB_CO_TRY(co_await env_.clock.Sleep(1ms));
    }
    FB_CO_ASSIGN(const auto handed, co_await Ask(*node_, kTable));
    if (handed.descriptors.size() != 2) co_return Fail(Code::kCorrupt, "not two descriptors");
    FB_CO_ASSIGN(auto table, env_.memory.Map(handed.descriptors[0]->number(), MapAccess::kRead));
    FB_CO_ASSIGN(auto page,
                 env_.memory.Map(handed.descriptors[1]->number(), MapAccess::kReadWrite));
    page_bytes_ = page->bytes();
    FB_CO_ASSIGN(reader_, WindowReader::Create(std::move(table), std::move(page)));
    co_return Result<void>();
  }

  /// Reads until the node hangs up.
  Task<Finding> ReadOn() {
    uint64_t hits = 0;
    for (;;) {
      const uint64_t n = prng_.Below(kBlocks);
      PinnedBlock block;
      uint32_t segment = 0;
      std::vector<std::byte> copy(LengthOf(n));
      const bool view = prng_.OneIn(2);
      const Found found =
          view ? reader_->Pin(Key(n), &block, &segment) : reader_->Read(Key(n), 0, copy, &segment);
      if (found == Found::kUnknownSegment && !co_await Resolve(segment)) break;
      if (found == Found::kHere) {
        ++hits;
        if (!Right(Key(n), 0, view ? block.bytes : copy)) co_return kWrongByte;
        if (view && !co_await Hold(n, block)) co_return kWrongByte;
      }
      if (prng_.OneIn(64) && !co_await Tell(*node_, kTellIt)) break;
    }
    co_return hits > 0 ? kFine : kNeverHit;
  }

  /// Pins what it can, says so, and waits for its end.
  Task<Finding> HoldOn() {
    std::vector<PinnedBlock> held;
    for (uint64_t n = 0; n < kBlocks; ++n) {
      PinnedBlock block;
      uint32_t segment = 0;
      Found found = reader_->Pin(Key(n), &block, &segment);
      if (found == Found::kUnknownSegment && co_await Resolve(segment)) {
        found = reader_->Pin(Key(n), &block, &segment);
      }
      if (found == Found::kHere) held.push_back(block);
    }
    if (held.empty()) co_return kNeverHit;
    static_cast<void>(co_await Tell(*node_, kTellIt));
    std::byte byte;
    static_cast<void>(co_await node_->Recv(std::span(&byte, 1), {}));
    co_return kFine;
  }

  /// Scribbles over its page, with real uses, too, until the node hangs up.
  Task<Finding> Scribble() {
    auto* words = reinterpret_cast<Word*>(page_bytes_.data());
    const uint64_t count = page_bytes_.size() / sizeof(Word);
    for (uint64_t round = 0;; ++round) {
      for (uint64_t i = 0; i < count; ++i)
        words[i] = prng_.OneIn(3) ? prng_.Next() : prng_.Below(4000);
      if (round % 16 == 0 && !co_await Tell(*node_, kTellIt)) co_return kFine;
      co_await Yield(env_.executor);
    }
  }

 private:
  Task<bool> Resolve(uint32_t segment) {
    const auto handed = co_await Ask(*node_, segment);
    if (!handed) co_return false;
    if (handed->descriptors.empty()) co_return true;
    auto memory = env_.memory.Map(handed->descriptors.front()->number(), MapAccess::kRead);
    if (!memory) co_return false;
    reader_->AddSegment(handed->number, std::move(*memory));
    co_return true;
  }

  Task<bool> Hold(uint64_t n, PinnedBlock block) {
    if (prng_.OneIn(8)) static_cast<void>(co_await env_.clock.Sleep(2ms));
    const bool right = Right(Key(n), 0, block.bytes);
    reader_->Unpin(block);
    co_return right;
  }

  Env& env_;
  Prng prng_;
  std::unique_ptr<Stream> node_;
  std::unique_ptr<WindowReader> reader_;
  MutableBytes page_bytes_;
};

enum class Role { kReadOn, kHoldOn, kScribble };

Task<Finding> Live(Env& env, std::string address, Role role, uint64_t seed) {
  ReadingProcess process(env, seed);
  if (!co_await process.Connect(std::move(address))) co_return kNoNode;
  switch (role) {
    case Role::kReadOn:
      co_return co_await process.ReadOn();
    case Role::kHoldOn:
      co_return co_await process.HoldOn();
    case Role::kScribble:
      co_return co_await process.Scribble();
  }
}

pid_t Start(const std::string& address, Role role, uint64_t seed) {
  const pid_t pid = fork();
  if (pid != 0) return pid;
  signal(SIGPIPE, SIG_IGN);
  auto loop = Loop::Create({.io = IoBackend::kEpoll});
  _exit(loop ? (*loop)->Run(Live((*loop)->env(), address, role, seed)) : kNoNode);
}

// -- The node

/// A door that knows windows and nothing else.
class Door {
 public:
  Door(Env& env, WindowHost& host, std::unique_ptr<Listener> listener)
      : host_(host), listener_(std::move(listener)), group_(env.executor) {}

  void Open() { group_.Spawn(AcceptAll()); }
  Task<void> Close() {
    stop_.Cancel();
    co_await group_.Join();
  }
  /// How often readers said something that needs no answer.
  uint64_t told() const { return told_; }
  size_t connections() const { return connections_; }

 private:
  Task<void> AcceptAll() {
    for (;;) {
      auto stream = co_await listener_->Accept({.cancel = stop_.token()});
      if (!stream) co_return;
      group_.Spawn(Serve(std::move(*stream)));
    }
  }

  Task<void> Serve(std::unique_ptr<Stream> stream) {
    ++connections_;
    static_cast<void>(co_await Answer(*stream));
    --connections_;
  }

  Task<Result<void>> Answer(Stream& stream) {
    const Call call{.cancel = stop_.token()};
    FB_CO_ASSIGN(const auto session, host_.Open(1));
    for (;;) {
      uint64_t what = 0;
      const auto into = std::as_writable_bytes(std::span(&what, 1));
      for (size_t got = 0; got < into.size();) {
        FB_CO_ASSIGN(const size_t size, co_await stream.Recv(into.subspan(got), call));
        if (size == 0) co_return Result<void>();
        got += size;
      }
      if (what == kTellIt) {
        ++told_;
        continue;
      }
      FB_CO_TRY(co_await Hand(stream, *session, what, call));
    }
  }

  static Task<Result<void>> Hand(Stream& stream, WindowSession& session, uint64_t what, Call call) {
    std::vector<int> descriptors;
    Result<SegmentGrant> grant;
    if (what == kTable) {
      descriptors = {session.table_descriptor(), session.page_descriptor()};
    } else if (grant = session.Segment(static_cast<uint32_t>(what)); grant) {
      descriptors = {grant->memory->ReadOnlyDescriptor()};
    }
    const uint64_t number = grant ? grant->number : 0;
    const Bytes answer = std::as_bytes(std::span(&number, 1));
    if (descriptors.empty()) co_return co_await stream.Send(std::span(&answer, 1), call);
    co_return co_await stream.SendDescriptors(std::span(&answer, 1), descriptors, call);
  }

  WindowHost& host_;
  std::unique_ptr<Listener> listener_;
  TaskGroup group_;
  CancelSource stop_;
  uint64_t told_ = 0;
  size_t connections_ = 0;
};

class WindowProcessesTest : public testing::Test {
 protected:
  /// The processes are started first, while this one has no threads.
  void Start(const std::vector<Role>& roles) {
    for (const Role role : roles) {
      children_.push_back(window::Start(address_, role, children_.size() + 1));
      ASSERT_GT(children_.back(), 0);
    }
    auto loop = Loop::Create({.io = IoBackend::kEpoll, .log = &silent_log_});
    ASSERT_TRUE(loop) << loop.error().ToString();
    on_ = std::make_unique<StoreOnLoop>(std::move(*loop));
    StoreOptions options;
    options.dram.capacity_bytes = kDramBytes;
    options.dram.policy = "lru";
    options.max_block_bytes = 64 * kKiB;
    ASSERT_TRUE(on_->Open(options));
    WindowOptions window;
    window.table = {.block_bytes = 64 * kKiB, .max_block_bytes = 64 * kKiB, .block_lines = 256};
    host_ = std::make_unique<WindowHost>(on_->env().memory, on_->store(), window);
    for (uint64_t n = 0; n < 50; ++n) ASSERT_TRUE(on_->Put(n, LengthOf(n)));
    slots_ = host_->free_slots();
    auto listener = on_->env().net.Listen(address_);
    ASSERT_TRUE(listener) << listener.error().ToString();
    door_ = std::make_unique<Door>(on_->env(), *host_, std::move(*listener));
    door_->Open();
  }
  void TearDown() override {
    for (const pid_t child : children_) kill(child, SIGKILL);
    if (door_ != nullptr) on_->loop().Run(door_->Close());
    for (const pid_t child : children_) waitpid(child, nullptr, 0);
    door_.reset();
    host_.reset();
    on_.reset();
  }

  Task<void> Churn(Duration time) {
    Env& env = on_->env();
    const Instant until = env.clock.Now() + time;
    while (env.clock.Now() < until) {
      co_await ChurnOnce();
      co_await Yield(env.executor);
    }
  }
  /// Fills a block of our attachment, or now and then many of another, so that segments go.
  Task<void> ChurnOnce() {
    const uint64_t n = prng_.Below(kBlocks);
    if (prng_.OneIn(8)) on_->store().Erase(Key(n));
    if (prng_.OneIn(8)) read_.hits += host_->Drain().hits;
    const uint64_t others = prng_.OneIn(200) ? 2 * kDramBytes / (64 * kKiB) : 0;
    for (uint64_t i = 0; i < others; ++i) {
      co_await PutOne(1'000'000 + prng_.Below(1000), {2, 64 * kKiB - 100});
    }
    co_await PutOne(n, {1, LengthOf(n)});
    EXPECT_LE(on_->store().stats().memory_resident_bytes, kDramBytes);
  }
  Task<void> PutOne(uint64_t n, BlockInfo info) {
    const auto put = co_await store_testing::Put(on_->env(), on_->store(), Key(n), info);
    EXPECT_TRUE(put) << put.error().ToString();
  }
  Task<void> UntilTold(uint64_t times) {
    while (door_->told() < times) static_cast<void>(co_await on_->env().clock.Sleep(1ms));
  }
  Task<void> UntilConnections(size_t count) {
    while (door_->connections() != count) static_cast<void>(co_await on_->env().clock.Sleep(1ms));
  }
  void Kill(size_t child) {
    kill(children_[child], SIGKILL);
    waitpid(children_[child], nullptr, 0);
    children_.erase(children_.begin() + static_cast<ptrdiff_t>(child));
  }
  /// The node hangs up; what the processes found by then.
  void ExpectAllFine() {
    on_->loop().Run(door_->Close());
    for (const pid_t child : children_) {
      int status = 0;
      waitpid(child, &status, 0);
      EXPECT_TRUE(WIFEXITED(status)) << "signal " << WTERMSIG(status);
      if (WIFEXITED(status)) EXPECT_EQ(WEXITSTATUS(status), kFine);
    }
    children_.clear();
    EXPECT_EQ(host_->free_slots(), slots_);
  }

  store_testing::SilentLog silent_log_;
  store_testing::TempDirectory directory_;
  const std::string address_ = "unix:" + directory_.path() + "/s";
  std::vector<pid_t> children_;
  std::unique_ptr<StoreOnLoop> on_;
  std::unique_ptr<WindowHost> host_;
  std::unique_ptr<Door> door_;
  Prng prng_{5};
  LocalReads read_;
  uint32_t slots_ = 0;
};

TEST_F(WindowProcessesTest, ReadersNeverSeeAWrongByteWhateverIsEvicted) {
  Start({Role::kReadOn, Role::kReadOn, Role::kReadOn});
  on_->loop().Run(UntilConnections(3));
  on_->loop().Run(Churn(std::chrono::seconds(ByTier(2, 6, 300))));
  const StoreStats stats = on_->store().stats();
  EXPECT_GT(read_.hits, 100u);
  EXPECT_GT(stats.memory_evictions, 500u);
  printf("note: window processes: %lu hits, %lu evictions\n", read_.hits, stats.memory_evictions);
  ExpectAllFine();
}

TEST_F(WindowProcessesTest, AKilledReaderFreesItsPins) {
  Start({Role::kHoldOn});
  on_->loop().Run(UntilTold(1));
  const auto pinned_left = [&] {
    uint64_t left = 0;
    for (uint64_t n = 0; n < 50; ++n) left += on_->store().Probe(Key(n)).has_value();
    return left;
  };
  const auto flood = [&](uint64_t from) {
    for (uint64_t n = 0; n < 300; ++n) ASSERT_TRUE(on_->Put(from + n, 60'000));
  };
  flood(1'000'000);
  EXPECT_GT(pinned_left(), 4u);
  Kill(0);
  on_->loop().Run(UntilConnections(0));
  EXPECT_EQ(host_->free_slots(), slots_);
  flood(2'000'000);
  EXPECT_EQ(pinned_left(), 0u);
}

TEST_F(WindowProcessesTest, ReadersDieAtAnyMoment) {
  Start({Role::kReadOn, Role::kReadOn, Role::kReadOn});
  on_->loop().Run(UntilConnections(3));
  for (size_t left = 2; left > 0; --left) {
    on_->loop().Run(Churn(std::chrono::milliseconds(50 + prng_.Below(100))));
    Kill(prng_.Below(left + 1));
    on_->loop().Run(UntilConnections(left));
  }
  on_->loop().Run(Churn(100ms));
  ExpectAllFine();
}

TEST_F(WindowProcessesTest, GarbageInAPageHarmsNobodyElse) {
  Start({Role::kScribble, Role::kReadOn, Role::kReadOn});
  on_->loop().Run(UntilConnections(3));
  on_->loop().Run(Churn(std::chrono::seconds(ByTier(1, 4, 60))));
  ExpectAllFine();
}

}  // namespace
}  // namespace forebay::window
