// Puts by processes that are killed at moments that they could not choose.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

#include "src/base/prng.h"
#include "src/base/test_tier.h"
#include "src/origin/file/file_origin.h"
#include "src/origin/testing/origin_contract_cases.h"
#include "src/platform/linux/loop.h"
#include "src/runtime/task_group.h"

namespace forebay {
namespace {

constexpr int kKeys = 3;

/// A report of a writer: it begins the n-th put of a key, or was promised it.
struct Report {
  uint32_t key = 0;
  uint32_t promised = 0;
  uint64_t n = 0;
};

std::string KeyOf(uint32_t key) {
  return fmt::format("deep/{}/object", key);
}

std::string ObjectOf(uint32_t key, uint64_t n) {
  const uint64_t seed = Mix64(n * kKeys + key);
  return fmt::format("{} {} ", key, n) +
         origin_contract::Text(seed, seed % (seed % 7 == 0 ? 2'000'000 : 60'000));
}

class Writer {
 public:
  Writer(Env& env, Origin& origin, int channel, uint64_t first)
      : env_(env), origin_(origin), channel_(channel), first_(first) {}

  Task<void> Run() {
    TaskGroup group(env_.executor);
    for (uint32_t key = 0; key < kKeys; ++key) group.Spawn(PutForEver(key));
    co_await group.Join();
  }

 private:
  Task<void> PutForEver(uint32_t key) {
    for (uint64_t n = first_;; ++n) {
      Tell({key, 0, n});
      const std::string text = ObjectOf(key, n);
      auto upload = co_await origin_.Put(env_, KeyOf(key), {}, {});
      if (!upload) _exit(3);
      const Bytes all = AsBytes(text);
      for (size_t at = 0; at < all.size(); at += 100'000) {
        const Bytes part = all.subspan(at, std::min<size_t>(100'000, all.size() - at));
        if (!co_await (*upload)->Write(std::span(&part, 1), {})) _exit(4);
      }
      if (!co_await (*upload)->Commit({})) _exit(5);
      Tell({key, 1, n});
    }
  }
  void Tell(const Report& report) {
    if (write(channel_, &report, sizeof report) != sizeof report) _exit(6);
  }

  Env& env_;
  Origin& origin_;
  const int channel_;
  const uint64_t first_;
};

/// In the child, which has no threads of its parent and no loop yet.
[[noreturn]] void WriteUntilKilled(const std::string& directory, int channel, IoBackend io,
                                   uint64_t first) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  auto loop = Loop::Create({.io = io});
  if (!loop) loop = Loop::Create({.io = IoBackend::kEpoll});
  auto origin = FileOrigin::Create("file://" + directory);
  if (!loop || !origin) _exit(2);
  Writer writer((*loop)->env(), **origin, channel, first);
  (*loop)->Run(writer.Run());
  _exit(1);
}

struct Promises {
  uint64_t begun[kKeys] = {};
  uint64_t promised[kKeys] = {};
  uint64_t puts_cut = 0;
  uint64_t kept = 0;

  void Take(int channel) {
    Report report;
    while (read(channel, &report, sizeof report) == sizeof report) {
      (report.promised != 0 ? promised : begun)[report.key] = report.n;
    }
  }
};

Task<Result<std::string>> GetAll(Env& env, Origin& origin, std::string key) {
  FB_CO_ASSIGN(const auto body, co_await origin.Get(env, key, {}, {}));
  std::string text(body->size(), '\0');
  for (size_t done = 0; done < text.size();) {
    const auto into = std::as_writable_bytes(std::span(text)).subspan(done);
    FB_CO_ASSIGN(const size_t got, co_await body->Read(into, {}));
    done += got;
  }
  co_return text;
}

Task<void> CheckLeft(Env& env, const std::string& directory, Promises* promises) {
  const auto origin = std::move(*FileOrigin::Create("file://" + directory));
  const auto swept = co_await origin->Sweep(env);
  EXPECT_TRUE(swept) << swept.error().ToString();
  std::error_code none;
  const std::filesystem::directory_iterator left(directory + "/.forebay-tmp/puts", none);
  EXPECT_TRUE(none || left == std::filesystem::directory_iterator());
  for (uint32_t key = 0; key < kKeys; ++key) {
    const uint64_t begun = promises->begun[key], promised = promises->promised[key];
    if (begun > promised) ++promises->puts_cut;
    const auto text = co_await GetAll(env, *origin, KeyOf(key));
    if (!text) {
      EXPECT_EQ(promised, 0u) << text.error().ToString();
      continue;
    }
    // The last that was promised, or the one that was on its way.
    const bool last = promised > 0 && *text == ObjectOf(key, promised);
    const bool next = begun > 0 && *text == ObjectOf(key, begun);
    EXPECT_TRUE(last || next) << KeyOf(key) << " " << promised << " " << begun;
    ++promises->kept;
    promises->promised[key] = promises->begun[key] = next ? begun : promised;
  }
}

TEST(FileOriginKill, PutsAreWholeOrNotThereAndLeaveNothing) {
  char pattern[] = "/tmp/forebay_test_XXXXXX";
  const std::string directory = mkdtemp(pattern);
  const uint64_t puts = ByTier(150, 1000, 20'000);
  Promises promises;
  Prng prng(3);
  uint64_t kills = 0;
  while (promises.puts_cut < puts && !testing::Test::HasFailure()) {
    const uint64_t first = 1 + std::max({promises.begun[0], promises.begun[1], promises.begun[2]});
    int ends[2];
    ASSERT_EQ(pipe(ends), 0);
    const pid_t child = fork();
    if (child == 0) {
      close(ends[0]);
      WriteUntilKilled(directory, ends[1], kills % 2 == 0 ? IoBackend::kUring : IoBackend::kEpoll,
                       first);
    }
    close(ends[1]);
    // The moment: so long after its first word.
    pollfd word{.fd = ends[0], .events = POLLIN};
    ASSERT_EQ(poll(&word, 1, 30'000), 1);
    const timespec moment{.tv_nsec = static_cast<long>(prng.Below(15'000'000))};
    ppoll(nullptr, 0, &moment, nullptr);
    kill(child, SIGKILL);
    int status = 0;
    waitpid(child, &status, 0);
    ASSERT_TRUE(WIFSIGNALED(status)) << WEXITSTATUS(status);
    promises.Take(ends[0]);
    close(ends[0]);
    auto loop = std::move(*Loop::Create({}));
    loop->Run(CheckLeft(loop->env(), directory, &promises));
    ++kills;
  }
  EXPECT_GT(promises.kept, 0u);
  printf("note: %lu puts cut short by %lu kills: every object whole, nothing left over\n",
         promises.puts_cut, kills);
  std::filesystem::remove_all(directory);
}

}  // namespace
}  // namespace forebay
