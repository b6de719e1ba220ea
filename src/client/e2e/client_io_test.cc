// The C library against a node behind real sockets.
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <thread>
#include <vector>

#include "include/forebay/forebay.h"
#include "src/base/test_tier.h"
#include "src/base/testing/counting_new.h"
#include "src/client/abi/client_of.h"
#include "src/client/e2e/testing/served_node.h"

namespace forebay {
namespace {

const std::string kBig = PatternBytes((3u << 20) + 77, 3);
const std::string kSmall = PatternBytes(4096, 1);

size_t OpenDescriptors() {
  size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::ignore = entry;
    ++count;
  }
  return count;
}

/// By which way a client reaches its node.
enum class Way : uint8_t { kTcp, kUnix, kSharedMemory };

std::string NameOf(const testing::TestParamInfo<Way>& info) {
  switch (info.param) {
    case Way::kTcp:
      return "tcp";
    case Way::kUnix:
      return "unix";
    case Way::kSharedMemory:
      return "shared_memory";
  }
  return "";
}

class ClientOnNode : public testing::TestWithParam<Way> {
 protected:
  void SetUp() override {
    char pattern[] = "/tmp/forebay_test_XXXXXX";
    ASSERT_NE(mkdtemp(pattern), nullptr);
    directory_ = pattern;
    const bool tcp = GetParam() == Way::kTcp;
    node_.emplace(directory_, tcp ? "127.0.0.1:0" : "unix:" + directory_ + "/node.sock");
    node_->WriteObject("big", kBig);
    node_->WriteObject("small", kSmall);
    node_->Start();
  }
  void TearDown() override {
    node_.reset();
    std::filesystem::remove_all(directory_);
  }

  forebay_client* Connect(uint32_t timeout_ms = 20'000) {
    forebay_options options{};
    options.size = sizeof options;
    options.node = node_->address().c_str();
    options.timeout_ms = timeout_ms;
    options.no_shared_memory = GetParam() == Way::kSharedMemory ? 0 : 1;
    forebay_client* client = nullptr;
    EXPECT_EQ(forebay_connect(&options, &client), FOREBAY_OK) << forebay_last_error();
    return client;
  }

  std::string directory_;
  std::optional<ServedNode> node_;
};
INSTANTIATE_TEST_SUITE_P(Io, ClientOnNode,
                         testing::Values(Way::kTcp, Way::kUnix, Way::kSharedMemory), NameOf);

TEST_P(ClientOnNode, ReadsExactBytes) {
  forebay_client* client = Connect();
  forebay_file* file = nullptr;
  ASSERT_EQ(forebay_open(client, "/data/big", &file), FOREBAY_OK) << forebay_last_error();
  EXPECT_EQ(forebay_file_info(file)->size, kBig.size());
  Prng prng(1);
  std::string into(4u << 20, '\0');
  for (int i = 0; i < 100; ++i) {
    const uint64_t offset = prng.Below(kBig.size() + 10);
    const uint64_t size = prng.Below(into.size());
    const int64_t got = forebay_read(file, into.data(), size, offset);
    const std::string_view expected =
        offset > kBig.size() ? std::string_view() : std::string_view(kBig).substr(offset, size);
    ASSERT_EQ(got, static_cast<int64_t>(expected.size())) << forebay_last_error();
    ASSERT_EQ(std::string_view(into).substr(0, got), expected);
  }
  forebay_view view;
  ASSERT_EQ(forebay_view_at(file, (1u << 20) + 5, 1u << 20, &view), FOREBAY_OK);
  EXPECT_EQ(view.size, (1u << 20) - 5);
  EXPECT_EQ(std::memcmp(view.data, kBig.data() + (1u << 20) + 5, view.size), 0);
  forebay_release(file, &view);
  forebay_close(file);
  forebay_disconnect(client);
}

class SharedMemory : public ClientOnNode {};
INSTANTIATE_TEST_SUITE_P(Io, SharedMemory, testing::Values(Way::kSharedMemory), NameOf);

TEST_P(SharedMemory, AViewIsThePlaceWhereTheBytesLie) {
  forebay_client* client = Connect();
  forebay_file* file = nullptr;
  ASSERT_EQ(forebay_open(client, "/data/big", &file), FOREBAY_OK);
  forebay_view first;
  forebay_view again;
  ASSERT_EQ(forebay_view_at(file, 0, 1u << 20, &first), FOREBAY_OK) << forebay_last_error();
  ASSERT_EQ(forebay_view_at(file, 100, 1000, &again), FOREBAY_OK);
  EXPECT_EQ(static_cast<const char*>(first.data) + 100, again.data);
  EXPECT_EQ(std::memcmp(first.data, kBig.data(), first.size), 0);
  forebay_release(file, &again);
  forebay_release(file, &first);
  forebay_release(file, &first);  // an empty one: nothing
  forebay_close(file);
  forebay_disconnect(client);
}

TEST_P(SharedMemory, WhoLooksInOrderIsReadAheadFor) {
  const std::string large = PatternBytes(24u << 20, 5);
  node_->WriteObject("large", large);
  forebay_client* client = Connect();
  forebay_file* file = nullptr;
  ASSERT_EQ(forebay_open(client, "/data/large", &file), FOREBAY_OK);
  const uint64_t before = node_->fills();
  for (uint64_t at = 0; at < large.size();) {
    forebay_view view;
    ASSERT_EQ(forebay_view_at(file, at, 1u << 20, &view), FOREBAY_OK) << forebay_last_error();
    ASSERT_EQ(std::memcmp(view.data, large.data() + at, view.size), 0);
    at += view.size;
    forebay_release(file, &view);
  }
  EXPECT_LT(node_->fills() - before, 16u) << "of 24 blocks";
  forebay_close(file);
  forebay_disconnect(client);
}

TEST_P(SharedMemory, WhoReadsInOrderWaitsForMemoryAndTakesNothingByMessage) {
  const std::string large = PatternBytes((24u << 20) + 77, 6);
  for (const size_t piece : {size_t{1} << 20, size_t{5} << 20}) {
    const std::string name = "large" + std::to_string(piece);
    node_->WriteObject(name, large);
    forebay_client* client = Connect();
    forebay_file* file = nullptr;
    ASSERT_EQ(forebay_open(client, ("/data/" + name).c_str(), &file), FOREBAY_OK);
    const uint64_t before = node_->sent_bytes();
    const uint64_t misses = node_->misses();
    std::string into(piece, '\0');
    for (uint64_t at = 0; at < large.size();) {
      const int64_t got = forebay_read(file, into.data(), into.size(), at);
      ASSERT_GT(got, 0) << forebay_last_error();
      ASSERT_EQ(std::memcmp(into.data(), large.data() + at, static_cast<size_t>(got)), 0);
      at += static_cast<uint64_t>(got);
    }
    EXPECT_LT(node_->sent_bytes() - before, 1u << 20);
    EXPECT_GT(node_->misses(), misses) << "it was not all there";
    forebay_close(file);
    forebay_disconnect(client);
  }
}

TEST_P(SharedMemory, HitsNeedNoNode) {
  forebay_client* client = Connect();
  forebay_file* file = nullptr;
  ASSERT_EQ(forebay_open(client, "/data/big", &file), FOREBAY_OK);
  std::string into(kBig.size(), '\0');
  ASSERT_GT(forebay_read(file, into.data(), into.size(), 0), 0);
  const uint64_t before = node_->local_hits();
  const uint64_t asked = node_->requests();
  for (int i = 0; i < 50; ++i) {
    ASSERT_EQ(forebay_read(file, into.data(), into.size(), 0), static_cast<int64_t>(into.size()));
    ASSERT_TRUE(into == kBig);
  }
  forebay_close(file);
  forebay_get item{
      .path = "/data/big", .into = into.data(), .size = 1000, .offset = 2'000'000, .result = 0};
  EXPECT_EQ(forebay_get_many(client, &item, 1), 1);
  EXPECT_EQ(into.substr(0, 1000), kBig.substr(2'000'000, 1000));
  while (node_->local_hits() < before + 200) std::this_thread::yield();
  EXPECT_LT(node_->requests(), asked + 5);
  forebay_disconnect(client);
}

TEST_P(ClientOnNode, WarmReadsAllocateNothing) {
  if (!kCountsAllocations) GTEST_SKIP() << "a sanitizer's allocator cannot be counted";
  forebay_client* client = Connect();
  forebay_file* file = nullptr;
  ASSERT_EQ(forebay_open(client, "/data/big", &file), FOREBAY_OK);
  // All of it first: a block of which only the begin is asked for gets whole later, and in a
  // segment that is yet to be mapped.
  std::string into(kBig.size(), '\0');
  ASSERT_EQ(forebay_read(file, into.data(), into.size(), 0), static_cast<int64_t>(into.size()));
  into.resize(1u << 20);
  const auto read = [&](int i) {
    ASSERT_GT(forebay_read(file, into.data(), into.size(), uint64_t{1000} * (i % 3)), 0);
    ASSERT_EQ(forebay_submit_read(file, into.data(), 4096, uint64_t{4096} * (i % 7), nullptr),
              FOREBAY_OK);
    forebay_completion done;
    ASSERT_EQ(forebay_collect(client, &done, 1, 10'000), 1);
  };
  for (int i = 0; i < 100; ++i) read(i);
  const uint64_t before = allocations_of_thread;  // the node has threads of its own
  for (int i = 0; i < 200; ++i) read(i);
  EXPECT_EQ(allocations_of_thread - before, 0u);
  forebay_close(file);
  forebay_disconnect(client);
}

TEST_P(ClientOnNode, TheProgramOfTheDocsRuns) {
  uint64_t sum = 0;
  for (const char c : kBig) sum += static_cast<unsigned char>(c);
  const std::string command =
      "FOREBAY_NODE=" + node_->address() + " " FOREBAY_EXAMPLE_READ " /data/big 2>&1";
  FILE* output = popen(command.c_str(), "r");
  ASSERT_NE(output, nullptr);
  char line[200] = "";
  EXPECT_NE(fgets(line, sizeof line, output), nullptr);
  EXPECT_EQ(pclose(output), 0);
  EXPECT_EQ(line, "/data/big: " + std::to_string(kBig.size()) + " bytes, sum " +
                      std::to_string(sum) + "\n");
}

TEST_P(ClientOnNode, ErrorsNameTheThing) {
  forebay_client* client = Connect();
  forebay_file* file = nullptr;
  EXPECT_EQ(forebay_open(client, "/data/none", &file), FOREBAY_NOT_FOUND);
  EXPECT_NE(std::string(forebay_last_error()).find("/data/none"), std::string::npos);
  EXPECT_EQ(file, nullptr);
  EXPECT_EQ(forebay_open(client, nullptr, &file), FOREBAY_INVALID_ARGUMENT);
  EXPECT_EQ(forebay_open(nullptr, "/data/big", &file), FOREBAY_INVALID_ARGUMENT);
  EXPECT_EQ(forebay_read(nullptr, nullptr, 1, 0), FOREBAY_INVALID_ARGUMENT);
  const std::string long_path = "/data/" + std::string(5000, 'x');
  EXPECT_EQ(forebay_open(client, long_path.c_str(), &file), FOREBAY_INVALID_ARGUMENT);
  forebay_options options{};
  forebay_client* other = nullptr;
  EXPECT_EQ(forebay_connect(&options, &other), FOREBAY_INVALID_ARGUMENT);
  options.size = sizeof options;
  options.node = "unix:/nowhere/at/all.sock";
  EXPECT_EQ(forebay_connect(&options, &other), FOREBAY_UNAVAILABLE) << forebay_last_error();
  options.node = "nonsense";
  EXPECT_EQ(forebay_connect(&options, &other), FOREBAY_INVALID_ARGUMENT);
  forebay_disconnect(client);
}

TEST_P(ClientOnNode, SixteenThreadsShareTwoConnections) {
  forebay_client* client = Connect();
  const int reads = ByTier(40, 400, 4000);
  std::atomic<int> good{0};
  std::vector<std::thread> threads;
  threads.reserve(16);
  for (uint64_t seed = 0; seed < 16; ++seed) {
    threads.emplace_back([&, seed] {
      forebay_file* file = nullptr;
      if (forebay_open(client, "/data/big", &file) != FOREBAY_OK) return;
      Prng prng(seed);
      std::string into(1u << 20, '\0');
      for (int i = 0; i < reads; ++i) {
        const uint64_t offset = prng.Below(kBig.size());
        const uint64_t size = 1 + prng.Below(prng.OneIn(4) ? into.size() : 5000);
        const int64_t got = forebay_read(file, into.data(), size, offset);
        const auto expected = std::string_view(kBig).substr(offset, size);
        if (got >= 0 && std::string_view(into).substr(0, got) == expected) ++good;
      }
      forebay_close(file);
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(good, 16 * reads);
  forebay_disconnect(client);
}

TEST_P(ClientOnNode, GetsManyAtOnce) {
  forebay_client* client = Connect();
  std::vector<std::string> into(3000, std::string(4096, '\0'));
  std::vector<forebay_get> items(into.size());
  for (size_t i = 0; i < items.size(); ++i) {
    items[i] = {.path = i % 7 == 3 ? "/data/none" : "/data/small",
                .into = into[i].data(),
                .size = into[i].size(),
                .offset = 0,
                .result = 0};
  }
  items[5].path = nullptr;
  const int64_t good = forebay_get_many(client, items.data(), items.size());
  int64_t expected = 0;
  for (size_t i = 0; i < items.size(); ++i) {
    if (i == 5) {
      EXPECT_EQ(items[i].result, FOREBAY_INVALID_ARGUMENT);
    } else if (i % 7 == 3) {
      EXPECT_EQ(items[i].result, FOREBAY_NOT_FOUND);
    } else {
      ASSERT_EQ(items[i].result, 4096) << i;
      ASSERT_EQ(into[i], kSmall);
      ++expected;
    }
  }
  EXPECT_EQ(good, expected);
  forebay_disconnect(client);
}

TEST_P(ClientOnNode, CompletesWhatWasSubmitted) {
  forebay_client* client = Connect();
  forebay_file* file = nullptr;
  ASSERT_EQ(forebay_open(client, "/data/big", &file), FOREBAY_OK);
  constexpr int kDepth = 8;
  const int reads = ByTier(100, 1000, 10'000);
  std::vector<std::string> into(kDepth, std::string(1u << 20, '\0'));
  std::vector<uint64_t> offsets(kDepth);
  Prng prng(4);
  int submitted = 0;
  int good = 0;
  const auto submit = [&](size_t slot) {
    offsets[slot] = prng.Below(kBig.size());
    ++submitted;
    // NOLINTNEXTLINE(performance-no-int-to-ptr): a tag of ours, which nobody follows
    auto* const tag = reinterpret_cast<void*>(slot);
    return forebay_submit_read(file, into[slot].data(), into[slot].size(), offsets[slot], tag);
  };
  for (size_t slot = 0; slot < kDepth; ++slot) ASSERT_EQ(submit(slot), FOREBAY_OK);
  const int fd = forebay_event_fd(client);
  ASSERT_GE(fd, 0);
  for (int collected = 0; collected < reads;) {
    pollfd ready{.fd = fd, .events = POLLIN, .revents = 0};
    ASSERT_EQ(poll(&ready, 1, 10'000), 1);
    forebay_completion done[4];
    const int count = forebay_collect(client, done, 4, 0);
    ASSERT_GE(count, 0) << forebay_last_error();
    for (int i = 0; i < count; ++i) {
      const auto slot = reinterpret_cast<size_t>(done[i].tag);
      const auto expected = std::string_view(kBig).substr(offsets[slot], 1u << 20);
      if (std::string_view(into[slot]).substr(0, done[i].result) == expected) ++good;
      if (submitted < reads) ASSERT_EQ(submit(slot), FOREBAY_OK);
    }
    collected += count;
  }
  EXPECT_EQ(good, reads);
  forebay_completion none;
  EXPECT_EQ(forebay_collect(client, &none, 1, 10'000), 0);  // nothing left to wait for
  forebay_close(file);
  forebay_disconnect(client);
}

TEST_P(ClientOnNode, WritesInEveryWay) {
  forebay_client* client = Connect();
  forebay_info info;
  ASSERT_EQ(forebay_put(client, "/data/put", "hello", 5, nullptr, &info), FOREBAY_OK)
      << forebay_last_error();
  EXPECT_EQ(info.size, 5u);
  forebay_condition absent{};
  absent.size = sizeof absent;
  absent.if_absent = 1;
  EXPECT_EQ(forebay_put(client, "/data/put", "again", 5, &absent, nullptr), FOREBAY_ALREADY_EXISTS);

  const std::string large = PatternBytes(11u << 20, 9);
  forebay_upload* upload = nullptr;
  ASSERT_EQ(forebay_put_begin(client, "/data/large", nullptr, &upload), FOREBAY_OK);
  for (size_t at = 0; at < large.size(); at += 3'000'000) {
    const size_t size = std::min<size_t>(3'000'000, large.size() - at);
    ASSERT_EQ(forebay_put_write(upload, large.data() + at, size), FOREBAY_OK)
        << forebay_last_error();
  }
  ASSERT_EQ(forebay_put_commit(upload, &info), FOREBAY_OK) << forebay_last_error();
  EXPECT_EQ(info.size, large.size());

  char id[600];
  ASSERT_EQ(forebay_multipart_begin(client, "/data/parts", id, sizeof id), FOREBAY_OK);
  forebay_part parts[2];
  ASSERT_EQ(forebay_multipart_put(client, "/data/parts", id, 2, "world", 5, &parts[1]), FOREBAY_OK);
  ASSERT_EQ(forebay_multipart_put(client, "/data/parts", id, 1, "hello ", 6, &parts[0]),
            FOREBAY_OK);
  ASSERT_EQ(forebay_multipart_commit(client, "/data/parts", id, parts, 2, nullptr, &info),
            FOREBAY_OK);
  EXPECT_EQ(info.size, 11u);
  ASSERT_EQ(forebay_stat(client, "/data/parts", &info), FOREBAY_OK);

  forebay_file* file = nullptr;
  ASSERT_EQ(forebay_open(client, "/data/large", &file), FOREBAY_OK);
  std::string into(large.size(), '\0');
  EXPECT_EQ(forebay_read(file, into.data(), into.size(), 0), static_cast<int64_t>(large.size()));
  EXPECT_TRUE(into == large);
  forebay_close(file);

  ASSERT_EQ(forebay_put_begin(client, "/data/never", nullptr, &upload), FOREBAY_OK);
  ASSERT_EQ(forebay_put_write(upload, "x", 1), FOREBAY_OK);
  forebay_put_abort(upload);
  EXPECT_EQ(forebay_stat(client, "/data/never", &info), FOREBAY_NOT_FOUND);
  EXPECT_EQ(forebay_delete(client, "/data/put", nullptr), FOREBAY_OK);
  EXPECT_EQ(forebay_delete(client, "/data/put", nullptr), FOREBAY_NOT_FOUND);
  forebay_disconnect(client);
}

TEST_P(ClientOnNode, ListsPageByPage) {
  for (int i = 0; i < 2500; ++i) node_->WriteObject("many/" + std::to_string(10'000 + i), "x");
  forebay_client* client = Connect();
  forebay_list* list = nullptr;
  ASSERT_EQ(forebay_list_begin(client, "/data/many/", 0, &list), FOREBAY_OK)
      << forebay_last_error();
  int count = 0;
  forebay_entry entry;
  while (forebay_list_next(list, &entry) == 1) {
    ASSERT_EQ(entry.path, "/data/many/" + std::to_string(10'000 + count));
    ++count;
  }
  EXPECT_EQ(count, 2500);
  forebay_list_end(list);
  forebay_disconnect(client);
}

TEST_P(ClientOnNode, ReadersGoOnWhenTheNodeRestarts) {
  forebay_client* client = Connect();
  std::atomic<bool> over{false};
  std::atomic<int> bad{0};
  std::atomic<int> reads{0};
  std::vector<std::thread> threads;
  threads.reserve(16);
  for (uint64_t seed = 0; seed < 16; ++seed) {
    threads.emplace_back([&, seed] {
      forebay_file* file = nullptr;
      if (forebay_open(client, "/data/big", &file) != FOREBAY_OK) {
        ++bad;
        return;
      }
      Prng prng(seed);
      std::string into(300'000, '\0');
      while (!over) {
        const uint64_t offset = prng.Below(kBig.size());
        const int64_t got = forebay_read(file, into.data(), into.size(), offset);
        const auto expected = std::string_view(kBig).substr(offset, into.size());
        if (got < 0 || std::string_view(into).substr(0, got) != expected) {
          ++bad;
          ADD_FAILURE() << got << ": " << forebay_last_error();
          break;
        }
        ++reads;
      }
      forebay_close(file);
    });
  }
  for (int round = 0; round < ByTier(3, 10, 50); ++round) {
    const int before = reads;
    while (reads < before + 100 && bad == 0) std::this_thread::yield();
    node_->Stop();
    node_->Start();
  }
  over = true;
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(bad, 0);
  forebay_disconnect(client);
}

TEST_P(ClientOnNode, WhatIsSubmittedWhileTheNodeRestartsWaitsForIt) {
  forebay_client* client = Connect();
  forebay_file* file = nullptr;
  ASSERT_EQ(forebay_open(client, "/data/big", &file), FOREBAY_OK);
  std::string into(300'000, '\0');
  for (int round = 0; round < 3; ++round) {
    ASSERT_GT(forebay_read(file, into.data(), into.size(), 0), 0);
    node_->Stop();
    std::thread back([&] { node_->Start(); });
    const int submitted = forebay_submit_read(file, into.data(), into.size(), 1000, nullptr);
    back.join();
    ASSERT_EQ(submitted, FOREBAY_OK) << forebay_last_error();
    forebay_completion done;
    ASSERT_EQ(forebay_collect(client, &done, 1, 20'000), 1);
    ASSERT_EQ(done.result, static_cast<int64_t>(into.size()));
    ASSERT_EQ(into, kBig.substr(1000, into.size()));
  }
  forebay_close(file);
  forebay_disconnect(client);
}

/// Another attachment of the same origin.
client::AttachmentSettings LikeData(client::Client& admin, const std::string& name) {
  client::AttachmentSettings settings;
  settings.name = name;
  settings.origin = admin.Attachments()->front().origin;
  return settings;
}

TEST_P(SharedMemory, AnOldFileTakesNothingFromTheNewOnesOfItsName) {
  forebay_client* client = Connect();
  client::Client& admin = client::ClientOf(client);
  const client::AttachmentSettings settings = LikeData(admin, "again");
  ASSERT_TRUE(admin.Attach(settings));
  forebay_file *old = nullptr, *next = nullptr;
  ASSERT_EQ(forebay_open(client, "/again/big", &old), FOREBAY_OK);
  ASSERT_TRUE(admin.Detach("again"));
  ASSERT_TRUE(admin.Attach(settings));
  std::string into(kBig.size(), '\0');
  const auto size = static_cast<int64_t>(into.size());
  ASSERT_EQ(forebay_open(client, "/again/big", &next), FOREBAY_OK);
  ASSERT_EQ(forebay_read(next, into.data(), into.size(), 0), size);
  EXPECT_EQ(forebay_read(old, into.data(), into.size(), 0), FOREBAY_NOT_FOUND);
  forebay_close(old);
  forebay_close(next);
  const uint64_t sent = node_->sent_bytes();
  for (int i = 0; i < 10; ++i) {
    ASSERT_EQ(forebay_open(client, "/again/big", &next), FOREBAY_OK);
    ASSERT_EQ(forebay_read(next, into.data(), into.size(), 0), size);
    forebay_close(next);
  }
  EXPECT_EQ(node_->sent_bytes(), sent);
  forebay_disconnect(client);
}

TEST_P(SharedMemory, AttachmentsThatComeAndGoTakeNothingFromTheNext) {
  forebay_client* client = Connect();
  client::Client& admin = client::ClientOf(client);
  std::string into(kBig.size(), '\0');
  const auto size = static_cast<int64_t>(into.size());
  for (int day = 0; day < 12; ++day) {
    const auto settings = LikeData(admin, day % 2 == 0 ? "daily" : "daily-" + std::to_string(day));
    ASSERT_TRUE(admin.Attach(settings));
    forebay_file* file = nullptr;
    const std::string path = "/" + settings.name + "/big";
    ASSERT_EQ(forebay_open(client, path.c_str(), &file), FOREBAY_OK);
    const uint64_t before = node_->local_hits();
    // The node may not have taken back yet what the day before had.
    for (int i = 0; i < 10'000 && node_->local_hits() == before; ++i) {
      ASSERT_EQ(forebay_read(file, into.data(), into.size(), 0), size);
    }
    ASSERT_GT(node_->local_hits(), before) << day;
    forebay_close(file);
    ASSERT_TRUE(admin.Detach(settings.name));
  }
  forebay_disconnect(client);
}

TEST_P(ClientOnNode, AnOpenFileDoesNotBecomeAnotherVersion) {
  forebay_client* client = Connect();
  forebay_file* file = nullptr;
  ASSERT_EQ(forebay_open(client, "/data/small", &file), FOREBAY_OK);
  node_->Stop();
  node_->WriteObject("small", PatternBytes(4096, 77));
  node_->Start();
  char into[4096];
  EXPECT_EQ(forebay_read(file, into, sizeof into, 0), FOREBAY_VERSION_CHANGED)
      << forebay_last_error();
  forebay_close(file);
  forebay_disconnect(client);
}

TEST_P(ClientOnNode, TheChildOfAForkConnectsAnew) {
  forebay_client* client = Connect();
  forebay_file* file = nullptr;
  ASSERT_EQ(forebay_open(client, "/data/big", &file), FOREBAY_OK);
  std::atomic<bool> over{false};
  // Another thread is in the middle of things when the fork happens.
  std::thread busy([&] {
    std::string into(1u << 20, '\0');
    while (!over) EXPECT_GT(forebay_read(file, into.data(), into.size(), 5), 0);
  });
  for (int i = 0; i < ByTier(5, 20, 200); ++i) {
    const pid_t child = fork();
    if (child == 0) {
      std::string into(100'000, '\0');
      bool good = forebay_read(file, into.data(), into.size(), 1234) == 100'000 &&
                  into == kBig.substr(1234, 100'000);
      forebay_close(file);
      forebay_disconnect(client);
      _exit(good ? 0 : 1);
    }
    int status = -1;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
  }
  over = true;
  busy.join();
  forebay_close(file);
  forebay_disconnect(client);
}

TEST_P(ClientOnNode, LeavesNoDescriptorBehind) {
  size_t before = 0;
  for (int i = 0; i < 20; ++i) {
    forebay_client* client = Connect();
    forebay_file* file = nullptr;
    ASSERT_EQ(forebay_open(client, "/data/big", &file), FOREBAY_OK);
    std::string into(1000, '\0');
    ASSERT_EQ(forebay_read(file, into.data(), into.size(), 0), 1000);
    ASSERT_GE(forebay_event_fd(client), 0);
    forebay_close(file);
    forebay_disconnect(client);
    // A stop of the node ends its side of the connections, too.
    node_->Stop();
    if (i == 0) before = OpenDescriptors();
    EXPECT_EQ(OpenDescriptors(), before);
    node_->Start();
  }
}

TEST_P(ClientOnNode, AdministersItsNode) {
  forebay_client* client = Connect();
  client::Client& admin = client::ClientOf(client);
  EXPECT_TRUE(admin.Ping());
  const auto attachments = admin.Attachments();
  ASSERT_TRUE(attachments) << attachments.error().ToString();
  ASSERT_EQ(attachments->size(), 1u);
  EXPECT_EQ(attachments->front().name, "data");
  client::AttachmentSettings settings;
  settings.name = "other";
  settings.origin = attachments->front().origin;
  auto attached = admin.Attach(settings);
  if (GetParam() == Way::kTcp) {  // without a token one may read from this machine, no more
    ASSERT_FALSE(attached);
    EXPECT_EQ(attached.error().code(), Code::kPermissionDenied);
    return forebay_disconnect(client);
  }
  ASSERT_TRUE(attached) << attached.error().ToString();
  forebay_info info;
  EXPECT_EQ(forebay_stat(client, "/other/big", &info), FOREBAY_OK) << forebay_last_error();
  EXPECT_EQ(forebay_prefetch(client, "/other/big", 0, 0), static_cast<int64_t>(kBig.size()));
  const auto where = admin.Where("/other/big");
  ASSERT_TRUE(where) << where.error().ToString();
  EXPECT_EQ(where->info.size, kBig.size());
  EXPECT_EQ(where->memory_bytes, kBig.size());
  EXPECT_TRUE(admin.Evict("/other/big"));
  EXPECT_TRUE(admin.Detach("other"));
  EXPECT_EQ(forebay_stat(client, "/other/big", &info), FOREBAY_NOT_FOUND);
  forebay_disconnect(client);
}

TEST(ClientAlone, ASilentNodeIsGivenUpAtTheDeadline) {
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in at{.sin_family = AF_INET, .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
  socklen_t size = sizeof at;
  ASSERT_EQ(bind(listener, reinterpret_cast<sockaddr*>(&at), size), 0);
  ASSERT_EQ(listen(listener, 4), 0);
  ASSERT_EQ(getsockname(listener, reinterpret_cast<sockaddr*>(&at), &size), 0);
  const std::string address = "127.0.0.1:" + std::to_string(ntohs(at.sin_port));
  forebay_options options{};
  options.size = sizeof options;
  options.node = address.c_str();
  options.timeout_ms = 100;
  forebay_client* client = nullptr;
  EXPECT_EQ(forebay_connect(&options, &client), FOREBAY_DEADLINE_EXCEEDED) << forebay_last_error();
  close(listener);
}

}  // namespace
}  // namespace forebay
