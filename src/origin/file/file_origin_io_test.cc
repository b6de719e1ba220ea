// The file origin on real files: its contract on both backends, links, rights, and objects that
// another process changes.
#include "src/origin/file/file_origin.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <map>
#include <thread>

#include "src/base/prng.h"
#include "src/base/test_tier.h"
#include "src/origin/testing/origin_contract.h"
#include "src/platform/linux/loop.h"
#include "src/runtime/task_group.h"

namespace forebay {
namespace {

using origin_contract::CodeOf;
using origin_contract::GetText;
using origin_contract::ListText;
using origin_contract::PutText;

class LinuxHarness final : public OriginHarness {
 public:
  explicit LinuxHarness(std::optional<IoBackend> io) {
    char pattern[] = "/tmp/forebay_test_XXXXXX";
    directory_ = mkdtemp(pattern);
    auto loop = Loop::Create({.io = io});
    // Where an ordinary user is refused io_uring, the other backend is tried twice.
    if (!loop) loop = Loop::Create({.io = IoBackend::kEpoll});
    loop_ = std::move(*loop);
    origin_ = std::move(*FileOrigin::Create("file://" + directory_));
  }
  ~LinuxHarness() override {
    origin_.reset();
    std::filesystem::remove_all(directory_);
  }
  Env& env() override { return loop_->env(); }
  Origin& origin() override { return *origin_; }
  void Run(Task<void> main) override { loop_->Run(std::move(main)); }
  std::string PathOf(const std::string& name) const { return directory_ + "/" + name; }
  void Write(const std::string& name, std::string_view text) const {
    std::ofstream(PathOf(name)) << text;
  }

 private:
  std::string directory_;
  std::unique_ptr<Loop> loop_;
  std::unique_ptr<Origin> origin_;
};

template <IoBackend io>
std::unique_ptr<OriginHarness> Make() {
  return std::make_unique<LinuxHarness>(io);
}
INSTANTIATE_TEST_SUITE_P(Io, OriginContract,
                         testing::Values(&Make<IoBackend::kUring>, &Make<IoBackend::kEpoll>));

Task<void> LinkChecks(LinuxHarness& h) {
  h.Write("file", "text");
  std::filesystem::create_directory(h.PathOf("dir"));
  h.Write("dir/below", "more");
  for (const auto& [to, name] :
       {std::pair("file", "to_file"), {"dir", "to_dir"}, {"none", "to_none"}, {".", "dir/loop"}}) {
    EXPECT_EQ(symlink(to, h.PathOf(name).c_str()), 0);
  }
  EXPECT_EQ(mkfifo(h.PathOf("pipe").c_str(), 0600), 0);
  EXPECT_EQ((co_await GetText(h, "to_file")).value(), "text");
  EXPECT_EQ((co_await GetText(h, "to_dir/below")).value(), "more");
  for (const char* key : {"to_none", "pipe", "dir", "to_dir"}) {
    EXPECT_EQ(CodeOf(co_await GetText(h, key)), Code::kNotFound) << key;
    EXPECT_EQ(CodeOf(co_await h.origin().Head(h.env(), key, {})), Code::kNotFound) << key;
  }
  EXPECT_EQ(co_await ListText(h, {.delimiter = "/"}), "dir/ file to_dir/ to_file");
  // A loop of links ends where the kernel, or the longest key, ends it.
  const auto page = co_await h.origin().List(h.env(), {.prefix = "dir/"}, {});
  EXPECT_TRUE(page && page->entries.size() > 10 && page->entries.size() < 200);
}

TEST(FileOriginIo, LinksAreWhatTheyPointTo) {
  LinuxHarness h(std::nullopt);
  h.Run(LinkChecks(h));
}

Task<void> RightChecks(LinuxHarness& h) {
  h.Write("secret", "text");
  EXPECT_EQ(chmod(h.PathOf("secret").c_str(), 0), 0);
  const auto got = co_await GetText(h, "secret");
  EXPECT_EQ(CodeOf(got), Code::kPermissionDenied);
  EXPECT_NE(got.error().message().find(h.origin().url()), std::string::npos);
  EXPECT_NE(got.error().message().find("Permission denied"), std::string::npos);
}

TEST(FileOriginIo, WhatMayNotBeReadSaysSo) {
  if (geteuid() == 0) GTEST_SKIP() << "root may read everything";
  LinuxHarness h(std::nullopt);
  h.Run(RightChecks(h));
}

// -- Objects that change under their readers. All words of one are its number.

constexpr size_t kObjectBytes = 64 * 1024;

std::vector<uint64_t> WordsOf(uint64_t number) {
  return std::vector<uint64_t>(kObjectBytes / 8, number);
}

/// Replaces the object at random moments, by rename, or (one in four) rewritten in place.
void ChangeOften(const LinuxHarness& h, uint64_t times, bool in_place, std::atomic<bool>* done) {
  Prng prng(5);
  for (uint64_t number = 1; number <= times; ++number) {
    const bool rewrite = in_place && !prng.OneIn(8);
    const std::string path = h.PathOf(rewrite ? "k" : "next");
    const int fd = open(path.c_str(), O_WRONLY | O_CREAT, 0600);
    const auto words = WordsOf(number);
    EXPECT_EQ(pwrite(fd, words.data(), kObjectBytes, 0), static_cast<ssize_t>(kObjectBytes));
    close(fd);
    if (!rewrite) EXPECT_EQ(rename(path.c_str(), h.PathOf("k").c_str()), 0);
    // A body waits until its file has been still for a while: changes that come under its reader
    // come after a pause.
    const bool pause = prng.OneIn(in_place ? 25 : 50);
    const uint64_t longest = !pause ? 20'000 : in_place ? 2'000'000 : 200'000;
    for (uint64_t turns = prng.Below(longest); turns > 0; --turns) {
      __builtin_ia32_pause();
    }
  }
  *done = true;
}

struct Seen {
  std::map<std::string, uint64_t> number_of;
  uint64_t whole = 0, changed = 0, mixed = 0, confused = 0;
};

Task<Result<void>> ReadOnce(LinuxHarness& h, Seen* seen) {
  FB_CO_ASSIGN(const auto body, co_await h.origin().Get(h.env(), "k", {}, {}));
  std::vector<uint64_t> words(kObjectBytes / 8);
  const auto into = std::as_writable_bytes(std::span(words));
  for (size_t at = 0; at < kObjectBytes; at += kObjectBytes / 4) {
    FB_CO_ASSIGN(const size_t got, co_await body->Read(into.subspan(at, kObjectBytes / 4), {}));
    EXPECT_EQ(got, kObjectBytes / 4);
    // Time for a change in the middle of what is read.
    const auto pause = std::chrono::microseconds(h.env().rng.Below(5'000));
    FB_CO_TRY(co_await h.env().clock.Sleep(pause));
  }
  if (std::ranges::adjacent_find(words, std::ranges::not_equal_to()) != words.end()) ++seen->mixed;
  const auto known = seen->number_of.emplace(body->info().etag, words[0]).first;
  if (known->second != words[0]) ++seen->confused;
  ++seen->whole;
  co_return Result<void>();
}

Task<void> ReadUntil(LinuxHarness& h, Seen* seen, const std::atomic<bool>* done) {
  while (!*done) {
    const auto read = co_await ReadOnce(h, seen);
    if (read) continue;
    ++seen->changed;
    const Code code = read.error().code();
    EXPECT_TRUE(code == Code::kVersionChanged || code == Code::kUnavailable)
        << read.error().ToString();
  }
}

Task<void> ReadByMany(LinuxHarness& h, Seen* seen, const std::atomic<bool>* done) {
  TaskGroup group(h.env().executor);
  for (int i = 0; i < 8; ++i) group.Spawn(ReadUntil(h, seen, done));
  co_await group.Join();
  EXPECT_TRUE(co_await ReadOnce(h, seen));
}

void ChangeUnderReaders(bool in_place, uint64_t times) {
  LinuxHarness h(std::nullopt);
  h.Write("k", std::string_view(reinterpret_cast<const char*>(WordsOf(0).data()), kObjectBytes));
  std::atomic<bool> done = false;
  Seen seen;
  std::thread writer([&] { ChangeOften(h, times, in_place, &done); });
  h.Run(ReadByMany(h, &seen, &done));
  writer.join();
  EXPECT_EQ(seen.mixed, 0u);
  EXPECT_EQ(seen.confused, 0u);
  EXPECT_GT(seen.whole, 0u);
  if (in_place) EXPECT_GT(seen.changed, 0u);
  printf(
      "note: %lu changes%s under open bodies: %lu read whole, %lu told that it changed, %lu "
      "mixed, %zu versions seen\n",
      times, in_place ? " (most in place)" : "", seen.whole, seen.changed, seen.mixed,
      seen.number_of.size());
}

Task<void> RewriteInTheMiddle(LinuxHarness& h, std::string path) {
  const auto body = co_await h.origin().Get(h.env(), "k", {}, {});
  EXPECT_TRUE(body);
  if (!body) co_return;
  std::vector<std::byte> piece(kObjectBytes / 4);
  EXPECT_TRUE(co_await (*body)->Read(piece, {}));
  {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(kObjectBytes - 1);
    file.put('!');
  }
  const auto next = co_await (*body)->Read(piece, {});
  EXPECT_TRUE(!next && next.error().code() == Code::kVersionChanged);
}

TEST(FileOriginIo, ABodyWhoseFileIsRewrittenInPlaceSaysSoAtItsNextRead) {
  LinuxHarness h(std::nullopt);
  h.Write("k", std::string(kObjectBytes, 'x'));
  h.Run(RewriteInTheMiddle(h, h.PathOf("k")));
}

TEST(FileOriginIo, AnObjectReplacedUnderItsReadersIsOldOrNew) {
  ChangeUnderReaders(false, ByTier(2'000, 10'000, 200'000));
}

TEST(FileOriginIo, AnObjectRewrittenUnderItsReadersIsNoticed) {
  ChangeUnderReaders(true, ByTier(2'000, 10'000, 200'000));
}

}  // namespace
}  // namespace forebay
