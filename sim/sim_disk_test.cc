#include "sim/sim_disk.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "sim/sim_device.h"
#include "sim/world.h"
#include "src/runtime/task_group.h"

namespace forebay::sim {
namespace {

constexpr OpenOptions kMake{.write = true, .create = true};

struct AlignedBuffer {
  explicit AlignedBuffer(size_t size)
      : bytes(static_cast<std::byte*>(aligned_alloc(kDiskAlignment, size)), size) {
    std::memset(bytes.data(), 0, size);
  }
  ~AlignedBuffer() { free(bytes.data()); }
  MutableBytes bytes;
};

Task<Result<void>> Put(Disk& disk, std::string path, uint64_t offset, std::string text) {
  FB_CO_ASSIGN(auto file, co_await disk.Open(path, kMake));
  const Bytes parts[] = {AsBytes(text)};
  co_return co_await disk.Write(*file, offset, parts);
}

Task<Result<void>> PutSynced(Disk& disk, std::string path, std::string text) {
  FB_CO_ASSIGN(auto file, co_await disk.Open(path, kMake));
  const Bytes parts[] = {AsBytes(text)};
  FB_CO_TRY(co_await disk.Write(*file, 0, parts));
  FB_CO_TRY(co_await disk.Sync(*file));
  co_return co_await disk.SyncDirectory("/");
}

Task<Result<std::string>> Get(Disk& disk, std::string path) {
  FB_CO_ASSIGN(auto file, co_await disk.Open(path, {}));
  std::string text(100, '?');
  FB_CO_ASSIGN(const size_t size,
               co_await disk.Read(*file, 0, std::as_writable_bytes(std::span(text))));
  text.resize(size);
  co_return text;
}

Code CodeOf(const auto& result) {
  return result ? Code::kInternal : result.error().code();
}

class SimDiskTest : public testing::Test {
 protected:
  Disk& disk() { return node.env().disk; }
  World world{1};
  Node& node = world.AddNode("a");
};

TEST_F(SimDiskTest, SyncedSurvivesPowerLossAndAKillLosesNothing) {
  ASSERT_TRUE(world.Run(PutSynced(disk(), "/f", "kept")));
  node.Crash();
  node.Restart();
  EXPECT_EQ(world.Run(Get(disk(), "/f")).value(), "kept");
  ASSERT_TRUE(world.Run(Put(disk(), "/g", 0, "never synced")));
  node.Crash(CrashKind::kProcess);
  node.Restart();
  EXPECT_EQ(world.Run(Get(disk(), "/g")).value(), "never synced");
}

TEST(SimDisk, WithoutTheDirectorysSyncANewFileMayVanish) {
  int there = 0, gone = 0;
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    World world(seed);
    Node& node = world.AddNode("a");
    ASSERT_TRUE(world.Run(Put(node.env().disk, "/f", 0, "text")));
    node.Crash();
    node.Restart();
    const auto text = world.Run(Get(node.env().disk, "/f"));
    EXPECT_TRUE(text || text.error().code() == Code::kNotFound);
    ++(text ? there : gone);
  }
  EXPECT_GT(there, 5);
  EXPECT_GT(gone, 5);
}

Task<void> DirectChecks(Disk& disk) {
  const OpenOptions direct{.write = true, .create = true, .direct = true};
  auto file = (co_await disk.Open("/f", direct)).value();
  AlignedBuffer buffer(2 * kDiskAlignment);
  const Bytes good[] = {buffer.bytes};
  EXPECT_TRUE(co_await disk.Write(*file, 0, good));
  const auto unaligned = co_await disk.Write(*file, 512, good);
  EXPECT_EQ(CodeOf(unaligned), Code::kInvalidArgument);
  EXPECT_NE(unaligned.error().message().find("offset 512"), std::string::npos);
  const Bytes bad_memory[] = {Bytes(buffer.bytes).subspan(8, kDiskAlignment)};
  EXPECT_EQ(CodeOf(co_await disk.Write(*file, 0, bad_memory)), Code::kInvalidArgument);
  EXPECT_EQ(CodeOf(co_await disk.Read(*file, 0, buffer.bytes.first(100))), Code::kInvalidArgument);
  EXPECT_EQ((co_await disk.Read(*file, kDiskAlignment, buffer.bytes)).value(), kDiskAlignment);
}

TEST_F(SimDiskTest, DirectFilesInsistOnAlignmentAndReadShortAtTheEnd) {
  world.Run(DirectChecks(disk()));
}

Task<void> LockChecks(Disk& disk, Node& node) {
  const OpenOptions locking{.write = true, .create = true, .lock = true};
  auto held = (co_await disk.Open("/lock", locking)).value();
  EXPECT_EQ(CodeOf(co_await disk.Open("/lock", locking)), Code::kInUse);
  EXPECT_TRUE(co_await disk.Open("/lock", {}));
  node.Crash(CrashKind::kProcess);
  node.Restart();
  auto again = (co_await node.env().disk.Open("/lock", locking)).value();
  held.reset();  // the zombie's descriptor must not release the new owner's lock
  EXPECT_EQ(CodeOf(co_await node.env().disk.Open("/lock", locking)), Code::kInUse);
  again.reset();
  EXPECT_TRUE(co_await node.env().disk.Open("/lock", locking));
}

TEST_F(SimDiskTest, LocksExcludeAndDieWithTheirHolder) {
  world.Run(LockChecks(disk(), node));
}

Task<void> NameChecks(Disk& disk) {
  EXPECT_EQ(CodeOf(co_await disk.Open("/none", {})), Code::kNotFound);
  EXPECT_EQ(CodeOf(co_await disk.Open("/no/parent", kMake)), Code::kNotFound);
  EXPECT_TRUE(co_await disk.MakeDirectory("/d/e"));
  EXPECT_TRUE(co_await disk.MakeDirectory("/d/e"));
  EXPECT_TRUE(co_await Put(disk, "/d/two", 0, "2"));
  EXPECT_TRUE(co_await Put(disk, "/d/one", 0, "1"));
  EXPECT_EQ((co_await disk.List("/d")).value(), (std::vector<std::string>{"e", "one", "two"}));
  EXPECT_EQ(
      CodeOf(co_await disk.Open("/d/one", {.write = true, .create = true, .exclusive = true})),
      Code::kAlreadyExists);
  EXPECT_TRUE(co_await disk.Rename("/d/one", "/d/two"));
  EXPECT_EQ((co_await Get(disk, "/d/two")).value(), "1");
  EXPECT_EQ(CodeOf(co_await disk.Stat("/d/one")), Code::kNotFound);
  EXPECT_EQ(CodeOf(co_await disk.Remove("/d")), Code::kInvalidArgument);
  EXPECT_TRUE(co_await disk.Remove("/d/two"));
  auto readonly = (co_await Put(disk, "/r", 0, "x"), co_await disk.Open("/r", {})).value();
  const Bytes parts[] = {AsBytes("y")};
  EXPECT_EQ(CodeOf(co_await disk.Write(*readonly, 0, parts)), Code::kPermissionDenied);
}

TEST_F(SimDiskTest, NamesFollowPosix) {
  world.Run(NameChecks(disk()));
}

Task<void> FileInfoChecks(Disk& disk, Clock& clock) {
  EXPECT_TRUE(co_await Put(disk, "/f", 0, "old"));
  EXPECT_TRUE(co_await Put(disk, "/g", 0, "newer"));
  auto file = (co_await disk.Open("/f", {})).value();
  const FileInfo before = (co_await disk.StatOpen(*file)).value();
  EXPECT_TRUE(before.regular && before.links == 1 && before.size_bytes == 3);
  EXPECT_LE(before.mtime_ns, clock.WallNanos());
  EXPECT_EQ(before.mtime_ns % 4'000'000, 0);
  (void)co_await clock.Sleep(milliseconds(10));
  EXPECT_TRUE(co_await disk.Rename("/g", "/f"));
  const FileInfo after = (co_await disk.StatOpen(*file)).value();
  EXPECT_TRUE(after.links == 0 && after.inode == before.inode && after.size_bytes == 3);
  EXPECT_EQ(after.mtime_ns, before.mtime_ns);
  EXPECT_GT(after.ctime_ns, before.ctime_ns);
  EXPECT_NE((co_await disk.Stat("/f")).value().inode, before.inode);
  // A number that nothing holds is another file's soon.
  file.reset();
  EXPECT_TRUE(co_await disk.SyncDirectory("/"));
  EXPECT_TRUE(co_await Put(disk, "/h", 0, "next"));
  EXPECT_EQ((co_await disk.Stat("/h")).value().inode, before.inode);
  const auto infos = (co_await disk.StatMany({"/h", "/none"})).value();
  EXPECT_EQ(infos[0]->size_bytes, 4u);
  EXPECT_EQ(CodeOf(infos[1]), Code::kNotFound);
}

TEST_F(SimDiskTest, FilesHaveNumbersAndTimes) {
  world.Run(FileInfoChecks(disk(), node.env().clock));
}

Task<void> DirectoryChecks(Disk& disk) {
  EXPECT_TRUE(co_await disk.MakeDirectory("/d/sub"));
  for (const char* name : {"/d/a", "/d/b", "/d/c"}) EXPECT_TRUE(co_await Put(disk, name, 0, "x"));
  const auto directory = (co_await disk.OpenDirectory("/d")).value();
  std::vector<std::string> names;
  for (;;) {
    const auto batch = (co_await disk.ReadDirectory(*directory, 2)).value();
    EXPECT_LE(batch.size(), 2u);
    if (batch.empty()) break;
    for (const DirectoryEntry& entry : batch) {
      EXPECT_EQ(entry.directory, entry.name == "sub");
      EXPECT_EQ(entry.regular, entry.name != "sub");
      names.push_back(entry.name);
    }
  }
  std::ranges::sort(names);
  EXPECT_EQ(names, (std::vector<std::string>{"a", "b", "c", "sub"}));
  EXPECT_EQ(CodeOf(co_await disk.OpenDirectory("/none")), Code::kNotFound);
  EXPECT_EQ(CodeOf(co_await disk.OpenDirectory("/d/a")), Code::kInvalidArgument);
  EXPECT_EQ(CodeOf(co_await disk.RenameExclusive("/d/a", "/d/b")), Code::kAlreadyExists);
  EXPECT_TRUE(co_await disk.RenameExclusive("/d/a", "/d/e"));
  EXPECT_EQ(CodeOf(co_await disk.Rename("/d/b", "/d/sub")), Code::kInvalidArgument);
}

TEST_F(SimDiskTest, DirectoriesAreReadInBatchesAndNamesTakenOnce) {
  world.Run(DirectoryChecks(disk()));
}

Task<void> SpaceChecks(Disk& disk) {
  auto file = (co_await disk.Open("/f", kMake)).value();
  EXPECT_EQ(CodeOf(co_await disk.Resize(*file, 2 * kMiB, true)), Code::kNoSpace);
  EXPECT_TRUE(co_await disk.Resize(*file, 2 * kMiB, false));
  EXPECT_TRUE(co_await disk.Resize(*file, kMiB - 4096, true));
  EXPECT_EQ((co_await disk.Space("/")).value().free_bytes, 4096u);
  EXPECT_TRUE(co_await Put(disk, "/g", 0, "a page"));
  const auto full = co_await Put(disk, "/g", 4096, "one too many");
  EXPECT_EQ(CodeOf(full), Code::kNoSpace);
  EXPECT_NE(full.error().message().find("/g"), std::string::npos);
  EXPECT_TRUE(co_await Put(disk, "/f", 0, "preallocated space is there"));
  EXPECT_TRUE(co_await disk.Remove("/f"));
  EXPECT_EQ((co_await disk.Space("/")).value().free_bytes, 4096u - 4096u);  // still open
  file.reset();
  EXPECT_EQ((co_await disk.Space("/")).value().free_bytes, kMiB - 4096);
}

TEST_F(SimDiskTest, FillsUpAndCountsPreallocation) {
  node.disk().SetCapacity(kMiB);
  world.Run(SpaceChecks(disk()));
  EXPECT_GT(world.faults().fired("disk.no_space"), 0u);
}

Task<void> ErrorChecks(Disk& disk, SimDevice& device) {
  EXPECT_TRUE(co_await Put(disk, "/f", 0, std::string(90, 'x')));
  device.FailNextRead();
  EXPECT_EQ(CodeOf(co_await Get(disk, "/f")), Code::kIoError);
  EXPECT_TRUE(co_await Get(disk, "/f"));
  device.FailNextWrite();
  EXPECT_EQ(CodeOf(co_await Put(disk, "/f", 0, "y")), Code::kIoError);
  EXPECT_TRUE(co_await Put(disk, "/f", 0, "y"));
  device.FlipBit("/f", 1, 0);
  EXPECT_EQ((co_await Get(disk, "/f")).value().substr(0, 3), "yyx");
  device.FailRange("/f", 10, 1);
  const auto bad = co_await Get(disk, "/f");
  EXPECT_EQ(CodeOf(bad), Code::kIoError);
  EXPECT_NE(bad.error().message().find("/f [0, +100)"), std::string::npos);
  EXPECT_TRUE(co_await Put(disk, "/f", 50, "elsewhere"));
  device.Kill();
  EXPECT_EQ(CodeOf(co_await Put(disk, "/f", 50, "z")), Code::kIoError);
  EXPECT_EQ(CodeOf(co_await disk.List("/")), Code::kIoError);
}

TEST_F(SimDiskTest, ErrorsOnPurposeHitWhatTheyName) {
  world.Run(ErrorChecks(disk(), node.disk()));
  for (const char* kind : {"disk.read_error", "disk.write_error", "disk.bit_flip", "disk.bad_range",
                           "disk.bad_range_hit", "disk.death"}) {
    EXPECT_EQ(world.faults().fired(kind), 1u) << kind;
  }
}

Task<void> FailedSync(Disk& disk, SimDevice& device) {
  auto file = (co_await disk.Open("/f", kMake)).value();
  const Bytes parts[] = {AsBytes("new")};
  EXPECT_TRUE(co_await disk.Write(*file, 0, parts));
  device.FailNextSync();
  EXPECT_EQ(CodeOf(co_await disk.Sync(*file)), Code::kIoError);
  EXPECT_TRUE(co_await disk.Sync(*file));
}

TEST(SimDisk, AfterAFailedSyncAGoodOneBringsNothingBack) {
  int lost = 0;
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    World world(seed);
    Node& node = world.AddNode("a");
    ASSERT_TRUE(world.Run(PutSynced(node.env().disk, "/f", "old")));
    world.Run(FailedSync(node.env().disk, node.disk()));
    node.Crash();
    node.Restart();
    lost += world.Run(Get(node.env().disk, "/f")).value() == "old" ? 1 : 0;
  }
  EXPECT_GT(lost, 10);
}

Task<void> TimeReads(Env& env, int depth, Duration* took) {
  auto file = (co_await env.disk.Open("/f", kMake)).value();
  FB_ASSERT((co_await env.disk.Resize(*file, 64 * kMiB, false)).has_value());
  const Instant start = env.clock.Now();
  std::vector<std::byte> buffer(4096);
  TaskGroup group(env.executor);
  struct Reader {
    static Task<void> Read(Env& in, File& of, MutableBytes into) {
      EXPECT_TRUE(co_await in.disk.Read(of, 0, into));
    }
  };
  for (int i = 0; i < depth; ++i) group.Spawn(Reader::Read(env, *file, buffer));
  co_await group.Join();
  *took = env.clock.Now() - start;
}

TEST_F(SimDiskTest, ADeepQueueIsServedInParallelAndAnOverlongOneWaits) {
  Duration one{}, channels{}, many{};
  world.Run(TimeReads(node.env(), 1, &one));
  world.Run(TimeReads(node.env(), 32, &channels));
  world.Run(TimeReads(node.env(), 3200, &many));
  EXPECT_GE(one, world.options().disk.read_latency);
  EXPECT_LT(channels, 16 * world.options().disk.read_latency);
  EXPECT_GT(many, 90 * world.options().disk.read_latency);
}

TEST_F(SimDiskTest, AStallHoldsEverythingUp) {
  ASSERT_TRUE(world.Run(Put(disk(), "/f", 0, "x")));
  const Instant start = world.Now();
  node.disk().StallFor(seconds(3));
  ASSERT_TRUE(world.Run(Get(disk(), "/f")));
  EXPECT_GE(world.Now() - start, seconds(3));
}

Task<void> MutateInFlight(Env& env, std::string* text, bool* done) {
  EXPECT_TRUE(co_await env.clock.Sleep(microseconds(15)));
  if (!*done) (*text)[0] = 'M';
}
Task<void> WriteIt(Env& env, const std::string* text, bool* done) {
  auto file = (co_await env.disk.Open("/f", kMake)).value();
  TaskGroup group(env.executor);
  group.Spawn(MutateInFlight(env, const_cast<std::string*>(text), done));
  const Bytes parts[] = {AsBytes(*text)};
  EXPECT_TRUE(co_await env.disk.Write(*file, 0, parts));
  *done = true;
  co_await group.Join();
}

TEST(SimDisk, ABufferChangedInFlightShowsInSomeSeeds) {
  int changed = 0, untouched = 0;
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    World world(seed);
    Node& node = world.AddNode("a");
    std::string text = "original";
    bool done = false;
    world.Run(WriteIt(node.env(), &text, &done));
    ++(world.Run(Get(node.env().disk, "/f")).value()[0] == 'M' ? changed : untouched);
  }
  EXPECT_GT(changed, 3);
  EXPECT_GT(untouched, 3);
}

TEST_F(SimDiskTest, DisksHaveTheirOwnFateAndNames) {
  SimDevice& second = node.AddDisk("/disk1", {.capacity_bytes = kMiB});
  ASSERT_TRUE(world.Run(Put(disk(), "/f", 0, "root")));
  ASSERT_TRUE(world.Run(Put(disk(), "/disk1/f", 0, "second")));
  EXPECT_EQ(second.used_bytes(), kPageBytes);
  second.Kill();
  EXPECT_EQ(CodeOf(world.Run(Get(disk(), "/disk1/f"))), Code::kIoError);
  EXPECT_EQ(world.Run(Get(disk(), "/f")).value(), "root");
}

Task<void> Exercise(Disk& disk) {
  for (int i = 0; i < 400; ++i) {
    const std::string path = "/f" + std::to_string(i);
    static_cast<void>(co_await Put(disk, path, 0, std::string(50, 'a')));
    static_cast<void>(co_await PutSynced(disk, path, std::string(60, 'b')));
    static_cast<void>(co_await Get(disk, path));
  }
}

TEST(SimDisk, EveryRateFires) {
  WorldOptions options;
  options.disk.faults = {.read_error = 0.05,
                         .write_error = 0.05,
                         .sync_error = 0.05,
                         .flip_on_read = 0.05,
                         .flip_at_rest = 0.05,
                         .bad_range = 0.05,
                         .stall = 0.01};
  World world(3, options);
  Node& node = world.AddNode("a");
  world.Run(Exercise(node.env().disk));
  for (const char* kind :
       {"disk.read_error", "disk.write_error", "disk.sync_error", "disk.flip_on_read",
        "disk.bit_flip", "disk.bad_range", "disk.bad_range_hit", "disk.stall"}) {
    EXPECT_GT(world.faults().fired(kind), 0u) << kind;
  }
}

}  // namespace
}  // namespace forebay::sim
