#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "src/base/prng.h"
#include "src/base/units.h"
#include "src/platform/linux/errors.h"
#include "src/platform/linux/test_loop.h"
#include "src/runtime/sync.h"
#include "src/runtime/task_group.h"

namespace forebay {
namespace {

class DiskOnBoth : public LoopTest {
 protected:
  std::shared_ptr<File> Open(const std::string& path, OpenOptions options) {
    auto file = loop_->Run(env().disk.Open(path, options));
    EXPECT_TRUE(file.has_value()) << file.error().ToString();
    return file ? *file : nullptr;
  }
  Code OpenFails(const std::string& path, OpenOptions options) {
    const auto file = loop_->Run(env().disk.Open(path, options));
    if (file) return Code::kInternal;
    EXPECT_NE(file.error().message().find(path), std::string::npos) << file.error().message();
    return file.error().code();
  }
  size_t Read(File& file, uint64_t offset, MutableBytes into) {
    const auto read = loop_->Run(env().disk.Read(file, offset, into));
    EXPECT_TRUE(read.has_value()) << read.error().ToString();
    return read.value_or(0);
  }
  Result<void> Write(File& file, uint64_t offset, std::span<const Bytes> parts) {
    return loop_->Run(env().disk.Write(file, offset, parts));
  }
  Result<void> Write(File& file, uint64_t offset, Bytes bytes) {
    return Write(file, offset, std::span(&bytes, 1));
  }
};
INSTANTIATE_TEST_SUITE_P(Io, DiskOnBoth, testing::ValuesIn(kBothBackends), BackendTestName);

constexpr OpenOptions kNew{.write = true, .create = true};

/// Aligned as direct I/O wants it.
struct Aligned {
  explicit Aligned(size_t size)
      : data(static_cast<std::byte*>(std::aligned_alloc(kDiskAlignment, size)), &std::free),
        bytes(data.get(), size) {}
  std::unique_ptr<std::byte, void (*)(void*)> data;
  MutableBytes bytes;
};

void FillRandom(MutableBytes bytes, uint64_t seed) {
  Prng prng(seed);
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(prng.Next());
}

TEST_P(DiskOnBoth, DirectWritesComeBack) {
  const auto file = Open(PathOf("f"), {.write = true, .create = true, .direct = true});
  ASSERT_NE(file, nullptr);
  Aligned out(1 * kMiB), in(1 * kMiB);
  FillRandom(out.bytes, 1);
  ASSERT_TRUE(Write(*file, 8 * kKiB, out.bytes).has_value());
  ASSERT_TRUE(loop_->Run(env().disk.Sync(*file)).has_value());
  EXPECT_EQ(Read(*file, 8 * kKiB, in.bytes), in.bytes.size());
  EXPECT_TRUE(std::ranges::equal(in.bytes, out.bytes));
}

TEST_P(DiskOnBoth, ManyPartsAreWrittenInOrder) {
  const auto file = Open(PathOf("f"), kNew);
  std::string want;
  std::vector<std::string> texts;
  for (int i = 0; i < 100; ++i)
    texts.push_back(std::string(static_cast<size_t>(i % 7), 'a' + i % 26));
  std::vector<Bytes> parts;
  for (const std::string& text : texts) {
    parts.push_back(AsBytes(text));
    want += text;
  }
  ASSERT_TRUE(Write(*file, 3, parts).has_value());
  std::string got(want.size() + 3, '?');
  EXPECT_EQ(Read(*file, 0, std::as_writable_bytes(std::span(got))), got.size());
  EXPECT_EQ(got, std::string(3, '\0') + want);
}

TEST_P(DiskOnBoth, AReadAcrossTheEndIsShort) {
  for (const bool direct : {false, true}) {
    const auto file = Open(PathOf("f"), kNew);
    ASSERT_TRUE(Write(*file, 0, AsBytes(std::string(5000, 'x'))).has_value());
    const auto reader = Open(PathOf("f"), {.direct = direct});
    Aligned in(16 * kKiB);
    EXPECT_EQ(Read(*reader, 0, in.bytes), 5000u);
    EXPECT_EQ(Read(*reader, 4096, in.bytes), 904u);
    EXPECT_EQ(Read(*reader, 8192, in.bytes), 0u);
  }
}

TEST_P(DiskOnBoth, OpenSaysWhyNot) {
  EXPECT_EQ(OpenFails(PathOf("none"), {}), Code::kNotFound);
  ASSERT_NE(Open(PathOf("f"), kNew), nullptr);
  EXPECT_EQ(OpenFails(PathOf("f"), {.write = true, .create = true, .exclusive = true}),
            Code::kAlreadyExists);
  EXPECT_EQ(OpenFails(PathOf("f/g"), kNew), Code::kInvalidArgument);
  EXPECT_EQ(OpenFails("/proc/version", {.direct = true}), Code::kUnsupported);
  EXPECT_EQ(OpenFails("/proc/version_none", kNew), Code::kNotFound);
}

TEST_P(DiskOnBoth, ALockedFileIsHeldUntilClosed) {
  const OpenOptions locked{.write = true, .create = true, .truncate = true, .lock = true};
  auto first = Open(PathOf("f"), locked);
  ASSERT_TRUE(Write(*first, 0, AsBytes("kept")).has_value());
  EXPECT_EQ(OpenFails(PathOf("f"), locked), Code::kInUse);
  EXPECT_EQ(loop_->Run(env().disk.Stat(PathOf("f")))->size_bytes, 4u);  // not even emptied
  first.reset();
  EXPECT_NE(Open(PathOf("f"), locked), nullptr);
}

TEST_P(DiskOnBoth, ErrorsNameTheFileAndTheRange) {
  const auto file = Open(PathOf("f"), {.create = true});
  const auto written = Write(*file, 4096, AsBytes("no"));
  ASSERT_FALSE(written.has_value());
  EXPECT_NE(written.error().message().find(PathOf("f") + " at [4096, 4098)"), std::string::npos)
      << written.error().message();
  const auto full = Open("/dev/full", {.write = true});
  const Bytes parts[] = {AsBytes("one"), AsBytes("two")};
  EXPECT_EQ(Write(*full, 0, AsBytes("x")).error().code(), Code::kNoSpace);
  EXPECT_EQ(Write(*full, 0, parts).error().code(), Code::kNoSpace);
}

TEST_P(DiskOnBoth, ResizeLeavesHolesOrTakesTheSpace) {
  const auto file = Open(PathOf("f"), kNew);
  ASSERT_TRUE(loop_->Run(env().disk.Resize(*file, kMiB, false)).has_value());
  auto info = loop_->Run(env().disk.Stat(PathOf("f")));
  EXPECT_EQ(info->size_bytes, kMiB);
  EXPECT_EQ(info->allocated_bytes, 0u);
  ASSERT_TRUE(loop_->Run(env().disk.Resize(*file, kMiB, true)).has_value());
  info = loop_->Run(env().disk.Stat(PathOf("f")));
  EXPECT_GE(info->allocated_bytes, kMiB);
  const auto too_large = loop_->Run(env().disk.Resize(*file, uint64_t{1} << 62, true));
  ASSERT_FALSE(too_large.has_value());
  EXPECT_NE(too_large.error().message().find(PathOf("f")), std::string::npos);
}

TEST_P(DiskOnBoth, AFullFileSystemSaysSo) {
  if (geteuid() != 0) GTEST_SKIP() << "only root may mount the small file system of this test";
  const std::string mount_point = PathOf("small");
  ASSERT_EQ(mkdir(mount_point.c_str(), 0700), 0);
  ASSERT_EQ(mount("none", mount_point.c_str(), "tmpfs", 0, "size=1m"), 0);
  auto file = Open(mount_point + "/f", kNew);
  EXPECT_EQ(loop_->Run(env().disk.Resize(*file, 4 * kMiB, true)).error().code(), Code::kNoSpace);
  const std::string big(4 * kMiB, 'x');
  EXPECT_EQ(Write(*file, 0, AsBytes(big)).error().code(), Code::kNoSpace);
  EXPECT_EQ(loop_->Run(env().disk.Space(mount_point))->total_bytes, kMiB);
  file.reset();
  ASSERT_EQ(mount("none", mount_point.c_str(), "tmpfs", MS_REMOUNT | MS_RDONLY, ""), 0);
  EXPECT_EQ(OpenFails(mount_point + "/g", kNew), Code::kPermissionDenied);
  EXPECT_EQ(umount(mount_point.c_str()), 0);
}

TEST_P(DiskOnBoth, NamesAreMadeListedMovedAndRemoved) {
  Disk& disk = env().disk;
  ASSERT_TRUE(loop_->Run(disk.MakeDirectory(PathOf("a/b/c"))).has_value());
  ASSERT_TRUE(loop_->Run(disk.MakeDirectory(PathOf("a/b/c"))).has_value());
  for (const char* name : {"z", "m", "b10", "b9"}) Open(PathOf("a/b/") + name, kNew);
  EXPECT_EQ(*loop_->Run(disk.List(PathOf("a/b"))),
            (std::vector<std::string>{"b10", "b9", "c", "m", "z"}));
  ASSERT_TRUE(loop_->Run(disk.Rename(PathOf("a/b/z"), PathOf("a/b/y"))).has_value());
  ASSERT_TRUE(loop_->Run(disk.Remove(PathOf("a/b/m"))).has_value());
  ASSERT_TRUE(loop_->Run(disk.SyncDirectory(PathOf("a/b"))).has_value());
  EXPECT_EQ(*loop_->Run(disk.List(PathOf("a/b"))),
            (std::vector<std::string>{"b10", "b9", "c", "y"}));
  EXPECT_TRUE(loop_->Run(disk.Stat(PathOf("a/b")))->directory);
  EXPECT_EQ(loop_->Run(disk.List(PathOf("none"))).error().code(), Code::kNotFound);
  EXPECT_EQ(loop_->Run(disk.Remove(PathOf("none"))).error().code(), Code::kNotFound);
  EXPECT_EQ(loop_->Run(disk.MakeDirectory(PathOf("a/b/y/x"))).error().code(),
            Code::kInvalidArgument);
}

TEST_P(DiskOnBoth, AnOpenFileIsToldApartFromWhatItsNameMeans) {
  Disk& disk = env().disk;
  ASSERT_TRUE(Write(*Open(PathOf("f"), kNew), 0, AsBytes("old")));
  ASSERT_TRUE(Write(*Open(PathOf("g"), kNew), 0, AsBytes("newer")));
  const auto file = Open(PathOf("f"), {});
  const FileInfo before = *loop_->Run(disk.StatOpen(*file));
  EXPECT_TRUE(before.regular && !before.directory);
  EXPECT_EQ(before.size_bytes, 3u);
  EXPECT_EQ(before.links, 1u);
  EXPECT_EQ(before.inode, loop_->Run(disk.Stat(PathOf("f")))->inode);
  EXPECT_GT(before.mtime_ns, 1'700'000'000'000'000'000);
  EXPECT_EQ(before.mtime_ns, before.ctime_ns);
  ASSERT_TRUE(loop_->Run(disk.Rename(PathOf("g"), PathOf("f"))));
  const FileInfo after = *loop_->Run(disk.StatOpen(*file));
  EXPECT_EQ(after.links, 0u);
  EXPECT_EQ(after.inode, before.inode);
  EXPECT_EQ(after.mtime_ns, before.mtime_ns);
  EXPECT_EQ(loop_->Run(disk.Stat(PathOf("f")))->size_bytes, 5u);
  EXPECT_NE(loop_->Run(disk.Stat(PathOf("f")))->inode, before.inode);
}

TEST_P(DiskOnBoth, ManyPathsAreLookedAtAtOnce) {
  ASSERT_TRUE(Write(*Open(PathOf("f"), kNew), 0, AsBytes("four")));
  const auto infos =
      loop_->Run(env().disk.StatMany({PathOf("f"), PathOf("none"), PathOf("f/x"), directory_}));
  ASSERT_TRUE(infos && infos->size() == 4);
  EXPECT_EQ((*infos)[0]->size_bytes, 4u);
  EXPECT_EQ((*infos)[1].error().code(), Code::kNotFound);
  EXPECT_EQ((*infos)[2].error().code(), Code::kInvalidArgument);
  EXPECT_TRUE((*infos)[3]->directory);
}

TEST_P(DiskOnBoth, ADirectoryIsReadInBatches) {
  Disk& disk = env().disk;
  std::vector<std::string> want;
  for (int i = 0; i < 50; ++i) Open(PathOf(want.emplace_back("f" + std::to_string(i))), kNew);
  ASSERT_TRUE(loop_->Run(disk.MakeDirectory(PathOf(want.emplace_back("d")))));
  ASSERT_EQ(symlink("d", PathOf(want.emplace_back("to_d")).c_str()), 0);
  ASSERT_EQ(symlink("f1", PathOf(want.emplace_back("to_f")).c_str()), 0);
  ASSERT_EQ(symlink("none", PathOf(want.emplace_back("to_none")).c_str()), 0);
  ASSERT_EQ(mkfifo(PathOf(want.emplace_back("pipe")).c_str(), 0600), 0);
  const auto directory = *loop_->Run(disk.OpenDirectory(directory_));
  std::vector<std::string> names;
  for (;;) {
    const auto batch = *loop_->Run(disk.ReadDirectory(*directory, 7));
    ASSERT_LE(batch.size(), 7u);
    if (batch.empty()) break;
    for (const DirectoryEntry& entry : batch) {
      EXPECT_EQ(entry.directory, entry.name == "d" || entry.name == "to_d") << entry.name;
      EXPECT_EQ(entry.regular, entry.name.starts_with("f") || entry.name == "to_f") << entry.name;
      names.push_back(entry.name);
    }
  }
  std::ranges::sort(names);
  std::ranges::sort(want);
  EXPECT_EQ(names, want);
  EXPECT_EQ(loop_->Run(disk.OpenDirectory(PathOf("none"))).error().code(), Code::kNotFound);
  EXPECT_EQ(loop_->Run(disk.OpenDirectory(PathOf("f1"))).error().code(), Code::kInvalidArgument);
}

TEST_P(DiskOnBoth, APipeWithoutAWriterHoldsNobodyUp) {
  ASSERT_EQ(mkfifo(PathOf("pipe").c_str(), 0600), 0);
  const auto pipe = Open(PathOf("pipe"), {});
  EXPECT_FALSE(loop_->Run(env().disk.StatOpen(*pipe))->regular);
}

TEST_P(DiskOnBoth, AnExclusiveRenameReplacesNothing) {
  Disk& disk = env().disk;
  ASSERT_TRUE(Write(*Open(PathOf("f"), kNew), 0, AsBytes("f")));
  ASSERT_TRUE(Write(*Open(PathOf("g"), kNew), 0, AsBytes("gg")));
  EXPECT_EQ(loop_->Run(disk.RenameExclusive(PathOf("g"), PathOf("f"))).error().code(),
            Code::kAlreadyExists);
  EXPECT_EQ(loop_->Run(disk.Stat(PathOf("f")))->size_bytes, 1u);
  EXPECT_TRUE(loop_->Run(disk.RenameExclusive(PathOf("g"), PathOf("h"))));
  EXPECT_EQ(loop_->Run(disk.Stat(PathOf("g"))).error().code(), Code::kNotFound);
  EXPECT_EQ(loop_->Run(disk.RenameExclusive(PathOf("g"), PathOf("i"))).error().code(),
            Code::kNotFound);
}

Task<void> ReadOne(Env& env, File& file, uint64_t offset, int* right) {
  std::byte page[512];
  const auto read = co_await env.disk.Read(file, offset, page);
  const bool ok =
      read && *read == sizeof page && std::ranges::all_of(page, [offset](std::byte byte) {
        return byte == static_cast<std::byte>(offset / 512);
      });
  if (ok) ++*right;
}

Task<void> ReadManyAtOnce(Env& env, File& file, int count, int* right) {
  TaskGroup group(env.executor);
  for (int i = 0; i < count; ++i) {
    group.Spawn(ReadOne(env, file, static_cast<uint64_t>(i) * 512, right));
  }
  co_await group.Join();
}

TEST_P(DiskOnBoth, MoreAtOnceThanTheKernelIsGiven) {
  constexpr int kCount = 3000;
  const auto file = Open(PathOf("f"), kNew);
  std::vector<std::byte> all(kCount * 512);
  for (size_t i = 0; i < all.size(); ++i) all[i] = static_cast<std::byte>(i / 512);
  ASSERT_TRUE(Write(*file, 0, all).has_value());
  int right = 0;
  loop_->Run(ReadManyAtOnce(env(), *file, kCount, &right));
  EXPECT_EQ(right, kCount);
}

TEST_P(DiskOnBoth, AFileServesOtherLoopsToo) {
  const auto file = Open(PathOf("f"), kNew);
  ASSERT_TRUE(Write(*file, 0, AsBytes("shared")).has_value());
  auto other = Loop::Create({.io = GetParam()});
  ASSERT_TRUE(other.has_value());
  std::string got(6, '?');
  const auto into = std::as_writable_bytes(std::span(got));
  EXPECT_EQ((*other)->Run((*other)->env().disk.Read(*file, 0, into)).value_or(0), 6u);
  EXPECT_EQ(got, "shared");
}

TEST(ErrnoError, GivesEachFailureItsCode) {
  using platform::ErrnoError;
  EXPECT_EQ(ErrnoError(EIO, "read x").code(), Code::kIoError);
  EXPECT_EQ(ErrnoError(ENOSPC, "x").code(), Code::kNoSpace);
  EXPECT_EQ(ErrnoError(EROFS, "x").code(), Code::kPermissionDenied);
  EXPECT_EQ(ErrnoError(EADDRINUSE, "x").code(), Code::kInUse);
  EXPECT_EQ(ErrnoError(EMFILE, "x").code(), Code::kOverloaded);
  EXPECT_NE(ErrnoError(EIO, "read x").message().find("read x: "), std::string::npos);
}

}  // namespace
}  // namespace forebay
